"""The one LMDB environment of a repository, with named tables.

Reading happens in short `read()` transactions. Writing means filling a `Batch` inside `write()`: it is applied in one
transaction when the block ends, or not at all if anything raises. What a snapshot does with it, `snapshots` says, and
`batches` what a transaction does.

Tables: `nodes` (digest -> tree node, commit, root, schema, text), `refs` (branch heads and the state of staging),
`reflog` (every move of a branch), `locations` (data digest -> where its bytes lie here), `packs` (pack -> published
length), `recent` (nodes and locations of the last small commits: see `bundles`), `places` (locations of large ones, in
runs: see `places`), `edits` (tree -> the one it was made from, and how). Format: docs/formats/repository.md.
"""

from __future__ import annotations

import os

# Of `threading` no more is needed as a rule, and loading it takes longer than opening the database.
from _thread import RLock, allocate_lock, get_ident
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import lmdb

from hangar_core import files
from hangar_core.errors import ClosedError, CorruptRecord, StorageFailed
from hangar_core.storage import bundles, places
from hangar_core.storage.snapshots import Reader

if TYPE_CHECKING:
    import threading

    from hangar_core.storage.batches import Batch

TABLES: Final = ("nodes", "refs", "reflog", "locations", "packs", bundles.TABLE, places.TABLE, "edits")
_FIRST_MAP = 64 << 20
_MAX_READERS = 1024
_HARDLY_ANY = 64 << 10
# What LMDB takes for so many; a file of another size would give it another number of readers.
_LOCK_SIZE = 64 * (_MAX_READERS + 2)
# Tables that have not always been there, and cannot be made on read-only media.
_LATER: Final = (bundles.TABLE, places.TABLE, "edits")
# How many seconds a fork waits for other threads to end their transactions.
_LONGEST_REST = 5.0
# About what the database needs for an entry besides its key and value.
_PER_ENTRY = 32
_PER_PLACE: Final = 64
# How much longer than its records the file is at least.
_BEHIND: Final = 1 << 16


class Snapshot:
    """What `Tables.read` gives, to be entered. A class, since a generator takes three times as long."""

    __slots__ = ("_tables", "_thread", "_txn")

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._thread = 0  # which began it; another one may end it, if it is the one that collects garbage
        self._txn: Any = None

    def __enter__(self) -> Reader:
        return self._tables._enter(self)

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._txn is not None:
            self._tables._leave(self._thread, self._txn)
            if isinstance(why, lmdb.Error):
                raise _translated(self._tables.path, why) from why


