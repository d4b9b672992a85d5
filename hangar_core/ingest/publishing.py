"""What was read becomes staged samples: whole files, in order, all together or batch by batch.

Data are stored as they come, where nothing names them; records follow when the files of a batch are known to be good.
This is also the one place where source, digest, plugin, version and options of each new sample are known together: the
record of them is staged with it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from hangar_core.errors import StorageFailed
from hangar_core.hashing.originals import is_original
from hangar_core.history.staging import StagingArea
from hangar_core.ingest.batches import Pending, Published, Samples, Settled, converted, settle
from hangar_core.ingest.decoding import LABEL, Outcome, Read, reject_of
from hangar_core.ingest.index import MOST_SAMPLES, Placed, Row, SourceIndex, pack_samples, sure
from hangar_core.ingest.inference import Form
from hangar_core.ingest.options import ImportOptions
from hangar_core.ingest.originals import PIXELS
from hangar_core.ingest.planning import Planner
from hangar_core.ingest.quarantine import Entry, Quarantine
from hangar_core.ingest.report import Reject, refuse, refuse_more_than
from hangar_core.ingest.shelf import Column, Columns, Placing, Shelf
from hangar_core.ingest.stacks import Stack
from hangar_core.ingest.stager import Stager, Tally
from hangar_core.ingest.storing import DataQueue
from hangar_core.ingest.targets import Target
from hangar_core.ingest.works import Work
from hangar_core.model import SOURCE_EXTENSION, SOURCE_OPTION, SOURCE_PLUGIN, SOURCE_STORE, SampleKey
from hangar_core.records.keys import decode_key, encode_key
from hangar_core.reports import Progress, ProgressReporter

_TOLD_EACH = 1_024
# A batch is staged when it has so many samples or bytes, or after so many seconds.
BATCH = 8_192
_BATCH_BYTES = 256 << 20
_BATCH_SECONDS = 5.0


class Publisher:
    """Takes outcomes in the order of the walk."""

    def __init__(
        self,
        staging: StagingArea,
        planner: Planner,
        index: SourceIndex,
        quarantine: Quarantine,
        shelf: Shelf,
        report: ProgressReporter,
    ) -> None:
        """What cannot be staged yet goes to the `shelf`, on which nobody else puts anything."""
        self.tally = Tally(rejects=planner.scan.rejects)
        self.targets: dict[str, Target] = {}
        self._staging = staging
        self._planner = planner
        self._options: ImportOptions = planner.options
        self._arrayset = planner.arrayset
        self._index = index
        self._quarantine = quarantine
        self._report = report
        self._forms: dict[Form, Form] = {}
        self._data = DataQueue(staging.data)
        self._stager = Stager(staging, planner, self.tally, self.target)
        self._shelf = shelf
        self._pending = Pending(shelf)
        self._pending_bytes = 0
        self._facts: Mapping[str, str] | None = None
        self._extensions: set[str] = set()
        self._due = time.monotonic() + _BATCH_SECONDS
        self._is_first = True
        self.target("")

    def target(self, suffix: str) -> Target:
        """Return the arrayset for what follows ``ARRAYSET.``; raises `InvalidData` for one that files cannot fill."""
        found = self.targets.get(suffix)
        if found is None:
            name = f"{self._arrayset}.{suffix}" if suffix else self._arrayset
            found = self.targets[suffix] = Target(self._staging, name)
        return found

    # --- one file ---------------------------------------------------------------------------------------------------

    def take(self, outcome: Outcome) -> None:
        """Take one file over, or note why not. Stages a batch when there is enough.

        Raises `TooManyRejected`, `StorageFailed`.
        """
        reject = outcome.reject
        if reject is None:
            samples = Samples(self._shelf)
            reject = self._collect(outcome, samples)
            if reject is None:
                self._accept(outcome, samples)
        if reject is not None:
            self.reject(outcome.work, reject)
        if self._options.in_batches and self._is_batch_full():
            self.publish()

    def reject(self, work: Work, reject: Reject) -> None:
        """Note a file that is not taken. Raises `TooManyRejected`."""
        self.tally.rejects.append(reject)
        if self._options.on_error == "quarantine":
            self._quarantine.add(Entry(self._arrayset, work, self._planner.recipe(work.plugin), reject))
        self.check_limit()

    def check_limit(self) -> None:
        """Raise `TooManyRejected` if more files were rejected than are allowed."""
        total = self._planner.scan.files
        refuse_more_than(self._options.max_errors, self.tally.rejects, total, staged=self._options.in_batches)

    def _accept(self, outcome: Outcome, samples: Samples) -> None:
        work = outcome.work
        self.tally.plugins[work.plugin] += 1
        self._extensions.add(work.extension)
        # Only what holds for every file describes the arrayset.
        facts = outcome.facts.items()
        self._facts = dict(facts if self._facts is None else self._facts.items() & facts)
        self._pending.add(Published(work, outcome.source, samples))

    def _collect(self, outcome: Outcome, samples: Samples) -> Reject | None:
        """Queue the data of a file for storing and note its samples; return why it is rejected, if it is."""
        work = outcome.work
        try:
            for read in outcome.reads:
                if isinstance(read, Stack):
                    reject = self._enter_all(work, read, samples)
                else:
                    reject = self._enter(work, read, samples)
                if reject is not None:
                    return reject
                if (
                    isinstance(read, Stack) or len(samples) % _TOLD_EACH == 0
                ):  # a file of many: files alone would stand still
                    self._report(Progress(self._pending.samples + len(samples), None, "samples"))
        except StorageFailed:
            raise
        except Exception as why:
            return reject_of(why, work)
        return None

    def _enter_all(self, work: Work, stack: Stack, samples: Samples) -> Reject | None:
        keys, digests = stack.keys, stack.batch.digests
        again = self._planner.taken.add_many(keys, stack.first)
        if again:
            dropped = set()
            for place in again:
                key = keys[place]
                is_first = key not in samples and keys.index(key) == place
                if is_first and self._options.key == "sha" and work.label is None:
                    dropped.add(place)  # the same bytes again, and so the same data
                elif not is_first or decode_key(key) != work.key or self._options.key == "sha":
                    return _collision(work, decode_key(key))
            keys = [key for place, key in enumerate(keys) if place not in dropped]
            digests = [digest for place, digest in enumerate(digests) if place not in dropped]
            if not keys:
                return None
        form = Form(stack.batch.dtype, stack.batch.shape)
        form = self._forms.setdefault(form, form)
        target = self.target("")
        misfit = target.refuses(form)
        if misfit is not None:
            return work.reject(*misfit)
        size = form.nbytes * len(keys)
        self.tally.bytes += size
        self._pending_bytes += size
        self._data.add_all(stack.batch, target)
        samples.add_columns(Columns(keys, (Column("", form, digests),)))
        return None

    def _enter(self, work: Work, read: Read, samples: Samples) -> Reject | None:
        key = encode_key(read.key)
        is_own = read.key == work.key and key not in samples and self._options.key != "sha"
        if not is_own and not self._planner.taken.add(key):
            if self._options.key == "sha" and work.label is None and key not in samples:
                return None  # the same bytes again, and so the same data
            return _collision(work, read.key)
        placed = []
        for part in read.parts:
            form = Form(part.dtype, part.shape)
            form = self._forms.setdefault(form, form)
            target = self.target(part.suffix)
            misfit = target.refuses(form)
            if misfit is not None:
                return work.reject(*misfit)
            placed.append(Placing(part.suffix, form, part.digest))
            size = form.nbytes
            if is_original(part.digest):
                size = work.stamp.size
            self.tally.bytes += size
            self._pending_bytes += size
            self._data.add(part, target)
        samples.add(key, tuple(placed))
        return None

    # --- staging ----------------------------------------------------------------------------------------------------

    def _is_batch_full(self) -> bool:
        if self._pending.samples >= BATCH or self._pending_bytes >= _BATCH_BYTES:
            return True
        # The first batch may decide about the schema, and no clock is to decide what is in it.
        return not self._is_first and bool(self._pending) and time.monotonic() >= self._due

    def publish(self) -> None:
        """Stage what has been taken since, as one record. Raises `FilesRejected` where one is enough to stop."""
        self._data.store()
        found = self._settle()
        if not self._options.in_batches:
            refuse(self.tally.rejects, self._planner.scan.files)
        self._stager.stage(self._pending, found, self._source)
        self._remember(self._pending)
        self._shelf.clear()
        self._pending = Pending(self._shelf)
        self._pending_bytes = 0
        self._due = time.monotonic() + _BATCH_SECONDS
        self._is_first = False

    def _settle(self) -> Settled:
        """Return the schemas that fit most of what is pending; reject the files that do not fit."""
        found = settle(self._pending.forms, self.target)
        if found.takes(self._pending.forms):
            return found
        good = Pending(self._shelf)
        for one in self._pending:
            fitting = converted(one, found, self.target, self._shelf)
            if isinstance(fitting, Published):
                good.add(fitting)
            else:
                self.reject(one.work, one.work.reject(*fitting))
        self._pending = good
        return found

    def _remember(self, good: Iterable[Published]) -> None:
        rows = []
        for one in good:
            self._quarantine.remove(self._arrayset, one.work.path)
            if len(one.samples) <= MOST_SAMPLES:
                placed = (Placed(part.suffix, key, part.digest) for key, parts in one.samples.items() for part in parts)
                recipe = self._planner.recipe(one.work.plugin).digest
                rows.append((one.work.path, Row(sure(one.work.stamp), recipe, one.source, pack_samples(placed))))
            if len(rows) >= BATCH:
                self._index.enter(self._arrayset, rows)
                rows = []
        if rows:
            self._index.enter(self._arrayset, rows)
        self._quarantine.write()

    # --- the end ----------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Stage the rest, and what all files together say of the arraysets that were created."""
        self.publish()
        for suffix, target in self.targets.items():
            there = target.there
            if not target.created or there is None or there.base is not None:
                continue
            options = {name: value for name, value in there.options.items() if not name.startswith("source.")}
            options |= self._source(suffix)
            if options != there.options:
                self._staging.stage_arrayset(target.name, there.schema, options)
                self._staging.sync()
        self._record_store()

    def _record_store(self) -> None:
        """Have the arrayset remember which files are to be kept as they are, if this import has been told so."""
        there = self.target("").there
        if there is None or self._options.store is None or there.schema.kind != "array":
            return
        options = {name: value for name, value in there.options.items() if name != SOURCE_STORE}
        if self._planner.store != PIXELS:
            options[SOURCE_STORE] = self._planner.store
        if options != there.options:
            self._staging.stage_arrayset(self._arrayset, there.schema, options)
            self._staging.sync()

    def _source(self, suffix: str) -> dict[str, str]:
        """Return the options of a created arrayset: its backend, and where its samples come from."""
        source: dict[str, str] = {}
        if suffix != LABEL:
            for name, values in ((SOURCE_PLUGIN, {*self.tally.plugins}), (SOURCE_EXTENSION, self._extensions)):
                if len(values) == 1:
                    source[name] = values.copy().pop()
        if not suffix:
            source |= {SOURCE_OPTION + name: value for name, value in (self._facts or {}).items()}
            if any(self._planner.recipe(plugin).store not in ("", PIXELS) for plugin in self.tally.plugins):
                source[SOURCE_STORE] = self._planner.store
        return self.target(suffix).options(source)


def _collision(work: Work, key: SampleKey) -> Reject:
    message = f"its sample would be called '{key}', as that of another file"
    return work.reject("collision", message, "import the files separately")
