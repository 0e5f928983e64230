"""Scenario files: one person's facts in JSON, and the days that the rules make of them."""
