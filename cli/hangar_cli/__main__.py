"""`python -m hangar_cli` is the same command as `hangar`."""

from __future__ import annotations

from hangar_cli.main import main

main(prog_name="hangar")
