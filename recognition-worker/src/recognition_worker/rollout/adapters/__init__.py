"""The models put together with their runtimes."""
