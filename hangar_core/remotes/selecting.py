"""Which data are meant: those of some commits, of some arraysets, of samples with some names."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from hangar_core.history.commits import read_commit, read_root
from hangar_core.history.objects import Objects
from hangar_core.model import CommitId, Digest, Schema
from hangar_core.records.keys import decode_either, decode_key, prefix_of, sample_prefix
from hangar_core.remotes.conditions import Condition

_LEAVES_AT_ONCE: Final = 512


def selected(
    objects: Objects,
    commits: Iterable[CommitId],
    arraysets: Sequence[str] | None = None,
    keys: Sequence[str] = (),
    where: Condition | None = None,
) -> Iterator[tuple[list[Digest], Schema]]:
    """Yield data by the leaves that name them, some leaves at a time, with their schema. A leaf is looked at once.

    `arraysets` are names (None: all), `keys` globs of sample names (none: all); `where` is a condition, which is asked
    of each commit by itself. Raises what that raises.
    """
    met: set[Digest] = set()
    for commit in commits:
        root = read_root(objects, read_commit(objects, commit).root)
        meant = None
        if where is not None:
            meant = where.keys(objects, root.arraysets)
            met = set()  # a leaf that was met may hold others that are meant here
        for name, aset in root.arraysets.items():
            if arraysets is not None and name not in arraysets:
                continue
            leaves = _leaves(objects, aset.tree, met, _Matcher(keys, meant, is_nested=aset.schema.nested))
            while some := _next(objects, leaves):
                yield list(dict.fromkeys(digest for leaf in some for digest in leaf)), aset.schema


def _next(objects: Objects, leaves: Iterator[Sequence[Digest]]) -> list[Sequence[Digest]]:
    with objects.snapshot():
        return list(islice(leaves, _LEAVES_AT_ONCE))


def _leaves(objects: Objects, root: Digest, met: set[Digest], matcher: _Matcher) -> Iterator[Sequence[Digest]]:
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
        elif matcher.chooses:
            yield [one for key, one in zip(node.keys, node.digests, strict=True) if matcher.matches(key)]
        else:
            yield node.digests


class _Matcher:
    """Says of keys whether they are meant: by globs (none: all) and among some keys of samples (None: all)."""

    def __init__(self, globs: Sequence[str], meant: set[bytes] | None, *, is_nested: bool) -> None:
        self._globs = globs
        self._meant = {prefix_of(decode_key(key)) for key in meant} if meant is not None and is_nested else meant
        self._is_nested = is_nested
        self.chooses = bool(globs) or meant is not None

    def matches(self, key: bytes) -> bool:
        """Whether a key is meant; a nested one if its sample is."""
        if self._meant is not None and (sample_prefix(key) if self._is_nested else key) not in self._meant:
            return False
        return not self._globs or _matches(key, self._globs)


def _matches(key: bytes, globs: Sequence[str]) -> bool:
    found = decode_either(key)
    names = ["/".join(map(str, found)) if isinstance(found, tuple) else str(found)]
    if isinstance(found, int):
        names.append(f"int:{found}")
    return any(fnmatch.fnmatchcase(name, glob) for name in names for glob in globs)
