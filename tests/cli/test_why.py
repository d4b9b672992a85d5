"""`hangar why`: where a sample came from."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from hangar_core import Repository

from .conftest import Terminal, make_pictures


def test_why_names_the_file_and_how_it_was_read(hangar: Terminal) -> None:
    make_pictures(hangar.directory / "photos")
    hangar("import", "pets", "photos", "--mode", "L")
    hangar("commit", "-m", "pets")
    lines = dict(line.split(maxsplit=1) for line in hangar("why", "pets", "cat/001").stdout.splitlines())
    assert lines["sample"] == "pets cat/001"
    assert lines["source"].startswith("photos/cat/001.png ")
    assert (lines["plugin"], lines["option"]) == ("image 1", "mode L")
    known = hangar.json("why", "pets", "cat/001")["provenance"]
    assert (known["source"], known["blake3"]) == ("photos/cat/001.png", lines["blake3"])
    assert known["options"] == {"mode": "L"}
    shown = hangar("view", "pets", "cat/001").stdout
    assert f"source: photos/cat/001.png   blake3 {known['blake3'][:12]}   plugin image 1, mode L" in shown


def test_why_says_so_when_nobody_knows_and_finds_no_other_sample(committed: Terminal) -> None:
    committed("arrayset", "create", "by-hand", "UINT8", "2")
    with closing(Repository(committed.directory).checkout(write=True)) as writer:
        writer.arraysets["by-hand"]["a"] = np.zeros(2, np.uint8)
        writer.commit("by hand")
    assert "not known: no import has set it" in committed("why", "by-hand", "a").stdout
    assert committed.json("why", "by-hand", "a")["provenance"] is None
    assert "b not in aset" in committed("why", "by-hand", "b", code=4).stderr
