"""Arraysets and metadata as users hold them. A writer is a reader that can also write."""
