"""Results of steps as JSON, pinned. Format: docs/formats/steps.md."""

from __future__ import annotations

from pathlib import Path

import pytest
from goldens import load
from goldens.step_results import result_vectors, results

from hangar_core.hashing import det_hash
from hangar_steps.formats.jsons import decode_json

VECTORS = load("step-results-1.json")
PAGE = Path(__file__).parents[2] / "docs" / "formats" / "steps.md"


def test_results_keep_their_form() -> None:
    assert result_vectors() == VECTORS


@pytest.mark.parametrize("name", VECTORS)
def test_what_was_written_is_read(name: str) -> None:
    assert det_hash(decode_json(VECTORS[name])) == det_hash(results()[name])


def test_every_tag_is_on_its_page() -> None:
    tags = {value["$"] for value in VECTORS.values() if isinstance(value, dict) and "$" in value}
    assert all(f"| `{tag}` |" in PAGE.read_text("utf-8") for tag in tags | {"float", "dataclass"})
