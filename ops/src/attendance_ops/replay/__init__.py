"""Consume the past again: planned, shown, run with checkpoints, and verified."""
