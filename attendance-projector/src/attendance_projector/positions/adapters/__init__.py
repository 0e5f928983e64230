"""Positions in PostgreSQL beside the log in Kafka."""
