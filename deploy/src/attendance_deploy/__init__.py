"""What an installation needs before its services start: permissions, secrets, and what they open."""
