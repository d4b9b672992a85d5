"""Which arraysets were computed from others, and whether they would come out the same now: told by digests alone."""

from __future__ import annotations

from collections.abc import Mapping

from hangar_core.hashing import digests
from hangar_core.hashing.schemas import schema_digest
from hangar_core.history.overlay import Overlay
from hangar_core.model import Arrayset, Root
from hangar_core.records.derivations import DERIVED_OPTION, decode_derivation
from hangar_core.reports import DerivedArrayset


def content_id(aset: Arrayset) -> str:
    """Return what names the content of an arrayset: equal content has the same, whatever its name and history."""
    return digests.text(schema_digest(aset.schema)) + digests.text(aset.tree)


def derived_in(root: Root) -> list[DerivedArrayset]:
    """Return the derived arraysets of a content, by name."""
    found = []
    for name in sorted(root.arraysets):
        text = root.arraysets[name].options.get(DERIVED_OPTION)
        if text is not None:
            derivation = decode_derivation(text, name)
            changed = tuple(one for one in sorted(derivation.inputs) if _differs(root, one, derivation.inputs))
            found.append(DerivedArrayset(name, derivation.step, tuple(sorted(derivation.inputs)), changed))
    return found


def derived_staged(overlay: Overlay) -> list[DerivedArrayset]:
    """Return the derived arraysets as they would be committed now; where there are none nothing is computed."""
    if not any(DERIVED_OPTION in staged.options for staged in overlay.arraysets.values()):
        return []
    return derived_in(overlay.content())


def _differs(root: Root, name: str, inputs: Mapping[str, str]) -> bool:
    aset = root.arraysets.get(name)
    return aset is None or content_id(aset) != inputs[name]
