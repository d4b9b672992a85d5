"""Frames and a bare remote whose bytes are pinned."""

from __future__ import annotations

import numpy as np

from goldens import load
from hangar_core.hashing import digests
from hangar_core.hashing.samples import payload_of
from hangar_core.model import CommitId
from hangar_core.remotes import http_messages
from hangar_core.remotes.branches import Position, encode_position, place_of
from hangar_core.remotes.contents import Place, encode_contents
from hangar_core.remotes.frames import Frame, arrays_frame, plain_frame
from hangar_core.remotes.segments import Directory, decode_directory, directory_place, encode_segment
from hangar_core.remotes.transport import Info, RefUpdate
from hangar_core.testing.histories import History

SEGMENT = "segments/000102030405060708090a0b0c0d0e0f"
POSITION = Position(
    CommitId(digests.compute(digests.COMMIT, b"stands for a commit")),
    1_767_225_600_000_000,
    "Ana <ana@example.org>",
    "push",
    bytes(range(16)),
)


def frames() -> dict[str, Frame]:
    payloads = [payload_of(np.array([[value, 2], [3, -1]], "<i2")) for value in range(3)]
    rows = [bytes(payload.data) for payload in payloads]
    texts = [payload_of("Zürich"), payload_of(""), payload_of(b"\0\1\2")]
    zeros = payload_of(np.zeros(4000, "<f8"))
    return {
        "plain": plain_frame([one.digest for one in texts], [one.data for one in texts]),
        "arrays": arrays_frame("<i2", (2, 2), [payload.digest for payload in payloads], rows),
        "compressed": arrays_frame("<f8", (4000,), [zeros.digest], [zeros.data]),
    }


def wire_vectors() -> dict[str, str]:
    return {name: b"".join(frame.encoded()).hex() for name, frame in frames().items()}


def remote_vectors() -> dict[str, str]:
    """Return the files of a bare remote, by name."""
    history = History()
    buffers, _ = encode_segment([history.array_frame, history.record_frame])
    moves = {
        place_of("master", number + 1): encode_position(POSITION._replace(commit=commit))
        for number, commit in enumerate(history.commits)
    }
    files = {"hangar-remote.json": b'{"format": 1, "requires": []}', SEGMENT: b"".join(buffers), **moves}
    return {name: data.hex() for name, data in files.items()}


def contents_vectors() -> dict[str, str]:
    """Return what tells of two segments together: of that of the golden remote, and of one that is made up."""
    segment = bytes.fromhex(load("bare-remote-1.json")[SEGMENT])
    at, size, check = directory_place(segment, SEGMENT)
    first = decode_directory(segment[at : at + size], (at, size, check), SEGMENT)
    second = Directory([(8, 100, 1), (108, 7, 2)], bytes(range(3 * 33)))
    return {Place(0, 1).name: encode_contents({SEGMENT.removeprefix("segments/"): first, "ff" * 16: second}).hex()}


def http_vectors() -> dict[str, str]:
    one, two, three = History().commits
    update = RefUpdate("master", one, two, "Ana <ana@example.org>", 1_767_225_600_000_000, "push", force=False)
    return {
        "has": http_messages.encode_digests([one, two]).hex(),
        "history": http_messages.encode_history([three, two], [one], 100).hex(),
        "info": http_messages.encode_info(Info({"master": three})).decode(),
        "move": http_messages.encode_update(update).decode(),
        "refusal": http_messages.encode_error("ref-changed", "`master` has moved meanwhile.").decode(),
    }
