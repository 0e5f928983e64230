"""The HTTP side: who asks, what they sent, and how the answer looks."""
