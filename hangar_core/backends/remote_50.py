"""REMOTE_50: data that are known, and not here. Format: docs/formats/50.md."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from hangar_core.backends.base import Location, bad_location
from hangar_core.backends.text_records import BadRecord, decode_elsewhere
from hangar_core.errors import DataMissing
from hangar_core.hashing import digests
from hangar_core.model import Digest

if TYPE_CHECKING:
    from hangar_core.hashing.kinds import Sample

CODE: Final = "50"


class Elsewhere:
    """Answers every reading with where to get the data."""

    def __init__(self, directory: Path) -> None:
        """`directory` is that of the code, as for every backend; there is nothing in it."""

    def read(self, digest: Digest, location: Location) -> Sample:
        """Raise `DataMissing`; `CorruptDataError` if the record is none."""
        try:
            schema = decode_elsewhere(location)
        except BadRecord as why:
            raise bad_location(digest, why) from why
        name = digests.text(digest)
        raise DataMissing(
            f"The data {name} are on a remote and have not been fetched to this machine.",
            hint="run `hangar fetch-data REMOTE BRANCH`, with the remote and a branch that has them",
            digest=name,
            schema=schema,
        )

    def check_extent(self, digest: Digest, location: Location, *, verify: bool) -> bool:  # noqa: ARG002 — the contract
        """Say that they are not here."""
        return False

    def close(self) -> None:
        """There is nothing to let go."""
