"""The read model at one instant, for explanations."""
