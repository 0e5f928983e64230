"""Photos from folders, figures to terminals and files."""
