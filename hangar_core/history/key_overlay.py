"""Changes over one record tree, in memory. Exact at all times: what equals the base is no change.

Order is that of a dict which was filled, when the session began, with the base in order of keys: keys that were there,
then new ones as they came, whether they are committed or not. What is folded comes in order of keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, cast

from hangar_core.history import nested, short_cuts, tree, tree_edits
from hangar_core.history.arrivals import Arrivals, Step
from hangar_core.history.lookups import lookup_many
from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.records.keys import sample_prefix

# key -> new digest, or None where the key was removed
KeyChanges = dict[bytes, Digest | None]


class KeyOverlay:
    """Changes over one tree: key -> new digest, or None where the key was removed."""

    # Whether `count` is the number of keys, so that many new ones can be entered at once.
    _counts_keys: ClassVar[bool] = True

    def __init__(self, objects: Objects, base: Digest, base_count: int) -> None:
        self._objects = objects
        self.base = base
        self.base_count = base_count
        self.changes: KeyChanges = {}
        self.count = base_count
        # The key last looked up and what the base holds: whoever is about to set one asks for it first.
        self._looked_up: tuple[bytes, Digest | None] = (b"", None)
        # What the base holds for keys that were set one by one, as long as they are few.
        self._was: dict[bytes, Digest | None] = {}
        self._arrivals = Arrivals(objects)

    def take_order(self, before: KeyOverlay) -> None:
        """List what is in the base as another overlay over it does."""
        self._arrivals = before._arrivals

    def follow(self, before: KeyOverlay) -> None:
        """Go on with the order of an overlay in whose place this one comes."""
        self.take_order(before)
        self._arrivals.note(Step(before.base, self.base, before.changes, before._samples_touched()))

    @property
    def entries(self) -> int:
        """How many keys there are."""
        return self.count

    @property
    def root(self) -> Digest | None:
        """Root of the tree that holds exactly these keys: the base while nothing differs from it, else unknown."""
        return None if self.changes else self.base

    def get(self, key: bytes) -> Digest | None:
        """Return the digest under `key`, staged or committed."""
        if key in self.changes:
            return self.changes[key]
        return self._in_base(key)

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, Digest]:
        """Return key -> digest of those keys that there are, staged or committed."""
        changes = self.changes
        found: dict[bytes, Digest] = {}
        if not changes.keys().isdisjoint(keys):
            found = {key: digest for key in keys if (digest := changes.get(key)) is not None}
        if self.base_count and len(found) < len(keys):
            found |= lookup_many(self._objects, self.base, [key for key in keys if key not in changes])
        return found

    def set(self, key: bytes, digest: Digest | None) -> None:
        """Set or, with None, remove a key."""
        committed = self._in_base(key)
        if len(self._was) < short_cuts.MOST:
            self._was[key] = committed
        self._set(key, digest, committed)

    def set_many(self, keys: Sequence[bytes], digests: Sequence[Digest | None]) -> None:
        """Set or remove keys, as if by one `set` after another."""
        committed = lookup_many(self._objects, self.base, keys) if self.base_count else {}
        if self._counts_keys and not committed and None not in digests:
            before = len(self.changes)
            self.changes.update(zip(keys, digests, strict=True))
            self.count += len(self.changes) - before
            return
        if not committed and not any(digests) and self.changes.keys().isdisjoint(keys):
            return  # what is nowhere is not removed
        for key, digest in zip(keys, digests, strict=True):
            self._set(key, digest, committed.get(key))

    def _set(self, key: bytes, digest: Digest | None, committed: Digest | None) -> None:
        """Set or remove a key under which the base holds `committed`."""
        before = self.changes.get(key, committed)
        if before == digest:
            return
        self.count += (digest is not None) - (before is not None)
        _enter(self.changes, key, before, digest, committed)

    def edits(self) -> list[tuple[bytes, Digest | None]]:
        """Return the changes in an order that, repeated, gives the order there is now."""
        return list(self.changes.items())

    def items(self) -> Iterator[tuple[bytes, Digest]]:
        """Yield (key, digest): those that were there in order of keys, then new ones in the order in which they came.

        What is staged while this runs is not seen by it.
        """
        base = tree.items(self._objects, self.base) if self.base_count else iter(())
        yield from _laid_over(base, self._came(), dict(self.changes))

    def _samples_touched(self) -> Sequence[bytes]:
        """Return the prefixes of nested samples of which something changed, as they came."""
        return ()

    def _came(self) -> dict[bytes, Digest]:
        """Return what of the base this session has added, in the order in which it came."""
        return self._arrivals.keys(self.base) if self.base_count else {}

    def tallies(self) -> tuple[int, int, int]:
        """Return how many keys were (added, deleted, mutated)."""
        added = deleted = mutated = 0
        for key, digest in self.changes.items():
            if digest is None:
                deleted += 1
            elif self._in_base(key) is None:
                added += 1
            else:
                mutated += 1
        return added, deleted, mutated

    def tree(self) -> Digest:
        """Return the root of the tree with all changes applied, held in `Objects`."""
        changes = self.changes
        if self.base_count and len(changes) > short_cuts.MOST and self._are_behind():
            keys = sorted(changes)
            new = cast("dict[bytes, Digest]", changes)
            root = tree_edits.append(self._objects, self.base, keys, [new[key] for key in keys])
        elif self.base_count:
            root = tree_edits.apply(self._objects, self.base, sorted(changes.items()))
        else:  # of what is nowhere, nothing is removed
            root = tree_edits.build(self._objects, cast("dict[bytes, Digest]", changes))
        if len(changes) <= short_cuts.MOST:
            was = self._was
            known = [(key, was[key] if key in was else self._in_base(key), changes[key]) for key in sorted(changes)]
            short_cuts.note(self._objects, self.base, root, known)
        return root

    def _are_behind(self) -> bool:
        """Whether all changes are keys behind those of the base."""
        return None not in self.changes.values() and min(self.changes) > self._objects.get_node(self.base).keys[-1]

    def _in_base(self, key: bytes) -> Digest | None:
        if not self.base_count:
            return None
        known, digest = self._looked_up
        if key != known:
            digest = tree.lookup(self._objects, self.base, key)
            self._looked_up = key, digest
        return digest


@dataclass(slots=True)
class _Touched:
    """A sample of which something changed: how many subsamples it has, and what changed."""

    count: int
    changes: KeyChanges = field(default_factory=dict)


class NestedKeyOverlay(KeyOverlay):
    """Changes over a tree of nested samples; `count` is the number of samples, `entries` that of subsamples."""

    _counts_keys = False

    def __init__(self, objects: Objects, base: Digest, base_count: int) -> None:
        super().__init__(objects, base, base_count)
        self._touched: dict[bytes, _Touched] = {}
        self._grouped: dict[bytes, dict[bytes, Digest]] | None = None
        self._more_entries = 0

    @property
    def entries(self) -> int:
        return (tree.count(self._objects, self.base) if self.base_count else 0) + self._more_entries

    def _set(self, key: bytes, digest: Digest | None, committed: Digest | None) -> None:
        before = self.changes.get(key, committed)
        if before == digest:
            return
        prefix = sample_prefix(key)
        sample = self._touched.get(prefix)
        if sample is None:
            sample = self._touched[prefix] = _Touched(self._count_in_base(prefix))
        was = sample.count
        more = (digest is not None) - (before is not None)
        sample.count += more
        self._more_entries += more
        self.count += (sample.count > 0) - (was > 0)
        _enter(self.changes, key, before, digest, committed)
        _enter(sample.changes, key, before, digest, committed)
        if not sample.changes:
            del self._touched[prefix]

    def edits(self) -> list[tuple[bytes, Digest | None]]:
        return [edit for sample in self._touched.values() for edit in sample.changes.items()]

    def prefixes(self) -> Iterator[bytes]:
        """Yield the prefix of each sample: those that were there in order, then new ones as they came.

        What is staged while this runs is not seen by it.
        """
        touched = {prefix: sample.count for prefix, sample in self._touched.items()}
        came = self._arrivals.samples()
        later, in_base = set(came), set(came)
        for prefix in nested.prefixes(self._objects, self.base) if self.base_count else ():
            if prefix in touched:
                in_base.add(prefix)
            if prefix not in later and touched.get(prefix, 1):
                yield prefix
        yield from (prefix for prefix in came if touched.get(prefix, 1))
        yield from (prefix for prefix, count in touched.items() if count and prefix not in in_base)

    def under(self, prefix: bytes) -> Iterator[tuple[bytes, Digest]]:
        """Yield (whole key, digest) of the subsamples of one sample, in the order of `items`."""
        sample = self._touched.get(prefix)
        base = nested.under(self._objects, self.base, prefix) if self.base_count else iter(())
        came = self._came_under().get(prefix, {})
        yield from _laid_over(base, came, dict(sample.changes) if sample else {})

    def _samples_touched(self) -> Sequence[bytes]:
        return list(self._touched)

    def _came_under(self) -> dict[bytes, dict[bytes, Digest]]:
        """Return by sample what of the base this session has added, in the order in which it came."""
        if self._grouped is None:
            self._grouped = {}
            for key, digest in self._came().items():
                self._grouped.setdefault(sample_prefix(key), {})[key] = digest
        return self._grouped

    def count_under(self, prefix: bytes) -> int:
        """Return the number of subsamples of one sample."""
        sample = self._touched.get(prefix)
        return self._count_in_base(prefix) if sample is None else sample.count

    def _count_in_base(self, prefix: bytes) -> int:
        return nested.count_under(self._objects, self.base, prefix) if self.base_count else 0


def overlay_of(objects: Objects, base: Digest, base_count: int, *, is_nested: bool) -> KeyOverlay:
    """Return an overlay without changes over a tree of that kind of keys."""
    return (NestedKeyOverlay if is_nested else KeyOverlay)(objects, base, base_count)


def _enter(
    changes: KeyChanges, key: bytes, before: Digest | None, digest: Digest | None, committed: Digest | None
) -> None:
    """Note that `key` changed from `before` to `digest`, over a base that holds `committed`."""
    if before is None or digest == committed:
        changes.pop(key, None)  # a key that comes back comes back at the end
    if digest != committed:
        changes[key] = digest


def _laid_over(
    base: Iterator[tuple[bytes, Digest]], came: Mapping[bytes, Digest], changes: KeyChanges
) -> Iterator[tuple[bytes, Digest]]:
    """Yield what there is: the base without what of it `came` later, that, and what is new."""
    in_base = set(came)
    for key, digest in base:
        if key in came:
            continue
        if key not in changes:
            yield key, digest
            continue
        in_base.add(key)
        changed = changes[key]
        if changed is not None:
            yield key, changed
    for key, digest in came.items():
        now = changes.get(key, digest) if changes else digest
        if now is not None:
            yield key, now
    for key, staged in changes.items():
        if staged is not None and key not in in_base:
            yield key, staged
