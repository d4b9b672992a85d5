"""Files in an object store: listed as a stream, and brought to this disk a few ahead of being read.

An address is ``s3://bucket/prefix/``: all objects below the prefix are files, with ``/`` between folders, or one file.
Who reads them, names them and stages them is the same as for files of a folder. The client is obstore (extra ``s3``),
which takes credentials, region and endpoint from the usual variables of AWS.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from blake3 import blake3

from hangar_core.errors import RemoteFailed, StorageFailed
from hangar_core.external.optional import needed
from hangar_core.ingest.decoding import Outcome
from hangar_core.ingest.ignoring import Patterns
from hangar_core.ingest.report import Reject
from hangar_core.ingest.scratch import scratch_folder
from hangar_core.ingest.threads import Threads
from hangar_core.ingest.walking import Found, Passed, SourceFile, printable
from hangar_core.ingest.works import Stamp, Work
from hangar_core.names import OBJECT_SCHEME, is_object_address

_LISTED_AT_ONCE = 1_000
_CHUNK = 1 << 20
_AHEAD = 32
_BYTES_AHEAD = 64 << 20
_CONNECTIONS = 16
_MOST = 2**63 - 1
# An error of S3 is a document; of a listing the client knows no more than that.
_ANSWER = re.compile(r"<Code>([^<]*)</Code>.*?<Message>([^<]*)", re.DOTALL)
_FORBIDDEN = re.compile(r"40[13] (Forbidden|Unauthorized)")
_RETRY = {"max_retries": 5}
_AGAIN = "run the same command again"


class _Object(NamedTuple):
    """What a listing says of an object: its key in the bucket, and by what it is known to be unchanged."""

    key: str
    stamp: Stamp


def objects_below(address: str, patterns: Patterns) -> Iterator[Found]:
    """Yield the objects at an address as files, in the order of their keys, and for what is passed over why.

    Ignored are names in which a part begins with a dot; there are no rules of a `.hangarignore`. Raises `RemoteFailed`,
    `PackageMissing`.
    """
    name, prefix = _parts(address)
    bucket = _Bucket(name)
    single = None if prefix.endswith("/") or not prefix else bucket.head(prefix)
    if single is not None:
        root, _, last = address.rpartition("/")
        yield SourceFile(address, last, root, "", alone=True, shown=printable(address), stamp=single.stamp)
        return
    base = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
    left_out: dict[str, bool] = {"": False}
    for found in _without_folders(bucket.listed(base)):
        below = found.key[len(base) :]
        folder, _, last = below.rpartition("/")
        path = f"{OBJECT_SCHEME}{name}/{found.key}"
        if any(part.startswith(".") for part in below.split("/")):
            reject = Reject(printable(path), "hidden", "its name begins with a dot", "rename it to import it")
            yield Passed("ignored", reject)
        elif not _is_left_out(folder, patterns, left_out) and patterns.wants(below):
            shown = printable(path)
            yield SourceFile(path, last, address, below[: -len(last)], alone=False, shown=shown, stamp=found.stamp)


def stamp_of(path: str) -> Stamp:
    """Return the stamp of a file, or of an object by its address. Raises `OSError` if it is not there."""
    if not is_object_address(path):
        return Stamp.of(os.stat(path))
    bucket, key = _parts(path)
    found = _Bucket(bucket).head(key)
    if found is None:
        raise FileNotFoundError(f"{path} is not there")
    return found.stamp


class LocalCopies:
    """Copies of objects on this disk, for as long as they are being read. Files that are here already are passed on.

    Use it in a `with`. What is ahead of its reader is bounded in number and bytes, but for one object.
    """

    def __init__(self, directory: Path | None) -> None:
        """`directory` is where the copies go, None for the usual place."""
        self._directory = directory
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._pool: Threads | None = None
        self._buckets: dict[str, _Bucket] = {}
        self._count = 0
        self._lent: dict[str, tuple[Work, Reject | None]] = {}

    def bring(self, works: Iterable[Work]) -> Iterator[Work]:
        """Yield works whose `path` is a file here. Raises `RemoteFailed`, `StorageFailed`."""
        ahead: deque[tuple[Work, Callable[[], Work]]] = deque()
        size = 0
        for work in works:
            is_remote = is_object_address(work.path)
            while ahead and (not is_remote or len(ahead) >= _AHEAD or size + work.stamp.size > _BYTES_AHEAD):
                first, result = ahead.popleft()
                size -= first.stamp.size
                yield result()
            if is_remote:
                ahead.append((work, self._begin(work)))
                size += work.stamp.size
            else:
                yield work
        for _, result in ahead:
            yield result()

    def returned(self, outcome: Outcome) -> Outcome:
        """Return an outcome of a copy as one of its object. The copy stays until `drop`."""
        work, reject = self._lent.get(outcome.work.path, (None, None))
        if work is not None:
            outcome.work = outcome.work._replace(path=work.path, stamp=work.stamp)
            outcome.reject = reject or outcome.reject
        return outcome

    def drop(self, path: str) -> None:
        """Remove a copy, by the path that `bring` gave; of other files nothing is removed."""
        if self._lent.pop(path, None) is not None:
            shutil.rmtree(Path(path).parent, ignore_errors=True)

    def _begin(self, work: Work) -> Callable[[], Work]:
        if self._folder is None or self._pool is None:
            self._folder = scratch_folder(self._directory, "objects")
            self._pool = Threads(_CONNECTIONS, "hangar-objects")
        name, key = _parts(work.path)
        bucket = self._buckets.get(name) or self._buckets.setdefault(name, _Bucket(name))
        self._count += 1
        # The plugin is to see the name that the object has.
        target = Path(self._folder.name, str(self._count), work.path.rpartition("/")[2])
        future = self._pool.submit(lambda: bucket.fetch(work, key, target))
        return lambda: self._lend(work, target, future.result())

    def _lend(self, work: Work, target: Path, reject: Reject | None) -> Work:
        self._lent[str(target)] = work, reject
        stamp = work.stamp if reject is not None else Stamp.of(os.stat(target))
        return work._replace(path=str(target), stamp=stamp)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()
        if self._folder is not None:
            with suppress(OSError):  # somebody is still at it: the next import removes it
                self._folder.cleanup()


# --- the store --------------------------------------------------------------------------------------------------------


class _Bucket:
    """One bucket, through obstore. Raises `RemoteFailed`, `PackageMissing`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._obstore = needed("obstore", extra="s3", what="reading from an object store")
        store = needed("obstore.store", extra="s3", what="reading from an object store")
        with self._blaming(""):
            # Plain HTTP is for endpoints that the caller's own variables name; AWS itself is never asked that way.
            options = {"allow_http": True}
            self._store = store.S3Store(name, client_options=options, retry_config=_RETRY)

    def listed(self, prefix: str) -> Iterator[_Object]:
        """Yield all objects below a prefix, in the order of their keys."""
        with self._blaming(prefix):
            for chunk in self._obstore.list(self._store, prefix or None, chunk_size=_LISTED_AT_ONCE):
                for meta in chunk:
                    yield _described(meta)

    def head(self, key: str) -> _Object | None:
        """Return the object of a key, None if there is none."""
        with self._blaming(key):
            try:
                return _described(self._obstore.head(self._store, key))
            except FileNotFoundError:
                return None

    def fetch(self, work: Work, key: str, target: Path) -> Reject | None:
        """Write an object to a new file; return why it cannot be had, if that concerns it alone."""
        try:
            target.parent.mkdir()
            file = open(target, "xb")  # noqa: SIM115 — closed two lines below
        except (OSError, ValueError) as why:
            return work.reject("bad-name", f"no file here can have its name: {why}", "rename it")
        with file, self._blaming(key):
            try:
                found = self._obstore.get(self._store, key)
                if _described(found.meta).stamp != work.stamp:
                    return work.reject("changed", "somebody wrote to it since it was listed", _AGAIN)
                for chunk in found.stream(min_chunk_size=_CHUNK):
                    _write(file, bytes(chunk), target)
            except FileNotFoundError:
                return work.reject("vanished", "it is gone since it was listed", _AGAIN)
            except PermissionError as why:
                return work.reject("unreadable", f"the store refuses it: {_words(why)}", "allow it")
        return None

    @contextmanager
    def _blaming(self, key: str) -> Iterator[None]:
        """Turn what the client raises into `RemoteFailed`, but for what a caller can go on after."""
        errors = needed("obstore.exceptions", extra="s3", what="reading from an object store")
        try:
            yield
        except (errors.BaseError, FileNotFoundError, PermissionError) as why:
            hint = None
            if isinstance(why, errors.UnauthenticatedError | PermissionError) or _FORBIDDEN.search(str(why)):
                hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public bucket"
            address = printable(f"{OBJECT_SCHEME}{self._name}/{key}")
            raise RemoteFailed(address=address, reason=_words(why), hint=hint) from why


