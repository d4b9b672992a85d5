"""Runs of locations keep their bytes."""

from __future__ import annotations

from goldens import load

from hangar_core.storage.place_columns import columns_of, encode_run
from hangar_core.storage.places import Chunk


def test_golden_runs_keep_their_bytes() -> None:
    golden = load("places-1.json")
    locations = {bytes.fromhex(key): bytes.fromhex(value) for key, value in golden["locations"]}
    run = [(bytes.fromhex(key), bytes.fromhex(value)) for key, value in golden["run"]]
    assert list(encode_run(golden["number"], columns_of(locations)[0])) == run
    assert {digest: Chunk(run[1][1]).find(digest[8:24]) for digest in locations} == locations
