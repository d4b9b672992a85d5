"""Makes the golden files. Run once for each format, by hand; never again for a file that is there:

    python tests/formats/make_golden.py

Their bytes are a promise: if a test disagrees with a golden file, the code is wrong. A new version of a format gets new
files beside the old ones. Clocks, random ids and the machine are fixed, so that another run would give the same bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from goldens import GOLDEN
from goldens.arrays import digest_vectors
from goldens.backends import CODES, backend_archive
from goldens.det_values import det_hash_vectors
from goldens.kept import original_vectors
from goldens.logs import group_vector, pack_vectors, packed_vectors, plain_block_vectors, run_vectors, staging_vectors
from goldens.records import compact_vectors, cut_vector, edits_vector, record_vectors
from goldens.remotes import contents_vectors, http_vectors, remote_vectors, wire_vectors
from goldens.repository import repository_archive
from goldens.sources import provenance_vectors
from goldens.step_results import result_vectors
from goldens.trees import tree_vectors


def _json(make: Callable[[], dict[str, Any]]) -> Callable[[], bytes]:
    return lambda: (json.dumps(make(), indent=1) + "\n").encode()


MAKERS: dict[str, Callable[[], bytes]] = {
    "digests-1.json": _json(digest_vectors),
    "det-hash-1.json": _json(det_hash_vectors),
    "records-1.json": _json(record_vectors),
    "cut-1.json": _json(cut_vector),
    "edits-1.json": _json(edits_vector),
    "compact-nodes-1.json": _json(compact_vectors),
    "record-tree-1.json": _json(tree_vectors),
    "pack-20.json": _json(pack_vectors),
    "pack-20-compressed.json": _json(packed_vectors),
    "pack-20-blocks.json": _json(plain_block_vectors),
    "places-1.json": _json(run_vectors),
    "staging-log-1.json": _json(staging_vectors),
    "staging-group-1.json": _json(group_vector),
    "wire-1.json": _json(wire_vectors),
    "http-1.json": _json(http_vectors),
    "bare-remote-1.json": _json(remote_vectors),
    "bare-remote-contents-1.json": _json(contents_vectors),
    "step-results-1.json": _json(result_vectors),
    "originals-1.json": _json(original_vectors),
    "provenance-1.json": _json(provenance_vectors),
    "repository-1.tar.gz": repository_archive,
    **{f"backend-{code}.tar.gz": partial(backend_archive, code) for code in CODES},
}


def main() -> None:
    """Make what is not there yet."""
    for name, make in MAKERS.items():
        path = GOLDEN / name
        if path.exists():
            sys.stdout.write(f"{name}: is there already and stays as it is\n")
        else:
            path.write_bytes(make())
            sys.stdout.write(f"{name}: made, {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
