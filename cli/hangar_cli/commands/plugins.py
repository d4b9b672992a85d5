"""`hangar plugins`: which are there, which one is chosen, what is wrong. For authors: `plugins_authors`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from hangar_cli.command_table import Section
from hangar_cli.commands.plugins_authors import check, new
from hangar_cli.current import plugin_preferences_here
from hangar_cli.output import columns, printable, result, result_json
from hangar_cli.parameters import json_option
from hangar_core.errors import RepositoryNotFound

if TYPE_CHECKING:
    from hangar_core.external import OptionSpec, PluginEntry, PluginFacts

_HEADING = ("NAME", "VERSION", "API", "FROM", "EXTENSIONS", "CAN", "STATE")
_LISTED = (
    "name", "distribution", "version", "plugin_version", "api", "bundled", "provides", "accepts", "state", "reason",
    "conflicts", "ties",
)  # fmt: skip


@click.group(cls=Section)
def plugins() -> None:
    """Show the plugins that read, write and draw file formats.

    Also chooses among them, and makes and checks new ones.

    \b
    Example:
      hangar plugins list
    """


plugins.add_command(new)
plugins.add_command(check)


@plugins.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the installed plugins, what they can do, and those that do not work.

    \b
    Example:
      hangar plugins list
    """
    from hangar_core.external import plugin_manager

    entries = plugin_manager().entries()
    if as_json:
        facts = [{name: getattr(entry, name) for name in _LISTED} for entry in entries]
        result_json("hangar.plugins/1", {"plugins": facts})
        return
    rows = [
        (
            entry.name,
            entry.version,
            "-" if entry.api is None else str(entry.api),
            _origin(entry),
            " ".join(entry.accepts) or "-",
            " ".join(entry.provides) or "-",
            _state(entry),
        )
        for entry in entries
    ]
    for line in columns([_HEADING, *(tuple(map(printable, row)) for row in rows)]):
        result(line)


@plugins.command()
@click.argument("name")
@json_option
def info(name: str, as_json: bool) -> None:
    """Show what plugin NAME can do: formats, options, what it promises.

    \b
    Example:
      hangar plugins info csv
    """
    from hangar_core.external import plugin_manager

    manager = plugin_manager()
    facts, origin = manager.facts(name), manager.origin(name)
    if as_json:
        told = {"name": name, "distribution": origin.distribution, "distribution_version": origin.version}
        result_json("hangar.plugins-info/1", {**told, "bundled": origin.bundled, **_facts_json(facts)})
        return
    result(printable(f"{name} {facts.version}   {facts.summary}"))
    result(printable(f"From        {'hangar itself' if origin.bundled else origin}   (plugin API {facts.api})"))
    result(printable(f"Extensions  {' '.join(facts.accepts)}"))
    result(printable(f"Can         {' '.join((*facts.provides, *facts.extras))}"))
    if facts.lossless:
        result(printable(f"Lossless    {' '.join(facts.lossless)}"))
    if facts.tolerance:
        result(printable(f"Tolerance   {', '.join(f'{name} {limit:g}' for name, limit in facts.tolerance)}"))
    for line in _option_lines(facts.options):
        result(line)


@plugins.command()
@click.argument("file")
@click.option("--for", "method", type=click.Choice(["load", "save", "show"]), default="load", help="What it is to do.")
@json_option
def which(file: str, method: str, as_json: bool) -> None:
    """Tell which plugin takes FILE, and why. FILE need not exist; an extension alone will do.

    \b
    Example:
      hangar plugins which photos/cat/001.png
    """
    from hangar_core.external import plugin_manager, preferring

    known = "." in os.path.basename(file) or os.path.lexists(file)
    with preferring(plugin_preferences_here()):
        choice = plugin_manager().explain(file if known else f"x.{file}", method)
    name = choice.slot.name
    version = plugin_manager().facts(name).version
    if as_json:
        told = {"plugin": name, "plugin_version": version, "extension": choice.extension, "by": choice.why}
        result_json("hangar.plugins-which/1", {"file": file, **told, "others": choice.others, "tie": choice.tie})
        return
    result(printable(f"{name} {version}   by {choice.why}"))
    if choice.others:
        result(printable(f"Others that could: {', '.join(choice.others)}.  {_decide(choice.extension)}"))


@plugins.command()
@click.argument("extension", metavar="EXT")
@click.argument("name", required=False)
@click.option("--user", is_flag=True, help="Prefer it in all your repositories, instead of in this one.")
@click.option("--remove", is_flag=True, help="Take the preference back.")
@json_option
def prefer(extension: str, name: str | None, user: bool, remove: bool, as_json: bool) -> None:
    """Prefer plugin NAME for files with the extension EXT, in this repository. Without NAME tell what is preferred.

    \b
    Example:
      hangar plugins prefer jpg image
    """
    from hangar_core.external import plugin_manager, preferences_file, read_preferences, write_preference

    if name is not None and remove:
        raise click.UsageError("Give either NAME or --remove.")
    path = preferences_file() if user else plugin_preferences_here()
    if path is None:
        raise RepositoryNotFound(
            path=os.getcwd(), hint="run `hangar init` there first, or prefer it everywhere: --user"
        )
    key = _extension(extension)
    if name is not None:
        facts = plugin_manager().facts(name)
        write_preference(path, key, name)
    elif remove:
        write_preference(path, key, None)
    now = read_preferences(path).get(key)
    whose = "user" if user else "repository"
    if as_json:
        result_json("hangar.plugins-prefer/1", {"extension": key, "plugin": now, "of": whose, "file": str(path)})
    elif now is None:
        result(f"No preference of the {whose} for {key}.")
    else:
        result(printable(f"Preference of the {whose}: {key} -> {now}"))
        if name is not None and key not in facts.extensions:
            result(printable(f"For reading only: {key} is none of the extensions of {name}."))


