"""Keys for record trees: ordinary ones, and those that somebody would choose to make trees misbehave."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from itertools import count, islice

from hypothesis import strategies as st

from hangar_core.hashing import digests
from hangar_core.history.chunking import is_boundary
from hangar_core.model import Digest
from hangar_core.records.keys import encode_key

Entries = dict[bytes, Digest]


def digest_of(value: int) -> Digest:
    """Return one of as many digests as there are numbers."""
    return digests.compute(digests.ARRAY, b"%d" % value)


def _first(many: int, wanted: Callable[[bytes], bool]) -> list[bytes]:
    return list(islice((key for key in map(encode_key, count()) if wanted(key)), many))


@cache
def pools() -> dict[str, list[bytes]]:
    """Choices of keys, each in order."""
    endless = _first(1400, lambda key: not is_boundary(key, 0))
    lonely = _first(640, lambda key: is_boundary(key, 0) and not is_boundary(key, 1))
    towers = _first(6, lambda key: is_boundary(key, 0) and is_boundary(key, 1))
    return {
        "numbers": [encode_key(number) for number in range(1500)],
        "names": sorted(encode_key(f"{number % 13}/{number}") for number in range(1500)),
        # No node ends by itself: all are cut where they are too long.
        "endless": endless,
        "endless, now and then an end": sorted(endless + _first(2, lambda key: is_boundary(key, 0))),
        # Each entry is a node of its own, and the level above never ends.
        "lonely": lonely,
        "towers": sorted([*towers, *endless[:600]]),
    }


@st.composite
def entries(draw: st.DrawFn, pool: list[bytes]) -> Entries:
    """Some keys of the pool with digests, in any order: few that shrink well, or many out of a seed."""
    if draw(st.booleans()):
        chosen = draw(st.dictionaries(st.sampled_from(pool), st.integers(0, 2), max_size=12))
        return {key: digest_of(value) for key, value in chosen.items()}
    chance = random.Random(draw(st.integers(0, 2**32)))
    keys = chance.sample(pool, chance.choice([len(pool), len(pool) - 1, len(pool) // 2, len(pool) // 50]))
    return {key: digest_of(chance.randrange(3)) for key in keys}


@st.composite
def edits(draw: st.DrawFn, pool: list[bytes]) -> dict[bytes, Digest | None]:
    """Changes to lay over a tree: single ones, whole runs, or everything; None removes."""
    if draw(st.booleans()):
        chosen = draw(st.dictionaries(st.sampled_from(pool), st.none() | st.integers(0, 2), max_size=8))
        return {key: None if value is None else digest_of(value) for key, value in chosen.items()}
    start = draw(st.integers(0, len(pool) - 1))
    run = pool[start : start + draw(st.sampled_from([1, 30, 513, len(pool)]))]
    value = draw(st.none() | st.integers(0, 2))
    return dict.fromkeys(run, None if value is None else digest_of(value))
