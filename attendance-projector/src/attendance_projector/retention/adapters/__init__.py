"""The months of tables in PostgreSQL."""
