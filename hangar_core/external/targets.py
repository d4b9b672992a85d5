r"""Writing side of the contract: where a sample may be written, and how a file appears there whole or not at all.

A sample name is a relative path without its suffix (``cat/001``). Every target lies inside the output folder: the name
obeys the rule of sample names (no ``..``, nothing absolute, no control characters), links that lead out of the folder
are refused, and what the file system would refuse or read as a separator is written as ``%XX``. Different names always
give different files: a ``%`` that would read like such a code is itself written as ``%25``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from hangar_core.errors import InvalidInput, InvalidName, StorageFailed
from hangar_core.model import SampleKey
from hangar_core.names import check_sample_key, check_sample_name

_DIGITS = 20  # of 2**64, the end of integer keys
_EXTENSION = re.compile(r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*")

_ROW_OF_A_FILE = re.compile(r"(?P<file>.+)/[0-9]{9,}")

# A backslash is a legal character here and a separator on Windows, where the folder may be copied to: always encoded.
_REFUSED_ON_POSIX = re.compile(r"\\|%(?=5C|25)")
# Windows refuses these, silently drops a dot or blank at the end, and takes some stems for devices.
_REFUSED_ON_WINDOWS = re.compile(
    r'[<>:"|?*\\]|[. ]$|%(?=[0-9A-F]{2})|^.(?<=[CPANL])(?=(?:ON|RN|UX|UL|OM[0-9]|PT[0-9])(?:\.|$))', re.IGNORECASE
)


def parse_detail(sample_detail: str) -> SampleKey:
    """Return the sample key in `sample_detail`: ``str:NAME`` gives text, ``int:NUMBER`` an int.

    Raises `InvalidInput` for another form and `InvalidName` for a name that no sample can have.
    """
    kind, colon, text = sample_detail.partition(":")
    if colon and kind == "str":
        return check_sample_name(
            text, stored=True
        )  # a sample that exists must come out, whatever Python it went in with
    if colon and kind == "int" and len(text) <= _DIGITS and text.isascii() and text.isdigit():
        return check_sample_key(int(text))
    raise InvalidInput(f"sample `{sample_detail}` must be given as `str:NAME` or `int:NUMBER`.")


def file_of_row(key: SampleKey) -> str | None:
    """Return the name of the file that a sample was a row or frame of, if an import has named it so: ``a/000000012``.

    What writes many samples into one file puts those of one file together again.
    """
    found = _ROW_OF_A_FILE.fullmatch(key) if isinstance(key, str) else None
    return found["file"] if found else None


def target_path(outdir: str | os.PathLike[str], sample_detail: str, extension: str) -> Path:
    """Return where inside `outdir` the sample is to be written. Nothing is created.

    ``/`` in a name means sub-folders. Raises `InvalidName` for a name that no sample can have, or that leads through a
    link out of `outdir`, and `InvalidInput` for an extension that is none or an `outdir` that is a file.
    """
    target = Path(outdir, target_name(sample_detail, extension))
    _refuse_outside(Path(outdir), target)
    return target


def target_name(sample_detail: str, extension: str) -> str:
    """Return what `target_path` puts behind the folder, with ``/``; where links lead is not looked at.

    Raises `InvalidName`, `InvalidInput`.
    """
    name = str(parse_detail(sample_detail))
    extension = extension.lstrip(".")
    if extension and _EXTENSION.fullmatch(extension) is None:
        raise InvalidInput(f"`{extension}` is not a file extension.")
    # The last part is encoded without its suffix, so that the name can be had back by taking the suffix off.
    return "/".join(map(file_system_name, name.split("/"))) + (f".{extension}" if extension else "")


class AtomicFiles:
    """Files that take the place of their targets when the `with` block ends well, and vanish when it does not.

    One of them is open at a time, however many there are. Missing folders are made; a link at a target is replaced, not
    followed. Raises `StorageFailed` when the operating system refuses. No sync is done: what is written here can be
    written again.
    """

    def __init__(self) -> None:
        self._parts: dict[Path, Path] = {}
        self._target: Path | None = None
        self._file: BinaryIO | None = None

    def open(self, target: Path) -> BinaryIO:
        """Return the file for `target`, at its end; the one returned before is closed. The file is ours to close."""
        if self._file is None or target != self._target:
            self._close()
            self._target = target
            self._file = self._append(target) if target in self._parts else self._create(target)
        return self._file

    def __enter__(self) -> AtomicFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close()
            if why is None:
                for target, part in self._parts.items():
                    self._target = target
                    os.replace(part, target)
        except OSError as failure:
            why = failure
        finally:
            for part in self._parts.values():
                part.unlink(missing_ok=True)
        # Only what the operating system says: errors of hangar, and of libraries about the data, have no number.
        if isinstance(why, OSError) and why.errno is not None:
            raise StorageFailed(path=str(self._target), reason=why.strerror or str(why)) from why

    def _create(self, target: Path) -> BinaryIO:
        part = target.with_name(f".hangar-{os.urandom(8).hex()}.part")
        target.parent.mkdir(parents=True, exist_ok=True)
        file = open(part, "x+b")  # noqa: SIM115 — closed by `_close`
        self._parts[target] = part
        return file

    def _append(self, target: Path) -> BinaryIO:
        # Not for appending: whoever ends a file with a directory (zip) writes over the old one.
        file = open(self._parts[target], "r+b")  # noqa: SIM115 — closed by `_close`
        file.seek(0, os.SEEK_END)
        return file

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


@contextmanager
def atomic_file(target: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of `target` when the block ends well; see `AtomicFiles`."""
    with AtomicFiles() as files:
        yield files.open(target)


def file_system_name(part: str, windows: bool = os.name == "nt") -> str:
    """Return one part of a sample name as the file system takes it; different parts give different names."""
    refused = _REFUSED_ON_WINDOWS if windows else _REFUSED_ON_POSIX
    return refused.sub(lambda found: f"%{ord(found[0]):02X}", part)


def _refuse_outside(outdir: Path, target: Path) -> None:
    try:
        root = outdir.resolve()
        folder = target.parent.resolve()
    except (OSError, RuntimeError, ValueError) as why:  # RuntimeError: a loop of links (before Python 3.13)
        raise InvalidInput(f"`{target}` cannot be written: {why}") from why
    if root.exists() and not root.is_dir():
        raise InvalidInput(f"`{outdir}` is not a folder.")
    if not folder.is_relative_to(root):
        raise InvalidName(
            f"`{target}` would be written to `{folder}`, outside of `{outdir}`.",
            hint="a folder inside it is a link: remove the link or choose another output folder",
        )
