"""HTTP: serving inside the event loop, problems of one shape, tokens."""
