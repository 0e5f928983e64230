"""Puts the parts together: what a worker, or a command, is made of. Here alone are adapters chosen."""
