"""How long the commands of operators take."""
