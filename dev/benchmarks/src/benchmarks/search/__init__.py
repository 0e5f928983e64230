"""Searches in galleries, beside numpy and faiss."""
