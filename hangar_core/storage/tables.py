"""The one LMDB environment of a repository, with named tables.

Reading happens in short `read()` transactions. Writing means filling a `Batch` inside `write()`: it is applied in one
transaction when the block ends, or not at all if anything raises. Because a batch is data, it can be applied again
after the map had to grow; because its expectations are checked inside the transaction, replacing a ref is a
compare-and-set. Every value carries a checksum over its key and its bytes, which LMDB itself does not have.

Tables: `nodes` (digest -> tree node, commit, root, schema, text), `refs` (branch heads and the state of staging),
`reflog` (every move of a branch), `locations` (data digest -> where its bytes lie here), `packs` (pack -> published
length), `recent` (nodes and locations of the last small commits: see `bundles`), `places` (locations of large ones, in
runs: see `places`). Format: docs/formats/repository.md.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import lmdb

from hangar_core import files
from hangar_core.errors import ClosedError, CorruptRecord, RefChanged, StorageFailed
from hangar_core.storage import bundles, places
from hangar_core.storage.read_only import is_writable, refusal
from hangar_core.storage.seals import CHECK_SIZE, checksum, open_seal, seal

TABLES: Final = ("nodes", "refs", "reflog", "locations", "packs", bundles.TABLE, places.TABLE)
_FIRST_MAP = 64 << 20
_MAX_READERS = 1024
_HARDLY_ANY = 64 << 10
_ROOM_TO_MOVE = 64 << 20
# What LMDB takes for so many; a file of another size would give it another number of readers.
_LOCK_SIZE = 64 * (_MAX_READERS + 2)
# Tables that have not always been there, and cannot be made on read-only media.
_LATER: Final = (bundles.TABLE, places.TABLE)
# How many seconds a fork waits for other threads to end their transactions.
_LONGEST_REST = 5.0
# About what the database needs for an entry besides its key and value.
_PER_ENTRY = 32
# Values up to here are copied without a look at the size of the file.
_LARGE = 1 << 16


def _data_file(path: Path) -> Path:
    return path / "data.mdb"


class Batch:
    """Changes to be made together. A later change of a key replaces an earlier one."""

    def __init__(self) -> None:
        self.changes: dict[str, dict[bytes, bytes | None]] = {}
        self.expected: list[tuple[str, bytes, bytes | None, str]] = []

    def put(self, table: str, key: bytes, value: bytes) -> None:
        self.changes.setdefault(table, {})[key] = value

    def put_many(self, table: str, items: Iterable[tuple[bytes, bytes]]) -> None:
        self.changes.setdefault(table, {}).update(items)

    def delete(self, table: str, key: bytes) -> None:
        self.changes.setdefault(table, {})[key] = None

    def expect(self, table: str, key: bytes, value: bytes | None, name: str) -> None:
        """Require that the table holds `value` (None: nothing) under `key`, else nothing is changed: `RefChanged`."""
        self.expected.append((table, key, value, name))


class Reader:
    """One snapshot of all tables."""

    def __init__(self, txn: Any, tables: dict[str, Any], path: Path, recent: bundles.Recent) -> None:
        self._txn = txn
        self._tables = tables
        self._path = path
        self._recent = recent
        self._bundled: bundles.Index | None = None
        self._runs: places.Runs | None = None

    def get(self, table: str, key: bytes) -> bytes | None:
        """Return the value under `key`, or None. Raises `CorruptRecord`."""
        number = self._index_of(table).get(key)
        if number is not None:
            return self._open_bundled(table, key, number) or (None if table == "locations" else b"")
        sealed = self._txn.get(key, db=self._tables[table])
        if table != "locations":
            return None if sealed is None else self._open(table, key, sealed)
        if sealed is None:
            runs = self._runs_of_places()
            return None if runs is None else runs.get(key)
        return self._open(table, key, sealed) or None

    def get_many(self, table: str, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Return key -> value of those keys that are there. Raises `CorruptRecord`."""
        index = self._index_of(table)
        values: dict[bytes, bytes] = {}
        if index:
            values = {key: self._open_bundled(table, key, index[key]) for key in index.keys() & keys}
        if not self._txn.stat(self._tables[table])["entries"]:
            return values if table != "locations" else self._with_runs(keys, values)
        with self._txn.cursor(db=self._tables[table]) as cursor:
            # In their order, most are found on the page of the one before.
            elsewhere = sorted(key for key in keys if key not in values) if values else sorted(keys)
            for name, sealed in cursor.getmulti(elsewhere):
                key = bytes(name)
                # What `_open` does, without two calls for each of many small values.
                if len(sealed) <= _LARGE:
                    data = bytes(sealed)
                    value = data[:-CHECK_SIZE]
                    if checksum(key + value) == data[-CHECK_SIZE:]:
                        values[key] = value
                        continue
                values[key] = self._open(table, key, sealed)
        return values if table != "locations" else self._with_runs(keys, values)

    def _with_runs(self, keys: Collection[bytes], values: dict[bytes, bytes]) -> dict[bytes, bytes]:
        """Add the locations that are in runs; those that were removed there are empty in their table."""
        if len(values) < len(keys) and (runs := self._runs_of_places()):
            values |= runs.get_many([key for key in keys if key not in values])
        return values if all(values.values()) else {key: value for key, value in values.items() if value}

    def _runs_of_places(self) -> places.Runs | None:
        """Return the runs, None if there are none."""
        if self._runs is None:
            table = self._tables.get(places.TABLE)
            if table is None:
                return None
            numbers = self._recent.runs_of_snapshot(self._txn, table)
            if not numbers:
                return None
            cursor = self._txn.cursor(db=table)
            self._runs = places.Runs(cursor, lambda key, sealed: self._open(places.TABLE, key, sealed), numbers)
        return self._runs

    def has_locations(self) -> bool:
        """Whether any data are published."""
        if self._index_of("locations") or self._runs_of_places() is not None:
            return True
        return bool(self._txn.stat(self._tables["locations"])["entries"])

    def items(self, table: str, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) in order of keys, of those keys that begin with `prefix`; not what is in runs.

        Of refs, and of a whole table, all are looked at and counted: one that cannot be found any more is damage, and
        must not look as if it had never been.
        """
        if table not in bundles.BUNDLED:
            yield from self._items(table, prefix)
            return
        yield from ((key, value) for key, value in self._with_bundles(table, prefix) if value)

    def every_place(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield all locations outside of runs; an empty one says that what a run has under that digest is void."""
        yield from self._with_bundles("locations", b"")

    def runs(self) -> Iterator[places.Columns]:
        """Yield all runs of locations whole, newest first. Raises `CorruptRecord`."""
        table = self._tables.get(places.TABLE)
        if table is None:
            return
        with self._txn.cursor(db=table) as cursor:
            for number in places.numbers(cursor):
                first = places.key_of(number)
                chunks: dict[bytes, bytes] = {}
                there = cursor.set_key(first)
                size = places.size_of(self._open(places.TABLE, first, cursor.value()))
                while (there := there and cursor.next()) and (key := bytes(cursor.key())).startswith(first):
                    chunks[key] = self._open(places.TABLE, key, cursor.value())
                yield places.decode_run(size, chunks)

    def _with_bundles(self, table: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        index = self._index_of(table)
        recent = sorted(key for key in index if key.startswith(prefix))
        bundled = ((key, self._open_bundled(table, key, index[key])) for key in recent)
        before = None
        from heapq import merge  # only who lists needs it

        for key, value in merge(bundled, self._items(table, prefix), key=itemgetter(0)):
            if key != before:  # what is in both is newer in the bundle, which comes first
                yield key, value
            before = key

    def _items(self, table: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        whole = table == "refs" or not prefix
        found = 0
        with self._txn.cursor(db=self._tables[table]) as cursor:
            for key, sealed in cursor if cursor.set_range(b"" if whole else prefix) else ():
                name = bytes(key)
                wanted = name.startswith(prefix)
                if not wanted and not whole:
                    return
                value = self._open(table, name, sealed)
                found += 1
                if wanted:
                    yield name, value
        if whole and found != (entries := self._txn.stat(self._tables[table])["entries"]):
            raise CorruptRecord(what=f"table {table}", reason=f"{found} of its {entries} records can be found")

    def _index_of(self, table: str) -> Mapping[bytes, int]:
        """Return which records of a table are in bundles, and in which."""
        if table not in bundles.BUNDLED:
            return {}
        if self._bundled is None:
            recent = self._tables.get(bundles.TABLE)
            self._bundled = self._recent.index_of_snapshot(self._txn, recent) if recent is not None else {}
        return self._bundled.get(table, {})

    def _open_bundled(self, table: str, key: bytes, number: int) -> bytes:
        sealed = self._recent.sealed(self._txn, self._tables[bundles.TABLE], number, table, key)
        return open_seal(table, key, sealed)

    def _open(self, table: str, key: bytes, sealed: memoryview) -> bytes:
        # Copying what a damaged length claims could reach behind the end of the file, which kills the process.
        if len(sealed) > _LARGE and len(sealed) > _data_file(self._path).stat().st_size:
            raise CorruptRecord(what=f"{table}/{key.hex()}", reason="it is longer than the database")
        return open_seal(table, key, bytes(sealed))


class Snapshot:
    """What `Tables.read` gives, to be entered. A class, since a generator takes three times as long."""

    __slots__ = ("_tables", "_txn")

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._txn: Any = None

    def __enter__(self) -> Reader:
        return self._tables._enter(self)

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._txn is not None:
            self._tables._leave(self._txn)
            if isinstance(why, lmdb.Error):
                raise _translated(self._tables.path, why) from why


class Tables:
    """The environment, opened once per directory and process; see `open_tables`."""

    def __init__(self, path: Path, *, first_map: int = _FIRST_MAP) -> None:
        self.path = path
        self._first_map = first_map
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._active = 0
        self._local = threading.local()
        # None while nothing is open, after a fork for example; `_opened` sees to that.
        self._env: Any = None
        self._writable = True
        self._tables: dict[str, Any] = {}
        self._recent = bundles.Recent()
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
            raise refusal(_data_file(self.path))
        batch = Batch()
        yield batch
        # The map can only grow while no snapshot is held; this thread would wait for itself.
        assert getattr(self._local, "reader", None) is None, "a write() may contain a read(), but not stand in one"
        files.failpoint("tables.commit")
        self._make_room(batch)
        while not self._apply(batch):
            self._resize(lambda size: size * 2)
        files.failpoint("tables.committed")
        files.note_tables(_data_file(self.path))

    def _enter(self, snapshot: Snapshot) -> Reader:
        self._check_process()
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            snapshot._txn = txn = self._begin()
            self._local.reader = reader = Reader(txn, self._tables, self.path, self._recent)
        return reader

    def _leave(self, txn: Any) -> None:
        self._local.reader = None
        txn.abort()
        self._end()

    def used_bytes(self) -> int:
        """Return the size of the database file."""
        return _data_file(self.path).stat().st_size

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
        self._changed.acquire()
        if getattr(self._local, "reader", None) is None:
            self._changed.wait_for(lambda: self._active == 0, _LONGEST_REST)
        if self._active == 0:
            self._close_environment()

    @property
    def in_use(self) -> bool:
        """Whether the environment is open."""
        return self._env is not None

    def wake(self) -> None:
        """Allow use again: the fork is done."""
        self._changed.release()

    def _opened(self) -> Any:
        if self._env is None:
            self._writable = is_writable(self.path)
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
        path = _data_file(self.path)
        with self._env.begin(write=self._writable):  # nobody else makes the file grow meanwhile
            needed = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
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

    def _close_environment(self) -> None:
        self._recent = bundles.Recent()  # another environment may number its transactions anew
        if self._env is not None:
            self._env.close()
            self._env = None

    def _apply(self, batch: Batch) -> bool:
        """Apply whole, or return False when the map is too small."""
        txn = self._begin(write=True)
        try:
            for table, key, value, name in batch.expected:
                sealed = txn.get(key, db=self._tables[table])
                if (None if sealed is None else open_seal(table, key, bytes(sealed))) != value:
                    raise RefChanged(name=name)
            bundled = bundles.BUNDLED if self._bundle(txn, batch.changes) else ()
            for table, changes in batch.changes.items():
                if table in bundled:
                    continue
                if table == "locations":
                    from hangar_core.storage.run_writing import put_runs  # who only reads has no use for it

                    changes = put_runs(txn, self._tables[places.TABLE], self._tables[table], changes)
                db = self._tables[table]
                puts = ((key, seal(key, value)) for key in sorted(changes) if (value := changes[key]) is not None)
                with txn.cursor(db=db) as cursor:
                    cursor.putmulti(puts)
                for key in (key for key, value in changes.items() if value is None):
                    txn.delete(key, db=db)
            txn.commit()
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

    def _bundle(self, txn: Any, changes: dict[str, dict[bytes, bytes | None]]) -> bool:
        """Write what is bundled as one more bundle, or return False when it is too much for that.

        Earlier bundles move to their tables when there are many, and before a record of theirs is written there.
        """
        if not any(changes.get(table) for table in bundles.BUNDLED):
            return True
        small = bundles.is_small(changes)
        recent = self._tables[bundles.TABLE]
        first, last = bundles.numbers(txn, recent) or (1, 0)
        index = self._recent.index(txn, recent)
        if self._is_crowded(last - first + 1) or not (
            small or all(changes.get(name, {}).keys().isdisjoint(keys) for name, keys in index.items())
        ):
            self._move_bundles(txn, first, last, keep_last=not small)
        if small:
            rows = ((table, *one) for table in bundles.BUNDLED for one in changes.get(table, {}).items())
            bundle = bundles.encode_bundle((table, key, seal(key, value or b"")) for table, key, value in rows)
            number = bundles.encode_number(last + 1)
            txn.put(number, seal(number, bundle), db=recent)
        return small

    def _is_crowded(self, count: int) -> bool:
        """Whether so many bundles are to move. That takes room, which must not be what a last commit lacks."""
        return count >= bundles.MOST and (count >= 2 * bundles.MOST - 1 or _free(self.path) > _ROOM_TO_MOVE)

    def _move_bundles(self, txn: Any, first: int, last: int, *, keep_last: bool) -> None:
        """Put the records of bundles into their tables. The last stays as an empty one, so that numbers go on."""
        recent = self._tables[bundles.TABLE]
        moved: dict[str, dict[bytes, bytes]] = {table: {} for table in bundles.BUNDLED}
        for number in range(first, last + 1):
            data = bundles.read_bundle(txn, recent, number)
            for table, keys in bundles.decode_bundle(number, data).items():
                moved[table].update({key: bytes(data[start:end]) for key, (start, end) in keys.items()})
            txn.delete(bundles.encode_number(number), db=recent)
        for table, rows in moved.items():
            with txn.cursor(db=self._tables[table]) as cursor:
                cursor.putmulti(sorted(rows.items()))
        if keep_last and last >= first:
            key = bundles.encode_number(last + 1)
            txn.put(key, seal(key, bundles.encode_bundle(())), db=recent)

    def _begin(self, *, write: bool = False) -> Any:
        while True:
            with self._changed:
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
        with self._changed:
            self._active -= 1
            self._changed.notify_all()

    def _reopen(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._active == 0)
            self._close_environment()

    def _make_room(self, batch: Batch) -> None:
        """Let the map grow before a large batch is tried, rather than trying it once for every doubling."""
        room = 0
        for changes in batch.changes.values():
            room += sum(map(len, changes)) + sum(map(len, filter(None, changes.values()))) + _PER_ENTRY * len(changes)
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
        with self._changed:
            self._changed.wait_for(lambda: self._active == 0)
            env = self._opened()
            env.set_mapsize(size_after(env.info()["map_size"]))

    def adopt(self) -> None:
        """Go on in a forked child with an environment of its own; only if `in_use` is false.

        The locks are made anew: another thread of the parent may have held them at the fork, and does not live here.
        """
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._active = 0
        self._local = threading.local()

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise ClosedError(what="database handle")


_open: dict[tuple[int, int, int], Tables] = {}
_inherited: dict[tuple[int, int], Tables] = {}
_opening = threading.Lock()


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
    _opening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def _translated(path: Path, why: lmdb.Error) -> CorruptRecord | StorageFailed:
    if isinstance(why, lmdb.CorruptedError | lmdb.PageNotFoundError | lmdb.InvalidError | lmdb.VersionMismatchError):
        return CorruptRecord(what=str(path), reason=str(why))
    text = str(why)
    return StorageFailed(path=path, reason="the disk is full" if "No space" in text or _is_full(path) else text)


def _is_full(path: Path) -> bool:
    """Whether there is hardly any room: LMDB calls a write that was cut short for that an input/output error."""
    return _free(path) < _HARDLY_ANY


def _free(path: Path) -> int:
    """Return how many bytes the disk has left, as far as one can know."""
    import shutil

    try:
        return shutil.disk_usage(path).free
    except OSError:
        return _ROOM_TO_MOVE
