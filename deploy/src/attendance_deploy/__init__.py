"""What an installation needs before its services start: permissions, made from one file."""
