"""Where files go: no two samples to one file, nothing outside the target, nothing over what is there.

All places are looked at before the first file is moved.
"""

from __future__ import annotations

import filecmp
import os
import unicodedata
from collections.abc import Callable, Iterable
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
    paths: list[Path]


def detail_of(key: SampleKey) -> str:
    """Return the key as plugins are told: ``str:NAME`` or ``int:NUMBER``."""
    return f"{'int' if isinstance(key, int) else 'str'}:{key}"


def planned(items: Iterable[Named], root: Path, folding: Folding) -> dict[SampleKey, Path]:
    """Return the file of each sample below `root`, one for each. Nothing is created.

    `folding` gives equal text for names that the file system takes for one. Raises `InvalidData` if two samples would
    be written to one file, or one to a file and another into a folder of the same name; and as `target_path`.
    """
    paths = {one.key: external.BasePlugin.target_path(root, one.detail, one.extension) for one in items}
    taken: dict[str, SampleKey] = {}
    for key, path in paths.items():
        other = taken.setdefault(folding(path.relative_to(root).as_posix()), key)
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
    for key, path in paths.items():
        for folder in path.relative_to(root).parents:
            other_key = taken.get(folding(folder.as_posix()))
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
    places = []
    for path in sorted(path for path in fresh.rglob("*") if path.is_file() and not path.is_symlink()):
        target = outdir / path.relative_to(fresh)
        _refuse_ways_out(target, outdir)
        same = target.is_file() and not target.is_symlink() and filecmp.cmp(path, target, shallow=False)
        if os.path.lexists(target) and not same and not overwrite:
            raise _in_the_way(target)
        if target.is_dir() and not target.is_symlink():
            raise AlreadyExists(kind="Folder", name=str(target), hint="a file of that name is to be written")
        places.append((path, target, same))
    for path, target, same in places:
        if not same:
            target.parent.mkdir(parents=True, exist_ok=True)
            _refuse_ways_out(target, outdir)
            _move(path, target, replacing=overwrite)
    unchanged = sum(same for _, _, same in places)
    return Placed(len(places) - unchanged, unchanged, [target for _, target, _ in places])


def _refuse_ways_out(target: Path, outdir: Path) -> None:
    if not target.parent.resolve().is_relative_to(outdir.resolve()):
        raise InvalidInput(
            f"`{target}` lies outside of `{outdir}`: a folder on the way is a link.", hint="remove the link"
        )
    for folder in target.relative_to(outdir).parents[:-1]:
        if os.path.lexists(outdir / folder) and not (outdir / folder).is_dir():
            raise AlreadyExists(kind="File", name=str(outdir / folder), hint="a folder of that name is to be made")


def _move(path: Path, target: Path, *, replacing: bool) -> None:
    if not replacing:
        try:
            os.link(path, target)  # unlike a rename it refuses what somebody else has put there since we looked
        except FileExistsError as why:
            raise _in_the_way(target) from why
        except OSError:  # a file system without hard links
            if os.path.lexists(target):
                raise _in_the_way(target) from None
        else:
            path.unlink()
            return
    os.replace(path, target)


def _in_the_way(target: Path) -> AlreadyExists:
    return AlreadyExists(
        kind="File", name=str(target), hint="it has other content: choose another folder, or --overwrite"
    )


def _said(key: SampleKey) -> str:
    return f"int:{key}" if isinstance(key, int) else key
