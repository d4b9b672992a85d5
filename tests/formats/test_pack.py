"""Packs, frames and locations of backend 20, pinned. Format: docs/formats/20.md."""

from __future__ import annotations

import numpy as np
import pytest
from goldens import load
from goldens.arrays import arrays
from goldens.logs import SAMPLES, UID, block_samples

from hangar_core.backends import codecs, pack_blocks
from hangar_core.backends.pack_frames import (
    CODE,
    decode_frame,
    decode_location,
    decode_pack_header,
    encode_compressed_frame,
    encode_frame,
    encode_location,
    encode_pack_header,
    expanded,
    frame_holds,
)
from hangar_core.hashing.samples import payload_of

VECTORS = load("pack-20.json")
COMPRESSED = load("pack-20-compressed.json")
PLAIN = load("pack-20-blocks.json")


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


@pytest.mark.parametrize("name", COMPRESSED["frames"])
def test_compressed_frames_are_read_and_their_headers_keep_their_bytes(name: str) -> None:
    row = COMPRESSED["frames"][name]
    sample = np.tile(arrays()[name], 40)
    digest, dtype, shape, raw = payload_of(sample)
    header, payload = bytes.fromhex(row["header"]), bytes.fromhex(row["payload"])
    frame = decode_frame(header)
    assert (frame.digest, frame.dtype, frame.shape, frame.payload_size) == (digest, dtype, shape, len(payload))
    assert bytes(expanded(frame, memoryview(payload))) == raw
    assert encode_compressed_frame(digest, dtype, shape, raw, frame.codec, payload) == (header, row["padding"])


@pytest.mark.parametrize("name", COMPRESSED["blocks"])
def test_blocks_are_read_and_their_headers_keep_their_bytes(name: str) -> None:
    row = COMPRESSED["blocks"][name]
    payloads = [payload_of(sample) for sample in block_samples()[name]]
    samples = [(one.digest, one.data) for one in payloads]
    first = payloads[0]
    header, payload = bytes.fromhex(row["header"]), bytes.fromhex(row["payload"])
    data = memoryview(b"before" + header + payload + bytes(row["padding"]))
    read = pack_blocks.decode_header(data, 6)
    assert (read.dtype, read.shape, read.payload_at, read.size) == (
        first.dtype,
        first.shape,
        len(header),
        len(data) - 6,
    )
    block = pack_blocks.expand(read, data, 6)
    assert [bytes(block.sample(digest, index)) for index, (digest, _) in enumerate(samples)] == [
        bytes(one.data) for one in payloads
    ]
    assert pack_blocks.proven_in(data, 6) == [one.digest for one in payloads]
    assert (
        pack_blocks.encode_header(read.codec, first.dtype, first.shape, *zip(*samples, strict=True), len(payload))
        == header
    )


@pytest.mark.parametrize("name", PLAIN["blocks"])
def test_blocks_that_are_not_compressed_keep_their_bytes(name: str) -> None:
    row = PLAIN["blocks"][name]
    payloads = [payload_of(sample) for sample in block_samples()[name]]
    samples = [(one.digest, one.data) for one in payloads]
    first, header = payloads[0], bytes.fromhex(row["header"])
    data = memoryview(b"before" + header + b"".join(bytes(one.data) for one in payloads) + bytes(row["padding"]))
    read = pack_blocks.decode_header(data, 6)
    assert (read.codec, read.dtype, read.shape) == (codecs.PLAIN, first.dtype, first.shape)
    assert (read.payload_at, read.size) == (len(header), len(data) - 6)
    assert pack_blocks.proven_in(data, 6) == [one.digest for one in payloads]
    assert pack_blocks.encode_plain_block(first.dtype, first.shape, *zip(*samples, strict=True)) == (
        header,
        bytes(row["padding"]),
    )


def test_both_codecs_are_among_the_golden_blocks() -> None:
    found = {bytes.fromhex(row["header"])[4] for row in COMPRESSED["blocks"].values()}
    assert found == {codecs.ZSTD, codecs.SHUFFLED_ZSTD}


@pytest.mark.parametrize(("offset", "index", "data"), COMPRESSED["locations"])
def test_locations_in_blocks_keep_their_bytes(offset: int, index: int, data: str) -> None:
    assert pack_blocks.encode_block_location(UID, offset, index).hex() == data
    assert pack_blocks.decode_block_location(bytes.fromhex(data)) == (UID, offset, index)
