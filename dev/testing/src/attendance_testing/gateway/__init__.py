"""The gateway of `deploy/gateway` as a process of this machine, and what is sent through it."""
