"""The directory: which facts it records, and whose days each one changes."""
