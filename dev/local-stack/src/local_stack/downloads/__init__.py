"""The Java parts of the stack: exactly the files that a lock names."""
