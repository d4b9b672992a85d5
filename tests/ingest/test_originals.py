"""Files that are kept as they are: arrays to whoever reads, the very same bytes to whoever exports."""

from __future__ import annotations

import io
import itertools
import pickle
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hangar_core import Repository
from hangar_core.errors import (
    CorruptDataError,
    CorruptRecord,
    FilesRejected,
    HangarError,
    InvalidInput,
    PluginNotFound,
    SampleNotFound,
)
from hangar_core.external import BasePlugin, plugin_manager
from hangar_core.hashing.originals import Original, is_original, original_payload
from hangar_core.storage.context import RepoContext
from hangar_core.storage.originals import decoded


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Smooth JPEGs of two sizes."""
    folder = tmp_path / "photos"
    for number, name in enumerate(["cat/1", "cat/2", "dog/1", "dog/2"]):
        ramp = np.linspace(0, 200 + number, 24 * 20 * 3).reshape(24, 20, 3).astype("u1")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ramp if number else ramp[:12]).save(folder / f"{name}.jpg", comment=name.encode())
    return folder


@pytest.fixture
def kept(repo: Repository, photos: Path) -> Repository:
    repo.ingest("pets", photos, commit="pets")
    return repo


def pixels_of(photos: Path) -> dict[str, np.ndarray]:
    paths = sorted(photos.rglob("*.jpg"))
    return {path.relative_to(photos).with_suffix("").as_posix(): np.array(Image.open(path)) for path in paths}


def home(repo: Repository) -> Path:
    return Path(repo.path) / ".hangar"


def same(one, other) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and np.array_equal(one, other)


def test_every_way_of_reading_gives_arrays(kept: Repository, photos: Path) -> None:
    wanted = pixels_of(photos)
    names = list(wanted)
    with closing(kept.checkout()) as checkout:
        aset = checkout.arraysets["pets"]
        assert (aset.kind, aset.dtype, aset.shape, aset.variable_shape) == ("array", np.dtype("u1"), (24, 20, 3), True)
        ways = {
            "one": [aset[name] for name in names],
            "co": [checkout["pets", name] for name in names],
            "again": [aset[name] for name in names],
            "list": aset[names],
            "values": list(aset.values()),
            "items": [data for _, data in aset.items()],
            "batch": aset.get_batch(names),
            "processes": aset.get_batch(names, n_cpus=2),
            "read-only": [aset.get(name, copy=False) for name in names],
            "windows": [aset.get(name, window=(slice(2, 9), slice(None))) for name in names],
            "pickled": [pickle.loads(pickle.dumps(aset))[name] for name in names],
        }
        for way, found in ways.items():
            cut = (slice(2, 9),) if way == "windows" else ()
            assert all(same(one, wanted[name][cut]) for one, name in zip(found, names, strict=True)), way
        assert all(one.flags.writeable != (way == "read-only") for way, found in ways.items() for one in found)


def test_a_fixed_shape_stacks_and_feeds_loaders(repo: Repository, photos: Path) -> None:
    from hangar_core.loaders import make_numpy_dataset

    repo.ingest("dogs", photos / "dog", commit="dogs")
    wanted = pixels_of(photos)
    with closing(repo.checkout()) as checkout:
        aset = checkout.arraysets["dogs"]
        out = np.zeros((2, 24, 20, 3), "u1")
        aset.read_into(["1", "2"], out)
        assert same(out, np.stack([wanted["dog/1"], wanted["dog/2"]]))
        loaded = [one[0] if isinstance(one, tuple) else one for one in make_numpy_dataset(aset)]
        assert same(np.stack(loaded), out)


def test_what_is_staged_is_read_alike_and_survives_reopening(repo: Repository, photos: Path) -> None:
    receipt = repo.ingest("pets", photos)
    assert (receipt.added, receipt.originals) == (4, 4)
    with closing(Repository(repo.path).checkout(write=True)) as checkout:
        aset = checkout.arraysets["pets"]
        assert all(same(aset[name], data) for name, data in pixels_of(photos).items())
        assert all(same(one, aset[name]) for one, name in zip(aset.values(), aset.keys(), strict=True))
        out = [aset.get(name, copy=False) for name in aset.keys()]  # noqa: SIM118 — no dict
        assert len(out) == 4


def test_the_repository_is_as_large_as_the_folder_and_the_bytes_are_those(kept: Repository, photos: Path) -> None:
    with closing(kept.checkout()) as checkout:
        for path in photos.rglob("*.jpg"):
            name = path.relative_to(photos).with_suffix("").as_posix()
            original, content = checkout.arraysets["pets"].original(name)
            assert content == path.read_bytes()
            assert (original.plugin, original.package, original.extension) == ("image", "hangar-core", "jpg")
            assert original.array == _digest_of(checkout.arraysets["pets"][name])


def _digest_of(array: np.ndarray) -> bytes:
    from hangar_core.hashing.samples import payload_of

    return payload_of(array).digest


def test_export_gives_the_very_same_files_in_the_layout_of_the_folder(
    repo: Repository, photos: Path, tmp_path: Path
) -> None:
    (photos / "cat" / "1.jpg").rename(photos / "cat" / "1.JPG")
    repo.ingest("pets", photos, key="sha", commit="pets")
    out = tmp_path / "out"
    out.mkdir()
    receipt = repo.export("pets", out, verify=True)
    assert (receipt.originals, receipt.plugin, receipt.extension) == (4, "", "JPG, jpg")
    assert receipt.verified.identical == 4
    assert not receipt.verified.differences
    for path in photos.rglob("*.*"):
        assert (out / path.relative_to(photos)).read_bytes() == path.read_bytes()


def test_asking_for_a_format_decodes(kept: Repository, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    receipt = kept.export("pets", tmp_path / "out", format="png", verify=True)
    assert (receipt.originals, receipt.verified.identical) == (0, 4)
    for name, data in pixels_of(photos).items():
        assert same(np.array(Image.open(tmp_path / "out" / f"{name}.png")), data)


def test_pixels_are_stored_where_they_are_asked_for_or_a_schema_was_given(repo: Repository, photos: Path) -> None:
    repo.ingest("asked", photos, store="pixels")
    with closing(repo.checkout(write=True)) as checkout:
        checkout.arraysets.init_arrayset("given", (24, 20, 3), "u1", variable_shape=True)
    repo.ingest("given", photos)
    repo.ingest("usual", photos)
    with closing(repo.checkout(write=True)) as checkout:
        stored = {name: {is_original(aset.digest(key)) for key in aset} for name, aset in checkout.arraysets.items()}
    assert stored == {"asked": {False}, "given": {False}, "usual": {True}}


def test_an_arrayset_goes_on_as_it_was_told(repo: Repository, photos: Path) -> None:
    with closing(repo.checkout(write=True)) as checkout:
        checkout.arraysets.init_arrayset("pets", (24, 20, 3), "u1", variable_shape=True)
    repo.ingest("pets", photos / "cat", store="original")
    assert repo.ingest("pets", photos / "cat").unchanged == 2
    repo.ingest("pets", photos / "dog", key="sha")
    with closing(repo.checkout(write=True)) as checkout:
        aset = checkout.arraysets["pets"]
        assert {is_original(aset.digest(key)) for key in aset} == {True}
        assert len(aset) == 4


@pytest.mark.parametrize("backend", ["00", "01", "10", "50"])
def test_whatever_the_backend_of_the_arrayset_files_stay_whole(repo: Repository, photos: Path, backend: str) -> None:
    if backend == "50":
        pytest.skip("it takes no data")
    shape = (24, 20, 3)
    with closing(repo.checkout(write=True)) as checkout:
        aset = checkout.arraysets.init_arrayset("dogs", shape, "u1", backend_opts=backend)
        aset["by hand"] = np.ones(shape, "u1")
    repo.ingest("dogs", photos / "dog", store="original", commit="dogs")
    with closing(repo.checkout()) as checkout:
        assert checkout.arraysets["dogs"].original("1") is not None
        assert same(checkout.arraysets["dogs"]["1"], pixels_of(photos)["dog/1"])
        assert same(checkout.arraysets["dogs"]["by hand"], np.ones(shape, "u1"))


def test_several_frames_are_stored_as_pixels_beside_files_that_are_kept(repo: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "gifs"
    folder.mkdir()
    frames = [Image.fromarray(np.full((6, 5), value, "u1")) for value in (0, 100, 200)]
    frames[0].save(folder / "walk.gif", save_all=True, append_images=frames[1:])
    frames[0].convert("RGB").save(folder / "still.png")
    for arrayset, check in (("checked", True), ("unchecked", False)):
        repo.ingest(arrayset, folder, check=check, plugin_options={"mode": "RGB"})
        with closing(repo.checkout(write=True)) as checkout:
            aset = checkout.arraysets[arrayset]
            kept_as = {key: is_original(aset.digest(key)) for key in aset}
            assert kept_as == {"still": True, **{f"walk/{number:04}": False for number in range(3)}}


@pytest.mark.parametrize("on_error", ["error", "skip"])
def test_a_truncated_file_is_found_when_it_is_imported(repo: Repository, photos: Path, on_error: str) -> None:
    whole = (photos / "cat" / "1.jpg").read_bytes()
    (photos / "cat" / "cut.jpg").write_bytes(whole[:-40])
    if on_error == "error":
        with pytest.raises(FilesRejected) as caught:
            repo.ingest("pets", photos)
        rejects = caught.value.rejects
        assert repo.status().clean
    else:
        receipt = repo.ingest("pets", photos, on_error=on_error)
        assert receipt.added == 4
        rejects = receipt.rejects
    assert [(Path(one.source).name, one.code) for one in rejects] == [("cut.jpg", "truncated")]


def test_without_a_check_it_is_kept_and_found_when_it_is_read(repo: Repository, photos: Path, tmp_path: Path) -> None:
    cut = photos / "cat" / "cut.jpg"
    cut.write_bytes((photos / "cat" / "1.jpg").read_bytes()[:-10])
    assert repo.ingest("pets", photos, check=False, commit="unchecked").originals == 5
    with closing(repo.checkout()) as checkout:
        aset = checkout.arraysets["pets"]
        assert same(aset["cat/1"], np.array(Image.open(photos / "cat" / "1.jpg")))
        with pytest.raises(CorruptDataError, match="imported without a check, and plugin 'image' cannot read it"):
            aset["cat/cut"]
    (tmp_path / "out").mkdir()
    repo.export("pets", tmp_path / "out", samples=["cat/cut"])
    assert (tmp_path / "out" / "cat" / "cut.jpg").read_bytes() == cut.read_bytes()


def test_checked_and_unchecked_imports_find_the_same_schema(repo: Repository, tmp_path: Path) -> None:
    """Each mode of Pillow that a file can have, upright and lying, with and without a wanted mode."""
    rng = np.random.default_rng(0)
    makers = {
        "1.png": Image.fromarray(rng.random((5, 7)) > 0.5),
        "l.png": Image.fromarray(rng.integers(0, 255, (5, 7), "u1")),
        "i16.png": Image.fromarray(rng.integers(0, 2**16, (5, 7)).astype("u2")),
        "la.png": Image.fromarray(rng.integers(0, 255, (5, 7, 2), "u1")),
        "rgba.png": Image.fromarray(rng.integers(0, 255, (5, 7, 4), "u1")),
        "p.png": Image.fromarray(rng.integers(0, 255, (5, 7, 3), "u1")).quantize(8),
        "f.tif": Image.fromarray(rng.random((5, 7)).astype("f4")),
        "i.tif": Image.fromarray(rng.integers(0, 2**20, (5, 7)).astype("i4")),
        "cmyk.jpg": Image.fromarray(rng.integers(0, 255, (5, 7, 3), "u1")).convert("CMYK"),
        "w.webp": Image.fromarray(rng.integers(0, 255, (5, 7, 3), "u1")),
        "g.gif": Image.fromarray(rng.integers(0, 255, (5, 7), "u1")),
    }
    plugin = plugin_manager().get("image")
    for name, image in makers.items():
        for turned, mode in itertools.product((False, True), (None, "L", "RGBA")):
            file = io.BytesIO()
            exif = Image.Exif()
            exif[274] = 6 if turned else 1
            extra = {"exif": exif} if name.endswith(("jpg", "png", "webp")) else {}
            image.save(file, Image.registered_extensions()[f".{name.rpartition('.')[2]}"], **extra)
            options = {"mode": mode, "orient": turned}
            try:
                decoded = plugin.decode(file.getvalue(), **options)
            except ValueError:  # values of more than 8 bits do not become a mode of 8
                continue
            assert plugin.form_of(file.getvalue(), **options) == (decoded.dtype.name, decoded.shape), (name, options)


class Moody(BasePlugin):
    """Reads what it likes."""

    ORIGINALS = ("mood",)
    shift = 0
    fails = False

    def __init__(self) -> None:
        super().__init__(provides=["load"], accepts=["mood"])

    def load(self, fpath, *args, **options):
        with self.open_file(fpath) as file:
            return self.decode(file.read()), self.sample_name(fpath)

    def decode(self, data, **options):
        if self.fails:
            raise self.bad_file("the mood", code="undecodable", reason="not today", fix="wait")
        return np.frombuffer(data, "u1") + np.uint8(self.shift)

    def encode(self, arr, extension, **options):
        return arr.tobytes()


@pytest.fixture
def moody(repo: Repository, tmp_path: Path):
    (tmp_path / "a.mood").write_bytes(b"abc")
    plugin = Moody()
    plugin_manager().register("moody", plugin)
    repo.ingest("x", tmp_path / "a.mood", commit="one")
    yield plugin
    plugin_manager().unregister("moody")


def test_a_decoder_that_changes_its_mind_is_told_from_a_bad_disk(repo: Repository, moody: Moody) -> None:
    with closing(repo.checkout()) as checkout:
        aset = checkout.arraysets["x"]
        assert aset["a"].tobytes() == b"abc"
        moody.shift = 1
        with pytest.raises(CorruptDataError, match=r"undamaged; but the decoder, plugin 'moody', .* other values"):
            aset["a"]
        moody.fails = True
        with pytest.raises(CorruptDataError, match=r"the decoder, plugin 'moody', .* not today"):
            aset["a"]
        assert aset.original("a")[1] == b"abc"


def test_damaged_bytes_are_a_bad_disk_and_no_decoder(repo: Repository, moody: Moody) -> None:
    (pack,) = (home(repo) / "data").rglob("*.pack")
    data = bytearray(pack.read_bytes())
    data[data.rindex(b"abc")] ^= 1
    pack.write_bytes(data)
    with closing(repo.checkout()) as checkout, pytest.raises(CorruptDataError, match=r"damaged in .*checksum"):
        checkout.arraysets["x"]["a"]


def test_a_missing_plugin_is_named_and_the_file_comes_out_all_the_same(
    repo: Repository, moody: Moody, tmp_path: Path
) -> None:
    plugin_manager().unregister("moody")
    try:
        (tmp_path / "out").mkdir()
        with closing(repo.checkout()) as checkout, pytest.raises(PluginNotFound, match="plugin 'moody' reads"):
            checkout.arraysets["x"]["a"]
        receipt = repo.export("x", tmp_path / "out", verify=True)
        assert (tmp_path / "out" / "a.mood").read_bytes() == b"abc"
        assert receipt.verified.identical == 1
    finally:
        plugin_manager().register("moody", moody)


def test_the_package_of_a_missing_plugin_is_the_thing_to_install(kept: Repository, monkeypatch) -> None:
    from hangar_core import external

    def missing(*words, **more):
        raise PluginNotFound(name="image")

    monkeypatch.setattr(external, "decode", missing)
    with closing(kept.checkout()) as checkout, pytest.raises(PluginNotFound) as caught:
        checkout.arraysets["pets"]["cat/1"]
    assert "package hangar-core" in str(caught.value)
    assert caught.value.hint.startswith("pip install hangar-core; ")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"options": {"plugin": '"csv"'}}, CorruptRecord, "the name of something that hangar itself says"),
        ({"options": {"mode": "{"}}, CorruptRecord, "no JSON"),
        ({"options": {"mode": '"X"'}}, CorruptDataError, "plugin 'image'"),
        ({"options": {"no-such": "1"}}, CorruptDataError, "plugin 'image'"),
        ({"shape": (2**60, 2**60)}, CorruptDataError, "the decoder"),
        ({"dtype": "<f8"}, CorruptDataError, "the decoder"),
        ({"plugin": "gone", "package": "x; rm -rf /"}, PluginNotFound, "plugin 'gone' reads; it is not installed"),
        ({"plugin": "csv"}, HangarError, "csv"),
    ],
)
def test_what_somebody_else_has_written_in_front_of_a_file_is_no_command(photos: Path, change, error, words) -> None:
    """A commit may come from anybody."""
    content = (photos / "cat" / "1.jpg").read_bytes()
    whole = Original("image", "hangar-core", "jpg", {}, "|u1", (24, 20, 3), None)
    payload = original_payload(whole._replace(**change), content)
    with pytest.raises(error, match=words) as caught:
        decoded(payload.digest, bytes(payload.data))
    assert "rm -rf" not in f"{caught.value} {caught.value.hint}"


def test_setting_the_array_that_a_file_stands_for_changes_nothing(kept: Repository) -> None:
    with closing(kept.checkout(write=True)) as checkout:
        aset = checkout.arraysets["pets"]
        aset["cat/1"] = aset["cat/1"]
        assert aset.update(dict(aset.items())) == 0
        assert kept.status().clean
        aset["cat/1"] = aset["cat/1"] + np.uint8(1)
        assert aset.original("cat/1") is None
        assert aset.update({"cat/2": aset["cat/1"]}) == 1


def test_repair_finds_kept_files_again(kept: Repository, photos: Path) -> None:
    with closing(kept.checkout()) as checkout:
        wanted = [checkout.arraysets["pets"].digest(name) for name in pixels_of(photos)]
    with RepoContext(Path(kept.path)).tables.write() as batch:
        for digest in wanted:
            batch.delete("locations", digest)
    assert kept.repair().restored == 4
    with closing(kept.checkout()) as checkout:
        assert same(checkout.arraysets["pets"]["cat/1"], pixels_of(photos)["cat/1"])


def test_only_repositories_with_kept_files_need_a_reader_that_knows_them(repo: Repository, photos: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"no")
    with pytest.raises(FilesRejected):
        repo.ingest("pets", photos)
    assert "originals" not in (home(repo) / "format.json").read_text()
    (photos / "bad.jpg").unlink()
    repo.ingest("pets", photos, store="pixels")
    assert "originals" not in (home(repo) / "format.json").read_text()
    repo.ingest("more", photos)
    assert "originals-1" in (home(repo) / "format.json").read_text()


def test_files_are_read_in_the_order_of_names_without_the_plugin(kept: Repository, photos: Path) -> None:
    names = ["dog/2", "cat/1", "dog/2", "cat/2"]
    wanted = [(photos / f"{name}.jpg").read_bytes() for name in names]
    with closing(kept.checkout()) as reader, closing(kept.checkout(write=True)) as writer:
        assert list(reader.arraysets["pets"].original_files(names)) == wanted
        numbers = writer.arraysets.init_arrayset("numbers", shape=(2,), dtype="u1")
        numbers["a"] = np.zeros(2, "u1")
        assert list(writer.arraysets["pets"].original_files(names)) == wanted
        with pytest.raises(InvalidInput, match="`a` of `numbers` is not kept as a file"):
            next(numbers.original_files(["a"]))
        with pytest.raises(SampleNotFound, match="nope"):
            next(reader.arraysets["pets"].original_files(["cat/1", "nope"]))


def test_files_that_are_staged_are_read_as_well(repo: Repository, photos: Path) -> None:
    repo.ingest("pets", photos)
    with closing(repo.checkout(write=True)) as writer:
        (found,) = writer.arraysets["pets"].original_files(["cat/2"])
    assert found == (photos / "cat" / "2.jpg").read_bytes()


def test_files_that_move_while_they_are_read_are_found(repo: Repository, photos: Path, tmp_path: Path) -> None:
    """All data go, and come back to other places, between the first file and the second, which is in another pack."""
    for folder in ("cat", "dog"):
        repo.ingest("pets", photos / folder, key="stem" if folder == "cat" else "sha", commit=folder)
    (tmp_path / "origin").mkdir()
    repo.remote.add("origin", str(tmp_path / "origin"))
    repo.remote.push("origin", "master")
    with closing(repo.checkout()) as reader:
        aset = reader.arraysets["pets"]
        names = list(aset.keys())
        files = aset.original_files(names)
        found = [next(files)]
        assert repo.remote.drop("origin").samples == len(names)
        repo.remote.fetch_data("origin", "master")
        found.extend(files)
    assert sorted(found) == sorted(path.read_bytes() for path in photos.rglob("*.jpg"))


def test_many_small_files_and_large_ones_come_out_alike(repo: Repository, tmp_path: Path) -> None:
    """More than are written by one call, some of them larger than is held for one, in folders and beside them."""
    source, out = tmp_path / "source", tmp_path / "out"
    out.mkdir()
    pixel = io.BytesIO()
    Image.fromarray(np.zeros((1, 1), "u1")).save(pixel, "jpeg")
    for number in range(200):
        path = source / ("" if number % 3 else f"b{number % 5}/a") / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pixel.getvalue() + bytes(3_000_000 if number % 90 == 0 else number))
    repo.ingest("x", source, store="original", commit="x")
    for jobs in (1, 2):
        receipt = repo.export("x", out, jobs=jobs, overwrite=jobs == 2)
        assert (receipt.written, receipt.unchanged) == ((200, 0) if jobs == 1 else (0, 200))
        assert list(receipt.paths) == sorted(str(path) for path in out.rglob("*.jpg"))
    for path in source.rglob("*.jpg"):
        assert (out / path.relative_to(source)).read_bytes() == path.read_bytes()
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == [f"b{number}" for number in range(5)]
