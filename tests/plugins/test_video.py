"""The plugin for video: frames one by one, every bit of what it wrote itself, files that are cut or lie refused."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
import pytest

from hangar_core import Repository, external
from hangar_core.external import BadFile, InvalidData, InvalidInput
from hangar_core.testing import PluginContract

av = pytest.importorskip("av", reason="PyAV is not installed")


def noise(shape=(30, 40, 3), dtype="u1", seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype)


def video(container="mp4", codec="mpeg4", stored="yuv420p", frames=6, size=(30, 40)) -> bytes:
    """A video as FFmpeg itself writes it: brighter from frame to frame."""
    content = io.BytesIO()
    with av.open(content, "w", format=container) as target:
        stream = target.add_stream(codec, rate=Fraction(30000, 1001))
        stream.height, stream.width, stream.pix_fmt = *size, stored
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((*size, 3), 30 * number % 256, "u1"), format="rgb24")
            for packet in stream.encode(frame):
                target.mux(packet)
        for packet in stream.encode():
            target.mux(packet)
    return content.getvalue()


class TestContract(PluginContract):
    plugin = "video"

    def samples(self):
        return {"mkv": [noise(), noise((7, 3, 3)), noise((4, 6)), noise((5, 4), "u2"), noise((1, 1, 3))]}


@pytest.mark.parametrize(
    ("extension", "container", "codec"),
    [("mp4", "mp4", "mpeg4"), ("mov", "mov", "mjpeg"), ("mkv", "matroska", "mpeg4"), ("avi", "avi", "mpeg4"),
     ("webm", "webm", "libvpx")],
)  # fmt: skip
def test_each_frame_is_a_sample_named_by_its_number(tmp_path, extension, container, codec):
    stored = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    (tmp_path / f"x.{extension}").write_bytes(video(container, codec, stored))
    frames = list(external.load(tmp_path / f"x.{extension}", extension=extension))
    assert [(name, frame.dtype.name, frame.shape) for frame, name in frames] == [
        (number, "uint8", (30, 40, 3)) for number in range(6)
    ]
    assert all(abs(float(frame.mean()) - 30 * number) < 12 for frame, number in frames)
    assert external.describe(tmp_path / f"x.{extension}", extension=extension) == {"rate": "30000/1001"}


def test_some_frames_can_be_left_out_and_turned_grey(tmp_path):
    (tmp_path / "x.mp4").write_bytes(video())
    frames = list(external.load(tmp_path / "x.mp4", extension="mp4", every=4, mode="L"))
    assert [(name, frame.shape) for frame, name in frames] == [(0, (30, 40)), (4, (30, 40))]


def test_frames_come_one_by_one(tmp_path):
    (tmp_path / "x.mkv").write_bytes(video("matroska", "mpeg4", frames=200))
    frames = external.load(tmp_path / "x.mkv", extension="mkv")
    assert next(frames)[1] == 0
    frames.close()


def test_import_commit_export_gives_the_same_frames_of_each_video(tmp_path):
    (tmp_path / "in").mkdir()
    for number, name in enumerate("ab"):
        frames = ((one, noise(seed=10 * number + one)) for one in range(3))
        external.save_many(frames, tmp_path / "in", name, "mkv", rate="12.5")
    (tmp_path / "repo").mkdir()
    repo = Repository(tmp_path / "repo", exists=False)
    repo.init("Ada", "ada@example.org")
    assert repo.ingest("clips", tmp_path / "in").added == 6
    repo.commit("first")
    (tmp_path / "out").mkdir()
    repo.export("clips", tmp_path / "out", verify=True)
    back = list(external.load(tmp_path / "out" / "b.mkv", extension="mkv"))
    assert all(np.array_equal(frame, noise(seed=10 + number)) for frame, number in back)
    assert external.describe(tmp_path / "out" / "b.mkv", extension="mkv") == {"rate": "25/2"}


@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "webm", "avi"])
def test_a_video_that_is_cut_anywhere_is_refused(tmp_path, extension, refused):
    container = {"mkv": "matroska"}.get(extension, extension)
    content = video(container, "libvpx" if extension == "webm" else "mpeg4")
    path = tmp_path / f"x.{extension}"
    for length in (1, 11, 40, len(content) // 3, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        assert refused(path)[0] in {"truncated", "wrong-format"}
    # With its index in front an mp4 plays from the first byte on, cut or not.
    if extension == "mp4":
        with av.open(io.BytesIO(content)) as source, av.open(path, "w", options={"movflags": "faststart"}) as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    target.mux(packet)
        whole = path.read_bytes()
        assert whole.index(b"moov") < whole.index(b"mdat")
        path.write_bytes(whole[:-200])
        assert refused(path)[0] == "truncated"


def test_a_file_that_names_other_files_opens_none_of_them(tmp_path, refused):
    (tmp_path / "secret.mp4").write_bytes(video())
    for content in (
        f"ffconcat version 1.0\nfile '{tmp_path}/secret.mp4'\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/secret.mp4\n#EXT-X-ENDLIST\n",
    ):
        for extension in ("mp4", "mkv", "avi"):
            (tmp_path / f"list.{extension}").write_text(content)
            assert refused(tmp_path / f"list.{extension}")[0] == "wrong-format"


def test_what_is_no_video_or_too_large_or_damaged_is_refused(tmp_path, refused, monkeypatch):
    sound = io.BytesIO()
    with av.open(sound, "w", format="matroska") as target:
        stream = target.add_stream("pcm_s16le", rate=8000, layout="mono")
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 80), "i2"), layout="mono")
        samples.rate = 8000
        for packet in (*stream.encode(samples), *stream.encode()):
            target.mux(packet)
    damaged = bytearray(video("matroska", "ffv1", "bgr0"))
    damaged[len(damaged) // 2] ^= 0xFF
    for name, content, code in [
        ("sound.mkv", sound.getvalue(), "wrong-format"),
        ("damaged.mkv", bytes(damaged), "undecodable"),
    ]:
        (tmp_path / name).write_bytes(content)
        assert refused(tmp_path / name)[0] == code
    monkeypatch.setattr("hangar_video.coding.MAX_PIXELS", 1000)
    (tmp_path / "large.mp4").write_bytes(video())
    assert refused(tmp_path / "large.mp4")[0] in {"too-large", "undecodable"}


def test_damage_in_the_middle_comes_after_the_frames_before_it(tmp_path):
    path = external.save_many(((number, noise(seed=number)) for number in range(4)), tmp_path, "x", "mkv")[0]
    content = bytearray(path.read_bytes())
    content[3 * len(content) // 4] ^= 0xFF
    path.write_bytes(content)
    read = []
    with pytest.raises(BadFile, match="cannot be decoded"):
        read.extend(external.load(path, extension="mkv"))
    assert read
    assert all(np.array_equal(frame, noise(seed=number)) for frame, number in read)


def test_of_what_it_wrote_no_frame_is_made_up_whatever_byte_is_damaged(tmp_path):
    frames = [noise((8, 8, 3), seed=number) for number in range(3)]
    path = external.save_many(enumerate(frames), tmp_path, "x", "mkv")[0]
    content = path.read_bytes()
    told = 0
    cluster = content.index(b"\x1fC\xb6u")  # the frames are behind it, what describes the file is before
    for at in range(cluster, len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        try:
            back = [frame for frame, _ in external.load(path, extension="mkv")]
        except BadFile:
            told += 1
            continue
        # What separates frames has no checksum: one may be missing then.
        assert {frame.tobytes() for frame in back} <= {frame.tobytes() for frame in frames}, at
    assert told > (len(content) - cluster) // 2


def test_what_a_video_cannot_be_is_refused(tmp_path):
    for data in (np.zeros((3, 4), "f4"), np.zeros((0, 4), "u1"), np.zeros((3, 4, 4), "u1"), np.zeros(3, "u1"), "text"):
        with pytest.raises(InvalidData):
            external.save(data, tmp_path, "str:x", "mkv")
    with pytest.raises(InvalidData, match="cannot follow"):
        external.save_many([(0, noise()), (1, noise((4, 4, 3)))], tmp_path, "x", "mkv")
    rows = [("0", noise()), ("a/000000001", noise()), ("b", noise())]
    with pytest.raises(InvalidInput, match="follow each other"):
        external.save_many(rows, tmp_path / "apart", "x", "mkv")
    for rate in ("0", "-1", "fast", "1/0", "1e30"):
        with pytest.raises(InvalidInput, match="rate"):
            external.save(noise(), tmp_path, "str:x", "mkv", rate=rate)
    with pytest.raises(InvalidInput, match="does not write"):
        external.save(noise(), tmp_path, "str:x", "mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["apart"]
