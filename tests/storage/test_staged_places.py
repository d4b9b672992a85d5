"""Where staged data lie is remembered in little room, and answers as a dict would."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangar_core.backends.base import Location
from hangar_core.model import Digest
from hangar_core.storage import staged_places
from hangar_core.storage.staged_places import StagedPlaces


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """Blocks of a few."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(staged_places, "_RECENT", 4)
        patched.setattr(staged_places, "_LARGE", 24)
        yield


# Some begin alike, as no two of real data do.
_DIGESTS = st.builds(
    lambda first, rest: Digest(bytes(7) + bytes([first]) + rest.to_bytes(24, "big") + b"\x01"),
    st.integers(0, 9),
    st.integers(0, 5),
)
_LOCATIONS = st.builds(
    lambda file, offset, index: Location(b"20" + bytes([file]) * 16 + offset.to_bytes(8, "little") + index),
    st.integers(0, 3),
    st.integers(0, 2**43),
    st.sampled_from([b"", b"\x00\x00", b"\x07\x01"]),
)


@given(st.lists(st.lists(st.tuples(_DIGESTS, _LOCATIONS), max_size=9), max_size=20), st.lists(_DIGESTS))
def test_it_answers_as_a_dict(steps: list[list[tuple[Digest, Location]]], asked: list[Digest]) -> None:
    places, model = StagedPlaces(), dict[Digest, Location]()
    for step in steps:
        places.update(step)
        model.update(step)
        assert places.get_many(asked) == {digest: model[digest] for digest in asked if digest in model}
        assert all((digest in places) == (digest in model) for digest in asked)
    last: dict[Digest, Location] = {}
    for piece in places.pieces():
        last.update(piece)
    assert last == model
    assert dict(places) == model
    assert len(places) == len(model)
    places.clear()
    assert not places
    assert not dict(places)
