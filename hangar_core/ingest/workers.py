"""Reading many files at once, with their outcomes in the order of the files whoever is done first.

Plugins that say `ISOLATED` get processes, whatever there is to read, and those that say `RELEASES_GIL` threads. The
others get processes if there is enough to read to be worth their start. A plugin that is not installed cannot be found
by another process: it reads in this thread, as all do if one worker was asked for. With an executor other
machines read all files. What is under way is bounded in bytes. A thread that takes too long is given up, and its files
are read in a process, which can be ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from hangar_core import external
from hangar_core.errors import BadSegment, PluginNotFound
from hangar_core.ingest.answers import Done, Told
from hangar_core.ingest.decoding import Outcome, Read, Reading, decode
from hangar_core.ingest.options import ImportOptions
from hangar_core.ingest.originals import PIXELS
from hangar_core.ingest.planning import Scan
from hangar_core.ingest.stacks import Stack
from hangar_core.ingest.threads import Threads
from hangar_core.ingest.works import Work
from hangar_core.model import Digest

if TYPE_CHECKING:
    from hangar_core.ingest.cluster import Cluster
    from hangar_core.ingest.processes import ProcessPool
    from hangar_core.storage.datawriter import DataWriter

HERE: Final = "here"
THREAD: Final = "thread"
PROCESS: Final = "process"
ELSEWHERE: Final = "elsewhere"

_UNDER_WAY = 256 << 20
# Decoded, a file may be many times as large; nobody knows before the first ones are.
_GUESSED_RATIO = 8.0
_CHUNKS_AHEAD = 4


class _Size(NamedTuple):
    """At how many files, or bytes in them, a chunk is large enough."""

    files: int
    source_bytes: int


_SIZES = {HERE: _Size(1, 0), THREAD: _Size(32, 1 << 20), PROCESS: _Size(256, 8 << 20)}


class Chunk(NamedTuple):
    """Files that follow each other and are read by one worker."""

    mode: str
    works: list[Work]
    source_bytes: int


class Workers:
    """The workers of one import. Use it in a `with`: processes end with it."""

    def __init__(
        self,
        options: ImportOptions,
        reading: Reading,
        scan: Scan,
        data: DataWriter,
        cluster: Cluster | None = None,
    ) -> None:
        """`cluster` reads everything, if there is one, and writes segments to `options.shared` or to this repository.

        Raises `StorageFailed`.
        """
        self._cluster = cluster
        self._options = options
        self._reading = reading
        self._data = data
        self._modes = {plugin: self._mode(plugin, scan) for plugin in scan.plugins}
        self._processes: ProcessPool | None = None
        self._ratio = _GUESSED_RATIO
        self._resources = ExitStack()
        self._segments: Path | None = None
        self._sizes = _SIZES
        if cluster is not None:
            if options.shared is not None:
                from hangar_core.ingest.cluster import shared_folder

                shared = shared_folder(Path(options.shared), data.segment_directory.parent)
                self._segments = Path(self._resources.enter_context(shared))
            cluster.write_to(self._segments or data.segment_directory, data.segment_directory)
            self._sizes = {ELSEWHERE: _Size(cluster.chunk_files, cluster.chunk_bytes)}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._processes is not None:
            self._processes.close()
        if self._cluster is not None:
            self._cluster.close()
        if self._processes is not None or self._cluster is not None:
            self._data.drop_segments()
        self._resources.close()

    @property
    def count(self) -> int:
        """How many read at the same time; of machines that come and go, those that are there now."""
        return self._options.workers if self._cluster is None else self._cluster.slots

    def outcomes(self, works: Iterable[Work]) -> Generator[Outcome]:
        """Yield the outcome of each file, in order. Raises as `decode` does, and `WorkersFailed`."""
        if set(self._modes.values()) <= {HERE}:
            yield from (decode(work, self._reading) for work in works)
            return
        pool = Threads(self.count if self._cluster is None else 0, "hangar-import")
        try:
            for done in self._in_order(pool, self._chunks(works)):
                yield from self._adopted(done)
        finally:
            # Ctrl-C: what has not begun never will, what is at work in another process is ended.
            if self._processes is not None:
                self._processes.close()
            if self._cluster is not None:
                self._cluster.close()
            pool.close()

    def _mode(self, plugin: str, scan: Scan) -> str:
        if self._cluster is not None:
            return ELSEWHERE
        if self._options.jobs != 1 and is_isolated(plugin):
            return PROCESS
        if self.count == 1:
            return HERE
        chosen = external.plugin_manager().get(plugin)
        if not self._reading.check and self._reading.store != PIXELS and isinstance(chosen, external.KnowsForms):
            return HERE  # nothing is decoded, and threads would be in each other's way
        if chosen.RELEASES_GIL:
            return THREAD if scan.plugins[plugin] > 1 else HERE
        limits = self._options.limits
        # Of one file alone, nothing would be done at the same time.
        large = scan.plugins[plugin] > 1 and scan.plugin_bytes[plugin] >= limits.source_bytes
        much = scan.plugins[plugin] >= limits.files or large
        return PROCESS if much and _is_installed(plugin) else HERE

    def _chunks(self, works: Iterable[Work]) -> Iterator[Chunk]:
        held: list[Work] = []
        size, mode = 0, HERE
        for work in works:
            own = self._modes[work.plugin]
            if held and (own != mode or self._is_enough(mode, len(held), size)):
                yield Chunk(mode, held, size)
                held, size = [], 0
            mode = own
            held.append(work)
            size += work.stamp.size
        if held:
            yield Chunk(mode, held, size)

    def _is_enough(self, mode: str, files: int, size: int) -> bool:
        enough = self._sizes[mode]
        return files >= enough.files or size >= enough.source_bytes

    def _in_order(self, pool: Threads, chunks: Iterable[Chunk]) -> Iterator[Done]:
        """Hand chunks to the pool ahead of the one that is waited for, and yield what they give in order."""
        ahead: deque[tuple[Chunk, Callable[[], Done]]] = deque()
        weight = 0.0
        for chunk in chunks:
            own = self._weight(chunk)
            while ahead and (weight + own > _UNDER_WAY or len(ahead) >= self.count * _CHUNKS_AHEAD):
                first, result = ahead.popleft()
                weight -= self._weight(first)
                yield self._weighed(first, result())
            ahead.append((chunk, self._begin(pool, chunk)))
            weight = sum(self._weight(one) for one, _ in ahead)
        while ahead:
            first, result = ahead.popleft()
            yield self._weighed(first, result())

    def _weight(self, chunk: Chunk) -> float:
        """Return about how many bytes a chunk takes in memory until it is consumed."""
        return chunk.source_bytes * self._ratio if chunk.mode == THREAD else 0.0

    def _weighed(self, chunk: Chunk, done: Done) -> Done:
        """Learn from a chunk how much larger files become."""
        if chunk.mode == THREAD and chunk.source_bytes:
            lists = [one.reads for one in done.outcomes if isinstance(one.reads, list)]
            held = sum(read.held for reads in lists for read in reads)
            self._ratio = max(1.0, 0.75 * self._ratio + 0.25 * held / chunk.source_bytes)
        return done

    def _begin(self, pool: Threads, chunk: Chunk) -> Callable[[], Done]:
        if self._cluster is not None:
            return self._cluster.begin(chunk.works)
        if chunk.mode == HERE:
            return lambda: Done([decode(work, self._reading) for work in chunk.works], [])
        if chunk.mode == THREAD:
            future = pool.submit(lambda: Done([decode(work, self._reading) for work in chunk.works], []))
            return lambda: self._patiently(pool, chunk, future)
        processes = self._pool_of_processes()
        return pool.submit(lambda: processes.read(chunk.works)).result

    def _patiently(self, pool: Threads, chunk: Chunk, future: Future[Done]) -> Done:
        """Return what a thread makes of a chunk, or, if it takes longer than it may, a process."""
        if not _is_installed(chunk.works[0].plugin):
            return future.result()
        wait([future], self._options.limits.seconds)
        if future.done():
            return future.result()
        pool.replace_one()
        return self._pool_of_processes().read(chunk.works)

    def _pool_of_processes(self) -> ProcessPool:
        if self._processes is None:
            from hangar_core.ingest.processes import ProcessPool  # small imports have no use for it

            self._processes = ProcessPool(self._reading, self._options.limits, self._data.segment_directory)
        return self._processes

    def _adopted(self, done: Done) -> Iterator[Outcome]:
        """Take over the segments of a chunk before its outcomes, which name what is in them."""
        for segment in done.segments:
            try:
                self._data.adopt_segment(segment, source=self._segments)
            except BadSegment as why:
                message = f"what the worker process stored cannot be taken over: {why.reason}"
                for one in done.outcomes:
                    if one.reject is None:
                        one.reject = one.work.reject("worker-crashed", message, "run the same command again")
                break
        for one in done.outcomes:
            if isinstance(one.reads, Told):
                one.reads = self._stored(one.work, one.reads)
            yield one

    def _stored(self, work: Work, told: Told[Read | Stack]) -> Iterator[Read | Stack]:
        """Yield what a worker told, if it has stored what it names. Raises what `reject_of` knows."""
        for some in told.groups():
            if not self._are_stored(some):
                reason = "the worker process names data that it has not stored"
                raise external.bad_file(
                    work.path, code="worker-crashed", reason=reason, fix="run the same command again"
                )
            yield from some

    def _are_stored(self, reads: list[Read | Stack]) -> bool:
        """Whether all data that are not with the samples themselves are where they can be read."""
        named: set[Digest] = set()
        for read in reads:
            if not isinstance(read, Stack):
                named.update(part.digest for part in read.parts if part.payload is None)
            elif not read.batch.rows:
                named.update(read.batch.digests)
        return len(self._data.has_many(named)) == len(named)


def is_isolated(plugin: str) -> bool:
    """Whether the files of a plugin are to be read in another process only, and can be."""
    return external.plugin_manager().get(plugin).ISOLATED and _is_installed(plugin)


def _is_installed(plugin: str) -> bool:
    """Whether another process finds the plugin: one that was registered in this one it does not."""
    try:
        return bool(external.plugin_manager().origin(plugin).distribution)
    except PluginNotFound:
        return False
