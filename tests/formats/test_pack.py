"""Packs, frames and locations of backend 20, pinned. Format: docs/formats/20.md."""

from __future__ import annotations

import numpy as np
import pytest
from goldens import load
from goldens.arrays import arrays
from goldens.logs import SAMPLES, UID

from hangar_core.backends.pack_frames import (
    CODE,
    decode_frame,
    decode_location,
    decode_pack_header,
    encode_frame,
    encode_location,
    encode_pack_header,
    frame_holds,
)
from hangar_core.hashing.samples import payload_of

VECTORS = load("pack-20.json")


def test_a_pack_header_keeps_its_bytes() -> None:
    assert encode_pack_header(UID).hex() == VECTORS["pack header"]
    assert decode_pack_header(bytes.fromhex(VECTORS["pack header"])) == UID


@pytest.mark.parametrize(("offset", "data"), VECTORS["locations"])
def test_locations_keep_their_bytes(offset: int, data: str) -> None:
    assert encode_location(UID, offset).hex() == data
    assert decode_location(bytes.fromhex(data)) == (UID, offset)
    assert bytes.fromhex(data).startswith(CODE.encode())


@pytest.mark.parametrize("name", VECTORS["frames"])
def test_frames_keep_their_bytes(name: str) -> None:
    sample, row = SAMPLES[name] if name in SAMPLES else arrays()[name], VECTORS["frames"][name]
    digest, dtype, shape, payload = payload_of(sample)
    assert encode_frame(digest, dtype, shape, payload) == (bytes.fromhex(row["header"]), row["padding"])

    header = bytes.fromhex(row["header"])
    frame = decode_frame(b"before" + header, 6)
    assert (frame.digest, frame.dtype, frame.shape) == (digest, dtype, shape)
    assert (frame.payload_at, frame.payload_size) == (len(header), len(payload))
    assert frame.size == len(header) + len(payload) + row["padding"]
    assert frame.size % 8 == 0
    assert frame_holds(frame, sample.itemsize if isinstance(sample, np.ndarray) else 1)
