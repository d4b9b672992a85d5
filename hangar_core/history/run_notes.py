"""Notes about runs of experiments: a chain of records that only grows, each naming the one before.

The ref `runs` names the newest. A note is a JSON object, kept as a text under its digest; what it says beside its
predecessor is the business of whoever wrote it. Format: docs/formats/repository.md.

Elsewhere other notes come before it: what travels is the note alone, and by the digest of that it is known to be here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
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
    return append_notes(tables, [note])[0]


def append_notes(tables: Tables, notes: Sequence[Mapping[str, Any]]) -> list[Digest]:
    """Add notes in this order, all or none, as `append_note` does."""
    for left in reversed(range(_TRIES)):
        try:
            with tables.write() as batch, tables.read() as reader:
                before = refs.run_notes(reader)
                made: list[Digest] = []
                for note in notes:
                    last = made[-1] if made else before
                    text = _text({**note, _PREVIOUS: None if last is None else digests.text(last)})
                    made.append(digests.text_digest(text))
                    batch.put("nodes", made[-1], text.encode())
                if made:
                    refs.move_run_notes(batch, before, made[-1])
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


def travelling(note: Mapping[str, Any]) -> str:
    """Return a note as it goes elsewhere: without the one that is before it here."""
    return _text({name: value for name, value in note.items() if name != _PREVIOUS})


def arrived(text: str) -> dict[str, Any]:
    """Return the note that `travelling` wrote. Raises `CorruptRecord` for a text that it would not write."""
    try:
        note = json.loads(text)
        if isinstance(note, dict) and _PREVIOUS not in note and _text(note) == text:
            return note
    except (ValueError, RecursionError) as why:
        raise CorruptRecord(what="run note", reason=str(why)) from why
    raise CorruptRecord(what="run note", reason="it is no JSON object in canonical form")


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


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
