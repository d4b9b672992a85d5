"""A file becomes samples, or a reason why not. Works alike in this thread, in another one and in a worker process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from hangar_core import external
from hangar_core.errors import (
    BadFile,
    InvalidName,
    MethodNotProvided,
    PluginBroken,
    PluginError,
    PluginNotFound,
    UnsupportedDtype,
)
from hangar_core.hashing.samples import Payload, payload_of
from hangar_core.ingest.coco import annotations_of
from hangar_core.ingest.contents import sha256_text, source_digest
from hangar_core.ingest.originals import PIXELS, keeps, kept
from hangar_core.ingest.report import Reject
from hangar_core.ingest.stacks import Pair, Stack, stacked
from hangar_core.ingest.works import Stamp, Work
from hangar_core.model import Digest, SampleKey
from hangar_core.names import check_plain, check_sample_key

LABEL = "label"
_ROW_DIGITS = 9


class Reading(NamedTuple):
    """How files are read: what all of an import have in common.

    `annotations` is the path of a database, or empty. Of a file of many samples the first `most` are read; 0 means all.
    """

    arrayset: str
    options: Mapping[str, Any]
    describe: bool
    annotations: str = ""
    most: int = 0
    store: str = PIXELS
    check: bool = True


class Part(NamedTuple):
    """What of a sample goes to one arrayset, ``ARRAYSET`` or ``ARRAYSET.suffix``; no payload if a segment holds it."""

    suffix: str
    dtype: str
    shape: tuple[int, ...]
    digest: Digest
    payload: Payload | None


class Read(NamedTuple):
    """One sample that was read."""

    key: SampleKey
    parts: tuple[Part, ...]

    @property
    def held(self) -> int:
        """Bytes that it takes in memory."""
        return sum(part.payload.nbytes for part in self.parts if part.payload is not None)


@dataclass(slots=True)
class Outcome:
    """What became of one file: its samples, perhaps still to be read one by one, or why it is rejected.

    `source` is the BLAKE3 of its bytes, `facts` what its plugin wants to be told when the data are written again.
    """

    work: Work
    reads: Iterable[Read | Stack] = ()
    source: bytes = b""
    facts: Mapping[str, str] = field(default_factory=dict)
    reject: Reject | None = None


def decode(work: Work, reading: Reading, after_each: Callable[[], object] | None = None) -> Outcome:
    """Read one file. The samples of a file of many come lazily and may still raise what `reject_of` knows.

    Those that are alike come many at once; `after_each` is called whenever the plugin has given one of many.

    Raises `PluginNotFound`, `PluginBroken`, `MethodNotProvided`, and `InvalidInput` for options of the plugin.
    """
    try:
        if keeps(work, reading.store) and (outcome := _kept(work, reading)) is not None:
            return outcome
        source = source_digest(work.path)
        work = _named(work, "" if work.key else sha256_text(work.path))
        loaded = external.load(work.path, plugin=work.plugin, extension=work.extension, **reading.options)
        facts = _facts(work, reading)
        if isinstance(loaded, tuple):
            reads: Iterable[Read | Stack] = [_read(work, reading, loaded[0], _key_of(work, loaded[1]))]
            _refuse_if_changed(work)
        else:
            wanted = islice(loaded, reading.most) if reading.most else loaded
            if after_each is not None:
                wanted = _told(wanted, after_each)
            is_alone = work.label is None and not reading.annotations  # nothing else is in a sample
            reads = _each(work, reading, stacked(wanted, partial(_keys_within, work)) if is_alone else wanted)
    except Exception as why:
        return Outcome(work, reject=reject_of(why, work))
    return Outcome(work, reads, source, facts)


def _kept(work: Work, reading: Reading) -> Outcome | None:
    """Return a file that is kept as it is, None if that cannot be, since there are other things in it than one array.

    Raises what `reject_of` knows.
    """
    found = kept(work, dict(reading.options), check=reading.check)
    if found is None:
        return None
    work = _named(work, found.sha256)
    parts = [Part("", found.dtype, found.shape, found.payload.digest, found.payload)]
    read = _labelled(work, reading, check_sample_key(_key_of(work, found.name)), parts)
    facts = _facts(work, reading)
    _refuse_if_changed(work)
    return Outcome(work, [read], found.source, facts)


def _named(work: Work, name: str) -> Work:
    """Return the work with the name that the bytes of the file give it, if they do."""
    return work if work.key else work._replace(key=name, folder=f"{name}/")


def _facts(work: Work, reading: Reading) -> Mapping[str, str]:
    return external.describe(work.path, plugin=work.plugin, **reading.options) if reading.describe else {}


def reject_of(why: Exception, work: Work) -> Reject:
    """Return why a file is rejected, or raise again what is no fault of the file."""
    match why:
        case BadFile():
            code, fix = str(why.facts.get("code", "bad-file")), str(why.facts.get("fix", "mend it"))
            return work.reject(code, str(why.reason), fix)
        case PluginNotFound() | PluginBroken() | MethodNotProvided():
            raise why
        case PluginError():
            if isinstance(why.__cause__, MemoryError):
                return work.reject("out-of-memory", "there is not enough memory to read it", "split it")
            return work.reject("plugin-failed", str(why), "report this to the author of the plugin")
        case UnsupportedDtype():
            return work.reject("dtype", str(why), "convert it")
        case InvalidName():
            what = "field" if why.facts.get("kind") == "Arrayset" else "file"
            return work.reject("bad-name", str(why), f"rename the {what}")
        case MemoryError():
            return work.reject("out-of-memory", "there is not enough memory to read it", "split it")
    raise why


def _refuse_if_changed(work: Work) -> None:
    try:
        unchanged = Stamp.of(os.stat(work.path)) == work.stamp
    except OSError as why:
        reason, fix = f"it vanished while it was read: {why.strerror or why}", "run the same command again"
        raise external.bad_file(work.path, code="changed", reason=reason, fix=fix) from why
    if not unchanged:
        reason, fix = "somebody wrote to it while it was read", "run the same command again when it is finished"
        raise external.bad_file(work.path, code="changed", reason=reason, fix=fix)


def _told(pairs: Iterable[Pair], after_each: Callable[[], object]) -> Iterator[Pair]:
    for pair in pairs:
        after_each()
        yield pair


def _each(work: Work, reading: Reading, loaded: Iterable[Stack | Pair]) -> Iterator[Read | Stack]:
    for one in loaded:
        if isinstance(one, Stack):
            yield one
        else:
            data, name = one
            yield _read(work, reading, data, _key_within(work, name))
    _refuse_if_changed(work)


def _key_of(work: Work, name: SampleKey) -> SampleKey:
    """Return the key of the only sample in a file. A plugin that has a name of its own for it keeps that."""
    if name == work.key.rpartition("/")[2] or work.folder == f"{work.key}/":  # nearly always, and soon compared
        return work.key
    if name == external.BasePlugin.sample_name(work.path):
        return work.key
    return work.folder + str(name)


def _key_within(work: Work, name: SampleKey) -> SampleKey:
    """Return the key of one of many samples in a file. Rows of a lone table keep their numbers."""
    if isinstance(name, str):
        return work.folder + name
    return name if work.alone else f"{work.key}/{name:0{_ROW_DIGITS}d}"


def _keys_within(work: Work, names: Sequence[SampleKey]) -> Sequence[SampleKey]:
    if work.alone and set(map(type, names)) == {int}:
        return names
    return [_key_within(work, name) for name in names]


def _read(work: Work, reading: Reading, data: Any, name: SampleKey) -> Read:
    """Return one sample in canonical form. Raises what `reject_of` knows."""
    key = check_sample_key(name)
    if isinstance(data, Mapping):
        parts = [_part(work, _suffix(reading, one), value) for one, value in data.items()]
    else:
        parts = [_part(work, "", data)]
    return _labelled(work, reading, key, parts)


def _labelled(work: Work, reading: Reading, key: SampleKey, parts: list[Part]) -> Read:
    """Return a sample with its label, if it has one."""
    if work.label is not None:
        if any(part.suffix == LABEL for part in parts):
            raise _wrong_kind(work, f"the file itself has data for {reading.arrayset}.{LABEL}")
        parts.append(_part(work, LABEL, work.label))
    if reading.annotations:
        taken = {part.suffix for part in parts}
        for suffix, annotated in annotations_of(reading.annotations, work.shown).items():
            if suffix in taken:
                raise _wrong_kind(work, f"the file itself has data for {reading.arrayset}.{suffix}")
            parts.append(_part(work, suffix, annotated))
    if not parts:
        raise _wrong_kind(work, "the plugin gives no data")
    return Read(key, tuple(parts))


def _suffix(reading: Reading, name: str) -> str:
    check_plain(f"{reading.arrayset}.{name}", "Arrayset")
    return name


def _part(work: Work, suffix: str, data: Any) -> Part:
    if isinstance(data, np.ndarray | np.generic):
        data = np.asanyarray(data)
    elif isinstance(data, bytearray | memoryview):
        data = bytes(data)
    elif not isinstance(data, str | bytes):
        raise _wrong_kind(work, f"the plugin gives {type(data).__name__}, and samples are arrays, text or bytes")
    try:
        payload = payload_of(data)
    except UnicodeEncodeError as why:
        reason = "its text holds half of a surrogate pair, which no encoding can store"
        raise external.bad_file(work.path, code="undecodable", reason=reason, fix="mend it") from why
    return Part(suffix, payload.dtype, payload.shape, payload.digest, payload)


def _wrong_kind(work: Work, reason: str) -> BadFile:
    return external.bad_file(work.path, code="kind", reason=reason, fix="choose another plugin")
