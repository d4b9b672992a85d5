"""`hangar server`: serve repositories over http, and say who may do what."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from hangar_cli.credentials import PASSWORD
from hangar_cli.output import columns, printable, result, result_json, result_lines, talk
from hangar_cli.parameters import json_option
from hangar_core.errors import InvalidInput, PackageMissing

if TYPE_CHECKING:
    from hangar_server.access import Access, Entry

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Server(NamedTuple):
    """What the group was given, for its commands."""

    auth: str | None


@click.group(invoke_without_command=True)
@click.option("--overwrite", is_flag=True, help="Remove the server's repositories that exist at the current path.")
@click.option("--ip", default="localhost", show_default=True, metavar="IP", help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=50051, show_default=True, help="0: any that is free.")
@click.option(
    "--timeout", type=float, default=86400.0, show_default=True, metavar="SECONDS", help="Stop after this time."
)
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False), help="Certificate chain, PEM.")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="Its private key, PEM.")
@click.option(
    "--auth",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Where tokens and users are kept.  [default: .hangar-server/access.json]",
)
@click.option(
    "--anonymous",
    type=click.Choice(["none", "read", "write"]),
    help="What is open to all.  [default: write while there are no tokens, then read; none beyond localhost]",
)
@click.option("--quota", type=click.IntRange(min=0), metavar="BYTES", help="How much each repository may take.")
@click.option(
    "--i-know-this-is-insecure", "insecure", is_flag=True, help="Listen beyond this machine without TLS and tokens."
)
@click.pass_context
def server(ctx: click.Context, /, **options: Any) -> None:
    """Start a hangar server, initializing one if does not exist.

    It serves bare repositories that lie in .hangar-server in the current directory: one for an address without a name,
    http://localhost:50051, and one for each name behind it, http://localhost:50051/pets. The first push makes one. It
    listens on this machine alone, unless --ip says otherwise and TLS and tokens are there.

    With --auth several servers share tokens and users: hangar server --auth FILE token add NAME.

    \b
    Example:
      hangar server --port 0 --timeout 0.5
    """
    ctx.obj = _Server(options["auth"])
    if ctx.invoked_subcommand is not None:
        return
    _require("starlette", "uvicorn")
    from hangar_server.serving import Service, serve

    options["seconds"] = options.pop("timeout")

    def started(address: str) -> None:
        result(f"Hangar Server Started: {address}")
        sys.stdout.flush()
        talk("Stop it with Ctrl-C. A line for each request follows.")

    try:
        serve(Path.cwd(), Service(**options), started)
    except KeyboardInterrupt:
        talk("Stopped.")


@server.group("token")
def token() -> None:
    """Say who may read and write here: tokens.

    \b
    Example:
      hangar server token list
    """


@server.group("user")
def user() -> None:
    """Say who may read and write here: names with passwords.

    \b
    Example:
      hangar server user add ana
    """


def _entry_options(command: _Command) -> _Command:
    for option in (
        click.option("--branch", "branches", default="*", metavar="GLOB", help="On which branches.  [default: all]"),
        click.option(
            "--repo", "repositories", default="*", metavar="GLOB", help="In which repositories.  [default: all]"
        ),
        click.option(
            "--scope",
            type=click.Choice(["read", "write", "admin"]),
            default="write",
            show_default=True,
            help="What it is good for; admin may also force and remove branches.",
        ),
    ):
        command = option(command)
    return command


@token.command("add")
@click.argument("name")
@_entry_options
@json_option
def token_add(name: str, scope: str, repositories: str, branches: str, as_json: bool) -> None:
    """Make a token called NAME and print it, this once.

    \b
    Example:
      hangar server token add robot --scope read
    """
    made = _access().add_token(name, scope, repositories, branches)
    if as_json:
        result_json("hangar.server-token-add/1", {"name": name, "scope": scope, "token": made})
    else:
        result(made)
        talk("It is not shown again. Who uses it sets HANGAR_TOKEN to it.")


@token.command("list")
@json_option
def token_list(as_json: bool) -> None:
    """List the tokens and users.

    \b
    Example:
      hangar server token list --json
    """
    entries = _access().entries()
    if as_json:
        result_json("hangar.server-token/1", {"entries": [_entry_json(entry) for entry in entries]})
    else:
        rows = [
            [entry.kind, printable(entry.name), entry.scope, entry.repositories, entry.branches, _day(entry)]
            for entry in entries
        ]
        result_lines(columns([["KIND", "NAME", "SCOPE", "REPOSITORIES", "BRANCHES", "SINCE"], *rows]))


@token.command("revoke")
@click.argument("name")
@json_option
def token_revoke(name: str, as_json: bool) -> None:
    """Revoke the token or user NAME; a server that runs knows at once.

    \b
    Example:
      hangar server token revoke robot
    """
    gone = _access().revoke(name)
    if as_json:
        result_json("hangar.server-token-revoke/1", _entry_json(gone))
    else:
        result(f"Revoked the {gone.kind} {printable(gone.name)} ({gone.scope}).")


@user.command("add")
@click.argument("name")
@_entry_options
@json_option
def user_add(name: str, scope: str, repositories: str, branches: str, as_json: bool) -> None:
    """Let NAME push with a password, which is in HANGAR_PASSWORD or asked for.

    From the first user or token on, who says nothing may only read.

    \b
    Example:
      hangar server user add ana --repo pets
    """
    password = os.environ.get(PASSWORD, "")
    if not password and sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if not password:
        raise InvalidInput("A user needs a password.", hint=f"set {PASSWORD}, or answer on a terminal")
    _access().add_user(name, password, scope, repositories, branches)
    if as_json:
        result_json("hangar.server-user-add/1", {"name": name, "scope": scope})
    else:
        result(f"Added the user {printable(name)} ({scope}).")


def _access() -> Access:
    from hangar_server.access import Access
    from hangar_server.locations import access_file

    group = click.get_current_context().find_object(_Server)
    return Access(access_file(Path.cwd(), None if group is None else group.auth))


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "scope": entry.scope,
        "repositories": entry.repositories,
        "branches": entry.branches,
        "since": entry.created,
    }


def _day(entry: Entry) -> str:
    return dt.datetime.fromtimestamp(entry.created, dt.UTC).strftime("%Y-%m-%d")


def _require(*packages: str) -> None:
    for package in packages:
        if util.find_spec(package) is None:
            raise PackageMissing(what="The server", package=package, extra="server")
