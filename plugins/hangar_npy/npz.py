"""The plugin for .npz files: zip files whose members are .npy files."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hangar_core.errors import InvalidName
from hangar_core.external import AtomicFiles, BadFile, BasePlugin, InvalidInput, option
from hangar_core.external.array_facts import facts_of, table_of
from hangar_core.external.zipped import ZipSource, open_zip, shown
from hangar_core.names import check_plain
from hangar_npy.checks import storable
from hangar_npy.header import MAX_ARRAY, check_header, read_array

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.table import Table

UNNAMED = "arr_0"  # what numpy calls the only array of a file if it was given no name
_SUFFIX = ".npy"


@dataclass(frozen=True)
class NpzOptions:
    """How members become samples, and how they are packed."""

    arraysets: bool = option(False, of="load", help="Give each member to an arrayset of its name.")
    compressed: bool = option(False, of="save", help="Compress the members with deflate.")


class HangarNpz(BasePlugin):
    """Numpy's .npz files, plain or compressed: many arrays in one file, each exactly as it was.

    Each member is a sample called ``file/member``; a file with nothing but ``arr_0`` is one sample called like the
    file. With the option `arraysets` (yes or no) the members are one sample for each of as many arraysets instead.
    Objects and records are refused in both directions.
    """

    VERSION = "1"
    LOSSLESS = ("npz",)
    DEFAULT_EXTENSION = "npz"
    Options = NpzOptions

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["npz"])

    def load(
        self, fpath: str | os.PathLike[str], **options: Any
    ) -> tuple[Any, str] | Iterator[tuple[NDArray[Any], str]]:
        """Check the headers of all members, then return the only array, or a lazy generator of arrays.

        With the option `arraysets`: one mapping from the names of the members to their arrays, 1 GiB in all.
        Raises `BadFile`: wrong-format, truncated, undecodable, too-large (an array over 1 GiB), unsafe (pickled
        objects, records, a zip bomb), empty, or as `open_file`.
        """
        apart = self.typed_options(NpzOptions, "load", options).arraysets
        stem = self.sample_name(fpath)
        with open_zip(fpath) as source:
            names = _checked_members(source)
            if apart:
                return _mapping(source, names), stem
            if list(names) == [UNNAMED]:
                return _array(source, names[UNNAMED]), stem
        return _each(fpath, stem)

    def save(
        self, arr: NDArray[Any], outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write `arr` as the only member of a file and return the path. Option: `compressed` (yes or no, default no).

        Raises `InvalidData` for text, bytes, object arrays and records.
        """
        compressed = self.typed_options(NpzOptions, "save", options).compressed
        self.accepted_extension(extension)
        array = storable(arr)
        target = self.target_path(outdir, sample_detail, extension)
        with _ZipTargets(compressed) as targets:
            targets.write(target, UNNAMED, array)
        return target

    def save_many(
        self,
        samples: Iterable[tuple[str | int, NDArray[Any]]],
        outdir: str | os.PathLike[str],
        arrayset: str,  # noqa: ARG002 — the keys name the files
        extension: str,
        **options: Any,
    ) -> list[Path]:
        """Write the samples ``a/b/x`` and ``a/b/y`` as the members x and y of ``a/b.npz``; a key without a slash is a
        file with one array. Reading the files again gives the same keys. Option and errors as `save`.
        """
        compressed = self.typed_options(NpzOptions, "save", options).compressed
        self.accepted_extension(extension)
        paths: dict[Path, None] = {}
        with _ZipTargets(compressed) as targets:
            for key, array in samples:
                folder, _, member = str(key).rpartition("/")
                if not folder or member == UNNAMED:
                    detail, member = f"{'int' if isinstance(key, int) else 'str'}:{key}", UNNAMED
                else:
                    detail = f"str:{folder}"
                path = self.target_path(outdir, detail, extension)
                targets.write(path, member, storable(array))
                paths[path] = None
        return list(paths)

    def show(self, arr: NDArray[Any], **options: Any) -> Table:
        """Return a table of the array's dtype, shape, least and greatest value, mean, count of NaN and first values."""
        self.typed_options(NpzOptions, "show", options)
        return table_of(storable(arr))

    def board_show(self, arr: NDArray[Any], **options: Any) -> tuple[str, bytes]:
        """Return the same facts as JSON."""
        self.typed_options(NpzOptions, "board_show", options)
        return "application/json", json.dumps(facts_of(storable(arr)), allow_nan=False).encode()


