"""One arrayset, for writing: a reader over what is staged, with the verbs that stage."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hangar_core.arraysets.closing import is_closed
from hangar_core.arraysets.reader import BACKEND_OPTION, DEFAULT_BACKEND, ArraysetDataReader
from hangar_core.arraysets.session import KeyView, WriteSession
from hangar_core.errors import InvalidInput, InvalidName, NotAllowed, UnknownBackend
from hangar_core.history.overlay import StagedArrayset
from hangar_core.model import Digest, SampleKey, Schema
from hangar_core.names import check_sample_key
from hangar_core.records.keys import encode_key
from hangar_core.storage.datastore import in_batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BACKENDS = (DEFAULT_BACKEND,)


class ArraysetDataWriter(ArraysetDataReader):
    """Samples set here are staged: they survive the death of the process at once, a power cut when the `with` block
    ends, and become history with the next commit."""

    _session: WriteSession

    def __init__(self, session: WriteSession, name: str) -> None:
        staged = session.staging.overlay.arraysets[name]
        super().__init__(session, name, staged.schema, staged.options)

    @property
    def _staged(self) -> StagedArrayset:
        return self._session.staging.overlay.arraysets[self._name]

    @property
    def _keys(self) -> KeyView:
        return self._staged.samples

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

    def __setitem__(self, key: SampleKey, value: NDArray[Any]) -> None:
        self.add(value, key)

    def add(self, data: NDArray[Any], name: SampleKey | None = None) -> SampleKey:
        """Stage one sample and return its name; an arrayset without names makes one up.

        Setting what is there already changes nothing. Raises `InvalidName`, `InvalidData`, `StorageFailed`.
        """
        from hangar_core.storage.validation import check_fits

        key = self._check_name(name)
        array = check_fits(self._schema, data)
        encoded = encode_key(key)
        digest = self._session.store.put(array)
        if self._keys.get(encoded) != digest:
            self._session.staging.stage_samples(self._name, ((encoded, digest),))
        return key

    def update(self, samples: Mapping[SampleKey, NDArray[Any]] | Iterable[tuple[SampleKey, NDArray[Any]]]) -> int:
        """Stage many samples in few writes and return how many were new or changed.

        Layout and byte order are converted where nothing is lost. Everything is checked before it is staged, batch by
        batch; if one sample is refused, its batch is not staged. Raises as `add` does.
        """
        from hangar_core.storage.validation import fit

        pairs = samples.items() if isinstance(samples, Mapping) else samples
        changed = 0
        for batch in in_batches((self._check_name(key), fit(self._schema, value)) for key, value in pairs):
            digests = self._session.store.put_many(array for _, array in batch)
            keyed = {encode_key(key): digest for (key, _), digest in zip(batch, digests, strict=True)}
            changed += self.stage(keyed.items())
        return changed

    def stage(self, changes: Iterable[tuple[bytes, Digest]]) -> int:
        """Stage samples whose data are stored already, as (encoded key, digest); return how many differ from before."""
        keys = self._keys
        different = [(key, digest) for key, digest in changes if keys.get(key) != digest]
        if different:
            self._session.staging.stage_samples(self._name, different)
        return len(different)

    def __delitem__(self, key: SampleKey) -> None:
        self.remove(key)

    def remove(self, name: SampleKey) -> SampleKey:
        """Remove a sample from the arrayset; earlier commits keep it. Raises `SampleNotFound`."""
        self.digest(name)
        key = check_sample_key(name)
        self._session.staging.stage_samples(self._name, ((encode_key(key), None),))
        return key

    def _check_name(self, name: SampleKey | None) -> SampleKey:
        if name is None:
            if self._schema.named:
                raise InvalidName(kind="Sample", name=name, rule=f"Samples of `{self._name}` need a name.")
            return uuid.uuid4().hex
        return check_sample_key(name)

    # --- storage ----------------------------------------------------------------------------------------------------

    def change_backend(self, backend_opts: str | Mapping[str, Any]) -> None:
        """Choose where later data go; earlier samples stay readable.

        Raises `UnknownBackend`, and `RuntimeError` inside the arrayset's `with` block.
        """
        if self._session.is_entered(self._name):
            raise InsideWithBlock(f"The backend of `{self._name}` cannot change inside its `with` block.")
        code = backend_code(backend_opts)
        self._session.staging.stage_arrayset(self._name, self._schema, {**self.options, BACKEND_OPTION: code})

    def set_options(self, options: Mapping[str, str]) -> None:
        """Record facts about the arrayset besides its schema."""
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


class InsideWithBlock(NotAllowed, RuntimeError):
    """A use that has to wait until the `with` block of the arrayset is left."""


def backend_code(backend_opts: str | Mapping[str, Any] | None) -> str:
    """Return the code that a `backend_opts` argument asks for. Raises `UnknownBackend`."""
    if backend_opts is None:
        return DEFAULT_BACKEND
    code = backend_opts if isinstance(backend_opts, str) else backend_opts.get("backend", DEFAULT_BACKEND)
    if code not in _BACKENDS:
        raise UnknownBackend(code=code, known=", ".join(_BACKENDS))
    if not isinstance(backend_opts, str) and (unknown := sorted(backend_opts.keys() - {"backend"})):
        raise InvalidInput(f"Backend `{code}` has no options; unknown: {', '.join(map(str, unknown))}.")
    return str(code)
