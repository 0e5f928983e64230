"""Months that are not kept any more are dropped, under readers."""
