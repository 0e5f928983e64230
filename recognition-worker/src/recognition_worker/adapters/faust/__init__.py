"""Faust: the app and its mended consumer."""
