"""The backlog in PostgreSQL."""
