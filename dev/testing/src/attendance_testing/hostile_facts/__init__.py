"""Well-formed facts at and over every edge that ingest accepts, and what became of each of them."""
