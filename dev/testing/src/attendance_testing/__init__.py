"""What tests of several services share, and what stands in for the world beside the real servers."""
