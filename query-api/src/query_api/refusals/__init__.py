"""Facts that the rules refused, and why."""
