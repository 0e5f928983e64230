"""A morning at a plant, played through the real HTTP door."""
