"""The log, the schemas and the bulk loads of a rebuild."""