@plugins.command()
@json_option
def doctor(as_json: bool) -> None:
    """Look for what is wrong with plugins, and say what to do. Ends with 1 if there is anything.

    \b
    Example:
      hangar plugins doctor
    """
    found = list(_problems())
    if as_json:
        problems = [{"plugin": plugin, "problem": problem, "fix": fix} for plugin, problem, fix in found]
        result_json("hangar.plugins-doctor/1", {"problems": problems})
    else:
        for plugin, problem, fix in found:
            result(printable(f"{plugin}: {problem}") + (printable(f"  →  {fix}") if fix else ""))
        if not found:
            result("All plugins are well.")
    if found:
        raise Exit(1)


def _problems() -> Any:
    """Yield (plugin, problem, fix)."""
    from hangar_core.errors import CorruptRecord
    from hangar_core.external import ALLOWED, allowed_plugins, plugin_manager, preferences_file, read_preferences

    entries = plugin_manager().entries()
    names = {entry.name for entry in entries if entry.state == "ok"}
    for entry in entries:
        if entry.state in ("broken", "shadowed"):
            yield entry.name, f"{entry.state}: {entry.reason}", entry.fix
        for extension in entry.ties:
            yield entry.name, f"fits {extension} as well as another plugin; only the name decides", _decide(extension)
    for path in filter(None, (plugin_preferences_here(), preferences_file())):
        try:
            prefer = read_preferences(path)
        except CorruptRecord as why:
            yield "preferences", why.message, why.hint
            continue
        for extension, name in prefer.items():
            if name not in names:
                fix = f"hangar plugins prefer {extension} --remove{' --user' if path == preferences_file() else ''}"
                yield name, f"preferred for {extension}, and cannot be used", fix
    for name in sorted((allowed_plugins() or frozenset()) - {entry.name for entry in entries}):
        yield name, f"{ALLOWED} names it, and it is not installed", ""


def _extension(text: str) -> str:
    key = text.lstrip(".").lower()
    if not key or not all(part and part.isprintable() and not set(part) & set("/\\ ") for part in key.split(".")):
        raise click.BadParameter(f"'{printable(text)}' is not a file extension.", param_hint="'EXT'")
    return key


def _decide(extension: str) -> str:
    return f"hangar plugins prefer {extension} NAME"


def _origin(entry: PluginEntry) -> str:
    return "built-in" if entry.bundled else entry.distribution or "this process"


def _state(entry: PluginEntry) -> str:
    """Return what keeps a plugin from being used, or "ok"."""
    if entry.reason:
        return f"{entry.state}: {entry.reason}" + (f"  →  {entry.fix}" if entry.fix else "")
    if entry.ties:
        return f"tie: {' '.join(entry.ties)} (only the name decides; {_decide(entry.ties[0])})"
    if entry.conflicts:
        return f"conflict: {' '.join(entry.conflicts)} (another plugin comes first; --plugin {entry.name} chooses this)"
    return entry.state


def _option_lines(options: tuple[OptionSpec, ...] | None) -> list[str]:
    if options is None:
        return ["Options     not declared: any pair `--name value` is handed to it as text"]
    if not options:
        return ["Options     none"]
    rows = [("", f"--{one.name.replace('_', '-')}", one.kind, " ".join(one.of), one.help) for one in options]
    heading = ("", "OPTION", "TYPE", "OF", "MEANING")
    return ["", *columns([heading, *(tuple(map(printable, row)) for row in rows)])]


def _facts_json(facts: PluginFacts) -> dict[str, Any]:
    return {
        "plugin_version": facts.version, "api": facts.api, "summary": facts.summary, "priority": facts.priority,
        "provides": facts.provides, "also": facts.extras, "accepts": facts.accepts, "lossless": facts.lossless,
        "tolerance": dict(facts.tolerance), "default_extension": facts.default_extension,
        "magic": [
            {"extension": extension, "offset": offset, "hex": signature.hex()}
            for extension, offset, signature in facts.magic
        ],
        "options": None if facts.options is None else [_option_json(spec) for spec in facts.options],
    }  # fmt: skip


def _option_json(spec: OptionSpec) -> dict[str, Any]:
    return {
        "name": spec.name, "type": spec.kind, "default": spec.default, "choices": spec.choices,
        "minimum": spec.minimum, "maximum": spec.maximum, "repeatable": spec.many, "of": spec.of, "help": spec.help,
    }  # fmt: skip
