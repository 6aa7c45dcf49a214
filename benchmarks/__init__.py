"""Figures with their limits: each is measured beside what would bound it, in the same run."""
