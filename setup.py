"""The one thing that pyproject.toml cannot say: the template of plugins goes into the wheel, inside hangar_cli."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

TEMPLATE = "cookiecutter-plugin"


class BuildWithTemplate(build_py):
    """Copies the template beside the modules of the command line."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:  # there it is found where it lies
            target = Path(self.build_lib, "hangar_cli", TEMPLATE)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(Path(__file__).parent / TEMPLATE, target, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithTemplate})
