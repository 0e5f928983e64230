"""A real Kubernetes on this one machine, from packages alone, and what is tried on it with the charts."""
