"""`PickleFormat`: any Python object, for this machine alone.

Reading a pickle runs whatever its author wrote. So every file carries a signature (HMAC-SHA-256) made with a random
key of this machine and account, over the id of the step and the bytes. What was not written here, or was written for
another step, is refused before one byte of it is interpreted.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import pickle
import secrets
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

from hangar_steps.errors import BadResult
from hangar_steps.formats.base import Format

_FILE: Final = "result.pickle"
_MAGIC: Final = b"hangar pickle 1\n"
_KEY_SIZE: Final = 32


class PickleFormat(Format):
    """For results that no other format can store. They stay on this machine, and another account cannot read them."""

    NAME: ClassVar[str] = "pickle"
    LOCAL_ONLY: ClassVar[bool] = True

    def write(self, value: Any, directory: Path) -> None:
        """Raises what pickling raises."""
        try:
            data = pickle.dumps(value, protocol=5)
        except (pickle.PicklingError, TypeError, AttributeError) as why:
            raise self.refuse(value) from why
        (directory / _FILE).write_bytes(_MAGIC + _signature(directory.name, data) + data)

    def read(self, directory: Path) -> Any:
        """Raises `BadResult` if this machine has not signed just these bytes for just this step."""
        try:
            content = (directory / _FILE).read_bytes()
        except OSError as why:
            raise BadResult(step=directory.name, reason=str(why)) from why
        start = len(_MAGIC)
        signature, data = content[start : start + _KEY_SIZE], content[start + _KEY_SIZE :]
        if content[:start] != _MAGIC or not hmac.compare_digest(signature, _signature(directory.name, data)):
            raise BadResult(step=directory.name, reason="this machine has not signed it; a pickle is never taken over")
        try:
            return pickle.loads(data)  # noqa: S301 - signed by this machine for this very step
        except Exception as why:  # the class has changed since: any error
            raise BadResult(step=directory.name, reason=f"{type(why).__name__}: {why}") from why


def _signature(step_id: str, data: bytes) -> bytes:
    name = step_id.encode()
    signed = hmac.new(_key(_key_file()), _MAGIC + len(name).to_bytes(8, "little") + name, hashlib.sha256)
    signed.update(data)
    return signed.digest()


def _key_file() -> Path:
    import platformdirs

    return platformdirs.user_data_path("hangar") / "steps.key"


@cache
def _key(path: Path) -> bytes:
    """Return the key of this machine and account; whoever asks first draws it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        if not path.exists():
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as out:
                out.write(secrets.token_bytes(_KEY_SIZE))
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass  # another process was first
    finally:
        fresh.unlink(missing_ok=True)
    key = path.read_bytes()
    if len(key) != _KEY_SIZE:
        raise BadResult(
            step="every pickle", reason=f"the key `{path}` is damaged", hint=f"remove `{path}`: results are made again"
        )
    return key
