"""`co.begin_merge`: what `repo.merging` does with a merge in progress, under the lock that a writer holds already."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from hangar_core.hashing import digests
from hangar_core.history import settling
from hangar_core.history.integrating import Author
from hangar_core.history.merging import Side
from hangar_core.history.settling import ConflictKey, ConflictRow, MergeOutcome
from hangar_core.history.staging import StagingArea
from hangar_core.model import NestedKey, SampleKey
from hangar_core.reports import MergeState

if TYPE_CHECKING:
    from hangar_core.hashing.kinds import Sample


class MergeInProgress:
    """A merge that `co.begin_merge` began. `outcome` says how it went; with ``conflicts`` they are waiting here.

    What is resolved is visible through the checkout at once. `co.commit` concludes the merge too, and a writer that is
    closed leaves it to the next one, or to `repo.merging`.
    """

    def __init__(
        self,
        staging: StagingArea,
        outcome: MergeOutcome,
        author: Callable[[], Author],
        settled: Callable[[], None],
        give_up: Callable[[], MergeState],
    ) -> None:
        self.outcome = outcome
        self._staging = staging
        self._author = author
        self._settled = settled
        self._give_up = give_up

    def conflicts(self) -> list[ConflictRow]:
        """Return what is still to be resolved; empty when nothing is in progress."""
        return settling.rows(self._staging.conflicts(), self._staging.objects)

    def resolve(self, arrayset: str, keys: str | Collection[ConflictKey] = "*", *, side: Side) -> int:
        """Decide conflicts of an arrayset (empty: of the metadata) for one side and return how many.

        `keys` is a glob over keys, ``sample/subsample`` where they are nested, or the keys themselves; a conflict of
        the arrayset itself counts as the key ``*``, or None. Raises `NoMerge`, `NotFound` if no open conflict matches.
        """
        count = settling.resolve(self._staging, arrayset, keys, side)
        self._settled()
        return count

    def take(self, arrayset: str, key: SampleKey | NestedKey, value: Sample) -> None:
        """Decide the conflict of one sample (or piece of metadata) with a value of one's own.

        A subsample is named (sample, subsample). Raises `NoMerge`, `NotFound`, `InvalidData`.
        """
        settling.take(self._staging, arrayset, key, value)

    def conclude(self, message: str = "") -> str:
        """Commit the merge and return the digest; without a message, with that of the merge.

        Raises `NoMerge`, `UnresolvedConflicts`.
        """
        return digests.text(settling.conclude(self._staging, message, self._author()))

    def abort(self) -> MergeState:
        """Go back to before the merge. All handles taken before are dead then, this one too. Raises `NoMerge`."""
        return self._give_up()
