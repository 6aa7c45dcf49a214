"""Flows: what can be run, and running it."""
