"""What has to be there before the services start; each step again changes nothing."""
