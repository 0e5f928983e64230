"""Technology in its roles: the object store, Kafka, Valkey."""
