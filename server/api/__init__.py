"""The API, one file for each noun: its routes, and what they answer."""
