# `make check` runs what CI runs, in the environment that is active now (`pip install -e '.[test]'` makes one).
# `make ci` runs it as CI does: installed from a copy into a new virtual environment.

.PHONY: check format-check lint types layers test format ci clean

# One worker for each core; `make test PYTEST_ADDOPTS="-k merge"` for something else.
export PYTEST_ADDOPTS ?= -n auto

check: format-check lint types layers test

format-check:
	ruff format --check .

lint:
	ruff check .

types:
	mypy

layers:
	lint-imports

test:
	pytest

format:
	ruff format .
	ruff check --fix .

ci:
	bash .ci/run

clean:
	rm -rf build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find hangar_core cli plugins tests -type d -name __pycache__ -prune -exec rm -rf {} +
