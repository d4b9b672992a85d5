"""Which remotes a repository knows: names and addresses in ``remotes.json``. Format: docs/formats/repository.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

from hangar_core import files
from hangar_core.errors import AlreadyExists, CorruptRecord, InvalidInput, RemoteNotFound
from hangar_core.names import check_plain

_VERSION: Final = 1
_MOST_BYTES: Final = 1 << 20


class RemoteInfo(NamedTuple):
    """A remote that is known here."""

    name: str
    address: str


class KnownRemotes:
    """The file with all remotes of a repository."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[RemoteInfo]:
        """Return the remotes in order of their names. Raises `CorruptRecord`."""
        return [RemoteInfo(name, address) for name, address in sorted(self._read().items())]

    def get(self, name: str) -> RemoteInfo:
        """Return one. Raises `RemoteNotFound`."""
        found = self._read()
        if name not in found:
            raise RemoteNotFound(name=name)
        return RemoteInfo(name, found[name])

    def add(self, name: object, address: object) -> RemoteInfo:
        """Record a remote. Raises `InvalidName`, `AlreadyExists`, `InvalidInput` for an address that is no text."""
        checked = check_plain(name, "Remote")
        if not isinstance(address, str) or not address.strip() or not address.isprintable():
            raise InvalidInput(
                f"`{address!r}` is no address.", hint="an address is like https://host/name or /a/folder"
            )
        found = self._read()
        if checked in found:
            raise AlreadyExists(kind="Remote", name=checked, hint=f"remove it first: `hangar remote remove {checked}`")
        self._write({**found, checked: address})
        return RemoteInfo(checked, address)

    def remove(self, name: str) -> RemoteInfo:
        """Forget one. Raises `RemoteNotFound`."""
        found = self.get(name)
        self._write({one: address for one, address in self._read().items() if one != name})
        return found

    def _read(self) -> dict[str, str]:
        try:
            with open(self._path, "rb") as file:
                content = json.loads(file.read(_MOST_BYTES))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as why:
            raise self._damaged(str(why)) from why
        match content:
            case {"version": int(version), "remotes": dict(remotes)} if version == _VERSION:
                if all(isinstance(address, str) for address in remotes.values()):
                    return {str(name): address for name, address in remotes.items()}
        raise self._damaged("it does not hold remotes of version 1")

    def _write(self, remotes: dict[str, str]) -> None:
        content = json.dumps({"version": _VERSION, "remotes": dict(sorted(remotes.items()))}, indent=2)
        files.write_file(self._path, content.encode() + b"\n")

    def _damaged(self, reason: str) -> CorruptRecord:
        return CorruptRecord(
            what=str(self._path), reason=reason, hint="remove it, then `hangar remote add NAME ADDRESS` again"
        )
