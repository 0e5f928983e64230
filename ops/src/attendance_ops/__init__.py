"""`attendance-ops`: what operators need at three in the morning."""
