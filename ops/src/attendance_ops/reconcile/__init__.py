"""Hold devices, object store, topics and tables together, and publish again what is missing."""
