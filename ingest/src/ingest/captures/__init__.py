"""Captures of devices: accepted once, and lost by no outage afterwards."""
