"""Topics kept past Kafka's retention: files of records in an object store, read with the topic as one."""
