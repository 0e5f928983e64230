"""Days: which ones changed facts make stale, and what the rules make of them now."""
