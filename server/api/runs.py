"""Runs: which there are, what they said and did, and what people do to them."""
