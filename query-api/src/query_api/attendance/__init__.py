"""Days, presence, adjustments and period locks."""
