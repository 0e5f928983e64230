"""Look at the log and at what became of it; nothing here changes anything."""
