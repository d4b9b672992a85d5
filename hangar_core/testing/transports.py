"""The contract of transports: what every one of them has to pass.

A transport's own test file is a subclass::

    class TestMine(TransportContract):
        @pytest.fixture
        def address(self):
            return "mine://host/somewhere-empty"

It talks to the remote through the verbs of `hangar_core.remotes.transport.Transport` alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from hangar_core.errors import PushRejected, RefChanged, RemoteError, RemoteRefused
from hangar_core.hashing import digests
from hangar_core.hashing.samples import payload_of
from hangar_core.model import Commit, CommitId, Digest
from hangar_core.records.commits import encode_commit
from hangar_core.records.keys import encode_key
from hangar_core.records.nodes import encode_entries
from hangar_core.remotes.frames import Frame, arrays_frame, plain_frame, verified
from hangar_core.remotes.transport import Credentials, Transport, open_transport
from hangar_core.testing.histories import History


class TransportContract:
    """What a transport promises. Subclasses have a fixture `address`: a remote that does not exist yet."""

    # What the transport is opened with.
    credentials = Credentials()

    @pytest.fixture
    def address(self) -> str:
        """Where there is room for a remote."""
        raise NotImplementedError

    @contextmanager
    def opened(self, address: str, *, create: bool = False) -> Iterator[Transport]:
        """Open the remote for a block."""
        with closing(open_transport(address, self.credentials, create=create)) as transport:
            yield transport

    @pytest.fixture
    def remote(self, address: str) -> Iterator[Transport]:
        """An empty remote."""
        with self.opened(address, create=True) as transport:
            transport.info()
            yield transport

    @pytest.fixture
    def filled(self, remote: Transport) -> tuple[Transport, History]:
        """A remote with three commits on `master`."""
        history = History()
        remote.put([history.array_frame])
        remote.put([history.record_frame])
        remote.move(history.move(history.commits[-1]))
        return remote, history

    # --- objects ----------------------------------------------------------------------------------------------------

    def test_what_is_not_there_is_refused_until_somebody_makes_it(self, address: str) -> None:
        with pytest.raises(RemoteError), self.opened(address) as transport:
            transport.info()
        with self.opened(address, create=True) as transport:
            assert dict(transport.info().branches) == {}
        with self.opened(address) as transport:
            assert dict(transport.info().branches) == {}

    def test_objects_come_back_as_they_were_sent(self, filled: tuple[Transport, History]) -> None:
        remote, history = filled
        wanted = [*history.objects, *history.data]
        got: dict[Digest, bytes] = {}
        for frame in remote.get(wanted):
            found = verified(frame)
            got.update(zip(found.digests, map(bytes, found.parts), strict=True))
        assert got == {**history.objects, **{one.digest: bytes(one.data) for one in history.payloads}}

    def test_only_what_was_asked_for_comes(self, filled: tuple[Transport, History]) -> None:
        remote, history = filled
        frames = list(remote.get([history.data[3], history.data[1]]))
        assert sorted(one for frame in frames for one in frame.digests) == sorted([history.data[1], history.data[3]])
        assert [verified(frame).shape for frame in frames] == [(2, 3)] * len(frames)

    def test_what_the_remote_lacks_is_left_out(self, filled: tuple[Transport, History]) -> None:
        remote, history = filled
        other = digests.compute(digests.TEXT, b"nobody has this")
        assert list(remote.get([other])) == []
        assert remote.has([other, history.data[0], history.commits[0]]) == [False, True, True]
        assert remote.has([]) == []

    def test_sending_again_changes_nothing(self, filled: tuple[Transport, History]) -> None:
        remote, history = filled
        remote.put([history.array_frame, history.record_frame])
        assert sum(frame.objects for frame in remote.get(history.data)) == len(history.data)

    def test_text_and_bytes_of_any_kind_come_back(self, remote: Transport) -> None:
        parts = [b"", "Zürich".encode(), bytes(range(256)) * 4000]
        names = [digests.compute(digests.TEXT, parts[0]), digests.compute(digests.TEXT, parts[1])]
        names.append(digests.compute(digests.BYTES, parts[2]))
        remote.put([plain_frame(names, parts)])
        got = {name: bytes(part) for frame in remote.get(names) for name, part in _pairs(frame)}
        assert got == dict(zip(names, parts, strict=True))

    def test_an_array_that_is_larger_than_a_batch_comes_back(self, remote: Transport) -> None:
        payload = payload_of(np.random.default_rng(1).integers(0, 256, 9 << 20, np.uint8))
        remote.put([arrays_frame(payload.dtype, payload.shape, [payload.digest], [payload.data])])
        (frame,) = remote.get([payload.digest])
        assert bytes(verified(frame).parts[0]) == bytes(payload.data)

    # --- what is refused --------------------------------------------------------------------------------------------

    def test_an_object_with_another_digest_is_refused(self, remote: Transport) -> None:
        forged = digests.compute(digests.BYTES, b"this")
        with pytest.raises(RemoteRefused) as caught:
            remote.put([plain_frame([forged], [b"that"])])
        assert caught.value.code == "bad-object"
        assert remote.has([forged]) == [False]

    def test_a_record_that_is_none_is_refused(self, remote: Transport) -> None:
        for code in (digests.NODE, digests.ROOT, digests.COMMIT, digests.SCHEMA):
            name = digests.compute(code, b"garbage")
            with pytest.raises(RemoteRefused) as caught:
                remote.put([plain_frame([name], [b"garbage"])])
            assert caught.value.code == "bad-object"

    def test_a_record_whose_parts_are_missing_is_refused(self, remote: Transport) -> None:
        history = History()
        with pytest.raises(RemoteRefused) as caught:
            remote.put([history.record_frame])
        assert caught.value.code == "missing-object"
        assert not any(remote.has(list(history.objects)))

    @pytest.mark.parametrize("together", [True, False])
    @pytest.mark.parametrize(("level", "key", "count"), [(1, "s4", 6), (1, "s5", 5), (2, "s4", 5)])
    def test_a_node_that_lies_about_what_is_below_is_refused(
        self, filled: tuple[Transport, History], level: int, key: str, count: int, together: bool
    ) -> None:
        remote, history = filled
        leaf = next(one for one in history.objects if history.objects[one][8:] and digests.code_of(one) == digests.NODE)
        lie = encode_entries(level, 32, [encode_key(key)], [leaf], [count])
        name = digests.compute(digests.NODE, lie)
        names, parts = ([leaf, name], [history.objects[leaf], lie]) if together else ([name], [lie])
        with pytest.raises(RemoteRefused) as caught:
            remote.put([plain_frame(names, parts)])
        assert caught.value.code == "bad-object"

    # --- branches ---------------------------------------------------------------------------------------------------

    def test_a_branch_moves_forward_and_is_seen_by_others(
        self, filled: tuple[Transport, History], address: str
    ) -> None:
        _, history = filled
        with self.opened(address) as other:
            assert dict(other.info().branches) == {"master": history.commits[-1]}

    def test_an_answer_that_was_lost_can_be_asked_for_again(self, filled: tuple[Transport, History]) -> None:
        remote, history = filled
        remote.move(history.move(history.commits[-1]))
        assert remote.info().branches["master"] == history.commits[-1]

    def test_a_branch_that_has_moved_is_not_set(self, filled: tuple[Transport, History]) -> None:
        remote, history = filled
        with pytest.raises(RefChanged):
            remote.move(history.move(history.commits[0], history.commits[1]))
        assert remote.info().branches["master"] == history.commits[-1]

    def test_a_branch_goes_back_only_by_force(self, filled: tuple[Transport, History]) -> None:
        remote, history = filled
        back = history.move(history.commits[0], history.commits[-1])
        with pytest.raises(PushRejected):
            remote.move(back)
        remote.move(back._replace(force=True))
        assert remote.info().branches["master"] == history.commits[0]

    def test_a_branch_points_at_no_commit_that_is_not_there(self, remote: Transport) -> None:
        with pytest.raises(RemoteRefused) as caught:
            remote.move(History().move(History().commits[0]))
        assert caught.value.code == "missing-object"
        assert dict(remote.info().branches) == {}

    def test_of_many_who_move_a_branch_at_once_one_wins(self, filled: tuple[Transport, History], address: str) -> None:
        remote, history = filled
        rivals = []
        for number in range(4):
            rival = Commit((history.commits[-1],), _root(history), 1_700_000_000_000_100 + number, "A", "a", "rival")
            data = encode_commit(rival)
            rivals.append(CommitId(digests.compute(digests.COMMIT, data)))
            remote.put([plain_frame([rivals[-1]], [data])])
        barrier, outcome = threading.Barrier(4), []

        def push(new: CommitId) -> None:
            with self.opened(address) as mine:
                barrier.wait()
                try:
                    mine.move(history.move(new, history.commits[-1]))
                    outcome.append(new)
                except (RefChanged, PushRejected):
                    pass

        threads = [threading.Thread(target=push, args=(new,)) for new in rivals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcome == [remote.info().branches["master"]]

    # --- history ----------------------------------------------------------------------------------------------------

    def test_history_is_given_from_the_heads_down_to_what_is_known(self, filled: tuple[Transport, History]) -> None:
        remote, history = filled
        one, two, three = history.commits
        assert _names(remote.history([three], [], 100)) == [three, two, one]
        assert _names(remote.history([three], [one], 100)) == [three, two]
        assert _names(remote.history([three], [], 2)) == [three, two]
        assert _names(remote.history([three], [three], 100)) == []


def _pairs(frame: Frame) -> list[tuple[Digest, bytes | memoryview]]:
    found = verified(frame)
    return list(zip(found.digests, found.parts, strict=True))


def _names(frames: Iterator[Frame]) -> list[Digest]:
    return [one for frame in frames for one in frame.digests]


def _root(history: History) -> Digest:
    return next(one for one in history.objects if digests.code_of(one) == digests.ROOT)
