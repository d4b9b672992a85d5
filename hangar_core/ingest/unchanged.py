"""Which files need not be read: those of which the cache and the arraysets say together that nothing has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hangar_core.errors import BadFile
from hangar_core.history.overlay import Overlay
from hangar_core.ingest.contents import source_digest
from hangar_core.ingest.index import Placed, Row, SourceIndex, only_sample, sure, unpack_samples
from hangar_core.ingest.works import Work
from hangar_core.model import Digest


class Unchanged:
    """What is known of the files of one arrayset."""

    def __init__(self, arrayset: str, overlay: Overlay, index: SourceIndex, *, verify: bool) -> None:
        """With `verify` the bytes of each file are compared, whatever its stamp says."""
        self._arrayset = arrayset
        self._overlay = overlay
        self._index = index
        self._verify = verify
        self._refreshed: list[tuple[str, Row]] = []

    def keys_of(self, works: Sequence[Work], recipes: Mapping[str, bytes]) -> dict[str, list[bytes]]:
        """Return path -> keys of the samples of those files that are unchanged; `recipes` by plugin."""
        rows = self._index.lookup(self._arrayset, [work.path for work in works])
        known = {
            path: row.samples
            for work in works
            if (row := rows.get(path := work.path)) is not None and self._is_same(work, row, recipes)
        }
        there = self._still_there(known)
        if self._refreshed:
            self._index.enter(self._arrayset, self._refreshed)
            self._refreshed = []
        return there

    def _is_same(self, work: Work, row: Row, recipes: Mapping[str, bytes]) -> bool:
        """Whether a file is the one that a row tells of; if its stamp is another one, its bytes decide."""
        if row.recipe != recipes[work.plugin]:
            return False
        if row.stamp == work.stamp and not self._verify:
            return True
        if row.stamp.size != work.stamp.size:
            return False
        try:
            same = source_digest(work.path) == row.source
        except BadFile:
            return False
        if same and row.stamp != (stamp := sure(work.stamp)):
            self._refreshed.append((work.path, row._replace(stamp=stamp)))
        return same

    def _still_there(self, known: Mapping[str, bytes]) -> dict[str, list[bytes]]:
        """Return path -> keys of those files all of whose samples are in their arraysets as the index says."""
        wanted: dict[str, list[bytes]] = {"": []}
        placed: dict[str, list[Placed]] = {}
        alone: dict[str, Placed] = {}
        for path, packed in known.items():
            one = only_sample(packed)
            if one is not None:  # nearly always
                alone[path] = one
                wanted[""].append(one.key)
                continue
            try:
                placed[path] = samples = list(unpack_samples(packed))
            except ValueError:
                continue
            for one in samples:
                wanted.setdefault(one.suffix, []).append(one.key)
        found = {suffix: self._there(suffix, keys) for suffix, keys in wanted.items()}
        main = found[""]
        same = {path: [one.key] for path, one in alone.items() if main.get(one.key) == one.digest}
        for path, samples in placed.items():
            if samples and all(found[one.suffix].get(one.key) == one.digest for one in samples):
                same[path] = list(dict.fromkeys(one.key for one in samples))
        return same

    def _there(self, suffix: str, keys: list[bytes]) -> dict[bytes, Digest]:
        """Return what an arrayset holds under some keys."""
        staged = self._overlay.arraysets.get(f"{self._arrayset}.{suffix}" if suffix else self._arrayset)
        return {} if staged is None or staged.schema.nested else staged.samples.get_many(keys)
