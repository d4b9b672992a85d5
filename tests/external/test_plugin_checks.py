"""The test kit for plugins finds what it is there to find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hangar_core import external
from hangar_core.testing import plugin_checks, plugin_processes
from hangar_core.testing.plugin_subject import Flaw, Subject

GOOD = """
import json
from dataclasses import dataclass
import numpy as np
from hangar_core.external import BasePlugin, atomic_file, option

@dataclass(frozen=True)
class Options:
    scale: float = option(1.0, of="load", help="Multiply.")

class Plugin(BasePlugin):
    '''Numbers as a JSON list.'''

    LOSSLESS = ("num",)
    MAGIC = {"num": (b"[",)}
    Options = Options

    def __init__(self):
        super().__init__(["load", "save", "show", "board_show"], ["num"])

    def load(self, fpath, **options):
        given = self.typed_options(Options, "load", options)
        return self.decode(self.read(fpath), fpath=fpath) * given.scale, self.sample_name(fpath)

    def read(self, fpath):
        with self.open_file(fpath) as file:
            return file.read()

    def decode(self, data, fpath="data", **options):
        try:
            return np.array(json.loads(data), "float64")
        except (ValueError, RecursionError) as why:
            raise self.bad_file(fpath, code="wrong-format", reason=str(why), fix="mend it") from why

    def encode(self, arr, extension, **options):
        return json.dumps(arr.tolist()).encode()

    def save(self, arr, outdir, sample_detail, extension, **options):
        target = self.target_path(outdir, sample_detail, extension)
        with atomic_file(target) as file:
            file.write(self.encode(arr, extension))
        return target

    def show(self, arr, **options):
        return str(arr)

    def board_show(self, arr, **options):
        return "text/plain", str(arr).encode()
