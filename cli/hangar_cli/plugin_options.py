"""Options that a command does not know go to the plugin: pairs ``--name value``, handed on as text.

They are taken out before click reads the line: click alone could not tell ``PATH... --key date`` from three paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches

import click

from hangar_cli.output import printable
from hangar_core.errors import InvalidInput

_META_KEY = "hangar_cli.plugin_options"


class PluginOptionsCommand(click.Command):
    """A command that keeps unknown ``--name value`` pairs for the plugin (see `given_plugin_options`)."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Set the pairs aside and let click read the rest."""
        if ctx.resilient_parsing:  # the shell asks for completions of a line that is not finished
            return super().parse_args(ctx, args)
        rest, pairs = _split(args, _options_and_whether_they_take_a_value(ctx), ctx)
        ctx.meta[_META_KEY] = pairs
        return super().parse_args(ctx, rest)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say in the help that there may be more options than listed."""
        super().format_options(ctx, formatter)
        with formatter.section("Plugin options"):
            formatter.write_text("Any other pair `--name value` is handed to the plugin as text.")


def given_plugin_options(ctx: click.Context) -> Mapping[str, str]:
    """Return the pairs of this command line, option name without dashes -> text."""
    pairs: Mapping[str, str] = ctx.meta[_META_KEY]
    return pairs


@contextmanager
def refused_options_are_usage_errors(ctx: click.Context) -> Iterator[None]:
    """Turn a plugin's refusal of an option that stands on this command line into wrong usage.

    The word may have been meant for the command: ``--plugn csv`` is suggested as ``--plugin``.
    """
    try:
        yield
    except InvalidInput as refusal:
        blamed = refusal.facts.get("option")
        if blamed not in given_plugin_options(ctx):
            raise
        known = _options_and_whether_they_take_a_value(ctx)
        meant = _did_you_mean(f"--{blamed}".replace("_", "-"), known)
        raise click.UsageError(printable(f"{refusal.message}{meant} {refusal.hint or ''}".rstrip()), ctx) from refusal


def _options_and_whether_they_take_a_value(ctx: click.Context) -> dict[str, bool]:
    return {
        name: not (param.is_flag or param.count)
        for param in ctx.command.get_params(ctx)
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }


def _split(args: list[str], known: Mapping[str, bool], ctx: click.Context) -> tuple[list[str], dict[str, str]]:
    """Return the words for click and the pairs for the plugin."""
    rest: list[str] = []
    pairs: dict[str, str] = {}
    words = iter(args)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":  # all that follows are arguments, also those that look like options
            rest.extend([word, *words])
        elif name in known or not word.startswith("--"):
            rest.append(word)
            if known.get(word):
                rest.extend(value for value in [next(words, None)] if value is not None)
        else:
            key = _key(name, known, ctx)
            if key in pairs:
                raise click.UsageError(f"The plugin option {name} is given twice.", ctx)
            pairs[key] = value if equals else _value_behind(name, next(words, None), known, ctx)
    return rest, pairs


def _key(name: str, known: Mapping[str, bool], ctx: click.Context) -> str:
    key = name[2:].replace("-", "_")
    if not key.isidentifier():
        raise click.UsageError(f"No such option '{printable(name)}'.{_did_you_mean(name, known)}", ctx)
    return key


def _value_behind(name: str, value: str | None, known: Mapping[str, bool], ctx: click.Context) -> str:
    if value is None or value.startswith("--"):
        raise click.UsageError(
            f"No such option '{printable(name)}'.{_did_you_mean(name, known)}"
            f" An option for the plugin needs a value: {printable(name)} VALUE.",
            ctx,
        )
    return value


def _did_you_mean(name: str, known: Mapping[str, bool]) -> str:
    near = get_close_matches(name, [option for option in known if option.startswith("--")])
    return f" Did you mean {' or '.join(near)}?" if near else ""
