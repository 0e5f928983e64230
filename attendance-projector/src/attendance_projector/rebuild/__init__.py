"""The read model built again from the log beside the live one, compared, and put in its place."""
