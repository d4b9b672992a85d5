"""The class that every format plugin extends: what hangar asks of a guest, and the helpers that guests share.

A complete plugin::

    class HangarPfm(BasePlugin):
        VERSION = "1"

        @dataclass(frozen=True)
        class Options:
            scale: float = option(1.0, help="Multiply every value by this.")

        def __init__(self):
            super().__init__(provides=["load"], accepts=["pfm"])

        def load(self, fpath, **options):
            given = self.typed_options(self.Options, "load", options)
            with self.open_file(fpath) as file:
                array = decode_pfm(file.read())          # yours
            return array * given.scale, self.sample_name(fpath)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, BinaryIO, ClassVar, Protocol, TypeAlias, TypeVar, runtime_checkable

from hangar_core.errors import BadFile, InvalidInput
from hangar_core.external.declared import typed_options
from hangar_core.external.options import OptionReader
from hangar_core.external.sources import bad_file, check_file, open_file
from hangar_core.external.targets import target_path
from hangar_core.model import SampleKey

METHODS = ("load", "save", "show", "board_show")
API_VERSION = 1

_Options = TypeVar("_Options")

# numpy.ndarray, str, bytes, or a mapping from arrayset name to one of them. Not spelled out: numpy stays unimported.
SampleData: TypeAlias = Any
# How a file begins: bytes at its start, or (offset, bytes).
Signature: TypeAlias = bytes | tuple[int, bytes]
Loaded: TypeAlias = tuple[SampleData, SampleKey] | Iterator[tuple[SampleData, SampleKey]]


class BasePlugin:
    """Base of all plugins. It is made without arguments, once, when it is first needed.

    A subclass overrides the methods that it lists in `provides`. Each takes options as keyword arguments: with the
    types declared in `Options`, or else as they were given, which is text from a command line. An exception other than
    hangar's own is reported as a failure of the plugin, so let bugs out; for a file that is not what it should be raise
    `BadFile` (see `bad_file`). `load` and `save` may be called from several threads at once: the object keeps nothing.

    More things are optional and no part of this class, so that having them says something: `save_many` (see
    `SavesMany`), `decode` with `encode` (see `KeepsOriginals`), `form_of` (see `KnowsForms`), and
    `outline` (see `OutlinesTables`).
    """

    API_VERSION: ClassVar[int] = API_VERSION
    """The contract this plugin is written for."""
    VERSION: ClassVar[str] = "1"
    """Raise it when `load` begins to return something else for the same file."""
    PRIORITY: ClassVar[int] = 50
    """Among plugins for the same extension the highest one is taken."""
    LOSSLESS: ClassVar[tuple[str, ...]] = ()
    """Extensions for which ``load(save(x))`` gives exactly x again, for each x that `save` accepts."""
    DEFAULT_EXTENSION: ClassVar[str | None] = None
    """What an export writes when the data came from a format that is not lossless, or nobody knows from which."""
    TOLERANCE: ClassVar[Mapping[str, float]] = {}
    """For extensions that are not lossless: by how much a value of ``load(save(x))`` may differ from x."""
    MAGIC: ClassVar[Mapping[str, tuple[Signature, ...]]] = {}
    """Extension -> how such files begin: ``{"nii": ((344, b"n+1"),), "npy": (b"\\x93NUMPY",)}``. Any one is enough."""
    ORIGINALS: ClassVar[tuple[str, ...]] = ()
    """Of a plugin with `decode`: extensions whose files an import keeps as they are, unless it is told otherwise, since
    they are much smaller than what is in them or cannot be made again from it. Any other file that `decode` reads is
    kept if `--store original` asks for it."""
    RELEASES_GIL: ClassVar[bool] = False
    """Whether `load` spends its time where other threads can run meanwhile (most decoders written in C). Then an import
    reads several files at once in threads, which cost nothing to start; else it may start processes, in which a file
    that brings its decoder down costs that file only. `load` must not keep state from one file to the next."""
    ISOLATED: ClassVar[bool] = False
    """Whether an import reads even a single file in another process, with limits of memory and time: for decoders that
    a hostile file may bring down, or have take all there is. It costs the start of a process for each import."""
    Options: ClassVar[type[Any] | None] = None
    """A dataclass that declares the options, see `hangar_core.external.option`. None: any ``--name value`` goes on."""

    def __init__(self, provides: Sequence[str], accepts: Sequence[str]) -> None:
        """Say which of load, save, show, board_show this plugin `provides`, and which extensions it `accepts`.

        Extensions have no leading dot and may contain dots (``nii.gz``); their case does not matter. Raises
        `InvalidInput`, a ValueError, if either is empty or is not a list of such names.
        """
        self.plugin_name = type(self).__name__  # the manager puts the registered name here
        self.provides = _checked_list(provides, "provides", "one or more of " + ", ".join(METHODS))
        self.accepts = _checked_list(accepts, "accepts", "one or more file extensions")
        for method in self.provides:
            if method not in METHODS:
                raise InvalidInput(f"`provides` names `{method}`; it can name {', '.join(METHODS)}.")

    # --- what a plugin overrides ------------------------------------------------------------------------------------

    def load(self, fpath: str | os.PathLike[str], *args: Any, **options: Any) -> Loaded:
        """Read the file at `fpath`.

        Returns ``(data, name)``, or a lazy generator of such pairs for a file of many samples. The name becomes the
        sample's key, possibly below the file's own. Raises `BadFile`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `load`")

    def save(
        self,
        arr: SampleData,
        outdir: str | os.PathLike[str],
        sample_detail: str,
        extension: str,
        *args: Any,
        **options: Any,
    ) -> Any:
        """Write one sample below `outdir` and return the path written.

        `sample_detail` is ``str:NAME`` or ``int:NUMBER``; `target_path` turns it into a path. A file that is there is
        replaced: the caller looks before. Raises `InvalidData` for an array that the format cannot hold.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `save`")

    def show(self, arr: SampleData, *args: Any, **options: Any) -> Any:
        """Return something that rich can print, or text; or draw by other means and return None."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `show`")

    def board_show(self, arr: SampleData, *args: Any, **options: Any) -> Any:
        """Return ``(mime type, bytes)``: image/png, image/jpeg, text/plain, text/csv, audio/wav, application/json."""
        raise NotImplementedError(f"{type(self).__name__} does not implement `board_show`")

    def describe(self, fpath: str | os.PathLike[str], *args: Any, **options: Any) -> Mapping[str, str]:  # noqa: ARG002 — a default
        """Return the options that `save`, `save_many`, `show` and `board_show` need for data from this file.

        Takes the options of `load`. They are kept with the arrayset and handed back, so that a header line, say, comes
        out again. Overriding it is optional. Raises `BadFile`.
        """
        return {}

    # --- what a plugin uses -----------------------------------------------------------------------------------------

    @staticmethod
    def sample_name(fpath: str | os.PathLike[str]) -> str:
        """Return the file's name without folder and last extension: ``/path/to/myfile.ext`` -> ``myfile``."""
        return PurePath(fpath).stem

    @staticmethod
    def check_file(fpath: str | os.PathLike[str]) -> Path:
        """Return `fpath` as a Path if it is a regular, readable file that is not empty, else raise `BadFile`."""
        return check_file(fpath)

    @staticmethod
    def open_file(fpath: str | os.PathLike[str]) -> BinaryIO:
        """Open a file for reading bytes after the checks of `check_file`; use it in a `with`."""
        return open_file(fpath)

    @staticmethod
    def bad_file(fpath: str | os.PathLike[str], *, code: str, reason: str, fix: str) -> BadFile:
        """Return the error to raise for a file that is not what it should be; see `hangar_core.external.bad_file`."""
        return bad_file(fpath, code=code, reason=reason, fix=fix)

    @staticmethod
    def target_path(outdir: str | os.PathLike[str], sample_detail: str, extension: str) -> Path:
        """Return where below `outdir` a sample is written, never outside of it. Creates nothing.

        Raises `InvalidName` or `InvalidInput` for a name, an extension or a link that leads elsewhere.
        """
        return target_path(outdir, sample_detail, extension)

    def accepted_extension(self, extension: str) -> str:
        """Return the longest tail of `extension` that this plugin accepts, in lower case: ``v2.JPG`` -> ``jpg``.

        Raises `InvalidInput` if there is none.
        """
        known = {accepted.lower().lstrip(".") for accepted in self.accepts}
        for tail in extension_tails(extension):
            if tail in known:
                return tail
        raise InvalidInput(f"plugin '{self.plugin_name}' has no format `{extension}`, only {', '.join(sorted(known))}.")

    def typed_options(self, options_class: type[_Options], method: str, given: Mapping[str, object]) -> _Options:
        """Return `given` as an instance of `options_class`, the plugin's own `Options`, for one of its methods.

        Options that `method` does not take have their defaults. Raises `InvalidInput` for an unknown name or a value
        that breaks its rule.
        """
        return typed_options(options_class, method, given, f"plugin '{self.plugin_name}'")

    def read_options(self, options: Mapping[str, object], *known: str) -> OptionReader:
        """Return undeclared options for reading with a type; raises `InvalidInput` if one is not `known`."""
        return OptionReader(options, known, f"plugin '{self.plugin_name}'")


