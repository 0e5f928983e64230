"""compose.yaml as it is committed, played on an engine of its own."""
