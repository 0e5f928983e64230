"""Fates in PostgreSQL."""
