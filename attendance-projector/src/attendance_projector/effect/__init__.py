"""What facts that are published again would change: applied in a transaction that is taken back."""
