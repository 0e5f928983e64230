"""Who may do what: one file, `access.yaml`, and what each kind of server is told of it."""
