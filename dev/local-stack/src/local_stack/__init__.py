"""Real Kafka, schema registry, PostgreSQL, S3 and Valkey from packages, for the demo, tests and CI."""
