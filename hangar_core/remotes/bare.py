"""A bare remote: history and data without a working repository, in files that are written once.

It needs nothing but a store that can create a file unless there is one of that name, so the same code serves a folder
on a mounted disk, a bucket, and the server behind ``http``. Everything that comes in is verified, and is taken only if
all that it names is there: what a bare remote holds is complete, in whatever order and by whomever it was sent, and an
upload that broke off is gone on with by sending what is missing. Format: docs/formats/bare-remote.md.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from hangar_core.errors import (
    BadAnswer,
    CorruptRecord,
    NoRepositoryThere,
    PushRejected,
    RefChanged,
    RemoteRefused,
    StorageFailed,
    UnsupportedFormat,
)
from hangar_core.hashing import digests
from hangar_core.history.graph import is_ancestor
from hangar_core.model import Commit, CommitId, Digest
from hangar_core.names import check_plain
from hangar_core.records.commits import decode_commit
from hangar_core.records.nodes import view_node
from hangar_core.remotes.branches import (
    WRITE_ID_SIZE,
    Position,
    decode_position,
    encode_position,
    parse_place,
    place_of,
)
from hangar_core.remotes.checking import check_child, names_in
from hangar_core.remotes.frames import (
    Expanded,
    Frame,
    expanded,
    frames_of,
    read_frame,
    read_frames,
    size_of,
    split_digests,
    verified,
)
from hangar_core.remotes.holdings import SEGMENTS, Holdings
from hangar_core.remotes.parallel import Window
from hangar_core.remotes.segments import encode_segment, split_segment
from hangar_core.remotes.store import Store
from hangar_core.remotes.transport import Info, RefUpdate

MARKER: Final = "hangar-remote.json"
FORMAT: Final = 1
_CACHED_FRAMES = 32
_REFS = "refs/"


class BareRemote:
    """The transport to a bare remote in a store. Several threads and processes may use it at once."""

    def __init__(self, store: Store, address: str, *, create: bool = False) -> None:
        """`address` names it in errors; with `create` an empty place becomes a remote. Raises `NoRepositoryThere`."""
        self._store = store
        self.address = address
        self._lock = threading.Lock()
        self._holdings = self._held_by(store)
        self._frames: OrderedDict[tuple[int, int], Expanded] = OrderedDict()
        self._check_marker(create)

    # --- the verbs of a transport -----------------------------------------------------------------------------------

    def info(self) -> Info:
        """Return where all branches are."""
        newest: dict[str, int] = {}
        for place in self._store.names(_REFS):
            branch, number = self._parsed(place)
            newest[branch] = max(number, newest.get(branch, 0))
        branches = {}
        for branch, number in sorted(newest.items()):
            position = self._position(branch, number)
            if position is not None and position.commit is not None:
                branches[branch] = position.commit
        return Info(branches, self._store.batch_bytes)

    def has(self, wanted: Sequence[Digest]) -> list[bool]:
        """Return which objects are here."""
        return [place >= 0 for place in self._holdings.find(wanted)[:, 0].tolist()]

    def get(self, wanted: Sequence[Digest]) -> Generator[Frame, None, None]:
        """Yield objects in the order in which they lie; frames of which all is wanted go out as they are."""
        places = self._holdings.find(wanted)
        by_frame: dict[tuple[int, int], list[int]] = {}
        for segment, frame, number in sorted({tuple(place) for place in places.tolist() if place[0] >= 0}):
            by_frame.setdefault((segment, frame), []).append(number)
        for (segment, number), inside in by_frame.items():
            if len(inside) == self._holdings.place(segment, number).objects:
                yield self._read_frame(segment, number)
            else:
                yield self._expanded(segment, number).only(inside)

    def history(self, heads: Sequence[CommitId], known: Sequence[CommitId], limit: int) -> Iterator[Frame]:
        """Yield commits from `heads` on."""
        return frames_of(self._walk(heads, set(known), limit))

    def put(self, frames: Sequence[Frame], kept: Callable[[], None] = lambda: None) -> None:
        """Verify, and store what is not here yet as one segment.

        Where a file is there before it is durable, `kept` is called when it is written, and right: whoever is killed
        from then on, `take_in_left` finds it.
        """
        fresh = self._not_here(frames)
        if not fresh:
            return
        name = uuid.uuid4().hex
        buffers, directory = encode_segment(fresh)
        with self._store.begun(SEGMENTS + name, buffers) as create:
            self._verify(fresh)
            if sum(map(len, buffers)) < self._store.keeps:
                kept()
            create()
        self._holdings.add(name, directory)

    def put_within(self, frames: Sequence[Frame], window: Window) -> None:
        """Do the same with room in a window, until it is kept."""
        with window.room(size_of(frames)) as kept:
            self.put(frames, kept)

    def take_in_left(self) -> None:
        """Store what writers have written whole and were killed before they gave it its name."""
        for data in self._store.left():
            try:
                frames, directory = split_segment(data, "segment")
                if not all(self.has(split_digests(directory.names))):
                    self.put(list(read_frames(frames)))
            except (CorruptRecord, OSError, RemoteRefused, StorageFailed):
                continue  # not whole, or not right; and where there is no room, what is there can still be read

    def move(self, update: RefUpdate) -> None:
        """Move a branch by creating the file of its next move."""
        branch = check_plain(update.branch, "Branch")
        number, position = self._current(branch)
        current = position.commit if position is not None else None
        if current == update.new:
            return
        if current != update.old:
            raise RefChanged(name=branch)
        self._check_move(update, current)
        write_id = os.urandom(WRITE_ID_SIZE)
        made = Position(update.new, update.time, update.user, update.reason, write_id)
        if not self._store.create(place_of(branch, number + 1), [encode_position(made)]):
            won = self._position(branch, number + 1)
            if won is None or won.write_id != write_id:
                raise RefChanged(name=branch)
        self._holdings.gather()

    def close(self) -> None:
        """There is nothing to let go."""

    # --- more than a transport needs --------------------------------------------------------------------------------

    def reflog(self, branch: str) -> list[Position]:
        """Return the moves of a branch, newest first."""
        check_plain(branch, "Branch")
        numbers = [number for one, number in map(self._parsed, self._store.names(_REFS)) if one == branch]
        found = (self._position(branch, number) for number in sorted(numbers, reverse=True))
        return [position for position in found if position is not None]

    # --- inside -----------------------------------------------------------------------------------------------------

    def _held_by(self, store: Store) -> Holdings:
        return Holdings(store)

    def _check_marker(self, create: bool) -> None:
        data = self._store.read(MARKER)
        if data is None:
            if not create:
                raise NoRepositoryThere(address=self.address, reason="")
            self._store.create(MARKER, [json.dumps({"format": FORMAT, "requires": []}).encode()])
            data = self._store.read(MARKER)
        try:
            match json.loads(data or b""):
                case {"format": int(form), "requires": [*features]}:
                    if form == FORMAT and not features:
                        return
                    raise UnsupportedFormat(
                        what=f"The remote at `{self.address}`", needs=f"remote format {form} {features or ''}".strip()
                    )
        except (ValueError, RecursionError):
            pass
        raise CorruptRecord(what=f"{self.address}/{MARKER}", reason="it does not hold a format and features")

    def _not_here(self, frames: Sequence[Frame]) -> list[Frame]:
        """Return the frames that hold anything new, as far as is known."""
        names = [digest for frame in frames for digest in frame.digests]
        missing = iter((self._holdings.find_known(names)[:, 0] < 0).tolist())
        # All of each slice is used up, whatever is in it.
        return [frame for frame in frames if any(list(islice(missing, frame.objects)))]

    def _read_frame(self, segment: int, number: int) -> Frame:
        file, offset, length, objects = self._holdings.place(segment, number)
        data = self._store.read(file, offset, length)
        if data is None:
            raise BadAnswer(address=self.address, reason=f"{file} is missing")
        try:
            frame = read_frame(memoryview(data))[0]
        except CorruptRecord as why:
            raise BadAnswer(address=self.address, reason=f"{file} is damaged at byte {offset}: {why}") from why
        if frame.objects != objects:
            raise BadAnswer(address=self.address, reason=f"{file} has other objects at byte {offset} than it is said")
        return frame

    def _expanded(self, segment: int, number: int) -> Expanded:
        with self._lock:
            found = self._frames.get((segment, number))
        if found is None:
            found = expanded(self._read_frame(segment, number))
            if sum(map(len, found.parts)) <= 2 << 20:
                with self._lock:
                    self._frames[segment, number] = found
                    if len(self._frames) > _CACHED_FRAMES:
                        self._frames.popitem(last=False)
        return found

    def _verify(self, fresh: Sequence[Frame]) -> None:
        """Compute digests anew, and require that all is here that objects name. Raises `RemoteRefused`."""
        named: dict[Digest, None] = {}
        nodes: dict[Digest, bytes] = {}
        for frame in fresh:
            try:
                found = verified(frame)
                if not found.dtype:
                    for digest, part in zip(found.digests, found.parts, strict=True):
                        named.update(dict.fromkeys(names_in(digest, bytes(part))))
                        if digests.code_of(digest) == digests.NODE:
                            nodes[digest] = bytes(part)
            except (CorruptRecord, UnsupportedFormat) as why:
                raise RemoteRefused(code="bad-object", reason=str(why)) from why
        for frame in fresh:
            for digest in frame.digests:
                named.pop(digest, None)
        outside = list(named)
        missing = [digest for digest, here in zip(outside, self.has(outside), strict=True) if not here]
        if missing:
            raise RemoteRefused(
                code="missing-object",
                reason=f"{len(missing)} objects that are named are missing, such as {digests.text(missing[0])}",
                count=len(missing),
                missing=missing[:1000],
            )
        self._check_trees(nodes)

    def _check_trees(self, nodes: Mapping[Digest, bytes]) -> None:
        """Require that what stands below each node is what the node says of it: who fetches would refuse it."""
        for data in nodes.values():
            above = view_node(data)
            if not above.level:
                continue
            here = [digest for digest in above.digests if digest not in nodes]
            stored = dict(zip(here, self._small_objects(here), strict=True))
            for at, digest in enumerate(above.digests):
                try:
                    check_child(above, at, view_node(nodes[digest] if digest in nodes else stored[digest]))
                except CorruptRecord as why:
                    raise RemoteRefused(code="bad-object", reason=str(why)) from why

    def _small_objects(self, wanted: Sequence[Digest]) -> list[bytes]:
        """Return objects that are here."""
        places = self._holdings.find_known(wanted).tolist()
        return [bytes(self._expanded(segment, frame).parts[number]) for segment, frame, number in places]

    def _parsed(self, place: str) -> tuple[str, int]:
        try:
            return parse_place(place)
        except CorruptRecord as why:
            raise BadAnswer(address=self.address, reason=str(why)) from why

    def _position(self, branch: str, number: int) -> Position | None:
        data = self._store.read(place_of(branch, number))
        return None if data is None else decode_position(data)

    def _current(self, branch: str) -> tuple[int, Position | None]:
        """Return the number and content of the last move of a branch, 0 and None before the first."""
        prefix = place_of(branch, 0)[:-16]
        numbers = self._store.names(prefix)
        if not numbers:
            return 0, None
        number = self._parsed(f"{prefix.removeprefix(_REFS)}{numbers[-1]}")[1]
        return number, self._position(branch, number)

    def _check_move(self, update: RefUpdate, current: CommitId | None) -> None:
        if update.new is None:
            if not update.force:
                raise PushRejected(branch=update.branch, remote=self.address)
            return
        if digests.code_of(update.new) != digests.COMMIT or not self.has([update.new])[0]:
            raise RemoteRefused(
                code="missing-object", reason=f"the commit {digests.text(update.new)} was never sent", count=1
            )
        if current is not None and not update.force and not is_ancestor(current, update.new, self._read_commit):
            raise PushRejected(branch=update.branch, remote=self.address)

    def _walk(self, heads: Iterable[CommitId], known: set[CommitId], limit: int) -> Iterator[tuple[CommitId, bytes]]:
        todo = deque(heads)
        seen: set[CommitId] = set(known)
        while todo and limit:
            one = todo.popleft()
            if one in seen:
                continue
            seen.add(one)
            data = self._record(one)
            if data is None:
                continue
            yield one, data
            limit -= 1
            todo.extend(decode_commit(data).parents)

    def _read_commit(self, commit: CommitId) -> Commit:
        data = self._record(commit)
        if data is None:
            raise BadAnswer(address=self.address, reason=f"the commit {digests.text(commit)} is missing")
        return decode_commit(data)

    def _record(self, digest: Digest) -> bytes | None:
        """Return one small object, verified."""
        segment, frame, number = self._holdings.find([digest])[0].tolist()
        if segment < 0:
            return None
        data = bytes(self._expanded(segment, frame).parts[number])
        if digests.compute(digests.code_of(digest), data) != digest:
            raise BadAnswer(address=self.address, reason=f"{digests.text(digest)} is damaged there")
        return data
