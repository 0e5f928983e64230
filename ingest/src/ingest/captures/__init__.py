"""Captures of devices: accepted once, kept whatever happens afterwards."""
