"""What the live path writes and reads: PostgreSQL behind the ports of a transaction, and Kafka."""
