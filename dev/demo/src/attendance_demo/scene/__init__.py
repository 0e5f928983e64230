"""Who plays, at which plant, and the morning that is played."""
