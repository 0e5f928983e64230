"""State at hand: objects, Valkey, and what is sealed in them."""
