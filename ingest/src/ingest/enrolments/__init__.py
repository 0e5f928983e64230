"""Photos to learn a person from, and the erasure of what was learned."""
