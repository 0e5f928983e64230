"""Topics as state in memory: read from the beginning, followed, and known to be behind when they are."""
