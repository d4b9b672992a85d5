"""What is in the wheel: all that the command line needs beside its modules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ("hangar_core", "cli", "plugins", "cookiecutter-plugin", "pyproject.toml", "setup.py", "README.md", "LICENSE")


def test_hangar_installed_from_a_wheel_makes_new_plugins(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(ROOT / name, source)
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    words = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(source)]
    built = subprocess.run([sys.executable, "-m", *words], env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    shutil.rmtree(source)
    done = subprocess.run(
        [sys.executable, "-m", "hangar_cli", "plugins", "new", "from-a-wheel", "--author", "A", "--email", "a@b.org"],
        cwd=tmp_path, env={**environment, "PYTHONPATH": str(installed)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "hangar-from-a-wheel" / "tests" / "test_contract.py").is_file()
