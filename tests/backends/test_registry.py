"""The registry, packages that are missing, backends of outsiders, data that are elsewhere."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hangar_core import Repository
from hangar_core.backends import registry
from hangar_core.backends.text_records import encode_elsewhere
from hangar_core.errors import CorruptDataError, DataMissing, UnknownBackend, UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.hashing.schemas import schema_digest
from hangar_core.storage.context import RepoContext
from hangar_core.testing.samples import codes_of, create, new_repository, writing

ARRAY = np.arange(12, dtype="<f4").reshape(3, 4)

# A whole backend of somebody else: one file for each sample.
OUTSIDER = """
import json, os
import numpy as np
import xxhash
from hangar_core.backends.base import Sealed
from hangar_core.errors import CorruptDataError, DataMissing
from hangar_core.hashing import digests


class OneEach:
    def __init__(self, directory):
        self.directory = directory

    @staticmethod
    def checked_options(given):
        return {"colour": given.get("colour", "blue")}

    def fits(self, payload):
        return digests.code_of(payload.digest) == digests.ARRAY

    def seal(self, payloads, options):
        sealed = Sealed()
        self.directory.mkdir(parents=True, exist_ok=True)
        for one in payloads:
            check = xxhash.xxh3_64_hexdigest(one.data)
            np.save(self.directory / one.digest.hex(), np.frombuffer(one.data, one.dtype).reshape(one.shape))
            sealed.locations[one.digest] = f"xm:{check}{options['colour']}".encode()
        return sealed

    def unseal(self, sealed):
        pass

    def recover(self, known, published):
        pass

    def read(self, digest, location):
        path = self.directory / (digest.hex() + ".npy")
        try:
            return np.load(path)
        except FileNotFoundError as why:
            raise DataMissing(digest=digests.text(digest), file=path) from why

    def check_extent(self, digest, location, *, verify):
        return (self.directory / (digest.hex() + ".npy")).exists()

    def close(self):
        pass
"""


@pytest.fixture
def outsider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The place of an installed distribution that brings the backend `xm`."""
    place = tmp_path / "site"
    info = place / "strange_backend-1.0.dist-info"
    info.mkdir(parents=True)
    (place / "strange_backend.py").write_text(OUTSIDER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-backend\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hangar.backends]\nxm = strange_backend:OneEach\n")
    monkeypatch.syspath_prepend(str(place))
    registry._outside.cache_clear()
    yield place
    registry._outside.cache_clear()
    sys.modules.pop("strange_backend", None)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have a package look as if it were not installed."""
    real = util.find_spec

    def hide(name: str) -> None:
        monkeypatch.setattr(util, "find_spec", lambda one: None if one == name else real(one))

    return hide


def test_the_facts_of_each_backend_are_read_without_importing_any() -> None:
    script = (
        "import sys; from hangar_core.backends import registry, options\n"
        "from hangar_core.model import Schema\n"
        "options.choose('00', Schema('<f4', (3,))), registry.known_codes()\n"
        "print(sorted({'numpy', 'h5py', 'hdf5plugin', 'lmdb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("code", registry.BUILT_IN)
def test_each_backend_is_what_its_facts_say(code: str, tmp_path: Path) -> None:
    facts = registry.BUILT_IN[code]
    backend = registry.open_backend(code, tmp_path)
    assert facts.name.endswith(f"_{code}")
    assert facts.feature.endswith(f"-{code}")
    assert hasattr(backend, "seal") == facts.seals
    backend.close()
    backend.close()
    assert list(tmp_path.iterdir()) == []


def test_a_repository_without_the_package_it_needs_says_which(tmp_path: Path, without: Callable[[str], None]) -> None:
    repo = new_repository(tmp_path)
    with writing(repo) as writer:
        create(writer.arraysets, "a", {"x": ARRAY}, "00")
        writer.commit("content")
    without("hdf5plugin")
    with pytest.raises(UnsupportedFormat, match=r"`00`.*hdf5plugin") as refused:
        Repository(tmp_path).checkout()
    assert refused.value.hint == "pip install hdf5plugin"


def test_a_backend_without_its_package_cannot_be_chosen(tmp_path: Path, without: Callable[[str], None]) -> None:
    repo = new_repository(tmp_path)
    without("h5py")
    with writing(repo) as writer:
        with pytest.raises(UnknownBackend, match="h5py") as refused:
            writer.arraysets.init_arrayset("a", shape=(3,), dtype="f4", backend_opts="01")
        assert refused.value.hint == "pip install h5py"


def test_samples_of_a_backend_that_this_machine_lacks_are_committed_to_packs(
    tmp_path: Path, without: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The options of an arrayset come from elsewhere, with its commits: they are a wish."""
    repo = new_repository(tmp_path)
    with writing(repo) as writer:
        writer.arraysets.init_arrayset("a", shape=(3, 4), dtype="f4", backend_opts="00")["x"] = ARRAY
        without("h5py")
        with caplog.at_level(logging.WARNING):
            writer.commit("content")
        assert "backend 00 is not installed" in caplog.text
        assert (writer.arraysets["a"]["x"] == ARRAY).all()
    assert codes_of(tmp_path, [ARRAY]) == {"20"}