@runtime_checkable
class SavesMany(Protocol):
    """A plugin that can write many samples into one file; `save_many` is optional and not part of `BasePlugin`."""

    def save_many(
        self,
        samples: Iterable[tuple[SampleKey, SampleData]],
        outdir: str | os.PathLike[str],
        arrayset: str,
        extension: str,
        **options: Any,
    ) -> list[Path]:
        """Write all `samples` of the arrayset below `outdir`, or nothing on failure; return the paths written."""
        ...


@runtime_checkable
class KeepsOriginals(Protocol):
    """A plugin whose files are worth keeping as they are, because it reads and makes them in memory too."""

    def decode(self, data: bytes, **options: Any) -> SampleData:
        """Return the only sample in the bytes of a file, as `load` would.

        Takes the options of `load`. Raises `BadFile`, for a file of several samples with the code `several-samples`.
        """
        ...

    def encode(self, arr: SampleData, extension: str, **options: Any) -> bytes:
        """Return the bytes that `save` would write. Takes the options of `save`; raises `InvalidData`."""
        ...


@runtime_checkable
class KnowsForms(Protocol):
    """A plugin that `KeepsOriginals` and can tell dtype and shape of what `decode` would give without decoding it."""

    def form_of(self, data: bytes, **options: Any) -> tuple[str, tuple[int, ...]]:
        """Return numpy's name of the dtype, and the shape. Takes the options of `load`; raises `BadFile`."""
        ...


def extension_tails(extension: str) -> Iterator[str]:
    """Yield an extension and its shorter tails in lower case, longest first: ``Ext.bz2`` -> ``ext.bz2``, ``bz2``."""
    rest = extension.lstrip(".").lower()
    while rest:
        yield rest
        rest = rest.partition(".")[2]


def _checked_list(given: object, what: str, rule: str) -> list[str]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidInput(f"`{what}` must be a list of {rule}, not {given!r}.")
    names = list(given)
    if not names or not all(isinstance(name, str) and name.strip(".") for name in names):
        raise InvalidInput(f"`{what}` must be a list of {rule}, not {names!r}.")
    return names
