"""What the APIs take: requests through real processes, beside what their parts take alone."""
