"""Fetch: the history of a branch without its data.

Commits come first, then roots, then trees level by level; what is here is not asked for again, nor anything below it.
Leaves are most of a history. They name nothing but data, and are stored as they come; all else waits in memory until
everything below it is here, and becomes visible with the branch in one transaction. What a fetch that was cut off has
stored is not asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from hangar_core.hashing import digests
from hangar_core.hashing.schemas import decode_schema
from hangar_core.history import refs
from hangar_core.history.cuts import set_cut
from hangar_core.history.objects import Objects, stored
from hangar_core.model import Commit, CommitId, Digest
from hangar_core.records.commits import decode_commit, decode_root
from hangar_core.records.nodes import Node
from hangar_core.remotes.checking import checked_node, names_in
from hangar_core.remotes.fetch_commits import Answers, CommitFetcher, cut_after, pairs
from hangar_core.remotes.frames import USUAL
from hangar_core.remotes.parallel import side_by_side
from hangar_core.remotes.transport import BATCH_BYTES, REQUEST_BYTES, Giver, some_of
from hangar_core.reports import Progress, ProgressReporter
from hangar_core.storage.layout import COMPACT, CUT, ORIGINALS, PROVENANCE

if TYPE_CHECKING:
    from hangar_core.storage.batches import Batch
    from hangar_core.storage.context import RepoContext

T = TypeVar("T")
_ASKED_AT_ONCE: Final = 4096
# So many bytes come for one request, and the frame with which there are as many.
_AT_MOST: Final = REQUEST_BYTES // 2
# What is under way, and what waits to be stored, are one batch.
_UNDER_WAY: Final = BATCH_BYTES // 2
_STORED_AT_ONCE: Final = BATCH_BYTES - _UNDER_WAY


class Fetched(NamedTuple):
    """What a fetch has brought: the head of the branch, and how many commits and records are new here."""

    head: CommitId
    commits: int
    records: int


# What a node says of one below it: its level, how many samples it holds, and its last key.
_Claim = tuple[int, int, bytes]


def fetch_history(
    context: RepoContext,
    transport: Giver,
    remote: str,
    branch: str,
    head: CommitId,
    progress: ProgressReporter | None = None,
    *,
    depth: int | None = None,
    settle: Callable[[Batch], None] | None = None,
) -> Fetched:
    """Bring `head` and all that it leads to, except data, and note that the branch is there.

    With `settle` that is what it adds to the transaction, and nothing else is noted: then the data have to be here.

    With a `depth` only commits come that are fewer steps behind `head`; those behind commits that are here too, if they
    had been cut off. Where not all parents of a commit have come, history is cut from then on. Nothing goes that is
    here. Raises `BadAnswer` if anything is not what it should be, with nothing visible; `UnsupportedFormat` for what a
    newer hangar has written, `InvalidInput` for a depth below 1, `RefChanged` if another fetch has moved the cuts,
    `RemoteError`, `StorageFailed`.
    """
    fetcher = _Fetcher(context, transport, remote, progress)
    if settle is not None:
        return fetcher.fetch(head, depth, settle)

    def note(batch: Batch) -> None:
        refs.set_remote_head(batch, remote, branch, head)
        if fetcher.has_new_commits:
            refs.mark_partial(batch)

    return fetcher.fetch(head, depth, note)


class _Fetcher:
    def __init__(self, context: RepoContext, transport: Giver, remote: str, progress: ProgressReporter | None) -> None:
        self._context = context
        self._transport = transport
        self._remote = remote
        self._answers = Answers(remote)
        self._progress = progress or (lambda _: None)
        self._objects = Objects(context.tables)
        self._records = 0
        # What waits for the end: nodes by level, everything else by kind.
        self._held: dict[Digest, bytes] = {}
        self._nodes: dict[int, dict[Digest, bytes]] = {}
        self._stored: dict[Digest, bytes] = {}
        self._stored_size = 0
        self._has_originals = False
        self.has_new_commits = False
        self._cut: frozenset[CommitId] = frozenset()

    def fetch(self, head: CommitId, depth: int | None, settle: Callable[[Batch], None]) -> Fetched:
        """Do it all."""
        self._context.layout.require(COMPACT)
        was_cut = self._objects.cut()
        commits = self._fetch_commits(head, depth)
        self.has_new_commits = bool(commits)
        self._fetch_trees(dict.fromkeys(commit.root for commit in commits.values()))
        self._flush()
        with self._context.tables.write() as batch:
            for level in sorted(self._nodes):
                batch.put_many("nodes", stored(self._nodes[level]))
            batch.put_many("nodes", stored(self._held))
            set_cut(batch, was_cut, self._cut)
            settle(batch)
        return Fetched(head, len(commits), self._records)

    def _fetch_commits(self, head: CommitId, depth: int | None) -> dict[CommitId, Commit]:
        """Return the commits that are new here, held back."""
        fetcher = CommitFetcher(self._objects, self._transport, self._answers, self._progress)
        if depth is None:
            with self._context.tables.read() as reader:
                known = [one for one in refs.branches(reader).values() if one is not None]
            found = fetcher.all_behind(head, known)
        else:
            found = fetcher.fewer_steps_behind(head, depth)
        self._held.update(found.items())
        self._records += len(found)
        self._cut = cut_after(self._objects, found)
        if self._cut:
            self._context.layout.require(CUT)
        return {one: decode_commit(data) for one, data in found.items()}

    # --- trees ------------------------------------------------------------------------------------------------------

    def _fetch_trees(self, roots: Collection[Digest]) -> None:
        trees: dict[Digest, int | None] = {}
        valued: dict[Digest, None] = {}
        schemas: dict[Digest, None] = {}
        contents = self._all_of(roots)
        for data in contents.values():
            rows, metadata, metadata_count = self._answers.decoded(decode_root, data)
            valued[metadata] = None
            self._expect_total(trees, metadata, metadata_count)
            for row in rows:
                schemas[row.schema] = None
                if row.provenance is not None:
                    self._context.layout.require(PROVENANCE)
                    valued[row.provenance] = None
                    self._expect_total(trees, row.provenance, None)
        found = self._all_of(schemas)
        nested = {digest: self._answers.decoded(decode_schema, found[digest]).nested for digest in schemas}
        for data in contents.values():
            for row in decode_root(data)[0]:
                self._expect_total(trees, row.tree, None if nested[row.schema] else row.count)
        self._held.update(self._new_among(found))
        self._held.update(self._new_among(contents))
        self._descend(dict.fromkeys(trees), set(valued), trees)

    def _expect_total(self, trees: dict[Digest, int | None], tree: Digest, total: int | None) -> None:
        if total is not None and trees.get(tree, total) not in {total, None}:
            raise self._answers.bad("one tree is said to have two sizes")
        trees[tree] = total if total is not None else trees.get(tree)

    def _descend(
        self, claims: dict[Digest, _Claim | None], valued: set[Digest], totals: dict[Digest, int | None]
    ) -> None:
        """Bring what is missing below the roots of trees. Trees that are `valued`, those of metadata and of provenance,
        are looked at even where they are here: their leaves may have come as those of an arrayset, whose texts are
        data."""
        values: dict[Digest, None] = {}
        while claims:
            below: dict[Digest, _Claim | None] = {}
            for digest, node, is_new in self._nodes_of(claims):
                self._check_claims(node, claims[digest], totals.get(digest))
                is_valued = digest in valued
                if node.level and (is_new or is_valued):
                    counts = node.counts or ()
                    for child, total, last in zip(node.digests, counts, node.keys, strict=True):
                        claim = node.level - 1, total, last
                        if below.setdefault(child, claim) != claim:
                            raise self._answers.bad("two nodes say different things of one below them")
                        if is_valued:
                            valued.add(child)
                elif is_valued:
                    values.update(dict.fromkeys(node.digests))
                if is_new and (node.level or is_valued):
                    self._nodes.setdefault(node.level, {})[digest] = node.encoded()
                elif is_new:
                    self._note_originals(node)
                    self._store(digest, node.encoded())
            claims, totals = below, {}
        self._fetch_values(values)

    def _note_originals(self, leaf: Node) -> None:
        """Have everybody who opens the repository know samples that are kept as files, before there are any."""
        if not self._has_originals and digests.ORIGINAL in leaf.codes:
            self._context.layout.require(ORIGINALS)
            self._has_originals = True

    def _fetch_values(self, values: Collection[Digest]) -> None:
        """Bring metadata and records of provenance, and what these name."""
        found = self._all_of(values)
        named = dict.fromkeys(
            one for digest, data in found.items() for one in self._answers.decoded(partial(names_in, digest), data)
        )
        self._held.update(self._new_among(found))
        if named:
            self._fetch_values(named)

    def _check_claims(self, node: Node, claim: _Claim | None, total: int | None) -> None:
        last = node.keys[-1] if node.size else b""
        if claim not in (None, (node.level, node.total, last)) or total not in (None, node.total):
            raise self._answers.bad("a node is not what the one above it says")

    def _nodes_of(self, wanted: Collection[Digest]) -> Iterator[tuple[Digest, Node, bool]]:
        """Yield nodes, and whether they are new: those that are here, then those that have to be fetched."""
        here, missing = self._parted(wanted)
        for digest in here:
            yield digest, self._objects.get_node(digest), False
        for digest, data in self._fetched(missing):
            yield digest, self._answers.decoded(checked_node, data), True
            self._records += 1
            self._progress(Progress(self._records, None, "records"))

    # --- objects ----------------------------------------------------------------------------------------------------

    def _all_of(self, wanted: Collection[Digest]) -> dict[Digest, bytes]:
        """Return records from here or there."""
        here, missing = self._parted(wanted)
        found = {digest: self._objects.get(digest) for digest in here}
        for digest, data in self._fetched(missing):
            found[digest] = data
            self._records += 1
        return found

    def _parted(self, wanted: Collection[Digest]) -> tuple[list[Digest], list[Digest]]:
        """Return those records that are here, and those that are not."""
        here: list[Digest] = []
        missing: list[Digest] = []
        found = self._objects.present(wanted)
        for digest in wanted:
            (here if digest in found else missing).append(digest)
        return here, missing

    def _new_among(self, found: dict[Digest, bytes]) -> dict[Digest, bytes]:
        here = self._objects.present(found)
        return {digest: data for digest, data in found.items() if digest not in here}

    def _fetched(self, wanted: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        """Yield all of these from the remote, verified. Raises `BadAnswer` if it lacks some."""
        pieces: Iterable[Sequence[Digest]]
        pieces = (wanted[start : start + _ASKED_AT_ONCE] for start in range(0, len(wanted), _ASKED_AT_ONCE))
        while pieces:
            again: list[Sequence[Digest]] = []
            for left, answer in side_by_side(self._ask, pieces, weigh=lambda _: _AT_MOST + USUAL, most=_UNDER_WAY):
                yield from answer
                size = max(1, len(answer))  # about as many fit into an answer
                again += (left[start : start + size] for start in range(0, len(left), size))
            pieces = again

    def _ask(self, asked: Sequence[Digest]) -> tuple[list[Digest], list[tuple[Digest, bytes]]]:
        """Return what is put off, as it would be too much at once, and what has come."""
        left = dict.fromkeys(asked)
        answer: list[tuple[Digest, bytes]] = []
        size = 0
        frames = some_of(self._transport, asked, _AT_MOST)
        for frame in frames:
            for found in self._answers.verified([frame]):
                answer += (one for one in pairs(found) if left.pop(one[0], 0) is None)
            size += frame.stored_size
            if size >= _AT_MOST and left:
                frames.close()
                return list(left), answer
        if left:
            raise self._answers.bad(f"it lacks {digests.text(next(iter(left)))}, which its history names")
        return [], answer

    def _store(self, digest: Digest, data: bytes) -> None:
        """Store a leaf: nothing names it yet."""
        self._stored[digest] = data
        self._stored_size += len(data)
        if self._stored_size >= _STORED_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._stored:
            with self._context.tables.write() as batch:
                batch.put_many("nodes", stored(self._stored))
            self._stored = {}
            self._stored_size = 0
