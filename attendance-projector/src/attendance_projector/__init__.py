"""Facts to month-partitioned attendance tables."""
