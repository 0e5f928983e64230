"""Dead letters: writing them, and stopping when they mean a bad release."""
