"""Notes about runs of experiments: a chain of records that only grows, each naming the one before.

The ref `runs` names the newest. A note is a JSON object, kept as a text under its digest, so that it can travel like
any record; what it says beside its predecessor is the business of whoever wrote it. Format: docs/formats/repository.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hangar_core.errors import CorruptRecord, RefChanged
from hangar_core.hashing import digests
from hangar_core.history import refs
from hangar_core.history.objects import Objects
from hangar_core.model import Digest
from hangar_core.storage.tables import Tables

_PREVIOUS: Final = "previous"
_TRIES: Final = 20


def append_note(tables: Tables, note: Mapping[str, Any]) -> Digest:
    """Add a note, durably, and return its digest; other processes may add theirs meanwhile. Raises `StorageFailed`."""
    for left in reversed(range(_TRIES)):
        try:
            with tables.write() as batch, tables.read() as reader:
                before = refs.run_notes(reader)
                document = {**note, _PREVIOUS: None if before is None else digests.text(before)}
                text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
                made = digests.text_digest(text)
                batch.put("nodes", made, text.encode())
                refs.move_run_notes(batch, before, made)
            return made
        except RefChanged:
            if not left:
                raise
    raise AssertionError("unreachable")


def run_notes(tables: Tables) -> Iterator[dict[str, Any]]:
    """Yield the notes, newest first. Raises `CorruptRecord`."""
    objects = Objects(tables)
    with tables.read() as reader:
        digest = refs.run_notes(reader)
    while digest is not None:
        note = _parsed(objects.get_text(digest), digest)
        yield note
        before = note[_PREVIOUS]
        digest = None if before is None else digests.from_text(before)


def _parsed(text: str, digest: Digest) -> dict[str, Any]:
    try:
        note = json.loads(text)
    except (ValueError, RecursionError) as why:
        raise CorruptRecord(what=f"run note {digests.text(digest)}", reason=str(why)) from why
    before = note.get(_PREVIOUS, "") if isinstance(note, dict) else ""
    known = before is None or (isinstance(before, str) and digests.from_text(before) is not None)
    if not known:
        raise CorruptRecord(what=f"run note {digests.text(digest)}", reason="it does not name the one before")
    return dict(note)
