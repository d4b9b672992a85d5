"""What a commit does with samples that are not to stay in packs: it hands them to the backends of their arraysets.

That happens before the transaction. A crash between both leaves files that no table knows, and the next writer removes
them; what is staged is still in its pack.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hangar_core.backends import options as backend_options
from hangar_core.backends import registry
from hangar_core.backends.base import Location, Sealed
from hangar_core.errors import CorruptDataError, CorruptRecord, DataMissing, InvalidInput, UnsupportedFormat
from hangar_core.hashing import digests
from hangar_core.hashing.kinds import FRAME_DTYPES
from hangar_core.hashing.samples import Payload, payload_of
from hangar_core.model import Digest

if TYPE_CHECKING:
    from hangar_core.backends.protocols import SealingBackend
    from hangar_core.hashing.kinds import Sample


# (code, options of the backend, digests): where an arrayset wants its new samples to be
Claim: TypeAlias = tuple[str, Mapping[str, Any], Iterable[Digest]]


class Sealing:
    """The samples of one commit that other backends than packs have stored."""

    def __init__(self, data: Path, payload: Callable[[Digest], Payload], require: Callable[[str], None]) -> None:
        """`data` is where the backends have their directories; `payload` reads a staged sample; `require` notes that
        the repository needs a feature from now on."""
        self._data = data
        self._payload = payload
        self._require = require
        self._made: list[tuple[SealingBackend, Sealed]] = []
        self.moved: dict[Digest, Location] = {}

    @property
    def files(self) -> dict[bytes, int]:
        """File -> length of what has been written."""
        return {uid: length for _, sealed in self._made for uid, length in sealed.files.items()}

    def seal(self, claims: Iterable[Claim], staged: Container[Digest]) -> Collection[Digest]:
        """Store each claimed sample that is staged with its backend, the first that claims it; return their digests.

        What a backend cannot hold, or this machine cannot write, stays where it is.
        """
        for code, given, wanted in _gathered(claims, staged):
            facts = registry.find(code)
            backend = None if facts is None or not facts.seals else self._opened(code)
            if facts is None or backend is None:
                _warn("backend %s is not installed here: %d samples stay in packs", code, len(wanted))
                continue
            try:
                options = backend_options.checked(code, given)
            except InvalidInput as why:  # recorded by another version, or by hand
                _warn("%s %d samples stay in packs", why, len(wanted))
                continue
            self._require(facts.feature)
            try:
                sealed = backend.seal(self._fitting(backend, wanted), options)
            except CorruptRecord as why:  # damage keeps a database from being written to
                _warn("%s %d samples stay in packs", why, len(wanted))
                continue
            self._made.append((backend, sealed))
            self.moved.update(sealed.locations)
        return self.moved

    def _fitting(self, backend: SealingBackend, wanted: Iterable[Digest]) -> Iterator[Payload]:
        for digest in wanted:
            try:
                payload = self._payload(digest)
            except (CorruptDataError, DataMissing) as why:  # whoever reads it will hear of it, and can add it again
                _warn("%s It stays where it is.", why)
                continue
            if backend.fits(payload):
                yield payload

    def _opened(self, code: str) -> SealingBackend | None:
        try:
            backend: SealingBackend = registry.open_backend(code, self._data)
        except UnsupportedFormat:
            return None
        return backend

    def take_back(self) -> None:
        """Remove what was written for a commit that did not come about."""
        for backend, sealed in self._made:
            backend.unseal(sealed)
        self.done()

    def done(self) -> None:
        """Forget what was written: it is published now."""
        self._made = []
        self.moved = {}

    def recover(self, known: Container[bytes], published: Callable[[Digest], Location | None]) -> None:
        """Remove files of all backends that no commit knows. Under the writer lock only."""
        if not self._data.is_dir():
            return
        for directory in sorted(self._data.iterdir()):
            facts = registry.find(directory.name)
            if facts is not None and facts.seals and (backend := self._opened(directory.name)) is not None:
                backend.recover(known.__contains__, published)


def _gathered(
    claims: Iterable[Claim], staged: Container[Digest]
) -> Iterator[tuple[str, Mapping[str, Any], Collection[Digest]]]:
    """Bring together what has the same backend and the same options, so that it gets few files; no digest twice."""
    groups: dict[str, tuple[str, Mapping[str, Any], dict[Digest, None]]] = {}
    seen: set[Digest] = set()
    for code, given, claimed in claims:
        if code == registry.DEFAULT:
            continue
        _, _, wanted = groups.setdefault(json.dumps([code, given], sort_keys=True), (code, given, {}))
        for digest in claimed:
            if digest in staged and digest not in seen:
                seen.add(digest)
                wanted[digest] = None
    return (group for group in groups.values() if group[2])


def stored_form(digest: Digest, sample: Sample) -> Payload:
    """Return what is stored for a sample that was read, without hashing it again."""
    if digests.code_of(digest) == digests.ORIGINAL:
        assert isinstance(sample, bytes)
        return Payload(digest, FRAME_DTYPES[digests.ORIGINAL], (len(sample),), sample)
    if digests.code_of(digest) != digests.ARRAY:
        return payload_of(sample)
    assert not isinstance(sample, str | bytes)
    from hangar_core.hashing.arrays import dtype_text, payload_bytes

    return Payload(digest, dtype_text(sample.dtype), sample.shape, payload_bytes(sample))


def _warn(text: str, *words: object) -> None:
    import logging  # readers have no use for it

    logging.getLogger(__name__).warning(text, *words)
