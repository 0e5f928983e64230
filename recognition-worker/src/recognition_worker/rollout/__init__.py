"""Several models side by side: which one decides, which one is tried, and templates for the next."""