def _checked_members(source: ZipSource) -> dict[str, zipfile.ZipInfo]:
    """Return the members by their names without ``.npy``, after a look at the header of each."""
    if not source.members:
        raise source.refusal("empty", "there is no array in it", "remove it or write it again")
    found: dict[str, zipfile.ZipInfo] = {}
    for member in source.members:
        if not member.filename.endswith(_SUFFIX) or member.filename == _SUFFIX:
            reason = f"its member {shown(member.filename)} is no .npy file"
            raise source.refusal("wrong-format", reason, "write it with numpy.savez")
        found[member.filename.removesuffix(_SUFFIX)] = member
        with source.open(member) as stream:
            check_header(stream, member.file_size, _blaming(source, member))
    return found


def _array(source: ZipSource, member: zipfile.ZipInfo) -> NDArray[Any]:
    with source.open(member) as stream:
        array = read_array(stream, _blaming(source, member))
        stream.read(1)  # the end, where the checksum is compared
        return array


def _each(fpath: str | os.PathLike[str], stem: str) -> Iterator[tuple[NDArray[Any], str]]:
    with open_zip(fpath) as source:
        for name, member in _checked_members(source).items():
            yield _array(source, member), f"{stem}/{name}"


def _mapping(source: ZipSource, names: Mapping[str, zipfile.ZipInfo]) -> dict[str, NDArray[Any]]:
    if sum(member.file_size for member in names.values()) > MAX_ARRAY:
        reason = f"its arrays have more than {MAX_ARRAY} bytes in all"
        raise source.refusal("too-large", reason, "read it without the option `arraysets`")
    for name in names:
        try:
            check_plain(name, "Arrayset")
        except InvalidName as why:
            reason = f"its member {shown(name)} cannot name an arrayset"
            raise source.refusal("wrong-format", reason, "read it without the option `arraysets`") from why
    return {name: _array(source, member) for name, member in names.items()}


def _blaming(source: ZipSource, member: zipfile.ZipInfo) -> Any:
    def refusal(code: str, reason: str, fix: str) -> BadFile:
        return source.refusal(code, f"in its member {shown(member.filename)}: {reason}", fix)

    return refusal


class _ZipTargets:
    """Zip files that grow by members, one of them open at a time; all of them appear at the end, or none."""

    def __init__(self, compressed: bool) -> None:
        self._method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        self._files = AtomicFiles()
        self._path: Path | None = None
        self._archive: zipfile.ZipFile | None = None
        self._names: dict[Path, set[str]] = {}

    def write(self, path: Path, member: str, array: NDArray[Any]) -> None:
        """Add one array to the file at `path`. Raises `InvalidInput` if it has a member of that name already."""
        import numpy as np

        names = self._names.setdefault(path, set())
        if member in names:
            raise InvalidInput(f"two samples would both be `{member}` in {path.name}.", hint="export them one by one")
        names.add(member)
        archive = self._open(path)
        # No time of day: the same arrays always give the same file.
        info = zipfile.ZipInfo(member + _SUFFIX)
        info.compress_type = self._method
        info.external_attr = 0o644 << 16
        with archive.open(info, "w", force_zip64=True) as stream:
            np.lib.format.write_array(stream, array, allow_pickle=False)

    def __enter__(self) -> _ZipTargets:
        self._files.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        try:
            self._close()
        finally:
            self._files.__exit__(*failure)

    def _open(self, path: Path) -> zipfile.ZipFile:
        if self._archive is None or path != self._path:
            self._close()
            self._path = path
            self._archive = zipfile.ZipFile(self._files.open(path), "a")
        return self._archive

    def _close(self) -> None:
        archive, self._archive = self._archive, None
        if archive is not None:
            archive.close()
