"""An installation on secured servers, of identities that may do what access.yaml says, and its matrix."""