"""
CHECKS = (
    plugin_checks.metadata, plugin_checks.options, plugin_checks.lazy, plugin_checks.repeatable, plugin_checks.keys,
    plugin_checks.round_trip, plugin_checks.bad_files, plugin_checks.paths, plugin_checks.outside,
    plugin_checks.picklable, plugin_checks.shows, plugin_checks.board_shows, plugin_checks.described,
    plugin_checks.originals,
)  # fmt: skip


@pytest.fixture
def subject(install, tmp_path):
    """A function that installs a plugin and returns it with a good file and a sample."""

    def of(source: str = GOOD, **more: Any) -> Subject:
        install("num-dist", "num", source)
        external.plugin_manager().refresh()
        (tmp_path / "scratch").mkdir()
        (tmp_path / "good.num").write_text(json.dumps([1.0, 2.5, 3.0]))
        facts: dict[str, Any] = {"files": [tmp_path / "good.num"], "samples": {"num": [np.arange(5.0)]}}
        return Subject("num", tmp_path / "scratch", **facts | more)

    yield of
    external.plugin_manager().refresh()


@pytest.mark.parametrize("check", [*CHECKS, plugin_processes.quick_import, plugin_processes.fork_and_spawn])
def test_a_good_plugin_passes(subject, check):
    check(subject())


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


LOAD = "return self.decode(self.read(fpath), fpath=fpath) * given.scale, self.sample_name(fpath)"
SAVED = "json.dumps(arr.tolist())"
INIT = "(self):\n        super"
METADATA = {
    "no docstring": changed("'''Numbers as a JSON list.'''", ""),
    "in lower case": changed('["num"]', '["num", "NUM2"]'),
    "LOSSLESS names `nmu`": changed('LOSSLESS = ("num",)', 'LOSSLESS = ("nmu",)'),
    "provides `show` and does not define it": changed("def show", "def sow"),
    "VERSION is not a text": changed("    LOSSLESS", "    VERSION = 1\n    LOSSLESS"),
}
LOADING = {
    "gives the name '../up'": (plugin_checks.keys, changed(LOAD, "return np.ones(2), '../up'")),
    "twice": (plugin_checks.keys, changed(LOAD, "return ((np.ones(2), 'x') for _ in range(2))")),
    "give a generator": (plugin_checks.lazy, changed(LOAD, "return [(np.ones(2), 1)]")),
    "two loads": (plugin_checks.repeatable, changed(LOAD, "import os; return np.frombuffer(os.urandom(9), 'u1'), 'x'")),
    "instead of BadFile": (plugin_checks.bad_files, changed("raise self.bad_file(", "raise ValueError(")),
    "a folder gives PluginError": (plugin_checks.bad_files, changed("self.open_file(fpath)", "open(fpath, 'rb')")),
    "is read as if it were good": (
        plugin_checks.bad_files,
        changed('raise self.bad_file(fpath, code="wrong-format", reason=str(why), fix="mend it") from why', "return 1"),
    ),
    "UnicodeEncodeError": (plugin_checks.paths, changed("self.read(fpath)", "self.read(str(fpath).encode('ascii'))")),
    "what `": (
        plugin_checks.described,
        GOOD + "    def describe(self, fpath, **options):\n        return {'nonsense': 'x'}\n",
    ),
    "something else than load": (plugin_checks.originals, changed("* given.scale", "+ 1")),
    "reads something else": (
        plugin_processes.fork_and_spawn,
        changed("* given.scale", "+ (__import__('multiprocessing').parent_process() is None)"),
    ),
}
SAVING = {
    "is LOSSLESS": (plugin_checks.round_trip, changed(SAVED, "json.dumps((arr // 2).tolist())")),
    "say in LOSSLESS or TOLERANCE": (plugin_checks.round_trip, changed('LOSSLESS = ("num",)', "LOSSLESS = ()")),
    "came back 1 off, TOLERANCE says 0.5": (
        plugin_checks.round_trip,
        changed('LOSSLESS = ("num",)', 'TOLERANCE = {"num": 0.5}').replace("arr.tolist()", "(arr + 1).tolist()"),
    ),
    "use self.target_path": (
        plugin_checks.outside,
        changed("self.target_path(outdir, sample_detail, extension)", "outdir / (sample_detail[4:] + '.num')"),
    ),
    "save leaves": (plugin_checks.outside, changed("return target", "(outdir / '.tmp').touch(); return target")),
}
SHOWING = {
    "no help text": (plugin_checks.options, changed('help="Multiply."', 'help=" "')),
    "it cannot be pickled": (
        plugin_checks.picklable,
        changed(INIT, INIT.replace("super", "self.f = lambda: 0; super")),
    ),
    "OSError": (plugin_checks.shows, changed("return str(arr)", "import os; return str(os.get_terminal_size(99))")),
    "it must return one of": (plugin_checks.board_shows, changed('"text/plain"', '"text/html"')),
}
# Not in this process, which could not be forked any more.
THREAD = """
import os, threading
if "PYTEST_CURRENT_TEST" not in os.environ:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
"""
IMPORTING = {
    "says something: hello": "print('hello')",
    "UserWarning: old": "import warnings; warnings.warn('old')",
    "changes the threads": THREAD,
    "changes the environment": "import os; os.environ['HANGAR_TEST_X'] = 'y'",
    "writes files: log.txt": "open('log.txt', 'w').close()",
    "takes": "for _ in range(10**7): pass",
}
FLAWS = {
    **{told: (plugin_checks.metadata, source) for told, source in METADATA.items()},
    **LOADING,
    **SAVING,
    **SHOWING,
    **{told: (plugin_processes.quick_import, line + GOOD) for told, line in IMPORTING.items()},
}


@pytest.mark.filterwarnings("ignore:old")
@pytest.mark.parametrize("told", FLAWS)
def test_a_flaw_is_found(subject, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what such a plugin leaves behind in this process
    monkeypatch.setenv("HANGAR_TEST_X", "")
    check, source = FLAWS[told]
    more = {"import_seconds": 0.01} if told == "takes" else {}
    with pytest.raises((Flaw, external.PluginError)) as caught:
        check(subject(source, **more))
    assert told in str(caught.value)


def test_a_plugin_that_no_distribution_names_is_no_installed_plugin(register, tmp_path: Path):
    class Loose(external.BasePlugin):
        """Loose."""

        def __init__(self) -> None:
            super().__init__(["load"], ["loose"])

        def load(self, fpath, **options):
            return 1, "x"

    register("loose", Loose())
    with pytest.raises(Flaw, match="no installed distribution names it"):
        plugin_checks.metadata(Subject("loose", tmp_path))
