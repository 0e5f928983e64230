"""What became of what was accepted, where the rows of facts do not say it."""
