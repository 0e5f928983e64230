"""From a crop to an embedding: one file for each way to compute it, and the choice among them."""
