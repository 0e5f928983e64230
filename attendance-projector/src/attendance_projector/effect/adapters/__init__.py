"""The tables of a trial: those of the live path, taken back at the end."""
