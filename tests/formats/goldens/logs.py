"""Pack frames and staging frames whose bytes are pinned."""

from __future__ import annotations

from typing import Any

import numpy as np

from goldens.arrays import arrays
from goldens.records import digest_of
from hangar_core.backends import codecs, pack_blocks, pack_frames
from hangar_core.hashing import digests
from hangar_core.hashing.arrays import array_digest, canonical
from hangar_core.hashing.samples import payload_of
from hangar_core.model import Arrayset, CommitId, Schema
from hangar_core.records import merging, staging
from hangar_core.records.keys import encode_key
from hangar_core.reports import MergeState
from hangar_core.storage.place_columns import columns_of, encode_run

UID = bytes(range(16))


# Samples that are no arrays.
SAMPLES: dict[str, str | bytes] = {"a text": "Zürich", "an empty text": "", "some bytes": b"\0\1\2"}


def pack_vectors() -> dict[str, Any]:
    frames = {}
    for name in (
        "dtype uint8",
        "dtype complex128",
        "scalar",
        "three rows of nothing",
        "durations in quarters of an hour",
    ):
        plain = canonical(arrays()[name])
        payload = plain.tobytes()
        header, padding = pack_frames.encode_frame(array_digest(plain), plain.dtype.str, plain.shape, payload)
        frames[name] = {"header": header.hex(), "padding": padding}
    for name, sample in SAMPLES.items():
        digest, dtype, shape, data = payload_of(sample)
        header, padding = pack_frames.encode_frame(digest, dtype, shape, data)
        frames[name] = {"header": header.hex(), "padding": padding}
    return {
        "uid": UID.hex(),
        "pack header": pack_frames.encode_pack_header(UID).hex(),
        "locations": [[offset, pack_frames.encode_location(UID, offset).hex()] for offset in (64, 2**32, 2**64 - 1)],
        "frames": frames,
    }


def packed_vectors() -> dict[str, Any]:
    """Compressed frames and blocks. What zstd makes of data may change with its version; what it reads does not."""
    frames = {}
    for name, codec in (("dtype uint8", codecs.ZSTD), ("dtype complex128", codecs.SHUFFLED_ZSTD)):
        digest, dtype, shape, raw = payload_of(np.tile(canonical(arrays()[name]), 40))
        found = codecs.smaller(raw, codecs.itemsize_of(dtype) or 1, (codec,))[1]
        header, padding = pack_frames.encode_compressed_frame(digest, dtype, shape, raw, codec, found)
        frames[name] = {"header": header.hex(), "payload": found.hex(), "padding": padding}
    blocks = {}
    for name, samples in block_samples().items():
        payloads = [payload_of(sample) for sample in samples]
        block = pack_blocks.encode_block(
            payloads[0].dtype, payloads[0].shape, [one.digest for one in payloads], [one.data for one in payloads]
        )
        assert block is not None
        blocks[name] = {"header": block[0].hex(), "payload": block[1].hex(), "padding": block[2]}
    locations = [(64, 0), (2**32, 7), (2**64 - 1, 65535)]
    return {
        "uid": UID.hex(),
        "locations": [[*place, pack_blocks.encode_block_location(UID, *place).hex()] for place in locations],
        "frames": frames,
        "blocks": blocks,
    }


def plain_block_vectors() -> dict[str, Any]:
    """Blocks whose samples are stored as they are."""
    blocks = {}
    for name, samples in block_samples().items():
        payloads = [payload_of(sample) for sample in samples]
        rows = [one.digest for one in payloads], [one.data for one in payloads]
        before, behind = pack_blocks.encode_plain_block(payloads[0].dtype, payloads[0].shape, *zip(*rows, strict=True))
        blocks[name] = {"header": before.hex(), "padding": len(behind)}
    return {"blocks": blocks}


def run_vectors() -> dict[str, Any]:
    """A run of places: of frames and in blocks, in two packs."""
    locations = {}
    for number in range(40):
        uid = UID if number % 7 else UID[::-1]
        offset = 64 + 8 * number**5
        digest = digests.data_digest(digests.BYTES, b"golden", bytes([number]))
        locations[digest] = (
            pack_blocks.encode_block_location(uid, offset, 3 * number)
            if number % 2
            else pack_frames.encode_location(uid, offset)
        )
    return {
        "number": 7,
        "locations": [[digest.hex(), location.hex()] for digest, location in locations.items()],
        "run": [[key.hex(), value.hex()] for key, value in encode_run(7, columns_of(locations)[0])],
    }


