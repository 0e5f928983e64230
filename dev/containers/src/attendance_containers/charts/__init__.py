"""Checks the charts as far as that goes without a cluster: they render, and what they render is right."""
