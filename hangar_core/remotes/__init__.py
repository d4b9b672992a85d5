"""Remotes: other places that hold the same history, and what travels between them and a repository."""