def block_samples() -> dict[str, list[Any]]:
    """Samples that share a block."""
    return {
        "rows of bytes": [np.arange(64, dtype="|u1") // 32 + number for number in range(5)],
        "planes of large integers": [np.arange(64, dtype="<i8").reshape(8, 8) * 977 + number for number in range(3)],
        "durations": [np.arange(30, dtype="<m8[15m]") + number for number in range(4)],
        "scalars": [np.array(number, "<f4") for number in range(50)],
        "texts": [f"text number {number}, of a length" for number in range(9)],
        "byte strings": [bytes([number]) * 40 for number in range(9)],
    }


def merge_states() -> list[MergeState]:
    base, theirs = digest_of(digests.ROOT, 6), digest_of(digests.ROOT, 7)
    parent = CommitId(digest_of(digests.COMMIT, 8))
    return [
        MergeState("merge", "dev", "Merge `dev`", base, theirs, parent),
        MergeState("cherry-pick", "0808", "é", base, theirs, None),
    ]


def adopted() -> Arrayset:
    return Arrayset(Schema("|u1", (2, 3)), digest_of(digests.NODE, 9), 70_000, {"b": "2", "a": "1"})


def staging_operations() -> dict[str, tuple[int, bytes]]:
    """One payload of each operation, the samples in all three forms."""
    first, second = digest_of(digests.ARRAY, 1), digest_of(digests.ARRAY, 2)
    location = pack_frames.encode_location(UID, 64)
    changes = [(encode_key("é"), first, location), (encode_key(7), second, b""), (encode_key("gone"), None, b"")]
    begin = staging.Begin(3, "master", CommitId(digest_of(digests.COMMIT, 5)), "boot-1")
    return {
        "begin": (staging.BEGIN, staging.encode_begin(begin)),
        "begin without a base": (staging.BEGIN, staging.encode_begin(staging.Begin(1, "dev", None, ""))),
        "samples": (staging.SAMPLES, staging.encode_samples("images", changes)),
        "arrayset": (
            staging.ARRAYSET,
            staging.encode_arrayset("images", Schema("|u1", (2, 3)), {"b": "2", "a": "1"}),
        ),
        "remove": (staging.REMOVE, staging.encode_remove("images")),
        "metadata": (staging.METADATA, staging.encode_metadata(encode_key("author"), "Zoë")),
        "metadata removed": (staging.METADATA, staging.encode_metadata(encode_key(1), None)),
        "synced": (staging.SYNCED, b""),
        "boot": (staging.BOOT, staging.encode_boot("boot-2")),
        "merge": (merging.MERGE, merging.encode_merge(merge_states()[0])),
        "cherry-pick": (merging.MERGE, merging.encode_merge(merge_states()[1])),
        "resolved": (merging.RESOLVED, merging.encode_resolved("images", encode_key("é"))),
        "resolved, the arrayset": (merging.RESOLVED, merging.encode_resolved("images", b"")),
        "resolved, metadata": (merging.RESOLVED, merging.encode_resolved("", encode_key("author"))),
        "adopt": (merging.ADOPT, merging.encode_adopt("images", adopted())),
    }


def staging_vectors() -> dict[str, Any]:
    generation, offset = 3, 0
    rows = {}
    for name, (operation, payload) in staging_operations().items():
        frame = staging.encode_frame(operation, payload, generation, offset)
        rows[name] = {"operation": operation, "offset": offset, "payload": payload.hex(), "frame": frame.hex()}
        offset += len(frame)
    return {"generation": generation, "frames": rows}


def group_vector() -> dict[str, Any]:
    """Operations that count together: the frame of a group at offset 48."""
    operations = [staging_operations()[name] for name in ("arrayset", "samples", "metadata removed", "resolved")]
    payload = staging.encode_group(operations)
    return {
        "operations": [[operation, part.hex()] for operation, part in operations],
        "operation": staging.GROUP,
        "generation": 3,
        "offset": 48,
        "payload": payload.hex(),
        "frame": staging.encode_frame(staging.GROUP, payload, 3, 48).hex(),
    }
