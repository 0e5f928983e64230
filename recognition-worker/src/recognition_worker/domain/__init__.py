"""What recognition decides: alignment, quality, gallery, thresholds. No I/O, no clock, no cv2."""
