"""The schema of the read model; a rebuild works in others beside it."""

SCHEMA = "attendance"
