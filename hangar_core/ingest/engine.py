"""The import itself. Data are stored while decoding, where nothing names them; records follow when all is good."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hangar_core import external
from hangar_core.backends.options import compression, recorded
from hangar_core.backends.registry import DEFAULT
from hangar_core.errors import (
    BadFile,
    InvalidInput,
    InvalidName,
    MethodNotProvided,
    NoPluginFor,
    PluginBroken,
    PluginError,
    PluginNotFound,
    UnsupportedDtype,
)
from hangar_core.hashing.arrays import canonical, dtype_text
from hangar_core.history.staging import StagingArea
from hangar_core.ingest.inference import Found, infer, widen
from hangar_core.ingest.report import Receipt, Reject, refuse
from hangar_core.ingest.walk import SourceFile, printable, walk
from hangar_core.model import SOURCE_EXTENSION, SOURCE_OPTION, SOURCE_PLUGIN, SampleKey, Schema
from hangar_core.names import check_plain, check_sample_key
from hangar_core.records.keys import encode_key
from hangar_core.reports import Progress, ProgressReporter
from hangar_core.storage.datastore import in_batches
from hangar_core.storage.validation import misfit, refuse_other_than_arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hangar_core.backends.codecs import Compression

_ROW_DIGITS = 9


@dataclass(frozen=True, slots=True)
class _Planned:
    """A file, the plugin for it, and the key of what is in it."""

    file: SourceFile
    plugin: str
    extension: str
    key: str


@dataclass(slots=True)
class _Import:
    """What is known while an import runs."""

    staging: StagingArea
    arrayset: str
    plugin: str | None
    options: Mapping[str, Any]
    report: ProgressReporter
    rejects: list[Reject] = field(default_factory=list)
    ignored: list[Reject] = field(default_factory=list)
    found: dict[bytes, Found] = field(default_factory=dict)
    facts: list[Mapping[str, str]] = field(default_factory=list)
    files: int = 0
    bytes: int = 0

    @property
    def schema(self) -> Schema | None:
        staged = self.staging.overlay.arraysets.get(self.arrayset)
        return None if staged is None else staged.schema

    @property
    def codec(self) -> Compression | None:
        """How packs are to hold the data, if the arrayset that is there says so."""
        staged = self.staging.overlay.arraysets.get(self.arrayset)
        return None if staged is None else compression(self.arrayset, staged.options)

    @property
    def is_apart(self) -> bool:
        """Whether the commit is going to move the data to another backend than packs."""
        staged = self.staging.overlay.arraysets.get(self.arrayset)
        return staged is not None and recorded(staged.options)[0] != DEFAULT

    def reject(self, source: str, code: str, message: str, fix: str) -> None:
        self.rejects.append(Reject(source, code, message, fix))


def ingest(
    staging: StagingArea,
    arrayset: str,
    paths: list[Path],
    *,
    plugin: str | None = None,
    plugin_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: ProgressReporter | None = None,
) -> Receipt:
    """Stage the samples in files and folders as samples of `arrayset`, which is created if it does not exist.

    Files become arrays: an arrayset of text, of bytes or of nested samples is refused with `InvalidData`.

    A sample's key is the path of its file below the folder given, without the suffix; rows of a table are numbered.
    Samples that exist with equal content are left alone, with other content only replaced if `overwrite`.
    Raises `FilesRejected` with every offender, `PluginNotFound`, `PluginBroken`, `InvalidName`, `InvalidInput`,
    `StorageFailed`; nothing is staged then.
    """
    begun = time.monotonic()
    check_plain(arrayset, "Arrayset")
    work = _Import(staging, arrayset, plugin, plugin_options or {}, progress or _quiet)
    if work.schema is not None:
        refuse_other_than_arrays(work.schema, arrayset, "imported into")
    planned = _plan(work, paths)
    _decode(work, planned)
    refuse(work.rejects, work.files)
    if not work.found:
        raise InvalidInput(
            f"There is nothing to import in {', '.join(printable(path) for path in paths)}.",
            hint="give files, or folders that contain some",
        )
    schema = work.schema
    created = schema is None
    options: Mapping[str, str] = {}
    if schema is None:
        schema, options = _describe(work, planned)
    added, updated, unchanged, kept = _publish(work, (schema, options) if created else None, overwrite=overwrite)
    return Receipt(
        arrayset=arrayset,
        branch=staging.branch,
        added=added,
        updated=updated,
        unchanged=unchanged,
        kept=tuple(kept),
        ignored=tuple(work.ignored),
        schema_created=created,
        schema=schema,
        plugins=dict(sorted(Counter(one.plugin for one in planned).items())),
        files=len(planned),
        bytes=work.bytes,
        seconds=time.monotonic() - begun,
    )


# --- plan -----------------------------------------------------------------------------------------------------------


def _plan(work: _Import, paths: list[Path]) -> list[_Planned]:
    """Choose plugin and key for each file. Keys that meet are reported before anything is decoded."""
    planned: dict[str, _Planned] = {}
    for item in walk(paths):
        if not isinstance(item, SourceFile):
            kind, reject = item
            (work.ignored if kind == "ignored" else work.rejects).append(reject)
            work.files += kind != "ignored"
            continue
        work.files += 1
        work.report(Progress(work.files, None, "files found"))
        one = _plan_file(work, item)
        if one is None:
            continue
        other = planned.setdefault(one.key, one)
        if other is not one:
            message = f"its sample would be called '{one.key}', as that of {other.file.shown}"
            work.reject(one.file.shown, "collision", message, "rename one of the two, or import them separately")
    if any(reject.code == "collision" for reject in work.rejects):
        refuse(work.rejects, work.files)
    return list(planned.values())


def _plan_file(work: _Import, file: SourceFile) -> _Planned | None:
    manager = external.plugin_manager()
    try:
        if work.plugin is not None:
            chosen = manager.choose("load", work.plugin)
            extension = _matching_extension(chosen, file.path.name)
        else:
            chosen, extension = manager.match(file.path)
    except NoPluginFor as why:
        if file.alone:
            raise
        work.reject(file.shown, "no-plugin", str(why), "remove it, or name a plugin with --plugin")
        return None
    stem = file.path.name[: -len(extension) - 1] if extension else file.path.name
    try:
        key = check_sample_key(file.folder + stem)
    except InvalidName as why:
        work.reject(file.shown, "bad-name", why.rule, "rename the file")
        return None
    return _Planned(file, chosen.plugin_name, extension, str(key))


def _matching_extension(plugin: external.BasePlugin, name: str) -> str:
    """Return the longest suffix of a file name that the plugin accepts, else what follows the last dot."""
    lowered = name.lower()
    fitting = [one for one in plugin.accepts if lowered.endswith("." + one.lower())]
    return max(fitting, key=len).lower() if fitting else Path(name).suffix.lstrip(".")


# --- decode ---------------------------------------------------------------------------------------------------------


def _decode(work: _Import, planned: list[_Planned]) -> None:
    for number, one in enumerate(planned, 1):
        shown = one.file.shown
        try:
            for batch in in_batches(_checked(work, one)):
                _store(work, one, batch)
            work.facts.append(external.describe(one.file.path, plugin=one.plugin, **work.options))
        except BadFile as why:
            work.reject(
                shown, str(why.facts.get("code", "bad-file")), str(why.reason), str(why.facts.get("fix", "mend it"))
            )
        except (PluginNotFound, PluginBroken, MethodNotProvided):
            raise
        except PluginError as why:
            work.reject(shown, "plugin-failed", str(why), "report this to the author of the plugin")
        except UnsupportedDtype as why:
            work.reject(shown, "dtype", str(why), "convert it")
        except InvalidName as why:
            work.reject(shown, "bad-name", str(why), "rename the file")
        work.report(Progress(number, len(planned), "files"))


def _samples(work: _Import, one: _Planned) -> Iterator[tuple[Any, SampleKey]]:
    loaded = external.load(one.file.path, plugin=one.plugin, extension=one.extension, **work.options)
    if not isinstance(loaded, tuple):
        for data, name in loaded:
            yield data, _key_within(one, name)
        return
    data, name = loaded
    stem = external.BasePlugin.sample_name(one.file.path)
    # A plugin that has a name of its own for the sample keeps it.
    yield data, one.key if name in {stem, one.key.rpartition("/")[2]} else one.file.folder + str(name)


def _key_within(one: _Planned, name: SampleKey) -> SampleKey:
    """Return the key of one of many samples in a file. Rows of a lone table keep their numbers."""
    if isinstance(name, str):
        return one.file.folder + name
    return name if one.file.alone else f"{one.key}/{name:0{_ROW_DIGITS}d}"


def _checked(work: _Import, one: _Planned) -> Iterator[tuple[SampleKey, NDArray[Any]]]:
    """Yield the samples of a file that can be stored, in canonical form; reject the others."""
    shown = one.file.shown
    schema = work.schema
    for data, name in _samples(work, one):
        if not isinstance(data, np.ndarray | np.generic):
            kind = type(data).__name__
            work.reject(shown, "kind", f"the plugin gives {kind}, and arraysets hold arrays", "choose another plugin")
            continue
        key = check_sample_key(name)
        array = canonical(np.asanyarray(data))
        if schema is not None and (reason := misfit(schema, array)) is not None:
            code = "dtype" if dtype_text(array.dtype) != schema.dtype else "shape"
            work.reject(shown, code, reason, "convert it, or import it into another arrayset")
            continue
        yield key, array


def _store(work: _Import, one: _Planned, batch: list[tuple[SampleKey, NDArray[Any]]]) -> None:
    """Store data, still unnamed, and note under which keys they are to appear."""
    shown = one.file.shown
    arrays = (array for _, array in batch)
    stored = work.staging.data.put_many(arrays, apart=work.is_apart, codec=work.codec)
    for (key, array), digest in zip(batch, stored, strict=True):
        found = Found(key, digest, dtype_text(array.dtype), array.shape, shown)
        other = work.found.setdefault(encode_key(key), found)
        if other is not found:
            message = f"its sample would be called '{key}', as one of {other.source}"
            work.reject(shown, "collision", message, "import the files separately")
        work.bytes += array.nbytes
    if len(batch) > 1:  # a file of many samples: counting files alone would stand still
        work.report(Progress(len(work.found), None, "samples"))


# --- publish --------------------------------------------------------------------------------------------------------


def _describe(work: _Import, planned: list[_Planned]) -> tuple[Schema, Mapping[str, str]]:
    """Return the schema that all samples fit, and where they came from; refuse those that do not fit."""
    schema, rejects = infer(list(work.found.values()))
    refuse(rejects, work.files)
    converted, rejects = widen(list(work.found.values()), schema, work.staging.data)
    refuse(rejects, work.files)
    work.found = dict(zip(work.found, converted, strict=True))
    options = {"backend": "20"}
    for name, values in (
        (SOURCE_PLUGIN, {one.plugin for one in planned}),
        (SOURCE_EXTENSION, {one.extension for one in planned}),
    ):
        if len(values) == 1:
            options[name] = values.pop()
    # Only what holds for every file describes the arrayset.
    for name, value in work.facts[0].items():
        if all(facts.get(name) == value for facts in work.facts):
            options[SOURCE_OPTION + name] = value
    return schema, options


def _publish(
    work: _Import, created: tuple[Schema, Mapping[str, str]] | None, *, overwrite: bool
) -> tuple[int, int, int, list[Reject]]:
    """Stage what is new, as one record: all of it or nothing. Return (added, updated, unchanged, kept)."""
    keys = None if created else work.staging.overlay.arraysets[work.arrayset].samples
    added = updated = unchanged = 0
    kept: list[Reject] = []
    changes = []
    for encoded, found in work.found.items():
        before = keys.get(encoded) if keys is not None else None
        if before == found.digest:
            unchanged += 1
            continue
        if before is not None and not overwrite:
            message = f"sample '{found.key}' exists with other content and was kept"
            kept.append(Reject(found.source, "exists", message, "replace it with --overwrite"))
            continue
        added += before is None
        updated += before is not None
        changes.append((encoded, found.digest))
    if created or changes:
        work.staging.stage_import(work.arrayset, created, changes)
    work.staging.sync()
    return added, updated, unchanged, kept


def _quiet(_: Progress) -> None:
    """Report to nobody."""
