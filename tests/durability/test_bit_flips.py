"""Rot: a bit flips, a sector turns to zeros, a file loses its end, anywhere in the repository.

Every value that is read is the right one, or hangar says that it is damaged. Never another value, never an error that
nobody foresaw, never a dead process, never more than five seconds.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from durable.nursery import Nursery
from durable.power import forget

from hangar_core import Repository
from hangar_core.backends.pack_blocks import BLOCK_MAGIC
from hangar_core.backends.pack_frames import FRAME_MAGIC
from hangar_core.errors import CorruptRecord
from hangar_core.storage.tables import open_tables

SECONDS = 5.0
_SECTOR = 512
_MARK = 16
# Where damage is looked for, by weight.
WEIGHTS = {"data.mdb": 10, "pack": 5, "staging.log": 3, "format.json": 1, "config.toml": 1}


@dataclass(frozen=True)
class Damage:
    """One piece of damage: `kind` is flip (of `bit`), zero or noise (a sector), or cut (the rest of the file)."""

    file: str
    kind: str
    at: int
    bit: int = 0

    def do(self, root: Path) -> None:
        path = root / self.file
        data = bytearray(path.read_bytes())
        if self.kind == "flip":
            data[self.at] ^= 1 << self.bit
        elif self.kind == "cut":
            del data[self.at :]
        else:
            size = len(data[self.at : self.at + _SECTOR])
            filling = bytes(size) if self.kind == "zero" else random.Random(self.at).randbytes(size)
            data[self.at : self.at + _SECTOR] = filling
        path.write_bytes(bytes(data))

    def ends_log(self, root: Path) -> bool:
        """Whether the log loses its end, where the mark of its last sync is: then it is as if less had been staged."""
        if not self.file.endswith("staging.log") or self.kind == "flip":
            return False
        return self.kind == "cut" or self.at + _SECTOR > (root / self.file).stat().st_size - _MARK

    def __str__(self) -> str:
        return f"{self.kind} of {self.file} at {self.at}" + (f" bit {self.bit}" if self.kind == "flip" else "")


@dataclass(frozen=True)
class Rotting:
    """A repository to be copied and damaged, and the digests of its commits."""

    root: Path
    commits: dict[str, str]

    def files(self, kind: str) -> list[str]:
        paths = sorted(path for path in self.root.rglob("*") if path.is_file() and path.name.endswith(kind))
        return [str(path.relative_to(self.root)) for path in paths]

    def damages(self, seed: int, count: int, kinds: Sequence[str]) -> Iterator[Damage]:
        rng = random.Random(seed)
        for _ in range(count):
            file = rng.choice(self.files(rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]))
            size = len((self.root / file).read_bytes().rstrip(b"\0"))  # damage to a hole behind the end is none
            kind = rng.choice(kinds)
            at = rng.randrange(size)
            yield Damage(file, kind, at - at % _SECTOR if kind in {"zero", "noise"} else at, rng.randrange(8))


@pytest.fixture(scope="session")
def rotting(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Rotting:
    root = tmp_path_factory.mktemp("rotting")
    commits = nursery.run("build_rotting", str(root)).value
    assert read(nursery, Rotting(root, commits), None, root.with_name("whole")) == ("", 0)
    return Rotting(root, commits)


def read(nursery: Nursery, rotting: Rotting, damage: Damage | None, place: Path) -> tuple[str, int]:
    """Damage a copy and read all of it; return what is wrong, and how many reads were refused."""
    shutil.copytree(rotting.root, place, ignore=shutil.ignore_patterns("lock", "lock.mdb"))
    staged = damage is None or not damage.ends_log(place)
    if damage is not None:
        damage.do(place)
    ended = nursery.run("read_damaged", str(place), rotting.commits, staged, timeout=SECONDS)
    shutil.rmtree(place)
    if ended.signal or ended.error:
        return ended.error, 0
    return "; ".join(ended.result["wrong"]), ended.result["refused"]


def campaign(nursery: Nursery, rotting: Rotting, place: Path, damages: Iterator[Damage]) -> tuple[list[str], int]:
    """Return what went wrong, and how many pieces of damage were noticed."""
    found, noticed = [], 0
    for damage in damages:
        said, refused = read(nursery, rotting, damage, place)
        noticed += refused > 0
        if said:
            found.append(f"{damage}: {said}")
    return found, noticed


def check(found: list[str]) -> None:
    assert not found, "\n".join([f"{len(found)} went wrong:", *found[:10]])


def test_a_flipped_bit_never_changes_a_value(nursery: Nursery, rotting: Rotting, tmp_path: Path) -> None:
    found, noticed = campaign(nursery, rotting, tmp_path / "copy", rotting.damages(1, 160, ["flip"]))
    check(found)
    assert noticed > 40, "most of this damage touched nothing: it proves little"


def test_lost_sectors_and_lost_ends_never_change_a_value(nursery: Nursery, rotting: Rotting, tmp_path: Path) -> None:
    damages = rotting.damages(2, 120, ["zero", "noise", "cut"])
    found, noticed = campaign(nursery, rotting, tmp_path / "copy", damages)
    check(found)
    assert noticed > 60


@pytest.mark.parametrize("known", [None, 64, 1000])
def test_a_writer_never_removes_data_that_are_published(rotting: Rotting, tmp_path: Path, known: int | None) -> None:
    """Whatever the database says about the length of a pack."""
    place = tmp_path / "copy"
    shutil.copytree(rotting.root, place, ignore=shutil.ignore_patterns("lock", "lock.mdb"))
    repo = Repository(place)
    packs = {path: path.read_bytes() for path in place.rglob("*.pack")}
    tables = open_tables(place / ".hangar" / "records")
    with tables.write() as batch:
        for path in packs:
            if known is None:
                batch.delete("packs", bytes.fromhex(path.stem))
            else:
                batch.put("packs", bytes.fromhex(path.stem), first_frame_behind(path, known).to_bytes(8, "little"))
    with pytest.raises(CorruptRecord):
        repo.checkout(write=True)
    assert {path: path.read_bytes() for path in place.rglob("*.pack")} == packs
    forget(place)


def first_frame_behind(path: Path, at: int) -> int:
    """Return where the first frame or block at or behind `at` begins, or else the last one there is."""
    data = path.read_bytes()
    behind = [place for magic in (FRAME_MAGIC, BLOCK_MAGIC) if (place := data.find(magic, at)) >= 0]
    return min(behind) if behind else max(data.rfind(magic) for magic in (FRAME_MAGIC, BLOCK_MAGIC))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 30))
def test_a_long_campaign_of_rot(nursery: Nursery, rotting: Rotting, tmp_path: Path, seed: int) -> None:
    kinds = ["flip"] * 9 + ["zero", "noise", "cut"]
    check(campaign(nursery, rotting, tmp_path / "copy", rotting.damages(seed, 500, kinds))[0])
