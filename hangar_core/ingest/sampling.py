"""A look at some of the files: what an import would do, and what schema the files ask for. Writes nothing."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from hangar_core import external
from hangar_core.errors import HangarError, InvalidInput
from hangar_core.history.overlay import Overlay
from hangar_core.ingest.coco import annotations_for
from hangar_core.ingest.decoding import LABEL, Outcome, Reading, decode, reject_of
from hangar_core.ingest.index import SourceIndex
from hangar_core.ingest.inference import Form, Misfit, fits, infer
from hangar_core.ingest.objects import LocalCopies
from hangar_core.ingest.options import ImportOptions
from hangar_core.ingest.planning import Planner, check_names
from hangar_core.ingest.quarantine import Quarantine
from hangar_core.ingest.report import Plan, Reject
from hangar_core.ingest.stacks import Stack
from hangar_core.ingest.walking import printable
from hangar_core.ingest.workers import is_isolated
from hangar_core.ingest.works import Spool, Work
from hangar_core.model import Schema
from hangar_core.storage.layout import Layout

if TYPE_CHECKING:
    from hangar_core.ingest.processes import ProcessPool

_MOST_FILES = 256
_MOST_ROWS = 1_000
_MOST_OUTLINES = 8


class Sampled(NamedTuple):
    """Forms of what was read, by what follows ``ARRAYSET.``; which file had a form first; who could not be read."""

    forms: dict[str, Counter[Form]]
    first: dict[tuple[str, Form], Work]
    rejects: list[Reject]
    files: int
    tables: dict[str, external.Outline]


def forms_of(
    works: Sequence[Work], reading: Reading, copies: LocalCopies, options: ImportOptions, outlines: int = 0
) -> Sampled:
    """Read up to 256 files, of each the first samples, and count the forms of their samples.

    Of the first good tables, at most `outlines`, plugins are asked what is in them, for which they read all of it.
    """
    some = works[:: -(-len(works) // _MOST_FILES)] if works else works
    found = Sampled({}, {}, [], len(some), {})
    with _Reader(reading._replace(most=_MOST_ROWS), options) as reader:
        for work in copies.bring(some):
            outcome = copies.returned(reader.read(work))
            if outcome.reject is not None:
                found.rejects.append(outcome.reject)
            else:
                _count(work, outcome, found)
                if len(found.tables) < outlines:
                    _outline(work, reading, found)
            copies.drop(work.path)
    return found


def _count(work: Work, outcome: Outcome, found: Sampled) -> None:
    try:
        for read in outcome.reads:
            if isinstance(read, Stack):
                form = Form(read.batch.dtype, read.batch.shape)
                found.forms.setdefault("", Counter())[form] += len(read.keys)
                found.first.setdefault(("", form), work)
                continue
            for part in read.parts:
                form = Form(part.dtype, part.shape)
                found.forms.setdefault(part.suffix, Counter())[form] += 1
                found.first.setdefault((part.suffix, form), work)
    except Exception as why:
        found.rejects.append(reject_of(why, work))


def _outline(work: Work, reading: Reading, found: Sampled) -> None:
    if is_isolated(work.plugin):
        return  # its files are not for this process
    try:
        outline = external.outline_of(work.path, work.plugin, **reading.options)
    except HangarError as why:
        found.rejects.append(reject_of(why, work))
    else:
        if outline is not None:
            found.tables[work.shown] = outline


class _Reader:
    """Reads one file after another, those of isolated plugins in a process whose data nobody keeps."""

    def __init__(self, reading: Reading, options: ImportOptions) -> None:
        self._reading = reading
        self._options = options
        self._resources = ExitStack()
        self._pool: ProcessPool | None = None

    def read(self, work: Work) -> Outcome:
        if self._options.jobs == 1 or not is_isolated(work.plugin):
            return decode(work, self._reading)
        if self._pool is None:
            from hangar_core.ingest.processes import ProcessPool

            folder = self._resources.enter_context(tempfile.TemporaryDirectory(prefix="hangar-plan-"))
            pool = ProcessPool(self._reading, self._options.limits, Path(folder))
            self._pool = self._resources.enter_context(closing(pool))
        return self._pool.read([work]).outcomes[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()


def plan(
    overlay: Overlay,
    layout: Layout,
    arrayset: str,
    paths: Sequence[str | os.PathLike[str]],
    options: ImportOptions,
) -> Plan:
    """Return what an import of `paths` over `overlay` would do, from a scan of all and a look into some of the files.

    Needs no lock and writes nothing. Raises `InvalidName`, `InvalidInput`, `NoPluginFor`, `PluginNotFound`,
    `PluginBroken`, `BadFile` for a file of annotations.
    """
    check_names(arrayset, options)
    with (
        closing(SourceIndex(layout.import_index, writable=False)) as index,
        closing(Spool(None)) as spool,
        annotations_for(options, None) as annotations,
        LocalCopies(None) as copies,
    ):
        planner = Planner(arrayset, options, overlay, index, Quarantine(layout.quarantine), annotations)
        planner.spool(paths, spool, lambda _: None)
        scan = planner.scan
        if not scan.files and not options.retry_quarantined:
            raise InvalidInput(
                f"There is nothing to import in {', '.join(map(printable, paths))}.",
                hint="give files, or folders that contain some",
            )
        sampled = forms_of(scan.sampled, planner.reading(describe=False), copies, options, _MOST_OUTLINES)
    schemas, created, odd = _schemas(overlay, arrayset, sampled)
    return Plan(
        arrayset=arrayset,
        files=spool.count,
        bytes=scan.bytes,
        extensions=dict(scan.extensions.most_common()),
        plugins=dict(sorted(scan.planned.items())),
        unchanged=scan.unchanged,
        quarantined=scan.quarantined,
        arraysets=schemas,
        created=tuple(created),
        sampled=sampled.files,
        labels=dict(scan.labels.most_common()),
        rejects=tuple(sorted([*scan.rejects, *sampled.rejects, *odd], key=lambda reject: reject.source)),
        ignored=tuple(scan.ignored.listed),
        ignored_count=scan.ignored.count,
        tables=sampled.tables,
    )


def _schemas(
    overlay: Overlay, arrayset: str, sampled: Sampled
) -> tuple[dict[str, Schema], list[str], Iterable[Reject]]:
    """Return name -> schema of the arraysets, the names of those that are new, and who does not fit."""
    schemas: dict[str, Schema] = {}
    created: list[str] = []
    odd: dict[str, Reject] = {}
    for suffix, forms in sorted(sampled.forms.items(), key=lambda one: (one[0] == LABEL, one[0])):
        name = f"{arrayset}.{suffix}" if suffix else arrayset
        there = overlay.arraysets.get(name)
        if there is None:
            created.append(name)
            schemas[name], misfits = infer(forms)
        else:
            schemas[name] = there.schema
            found: dict[Form, Misfit | None] = {form: fits(there.schema, form) for form in forms}
            misfits = {form: misfit for form, misfit in found.items() if misfit is not None}
        for form, misfit in misfits.items():
            work = sampled.first[suffix, form]
            odd.setdefault(work.shown, work.reject(*misfit))
    return schemas, created, odd.values()
