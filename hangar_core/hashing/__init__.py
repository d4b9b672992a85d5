"""Identities: typed digests over canonical bytes. What is hashed is spelled out field by field."""
