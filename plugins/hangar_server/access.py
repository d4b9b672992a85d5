"""Who may do what: tokens and users, hashed at rest, each with a scope for some repositories and branches.

They lie in ``access.json`` in the server's folder, or in another file, as TOML if its name ends with ``.toml``; only
its owner can read it. A token is 32 random bytes, so its SHA-256 gives nothing away; a password is chosen by people,
and is kept as scrypt. Comparisons take the same time whatever is wrong.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import json
import os
import secrets
import threading
import time
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

from hangar_core import files
from hangar_core.errors import AlreadyExists, CorruptRecord, InvalidInput, NotFound

SCOPES: Final = ("none", "read", "write", "admin")
_VERSION: Final = 1
_SALT_SIZE = 16


class Denied(Exception):
    """The request is not allowed. `known` says whether it is known who asks."""

    def __init__(self, reason: str, *, known: bool) -> None:
        super().__init__(reason)
        self.known = known


class Entry(NamedTuple):
    """A token or a user. `repositories` and `branches` are globs; `kind` is token or user."""

    kind: str
    name: str
    scope: str
    repositories: str
    branches: str
    hashed: str
    salt: str
    created: int

    def permits(self, scope: str, repository: str, branch: str | None) -> bool:
        """Whether it is good for something in a repository, and on a branch if one is named."""
        return (
            SCOPES.index(self.scope) >= SCOPES.index(scope)
            and fnmatch.fnmatchcase(repository, self.repositories)
            and (branch is None or fnmatch.fnmatchcase(branch, self.branches))
        )


class Access:
    """The entries of a server, read anew when the file changes; `anonymous` is the scope of who says nothing."""

    def __init__(self, path: Path, anonymous: str | None = None) -> None:
        """With `anonymous` None, everybody may write while there is no entry, and read from the first one on."""
        self._path = path
        self._anonymous = anonymous
        self._lock = threading.Lock()
        self._read_at: tuple[int, int] | None = None
        self._entries: list[Entry] = []
        self._proved: dict[bytes, Entry] = {}

    def check(self, authorization: str, scope: str, repository: str, branch: str | None = None) -> str:
        """Return the name of who asks if that is allowed. Raises `Denied`."""
        entries = self.entries()
        if not authorization:
            anonymous = self._anonymous or ("read" if entries else "write")
            if SCOPES.index(anonymous) >= SCOPES.index(scope):
                return "anonymous"
            raise Denied(f"to {scope} here needs a token, or a name and a password", known=False)
        entry = self._who(authorization, entries)
        if entry is None:
            raise Denied("this token, or name and password, is not known", known=False)
        if not entry.permits(scope, repository, branch):
            where = f"on branch `{branch}` of `{repository}`" if branch else f"in `{repository}`"
            raise Denied(f"`{entry.name}` may not {scope} {where}", known=True)
        return entry.name

    def entries(self) -> list[Entry]:
        """Return all entries. Raises `CorruptRecord`."""
        with self._lock:
            try:
                found = os.stat(self._path)
            except FileNotFoundError:
                return []
            state = found.st_mtime_ns, found.st_size
            if state != self._read_at:
                self._entries = _parsed(self._path)
                self._proved.clear()
                self._read_at = state
            return list(self._entries)

    def add_token(self, name: str, scope: str, repositories: str, branches: str) -> str:
        """Add a token and return it: it is shown this once. Raises `AlreadyExists`, `InvalidInput`."""
        token = secrets.token_urlsafe(32)
        self._add(Entry("token", name, scope, repositories, branches, _token_hash(token), "", int(time.time())))
        return token

    def add_user(self, name: str, password: str, scope: str, repositories: str, branches: str) -> None:
        """Add a user with a password. Raises `AlreadyExists`, `InvalidInput`."""
        if not password or ":" in name:
            raise InvalidInput("A user needs a password, and a name without a colon.")
        salt = os.urandom(_SALT_SIZE)
        hashed = _password_hash(password, salt)
        self._add(Entry("user", name, scope, repositories, branches, hashed, salt.hex(), int(time.time())))

    def revoke(self, name: str) -> Entry:
        """Remove a token or a user. Raises `NotFound`."""
        entries = self.entries()
        found = next((entry for entry in entries if entry.name == name), None)
        if found is None:
            raise NotFound(f"No token or user `{name}` here.", hint="`hangar server token list` shows them")
        self._write([entry for entry in entries if entry is not found])
        return found

    def _add(self, entry: Entry) -> None:
        if not entry.name.strip() or not entry.name.isprintable() or len(entry.name) > 64:
            raise InvalidInput(f"`{entry.name!a}` is no name: 1 to 64 printable characters.")
        entries = self.entries()
        if any(one.name == entry.name for one in entries):
            raise AlreadyExists(kind="Token or user", name=entry.name, hint="revoke it first, or choose another name")
        self._write([*entries, entry])

    def _write(self, entries: list[Entry]) -> None:
        content = {"version": _VERSION, "entries": [entry._asdict() for entry in entries]}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        old_mask = os.umask(0o077)
        try:
            text = _toml(entries) if _is_toml(self._path) else json.dumps(content, indent=2) + "\n"
            files.write_file(self._path, text.encode())
            self._path.chmod(0o600)
        finally:
            os.umask(old_mask)

    def _who(self, authorization: str, entries: list[Entry]) -> Entry | None:
        proof = hashlib.sha256(authorization.encode(errors="replace")).digest()
        with self._lock:
            known = self._proved.get(proof)
        if known is not None:
            return known
        method, _, value = authorization.partition(" ")
        found = None
        if method.lower() == "bearer":
            hashed = _token_hash(value.strip())
            for entry in entries:
                if entry.kind == "token" and hmac.compare_digest(entry.hashed, hashed):
                    found = entry
        elif method.lower() == "basic":
            name, password = _basic(value)
            for entry in entries:
                if entry.kind == "user" and entry.name == name:
                    hashed = _password_hash(password, bytes.fromhex(entry.salt))
                    found = entry if hmac.compare_digest(entry.hashed, hashed) else None
        if found is not None:
            with self._lock:
                self._proved[proof] = found  # a password is dear to check, and comes with each request
        return found


def _parsed(path: Path) -> list[Entry]:
    try:
        content: Any = (tomllib.loads if _is_toml(path) else json.loads)(path.read_text("utf-8"))
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']} is unknown")
        entries = [Entry(**one) for one in content["entries"]]
        if any(entry.scope not in SCOPES or entry.kind not in {"token", "user"} for entry in entries):
            raise ValueError("an entry has an unknown scope or kind")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as why:
        raise CorruptRecord(what=str(path), reason=str(why)) from why
    return entries


def _is_toml(path: Path) -> bool:
    return path.suffix.lower() == ".toml"


def _toml(entries: list[Entry]) -> str:
    """Return entries as TOML: a text in JSON is one there too, but for the sign that JSON leaves as it is."""
    lines = [f"version = {_VERSION}"]
    for entry in entries:
        lines += ["", "[[entries]]"]
        for name, value in entry._asdict().items():
            lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f"))
    return "\n".join(lines) + "\n"


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _password_hash(password: str, salt: bytes) -> str:
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << 14, r=8, p=1).hex()


def _basic(value: str) -> tuple[str, str]:
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
