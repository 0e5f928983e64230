"""What became of punches, corrections and erasures, by their ids."""
