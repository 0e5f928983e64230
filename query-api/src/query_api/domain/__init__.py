"""What a query may see, which instants it spans, where its next page starts: pure, no I/O, no clock."""
