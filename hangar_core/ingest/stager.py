"""A batch of good files becomes records of the staging log, as a rule one: samples, and where they came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hangar_core.hashing.originals import is_original
from hangar_core.history.staging import StagingArea
from hangar_core.ingest.batches import Pending, Published, Settled
from hangar_core.ingest.origins import Origins
from hangar_core.ingest.planning import Planner
from hangar_core.ingest.report import Reject
from hangar_core.ingest.shelf import Columns, Placing, Run, run_items, run_keys
from hangar_core.ingest.targets import Target
from hangar_core.ingest.works import Work
from hangar_core.model import Digest, Schema
from hangar_core.records.keys import decode_key

# So many samples at most are staged by one record, all or nothing; of more, so many by each.
MOST_TOGETHER: Final = 1 << 17
_PIECE: Final = 1 << 15
# Arrayset -> keys of its samples that one file has set.
Places = dict[str, list[bytes]]


@dataclass(slots=True)
class Tally:
    """What was done so far, in samples."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    bytes: int = 0
    originals: int = 0
    created: set[str] = field(default_factory=set)
    plugins: Counter[str] = field(default_factory=Counter)
    kept: list[Reject] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


class _Piece:
    """What is staged as one record: samples of files, and before them what is set `anew`, by arrayset."""

    def __init__(self, anew: dict[str, dict[bytes, Digest]]) -> None:
        self.anew = anew
        self.files: list[tuple[Published, list[Run]]] = []
        self.count = 0

    def add(self, one: Published, run: Run) -> None:
        if not self.files or self.files[-1][0] is not one:
            self.files.append((one, []))
        self.files[-1][1].append(run)
        self.count += len(run_keys(run))


class Stager:
    """Stages batches, and counts in `tally` what became of their samples."""

    def __init__(self, staging: StagingArea, planner: Planner, tally: Tally, target: Callable[[str], Target]) -> None:
        """`target` gives the arrayset for what follows ``ARRAYSET.``."""
        self._staging = staging
        self._planner = planner
        self._tally = tally
        self._target = target
        self._origins = Origins(staging)

    def stage(self, good: Pending, found: Settled, source_of: Callable[[str], dict[str, str]]) -> None:
        """Stage the samples of good files, durably; `source_of` gives the options of arraysets that are new.

        Together if they are not too many for that.
        """
        most = MOST_TOGETHER if good.samples <= MOST_TOGETHER else _PIECE
        piece = _Piece({name: dict(rows) for name, rows in found.anew.items()})
        for one in good:
            for run in one.samples.runs():
                if piece.count and piece.count + len(run_keys(run)) > most:
                    self._stage(piece, found, source_of)
                    piece = _Piece({})
                piece.add(one, run)
        self._stage(piece, found, source_of)
        self._staging.sync()

    def _stage(self, piece: _Piece, found: Settled, source_of: Callable[[str], dict[str, str]]) -> None:
        """Stage some samples as one record."""
        changes: dict[str, dict[bytes, Digest]] = dict(piece.anew)
        already = self._already(piece)
        used: set[str] = set()
        fresh: list[tuple[Published, Places]] = []
        for one, runs in piece.files:
            places: Places = {}
            for run in runs:
                if isinstance(run, Columns) and all(
                    already[part.suffix].keys().isdisjoint(run.keys) for part in run.parts
                ):
                    self._set_all(run, changes, places)
                    used.update(part.suffix for part in run.parts)
                    continue
                for key, parts in run_items(run):
                    used.update(part.suffix for part in parts)
                    for part in self._to_set(one.work, key, parts, already):
                        name = self._target(part.suffix).name
                        changes.setdefault(name, {})[key] = part.digest
                        places.setdefault(name, []).append(key)
            if places:
                fresh.append((one, places))
        defined = self._defined(used, found, source_of)
        if defined or changes:
            if self._tally.originals:
                self._staging.require_originals()
            known = self._provenance(fresh, piece.anew)
            rows = {name: list(rows.items()) for name, rows in changes.items()}
            self._staging.stage_imports(defined, rows, known)

    def _set_all(self, run: Columns, changes: dict[str, dict[bytes, Digest]], places: Places) -> None:
        """Set all samples of a run; none of them is there."""
        for part in run.parts:
            name = self._target(part.suffix).name
            changes.setdefault(name, {}).update(zip(run.keys, part.digests, strict=True))
            places.setdefault(name, []).extend(run.keys)
        self._tally.added += len(run.keys)

    def _defined(
        self, used: Iterable[str], found: Settled, source_of: Callable[[str], dict[str, str]]
    ) -> dict[str, tuple[Schema, Mapping[str, str]]]:
        """Return name -> schema and options of the arraysets that are new, or whose schema has grown."""
        defined: dict[str, tuple[Schema, Mapping[str, str]]] = {}
        for suffix in used:
            target, schema = self._target(suffix), found.schemas[suffix]
            if target.there is None or target.there.schema != schema:
                target.schema = schema
                there = target.there
                if there is None:
                    self._tally.created.add(target.name)
                defined[target.name] = schema, source_of(suffix) if there is None else there.options
        return defined

    def _provenance(
        self,
        fresh: Sequence[tuple[Published, Places]],
        anew: Mapping[str, Mapping[bytes, Digest]],
    ) -> dict[str, dict[bytes, Digest]]:
        """Return arrayset -> key -> where the sample comes from; one that is only converted keeps what is known."""
        found: dict[str, dict[bytes, Digest]] = {}
        for name, rows in anew.items():
            there = self._staging.overlay.arraysets[name]
            found[name] = there.provenance.get_many(list(rows))
        files = [(one.work, one.source, len(one.samples), self._planner.reader(one.work.plugin)) for one, _ in fresh]
        for record, (_, places) in zip(self._origins.hold(files), fresh, strict=True):
            for name, keys in places.items():
                found.setdefault(name, {}).update(dict.fromkeys(keys, record))
        return found

    def _already(self, piece: _Piece) -> dict[str, dict[bytes, Digest]]:
        """Return what the arraysets hold under the keys that are to be set, as it is when some are set anew."""
        keys: dict[str, set[bytes]] = {}
        for _, runs in piece.files:
            for run in runs:
                if isinstance(run, Columns):
                    for part in run.parts:
                        keys.setdefault(part.suffix, set()).update(run.keys)
                    continue
                for key, parts in run.items():
                    for placing in parts:
                        keys.setdefault(placing.suffix, set()).add(key)
        held = {}
        for suffix, some in keys.items():
            target = self._target(suffix)
            found = {} if target.there is None else target.there.samples.get_many(some)
            wider = piece.anew.get(target.name, {})
            held[suffix] = {key: wider.get(key, digest) for key, digest in found.items()}
        return held

    def _to_set(
        self, work: Work, key: bytes, parts: tuple[Placing, ...], already: Mapping[str, Mapping[bytes, Digest]]
    ) -> list[Placing]:
        """Return the parts of a sample that are to be set, all or none of those that differ; count it."""
        other = [part for part in parts if already[part.suffix].get(key) != part.digest]
        if not other:
            self._tally.unchanged += 1
            return []
        is_there = any(key in already[part.suffix] for part in other)
        if is_there and not self._planner.options.overwrite:
            message = f"sample '{decode_key(key)}' exists with other content and was kept"
            self._tally.kept.append(work.reject("exists", message, "replace it with --overwrite"))
            return []
        self._tally.originals += any(is_original(part.digest) for part in other)
        if is_there:
            self._tally.updated += 1
        else:
            self._tally.added += 1
        return other
