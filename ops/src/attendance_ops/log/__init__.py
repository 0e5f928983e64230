"""What is in the topics: which records, decoded, and with a mask where it is needed."""
