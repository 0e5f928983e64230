"""One stack that runs: its supervisor, its servers, and what it keeps between starts."""
