"""In which order the keys came that a session has added: its writer lists them so, before a commit and after it.

A tree knows no such order. What is noted at a commit costs nothing but memory, up to a bound that `Overlay` keeps; it
is looked at when somebody lists keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from hangar_core.errors import CorruptRecord
from hangar_core.history import nested
from hangar_core.history.lookups import lookup_many
from hangar_core.history.objects import Objects
from hangar_core.model import Digest

# A session that has changed more keys, of all its arraysets, lists what is committed in order of keys.
MOST: Final = 1 << 17


class Step(NamedTuple):
    """What made one tree of another. Of a nested arrayset also which samples were touched, as they came."""

    before: Digest
    after: Digest
    changes: Mapping[bytes, Digest | None]
    samples: Sequence[bytes] = ()


class Arrivals:
    """What one writer has added to one tree and committed."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        # What was not looked at yet.
        self._noted: list[Step] = []
        self._keys: dict[bytes, None] = {}
        self._samples: dict[bytes, None] = {}

    def note(self, step: Step) -> None:
        """Note a commit; what it changed is not to be touched any more."""
        if step.changes:
            self._noted.append(step)

    def keys(self, root: Digest) -> dict[bytes, Digest]:
        """Return those of the keys that the tree at `root` has, in the order in which they came, and their digests."""
        self._catch_up()
        there = lookup_many(self._objects, root, self._keys) if self._keys else {}
        return {key: there[key] for key in self._keys if key in there}

    def samples(self) -> list[bytes]:
        """Return the prefixes of nested samples that were not there before, in the order in which they came."""
        self._catch_up()
        return list(self._samples)

    def _catch_up(self) -> None:
        with suppress(CorruptRecord):  # of an older tree: then there is no order but that of keys
            while self._noted:
                self._look(self._noted[0])
                del self._noted[0]

    def _look(self, step: Step) -> None:
        set_keys = [key for key, digest in step.changes.items() if digest is not None]
        before = lookup_many(self._objects, step.before, set_keys)
        for key, digest in step.changes.items():
            if digest is None or key not in before:
                self._keys.pop(key, None)  # what was removed and comes back comes back at the end
            if digest is not None and key not in before:
                self._keys[key] = None
        for sample in step.samples:
            is_new = not nested.count_under(self._objects, step.before, sample)
            is_there = nested.count_under(self._objects, step.after, sample) > 0
            if is_new or not is_there:
                self._samples.pop(sample, None)
            if is_new and is_there:
                self._samples[sample] = None
