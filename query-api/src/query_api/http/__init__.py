"""The HTTP side: parameters in, scopes from tokens, rows and problems out."""
