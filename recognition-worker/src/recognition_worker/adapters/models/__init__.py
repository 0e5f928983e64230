"""Where models come from: manifests, weights from packages, disk or the object store, proven by digest."""
