"""The directory in PostgreSQL, and the people remembered of it."""
