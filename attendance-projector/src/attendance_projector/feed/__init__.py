"""The change feed and presence: what was written is told to Kafka and to Valkey."""
