"""The read-only API over attendance."""
