"""What operators type beside `run`: names, options, help. Each imports its work when it is asked for it."""
