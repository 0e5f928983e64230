"""Keys that the stack makes at its first start, and the tokens that they sign."""
