"""Punches without a face: badge, PIN, QR code, supervisor."""
