"""A terminal for tests: `hangar` as its own process, in its own directory, with none of the developer's settings."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

# What the tests do is a package beside them; pytest's importlib mode leaves the path alone.
sys.path.insert(0, str(Path(__file__).parent))

from typed.forks import Forks

Done = subprocess.CompletedProcess[str]


def scrubbed_environment(home: Path) -> dict[str, str]:
    """What a fresh account has: no git settings, no colours, no hangar variables."""
    kept = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    nowhere = str(home / "no-such-file")
    return environment | {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_GLOBAL": nowhere,
        "GIT_CONFIG_NOSYSTEM": "1",
        "TMPDIR": str(home),
        "NO_COLOR": "1",
        "PYTHONWARNINGS": "error",
    }


@dataclass
class Terminal:
    """Runs `hangar ARGS` in `directory`."""

    directory: Path
    environment: dict[str, str]
    forks: Forks | None = None

    def __call__(self, *words: str | Path, code: int = 0, **changes: Any) -> Done:
        """Run to the end and check the exit code."""
        directory, environment = changes.get("cwd", self.directory), self.environment | changes.get("env", {})
        if self.forks is not None and self.forks.can_run(environment):
            done = self.forks.run(list(map(str, words)), directory, environment)
        else:
            done = subprocess.run(
                self.command(*words),
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                timeout=120,
            )
        assert done.returncode == code, f"exit {done.returncode}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
        return done

    def json(self, *words: str | Path, code: int = 0) -> dict[str, Any]:
        """Run with `--json` and return the document."""
        document = json.loads(self(*words, "--json", code=code).stdout)
        assert isinstance(document, dict)
        return document

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Start and return at once. Ctrl-C reaches the process even if the tests run in the background of a shell."""
        return subprocess.Popen(
            self.command(*words),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            preexec_fn=None if sys.platform == "win32" else _listen_to_ctrl_c,
        )

    def python(self, code: str, **popen: Any) -> subprocess.Popen[str]:
        """Start another Python process in the same place."""
        return subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            **popen,
        )

    def look(self, *words: str | Path, code: int = 0, typed: str = "", **environment: str) -> str:
        """Run as a person does, with stdin, stdout and stderr on a terminal, and return what is drawn there."""
        import pty

        outer, inner = pty.openpty()
        colours = {name: value for name, value in self.environment.items() if name != "NO_COLOR"}
        process = subprocess.Popen(
            self.command(*words),
            cwd=self.directory,
            env=colours | {"TERM": "xterm-256color"} | environment,
            stdin=inner,
            stdout=inner,
            stderr=inner,
        )
        os.close(inner)
        os.write(outer, typed.encode())
        drawn = b""
        with contextlib.suppress(OSError):  # how Linux says that the other side is closed
            while part := os.read(outer, 65536):
                drawn += part
        os.close(outer)
        assert process.wait(timeout=60) == code, drawn
        return drawn.decode("utf-8").replace("\r\n", "\n")

    @staticmethod
    def command(*words: str | Path) -> list[str]:
        """Return the words of the process."""
        return [sys.executable, "-m", "hangar_cli", *map(str, words)]


def _listen_to_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks | None]:
    """What commands are forked from; nothing where that cannot be, or where all are to be fresh processes."""
    if not hasattr(os, "fork") or os.environ.get("HANGAR_TESTS_FRESH"):
        yield None
        return
    found = Forks(scrubbed_environment(tmp_path_factory.mktemp("forks")))
    yield found
    found.close()


@pytest.fixture
def terminal(tmp_path: Path, forks: Forks | None) -> Terminal:
    """A terminal in an empty directory."""
    home, place = tmp_path / "home", tmp_path / "place"
    home.mkdir()
    place.mkdir()
    return Terminal(place, scrubbed_environment(home), forks)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, forks: Forks | None) -> dict[str, Path]:
    """Starting points such as those of `hangar` and `committed`, made once by the commands; tests get copies."""
    base = tmp_path_factory.mktemp("prepared")
    places = {"empty": base / "empty", "committed": base / "committed"}
    places["empty"].mkdir()
    terminal = Terminal(places["empty"], scrubbed_environment(base), forks)
    terminal("init", "--name", "Ana Lopez", "--email", "ana@example.org")
    shutil.copytree(places["empty"], places["committed"])
    terminal = Terminal(places["committed"], terminal.environment, forks)
    make_pictures(terminal.directory / "photos")
    terminal("import", "pictures", "photos")
    terminal("commit", "-m", "first pets")
    places["staged"] = base / "staged"
    shutil.copytree(places["committed"], places["staged"])
    Terminal(places["staged"], terminal.environment, forks)("arrayset", "create", "staged", "UINT8", "3")
    return places


@pytest.fixture
def hangar(terminal: Terminal, prepared: dict[str, Path]) -> Terminal:
    """A terminal in a directory with an empty repository."""
    shutil.copytree(prepared["empty"], terminal.directory, dirs_exist_ok=True)
    return terminal


@pytest.fixture
def committed(terminal: Terminal, prepared: dict[str, Path]) -> Terminal:
    """A terminal in a repository with one commit: arrayset `pictures`, samples cat/001, cat/002 and dog/001."""
    shutil.copytree(prepared["committed"], terminal.directory, dirs_exist_ok=True)
    return terminal


needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


def make_pictures(directory: Path, *, names: tuple[str, ...] = ("cat/001", "cat/002", "dog/001")) -> None:
    """Write small PNG files with different pixels."""
    for number, name in enumerate(names):
        path = directory / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number)).save(path)


def picture(number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return picture `number`: uint8, 12x16x3."""
    values = np.random.default_rng(number).integers(0, 256, size=(12, 16, 3))
    return values.astype(np.uint8)


@pytest.fixture
def strangers_plugin(terminal: Terminal, tmp_path: Path) -> Callable[[str, str], None]:
    """Install a plugin that hangar does not know, as pip would: a module and the metadata that announce it."""
    site = tmp_path / "site"
    site.mkdir()
    paths = [str(site), *filter(None, [terminal.environment.get("PYTHONPATH")])]
    terminal.environment["PYTHONPATH"] = os.pathsep.join(paths)

    def install(name: str, source: str) -> None:
        (site / f"stranger_{name}.py").write_text(source, encoding="utf-8")
        metadata = site / f"hangar_{name}-0.3.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: hangar-{name}\nVersion: 0.3\n")
        (metadata / "entry_points.txt").write_text(f"[hangar.external.plugins]\n{name} = stranger_{name}:Plugin\n")

    return install
