"""Locked periods: their days stay, and what is learned later becomes an adjustment."""
