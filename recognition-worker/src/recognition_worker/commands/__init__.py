"""What operators type beside `run`: each reads its arguments and prints; the work is done elsewhere."""