class Tables:
    """The environment, opened once per directory and process; see `open_tables`."""

    def __init__(self, path: Path, *, first_map: int = _FIRST_MAP) -> None:
        self.path = path
        self._file = path / "data.mdb"
        self._first_map = first_map
        self._pid = os.getpid()
        # Reentrant: a snapshot that nobody holds any more may be ended anywhere, by the garbage collector.
        self._lock = RLock()
        self._active = 0
        # By thread.
        self._readers: dict[int, Reader] = {}
        self._idle: threading.Condition | None = None
        # None while nothing is open, after a fork for example; `_opened` sees to that.
        self._env: Any = None
        self._writable = True
        self._tables: dict[str, Any] = {}
        self._recent = bundles.Recent()
        # How long the file is known to be; it never becomes shorter while it is open.
        self._long_enough = 0
        self._opened()

    def read(self) -> Snapshot:
        """Give a snapshot. Inside another `read()` of the same thread it is the same one."""
        return Snapshot(self)

    @contextmanager
    def write(self) -> Iterator[Batch]:
        """Give a `Batch` that becomes visible and durable whole when the block ends; nothing of it if the block raises.

        Raises `RefChanged` if an expectation does not hold, `StorageFailed` if the disk is full or read-only.
        """
        self._check_process()
        if not self._writable:
            from hangar_core.storage.read_only import refusal

            raise refusal(self._file)
        from hangar_core.storage.batches import Batch

        batch = Batch()
        yield batch
        # The map can only grow while no snapshot is held; this thread would wait for itself.
        assert get_ident() not in self._readers, "a write() may contain a read(), but not stand in one"
        files.failpoint("tables.commit")
        self._make_room(batch)
        while not self._apply(batch):
            self._resize(lambda size: size * 2)
        files.failpoint("tables.committed")
        files.note_tables(self._file)

    def _enter(self, snapshot: Snapshot) -> Reader:
        self._check_process()
        thread = get_ident()
        reader = self._readers.get(thread)
        if reader is None:
            snapshot._txn = txn = self._begin()
            snapshot._thread = thread
            self._readers[thread] = reader = Reader(txn, self._tables, self._file, self._recent)
        return reader

    def _leave(self, thread: int, txn: Any) -> None:
        self._readers.pop(thread, None)
        txn.abort()
        self._end()

    def used_bytes(self) -> int:
        """Return the size of the database file."""
        return self._file.stat().st_size

    def close(self) -> None:
        """Close the environment; whoever still uses it gets `ClosedError`."""
        if self._pid == os.getpid():
            self._close_environment()
        self._pid = -1

    def rest(self) -> None:
        """Close the environment until it is used again, and let nobody open it before `wake`: a fork is coming.

        LMDB must not be carried through a fork. An environment that is in use all the same stays open, and the child
        cannot have one of its own.
        """
        self._lock.acquire()
        if get_ident() not in self._readers:
            self._wait_until_idle(_LONGEST_REST)
        if self._active == 0:
            self._close_environment()

    @property
    def in_use(self) -> bool:
        """Whether the environment is open."""
        return self._env is not None

    def wake(self) -> None:
        """Allow use again: the fork is done."""
        self._lock.release()

    def _opened(self) -> Any:
        if self._env is None:
            self._writable = os.access(self.path, os.W_OK)
            if self._writable:
                files.reserve(self.path / "lock.mdb", _LOCK_SIZE)
            try:
                self._env = lmdb.open(
                    os.fspath(self.path),
                    map_size=self._first_map,
                    max_dbs=len(TABLES),
                    max_readers=_MAX_READERS,
                    metasync=True,
                    sync=True,
                    create=self._writable,
                    readonly=not self._writable,
                    # A lock file cannot be made there; nor is there a writer to be protected from.
                    lock=self._writable,
                )
                self._cover()
                self._tables = dict(self._open_tables())
            except (lmdb.Error, CorruptRecord) as why:
                self._close_environment()
                if isinstance(why, CorruptRecord):
                    raise
                raise _translated(self.path, why) from why
        return self._env

    def _open_tables(self) -> Iterator[tuple[str, Any]]:
        """Open all tables. In a database that has been used, one without refs has lost them: nothing is made anew."""
        if self._env.info()["last_txnid"] > len(TABLES):
            try:
                self._env.open_db(b"refs", create=False)
            except lmdb.NotFoundError as why:
                raise CorruptRecord(what=str(self.path), reason="the table of refs cannot be found") from why
        for name in TABLES:
            try:
                yield name, self._env.open_db(name.encode(), create=self._writable)
            except lmdb.NotFoundError:
                if name not in _LATER:
                    raise

    def _cover(self) -> None:
        """Make the file as long as its records say: what is mapped and not there kills the process that looks.

        LMDB leaves unused pages at the end unwritten, so a short file need not be damaged. If it was cut, the zeros in
        place of what is missing are no valid pages, and whoever needs those gets `CorruptRecord`.
        """
        path = self._file
        with self._env.begin(write=self._writable):  # nobody else makes the file grow meanwhile
            needed = self._end_of_records()
            size = path.stat().st_size
            if needed > 2 * size + _FIRST_MAP:
                raise CorruptRecord(what=str(path), reason=f"it has {size} bytes, and says {needed}")
            if size < needed and not self._writable:
                raise CorruptRecord(
                    what=str(path),
                    reason=f"it has {size} bytes, says {needed}, and cannot be made longer where it is",
                    hint="copy the repository to a place where it can be written to, and open it there",
                )
            if size < needed:
                files.truncate(path, needed)
            if self._writable:
                self._lengthen(needed)

    def _lengthen(self, end: int) -> None:
        """See to it, as far as the disk allows, that the file is longer than its records, which end at `end`, need.

        LMDB trusts the lengths in its pages, and its binding touches all of a value before it hands it out. A bit that
        flips in the lower half of a length then finds zeros where the last page ends, and a checksum that does not
        match. Nothing of it is on the disk, and no promise rests on it, so that it is not synced.
        """
        if end + _BEHIND <= self._long_enough:
            return
        with suppress(OSError):
            if self._file.stat().st_size < end + _BEHIND:
                os.truncate(self._file, end + 2 * _BEHIND)
            self._long_enough = self._file.stat().st_size

    def _end_of_records(self) -> int:
        """Return how long LMDB's records say that the file is."""
        return int((self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"])

    def _close_environment(self) -> None:
        self._recent = bundles.Recent()  # another environment may number its transactions anew
        if self._env is not None:
            self._env.close()
            self._env = None
            self._long_enough = 0

    def _apply(self, batch: Batch) -> bool:
        """Apply whole, or return False when the map is too small."""
        from hangar_core.storage.batches import Writing

        txn = self._begin(write=True)
        try:
            Writing(txn, self._tables, self._recent, self.path).apply(batch)
            txn.commit()
            self._lengthen(self._end_of_records())
        except lmdb.MapFullError:
            txn.abort()
            return False
        except lmdb.Error as why:
            txn.abort()
            raise _translated(self.path, why) from why
        except BaseException:
            txn.abort()
            raise
        finally:
            self._end()
        return True

    def _begin(self, *, write: bool = False) -> Any:
        while True:
            with self._lock:
                env = self._opened()
                self._active += 1
            try:
                return env.begin(write=write, buffers=True)
            except lmdb.MapResizedError:
                self._end()
                self._resize(lambda _: 0)  # another process made the map grow: take its size over
            except lmdb.PanicError:
                # LMDB could not write the first pages of its file, and will not go on with this environment. A new one
                # finds the state before or the state after, whole.
                self._end()
                self._reopen()
            except lmdb.ReadersFullError as why:
                freed = env.reader_check()
                self._end()
                if not freed:  # no slots of dead processes: there is really no room
                    raise _translated(self.path, why) from why
            except lmdb.Error as why:
                self._end()
                raise _translated(self.path, why) from why

    def _end(self) -> None:
        with self._lock:
            self._active -= 1
            if self._idle is not None:
                self._idle.notify_all()

    def _wait_until_idle(self, seconds: float | None = None) -> None:
        """Wait, with the lock, until no transaction of this process is open."""
        if self._active == 0:
            return
        import threading  # hardly anybody waits, and who reads one sample need not load it

        if self._idle is None:
            self._idle = threading.Condition(self._lock)
        self._idle.wait_for(lambda: self._active == 0, seconds)

    def _reopen(self) -> None:
        with self._lock:
            self._wait_until_idle()
            self._close_environment()

    def _make_room(self, batch: Batch) -> None:
        """Let the map grow before a large batch is tried, rather than trying it once for every doubling."""
        room = 0
        for changes in batch.changes.values():
            room += sum(map(len, changes)) + sum(map(len, filter(None, changes.values()))) + _PER_ENTRY * len(changes)
        room += batch.placed_count * _PER_PLACE
        if room < self._first_map // 8:
            return

        def enough(size: int) -> int:
            info = env.info()
            while (info["last_pgno"] + 1) * env.stat()["psize"] + 2 * room > size:
                size *= 2
            return size

        env = self._opened()
        self._resize(enough)

    def _resize(self, size_after: Callable[[int], int]) -> None:
        """Change the map while no transaction of this process is open. Page-aligned by LMDB."""
        with self._lock:
            self._wait_until_idle()
            env = self._opened()
            env.set_mapsize(size_after(env.info()["map_size"]))

    def adopt(self) -> None:
        """Go on in a forked child with an environment of its own; only if `in_use` is false.

        The locks are made anew: another thread of the parent may have held them at the fork, and does not live here.
        """
        self._pid = os.getpid()
        self._lock = RLock()
        self._active = 0
        self._readers = {}
        self._idle = None

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise ClosedError(what="database handle")


_open: dict[tuple[int, int, int], Tables] = {}
_inherited: dict[tuple[int, int], Tables] = {}
_opening = allocate_lock()


def open_tables(path: Path) -> Tables:
    """Return the environment in `path`: the same object for the same directory, since LMDB forbids opening one twice.

    A forked child has environments of its own behind the objects it inherited. Raises `CorruptRecord`, and
    `ClosedError` in a child that was forked in the middle of a transaction.
    """
    try:
        stat = path.stat()
    except OSError as why:
        raise CorruptRecord(what=str(path), reason="the database directory is missing") from why
    if (stat.st_dev, stat.st_ino) in _inherited:
        raise ClosedError("This process was forked while the database was being read, and cannot open it.")
    key = (stat.st_dev, stat.st_ino, os.getpid())
    with _opening:
        if key not in _open:
            _open[key] = Tables(path)
        return _open[key]


def forget_tables(path: Path) -> None:
    """Close the environment in `path` if this process has it open: the directory is about to be removed."""
    try:
        stat = path.stat()
    except OSError:
        return
    with _opening:
        tables = _open.pop((stat.st_dev, stat.st_ino, os.getpid()), None)
    if tables is not None:
        tables.close()


def _before_fork() -> None:
    _opening.acquire()
    for tables in _open.values():
        tables.rest()


def _after_fork_in_parent() -> None:
    for tables in _open.values():
        tables.wake()
    _opening.release()


def _after_fork_in_child() -> None:
    # What of the parent's is still open may not be touched here, not even to close it: it is kept for good. What rests
    # wakes as the child's own, so that readers that were inherited go on.
    global _opening
    _inherited.update({key[:2]: tables for key, tables in _open.items() if tables.in_use})
    resting = {key[:2]: tables for key, tables in _open.items() if not tables.in_use}
    _open.clear()
    for key, tables in resting.items():
        tables.adopt()
        _open[(*key, os.getpid())] = tables
    _opening = allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def _translated(path: Path, why: lmdb.Error) -> CorruptRecord | StorageFailed:
    if isinstance(why, lmdb.CorruptedError | lmdb.PageNotFoundError | lmdb.InvalidError | lmdb.VersionMismatchError):
        return CorruptRecord(what=str(path), reason=str(why))
    text = str(why)
    return StorageFailed(path=path, reason="the disk is full" if "No space" in text or _is_full(path) else text)


def _is_full(path: Path) -> bool:
    """Whether there is hardly any room: LMDB calls a write that was cut short for that an input/output error."""
    from hangar_core.storage.host import free_bytes

    free = free_bytes(path)
    return free is not None and free < _HARDLY_ANY
