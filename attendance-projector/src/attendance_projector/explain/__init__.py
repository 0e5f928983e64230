"""Why a day came out so, from a file or from the database, and what other policies would give."""
