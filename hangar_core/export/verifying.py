"""Are the files the samples? Every file is read back by its plugin, and every value compared bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangar_core import external
from hangar_core.errors import InvalidInput, PluginError
from hangar_core.export.formats import Format
from hangar_core.export.threads import in_threads
from hangar_core.export.writing import Sample, Work
from hangar_core.external.targets import file_system_name
from hangar_core.model import SampleKey

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Difference:
    """A sample that its file does not give back: which, which file, and what is there instead."""

    key: SampleKey
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verification:
    """How many samples came back bit for bit, and which did not.

    Where the format is not `lossless`, `differences` are only of files that cannot be read at all; that other values
    come back is what the format is like.
    """

    identical: int
    differences: tuple[Difference, ...]
    lossless: bool


@dataclass(frozen=True, slots=True)
class _Found:
    """What reading a sample back gave: nothing to say, other values, or nothing at all."""

    key: SampleKey
    path: Path
    reason: str = ""
    readable: bool = True
    lossless: bool = True


def verify(work: Work, outdir: Path, paths: list[Path]) -> Verification:
    """Read the files `paths` below `outdir` that were written for `work`, and compare them with the samples.

    A number may come back in a wider dtype (a table has no other) if it is the same number: each of the two becomes the
    other, bit for bit, by conversion.
    """
    found: Iterator[_Found] = in_threads(_calls(work, outdir), work.jobs)
    if work.layout.format is not None:
        found = chain(found, _compared_in_order(work, work.layout.format, outdir, paths))
    identical, differences = 0, []
    for one in found:
        if not one.reason:
            identical += 1
        elif one.lossless or not one.readable:
            differences.append(Difference(one.key, str(one.path), one.reason))
    return Verification(identical, tuple(differences), all(one.is_lossless for one in work.layout.formats))


def difference(sample: Sample, back: object) -> str:
    """Return in what `back` is not `sample`, empty if every bit is the same."""
    import numpy as np

    if isinstance(sample, str | bytes):
        if type(back) is not type(sample):
            return f"it is {type(back).__name__} now, not {type(sample).__name__}"
        return "" if back == sample else "other content"
    if not isinstance(back, np.ndarray | np.generic):
        return f"it is {type(back).__name__} now, not an array"
    array = np.asarray(back)
    if array.shape != sample.shape:
        return f"its shape is {array.shape} now, not {sample.shape}"
    if _bits(array.astype(array.dtype.newbyteorder("<"))) == _bits(sample) and array.dtype.kind == sample.dtype.kind:
        return ""
    if array.dtype == sample.dtype or not (_is_number(array) and _is_number(sample)):
        return "other values" if array.dtype == sample.dtype else f"its dtype is {array.dtype} now, not {sample.dtype}"
    with np.errstate(all="ignore"):
        there, and_back = sample.astype(array.dtype), array.astype(sample.dtype)
    return "" if _bits(there) == _bits(array) and _bits(and_back) == _bits(sample) else "other values"


def _bits(array: NDArray[Any]) -> bytes:
    return array.tobytes()


def _is_number(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "biufc"


# --- a file for each sample -----------------------------------------------------------------------------------------


def _calls(work: Work, outdir: Path) -> Iterator[Callable[[], _Found]]:
    for item, data in work.alone("samples read back"):
        path = external.BasePlugin.target_path(outdir, item.detail, item.extension)
        yield partial(_compared, item.format, work.aset.name, item.key, path, data)


def _compared(format_: Format | None, arrayset: str, key: SampleKey, path: Path, data: Sample) -> _Found:
    if format_ is None or format_.plugin is None:
        content = data.encode() if isinstance(data, str) else data
        try:
            return _Found(key, path, difference(content, path.read_bytes()))
        except OSError as why:
            return _Found(key, path, why.strerror or str(why), readable=False)
    try:
        found = list(islice(_samples_in(path, format_, arrayset), 2))
    except (PluginError, InvalidInput) as why:
        return _Found(key, path, why.message, readable=False)
    if len(found) != 1:
        return _Found(key, path, "the file has several samples" if found else "the file has no sample", readable=False)
    return _Found(key, path, difference(data, found[0]), lossless=format_.is_lossless)


def _samples_in(path: Path, format_: Format, arrayset: str) -> Iterator[object]:
    """Yield the data in a file; of those for several arraysets, what is for this one."""
    loaded = external.load(path, plugin=format_.plugin_name, **format_.options_for_reading())
    for data, _ in [loaded] if isinstance(loaded, tuple) else loaded:
        if not isinstance(data, Mapping):
            yield data
        else:  # fields of a table: ours, or the only one, whatever it is called
            yield next(iter(data.values())) if len(data) == 1 else data.get(arrayset)


# --- files of many samples ------------------------------------------------------------------------------------------


def _compared_in_order(work: Work, format_: Format, outdir: Path, paths: list[Path]) -> Iterator[_Found]:
    """Yield the comparison of each sample with what stands in its place in its file: plugins keep the order."""
    suffix, lossless = f".{format_.extension}", format_.is_lossless
    by_name = {path.relative_to(outdir).as_posix().removesuffix(suffix): path for path in paths}
    in_files: dict[Path, Iterator[object]] = {}
    for key, data in work.shared("samples read back"):
        path = _file_of(key, work.aset.name, by_name)
        if path is None:
            yield _Found(key, outdir, "none of the files is for it", readable=False)
            continue
        try:
            if path not in in_files:
                in_files[path] = _samples_in(path, format_, work.aset.name)
            back = next(in_files[path], _NOTHING)
        except (PluginError, InvalidInput) as why:
            in_files[path] = iter(())
            yield _Found(key, path, why.message, readable=False)
            continue
        reason = "it is missing" if back is _NOTHING else difference(data, back)
        yield _Found(key, path, reason, readable=back is not _NOTHING, lossless=lossless)
    for path, left in in_files.items():
        if next(left, _NOTHING) is not _NOTHING:
            yield _Found(work.aset.name, path, "the file has samples that were not written", readable=False)


def _file_of(key: SampleKey, arrayset: str, by_name: Mapping[str, Path]) -> Path | None:
    """Return which of the files has a sample: the one called like it, like its folder, or like the arrayset."""
    name = "/".join(map(file_system_name, str(key).split("/")))
    return by_name.get(name) or by_name.get(name.rpartition("/")[0]) or by_name.get(file_system_name(arrayset))


_NOTHING = object()
