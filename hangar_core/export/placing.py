"""Finished files go to their places: all places are looked at before the first file is moved."""

from __future__ import annotations

import filecmp
import os
from pathlib import Path

from hangar_core.errors import AlreadyExists, InvalidInput


def place(fresh: Path, outdir: Path, *, overwrite: bool) -> tuple[int, int, list[str]]:
    """Move what was written to its place; look at all places before the first move."""
    root = outdir.resolve()
    places = []
    for path in sorted(path for path in fresh.rglob("*") if path.is_file() and not path.is_symlink()):
        place = outdir / path.relative_to(fresh)
        if not place.parent.resolve().is_relative_to(root):
            raise InvalidInput(
                f"`{place}` lies outside of `{outdir}`: a folder on the way is a link.", hint="remove the link"
            )
        same = place.is_file() and not place.is_symlink() and filecmp.cmp(path, place, shallow=False)
        if os.path.lexists(place) and not same and not overwrite:
            raise AlreadyExists(
                kind="File", name=str(place), hint="it has other content: choose another folder, or --overwrite"
            )
        if place.is_dir():
            raise AlreadyExists(kind="Folder", name=str(place), hint="a file of that name is to be written")
        places.append((path, place, same))
    for path, place, same in places:
        if not same:
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)
    unchanged = sum(same for _, _, same in places)
    return len(places) - unchanged, unchanged, [str(place) for _, place, _ in places]
