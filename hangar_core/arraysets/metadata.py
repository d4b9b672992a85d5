"""Text kept with the data: `co.metadata`, a mapping from plain names or integers to any Unicode text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from hangar_core.arraysets.closing import is_closed
from hangar_core.arraysets.mapping import MISSING
from hangar_core.arraysets.pairs import ByName, pairs_of
from hangar_core.arraysets.session import CommittedKeys, ReadSession, WriteSession
from hangar_core.errors import InvalidData, InvalidName, MetadataNotFound, NotPicklable
from hangar_core.model import Digest, Root, SampleKey
from hangar_core.names import check_metadata_key, made_up_name
from hangar_core.records.keys import decode_key, encode_key

if TYPE_CHECKING:
    from hangar_core.arraysets.key_views import KeyView

# The metadata count as entered under a name that no arrayset can have.
_ENTERED = ""


class MetadataReader:
    """The metadata of a commit. Integer keys come before text keys."""

    def __init__(self, session: ReadSession, keys: KeyView) -> None:
        self._session = session
        self._keys_read = keys
        session.handles.add(self)

    @classmethod
    def committed(cls, session: ReadSession, root: Root) -> Self:
        """Return a handle on the metadata of a commit."""
        return cls(session, CommittedKeys(session.objects, root.metadata, root.metadata_count))

    @property
    def _keys(self) -> KeyView:
        return self._keys_read

    @property
    def iswriteable(self) -> bool:
        """Whether metadata can be added through this handle."""
        return False

    def __len__(self) -> int:
        return self._keys.count

    def __contains__(self, key: object) -> bool:
        return self._find(key) is not None

    def __iter__(self) -> Iterator[SampleKey]:
        return self.keys()

    def __getitem__(self, key: SampleKey) -> str:
        digest = self._find(key)
        if digest is None:
            raise MetadataNotFound(key=key)
        return self._session.objects.get_text(digest)

    def get(self, key: SampleKey, default: Any = MISSING) -> Any:
        """Return the text under `key`; if there is none, `default`.

        Raises `MetadataNotFound` (a `KeyError`) when no default is given.
        """
        try:
            return self[key]
        except MetadataNotFound:
            if default is MISSING:
                raise
            return default

    def keys(self) -> Iterator[SampleKey]:
        """Yield the keys."""
        return (decode_key(key) for key, _ in self._keys.items())

    def values(self) -> Iterator[str]:
        """Yield the texts in order of keys."""
        return (self._session.objects.get_text(digest) for _, digest in self._keys.items())

    def items(self) -> Iterator[tuple[SampleKey, str]]:
        """Yield (key, text)."""
        return zip(self.keys(), self.values(), strict=True)

    def _find(self, key: object) -> Digest | None:
        try:
            return self._keys.get(encode_key(check_metadata_key(key)))
        except InvalidName:
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __reduce__(self) -> NoReturn:
        raise NotPicklable(what="Metadata")

    def __repr__(self) -> str:
        from hangar_core.arraysets.cards import card

        return card("Metadata", {"Writeable": self.iswriteable, "Number of Keys": len(self)})


class MetadataWriter(MetadataReader):
    """The metadata of the staging area."""

    _session: WriteSession

    def __init__(self, session: WriteSession) -> None:
        super().__init__(session, session.staging.overlay.metadata)

    @property
    def _keys(self) -> KeyView:
        return self._session.staging.overlay.metadata

    @property
    def iswriteable(self) -> bool:
        return True

    def __setitem__(self, key: SampleKey, value: str) -> None:
        self.add(key, value)

    def add(self, key: SampleKey, value: str) -> SampleKey:
        """Stage a piece of text and return its key. Raises `InvalidName`, `InvalidData` when `value` is no text."""
        checked = check_metadata_key(key)
        _checked(value)
        if self._find(checked) is None or self[checked] != value:
            self._session.staging.stage_metadata(encode_key(checked), value)
        return checked

    def update(self, pieces: ByName | Iterable[tuple[SampleKey, str]]) -> None:
        """Stage many pieces of text, from a mapping or pairs. All are checked before one is staged; raises as `add`."""
        checked = [(check_metadata_key(key), _checked(value)) for key, value in pairs_of(pieces)]
        for key, value in checked:
            self.add(key, value)

    def append(self, value: str) -> SampleKey:
        """Stage a piece of text under a made-up key and return that."""
        return self.add(made_up_name(), value)

    def pop(self, key: SampleKey, default: Any = MISSING) -> Any:
        """Remove a piece of text and return it, or `default` if there is none. Raises `MetadataNotFound` without."""
        text = self.get(key, default)
        if key in self:
            self.remove(key)
        return text

    def __delitem__(self, key: SampleKey) -> None:
        self.remove(key)

    def remove(self, key: SampleKey) -> SampleKey:
        """Remove a piece of text and return its key. Raises `MetadataNotFound`."""
        if self._find(key) is None:
            raise MetadataNotFound(key=key)
        self._session.staging.stage_metadata(encode_key(key), None)
        return key

    def __enter__(self) -> Self:
        self._session.enter(_ENTERED)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not is_closed(self):
            self._session.leave(_ENTERED)


def _checked(value: object) -> str:
    """Return `value` if it is text that can be stored. Raises `InvalidData`."""
    if not isinstance(value, str):
        raise InvalidData(f"Metadata values are text, not {type(value).__name__}.")
    try:
        value.encode()
    except UnicodeEncodeError as why:
        raise InvalidData("This text holds half of a surrogate pair, which no encoding can store.") from why
    return value
