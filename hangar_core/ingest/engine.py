"""The import itself: scan, read, stage, and perhaps commit. The rooms beside this one do each of it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from hangar_core.errors import InvalidInput, NothingToCommit
from hangar_core.hashing import digests
from hangar_core.hashing.originals import decode_original, is_original
from hangar_core.history.integrating import Author
from hangar_core.history.staging import StagingArea
from hangar_core.ingest.coco import annotations_for
from hangar_core.ingest.decoding import Reading
from hangar_core.ingest.index import SourceIndex
from hangar_core.ingest.objects import LocalCopies
from hangar_core.ingest.options import ImportOptions
from hangar_core.ingest.planning import Planner, Scan, check_names
from hangar_core.ingest.publishing import BATCH, Publisher
from hangar_core.ingest.quarantine import Quarantine
from hangar_core.ingest.report import Receipt, refuse
from hangar_core.ingest.sampling import forms_of
from hangar_core.ingest.shelf import Shelf
from hangar_core.ingest.walking import printable
from hangar_core.ingest.workers import Workers
from hangar_core.ingest.works import Spool
from hangar_core.model import Digest
from hangar_core.reports import Progress, ProgressReporter
from hangar_core.storage.layout import Layout

if TYPE_CHECKING:
    from hangar_core.ingest.cluster import Cluster
    from hangar_core.ingest.executors import Executor

_MANY_BYTES = 64 << 20


def ingest(
    staging: StagingArea,
    layout: Layout,
    arrayset: str,
    paths: Sequence[str | os.PathLike[str]],
    options: ImportOptions,
    *,
    progress: ProgressReporter | None = None,
    commit: tuple[str, Author] | None = None,
) -> Receipt:
    """Stage the samples in files and folders as samples of `arrayset`, which is created if it does not exist.

    A sample's key is the path of its file below the folder given, without the suffix; rows of a table are numbered.
    Data for several arraysets go to ``ARRAYSET.name``. Samples that exist with equal content are left alone, with other
    content only replaced if the options say so. With `commit`, a message and its author, what was staged is committed.

    Raises `InvalidName`, `InvalidInput`, `InvalidData` (an arrayset of nested samples), `NoPluginFor`,
    `PluginNotFound`, `PluginBroken`, `WorkersFailed`, `StorageFailed`, `RemoteFailed`, and `BadFile` and
    `PackageMissing` for a file of annotations. Under the policy error `FilesRejected` lists every offender and nothing
    is staged when anything is raised, but that a full disk may leave some of more than 131,072 samples; under the
    others `TooManyRejected` may come, and what was staged before stays staged.
    """
    begun = time.monotonic()
    check_names(arrayset, options)
    report = progress or _quiet
    quarantine = Quarantine(layout.quarantine)
    with (
        closing(SourceIndex(layout.import_index)) as index,
        closing(Spool(layout.temporary)) as spool,
        closing(Shelf(layout.temporary)) as shelf,
        annotations_for(options, layout.temporary) as annotations,
        LocalCopies(layout.temporary) as copies,
        _executor(options) as executor,  # a scan may take long: who does not answer is known before it
    ):
        is_checked = partial(_is_checked, staging, options)
        planner = Planner(arrayset, options, staging.overlay, index, quarantine, annotations, is_checked)
        publisher = Publisher(staging, planner, index, quarantine, shelf, report)
        try:
            planner.spool(paths, spool, report)
            _read(staging, planner, publisher, spool, copies, executor, report)
            publisher.finish()
        finally:
            quarantine.write()
    _refuse_nothing(planner, publisher, paths)
    made = None if commit is None else _commit(staging, publisher, *commit)
    return _receipt(staging, planner, publisher, time.monotonic() - begun, made)


def _is_checked(staging: StagingArea, options: ImportOptions, digest: Digest) -> bool:
    """Whether a sample that is there was decoded when it was imported, as far as this import asks for that."""
    if not is_original(digest):
        return True
    stored = staging.data.raw(digest)
    return isinstance(stored, bytes) and (decode_original(stored)[0].array is not None) == options.check


def _read(
    staging: StagingArea,
    planner: Planner,
    publisher: Publisher,
    spool: Spool,
    copies: LocalCopies,
    executor: Executor | None,
    report: ProgressReporter,
) -> None:
    """Have the files read and hand them to the publisher."""
    options, scan = planner.options, planner.scan
    if not options.in_batches and any(reject.code == "collision" for reject in scan.rejects):
        refuse(scan.rejects, scan.files)  # known before anything is decoded
    publisher.check_limit()
    main = publisher.target("")
    reading = planner.reading(describe=main.created)
    if options.in_batches and main.growing and (spool.count > BATCH or scan.bytes > _MANY_BYTES):
        # The first batch alone may be unlike the rest.
        for suffix, forms in forms_of(scan.sampled, reading, copies, options).forms.items():
            publisher.target(suffix).expected = forms
    with (
        _cluster(executor, options, reading, scan) as cluster,
        Workers(options, reading, scan, staging.data, cluster) as workers,
        # Other machines bring objects to themselves.
        closing(workers.outcomes(copies.bring(spool) if cluster is None else spool)) as outcomes,
    ):
        for number, outcome in enumerate(outcomes, 1):
            place = outcome.work.path
            publisher.take(copies.returned(outcome))
            copies.drop(place)
            report(Progress(number, spool.count, "files", workers.count))


def _executor(options: ImportOptions) -> AbstractContextManager[Executor | None]:
    """Return the connection to the machines that the options name, for use in a `with`; most imports name none."""
    if options.executor is None:
        return nullcontext()
    from hangar_core.ingest.executors import open_executor

    return closing(open_executor(options.executor))


def _cluster(
    executor: Executor | None, options: ImportOptions, reading: Reading, scan: Scan
) -> AbstractContextManager[Cluster | None]:
    """Return what has other machines read, if there are some and there is something to read."""
    if executor is None or not scan.plugins:
        return nullcontext()
    from hangar_core.ingest.cluster import Cluster

    return Cluster(executor, str(options.executor), reading, options.limits, scan)


def _refuse_nothing(planner: Planner, publisher: Publisher, paths: Sequence[str | os.PathLike[str]]) -> None:
    """Raise `InvalidInput` if there was nothing to import at all."""
    scan, tally = planner.scan, publisher.tally
    counts = (scan.unchanged, scan.quarantined, tally.added, tally.updated, tally.unchanged)
    if any(counts) or tally.kept or tally.rejects or planner.options.retry_quarantined:
        return
    raise InvalidInput(
        f"There is nothing to import in {', '.join(map(printable, paths))}.",
        hint="give files, or folders that contain some",
    )


def _commit(staging: StagingArea, publisher: Publisher, message: str, author: Author) -> str | None:
    """Commit if the arraysets differ from the last commit; what an interrupted import has staged counts as well."""
    if not any((there := target.there) is not None and there.changed for target in publisher.targets.values()):
        return None
    date = datetime.fromtimestamp(author.time / 1e6).astimezone().date().isoformat()
    try:
        return digests.text(staging.commit(message.replace("{date}", date), author.user, author.time))
    except NothingToCommit:
        return None


def _receipt(
    staging: StagingArea, planner: Planner, publisher: Publisher, seconds: float, commit: str | None
) -> Receipt:
    scan, tally = planner.scan, publisher.tally
    schemas = {target.name: there.schema for target in publisher.targets.values() if (there := target.there)}
    return Receipt(
        arrayset=planner.arrayset,
        branch=staging.branch,
        added=tally.added,
        updated=tally.updated,
        unchanged=tally.unchanged + scan.unchanged_samples,
        kept=tuple(tally.kept),
        ignored=tuple(scan.ignored.listed),
        schema_created=planner.arrayset in tally.created,
        schema=schemas.get(planner.arrayset),
        plugins=dict(sorted(scan.planned.items())),
        files=scan.files,
        bytes=tally.bytes,
        seconds=seconds,
        rejects=tuple(sorted(tally.rejects, key=lambda reject: reject.source)),
        quarantined=scan.quarantined,
        ignored_count=scan.ignored.count,
        arraysets=dict(sorted(schemas.items())),
        created=tuple(sorted(tally.created)),
        commit=commit,
        originals=tally.originals,
    )


def _quiet(_: Progress) -> None:
    """Report to nobody."""
