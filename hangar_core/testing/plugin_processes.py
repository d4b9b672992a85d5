"""Checks of a plugin that need other processes: what its import does, and whether it works behind fork and spawn.

As a script this module is such a process: ``python -m hangar_core.testing.plugin_processes NAME FILE OPTIONS``.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

from hangar_core.testing.plugin_subject import Flaw, Subject, digest_of

_SECONDS = 120
_IMPORT = """
import json, os, signal, sys, threading, time
from importlib import metadata
import hangar_core.external
before = (dict(os.environ), os.getcwd(), list(sys.path), threading.active_count(), signal.getsignal(signal.SIGINT))
[point] = [one for one in metadata.entry_points(group="hangar.external.plugins", name=sys.argv[1])][:1]
began = time.process_time()
point.load()()
spent = time.process_time() - began
after = (dict(os.environ), os.getcwd(), list(sys.path), threading.active_count(), signal.getsignal(signal.SIGINT))
names = ("environment", "current directory", "sys.path", "threads", "handler of Ctrl-C")
changed = [name for name, was, now in zip(names, before, after) if was != now]
with open(sys.argv[2], "w") as file:
    json.dump([spent, changed], file)
"""


def quick_import(subject: Subject) -> None:
    """Its import is quick, silent, and changes nothing: no files, threads, settings, warnings."""
    subject.plugin  # noqa: B018 — an error that it has is told better by hangar than by the other process
    place = subject.scratch("import")
    told = subject.folder / "told"
    done = subprocess.run(  # noqa: S603 — this Python, on the lines above
        [sys.executable, "-B", "-W", "error", "-c", _IMPORT, subject.name, str(told)],
        cwd=place,
        env={**_bare_environment(), "HOME": str(place), "TMPDIR": str(place), "XDG_CACHE_HOME": str(place)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode or done.stdout or done.stderr:
        raise Flaw(f"its import says something: {_last_line(done.stderr or done.stdout or f'exit {done.returncode}')}")
    spent, changed = json.loads(told.read_text())
    if changed:
        raise Flaw(f"its import changes the {', '.join(changed)}")
    if left := sorted(path.name for path in place.iterdir()):
        raise Flaw(f"its import writes files: {', '.join(left)}")
    if spent > subject.import_seconds:
        raise Flaw(f"its import takes {spent:.2f} s, more than {subject.import_seconds}: import libraries where used")


def fork_and_spawn(subject: Subject) -> None:
    """A file gives the same in processes that were forked from one that has used the plugin, or started afresh."""
    for path in subject.files[:2]:
        done = subprocess.run(  # noqa: S603 — this Python, on this module
            [sys.executable, "-m", __name__, subject.name, str(path), json.dumps(dict(subject.load_options))],
            env={**os.environ, "PYTHONPATH": _path()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            raise Flaw(f"loading `{path.name}` in another process fails: {_last_line(done.stderr)}")
        found = json.loads(done.stdout.splitlines()[-1])
        expected = digest_of(subject.load(path))
        for way, digest in found.items():
            if digest != expected:
                raise Flaw(f"a process started with {way} reads something else in `{path.name}`: {digest}")


def _bare_environment() -> dict[str, str]:
    """Return what a process needs, and nothing that the plugin may have set in this one."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": _path()}


def _last_line(text: str) -> str:
    """Return the line in which Python says what went wrong, or all that was said."""
    return (text.strip().splitlines() or [""])[-1]


def _path() -> str:
    """Return what lets another process find the same modules."""
    return os.pathsep.join(filter(None, sys.path))


def _digest(name: str, path: str, options: dict[str, object], answers: multiprocessing.SimpleQueue[str]) -> None:
    answers.put(digest_of(Subject(name, Path(), load_options=options).load(Path(path))))


def _main() -> None:
    name, path, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    found = {}
    digest_of(Subject(name, Path(), load_options=options).load(Path(path)))
    for way in multiprocessing.get_all_start_methods():
        if way == "forkserver":
            continue
        context = multiprocessing.get_context(way)
        answers = context.SimpleQueue()
        process = context.Process(  # type: ignore[attr-defined]  # each context has it
            target=_digest, args=(name, path, options, answers)
        )
        process.start()
        process.join(_SECONDS // 2)
        if process.is_alive():
            process.kill()
        found[way] = "no answer" if answers.empty() else answers.get()
    print(json.dumps(found))  # noqa: T201 — the answer of this process


if __name__ == "__main__":
    _main()
