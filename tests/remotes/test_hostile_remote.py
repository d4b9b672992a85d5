"""A hostile remote: whatever it sends, the client takes no wrong byte and writes nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sides import fresh, reading
from sides.hostile import UID, HostileRemote

from hangar_core.errors import BadAnswer, CorruptRecord, HangarError, RemoteError
from hangar_core.hashing import digests
from hangar_core.hashing.samples import payload_of
from hangar_core.model import CommitId, Digest
from hangar_core.records.keys import encode_key
from hangar_core.records.nodes import Node, encode_entries
from hangar_core.remotes.frames import arrays_frame

DATA = payload_of(np.ones((2, 3), "<f4"))


def leaf(remote: HostileRemote, *keys: bytes, data: Digest = DATA.digest) -> Digest:
    return remote.add(digests.NODE, encode_entries(0, 32, keys, [data] * len(keys), None))


def empty(remote: HostileRemote) -> Digest:
    return remote.add(digests.NODE, Node(0, (), (), None, 32).encoded())


def keys_out_of_order(remote: HostileRemote) -> CommitId:
    return remote.commit(leaf(remote, encode_key("b"), encode_key("a")), empty(remote), count=2)


def key_twice(remote: HostileRemote) -> CommitId:
    return remote.commit(leaf(remote, encode_key("a"), encode_key("a")), empty(remote), count=2)


def key_with_dots(remote: HostileRemote) -> CommitId:
    return remote.commit(leaf(remote, b"\x02../../etc/passwd"), empty(remote))


def key_with_control_character(remote: HostileRemote) -> CommitId:
    return remote.commit(leaf(remote, b"\x02a\x1b[2Jb"), empty(remote))


def key_of_no_kind(remote: HostileRemote) -> CommitId:
    return remote.commit(leaf(remote, b"\x07a"), empty(remote))


def key_not_text(remote: HostileRemote) -> CommitId:
    return remote.commit(leaf(remote, b"\x02\xff\xfe"), empty(remote))


def wrong_count_of_samples(remote: HostileRemote) -> CommitId:
    return remote.commit(leaf(remote, encode_key("a")), empty(remote), count=10**12)


def wrong_count_below(remote: HostileRemote) -> CommitId:
    below = leaf(remote, encode_key("a"))
    top = remote.add(digests.NODE, encode_entries(1, 32, [encode_key("a")], [below], [10**12]))
    return remote.commit(top, empty(remote), count=10**12)


def wrong_level(remote: HostileRemote) -> CommitId:
    below = leaf(remote, encode_key("a"))
    top = remote.add(digests.NODE, encode_entries(3, 32, [encode_key("a")], [below], [1]))
    return remote.commit(top, empty(remote))


def wrong_last_key(remote: HostileRemote) -> CommitId:
    below = leaf(remote, encode_key("a"))
    top = remote.add(digests.NODE, encode_entries(1, 32, [encode_key("z")], [below], [1]))
    return remote.commit(top, empty(remote))


def missing_leaf(remote: HostileRemote) -> CommitId:
    nowhere = digests.compute(digests.NODE, b"nowhere")
    top = remote.add(digests.NODE, encode_entries(1, 32, [encode_key("a")], [nowhere], [1]))
    return remote.commit(top, empty(remote))


def missing_root(remote: HostileRemote) -> CommitId:
    return remote.commit_of(digests.compute(digests.ROOT, b"nowhere"))


def missing_parent(remote: HostileRemote) -> CommitId:
    nowhere = CommitId(digests.compute(digests.COMMIT, b"nowhere"))
    return remote.commit(leaf(remote, encode_key("a")), empty(remote), parents=[nowhere])


def missing_head(remote: HostileRemote) -> CommitId:
    remote.commit(leaf(remote, encode_key("a")), empty(remote))
    return CommitId(digests.compute(digests.COMMIT, b"nowhere"))


def missing_metadata_text(remote: HostileRemote) -> CommitId:
    metadata = leaf(remote, encode_key("note"), data=digests.compute(digests.TEXT, b"nowhere"))
    return remote.commit(leaf(remote, encode_key("a")), metadata)


def metadata_that_is_no_text(remote: HostileRemote) -> CommitId:
    metadata = leaf(remote, encode_key("note"), data=remote.add(digests.TEXT, b"\xff\xfe"))
    return remote.commit(leaf(remote, encode_key("a")), metadata)


def name_of_an_arrayset_that_is_a_path(remote: HostileRemote) -> CommitId:
    return remote.commit(leaf(remote, encode_key("a")), empty(remote), name="../../outside")


def forged_commit(remote: HostileRemote) -> CommitId:
    forged = CommitId(digests.compute(digests.COMMIT, b"what was asked for"))
    remote.add(digests.COMMIT, b"something else", as_digest=forged)
    return forged


def forged_root(remote: HostileRemote) -> CommitId:
    return remote.commit_of(remote.add(0, b"else", as_digest=digests.compute(digests.ROOT, b"what was asked for")))


def forged_leaf(remote: HostileRemote) -> CommitId:
    forged = digests.compute(digests.NODE, b"what was asked for")
    other = encode_entries(0, 32, [encode_key("a")], [DATA.digest], None)
    return remote.commit(remote.add(0, other, as_digest=forged), empty(remote))


def garbage_commit(remote: HostileRemote) -> CommitId:
    return CommitId(remote.add(digests.COMMIT, b"\x01\xff" + bytes(40)))


def garbage_root(remote: HostileRemote) -> CommitId:
    return remote.commit_of(remote.add(digests.ROOT, b"garbage"))


def endless_count_of_entries(remote: HostileRemote) -> CommitId:
    node = remote.add(digests.NODE, b"\x01\x00\x20\x00\xff\xff\xff\xff" + bytes(64))
    return remote.commit(node, empty(remote))


LIES: list[Callable[[HostileRemote], CommitId]] = [
    keys_out_of_order,
    key_twice,
    key_with_dots,
    key_with_control_character,
    key_of_no_kind,
    key_not_text,
    wrong_count_of_samples,
    wrong_count_below,
    wrong_level,
    wrong_last_key,
    missing_leaf,
    missing_root,
    missing_parent,
    missing_head,
    missing_metadata_text,
    metadata_that_is_no_text,
    name_of_an_arrayset_that_is_a_path,
    forged_commit,
    forged_root,
    forged_leaf,
    garbage_commit,
    garbage_root,
    endless_count_of_entries,
]


def everything(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*") if "second" not in path.parts}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_history_that_is_none_is_refused_whole(tmp_path: Path, lie: Callable[[HostileRemote], CommitId]) -> None:
    remote = HostileRemote(tmp_path / "remote")
    address = remote.publish(lie(remote))
    repo = fresh(tmp_path / "second")
    repo.init("Ada", "ada@example.org")
    repo.remote.add("origin", address)
    before = everything(tmp_path)
    with pytest.raises((BadAnswer, CorruptRecord)) as caught:
        repo.remote.fetch("origin", "master")
    assert isinstance(caught.value, HangarError)
    assert repo.list_branches() == ["master"]
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    "place", ["2e2e2f2e2e/0000000000000001", "6d6173746572/zz", "../../x", "436f6e20/0000000000000001"]
)
def test_branches_with_names_that_none_has_are_refused(tmp_path: Path, place: str) -> None:
    remote = HostileRemote(tmp_path / "a" / "b" / "c")
    address = remote.publish(remote.commit(leaf(remote, encode_key("a")), empty(remote)), branch_file=place)
    repo = fresh(tmp_path / "second")
    with pytest.raises(RemoteError):
        repo.clone("Ada", "ada@example.org", address)
    assert list((tmp_path / "second").iterdir()) == []


def test_data_that_are_other_data_are_refused(tmp_path: Path) -> None:
    remote = HostileRemote(tmp_path / "remote")
    other = payload_of(np.zeros((2, 3), "<f4"))
    remote.frames.append(arrays_frame("<f4", (2, 3), [DATA.digest], [other.data]))
    address = remote.publish(remote.commit(leaf(remote, encode_key("a")), empty(remote)))
    repo = fresh(tmp_path / "second")
    repo.clone("Ada", "ada@example.org", address)
    with pytest.raises(BadAnswer, match="another digest"):
        repo.remote.fetch_data("origin", "master")
    with reading(repo) as reader:
        assert reader["numbers"].remote_reference_keys == ["a"]


def test_data_that_the_remote_has_not_got_are_said(tmp_path: Path) -> None:
    remote = HostileRemote(tmp_path / "remote")
    address = remote.publish(remote.commit(leaf(remote, encode_key("a")), empty(remote)))
    repo = fresh(tmp_path / "second")
    repo.clone("Ada", "ada@example.org", address)
    with pytest.raises(BadAnswer, match="it lacks 1 of the data"):
        repo.remote.fetch_data("origin", "master")


@pytest.mark.parametrize("seed", range(6))
def test_damaged_files_of_a_remote_give_what_was_there_or_an_error(tmp_path: Path, seed: int) -> None:
    """Bit rot at the other end: every byte that is taken over is right."""
    remote = HostileRemote(tmp_path / "remote")
    remote.frames.append(arrays_frame("<f4", (2, 3), [DATA.digest], [DATA.data]))
    address = remote.publish(remote.commit(leaf(remote, encode_key("a")), empty(remote)))
    chance = np.random.default_rng(seed)
    path = tmp_path / "remote" / "segments" / UID
    data = bytearray(path.read_bytes())
    for _ in range(3):
        data[int(chance.integers(len(data)))] ^= 1 << int(chance.integers(8))
    path.write_bytes(data)
    repo = fresh(tmp_path / "second")
    try:
        repo.clone("Ada", "ada@example.org", address)
        repo.remote.fetch_data("origin", "master")
    except HangarError:
        return
    with reading(repo) as reader:
        assert np.array_equal(reader["numbers", "a"], np.ones((2, 3), "<f4"))


def test_a_segment_without_an_end_is_refused(tmp_path: Path) -> None:
    remote = HostileRemote(tmp_path / "remote")
    address = remote.publish(remote.commit(leaf(remote, encode_key("a")), empty(remote)))
    path = tmp_path / "remote" / "segments" / UID
    os.truncate(path, path.stat().st_size - 7)
    with pytest.raises(HangarError):
        fresh(tmp_path / "second").clone("Ada", "ada@example.org", address)
