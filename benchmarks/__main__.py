"""`python -m benchmarks NAME [--n SIZE]`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import tempfile
from pathlib import Path

import benchmarks


def main() -> None:
    names = sorted(
        name for _, name, _ in pkgutil.iter_modules(benchmarks.__path__) if name not in {"__main__", "harness", "table"}
    )
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("name", choices=names)
    parser.add_argument("--n", type=int, default=None, help="number of samples; each workload has its own default")
    parser.add_argument("--path", type=Path, default=None, help="where to work; a temporary folder by default")
    given = parser.parse_args()
    workload = importlib.import_module(f"benchmarks.{given.name}")
    with tempfile.TemporaryDirectory(dir=given.path) as folder:
        workload.run(Path(folder), given.n or workload.DEFAULT_N)


if __name__ == "__main__":
    main()