def _parts(address: str) -> tuple[str, str]:
    """Return bucket and key, or prefix, of an address. Raises `RemoteFailed` for one without a bucket."""
    bucket, _, prefix = address.removeprefix(OBJECT_SCHEME).partition("/")
    if not bucket:
        raise RemoteFailed(address=printable(address), reason="there is no bucket in it", hint="s3://BUCKET/PREFIX/")
    return bucket, prefix


def _write(file: Any, chunk: bytes, target: Path) -> None:
    try:
        file.write(chunk)
    except OSError as why:
        raise StorageFailed(path=str(target), reason=why.strerror or str(why)) from why


def _described(meta: Any) -> _Object:
    size, etag = int(meta["size"]), str(meta["e_tag"])
    mtime = int(meta["last_modified"].timestamp() * 1e9)
    identity = int.from_bytes(blake3(etag.encode()).digest(8), "big") & _MOST
    return _Object(str(meta["path"]), Stamp(size, mtime, identity))


def _without_folders(objects: Iterator[_Object]) -> Iterator[_Object]:
    """Leave out the empty objects by which some programs mark folders: others follow that lie below them."""
    held = next(objects, None)
    while held is not None:
        following = next(objects, None)
        marks = held.stamp.size == 0 and following is not None and following.key.startswith(f"{held.key}/")
        if not marks:
            yield held
        held = following


def _is_left_out(folder: str, patterns: Patterns, known: dict[str, bool]) -> bool:
    """Whether a folder, or one above it, is not looked into. `known` holds the answers for the folders just seen."""
    if folder not in known:
        if len(known) > _LISTED_AT_ONCE:
            known.clear()
            known[""] = False
        above = folder.rpartition("/")[0]
        known[folder] = _is_left_out(above, patterns, known) or not patterns.enters(f"{folder}/")
    return known[folder]


def _words(why: BaseException) -> str:
    """Return what the store says, if the client hands that on, else what the client says without debugging notes."""
    text = str(why).partition("\n\nDebug source")[0]
    answer = _ANSWER.search(text)
    return " ".join((f"{answer[1]}: {answer[2]}" if answer else text).split())[:300]
