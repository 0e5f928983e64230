"""Topics kept in the object store past Kafka's retention: written, listed, verified."""
