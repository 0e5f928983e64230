"""The contract: Avro schemas, topic files, typed events, codec. No I/O but the schema registry client."""
