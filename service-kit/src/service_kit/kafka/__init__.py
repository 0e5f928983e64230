"""Kafka: consuming with positions, the delivery loop and its endings, dead letters."""
