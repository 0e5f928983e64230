"""Plumbing without a word of the domain: settings, logs, traces, delivery loop, object store, health."""
