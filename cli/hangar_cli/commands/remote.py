"""`hangar remote`: which other places are known here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hangar_cli.command_table import Section
from hangar_cli.credentials import credentials_for
from hangar_cli.current import current_repository
from hangar_cli.output import printable, result, result_json
from hangar_cli.parameters import json_option

if TYPE_CHECKING:
    from hangar_core.storage.known_remotes import RemoteInfo


@click.group(cls=Section)
def remote() -> None:
    """Operations for working with remote server references.

    \b
    Example:
      hangar remote list
    """


@remote.command()
@click.argument("name")
@click.argument("address")
@json_option
def add(name: str, address: str, as_json: bool) -> None:
    """Add a remote with NAME at ADDRESS.

    ADDRESS is https://host/name, host:port for a server without TLS, or the path of a folder. Nobody is asked whether
    there is anything.

    \b
    Example:
      hangar remote add backup /mnt/backup/pets
    """
    _show(current_repository().remote.add(name, address), as_json)


@remote.command()
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Remove the remote NAME, and what is noted of its branches.

    \b
    Example:
      hangar remote remove origin
    """
    _show(current_repository().remote.remove(name), as_json)


@remote.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all remotes with their addresses.

    \b
    Example:
      hangar remote list --json
    """
    found = current_repository().remote.list_all()
    if as_json:
        result_json("hangar.remote/1", {"remotes": [one._asdict() for one in found]})
    else:
        result(f"[{', '.join(map(_text, found))}]")


@remote.command()
@click.argument("name")
@json_option
def ping(name: str, as_json: bool) -> None:
    """Ask the remote NAME what it has, and say how long that took.

    \b
    Example:
      hangar remote ping origin
    """
    remotes = current_repository().remote
    address = next((one.address for one in remotes.list_all() if one.name == name), "")
    remotes.credentials = credentials_for(address)
    seconds = remotes.ping(name)
    if as_json:
        result_json("hangar.remote-ping/1", {"name": name, "address": address, "seconds": seconds})
    else:
        result(f"{printable(name)} ({printable(address)}) answered after {1000 * seconds:.1f} ms")


def _show(info: RemoteInfo, as_json: bool) -> None:
    if as_json:
        result_json("hangar.remote-change/1", info._asdict())
    else:
        result(_text(info))


def _text(info: RemoteInfo) -> str:
    return f"RemoteInfo(name='{printable(info.name)}', address='{printable(info.address)}')"
