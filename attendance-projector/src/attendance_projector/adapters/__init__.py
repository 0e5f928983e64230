"""The projector's technology: PostgreSQL and the event codec, each behind a port."""
