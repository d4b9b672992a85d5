"""The plan of an import: which plugin reads which file, under which name, and what need not be read at all.

The scan happens once. Files that have not changed since they were imported, or rejected, are counted and forgotten; the
others are spooled in order, with room for a million of them on disk rather than in memory.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from hangar_core import external
from hangar_core.errors import InvalidName, NoPluginFor, RemoteFailed
from hangar_core.history.overlay import Overlay
from hangar_core.ingest.coco import SUFFIXES, Annotations, Unclaimed
from hangar_core.ingest.decoding import LABEL, Reading
from hangar_core.ingest.ignoring import Patterns
from hangar_core.ingest.index import SourceIndex
from hangar_core.ingest.objects import objects_below, stamp_of
from hangar_core.ingest.options import ImportOptions
from hangar_core.ingest.originals import COMPRESSED, PIXELS
from hangar_core.ingest.origins import Reader
from hangar_core.ingest.quarantine import Quarantine
from hangar_core.ingest.report import Ignored, Reject
from hangar_core.ingest.taken import TakenNames
from hangar_core.ingest.unchanged import IsChecked, Unchanged, Way
from hangar_core.ingest.walking import Found, Passed, SourceFile, printable, walk
from hangar_core.ingest.works import Recipe, Spool, Stamp, Work
from hangar_core.model import SOURCE_STORE
from hangar_core.names import check_plain, check_sample_key, is_object_address
from hangar_core.provenance import option_text
from hangar_core.records.keys import encode_key
from hangar_core.reports import Progress, ProgressReporter

_AT_ONCE = 500
_SAMPLED = 256
_CLASSES = 1_000
# Names that are no longer, and begin and end with none of these, need no closer look.
_SHORT = 200
_ODD = ("", " ", ".")


@dataclass(slots=True)
class Scan:
    """What the scan has found.

    `planned` counts the plugins of all files, `plugins` those of the files to be read; `sampled` are up to 512 of the
    latter, spread evenly over all of them.
    """

    files: int = 0
    bytes: int = 0
    unchanged: int = 0
    unchanged_samples: int = 0
    quarantined: int = 0
    rejects: list[Reject] = field(default_factory=list)
    ignored: Ignored = field(default_factory=Ignored)
    extensions: Counter[str] = field(default_factory=Counter)
    planned: Counter[str] = field(default_factory=Counter)
    plugins: Counter[str] = field(default_factory=Counter)
    plugin_bytes: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    sampled: list[Work] = field(default_factory=list)
    _stride: int = 1

    def count(self, work: Work) -> None:
        """Note a file that is to be read."""
        self.bytes += work.stamp.size
        self.plugins[work.plugin] += 1
        self.plugin_bytes[work.plugin] += work.stamp.size
        number = sum(self.plugins.values()) - 1
        if number % self._stride == 0:
            self.sampled.append(work)
            if len(self.sampled) > 2 * _SAMPLED:
                del self.sampled[1::2]
                self._stride *= 2


class Planner:
    """Scans the paths of one import."""

    def __init__(
        self,
        arrayset: str,
        options: ImportOptions,
        overlay: Overlay,
        index: SourceIndex,
        quarantine: Quarantine,
        annotations: Annotations | None = None,
        is_checked: IsChecked = lambda _: True,
    ) -> None:
        self.arrayset = arrayset
        self.options = options
        self.store = _store(overlay, arrayset, options)
        self.taken = TakenNames()
        self.scan = Scan()
        self._unchanged = Unchanged(
            arrayset,
            overlay,
            index,
            self.store,
            is_checked,
            verify=options.verify,
            annotated=annotations is not None,
        )
        self._quarantine = quarantine
        self._annotations = annotations
        self._plugins: dict[str, tuple[str, str]] = {}
        self._recipes: dict[str, Recipe] = {}
        self._ways: dict[str, Way] = {}
        self._readers: dict[str, Reader] = {}
        self._root_labels: dict[str, str] = {}
        self._folder = "", ""

    def recipe(self, plugin: str) -> Recipe:
        """Return the recipe for the files of one plugin. Raises `InvalidInput` for an option it does not have."""
        found = self._recipes.get(plugin)
        if found is None:
            chosen = external.plugin_manager().choose("load", plugin)
            given = external.checked_options(chosen, "load", self.options.plugin_options or {})
            options = {name: repr(value) for name, value in given.items()}
            key, labels = self.options.key, self._labels
            store = self.store if isinstance(chosen, external.KeepsOriginals) else ""
            if store not in ("", PIXELS) and not self.options.check:
                store += ", not checked"
            found = self._recipes[plugin] = Recipe(plugin, str(chosen.VERSION), options, key, labels, store)
            self._ways[plugin] = Way(found.digest, self.reader(plugin))
        return found

    def reader(self, plugin: str) -> Reader:
        """Return who reads the files of one plugin, and with which options of those that were given."""
        found = self._readers.get(plugin)
        if found is None:
            chosen = external.plugin_manager().choose("load", plugin)
            given = self.options.plugin_options or {}
            values = external.checked_options(chosen, "load", given)
            options = {name: option_text(values[name]) for name in sorted(given) if name in values}
            found = self._readers[plugin] = Reader(plugin, str(chosen.VERSION), options)
        return found

    def reading(self, *, describe: bool) -> Reading:
        """Return how all files are read; `describe` says whether the plugin is asked what it wants back later."""
        database = "" if self._annotations is None else self._annotations.database
        given, options = self.options.plugin_options or {}, self.options
        return Reading(self.arrayset, given, describe, database, store=self.store, check=options.check)

    def spool(self, paths: Sequence[str | os.PathLike[str]], target: Spool, report: ProgressReporter) -> None:
        """Put the files that are to be read into `target`. Names that meet are among the rejects then.

        Raises `InvalidInput`, `NoPluginFor` for a file that was named itself, `PluginNotFound`, `PluginBroken`.
        """
        meeting: list[Work] = []
        annotations = self._annotations
        found = self._retried(paths) if self.options.retry_quarantined else self._planned(paths, report)
        while batch := list(islice(found, _AT_ONCE)):
            for work in self._to_read(batch):
                if work.key and not self.taken.add(encode_key(work.key)):
                    meeting.append(work)
                    continue
                self.scan.count(work)
                target.add(work)
        if meeting:
            self._reject_meeting(meeting, paths)
        if annotations is not None and not self.options.retry_quarantined:
            message = "the annotations name it, and it is not among the files"
            for name in annotations.missing():
                self.scan.ignored.add(Reject(printable(name), "no-image", message, "import it too"))

    # --- what is there ----------------------------------------------------------------------------------------------

    def _found(self, paths: Sequence[str | os.PathLike[str]]) -> Iterator[Found]:
        patterns = Patterns(self.options.include, self.options.exclude)
        for path in paths:
            yield from objects_below(str(path), patterns) if is_object_address(path) else walk([path], patterns)

    def _planned(self, paths: Sequence[str | os.PathLike[str]], report: ProgressReporter) -> Iterator[Work]:
        scan = self.scan
        for item in self._found(paths):
            if isinstance(item, Passed):
                if item.kind == "ignored":
                    scan.ignored.add(item.reject)
                else:
                    scan.files += 1
                    scan.rejects.append(item.reject)
                continue
            if self._annotations is not None and item.path == self._annotations.file:
                continue
            scan.files += 1
            report(Progress(scan.files, None, "files found"))
            work = self._plan(item, scan.rejects)
            if work is not None:
                scan.extensions[work.extension] += 1
                scan.planned[work.plugin] += 1
                if work.label is not None and (work.label in scan.labels or len(scan.labels) < _CLASSES):
                    scan.labels[work.label] += 1
                yield work

    def _retried(self, paths: Sequence[str | os.PathLike[str]]) -> Iterator[Work]:
        for work in self._quarantine.works(self.arrayset, [_absolute(path) for path in paths]):
            self.scan.files += 1
            try:
                stamp = stamp_of(work.path)
            except RemoteFailed:
                raise
            except OSError:
                self._quarantine.remove(self.arrayset, work.path)
                self.scan.ignored.add(work.reject("vanished", "it is gone, and from the quarantine too", ""))
                continue
            plugin = self.options.plugin or work.plugin
            self.scan.extensions[work.extension] += 1
            self.scan.planned[plugin] += 1
            unclaimed = self._unclaimed(work.folder + os.path.basename(work.path), work.shown)
            if unclaimed is not None:
                self.scan.rejects.append(work.reject(*unclaimed))
                continue
            label = None
            if self.options.labels_from_parent:
                label = work.label if work.label is not None else os.path.basename(os.path.dirname(work.path))
            yield work._replace(stamp=stamp, plugin=plugin, label=label)

    def _plan(self, file: SourceFile, rejects: list[Reject]) -> Work | None:
        """Choose plugin, name and label of a file, or say why it is rejected."""
        name = file.name
        unclaimed = self._unclaimed(file.folder + name, file.shown)
        if unclaimed is not None:
            rejects.append(Reject(file.shown, *unclaimed))
            return None
        try:
            plugin, extension = self._choose(file, name)
        except NoPluginFor as why:
            if file.alone:
                raise
            rejects.append(Reject(file.shown, "no-plugin", str(why), "remove it, or name a plugin with --plugin"))
            return None
        stem = name[: -len(extension) - 1] if extension and name.lower().endswith(f".{extension}") else name
        folder = "" if self.options.key == "stem" else file.folder
        label = self._label(file) if self.options.labels_from_parent else None
        try:
            key = "" if self.options.key == "sha" else self._name(folder, stem)
            if label is not None:
                label.encode()
            stamp = file.stamp or Stamp.of(os.lstat(file.path))
        except InvalidName as why:
            rejects.append(Reject(file.shown, "bad-name", why.rule, "rename the file"))
        except UnicodeEncodeError:
            rejects.append(Reject(file.shown, "bad-name", "the name of its folder is no text", "rename the folder"))
        except OSError as why:
            message = f"it vanished while the folder was scanned: {why.strerror or why}"
            rejects.append(Reject(file.shown, "vanished", message, "run the same command again"))
        else:
            below = file.folder + name
            return Work(file.path, file.shown, folder, file.alone, plugin, extension, key, label, below, stamp)
        return None

    @property
    def _labels(self) -> bool | str:
        """What decides about the labels of a file, for the recipe."""
        folders = self.options.labels_from_parent
        return folders if self._annotations is None else f"{self._annotations.digest} {folders}"

    def _unclaimed(self, below: str, shown: str) -> Unclaimed | None:
        """Return why a file cannot be imported with its annotations, if that is so."""
        return None if self._annotations is None else self._annotations.claim(below, shown)

    def _name(self, folder: str, stem: str) -> str:
        """Return the name of a sample. Raises `InvalidName`; a folder is checked once for all files in it."""
        if self._folder[0] != folder:
            self._folder = folder, str(check_sample_key(f"{folder}x"))[:-1]
        begin = self._folder[1]
        plain = stem.isascii() and stem.isprintable() and begin.isascii() and len(begin) + len(stem) <= _SHORT
        if plain and stem[:1] not in _ODD and stem[-1:] not in _ODD:
            return begin + stem
        return str(check_sample_key(folder + stem))

    def _choose(self, file: SourceFile, name: str) -> tuple[str, str]:
        """Return the name of the plugin for a file and the extension by which it was found."""
        suffix = name.lstrip(".").partition(".")[2].lower()
        known = self._plugins.get(suffix)
        if known is not None:
            return known
        manager = external.plugin_manager()
        if self.options.plugin is not None:
            chosen = manager.choose("load", self.options.plugin)
            extension = _matching_extension(chosen, name)
        else:
            chosen, extension = manager.match(file.path)
        found = chosen.plugin_name, extension
        self.recipe(chosen.plugin_name)
        if extension and f".{suffix}".endswith(f".{extension}"):  # else the content of this one file decided
            self._plugins[suffix] = found
        return found

    def _label(self, file: SourceFile) -> str:
        if file.folder:
            return file.folder[:-1].rpartition("/")[2]
        label = self._root_labels.get(file.root)
        if label is None:
            root = file.root.rstrip("/") if is_object_address(file.root) else os.path.realpath(file.root)
            label = self._root_labels[file.root] = Path(root).name
        return label

    # --- what need not be read --------------------------------------------------------------------------------------

    def _to_read(self, batch: list[Work]) -> Iterator[Work]:
        """Yield the files that have changed since they were imported or rejected, in order."""
        if self.options.retry_quarantined:
            yield from batch
            return
        there = self._unchanged.keys_of(batch, self._ways)
        for work in batch:
            if (keys := there.get(work.path)) is not None:
                self._leave(work, keys)
            elif self._quarantine.holds(self.arrayset, work, self.recipe(work.plugin)):
                self.scan.quarantined += 1
            else:
                yield work

    def _leave(self, work: Work, keys: list[bytes]) -> None:
        """Count a file as unchanged; its names are taken all the same."""
        self.scan.unchanged += 1
        self.scan.unchanged_samples += len(keys)
        if work.key:
            self.taken.add(encode_key(work.key))
        if len(keys) > 1 or not work.key:
            for key in keys:
                self.taken.add(key)

    # --- names that meet --------------------------------------------------------------------------------------------

    def _reject_meeting(self, meeting: list[Work], paths: Sequence[str | os.PathLike[str]]) -> None:
        """Reject files whose sample would be called as that of a file before; a second scan tells which that is."""
        first: dict[str, str] = {}
        names = {work.key for work in meeting}
        if not self.options.retry_quarantined:
            for item in self._found(paths):
                work = self._plan(item, []) if isinstance(item, SourceFile) else None
                if work is not None and work.key in names:
                    first.setdefault(work.key, work.shown)
        for work in meeting:
            other = first.get(work.key, "another file")
            message = f"its sample would be called '{work.key}', as that of {other}"
            fix = "rename one of the two, or import them separately"
            self.scan.rejects.append(work.reject("collision", message, fix))


def _absolute(path: str | os.PathLike[str]) -> str:
    return str(path) if is_object_address(path) else os.path.abspath(path)


def _store(overlay: Overlay, arrayset: str, options: ImportOptions) -> str:
    """Return which files are kept as they are: what was asked for, what the arrayset does, or what is usual."""
    there = overlay.arraysets.get(arrayset)
    if there is not None and there.schema.kind != "array":
        return PIXELS
    if options.store is not None:
        return options.store
    return COMPRESSED if there is None else there.options.get(SOURCE_STORE, PIXELS)


def _matching_extension(plugin: external.BasePlugin, name: str) -> str:
    """Return the longest suffix of a file name that the plugin accepts, else what follows the last dot."""
    lowered = name.lower()
    fitting = [one for one in plugin.accepts if lowered.endswith("." + one.lower())]
    return max(fitting, key=len).lower() if fitting else Path(name).suffix.lstrip(".")


def check_names(arrayset: str, options: ImportOptions) -> None:
    """Raise `InvalidName` if an arrayset that is sure to be needed cannot have its name."""
    check_plain(arrayset, "Arrayset")
    if options.labels_from_parent:
        check_plain(f"{arrayset}.{LABEL}", "Arrayset")
    for suffix in SUFFIXES if options.coco is not None else ():
        check_plain(f"{arrayset}.{suffix}", "Arrayset")
