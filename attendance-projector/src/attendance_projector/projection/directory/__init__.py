"""The directory: which events it records, and whose days each one changes."""
