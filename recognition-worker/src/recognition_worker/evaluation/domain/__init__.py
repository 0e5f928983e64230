"""The protocols of an evaluation as arithmetic: 1:1, 1:N, and the tail of non-mated scores."""
