"""Locked periods in PostgreSQL."""
