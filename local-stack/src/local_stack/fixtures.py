"""Pytest fixtures over the local stack."""
