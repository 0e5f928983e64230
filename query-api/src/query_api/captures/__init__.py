"""Captures: one as soon as it is decided, and lists for reviewers."""
