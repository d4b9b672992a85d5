"""Options of plugins on the command line of `import`, `export` and `view`.

With ``--plugin NAME`` the options that this plugin declares become options of the command, in its help too. Without a
name, or for a plugin that declares none, what the command does not know are pairs ``--name value``, handed on as text.
Either way the plugin contract checks the values. Pairs are taken out before click reads the line: click alone could not
tell ``PATH... --key date`` from three paths.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from hangar_cli.declared_options import DeclaredOptions, declared_options, with_plain_switches
from hangar_cli.output import printable
from hangar_core.errors import InvalidInput

_GIVEN = "hangar_cli.plugin_options"
_DECLARED = "hangar_cli.declared_options"


class PluginOptionsCommand(click.Command):
    """A command with options of plugins (see `given_plugin_options`): those of their method called `method`."""

    def __init__(self, *args: Any, method: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.method = method

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Add the options that the plugin named declares, or set pairs aside; let click read the rest."""
        if ctx.resilient_parsing:  # the shell asks for completions of a line that is not finished
            return super().parse_args(ctx, args)
        ctx.meta[_GIVEN] = {}
        known = _options_and_whether_they_take_a_value(ctx)
        name = _value_of("--plugin", args, known)
        declared = declared_options(name, self.method, self.params, ctx.meta[_GIVEN]) if name else None
        if declared is None:
            args, ctx.meta[_GIVEN] = _split(args, known, ctx, self.method)
        else:
            ctx.meta[_DECLARED] = declared
            args = list(with_plain_switches(args, declared.options))
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters of the command, and those of the plugin that was named."""
        declared: DeclaredOptions | None = ctx.meta.get(_DECLARED)
        return [*super().get_params(ctx), *(declared.options if declared else ())]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options, and those of the plugin below them; say that there may be more if none was named."""
        declared: DeclaredOptions | None = ctx.meta.pop(_DECLARED, None)
        super().format_options(ctx, formatter)
        if declared is not None:
            declared.write_help(ctx, formatter)
            return
        with formatter.section("Plugin options"):
            formatter.write_text(
                "`--plugin NAME --help` lists those of a plugin. Any other pair `--name value` is handed to the plugin "
                "as text."
            )


def given_plugin_options(ctx: click.Context) -> Mapping[str, Any]:
    """Return the plugin's options that stand on this command line: name -> text, or the value of a declared one."""
    given: Mapping[str, Any] = ctx.meta[_GIVEN]
    return given


def give_plugin_option(ctx: click.Context, name: str, value: str) -> None:
    """Add an option to those of the plugin, as if it stood on the command line under that name."""
    if name in ctx.meta[_GIVEN]:
        raise click.UsageError(f"The plugin option --{printable(name)} is given twice.", ctx)
    ctx.meta[_GIVEN][name] = value


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
        meant = "" if refusal.hint else _did_you_mean(f"--{blamed}".replace("_", "-"), known)
        raise click.UsageError(printable(f"{refusal.message}{meant} {refusal.hint or ''}".rstrip()), ctx) from refusal


def _value_of(option: str, args: list[str], known: Mapping[str, bool]) -> str | None:
    """Return the value that an option of the command has on a line that click has not read yet, the last one given."""
    found: str | None = None
    words = iter(args)
    for word in words:
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if name == option:
            found = value if equals else next(words, None)
        elif known.get(word):
            next(words, None)
    return found


def _options_and_whether_they_take_a_value(ctx: click.Context) -> dict[str, bool]:
    return {
        name: not (param.is_flag or param.count)
        for param in ctx.command.get_params(ctx)
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    }


def _split(
    args: list[str], known: Mapping[str, bool], ctx: click.Context, method: str
) -> tuple[list[str], dict[str, str]]:
    """Return the words for click and the pairs for the plugin."""
    rest: list[str] = []
    pairs: dict[str, str] = {}
    words = deque(args)
    while words:
        word = words.popleft()
        name, equals, value = word.partition("=")
        if word == "--":  # all that follows are arguments, also those that look like options
            return [*rest, word, *words], pairs
        if name in known or not word.startswith("--"):
            rest.append(word)
            if known.get(word) and words:
                rest.append(words.popleft())
            continue
        key = _key(name, known, ctx)
        if not equals and words and not words[0].startswith("--"):
            value = words.popleft()
        elif not equals:
            key, value = _switch(key, method) or _no_value(name, known, ctx)
        if key in pairs:
            raise click.UsageError(f"The plugin option {name} is given twice.", ctx)
        pairs[key] = value
    return rest, pairs


def _key(name: str, known: Mapping[str, bool], ctx: click.Context) -> str:
    key = name[2:].replace("-", "_")
    if not key.isidentifier():
        raise click.UsageError(f"No such option '{printable(name)}'.{_did_you_mean(name, known)}", ctx)
    return key


def _switch(key: str, method: str) -> tuple[str, str] | None:
    """Return the pair that ``--key`` alone stands for, if a plugin has such a switch. None of them is imported."""
    from hangar_core.external import plugin_manager

    switches = {
        spec.name
        for facts in plugin_manager().known().values()
        for spec in facts.options or ()
        if method in spec.of and spec.kind == "yes or no"
    }
    if key in switches:
        return key, "yes"
    positive = key.removeprefix("no_")
    return (positive, "no") if positive != key and positive in switches else None


def _no_value(name: str, known: Mapping[str, bool], ctx: click.Context) -> NoReturn:
    raise click.UsageError(
        f"No such option '{printable(name)}'.{_did_you_mean(name, known)}"
        f" An option for the plugin needs a value: {printable(name)} VALUE.",
        ctx,
    )


def _did_you_mean(name: str, known: Mapping[str, bool]) -> str:
    from difflib import get_close_matches  # only who mistypes needs it

    near = get_close_matches(name, [option for option in known if option.startswith("--")])
    return f" Did you mean {' or '.join(near)}?" if near else ""
