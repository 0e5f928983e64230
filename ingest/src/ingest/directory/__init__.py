"""What the directory says, record by record or as a file."""
