"""Write-once files: what a commit leaves, what a failed one does not, what no forger gets through."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hangar_core import Repository, files
from hangar_core.backends import registry
from hangar_core.backends.base import Location
from hangar_core.backends.text_records import decode_place, encode_place
from hangar_core.errors import CorruptDataError, CorruptRecord, InvalidData, StorageFailed
from hangar_core.hashing.samples import payload_of
from hangar_core.model import Digest
from hangar_core.storage.context import RepoContext
from hangar_core.storage.tables import open_tables
from hangar_core.testing.samples import create, mismatches, new_repository, same, writing

CODES = ["00", "01", "10"]
SAMPLES = {f"k{number}": np.full((3, 4), number, "<f4") for number in range(6)}


def stored(place: Path, code: str) -> list[Path]:
    return sorted((place / ".hangar" / "data" / code).glob("*"))


def options_of(code: str) -> dict[str, Any]:
    return {} if code == "10" else {"shuffle": None, "complib": "lzf", "complevel": None}


@pytest.fixture(params=CODES)
def code(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def unknown(_: object) -> Any:
    return None


def test_numpy_and_h5py_read_the_files_as_they_are(tmp_path: Path) -> None:
    """They are collections of the documented kind, which nothing of hangar is needed for."""
    repo = new_repository(tmp_path)
    with writing(repo) as writer:
        for code in CODES:
            create(writer.arraysets, f"a{code}", {key: one + 100 * int(code) for key, one in SAMPLES.items()}, code)
        writer.commit("content")
    (npy,) = stored(tmp_path, "10")
    wanted = np.stack([one + 1000 for one in SAMPLES.values()])
    assert same(np.load(npy), wanted)
    assert same(np.asarray(np.load(npy, mmap_mode="r")), wanted)
    (flat,), (fixed,) = stored(tmp_path, "00"), stored(tmp_path, "01")
    with h5py.File(flat) as file:
        assert same(file["0"][:], np.stack([one.ravel() for one in SAMPLES.values()]))
    with h5py.File(fixed) as file:
        assert same(file["0"][:], np.stack([one + 100 for one in SAMPLES.values()]))
        assert file["0"].chunks == (1, 3, 4)
        assert file.userblock_size == 512


def test_nothing_but_h5py_that_has_seen_the_checksum_opens_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage can make the parser crash or hang: it never gets to see any."""
    repo = new_repository(tmp_path)
    with writing(repo) as writer:
        create(writer.arraysets, "a", SAMPLES, "00")
        writer.commit("content")
    (path,) = stored(tmp_path, "00")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    monkeypatch.setattr(h5py, "File", lambda *_, **__: pytest.fail("h5py was asked to parse a damaged file"))
    with closing(repo.checkout()) as reader, pytest.raises(CorruptDataError, match="checksum"):
        reader.arraysets["a"]["k1"]


