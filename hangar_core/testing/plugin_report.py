"""All checks of an installed plugin at once, for a report. Needs no test runner."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hangar_core.errors import BadFile, HangarError
from hangar_core.external import plugin_manager
from hangar_core.testing import plugin_checks, plugin_processes
from hangar_core.testing.plugin_subject import Flaw, Subject

CHECKS: tuple[Callable[[Subject], None], ...] = (
    plugin_checks.metadata,
    plugin_checks.options,
    plugin_processes.quick_import,
    plugin_checks.picklable,
)
WITH_FILES: tuple[Callable[[Subject], None], ...] = (
    plugin_checks.keys,
    plugin_checks.lazy,
    plugin_checks.repeatable,
    plugin_checks.round_trip,
    plugin_checks.bad_files,
    plugin_checks.paths,
    plugin_checks.outside,
    plugin_checks.shows,
    plugin_checks.board_shows,
    plugin_checks.described,
    plugin_checks.originals,
    plugin_processes.fork_and_spawn,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `flaw` is None if the promise is kept."""

    check: str
    promise: str
    flaw: str | None


def examine(name: str, folder: Path, files: Sequence[Path]) -> list[Finding]:
    """Check the plugin called `name` on files that it reads, writing into `folder`, which is empty.

    What is in the files is written again for the round trip. Whether a file is cut off is not asked of formats without
    signatures, because text cannot always tell. Raises `PluginNotFound`, `PluginBroken`, and
    `BadFile` for a file that the plugin refuses.
    """
    plugin = plugin_manager().get(name)
    scratch = folder / "scratch"
    scratch.mkdir()
    subject = Subject(name, scratch, files=files, detects_truncation=bool(plugin.MAGIC))
    findings = [_finding(check, subject) for check in CHECKS]
    if not files or "load" not in plugin.provides:
        return findings
    for path in files:
        _expect_readable(subject, path)
    samples = _samples(subject) if "save" in plugin.provides else {}
    subject = Subject(name, scratch, files=files, samples=samples, detects_truncation=subject.detects_truncation)
    return findings + [_finding(check, subject) for check in WITH_FILES]


def _expect_readable(subject: Subject, path: Path) -> None:
    """Raise `BadFile` for a file that the plugin refuses: it can tell nothing about the plugin's promises."""
    try:
        for _ in itertools.islice(subject.load(path), 3):
            pass
    except BadFile:
        raise
    except HangarError:
        return  # a failure of the plugin: a check says so


def _samples(subject: Subject) -> dict[str, list[Any]]:
    """Return a few samples of each file, by the extension that the file has."""
    samples: dict[str, list[Any]] = {}
    for path in subject.files:
        extension = next((one for one in subject.plugin.accepts if path.name.lower().endswith(f".{one}")), None)
        if extension is None:
            continue
        try:
            few = [data for data, _ in itertools.islice(subject.load(path), 3)]
        except HangarError:
            continue  # a check says so
        samples.setdefault(extension, []).extend(data for data in few if not isinstance(data, Mapping))
    return {extension: few for extension, few in samples.items() if few}


def _finding(check: Callable[[Subject], None], subject: Subject) -> Finding:
    promise = (check.__doc__ or "").splitlines()[0]
    try:
        check(subject)
    except (Flaw, HangarError) as why:
        return Finding(check.__name__, promise, str(why))
    return Finding(check.__name__, promise, None)
