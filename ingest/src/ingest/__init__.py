"""The only way to write: captures, enrolments and the directory."""
