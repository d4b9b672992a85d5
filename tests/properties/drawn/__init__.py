"""Strategies: values of every kind that has bytes of its own."""
