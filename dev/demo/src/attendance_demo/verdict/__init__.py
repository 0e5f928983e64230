"""What became of the captures, by the services' own stores, held against what was sent."""
