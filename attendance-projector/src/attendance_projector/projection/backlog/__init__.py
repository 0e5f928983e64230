"""The backlog: days of many people that a fact made stale, computed a bounded part at a time."""
