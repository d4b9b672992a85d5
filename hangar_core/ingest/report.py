"""What an import says in the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hangar_core.errors import FilesRejected
from hangar_core.model import Schema


@dataclass(frozen=True, slots=True)
class Reject:
    """One file, or sample, that was not taken: a stable code, what is wrong, what to do. One line each."""

    source: str
    code: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an import did. `kept` are samples that exist with other content and were left alone, `ignored` files
    hidden by their name; `plugins` counts files per plugin; `bytes` are those of the decoded arrays."""

    arrayset: str
    branch: str
    added: int
    updated: int
    unchanged: int
    kept: tuple[Reject, ...]
    ignored: tuple[Reject, ...]
    schema_created: bool
    schema: Schema
    plugins: Mapping[str, int]
    files: int
    bytes: int
    seconds: float


def refuse(rejects: list[Reject], total: int) -> None:
    """Raise `FilesRejected` if anything was rejected."""
    if rejects:
        ordered = sorted(rejects, key=lambda reject: reject.source)
        raise FilesRejected(
            count=len({reject.source for reject in rejects}),
            total=total,
            rejects=ordered,
            hint="mend or remove them and run the same command again",
        )
