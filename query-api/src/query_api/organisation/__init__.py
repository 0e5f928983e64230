"""What the caller's organisation is, and which words it uses."""
