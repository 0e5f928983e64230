"""Plumbing without a word of the domain: settings, logs, metrics, traces, delivery loop, object store, health."""
