"""Months of attendance by chance, an oracle for their days, and the change feed as a follower sees it."""
