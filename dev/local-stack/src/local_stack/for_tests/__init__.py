"""What tests get of a stack: fixtures, and databases and buckets of their own."""
