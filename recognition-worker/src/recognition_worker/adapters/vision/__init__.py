"""From image bytes to faces and crops: OpenCV and YuNet."""
