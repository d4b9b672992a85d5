"""What a clone knows without having computed anything: results that were committed, of inputs that are the same.

A derived arrayset says which content of its inputs it was made of. The trees of that are in the history: digests tell
what has changed since, and every other result lies in the arrayset. A step that was ever remembered here is left to its
memory: samples may have been changed by hand, or are to be forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from hangar_core.records.derivations import DERIVED_OPTION, decode_derivation
from hangar_steps.derive_inputs import Column, joined
from hangar_steps.memo import Known
from hangar_steps.sample_forms import form_of

if TYPE_CHECKING:
    from hangar_core.model import SampleKey
    from hangar_steps.deriving import Derived

_AT_ONCE: Final = 4096


def committed_results(derived: Derived, reader: Any, columns: Sequence[Column]) -> dict[bytes, Known]:
    """Return what a sample is made of -> its result, of the output as it is committed, where its data are here.

    Reads data only where they tell a shape. Raises `CorruptRecord` for a damaged derivation, `CorruptDataError`.
    """
    if derived.output not in reader.arraysets:
        return {}
    output = reader.arraysets[derived.output]
    changed = _changed(derived, output, columns)
    if changed is None:
        return {}
    results = dict(output.digest_items())
    found: dict[bytes, Known] = {}
    same = ((name, source) for name, source in joined(columns) if name in results and name not in changed)
    while some := list(islice(same, _AT_ONCE)):
        here = reader.with_data({results[name] for name, _ in some})
        for name, source in some:
            if results[name] in here:
                found[source] = Known(results[name], _form(output, name))
    return found


def _changed(derived: Derived, output: Any, columns: Sequence[Column]) -> set[SampleKey] | None:
    """Return the names whose inputs have changed since the output was made; None if that is not known."""
    recorded = output.options.get(DERIVED_OPTION)
    if recorded is None or output.contains_subsamples:
        return None
    step, contents = decode_derivation(recorded, derived.output)
    if step != derived.unique_id or set(contents) != set(derived.inputs):
        return None
    changed: set[SampleKey] = set()
    for name, column in zip(derived.inputs, columns, strict=True):
        some = column.changed_since(contents[name])
        if some is None:
            return None
        changed |= some
    return changed


def _form(output: Any, name: SampleKey) -> str:
    schema = output.schema
    if schema.kind != "array":
        return str(schema.kind)
    if not schema.variable:
        return f"array {schema.dtype} {','.join(map(str, schema.shape))}"
    return form_of(output[name], f"Sample {name!r} of `{output.name}`")
