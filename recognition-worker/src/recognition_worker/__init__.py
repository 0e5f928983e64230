"""Captures to matches, enrolments to the gallery."""
