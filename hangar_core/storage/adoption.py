"""Which of many locations have to be looked at, when all that matters is whether files are long enough.

A backend that appends has all data whole that lie before whole data of the same file. This is asked for a million
locations when a writer replays its log; so it works on columns. Locations are those of docs/formats/20.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from hangar_core.backends.base import Location
from hangar_core.backends.pack_blocks import BLOCK_LOCATION_SIZE
from hangar_core.backends.pack_frames import LOCATION_SIZE
from hangar_core.model import Digest

# A sample alone, and one in a block, whose location goes on with its place there.
_SIZES = {LOCATION_SIZE, BLOCK_LOCATION_SIZE}
_OFFSET_SIZE = 8
_file_of = itemgetter(slice(0, LOCATION_SIZE - _OFFSET_SIZE))
# The offset, turned round so that the order of bytes is that of numbers.
_offset_of = itemgetter(slice(LOCATION_SIZE - 1, LOCATION_SIZE - _OFFSET_SIZE - 1, -1))


def last_of_each(digests: Sequence[Digest], locations: Sequence[bytes]) -> dict[Digest, Location]:
    """Return the data that lie last in each file, out of `digests` at `locations`, and all that are no such locations.

    Nothing is said about what a location is worth: whoever reads it finds out.
    """
    if not locations:
        return {}
    sizes = set(map(len, locations))
    if sizes <= _SIZES and _file_of(min(locations)) == _file_of(max(locations)):
        at = locations.index(max(locations, key=_offset_of))
        return {digests[at]: Location(locations[at])}
    others: dict[Digest, Location] = {}
    last: dict[bytes, tuple[bytes, int]] = {}
    for number, location in enumerate(locations):
        if len(location) in _SIZES:
            file, place = _file_of(location), (_offset_of(location), number)
            last[file] = max(last.get(file, place), place)
        else:
            others[digests[number]] = Location(location)
    return others | {digests[number]: Location(locations[number]) for _, number in last.values()}
