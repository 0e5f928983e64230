"""The live path: a batch of records becomes rows, in one transaction."""
