"""The floors of the house, as import-linter sees them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_no_floor_uses_one_above_it():
    command = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    run = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 broken" in run.stdout


def test_an_upward_import_is_noticed(tmp_path):
    """The check above can fail: a copy of the house in which `errors` imports `repository` is refused."""
    import shutil

    for folder in (
        "hangar_core",
        "cli/hangar_cli",
        *(f"plugins/{path.name}" for path in ROOT.glob("plugins/hangar_*")),
    ):
        shutil.copytree(
            ROOT / folder, tmp_path / Path(folder).name, ignore=shutil.ignore_patterns("__pycache__", "*.jpg")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    errors = tmp_path / "hangar_core" / "errors" / "__init__.py"
    errors.write_text(errors.read_text() + "\nimport hangar_core.repository\n")
    command = (
        "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports; "
        "sys.exit(lint_imports(no_cache=True))"
    )
    run = subprocess.run([sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "hangar_core.errors" in run.stdout
