"""Data that are not here: which command brings them."""

from __future__ import annotations

import glob
import shlex
from typing import TYPE_CHECKING

from hangar_core.errors import CorruptRecord, DataMissing
from hangar_core.history import refs
from hangar_core.storage.known_remotes import KnownRemotes

if TYPE_CHECKING:
    from hangar_core.arraysets.session import ReadSession


def absent(why: DataMissing, session: ReadSession, arrayset: str, key: object) -> DataMissing:
    """Return the error about one sample whose data only a remote has; `why` itself if they should be here."""
    with session.context.tables.read() as reader:
        is_partial = refs.is_partial(reader)
    if "file" in why.facts or "key" in why.facts or not is_partial:
        return why
    try:
        names = [one.name for one in KnownRemotes(session.context.layout.remotes).all()]
    except CorruptRecord:
        names = []
    remote = names[0] if len(names) == 1 else "origin" if "origin" in names else "REMOTE"
    which = "" if remote in names else ", with a remote that has them: `hangar remote list`"
    wanted = shlex.quote(glob.escape(str(key)))
    return DataMissing(
        f"The data of sample `{key}` of arrayset `{arrayset}` are on a remote, and not on this machine.",
        hint=f"run `hangar fetch-data {remote} {session.start} --aset {shlex.quote(arrayset)} --keys {wanted}`{which}",
        key=key,
        arrayset=arrayset,
        **why.facts,
    )