def test_a_commit_that_fails_leaves_no_file_and_can_be_repeated(
    tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = new_repository(tmp_path)
    with writing(repo) as writer:
        create(writer.arraysets, "a", SAMPLES, code)
        create(writer.arraysets, "b", {key: one + 100 for key, one in SAMPLES.items()}, "10")
        with monkeypatch.context() as patch:
            for name in ("sync", "write"):
                patch.setattr(files.AppendFile, name, _failing_for("seal", getattr(files.AppendFile, name)))
                with pytest.raises(StorageFailed):
                    writer.commit("content")
                patch.undo()
                assert stored(tmp_path, code) == []
                assert mismatches(writer.arraysets, {"a": SAMPLES}) == []
        writer.commit("content")
    with closing(repo.checkout()) as reader:
        assert mismatches(reader.arraysets, {"a": SAMPLES}) == []


def _failing_for(label: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: files.AppendFile, *words: Any) -> Any:
        if self._label == label:
            raise StorageFailed(path=self.path, reason="the disk is full")
        return real(self, *words)

    return call


def test_a_commit_whose_transaction_fails_leaves_no_file_behind_the_next(
    tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = new_repository(tmp_path)
    with writing(repo) as writer:
        create(writer.arraysets, "a", SAMPLES, code)
        with monkeypatch.context() as patch:

            def fail(*_: object) -> bool:
                raise StorageFailed(path=tmp_path, reason="the disk is full")

            patch.setattr(type(open_tables(tmp_path / ".hangar" / "records")), "_apply", fail)
            with pytest.raises(StorageFailed):
                writer.commit("content")
        left = set(stored(tmp_path, code))
        writer.arraysets["a"]["more"] = np.ones((3, 4), "<f4") * 50
        writer.commit("content")
        assert left.isdisjoint(stored(tmp_path, code))
    with closing(repo.checkout()) as reader:
        assert mismatches(reader.arraysets, {"a": SAMPLES}) == []


def test_files_that_nobody_knows_are_removed_and_others_stay(tmp_path: Path, code: str) -> None:
    repo = new_repository(tmp_path)
    with writing(repo) as writer:
        create(writer.arraysets, "a", SAMPLES, code)
        writer.commit("content")
    (known,) = stored(tmp_path, code)
    stray = known.with_name(f"{bytes(16).hex()}{known.suffix}")
    stray.write_bytes(b"torn")
    whole = registry.open_backend(code, tmp_path / ".hangar" / "data")
    whole.seal([payload_of(np.arange(5.0))], options_of(code))
    foreign = [known.with_name("notes.txt"), known.with_name(f"notes{known.suffix}")]
    for path in foreign:
        path.write_bytes(b"not ours")
    with writing(repo):
        assert stored(tmp_path, code) == sorted([known, *foreign])
    with closing(repo.checkout()) as reader:
        assert mismatches(reader.arraysets, {"a": SAMPLES}) == []


def test_a_file_whose_data_are_published_is_never_removed(tmp_path: Path, code: str) -> None:
    """Whatever the database says about files."""
    repo = new_repository(tmp_path)
    with writing(repo) as writer:
        create(writer.arraysets, "a", SAMPLES, code)
        writer.commit("content")
    (path,) = stored(tmp_path, code)
    with RepoContext(tmp_path).tables.write() as batch:
        batch.delete("packs", bytes.fromhex(path.stem))
    with pytest.raises(CorruptRecord, match=path.stem):
        repo.checkout(write=True)
    assert path.exists()


def test_samples_of_many_files_are_read_with_a_bounded_number_open(tmp_path: Path, code: str) -> None:
    backend = registry.open_backend(code, tmp_path)
    found: dict[Digest, tuple[Location, Any]] = {}
    for number in range(80):
        sample = np.full((3,), number, "<i4")
        payload = payload_of(sample)
        found[payload.digest] = backend.seal([payload], options_of(code)).locations[payload.digest], sample
    reader = registry.open_backend(code, tmp_path)
    for _ in range(2):
        for digest, (location, sample) in found.items():
            assert same(reader.read(digest, location), sample)
    descriptors = Path("/proc/self/fd")
    if code != "10" and descriptors.exists():
        links = [str(one.readlink()) for one in descriptors.iterdir() if one.is_symlink()]
        assert sum(link.startswith(str(tmp_path)) for link in links) <= 40
    reader.close()
    assert same(reader.read(digest, location), sample)
    reader.close()


def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path: Path, code: str) -> None:
    backend = registry.open_backend(code, tmp_path)
    backend.largest = 100
    for wrong in (np.zeros(101, "u1"), "text", b"bytes"):
        payload = payload_of(wrong)
        assert not backend.fits(payload)
        with pytest.raises(InvalidData, match=code):
            backend.seal([payload_of(np.zeros(3)), payload], options_of(code))
    assert not (tmp_path / code).exists() or list((tmp_path / code).iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"index": 6},
        {"index": 10**15},
        {"dataset": 1},
        {"shape": (3, 4, 5)},
        {"shape": (4, 3)},
        {"shape": (2**40, 2**40)},
        {"shape": (0, 2**62, 2**62)},
        {"shape": (1,) * 70},
        {"check": "0" * 16},
        {"uid": "0" * 32},
    ],
    ids=str,
)
def test_a_place_that_is_not_in_the_file_is_a_typed_error(tmp_path: Path, code: str, change: dict[str, Any]) -> None:
    backend = registry.open_backend(code, tmp_path)
    sealed = backend.seal(map(payload_of, SAMPLES.values()), options_of(code))
    digest, location = next(iter(sealed.locations.items()))
    place = decode_place(code, location)
    fields = {name: getattr(place, name) for name in ("uid", "check", "dataset", "index", "shape")} | change
    forged = encode_place(code, type(place)(**fields))
    if change == {"shape": (4, 3)} and code != "01":  # as many elements: the database vouches for its records
        assert backend.read(digest, forged).shape == (4, 3)
        return
    assert not backend.check_extent(digest, forged, verify=False)
    with pytest.raises((CorruptDataError, FileNotFoundError)):
        backend.read(digest, forged)


def test_a_copy_of_the_directory_is_a_repository(tmp_path: Path, code: str) -> None:
    repo = new_repository(tmp_path / "one")
    with writing(repo) as writer:
        create(writer.arraysets, "a", SAMPLES, code)
        writer.commit("content")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with closing(Repository(tmp_path / "two").checkout()) as reader:
        assert mismatches(reader.arraysets, {"a": SAMPLES}) == []


def test_a_staged_sample_that_is_damaged_keeps_no_other_from_being_committed(tmp_path: Path, code: str) -> None:
    """It stays where it is, whoever reads it hears of it, and adding it again heals it."""
    repo = new_repository(tmp_path)
    with writing(repo) as writer:
        create(writer.arraysets, "a", SAMPLES, code)
        (pack,) = (tmp_path / ".hangar" / "data" / "20").glob("*.pack")
        data = bytearray(pack.read_bytes())
        data[data.index(SAMPLES["k3"].tobytes())] ^= 1
        pack.write_bytes(data)
        writer.commit("content")
        with pytest.raises(CorruptDataError):
            writer.arraysets["a"]["k3"]
        others = {key: sample for key, sample in SAMPLES.items() if key != "k3"}
        assert mismatches(writer.arraysets, {"a": others}) == []
        writer.arraysets["a"]["again"] = SAMPLES["k3"]
        writer.commit("healed")
        assert mismatches(writer.arraysets, {"a": SAMPLES}) == []


def test_a_file_that_is_cut_while_it_is_mapped_is_damage_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    """In another process: a page that is mapped and not there is a signal."""
    large = {f"k{number}": np.full((5000,), number, "<f8") for number in range(6)}
    repo = new_repository(tmp_path)
    with writing(repo) as writer:
        create(writer.arraysets, "a", large, "10")
        writer.commit("content")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _CUT, str(tmp_path), str(stored(tmp_path, "10")[0])],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "CorruptDataError\n"), done.stderr


_CUT = """
import os, sys
from hangar_core import Repository
from hangar_core.errors import HangarError

aset = Repository(sys.argv[1]).checkout().arraysets["a"]
assert aset["k0"][0] == 0
os.truncate(sys.argv[2], 10_000)
try:
    aset["k5"]
except HangarError as error:
    assert error.digest and str(error.file) == sys.argv[2]
    print(type(error).__name__)
"""
