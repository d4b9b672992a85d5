"""What an arrayset was computed from, as it stands among its options. Format: docs/formats/records.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from hangar_core.errors import CorruptRecord

DERIVED_OPTION: Final = "derived"
_VERSION: Final = "hangar.derived/1"


class Derivation(NamedTuple):
    """By which step an arrayset was computed, and of which content. `inputs` has for each arrayset what it was then:
    the digests of its schema and of its tree, joined as text."""

    step: str
    inputs: Mapping[str, str]


def encode_derivation(derivation: Derivation) -> str:
    """Return the canonical text of the record."""
    import json

    document = {"version": _VERSION, "step": derivation.step, "inputs": dict(derivation.inputs)}
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def decode_derivation(text: str, arrayset: str) -> Derivation:
    """Return the derivation of an arrayset. Raises `CorruptRecord`."""
    import json

    try:
        document = json.loads(text)
        version, step, inputs = document["version"], document["step"], document["inputs"]
    except (ValueError, KeyError, TypeError, RecursionError) as why:
        raise CorruptRecord(what=f"derivation of arrayset `{arrayset}`", reason=f"{type(why).__name__}: {why}") from why
    texts = isinstance(inputs, dict) and all(isinstance(one, str) for one in (step, *inputs.values()))
    if version != _VERSION or not texts:
        raise CorruptRecord(what=f"derivation of arrayset `{arrayset}`", reason=f"it is no {_VERSION}")
    return Derivation(step, inputs)
