"""What samples are known by, without reading them, and reading them by that."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from hangar_core.errors import DataMissing, SampleNotFound
from hangar_core.model import Digest


def test_names_come_with_digests_and_digests_give_the_data(filled):
    with closing(filled.checkout()) as reader:
        aset = reader["numbers"]
        pairs = list(aset.digest_items())
        assert pairs == [(name, aset.digest(name)) for name in aset]
        found = aset.of_digests([digest for _, digest in pairs[::-1]])
        assert [one[0, 0] for one in found] == [aset[name][0, 0] for name, _ in pairs[::-1]]
        found[0][:] = 0
        assert aset[pairs[-1][0]].any(), "what was read is one's own"
        with pytest.raises(DataMissing):
            aset.of_digests([Digest(bytes(32) + b"\x01")])


def test_many_digests_are_looked_up_whatever_the_names_are(filled):
    with closing(filled.checkout()) as reader:
        aset = reader["numbers"]
        assert aset.digests(["a", 3]) == [aset.digest("a"), aset.digest(3)]
        for wrong in ([1, 2**70], ["a", None], ["a", ""], [3, 4]):
            with pytest.raises(SampleNotFound):
                aset.digests(wrong)


def test_which_data_are_here_is_told_of_many_at_once_also_of_staged_ones(filled):
    nowhere = Digest(bytes(32) + b"\x01")
    with closing(filled.checkout(write=True)) as writer:
        writer["numbers"]["new"] = np.zeros((2, 3), np.float32)
        known = {digest for _, digest in writer["numbers"].digest_items()}
        assert len(known) == 4
        assert writer.with_data({*known, nowhere}) == known
        assert not writer.has_data(nowhere)
    with closing(filled.checkout()) as reader:
        assert len(reader.with_data(known)) == 3


def test_subsamples_come_with_both_names(repo):
    with closing(repo.checkout(write=True)) as writer:
        aset = writer.arraysets.init_arrayset("views", shape=(2,), dtype=np.uint8, contains_subsamples=True)
        aset["a"] = {"left": np.zeros(2, np.uint8), 1: np.ones(2, np.uint8)}
        assert dict(aset.digest_items()) == {name: aset.digest(name) for name in (("a", 1), ("a", "left"))}
        writer.commit("views")
    with closing(repo.checkout()) as reader:
        assert [name for name, _ in reader["views"].digest_items()] == [("a", 1), ("a", "left")]
