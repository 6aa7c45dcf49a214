"""Decides when: patterns, the index over them, and what is awaited over time.

Deciding is pure: no clock is read, nothing is stored but through what is handed in.
"""
