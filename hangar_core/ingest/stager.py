"""A batch of good files becomes one record of the staging log: their samples, and where they came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hangar_core.hashing.originals import is_original
from hangar_core.history.staging import StagingArea
from hangar_core.ingest.batches import Columns, Placing, Published, Settled, run_items
from hangar_core.ingest.origins import Origins
from hangar_core.ingest.planning import Planner
from hangar_core.ingest.report import Reject
from hangar_core.ingest.targets import Target
from hangar_core.ingest.works import Work
from hangar_core.model import Digest
from hangar_core.records.keys import decode_key

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


class Stager:
    """Stages batches, and counts in `tally` what became of their samples."""

    def __init__(self, staging: StagingArea, planner: Planner, tally: Tally, target: Callable[[str], Target]) -> None:
        """`target` gives the arrayset for what follows ``ARRAYSET.``."""
        self._staging = staging
        self._planner = planner
        self._tally = tally
        self._target = target
        self._origins = Origins(staging)

    def stage(self, good: Iterable[Published], found: Settled, source_of: Callable[[str], dict[str, str]]) -> None:
        """Stage the samples of good files, durably; `source_of` gives the options of arraysets that are new."""
        changes: dict[str, dict[bytes, Digest]] = {name: dict(rows) for name, rows in found.anew.items()}
        already = self._already(good, changes)
        used: set[str] = set()
        fresh: list[tuple[Published, Places]] = []
        for one in good:
            places: Places = {}
            for run in one.samples.runs:
                if isinstance(run, Columns) and already[""].keys().isdisjoint(run.keys):
                    used.add("")
                    name = self._target("").name
                    changes.setdefault(name, {}).update(zip(run.keys, run.digests, strict=True))
                    places.setdefault(name, []).extend(run.keys)
                    self._tally.added += len(run.keys)
                    continue
                for key, parts in run_items(run):
                    used.update(part.suffix for part in parts)
                    for part in self._to_set(one.work, key, parts, already):
                        name = self._target(part.suffix).name
                        changes.setdefault(name, {})[key] = part.digest
                        places.setdefault(name, []).append(key)
            if places:
                fresh.append((one, places))
        defined = {}
        for suffix in used:
            target, schema = self._target(suffix), found.schemas[suffix]
            if target.there is None or target.there.schema != schema:
                target.schema = schema
                there = target.there
                if there is None:
                    self._tally.created.add(target.name)
                defined[target.name] = schema, source_of(suffix) if there is None else there.options
        if defined or changes:
            if self._tally.originals:
                self._staging.require_originals()
            known = self._provenance(fresh, found.anew)
            rows = {name: list(rows.items()) for name, rows in changes.items()}
            self._staging.stage_imports(defined, rows, known)
        self._staging.sync()

    def _provenance(
        self,
        fresh: Sequence[tuple[Published, Places]],
        anew: Mapping[str, Sequence[tuple[bytes, Digest]]],
    ) -> dict[str, dict[bytes, Digest]]:
        """Return arrayset -> key -> where the sample comes from; one that is only converted keeps what is known."""
        found: dict[str, dict[bytes, Digest]] = {}
        for name, rows in anew.items():
            there = self._staging.overlay.arraysets[name]
            found[name] = there.provenance.get_many([key for key, _ in rows])
        files = [(one.work, one.source, len(one.samples), self._planner.reader(one.work.plugin)) for one, _ in fresh]
        for record, (_, places) in zip(self._origins.hold(files), fresh, strict=True):
            for name, keys in places.items():
                found.setdefault(name, {}).update(dict.fromkeys(keys, record))
        return found

    def _already(
        self, good: Iterable[Published], anew: Mapping[str, Mapping[bytes, Digest]]
    ) -> dict[str, dict[bytes, Digest]]:
        """Return what the arraysets hold under the keys that are to be set, as it is when set `anew`."""
        keys: dict[str, set[bytes]] = {}
        for one in good:
            for run in one.samples.runs:
                if isinstance(run, Columns):
                    keys.setdefault("", set()).update(run.keys)
                    continue
                for key, parts in run.items():
                    for part in parts:
                        keys.setdefault(part.suffix, set()).add(key)
        held = {}
        for suffix, some in keys.items():
            target = self._target(suffix)
            found = {} if target.there is None else target.there.samples.get_many(some)
            wider = anew.get(target.name, {})
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
