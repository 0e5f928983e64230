"""The outbox in PostgreSQL, Kafka and Valkey, each behind a port of the feed."""
