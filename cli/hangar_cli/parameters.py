"""The parameters that several commands share: sample names, paths, `--wait`, `--json`.

Values are converted by click callbacks: they are plain functions, and choose the words of their errors themselves.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from hangar_cli.output import printable
from hangar_core.model import NestedKey, SampleKey
from hangar_core.names import is_object_address

_Command = TypeVar("_Command", bound=Callable[..., Any])


def parse_sample(text: str) -> SampleKey:
    """Return the sample name that was typed: ``int:123`` is a number, ``str:123`` and ``123`` are text."""
    kind, colon, rest = text.partition(":")
    if colon and kind == "str":
        return rest
    if colon and kind == "int":
        if not (rest.isascii() and rest.isdecimal()):
            raise click.BadParameter(f"'{printable(text)}' is no sample name: int: takes decimal digits.")
        return int(rest)
    return text


def sample_text(key: SampleKey) -> str:
    """Return a sample name as it can be typed on the command line again, on one line."""
    if isinstance(key, int):
        return f"int:{key}"
    return printable(f"str:{key}" if key.startswith(("int:", "str:")) else key)


def key_text(key: SampleKey | NestedKey) -> str:
    """Like `sample_text`; a sample inside a sample is shown behind it, as in ``day1/left``."""
    return "/".join(map(sample_text, key)) if isinstance(key, tuple) else sample_text(key)


def as_sample(_ctx: click.Context, _param: click.Parameter, value: str) -> SampleKey:
    """Callback of a parameter that names one sample."""
    return parse_sample(value)


def as_optional_sample(_ctx: click.Context, _param: click.Parameter, value: str | None) -> SampleKey | None:
    """Callback of an option that names one sample."""
    return None if value is None else parse_sample(value)


def as_samples(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> list[SampleKey]:
    """Callback of a parameter that names samples and may be repeated."""
    return [parse_sample(value) for value in values]


def as_existing_paths(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Callback of ``PATH...``: each must be there. The error names the argument as documented."""
    for value in values:
        if not is_object_address(value) and not os.path.lexists(value):
            raise click.BadParameter(f"Path '{printable(value)}' does not exist.", ctx, param, param_hint="'PATH'")
    return values


def as_output_directory(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Callback of `--out`: an existing directory, handed on as an absolute path. The error quotes as documented."""
    if not os.path.isdir(value):
        wrong = "is a file" if os.path.exists(value) else "does not exist"
        message = f'Directory "{printable(value)}" {wrong}.'
        raise click.BadParameter(message, ctx, param, param_hint='"-o" / "--out"')
    return os.path.abspath(value)


def as_message(_ctx: click.Context, _param: click.Parameter, lines: tuple[str, ...]) -> str | None:
    """Callback of `-m`: its lines as one text, None without any. It must be text that can be stored."""
    if not lines:
        return None
    message = "\n".join(lines)
    try:
        message.encode()
    except UnicodeEncodeError as why:
        raise click.BadParameter(f"'{printable(message)}' is not text in the encoding of this terminal.") from why
    return message


def as_seconds(_ctx: click.Context, _param: click.Parameter, value: float) -> float:
    """Callback of a duration: finite and >= 0."""
    if not (math.isfinite(value) and value >= 0):
        raise click.BadParameter(f"'{value}' is not a number of seconds >= 0.")
    return value


def wait_option(command: _Command) -> _Command:
    """Add `--wait SECONDS`, for commands that need the writer lock."""
    return click.option(
        "--wait",
        type=float,
        default=0.0,
        callback=as_seconds,
        metavar="SECONDS",
        help="Wait that long for another writer to finish, instead of failing at once.",
    )(command)


def message_option(what: str) -> Callable[[_Command], _Command]:
    """Return what adds `-m TEXT`, repeatable: the command gets the lines as one text, None without the option."""
    return click.option(
        "-m",
        "--message",
        multiple=True,
        callback=as_message,
        metavar="TEXT",
        help=f"{what} Each further -m becomes a new line.",
    )


def strategy_option(command: _Command) -> _Command:
    """Add `--strategy ours|theirs`."""
    return click.option(
        "--strategy",
        type=click.Choice(["ours", "theirs"]),
        help="Decide every conflict for one side instead of keeping it.",
    )(command)


def json_option(command: _Command) -> _Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document for scripts.")(command)


def depth_option(command: _Command) -> _Command:
    """Add `--depth N`, for commands that bring history."""
    return click.option(
        "--depth",
        type=click.IntRange(min=1),
        metavar="N",
        help="Only the newest N commits on each way back. History ends there.",
    )(command)
