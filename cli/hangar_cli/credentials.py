"""Who asks: the token for a remote, from the environment, a file that nobody else can read, or the system's keyring.

It is never part of an address.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hangar_cli.output import printable, talk
from hangar_core.errors import InvalidInput, UnknownScheme

if TYPE_CHECKING:
    from hangar_core.remotes.transport import Credentials

TOKEN = "HANGAR_TOKEN"  # noqa: S105 - the name of a variable
KEYRING_SERVICE = "hangar"
PASSWORD = "HANGAR_PASSWORD"  # noqa: S105 - the name of a variable


def credentials_for(address: str, username: str = "") -> Credentials:
    """Return what proves to the remote at an address who asks; a password is asked for on a terminal.

    Raises `InvalidInput` for a file of tokens that others may read.
    """
    from hangar_core.remotes.transport import Credentials, normalized

    try:
        address = normalized(address)
    except UnknownScheme:
        pass  # said by whoever opens it
    token = os.environ.get(TOKEN, "") or _token_from_file(address) or _token_from_keyring(address)
    password = ""
    if username:
        password = os.environ.get(PASSWORD, "")
        if not password and sys.stdin.isatty():
            password = click.prompt("Password", hide_input=True, err=True)
    return Credentials(token, username, password)


def token_file() -> Path:
    """Return the file with tokens: ``{"https://host/": "token"}``; of several that fit an address the longest wins."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    if os.path.isabs(base):
        return Path(base, "hangar", "tokens.json")
    import platformdirs

    return platformdirs.user_config_path("hangar", appauthor=False) / "tokens.json"


def _token_from_file(address: str) -> str:
    import json

    path = token_file()
    try:
        with open(path, "rb") as file:
            if os.name != "nt" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise InvalidInput(
                    f"Others may read the tokens in `{path}`: it is not used.", hint=f"chmod 600 {printable(path)}"
                )
            tokens = json.load(file)
    except FileNotFoundError:
        return ""
    except InvalidInput:
        raise
    except (OSError, ValueError) as why:
        raise InvalidInput(f"The tokens in `{path}` cannot be read: {why}.") from why
    fitting = [begin for begin in tokens if _is_below(address, begin)] if isinstance(tokens, dict) else []
    return str(tokens[max(fitting, key=len)]) if fitting else ""


def _is_below(address: str, begin: str) -> bool:
    """Whether an address is `begin` or goes on behind it with a slash: ``https://host`` is not ``https://hostile``."""
    base = begin.rstrip("/")
    return bool(base) and (address == base or address.startswith(f"{base}/"))


def _token_from_keyring(address: str) -> str:
    """Return what the keyring of the system has for ``hangar`` and the server, if the package `keyring` is there."""
    from importlib import util
    from urllib.parse import urlsplit

    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or util.find_spec("keyring") is None:
        return ""
    import keyring
    from keyring.errors import KeyringError, NoKeyringError

    try:
        return keyring.get_password(KEYRING_SERVICE, f"{parts.scheme}://{parts.netloc}") or ""
    except NoKeyringError:
        return ""
    except KeyringError as why:
        talk(f"The keyring gives no token: {printable(str(why))}.")
        return ""
