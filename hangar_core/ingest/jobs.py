"""A chunk of files that is read on another machine: the job, what is done with it there, and the answer.

A job is three lines of JSON: which hangar and which plugins made the plan, how files are read and where segments are
to be written (as for a worker process of this machine), and the files. The answer is that of a worker process, or one
line ``["refused", reason, hint]``.

There the chunk is handed to a worker process, as it would be here: a file that brings its decoder down does not take
the machine's part in the cluster with it. These processes wait for the next job, and end when none comes for a while.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Final

from hangar_core import external
from hangar_core.errors import InvalidInput, PluginBroken, PluginNotFound, RemoteFailed, StorageFailed, WorkersFailed
from hangar_core.ingest.answers import Done, line_of, written_answer
from hangar_core.ingest.objects import LocalCopies
from hangar_core.ingest.processes import ProcessPool
from hangar_core.ingest.wire import decode_reading
from hangar_core.ingest.works import Stamp, Work
from hangar_core.names import is_object_address
from hangar_core.storage.host import host_name

_IDLE: Final = 20.0


class _RefusedError(Exception):
    """Why a job cannot be done on this machine, whatever is in the files."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason, self.hint = reason, hint


def encode_job(reading: bytes, plugins: Mapping[str, str], works: list[Work]) -> bytes:
    """Return a job. `reading` is the line of `wire.encode_reading`; `plugins` name -> version."""
    return b"".join([line_of(_version(), dict(plugins)), reading, line_of(*(work.to_json() for work in works))])


def run_job(job: bytes) -> bytes:
    """Read a chunk of files on this machine. Never raises for what is in them, or for what this machine lacks."""
    about, reading, chunk = job.splitlines(keepends=True)
    try:
        version, plugins = json.loads(about)
        _check(version, plugins, Path(decode_reading(reading)[2]))
        works = [_seen_here(Work.from_json(fields)) for fields in json.loads(chunk)]
        with LocalCopies(None) as copies, _POOLS.lent(reading) as pool:
            done = pool.read(list(copies.bring(works)))
            return written_answer(Done([copies.returned(one) for one in done.outcomes], done.segments))
    except InvalidInput as why:
        return line_of("fatal", why.message, why.hint, why.facts.get("option"))
    except StorageFailed as why:
        return line_of("full", str(why.path), str(why.reason))
    except _RefusedError as why:
        return line_of("refused", why.reason, why.hint)
    except (RemoteFailed, WorkersFailed) as why:
        return line_of("refused", str(why.reason), why.hint)


def _check(version: str, plugins: dict[str, str], folder: Path) -> None:
    """Raise `_RefusedError` unless what is read here comes out as it would at the import."""
    host = host_name()
    if version != _version():
        reason = f"{host} has hangar-core {_version()}, this is {version}"
        raise _RefusedError(reason, f"pip install hangar-core=={version} there")
    for name, wanted in plugins.items():
        try:
            found = str(external.plugin_manager().get(name).VERSION)
        except (PluginBroken, PluginNotFound) as why:
            raise _RefusedError(f"{host}: {why}", f"install the plugin `{name}` there") from why
        if found != wanted:
            reason = f"{host} has version {found} of the plugin `{name}`, this is {wanted}"
            raise _RefusedError(reason, "install the same version on all machines")
    if not folder.is_dir():
        reason = f"{host} does not see the folder `{folder}`"
        raise _RefusedError(reason, "name one that all machines have under the same path: --shared FOLDER")


def _version() -> str:
    return metadata.version("hangar-core")


def _seen_here(work: Work) -> Work:
    """Return a work with the stamp that its file has on this machine: on some file systems inodes differ."""
    if is_object_address(work.path):
        return work
    try:
        stamp = Stamp.of(os.stat(work.path))
    except OSError:
        return work  # whoever reads it says so
    return work._replace(stamp=stamp) if stamp[:2] == work.stamp[:2] else work


class _Pools:
    """Worker processes by the reading they were started for: jobs of one import share them, one for each thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: dict[bytes, ProcessPool] = {}
        self._busy: dict[bytes, int] = {}
        self._last: dict[bytes, float] = {}

    @contextmanager
    def lent(self, line: bytes) -> Iterator[ProcessPool]:
        with self._lock:
            pool = self._all.get(line)
            if pool is None:
                reading, limits, folder = decode_reading(line)
                pool = self._all[line] = ProcessPool(reading, limits, Path(folder))
            self._busy[line] = self._busy.get(line, 0) + 1
        try:
            yield pool
        finally:
            with self._lock:
                self._busy[line] -= 1
                self._last[line] = time.monotonic()
            timer = threading.Timer(_IDLE, self._close_idle, [line])
            timer.daemon = True
            timer.start()

    def _close_idle(self, line: bytes) -> None:
        with self._lock:
            if line not in self._all or self._busy[line] or time.monotonic() - self._last[line] < _IDLE:
                return
            pool = self._all.pop(line)
            del self._busy[line], self._last[line]
        pool.close()


_POOLS = _Pools()
