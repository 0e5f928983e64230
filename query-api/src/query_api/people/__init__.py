"""People and their enrolments."""
