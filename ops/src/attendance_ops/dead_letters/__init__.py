"""Records that no service could handle: grouped, shown, sent again, or put away with a reason."""
