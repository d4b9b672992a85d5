"""Frames of the staging log, pinned. Format: docs/formats/staging-log.md."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import xxhash
from goldens import load
from goldens.logs import adopted, merge_states, staging_operations

from hangar_core.records import merging, staging

VECTORS = load("staging-log-1.json")
GENERATION = VECTORS["generation"]
LOG = b"".join(bytes.fromhex(row["frame"]) for row in VECTORS["frames"].values())
REENCODED: dict[int, Callable[[bytes], bytes]] = {
    staging.BEGIN: lambda payload: staging.encode_begin(staging.decode_begin(payload)),
    staging.SAMPLES: lambda payload: staging.encode_samples(*staging.decode_samples(payload)),
    staging.ARRAYSET: lambda payload: staging.encode_arrayset(*staging.decode_arrayset(payload)),
    staging.REMOVE: lambda payload: staging.encode_remove(staging.decode_remove(payload)),
    staging.METADATA: lambda payload: staging.encode_metadata(*staging.decode_metadata(payload)),
    staging.SYNCED: lambda payload: payload,
    merging.MERGE: lambda payload: merging.encode_merge(merging.decode_merge(payload)),
    merging.RESOLVED: lambda payload: merging.encode_resolved(*merging.decode_resolved(payload)),
    merging.ADOPT: lambda payload: merging.encode_adopt(*merging.decode_adopt(payload)),
    staging.BOOT: lambda payload: staging.encode_boot(staging.decode_boot(payload)),
}


def test_operations_stay_as_they_were_given() -> None:
    assert {name: row["operation"] for name, row in VECTORS["frames"].items()} == {
        "begin": 1,
        "begin without a base": 1,
        "samples": 2,
        "arrayset": 3,
        "remove": 4,
        "metadata": 5,
        "metadata removed": 5,
        "synced": 6,
        "boot": 7,
        "merge": 8,
        "cherry-pick": 8,
        "resolved": 9,
        "resolved, the arrayset": 9,
        "resolved, metadata": 9,
        "adopt": 10,
    }


@pytest.mark.parametrize("name", VECTORS["frames"])
def test_frames_keep_their_bytes(name: str) -> None:
    row = VECTORS["frames"][name]
    operation, payload = staging_operations()[name]
    assert (operation, payload.hex()) == (row["operation"], row["payload"])
    assert staging.encode_frame(operation, payload, GENERATION, row["offset"]).hex() == row["frame"]
    assert REENCODED[operation](payload) == payload


def test_merge_records_decode_to_what_they_were() -> None:
    payloads = {name: bytes.fromhex(row["payload"]) for name, row in VECTORS["frames"].items()}
    assert [merging.decode_merge(payloads[name]) for name in ("merge", "cherry-pick")] == merge_states()
    assert merging.decode_adopt(payloads["adopt"]) == ("images", adopted())
    assert merging.decode_resolved(payloads["resolved, metadata"]) == ("", b"\x02author")


def test_the_golden_log_decodes_frame_by_frame() -> None:
    found = [(frame.operation, frame.payload.hex()) for frame in staging.frames(LOG, GENERATION)]
    assert found == [(row["operation"], row["payload"]) for row in VECTORS["frames"].values()]


@pytest.mark.parametrize("name", VECTORS["frames"])
def test_the_checksum_is_seeded_with_generation_and_offset_as_documented(name: str) -> None:
    row = VECTORS["frames"][name]
    frame, offset = bytes.fromhex(row["frame"]), row["offset"]
    seed = ((GENERATION << 40) ^ offset) % 2**64 if offset else 0
    assert frame[-8:] == xxhash.xxh3_64_intdigest(frame[:-8], seed=seed).to_bytes(8, "little")


def test_frames_of_another_generation_are_no_frames_of_this() -> None:
    """The first frame is read before the generation is known; those behind it are not mistaken."""
    assert [frame.operation for frame in staging.frames(LOG, GENERATION + 1)] == [staging.BEGIN]


def test_a_group_keeps_its_bytes() -> None:
    row = load("staging-group-1.json")
    operations = [(operation, bytes.fromhex(part)) for operation, part in row["operations"]]
    payload = staging.encode_group(operations)
    frame = staging.encode_frame(staging.GROUP, payload, row["generation"], row["offset"])
    assert (staging.GROUP, payload.hex(), frame.hex()) == (11, row["payload"], row["frame"])

    found = staging.decode_frame(bytes(row["offset"]) + bytes.fromhex(row["frame"]), row["offset"], row["generation"])
    assert found is not None
    assert staging.operations(found) == operations
