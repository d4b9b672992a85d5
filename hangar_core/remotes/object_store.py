"""``s3://``, ``gs://`` and ``az://``: a bare remote in a bucket, without a server.

The keys of an account come from where its own tools look for them, the environment above all. Every file is created by
a conditional write; a store that ignores the condition would lose pushes, and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import util
from typing import Any, Final, TypeVar

from hangar_core.errors import NoRepositoryThere, NotAuthorized, PackageMissing, RemoteError, RemoteUnreachable
from hangar_core.remotes.bare import MARKER, BareRemote
from hangar_core.remotes.transport import Credentials, Transport

T = TypeVar("T")
_KEYS: Final = "set the keys of your account, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
# Where machines of Amazon, Google and Microsoft ask for keys of their own: nobody else has an answer there.
_ASKED_FOR_KEYS: Final = ("/latest/api/token", "/latest/meta-data", "/computeMetadata/", "/metadata/identity/")
# Small samples must not become small requests.
BATCH_BYTES: Final = 32 << 20
_NO_CONDITION: Final = (
    "it does not know conditional writes (If-None-Match), without which two who push at once would lose one push"
)


def open_bucket(address: str, _credentials: Credentials, create: bool) -> Transport:
    """Return the transport to a bucket, or a folder in one. Raises `PackageMissing`, `NoRepositoryThere`."""
    if util.find_spec("obstore") is None:
        raise PackageMissing(what="A remote in a bucket", package="obstore", extra="s3")
    return BareRemote(BucketStore(address), address, create=create)


class BucketStore:
    """A bucket, or what lies below one prefix of it."""

    batch_bytes = BATCH_BYTES
    keeps = 0

    def __init__(self, address: str) -> None:
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        self._address = address
        self._is_conditional = False
        try:
            self._store: Any = from_url(address)
        except (BaseError, ValueError) as why:
            raise RemoteUnreachable(address=address, reason=_first_line(why)) from why

    def create(self, name: str, buffers: Sequence[bytes | memoryview]) -> bool:
        """Create an object; False if there is one. Raises `RemoteError` where the store cannot tell."""
        data = b"".join(buffers)
        if not self._is_conditional and name != MARKER:
            self._prove_conditions()
        return self._put(name, data)

    @contextmanager
    def begun(self, name: str, buffers: Sequence[bytes | memoryview]) -> Iterator[Callable[[], bool]]:
        """Create an object when what this gives is called."""
        yield lambda: self.create(name, buffers)

    def left(self) -> Iterator[bytes]:
        """Yield nothing: objects are there whole or not at all."""
        yield from ()

    def _prove_conditions(self) -> None:
        """Create what is there already, with the same content: a store that takes it would take anything."""
        marker = self.read(MARKER)
        if marker is not None and self._put(MARKER, marker):
            raise RemoteError(f"The bucket at `{self._address}` cannot be pushed to: {_NO_CONDITION}.")
        self._is_conditional = True

    def _put(self, name: str, data: bytes) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def put() -> bool:
            try:
                # A multipart upload could not be conditional.
                obstore.put(self._store, name, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                # The answer to the first of several tries may have been lost.
                return self.read(name) == data and name != MARKER
            except NotImplementedError as why:
                raise RemoteError(f"The bucket at `{self._address}` cannot be pushed to: {_NO_CONDITION}.") from why
            return True

        return self._tried(put)

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes | None:
        """Return some bytes of an object; None if there is no such object."""
        import obstore

        def read() -> bytes | None:
            try:
                if start or size is not None:
                    end = None if size is None else start + size
                    return bytes(obstore.get_range(self._store, name, start=start, end=end))
                return bytes(obstore.get(self._store, name).bytes())
            except FileNotFoundError:
                return None

        return self._tried(read)

    def tail(self, name: str, size: int) -> bytes:
        """Return the last bytes of an object."""
        import obstore
        from obstore.exceptions import NotSupportedError

        def tail() -> bytes:
            try:
                # The store answers with all of it if there are fewer.
                return bytes(obstore.get(self._store, name, options={"range": {"suffix": size}}).bytes())
            except NotSupportedError:  # Azure has to be told where the last bytes begin
                end = int(obstore.head(self._store, name)["size"])
                return bytes(obstore.get_range(self._store, name, start=max(0, end - size), end=end))

        return self._tried(tail)

    def names(self, prefix: str) -> list[str]:
        """Return what lies below a prefix."""
        import obstore

        def names() -> list[str]:
            stream = obstore.list(self._store, prefix.rstrip("/"))
            return sorted(one["path"].removeprefix(prefix) for some in stream for one in some)

        return self._tried(names)

    def _tried(self, work: Callable[[], T]) -> T:
        """Return what `work` does; obstore itself tries again what fails on the way."""
        from obstore.exceptions import BaseError, UnauthenticatedError

        try:
            return work()
        except FileNotFoundError as why:
            raise NoRepositoryThere(address=self._address, reason=f": {_first_line(why)}") from why
        except (PermissionError, UnauthenticatedError) as why:
            raise NotAuthorized(address=self._address, reason=_first_line(why), hint=_KEYS) from why
        except (BaseError, OSError, ValueError, NotImplementedError) as why:
            if any(path in str(why) for path in _ASKED_FOR_KEYS):
                reason = "no keys of an account are set, and this machine has none of its own"
                raise NotAuthorized(address=self._address, reason=reason, hint=_KEYS) from why
            raise RemoteUnreachable(address=self._address, reason=_first_line(why)) from why


def _first_line(why: Exception) -> str:
    return str(why).strip().partition("\n")[0].rstrip(".")[:300]
