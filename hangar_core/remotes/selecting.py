"""Which data are meant: those of some commits, of some arraysets, of samples with some names."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from hangar_core.history.commits import read_commit, read_root
from hangar_core.history.objects import Objects
from hangar_core.model import CommitId, Digest, Schema
from hangar_core.records.keys import decode_either

_LEAVES_AT_ONCE: Final = 512


def selected(
    objects: Objects,
    commits: Iterable[CommitId],
    arraysets: Sequence[str] | None = None,
    keys: Sequence[str] = (),
) -> Iterator[tuple[list[Digest], Schema]]:
    """Yield data by the leaves that name them, some leaves at a time, with their schema. A leaf is looked at once.

    `arraysets` are names (None: all), `keys` globs of sample names (none: all).
    """
    met: set[Digest] = set()
    for commit in commits:
        root = read_root(objects, read_commit(objects, commit).root)
        for name, aset in root.arraysets.items():
            if arraysets is not None and name not in arraysets:
                continue
            leaves = _leaves(objects, aset.tree, met, keys)
            while some := _next(objects, leaves):
                yield list(dict.fromkeys(digest for leaf in some for digest in leaf)), aset.schema


def _next(objects: Objects, leaves: Iterator[Sequence[Digest]]) -> list[Sequence[Digest]]:
    with objects.snapshot():
        return list(islice(leaves, _LEAVES_AT_ONCE))


def _leaves(objects: Objects, root: Digest, met: set[Digest], globs: Sequence[str]) -> Iterator[Sequence[Digest]]:
    """Yield the data of each leaf in order; of leaves that were met in another commit nothing."""
    todo = [root]
    while todo:
        digest = todo.pop()
        if digest in met:
            continue
        met.add(digest)
        node = objects.get_node(digest)
        if node.level:
            todo += reversed(node.digests)
        elif globs:
            pairs = zip(node.keys, node.digests, strict=True)
            yield [one for key, one in pairs if _matches(key, globs)]
        else:
            yield node.digests


def _matches(key: bytes, globs: Sequence[str]) -> bool:
    found = decode_either(key)
    names = ["/".join(map(str, found)) if isinstance(found, tuple) else str(found)]
    if isinstance(found, int):
        names.append(f"int:{found}")
    return any(fnmatch.fnmatchcase(name, glob) for name in names for glob in globs)
