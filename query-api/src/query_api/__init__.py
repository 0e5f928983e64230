"""The read-only API over attendance: days, presence, captures, enrolments and people."""
