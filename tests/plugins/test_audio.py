"""The audio plugin: the numbers of a WAV exactly, whatever its header claims; flac, ogg and mp3 where soundfile is."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hangar_core import Repository, external
from hangar_core.errors import PackageMissing
from hangar_core.external import InvalidData, InvalidInput


def load(path):
    return external.load(path, plugin="audio")


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WAVE" + b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def form(kind=1, channels=1, rate=8000, bits=16, width=None, more=b"") -> tuple[bytes, bytes]:
    width = channels * bits // 8 if width is None else width
    return b"fmt ", struct.pack("<HHIIHH", kind, channels, rate, rate * width, width, bits) + more


SOUND = riff(form(), (b"data", np.arange(100, dtype="<i2").tobytes()))

sounds = hnp.arrays(
    st.sampled_from(["u1", "<i2", ">i2", "<i4", "<f4", ">f4", "<f8"]),
    st.tuples(st.integers(0, 9), st.integers(1, 5)),
)


@given(array=sounds, rate=st.integers(1, 192_000))
def test_sound_is_loaded_bit_for_bit_as_it_was_saved(tmp_path_factory, array, rate):
    path = external.save(array, tmp_path_factory.getbasetemp(), "str:x", "wav", rate=str(rate))
    loaded, name = load(path)
    assert name == "x"
    assert (loaded.dtype.str[1:], loaded.shape) == (array.dtype.str[1:], array.shape)
    assert loaded.tobytes() == array.astype(loaded.dtype).tobytes()
    assert external.describe(path, plugin="audio") == {"rate": str(rate)}


@given(
    array=hnp.arrays("<i4", st.tuples(st.integers(0, 9), st.integers(1, 3)), elements=st.integers(-(2**23), 2**23 - 1))
)
def test_24_bits_go_both_ways(tmp_path_factory, array):
    path = external.save(array, tmp_path_factory.getbasetemp(), "str:x24", "wav", bits="24")
    assert external.describe(path, plugin="audio") == {"rate": "44100", "bits": "24"}
    loaded, _ = load(path)
    assert (loaded.dtype, loaded.tolist()) == (np.int32, array.tolist())
    with wave.open(str(path)) as other:
        assert (other.getsampwidth(), other.getnframes()) == (3, len(array))
        assert other.readframes(100) == b"".join(struct.pack("<i", one)[:3] for one in array.ravel())


@pytest.mark.parametrize(("dtype", "width"), [("u1", 1), ("<i2", 2), ("<i4", 4)])
def test_others_read_what_is_written_and_the_other_way_round(tmp_path, dtype, width):
    array = np.arange(60).astype(dtype).reshape(20, 3)
    with wave.open(str(tmp_path / "theirs.wav"), "wb") as file:
        file.setnchannels(3)
        file.setsampwidth(width)
        file.setframerate(8000)
        file.writeframes(array.tobytes())
    loaded, _ = load(tmp_path / "theirs.wav")
    assert (loaded.dtype, loaded.tolist()) == (array.dtype, array.tolist())
    with wave.open(str(external.save(array, tmp_path, "str:ours", "wav", rate="8000"))) as file:
        assert file.getparams()[:4] == (3, width, 8000, 20)
        assert file.readframes(20) == array.tobytes()


def test_a_list_of_numbers_is_one_channel(tmp_path):
    loaded, _ = load(external.save(np.arange(5, dtype="i2"), tmp_path, "int:0", "wav"))
    assert loaded.tolist() == [[0], [1], [2], [3], [4]]


def test_the_extensible_form_other_parts_and_padding_are_read(tmp_path):
    guid = struct.pack("<HHIH", 22, 24, 0, 1) + b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    content = riff(
        (b"LIST", b"odd"),
        form(0xFFFE, 1, 8000, 24, more=guid),
        (b"data", b"\x01\x00\x80"),
        (b"junk", b"behind"),
    )
    (tmp_path / "x.wav").write_bytes(content)
    assert load(tmp_path / "x.wav")[0].tolist() == [[1 - 2**23]]


def test_import_commit_export_gives_the_same_file(tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        external.save(np.arange(30, dtype="i2").reshape(-1, 2), tmp_path / "in", f"str:{name}", "wav", rate="22050")
    (tmp_path / "repo").mkdir()
    repo = Repository(tmp_path / "repo", exists=False)
    repo.init("Ada", "ada@example.org")
    repo.ingest("sounds", tmp_path / "in")
    repo.commit("first")
    (tmp_path / "out").mkdir()
    repo.export("sounds", tmp_path / "out")
    for name in "ab":
        assert (tmp_path / "out" / f"{name}.wav").read_bytes() == (tmp_path / "in" / f"{name}.wav").read_bytes()


def test_every_truncation_is_refused(tmp_path, refused):
    for length in range(1, len(SOUND)):
        (tmp_path / "x.wav").write_bytes(SOUND[:length])
        assert refused(tmp_path / "x.wav")[0] == "truncated", length


BAD = {
    "text": (b"hello, this is text", "wrong-format"),
    "avi": (b"RIFF\x04\x00\x00\x00AVI ", "wrong-format"),
    "big-endian": (b"RIFX" + SOUND[4:], "wrong-format"),
    "over 4 GB": (b"RF64" + SOUND[4:], "wrong-format"),
    "empty": (b"", "empty"),
    "no parts": (riff(), "truncated"),
    "no format": (riff((b"data", bytes(4))), "wrong-format"),
    "no data": (riff(form()), "truncated"),
    "short format": (riff((b"fmt ", bytes(4)), (b"data", b"")), "wrong-format"),
    "endless data": (riff(form()) + b"data\xff\xff\xff\xff" + bytes(100), "truncated"),
    "endless part": (riff(form()) + b"junk\xff\xff\xff\xff" + bytes(100), "truncated"),
    "mulaw": (riff(form(7, bits=8), (b"data", bytes(4))), "undecodable"),
    "12 bits": (riff(form(bits=12, width=2), (b"data", bytes(4))), "undecodable"),
    "no channels": (riff(form(channels=0), (b"data", bytes(4))), "wrong-format"),
    "many channels": (riff(form(channels=2000), (b"data", bytes(4000))), "wrong-format"),
    "other width": (riff(form(width=4), (b"data", bytes(4))), "wrong-format"),
    "half a frame": (riff(form(channels=2), (b"data", bytes(6))), "wrong-format"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_not_what_it_should_be_is_refused(tmp_path, refused, kind):
    content, code = BAD[kind]
    (tmp_path / "x.wav").write_bytes(content)
    assert refused(tmp_path / "x.wav")[0] == code


def test_a_sparse_file_as_large_as_it_claims_is_refused_before_allocation(tmp_path, refused):
    with open(tmp_path / "x.wav", "wb") as file:
        file.write(riff(form()) + b"data" + struct.pack("<I", 2**31))
        file.truncate(2**31 + 100)
    assert refused(tmp_path / "x.wav")[0] == "too-large"


@given(place=st.integers(0, 43), value=st.integers(0, 255))
def test_a_changed_byte_of_the_header_gives_sound_or_a_refusal(tmp_path_factory, place, value):
    content = bytearray(SOUND)
    content[place] = value
    file = tmp_path_factory.getbasetemp() / "flipped.wav"
    file.write_bytes(content)
    try:
        array, _ = load(file)
    except external.BadFile:
        return
    assert array.nbytes <= len(SOUND)


@pytest.mark.parametrize(
    ("data", "options"),
    [
        ("text", {}),
        (np.zeros((2, 2), "i8"), {}),
        (np.zeros((2, 2), "f2"), {}),
        (np.zeros((2, 2, 2), "i2"), {}),
        (np.zeros((2, 0), "i2"), {}),
        (np.array(1, "i2"), {}),
        (np.full(3, 2**23, "i4"), {"bits": "24"}),
        (np.zeros(3, "f4"), {"bits": "24"}),
        (np.zeros(3, "i2"), {"bits": "8"}),
    ],
)
def test_what_a_wav_cannot_hold_is_refused(tmp_path, data, options):
    with pytest.raises(InvalidData):
        external.save(data, tmp_path, "str:x", "wav", **options)
    assert list(tmp_path.iterdir()) == []


def test_wrong_options_are_refused(tmp_path):
    array = np.zeros(3, "i2")
    for options in ({"rate": "0"}, {"rate": "fast"}, {"bits": "12"}, {"quality": "3"}):
        with pytest.raises(InvalidInput):
            external.save(array, tmp_path, "str:x", "wav", **options)
    with pytest.raises(InvalidInput, match="does not write"):
        external.save(array, tmp_path, "str:x", "mp3")


# --- showing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 2), "i2"),
        np.full((3, 1), np.nan),
        np.array([np.inf, -np.inf, 1e300]),
        np.arange(100_000).astype("i2"),
        np.zeros((5, 12), "u1"),
        np.full(7, -(2**31), "i4"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_any_sound_is_drawn_on_the_screen_it_meets_and_can_be_heard(printed, array, encoding):
    text = printed(external.show(array, plugin="audio", rate="8000"), encoding=encoding, width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert "frames" in text
    kind, content = external.board_show(array, plugin="audio", rate="8000")
    assert kind == "audio/wav"
    with wave.open(io.BytesIO(content)) as heard:
        assert (heard.getframerate(), heard.getsampwidth(), heard.getnframes()) == (8000, 2, len(array))


def test_a_waveform_is_high_where_the_sound_is_loud(printed):
    sound = np.concatenate([np.zeros(500, "i2"), np.tile(np.array([32767, -32768], "i2"), 250)])
    lines = printed(external.show(sound, plugin="audio"), width=40, encoding="ascii").splitlines()
    assert [line.count("#") for line in lines[:8]] == [20] * 8
    assert all(line.startswith(" " * 20) for line in lines[:8])


def test_the_preview_is_bounded():
    assert len(external.board_show(np.zeros(10_000_000, "i2"), plugin="audio")[1]) <= (8 << 20) + 100


def test_what_is_no_sound_is_not_played():
    for data in ("text", np.zeros((2, 2, 2)), np.zeros(3, complex), np.zeros(3, bool)):
        for call in (external.show, external.board_show):
            with pytest.raises(InvalidData):
                call(data, plugin="audio")


# --- flac, ogg, mp3 -----------------------------------------------------------------------------------------------


@pytest.fixture
def soundfile():
    return pytest.importorskip("soundfile")


@pytest.mark.parametrize(("subtype", "dtype", "low"), [("PCM_16", "int16", 0), ("PCM_24", "int32", 8)])
def test_flac_gives_the_numbers_that_were_packed(tmp_path, soundfile, subtype, dtype, low):
    numbers = np.random.default_rng(0).integers(-(2**15), 2**15, (5000, 2)).astype(dtype)
    soundfile.write(tmp_path / "x.flac", numbers << low, 48000, subtype=subtype)
    loaded, _ = load(tmp_path / "x.flac")
    assert (loaded.dtype.name, loaded.tolist()) == (dtype, numbers.tolist())
    described = external.describe(tmp_path / "x.flac", plugin="audio")
    assert described == {"rate": "48000"} | ({"bits": "24"} if low else {})
    again = external.save(loaded, tmp_path, "str:again", "wav", **described)
    assert load(again)[0].tolist() == numbers.tolist()


@pytest.mark.parametrize("extension", ["ogg", "mp3"])
def test_lossy_sound_is_read_as_floats(tmp_path, soundfile, extension):
    tone = np.sin(np.arange(8000) / 10).astype("f4")
    soundfile.write(tmp_path / f"x.{extension}", tone, 8000)
    loaded, name = load(tmp_path / f"x.{extension}")
    assert (name, loaded.dtype, loaded.shape[1]) == ("x", np.float32, 1)
    assert abs(len(loaded) - 8000) < 3000
    assert 0.2 < loaded.std() < 1


@pytest.mark.parametrize("extension", ["flac", "ogg", "mp3"])
def test_packed_files_that_are_cut_or_something_else_are_refused(tmp_path, soundfile, refused, extension):
    noise = np.random.default_rng(0).normal(size=20_000) / 10
    soundfile.write(tmp_path / f"x.{extension}", noise, 8000)
    content = (tmp_path / f"x.{extension}").read_bytes()
    for name, data in {"text": b"hello world", "wav": SOUND, "head": content[:40], "empty": b""}.items():
        file = tmp_path / f"{name}.{extension}"
        file.write_bytes(data)
        assert refused(file)[0] in {"wrong-format", "undecodable", "truncated", "empty"}
    if extension == "flac":
        file.write_bytes(content[: len(content) // 2])
        assert refused(file)[0] in {"truncated", "undecodable"}


def test_without_soundfile_wav_works_and_the_others_say_what_to_install(tmp_path):
    (tmp_path / "x.wav").write_bytes(SOUND)
    (tmp_path / "x.flac").write_bytes(b"fLaC" + bytes(100))
    script = (
        "import sys\nsys.modules['soundfile'] = None\nfrom hangar_core import external\n"
        "print(external.load(sys.argv[1] + '.wav', extension='wav')[0].shape)\n"
        "try: external.load(sys.argv[1] + '.flac', extension='flac')\n"
        "except external.PluginError: raise\nexcept ImportError as why: print(type(why).__name__, why.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "x")], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == f"(100, 1)\n{PackageMissing.__name__} pip install 'hangar-core[audio]'\n"
