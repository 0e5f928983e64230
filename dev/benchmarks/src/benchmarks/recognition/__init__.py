"""Recognition, from bytes to decision and through Kafka, beside DeepFace and the bare libraries."""
