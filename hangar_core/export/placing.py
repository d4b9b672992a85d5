"""Where files go: no two samples to one file, nothing outside the target, nothing over what is there.

All places are looked at before the first file is moved.
"""

from __future__ import annotations

import filecmp
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from hangar_core import external
from hangar_core.errors import AlreadyExists, InvalidData, InvalidInput
from hangar_core.model import SampleKey

Folding = Callable[[str], str]


class Named(Protocol):
    """A sample and what its file is called: its name as plugins are told, and the extension."""

    @property
    def key(self) -> SampleKey: ...

    @property
    def detail(self) -> str: ...

    @property
    def extension(self) -> str: ...


class Placed(NamedTuple):
    """What became of finished files: numbers of those moved and of those that were there alike, and all paths."""

    written: int
    unchanged: int
    paths: list[str]


def detail_of(key: SampleKey) -> str:
    """Return the key as plugins are told: ``str:NAME`` or ``int:NUMBER``."""
    return f"{'int' if isinstance(key, int) else 'str'}:{key}"


def planned(items: Iterable[Named], folding: Folding) -> dict[SampleKey, str]:
    """Return the file of each sample, one for each, as its path below the folder with ``/``.

    `folding` gives equal text for names that the file system takes for one. Raises `InvalidData` if two samples would
    be written to one file, or one to a file and another into a folder of the same name; and as `target_path`.
    """
    paths = {one.key: external.target_name(one.detail, one.extension) for one in items}
    taken: dict[str, SampleKey] = {}
    for key, path in paths.items():
        other = taken.setdefault(folding(path), key)
        if other is key:
            continue
        if path == paths[other]:
            raise InvalidData(
                f"Samples `{key}` (a number) and `{key}` (text) would be written to the same file.",
                hint="export them one by one with -s int:N and -s str:N into different folders",
            )
        raise InvalidData(
            f"Samples `{other}` and `{key}` would be written to the same file: names that differ as theirs do are one "
            "to this file system.",
            hint="export them one by one with -s into different folders",
        )
    folders: set[str] = set()
    for key, path in paths.items():
        for folder in _folders_of(path):
            if folder in folders:
                break  # and so were those above it
            folders.add(folder)
            other_key = taken.get(folding(folder))
            if other_key is not None:
                raise InvalidData(
                    f"Sample `{_said(key)}` needs a folder where `{_said(other_key)}` would be written as a file.",
                    hint="export one of them with -s into another folder",
                )
    return paths


def refuse_meeting(paths: Iterable[Path], folding: Folding) -> None:
    """Raise `InvalidData` if two of the files that a plugin wrote are one to the file system: the second is left."""
    seen: dict[str, Path] = {}
    for path in map(Path, paths):
        other = seen.setdefault(folding(path.as_posix()), path)
        if other != path:
            raise InvalidData(
                f"Files `{other.name}` and `{path.name}` are one to this file system.",
                hint="export their samples one after the other, with --keys, into different folders",
            )


def folding_of(folder: Path) -> Folding:
    """Find out, with a file that is removed again, which names the file system of `folder` takes for one."""
    probe = folder / "hangar-probe-\u00e9"
    try:
        probe.touch()
        case = (folder / "HANGAR-PROBE-\u00c9").exists()
        form = (folder / "hangar-probe-e\u0301").exists()
        probe.unlink()
    except (OSError, UnicodeEncodeError):  # it has no such letters at all
        return str.casefold

    def folded(name: str) -> str:
        name = unicodedata.normalize("NFC", name) if form else name
        return name.casefold() if case else name

    return folded


def move_all(fresh: Path, outdir: Path, *, overwrite: bool) -> Placed:
    """Move what was written in `fresh` to its places below `outdir`. Links are replaced, not followed.

    Raises `AlreadyExists` for other content that is in the way, `InvalidInput` if a folder on the way is a link that
    leads out; both before anything is moved.
    """
    ways = _Ways(outdir)
    places = []
    for folder, names in _files_below(os.fspath(fresh)):
        ways.check(folder)
        # `""` at the end of the first two is the separator: joining each by itself takes as long as moving it.
        source, aim = os.path.join(fresh, folder, ""), os.path.join(outdir, folder, "")
        for name in names:
            path, target = source + name, aim + name
            places.append((path, target, folder, _is_there(path, target, overwrite=overwrite)))
    places.sort()
    ways.forget()  # what was looked at may have changed since
    for path, target, folder, same in places:
        if not same:
            ways.make(folder)
            _move(path, target, replacing=overwrite)
    unchanged = sum(same for *_, same in places)
    return Placed(len(places) - unchanged, unchanged, [target for _, target, _, _ in places])


def _files_below(top: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder below `top`, as its path from there, with the names of the files in it."""
    left = [""]
    while left:
        folder = left.pop()
        with os.scandir(os.path.join(top, folder)) as found:
            entries = [one for one in found if not one.is_symlink()]
        yield folder, [one.name for one in entries if not one.is_dir()]
        left += [os.path.join(folder, one.name) for one in entries if one.is_dir()]


def _is_there(path: str, target: str, *, overwrite: bool) -> bool:
    """Whether a target has the content that is to be moved there. Raises `AlreadyExists`."""
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        return False
    same = stat.S_ISREG(mode) and filecmp.cmp(path, target, shallow=False)
    if not same and not overwrite:
        raise _in_the_way(target)
    if stat.S_ISDIR(mode):
        raise AlreadyExists(kind="Folder", name=target, hint="a file of that name is to be written")
    return same


class _Ways:
    """The folders below a target: each is looked at once, in which nothing may lead out."""

    def __init__(self, outdir: Path) -> None:
        self._outdir = outdir
        self._known: set[str] = set()

    def check(self, folder: str) -> None:
        """Raise `InvalidInput` if a folder lies elsewhere, `AlreadyExists` if a file is in its place."""
        if folder in self._known:
            return
        target = self._outdir / folder
        if not target.resolve().is_relative_to(self._outdir.resolve()):
            raise InvalidInput(
                f"`{target}` lies outside of `{self._outdir}`: a folder on the way is a link.", hint="remove the link"
            )
        for one in (target, *target.parents):
            if one == self._outdir:
                break
            if os.path.lexists(one) and not one.is_dir():
                raise AlreadyExists(kind="File", name=str(one), hint="a folder of that name is to be made")
        self._known.add(folder)

    def make(self, folder: str) -> None:
        """Make a folder, if it is not there, and check it."""
        if folder not in self._known:
            (self._outdir / folder).mkdir(parents=True, exist_ok=True)
            self.check(folder)

    def forget(self) -> None:
        """Look at all of them again."""
        self._known.clear()


def _folders_of(path: str) -> Iterator[str]:
    """Yield the folders in which a path lies, the nearest first."""
    while (at := path.rfind("/")) > 0:
        path = path[:at]
        yield path


def _move(path: str, target: str, *, replacing: bool) -> None:
    if not replacing:
        try:
            os.link(path, target)  # unlike a rename it refuses what somebody else has put there since we looked
        except FileExistsError as why:
            raise _in_the_way(target) from why
        except OSError:  # a file system without hard links
            if os.path.lexists(target):
                raise _in_the_way(target) from None
        else:
            os.unlink(path)
            return
    os.replace(path, target)


def _in_the_way(target: str) -> AlreadyExists:
    return AlreadyExists(kind="File", name=target, hint="it has other content: choose another folder, or --overwrite")


def _said(key: SampleKey) -> str:
    return f"int:{key}" if isinstance(key, int) else key
