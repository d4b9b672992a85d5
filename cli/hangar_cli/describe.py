"""Words and JSON for the values that several commands show: schemas, sizes, commits, refused files. No numpy needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hangar_cli.output import printable
from hangar_core.model import Schema
from hangar_core.reports import LogEntry

if TYPE_CHECKING:
    from hangar_core.export import View
    from hangar_core.ingest import Reject
    from hangar_core.provenance import Provenance

_KINDS = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}
_SHOWN = 20
_LONGEST_TEXT = 60


def dtype_name(dtype: str) -> str:
    """Return the everyday name of a dtype in its stored form: ``<f4`` is float32, ``|b1`` bool; others as they are."""
    kind, size = dtype[1:2], dtype[2:]
    if dtype[:1] not in "<>|=" or kind not in _KINDS or not size.isdecimal():
        return printable(dtype)
    return "bool" if kind == "b" else f"{_KINDS[kind]}{8 * int(size)}"


def shape_text(shape: Sequence[int]) -> str:
    """Return ``480x640x3``, or ``scalar`` for no dimension at all."""
    return "x".join(map(str, shape)) or "scalar"


def view_lines(shown: View, name: str) -> list[str]:
    """Return the facts that stand below a sample that is shown: what it is, its numbers, where it came from."""
    facts = f"{name}   {what_text(shown)}" + (f"   plugin {printable(shown.plugin)}" if shown.plugin else "")
    lines = [facts, statistics] if (statistics := statistics_text(shown)) else [facts]
    if shown.beside:
        lines.append("beside: " + "   ".join(f"{name} {_short(data)}" for name, data in sorted(shown.beside.items())))
    if shown.provenance is not None:
        remembered = shown.source.options if shown.source is not None else {}
        lines.append(f"source: {_provenance_words(shown.provenance, remembered)}")
    elif shown.source is not None:
        options = "".join(f", {name} {value}" for name, value in sorted(shown.source.options.items()))
        files = f"{shown.source.extension} files" if shown.source.extension else "files of several formats"
        through = f" through plugin {shown.source.plugin}" if shown.source.plugin else ""
        lines.append(printable(f"source: {files}{through}{options}"))
    return lines


def _provenance_words(known: Provenance, remembered: Mapping[str, str]) -> str:
    """Return ``photos/cat/001.jpg   blake3 9c1e6a3bd7f1   plugin image 1, mode RGB``.

    `remembered` is what the plugin wants to be told when it writes the data again.
    """
    from hangar_core.hashing.digests import SHORT_SIZE

    options = "".join(f", {name} {value}" for name, value in sorted({**remembered, **known.options}.items()))
    plugin = f"plugin {known.plugin} {known.version}{options}"
    return printable(f"{known.source}   blake3 {known.blake3[:SHORT_SIZE]}   {plugin}")


def provenance_json(known: Provenance) -> dict[str, Any]:
    """Return where a sample came from for JSON."""
    return {
        "source": known.source,
        "name": known.name,
        "blake3": known.blake3,
        "bytes": known.size,
        "samples": known.samples,
        "plugin": known.plugin,
        "version": known.version,
        "options": dict(sorted(known.options.items())),
    }


def beside_json(shown: View) -> dict[str, Any]:
    """Return what lies beside a sample for JSON: texts as they are, of all else what it is."""
    return {name: data if isinstance(data, str) else _short(data) for name, data in sorted(shown.beside.items())}


def _short(data: Any) -> str:
    """Return a text, a single number, or what else it is, in a few characters."""
    if isinstance(data, str):
        return printable(data if len(data) <= _LONGEST_TEXT else f"{data[:_LONGEST_TEXT]}...")
    if isinstance(data, bytes):
        return f"bytes, {size_text(len(data))}"
    return str(data) if data.size == 1 else f"{dtype_name(str(data.dtype))} {shape_text(data.shape)}"


def what_text(shown: View) -> str:
    """Return what a sample is: ``uint8 12x16x3   digest 43a12ab37b23``."""
    from hangar_core.hashing.digests import SHORT_SIZE

    if shown.dtype in ("text", "bytes"):
        what = f"{shown.dtype}, {size_text(shown.size)}"
    else:
        what = f"{dtype_name(shown.dtype)} {shape_text(shown.shape)}"
    return f"{what}   digest {shown.digest[:SHORT_SIZE]}"


def statistics_text(shown: View) -> str:
    """Return ``min 0   max 255   mean 127.5``; empty where there are no numbers."""
    numbers = [("min", shown.minimum), ("max", shown.maximum), ("mean", shown.mean)]
    return "   ".join(f"{name} {value:.6g}" for name, value in numbers if value is not None)


def view_json(shown: View) -> dict[str, Any]:
    """Return the facts of a sample that is shown for JSON."""
    source = shown.source
    return {
        "dtype": dtype_name(shown.dtype),
        "shape": list(shown.shape),
        "bytes": shown.size,
        "digest": shown.digest,
        "plugin": shown.plugin or None,
        "minimum": _finite(shown.minimum),
        "maximum": _finite(shown.maximum),
        "mean": _finite(shown.mean),
        "source": None
        if source is None
        else {
            "plugin": source.plugin or None,
            "extension": source.extension or None,
            "options": dict(sorted(source.options.items())),
        },
        "provenance": None if shown.provenance is None else provenance_json(shown.provenance),
    }


def _finite(value: float | None) -> float | str | None:
    """Return a number for JSON, which has no inf and no NaN: they are text."""
    return value if value is None or value - value == 0 else str(value)


def schema_words(schema: Schema) -> str:
    """Return a schema in a few words: ``uint8, variable, max 480x640x3``, ``text``."""
    if schema.kind != "array":
        return f"{schema.kind}{'' if schema.named else ', not named'}"
    shape = f"variable, max {shape_text(schema.shape)}" if schema.variable else shape_text(schema.shape)
    return f"{dtype_name(schema.dtype)}, {shape}{'' if schema.named else ', not named'}"


def schema_json(schema: Schema) -> dict[str, Any]:
    """Return a schema for JSON."""
    return {
        "kind": schema.kind,
        "dtype": dtype_name(schema.dtype),
        "shape": list(schema.shape),
        "variable_shape": schema.variable,
        "named": schema.named,
        "nested": schema.nested,
    }


def size_text(count: float) -> str:
    """Return a number of bytes as people say it: ``1.3 MiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def plural(count: int, noun: str) -> str:
    """Return ``1 sample``, ``2 samples``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def commit_json(entry: LogEntry) -> dict[str, Any]:
    """Return a commit for JSON, with the digests in full and the time in UTC."""
    from hangar_core.hashing import digests

    commit = entry.commit
    return {
        "digest": digests.text(entry.id),
        "parents": [digests.text(parent) for parent in commit.parents],
        **({"hidden_parents": [digests.text(parent) for parent in commit.hidden]} if commit.hidden else {}),
        "branches": list(entry.branches),
        "time": time_text(commit.time),
        "user": commit.user,
        "email": commit.email,
        "message": commit.message,
    }


def time_text(microseconds: int) -> str:
    """Return a commit's time in ISO 8601, UTC."""
    from datetime import UTC, datetime  # `status` has no use for it

    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat()


def reject_line(reject: Reject) -> str:
    """Return one refused file on one line: where, why, what to do."""
    fix = f" ({printable(reject.fix)})" if reject.fix else ""
    return f"  {printable(reject.source)}: {printable(reject.message)}{fix}"


def reject_lines(rejects: Sequence[Reject]) -> list[str]:
    """Return a line for each refused file, shortened when there are very many."""
    lines = [reject_line(reject) for reject in rejects[:_SHOWN]]
    if len(rejects) > _SHOWN:
        lines.append(f"  ... and {len(rejects) - _SHOWN:,} more (all of them: --json)")
    return lines


def rejects_json(rejects: Sequence[Reject]) -> list[Mapping[str, str]]:
    """Return refused files for JSON."""
    return [{"code": r.code, "source": r.source, "message": r.message, "fix": r.fix} for r in rejects]
