"""A disk in memory that loses power: the operations of a `Recorder`, and what each moment may leave of them.

Rules, none kinder than POSIX:
- bytes written or cut off are safe when their file was synced after it; until then each write may be there, not be
  there, or be there in some of its 512-byte sectors, and the file may have grown without it (zeros or anything);
- a name made, replaced or removed is safe when its directory was synced after it, whatever became of the file;
- a rename from one directory to another is two such changes: the file may be found under both names, or under none;
- the database file is as its last transaction left it, and of a transaction under way any page but the two meta pages
  may be there: that is what LMDB promises and relies on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePath

from hangar_core.recording import Operation

_SECTOR = 512
_PAGE = 4096
_META = 2 * _PAGE

# What survives of an operation that nobody synced.
Keep = Callable[[], bool]


@dataclass(eq=False)
class File:
    """Content that is safe, and what was done since: (offset, bytes), or (size, None) for a truncation."""

    safe: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        self.safe = _applied(self.safe, self.pending)
        self.pending = []

    def cut(self, keep: Keep, rng: random.Random) -> bytes:
        """Return what a power cut leaves."""
        kept: list[tuple[int, bytes | None]] = []
        for at, data in self.pending:
            if data is None:
                if keep():
                    kept.append((at, None))
            elif keep():
                kept.append((at, data))
            elif keep():
                kept += _torn(at, data, rng)
            elif keep():
                # Grown without its bytes.
                kept.append((at, bytes(len(data)) if rng.random() < 0.5 else rng.randbytes(len(data))))
        return _applied(self.safe, kept)


def _torn(at: int, data: bytes, rng: random.Random) -> list[tuple[int, bytes | None]]:
    """Cut a write at the sectors of the disk: its beginning, or some of its pieces."""
    first = _SECTOR - at % _SECTOR
    cuts = [0, *range(first, len(data), _SECTOR), len(data)]
    pieces = list(pairwise(cuts))
    if rng.random() < 0.5:
        pieces = pieces[: rng.randrange(len(pieces))]
    return [(at + start, data[start:end]) for start, end in pieces if rng.random() < 0.7]


def _applied(content: bytes, changes: Sequence[tuple[int, bytes | None]]) -> bytes:
    out = bytearray(content)
    for at, data in changes:
        if data is None:
            del out[at:]
        else:
            out.extend(bytes(max(0, at - len(out))))
            out[at : at + len(data)] = data
    return bytes(out)


@dataclass(eq=False)
class Directory:
    """Names now, names that are safe, and the steps between."""

    names: dict[str, File | Directory] = field(default_factory=dict)
    safe: dict[str, File | Directory] = field(default_factory=dict)
    pending: list[dict[str, File | Directory | None]] = field(default_factory=list)

    def change(self, change: dict[str, File | Directory | None]) -> None:
        self.pending.append(change)
        _rename(self.names, change)

    def sync(self) -> None:
        self.safe = dict(self.names)
        self.pending = []

    def cut(self, keep: Keep) -> dict[str, File | Directory]:
        left = dict(self.safe)
        for change in self.pending:
            if keep():
                _rename(left, change)
        return left


def _rename(names: dict[str, File | Directory], change: dict[str, File | Directory | None]) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


class Disk:
    """One file system below `root`, fed with operations."""

    def __init__(self, root: Path) -> None:
        """Begin with what lies below `root` now, all of it safe."""
        self.root = root
        self.top = _loaded(root)
        self.done = 0  # how many steps have returned
        self.history = 0  # how many had, when history was last promised to survive a power cut
        self.everything = 0  # and when staged samples were

    def feed(self, operation: Operation) -> None:
        """Do what was recorded."""
        if operation.kind == "acknowledged":
            self._acknowledge(*operation.path.split(":"))
        elif operation.kind == "sync-directory":
            self._directory(operation.path).sync()
        elif operation.kind in {"write", "truncate", "sync", "tables"}:
            self._change_file(operation)
        else:
            self._change_names(operation)

    def _acknowledge(self, number: str, durable: str) -> None:
        self.done = int(number)
        if durable != "nothing":
            self.history = self.done
        if durable == "everything":
            self.everything = self.done

    def _change_names(self, operation: Operation) -> None:
        parent, name = self._place(operation.path)
        if operation.kind == "create-directory":
            if name not in parent.names:
                parent.change({name: Directory()})
        elif operation.kind == "create":
            parent.change({name: File()})
        elif operation.kind == "remove":
            if name in parent.names:
                parent.change({name: None})
        elif operation.kind == "replace":
            other, target = self._place(operation.target)
            file = parent.names[name]
            if other is parent:
                parent.change({name: None, target: file})
            else:
                other.change({target: file})
                parent.change({name: None})
        else:
            raise AssertionError(f"what is {operation.kind}?")

    def _change_file(self, operation: Operation) -> None:
        parent, name = self._place(operation.path)
        if operation.kind == "tables" and name not in parent.names:
            parent.change({name: File()})
        file = self._file(parent, name)
        if operation.kind == "write":
            file.pending.append((operation.offset, operation.data))
        elif operation.kind == "truncate":
            file.pending.append((operation.offset, None))
        elif operation.kind == "sync":
            file.sync()
        else:
            file.safe = operation.data

    def cut(self, target: Path, keep: Keep, rng: random.Random, following: Operation | None = None) -> None:
        """Write to `target` what is left when the power goes now; `following` is what was about to happen."""
        _write_out(self.top, target, keep, rng)
        if following is not None and following.kind == "tables":
            parent, name = self._place(following.path)
            left = target / PurePath(following.path).relative_to(self.root)
            if name in parent.names and left.exists():
                before = self._file(parent, name).safe
                left.write_bytes(_mid_transaction(before, following.data, keep))

    def _place(self, path: str) -> tuple[Directory, str]:
        pure = PurePath(path)
        return self._directory(str(pure.parent)), pure.name

    def _directory(self, path: str) -> Directory:
        found: File | Directory = self.top
        for part in PurePath(path).relative_to(self.root).parts:
            assert isinstance(found, Directory)
            found = found.names[part]
        assert isinstance(found, Directory), path
        return found

    @staticmethod
    def _file(parent: Directory, name: str) -> File:
        found = parent.names[name]
        assert isinstance(found, File)
        return found


def _mid_transaction(before: bytes, after: bytes, keep: Keep) -> bytes:
    """Return a database file in the middle of a transaction: new pages in any number, meta pages as before."""
    out = bytearray(before)
    for at in range(_META, len(after), _PAGE):
        page = after[at : at + _PAGE]
        if page != before[at : at + _PAGE] and keep():
            out.extend(bytes(max(0, at - len(out))))
            out[at : at + _PAGE] = page
    return bytes(out)


def _loaded(root: Path) -> Directory:
    names: dict[str, File | Directory] = {}
    for path in root.iterdir():
        if path.is_dir():
            names[path.name] = _loaded(path)
        elif path.name not in {"lock", "lock.mdb"}:  # as fresh as the machine that starts again
            names[path.name] = File(path.read_bytes())
    return Directory(dict(names), names)


def _write_out(directory: Directory, target: Path, keep: Keep, rng: random.Random) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name, node in directory.cut(keep).items():
        if isinstance(node, Directory):
            _write_out(node, target / name, keep, rng)
        else:
            (target / name).write_bytes(node.cut(keep, rng))


def moments(disk: Disk, operations: Sequence[Operation]) -> Iterator[tuple[int, Operation | None]]:
    """Feed the disk; yield before each operation how many there were and which one follows, and once at the end."""
    for number, operation in enumerate(operations):
        yield number, operation
        disk.feed(operation)
    yield len(operations), None
