"""State at hand: views of compacted topics, objects, Valkey, and what is sealed in them."""
