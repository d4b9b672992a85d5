"""Options that a plugin declares, as options of click: names, help, switches. The contract checks their values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from hangar_cli.output import printable
from hangar_core.errors import InvalidInput

if TYPE_CHECKING:
    from hangar_core.external import OptionSpec

_SWITCH = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_MANY_CHOICES = 6  # more are listed in the help text, not on the left
_METAVARS = {"whole number": "N", "number": "X", "yes or no": "yes|no"}


class DeclaredOptions:
    """The options of a plugin for one command. `title` says which plugin it is."""

    __slots__ = ("options", "title")

    def __init__(self, title: str, options: tuple[click.Option, ...]) -> None:
        self.title, self.options = title, options

    def write_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the part of the help about them."""
        rows = [row for row in (one.get_help_record(ctx) for one in self.options) if row is not None]
        with formatter.section(f"Options of plugin {self.title}"):
            if rows:
                formatter.write_dl(rows)
            else:
                formatter.write_text("It has none here.")


def declared_options(
    name: str, method: str, params: Sequence[click.Parameter], given: MutableMapping[str, Any]
) -> DeclaredOptions | None:
    """Return what the plugin called `name` declares for its `method`; None if it declares no options at all.

    What the command line has of them comes into `given`. An option that has the name of one of the command's own
    (`params`) is called after the plugin, ``--csv-key``. Raises `PluginNotFound`, `PluginBroken`.
    """
    from hangar_core.external import plugin_manager, specs_for

    manager = plugin_manager()
    plugin = manager.get(name)
    if plugin.Options is None:
        return None
    origin = manager.origin(name)
    title = printable(f"{name} {plugin.VERSION} ({'built-in' if origin.bundled else origin})")
    taken = {word for param in params for word in (*param.opts, *param.secondary_opts)} | {"--help"}
    specs = specs_for(plugin.Options, method).values()
    return DeclaredOptions(title, tuple(_option(name, spec, taken, given) for spec in specs))


def with_plain_switches(args: Iterable[str], options: Iterable[click.Option]) -> Iterator[str]:
    """Yield the words with ``--header yes`` and ``--header=no`` written as ``--header`` and ``--no-header``."""
    switches = {one.opts[0]: one.secondary_opts[0] for one in options if one.secondary_opts}
    words = list(args)
    while words:
        word = words.pop(0)
        if word == "--":
            yield from [word, *words]
            return
        name, equals, value = word.partition("=")
        if name in switches and not equals and words and words[0].lower() in _SWITCH:
            value = words.pop(0)
        if name in switches and value.lower() in _SWITCH:
            yield name if _SWITCH[value.lower()] else switches[name]
        else:
            yield word


def _option(plugin: str, spec: OptionSpec, taken: set[str], given: MutableMapping[str, Any]) -> click.Option:
    word = spec.name.replace("_", "-")
    if {f"--{word}", f"--no-{word}"} & taken:
        word = f"{plugin}-{word}"
    switch = spec.kind == "yes or no" and not spec.many
    taken |= {f"--{word}", f"--no-{word}"} if switch else {f"--{word}"}
    common: Mapping[str, Any] = {
        "expose_value": False,
        "callback": _Keeping(spec, f"plugin '{plugin}'", given),
        "default": None,
        "help": _help_of(spec),
    }
    if switch:
        return click.Option([f"--{word}/--no-{word}", f"plugin_{spec.name}"], **common)
    metavar = spec.metavar or _METAVARS.get(spec.kind, "TEXT")
    if spec.choices:
        metavar = spec.name.upper() if len(spec.choices) > _MANY_CHOICES else "|".join(map(str, spec.choices))
    return click.Option([f"--{word}", f"plugin_{spec.name}"], type=str, multiple=spec.many, metavar=metavar, **common)


def _help_of(spec: OptionSpec) -> str:
    """Return the help with what else is to be said: choices that are too many for the left, limits, the default."""
    parts = [spec.help]
    if len(spec.choices) > _MANY_CHOICES:
        parts.append(f"One of {', '.join(map(str, spec.choices))}.")
    if spec.many:
        parts.append("May be given several times.")
    if spec.minimum is not None or spec.maximum is not None:
        least, most = ("" if limit is None else f"{limit:g}" for limit in (spec.minimum, spec.maximum))
        parts.append(f" [{least}..{most}]")
    if spec.default is True:
        parts.append(" [default: yes]")
    elif spec.default not in (None, False, (), ""):
        parts.append(f" [default: {spec.default}]")
    return " ".join(parts)


class _Keeping:
    """The callback of an option: has the contract check the value, and keeps it."""

    __slots__ = ("given", "spec", "who")

    def __init__(self, spec: OptionSpec, who: str, given: MutableMapping[str, Any]) -> None:
        self.spec, self.who, self.given = spec, who, given

    def __call__(self, ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value is None or value == ():
            return
        try:
            self.given[self.spec.name] = self.spec.value(value, self.who)
        except InvalidInput as refusal:
            words = printable(f"{refusal.message} {refusal.hint or ''}".rstrip())
            raise click.BadParameter(words, ctx, param) from refusal
