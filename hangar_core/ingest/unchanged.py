"""Which files need not be read: those of which the cache and the arraysets say together that nothing has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from hangar_core.errors import BadFile
from hangar_core.hashing.originals import is_original
from hangar_core.hashing.samples import payload_of
from hangar_core.history.overlay import Overlay
from hangar_core.history.sources import Sources
from hangar_core.ingest.contents import source_digest
from hangar_core.ingest.decoding import LABEL
from hangar_core.ingest.index import Placed, Row, SourceIndex, only_sample, pack_samples, sure, unpack_samples
from hangar_core.ingest.originals import keeps
from hangar_core.ingest.origins import Reader, name_in_record
from hangar_core.ingest.works import Work
from hangar_core.model import Digest
from hangar_core.provenance import ReadingRecord, SourceRecord
from hangar_core.records.keys import encode_key

IsChecked: TypeAlias = Callable[[Digest], bool]


class Way(NamedTuple):
    """How the files of one plugin are read: the recipe by its digest, and what of it provenance tells."""

    recipe: bytes
    reader: Reader


class Unchanged:
    """What is known of the files of one arrayset."""

    def __init__(
        self,
        arrayset: str,
        overlay: Overlay,
        index: SourceIndex,
        store: str,
        is_checked: IsChecked,
        *,
        verify: bool,
        annotated: bool,
    ) -> None:
        """With `verify` the bytes of each file are compared, whatever its stamp says.

        `store` says which files are kept as they are, `is_checked` whether one that is there was decoded as it should.
        `annotated` says that a file of annotations decides as well, of which provenance tells nothing.
        """
        self._arrayset = arrayset
        self._overlay = overlay
        self._index = index
        self._store = store
        self._is_checked = is_checked
        self._verify = verify
        self._annotated = annotated
        self._refreshed: list[tuple[str, Row]] = []

    def keys_of(self, works: Sequence[Work], ways: Mapping[str, Way]) -> dict[str, list[bytes]]:
        """Return path -> keys of the samples of those files that are unchanged; `ways` by plugin."""
        rows = self._index.lookup(self._arrayset, [work.path for work in works])
        known = {
            path: row.samples
            for work in works
            if (row := rows.get(path := work.path)) is not None and self._is_same(work, row, ways[work.plugin].recipe)
        }
        there = self._still_there(known)
        if len(there) < len(works):
            there |= self._moved([work for work in works if work.path not in there], ways)
        if self._refreshed:
            self._index.enter(self._arrayset, self._refreshed)
            self._refreshed = []
        return there

    def _moved(self, works: Sequence[Work], ways: Mapping[str, Way]) -> dict[str, list[bytes]]:
        """Return path -> key of files of one sample that lie elsewhere, or that the cache has forgotten.

        The sample's provenance says from which bytes it came, and how; only files of that size are hashed.
        """
        staged = self._overlay.arraysets.get(self._arrayset)
        if staged is None or not staged.provenance.count or self._annotated:
            return {}
        keys = [(encode_key(work.key), work) for work in works if work.key]
        found: dict[str, list[bytes]] = {}
        known = staged.provenance.get_many({key for key, _ in keys})
        sources = Sources(self._overlay.objects)
        for key, work in keys:
            if (record := known.get(key)) is None:
                continue
            source, reading = sources.record(record)
            digest = staged.samples.get(key)
            if digest is None or not self._is_alike(work, source, reading, ways[work.plugin].reader):
                continue
            if is_original(digest) != keeps(work, self._store) or not self._is_checked(digest):
                continue
            placed = [Placed("", key, digest)]
            if work.label is not None:
                label = payload_of(work.label).digest
                if self._there(LABEL, [key]).get(key) != label:
                    continue
                placed.append(Placed(LABEL, key, label))
            if not _has_bytes(work, source.blake3):
                continue
            found[work.path] = [key]
            row = Row(sure(work.stamp), ways[work.plugin].recipe, source.blake3, pack_samples(placed))
            self._refreshed.append((work.path, row))
        return found

    @staticmethod
    def _is_alike(work: Work, source: SourceRecord, reading: ReadingRecord, reader: Reader) -> bool:
        """Whether a file may be a source that was read in the same way, without a look into it."""
        if (source.samples, source.size, source.name) != (1, work.stamp.size, name_in_record(work.name)):
            return False
        return Reader(reading.plugin, reading.version, reading.options) == reader

    def _is_same(self, work: Work, row: Row, recipe: bytes) -> bool:
        """Whether a file is the one that a row tells of; if its stamp is another one, its bytes decide."""
        if row.recipe != recipe:
            return False
        if row.stamp == work.stamp and not self._verify:
            return True
        if row.stamp.size != work.stamp.size:
            return False
        same = _has_bytes(work, row.source)
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


def _has_bytes(work: Work, source: bytes) -> bool:
    """Whether a file has the bytes of which this is the BLAKE3."""
    try:
        return source_digest(work.path) == source
    except BadFile:
        return False
