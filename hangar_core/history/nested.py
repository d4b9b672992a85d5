"""Nested samples in a record tree: all subsamples of a sample stand together, behind one prefix. See `records.keys`.

A sample without subsamples does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator

from hangar_core.history import tree
from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.records.keys import after_prefix, sample_prefix


def prefixes(objects: Objects, root: Digest) -> Iterator[bytes]:
    """Yield the prefix of each sample in order; streams the tree."""
    before = None
    for key, _ in tree.items(objects, root):
        if before is None or not key.startswith(before):
            before = sample_prefix(key)
            yield before


def under(objects: Objects, root: Digest, prefix: bytes) -> Iterator[tuple[bytes, Digest]]:
    """Yield (whole key, digest) of the subsamples of one sample in order."""
    for key, digest in tree.items(objects, root, prefix):
        if not key.startswith(prefix):
            return
        yield key, digest


def count_under(objects: Objects, root: Digest, prefix: bytes) -> int:
    """Return the number of subsamples of one sample; reads two nodes a level at most."""
    return tree.rank(objects, root, after_prefix(prefix)) - tree.rank(objects, root, prefix)