def test_a_backend_of_an_outsider_is_used_by_its_code(outsider: Path, tmp_path: Path) -> None:
    place = tmp_path / "repo"
    repo = new_repository(place)
    assert "xm" in registry.known_codes()
    with writing(repo) as writer:
        create(writer.arraysets, "a", {"x": ARRAY}, {"backend": "xm", "colour": "red"})
        writer.commit("content")
    assert json.loads((place / ".hangar" / "format.json").read_bytes())["requires"] == [
        "backend-xm",
        "compact-1",
        "pack-20",
    ]
    assert codes_of(place, [ARRAY]) == {"xm"}
    with closing(Repository(place).checkout()) as reader:
        assert (reader.arraysets["a"]["x"] == ARRAY).all()
        assert reader.arraysets["a"].backend == "xm"


def test_a_repository_without_the_outsider_it_needs_says_which(outsider: Path, tmp_path: Path) -> None:
    repo = new_repository(tmp_path / "repo")
    with writing(repo) as writer:
        create(writer.arraysets, "a", {"x": ARRAY}, "xm")
        writer.commit("content")
    shutil.rmtree(outsider)
    registry._outside.cache_clear()
    with pytest.raises(UnsupportedFormat, match="backend `xm`") as refused:
        Repository(tmp_path / "repo").checkout()
    assert "hangar.backends" in str(refused.value.hint)


def test_a_backend_that_cannot_be_imported_names_itself_and_its_distribution(outsider: Path) -> None:
    (outsider / "strange_backend.py").write_text("import no_such_package")
    with pytest.raises(UnsupportedFormat, match=r"`xm` \(strange-backend\).*no_such_package"):
        registry.load("xm")


def test_a_location_of_a_code_that_nobody_has_is_a_typed_error(tmp_path: Path) -> None:
    new_repository(tmp_path)
    digest = digests.text_digest("x")
    with closing(RepoContext(tmp_path).open_data()) as data:
        with pytest.raises(UnsupportedFormat, match="`xz`"):
            data.get(digest, b"xz:somewhere")  # type: ignore[arg-type]
        with pytest.raises(CorruptDataError, match="no backend has the code '99'"):
            data.get(digest, b"99:somewhere")  # type: ignore[arg-type]
        assert not data.holds(digest, b"xz:somewhere", verify=False)  # type: ignore[arg-type]


def elsewhere(place: Path, aset: Any, *keys: str) -> None:
    """Have the data of samples be on a remote only."""
    location = encode_elsewhere(digests.text(schema_digest(aset.schema)))
    with RepoContext(place).tables.write() as batch:
        batch.put_many("locations", ((aset.digest(key), location) for key in keys))


def test_data_that_are_elsewhere_are_known_and_say_how_to_get_them(tmp_path: Path) -> None:
    repo = new_repository(tmp_path)
    with writing(repo) as writer:
        create(writer.arraysets, "a", {"here": ARRAY, "there": ARRAY + 1}, "10")
        writer.commit("content")
        elsewhere(tmp_path, writer.arraysets["a"], "there")
    with closing(RepoContext(tmp_path).open_data()) as data, closing(repo.checkout()) as reader:
        aset = reader.arraysets["a"]
        assert data.has(aset.digest("here"))
        assert not data.has(aset.digest("there"))
        assert len(aset) == 2
        assert "there" in aset
        assert (aset["here"] == ARRAY).all()
        with pytest.raises(FileNotFoundError, match="on a remote") as refused:
            aset["there"]
        assert isinstance(refused.value, DataMissing)
        assert "fetch-data" in str(refused.value.hint)
        assert refused.value.digest == digests.text(aset.digest("there"))


def test_data_that_were_elsewhere_are_here_once_they_are_added(tmp_path: Path) -> None:
    repo = new_repository(tmp_path)
    with writing(repo) as writer:
        create(writer.arraysets, "a", {"x": ARRAY}, "10")
        writer.commit("content")
        elsewhere(tmp_path, writer.arraysets["a"], "x")
    with writing(repo) as writer:
        writer.arraysets["a"]["y"] = ARRAY
        writer.commit("again")
    with closing(repo.checkout()) as reader:
        assert (reader.arraysets["a"]["x"] == ARRAY).all()


def test_a_damaged_record_of_remote_data_is_damage(tmp_path: Path) -> None:
    new_repository(tmp_path)
    with closing(RepoContext(tmp_path).open_data()) as data, pytest.raises(CorruptDataError, match="code 50"):
        data.get(digests.text_digest("x"), b"50:not hex!")  # type: ignore[arg-type]
