"""Bytes <-> values, pure: keys, tree nodes, commits, staging records. No I/O. Formats: docs/formats/."""
