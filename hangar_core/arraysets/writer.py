"""One arrayset, for writing: a reader over what is staged, with the verbs that stage."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from hangar_core.arraysets.closing import is_closed
from hangar_core.arraysets.mapping_writer import SampleMappingWriter
from hangar_core.arraysets.reader import DESCRIPTION_OPTION, TAGS_OPTION, ArraysetDataReader
from hangar_core.arraysets.session import WriteSession
from hangar_core.backends.options import BACKEND_OPTION, choose, compression, replaced
from hangar_core.backends.registry import DEFAULT
from hangar_core.errors import ArraysetNotFound, InvalidInput, InvalidName, NotAllowed
from hangar_core.model import Digest, SampleKey, Schema
from hangar_core.names import check_sample_key, made_up_name

if TYPE_CHECKING:
    from hangar_core.arraysets.key_views import KeyView
    from hangar_core.backends.codecs import Compression
    from hangar_core.history.overlay import StagedArrayset


class _Renames(Protocol):
    """All arraysets of the checkout, as far as one of them needs to know."""

    def rename(self, old: str, new: str) -> ArraysetDataWriter: ...


class ArraysetDataWriter(SampleMappingWriter, ArraysetDataReader):
    """Samples set here are staged: they survive the death of the process at once, a power cut when the `with` block
    ends, and become history with the next commit."""

    _session: WriteSession

    def __init__(self, session: WriteSession, name: str, arraysets: _Renames) -> None:
        staged = session.staging.overlay.arraysets[name]
        super().__init__(session, name, staged.schema, staged.options)
        self._arraysets = arraysets

    @property
    def _staged(self) -> StagedArrayset:
        try:
            return self._session.staging.overlay.arraysets[self._name]
        except KeyError as why:  # a merge has taken it away
            raise ArraysetNotFound(name=self._name) from why

    @property
    def _keys(self) -> KeyView:
        return self._staged.samples

    @property
    def _provenance_keys(self) -> KeyView:
        return self._staged.provenance

    @property
    def _schema(self) -> Schema:
        return self._staged.schema

    @property
    def options(self) -> Mapping[str, str]:
        return dict(self._staged.options)

    @property
    def iswriteable(self) -> bool:
        return True

    # --- samples ----------------------------------------------------------------------------------------------------

    def _stage(self, changes: Collection[tuple[bytes, Digest | None]]) -> None:
        self._session.staging.stage_samples(self._name, changes)

    @property
    def is_apart(self) -> bool:
        return self._staged.options.get(BACKEND_OPTION, DEFAULT) != DEFAULT

    @property
    def codec(self) -> Compression | None:
        return compression(self._name, self._staged.options)

    def check_name(self, name: SampleKey | None) -> SampleKey:
        if name is None:
            if self._schema.named:
                raise InvalidName(kind="Sample", name=name, rule=f"Samples of `{self._name}` need a name.")
            return made_up_name()
        return check_sample_key(name)

    def _encode_names(self, names: Sequence[SampleKey]) -> list[bytes]:
        if None in names:
            names = [self.check_name(name) for name in names]
        return super()._encode_names(names)

    # --- the arrayset itself ----------------------------------------------------------------------------------------

    def rename(self, new_name: str) -> ArraysetDataWriter:
        """Give the arrayset another name and return the new handle; this one is dead afterwards.

        No sample is written again, whatever their number. Raises as `co.arraysets.rename` does.
        """
        return self._arraysets.rename(self._name, new_name)

    def widen(self, shape: int | Sequence[int], *, variable: bool = False) -> None:
        """Allow larger samples: no size of `shape` is below the present one, and the number of dimensions stays.

        An arrayset of one fixed shape needs `variable`, and allows all shapes up to `shape` from then on. Raises
        `InvalidInput`.
        """
        from hangar_core.storage.validation import widened

        schema = widened(self._schema, shape, variable=variable)
        if schema != self._schema:
            self._session.staging.stage_arrayset(self._name, schema, self.options)

    def describe(self, description: str | None = None, tags: Iterable[str] | None = None) -> None:
        """Say what the arrayset is and by which words to find it; what is not given stays, what is empty is removed.

        Raises `InvalidInput`.
        """
        options = dict(self.options)
        if description is not None:
            _set_or_drop(options, DESCRIPTION_OPTION, _text("A description", description))
        if tags is not None:
            if isinstance(tags, str):
                raise InvalidInput("`tags` is a list of texts, not one text.")
            words = list(dict.fromkeys(_text("A tag", tag) for tag in tags))
            if "" in words:
                raise InvalidInput("A tag must not be empty.")
            _set_or_drop(
                options, TAGS_OPTION, json.dumps(words, ensure_ascii=False, separators=(",", ":")) if words else ""
            )
        self.set_options(options)

    def change_backend(self, backend_opts: str | Mapping[str, Any]) -> None:
        """Choose where later data go, with a code or as a mapping with options; earlier samples stay readable.

        Raises `UnknownBackend`, `InvalidInput` for options that the backend does not have, and `RuntimeError` inside
        the arrayset's `with` block.
        """
        if self._session.is_entered(self._name):
            raise InsideWithBlock(f"The backend of `{self._name}` cannot change inside its `with` block.")
        options = replaced(self.options, choose(backend_opts, self._schema))
        self._session.staging.stage_arrayset(self._name, self._schema, options)

    def set_options(self, options: Mapping[str, str]) -> None:
        """Record facts about the arrayset besides its schema, in place of those recorded before."""
        if options != self.options:
            self._session.staging.stage_arrayset(self._name, self._schema, dict(options))

    # --- with -------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._session.enter(self._name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not is_closed(self):
            self._session.leave(self._name)
        else:  # a merge inside the block may have renamed or removed the arrayset
            object.__getattribute__(self, "_session").forget(object.__getattribute__(self, "_name"))


class InsideWithBlock(NotAllowed, RuntimeError):
    """A use that has to wait until the `with` block of the arrayset is left."""


def _text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{what} is text, not {type(value).__name__}.")
    try:
        value.encode()
    except UnicodeEncodeError as why:
        raise InvalidInput(f"{what} holds half of a surrogate pair, which no encoding can store.") from why
    return value


def _set_or_drop(options: dict[str, str], name: str, value: str) -> None:
    if value:
        options[name] = value
    else:
        options.pop(name, None)
