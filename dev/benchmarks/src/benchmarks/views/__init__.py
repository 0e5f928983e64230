"""Views of compacted topics beside Kafka's plain client."""
