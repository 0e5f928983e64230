"""The technologies behind the ports; each library is named in exactly one file."""
