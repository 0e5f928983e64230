"""Harm to the running services under load, and an independent audit of what they kept: `python -m chaos`."""
