"""Replays beside a bare produce loop of the same records."""
