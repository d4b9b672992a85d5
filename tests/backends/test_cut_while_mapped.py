"""A pack that is cut while a reader has it mapped is damage, and not the end of the process."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

READ = """
    import os, sys
    from pathlib import Path
    import numpy as np
    from hangar_core import Repository
    from hangar_core.errors import CorruptDataError
    from hangar_core.testing.samples import create, new_repository, writing

    how, size = sys.argv[2], int(sys.argv[3])
    repo = new_repository(Path(sys.argv[1]))
    with writing(repo) as writer:
        create(writer.arraysets, "a", {f"k{n:03}": np.full((size,), n, "<i4") for n in range(200)}, "20")
        writer.commit("all")
    aset = repo.checkout().arraysets["a"]
    assert aset["k000"][0] == 0
    pack, = Path(sys.argv[1]).rglob("*.pack")
    os.truncate(pack, 8192)
    try:
        if how == "one":
            aset["k199"]
        elif how == "batch":
            aset[["k150", "k199", "k120"]]
        else:
            list(aset.values())
    except CorruptDataError as why:
        print(why.facts["file"] == pack or str(pack) in str(why))
"""


@pytest.mark.parametrize("size", [100, 40_000])
@pytest.mark.parametrize("how", ["one", "batch", "all"])
def test_a_pack_that_is_cut_while_it_is_mapped_is_damage(tmp_path: Path, how: str, size: int) -> None:
    command = [sys.executable, "-c", textwrap.dedent(READ), str(tmp_path), how, str(size)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr


@pytest.mark.skipif(not hasattr(__import__("os"), "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_in_place_of_a_pack_is_waited_for_by_nobody(tmp_path: Path) -> None:
    script = (
        READ.replace("os.truncate(pack, 8192)", "pack.unlink(); os.mkfifo(pack)")
        .replace('aset = repo.checkout().arraysets["a"]\n    assert aset["k000"][0] == 0\n', "")
        .replace("    try:", '    aset = repo.checkout().arraysets["a"]\n    try:', 1)
    )
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path), "one", "100"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr
