"""The way of a record: from a capture or an enrolment to its decision. No technology, no thread."""
