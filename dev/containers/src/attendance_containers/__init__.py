"""Builds the images here, without any registry, and plays compose.yaml as it is committed."""
