"""Exact search in the templates of a gallery: rows of embeddings, and one score for each person."""
