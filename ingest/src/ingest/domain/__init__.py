"""What ingest decides, pure: no I/O, no clock, no telemetry."""
