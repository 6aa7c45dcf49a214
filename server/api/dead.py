"""Dead actions: those that were given up, and trying them again."""
