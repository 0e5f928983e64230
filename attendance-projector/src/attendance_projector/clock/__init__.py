"""The clock as an operator sees it: how far time has come, and how a wrong instant is taken back."""
