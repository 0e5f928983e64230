"""The technologies behind the ports: PostgreSQL for what is stored, Kafka for what was just decided."""
