"""The arraysets that an import writes to: ARRAYSET itself, and those beside it that are called ``ARRAYSET.suffix``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hangar_core.backends.options import compression, default_code, recorded
from hangar_core.backends.registry import DEFAULT
from hangar_core.errors import InvalidData
from hangar_core.history.staging import StagingArea
from hangar_core.ingest.inference import Form, Misfit, exactly, fits, infer, other_dtype, promoted
from hangar_core.model import SOURCE_SCHEMA, Digest, Schema

if TYPE_CHECKING:
    from hangar_core.backends.codecs import Compression
    from hangar_core.history.overlay import StagedArrayset

INFERRED = "inferred"


class Target:
    """One arrayset: what it holds now, what it is going to hold.

    It is `created` by this import, or is there. Its schema may grow while it is `growing`: an import has made it and
    nobody has committed it yet.
    """

    def __init__(self, staging: StagingArea, name: str) -> None:
        """Raises `InvalidData` for an arrayset of samples inside samples, which files cannot be."""
        self.name = name
        self._staging = staging
        there = self.there
        if there is not None and there.schema.nested:
            raise InvalidData(
                f"Arrayset `{name}` holds samples of {there.schema.kind} inside samples; only arraysets of plain"
                " arrays can be imported into, or of plain text or bytes.",
                hint="read and write it through a checkout",
            )
        self.schema: Schema | None = None if there is None else there.schema
        self.created = there is None
        self.growing = there is None or (there.base is None and there.options.get(SOURCE_SCHEMA) == INFERRED)
        self.expected: Counter[Form] = Counter()

    @property
    def there(self) -> StagedArrayset | None:
        return self._staging.overlay.arraysets.get(self.name)

    @property
    def codec(self) -> Compression | None:
        """How packs are to hold the data, if the arrayset that is there says so."""
        there = self.there
        return None if there is None else compression(self.name, there.options)

    @property
    def apart(self) -> bool | None:
        """Whether the commit is going to move the data to another backend than packs; None: as usual for them."""
        there = self.there
        return None if there is None else recorded(there.options)[0] != DEFAULT

    def refuses(self, form: Form) -> Misfit | None:
        """Return why a form cannot go into an arrayset whose schema stays as it is."""
        if self.schema is None or self.growing:
            return None
        return fits(self.schema, form)

    def settle(self, forms: Mapping[Form, int]) -> tuple[Schema, dict[Form, Misfit]]:
        """Return the schema for samples of these forms beside those that are there, and the forms that do not fit."""
        if self.schema is None:
            return infer(Counter(forms) + self.expected)
        if not self.growing:
            return self.schema, {}
        schema, odd = self.schema, {}
        for form in forms:
            grown = promoted(schema, form)
            if isinstance(grown, Misfit):
                odd[form] = grown
            else:
                schema = grown
        return schema, odd

    def convert_those_there(self, dtype: str) -> list[tuple[bytes, Digest]] | None:
        """Return the staged samples as another dtype, or None if one of them would lose something."""
        there = self.there
        if there is None or self.schema is None or self.schema.dtype == dtype:
            return []
        changed = []
        for key, digest in there.samples.items():
            converted = self.converted(digest, dtype)
            if converted is None:
                return None
            changed.append((key, converted))
        return changed

    def converted(self, digest: Digest, dtype: str) -> Digest | None:
        """Store an array as another dtype, unless that would lose something."""
        narrow = self._staging.data.get(digest)
        assert isinstance(narrow, np.ndarray)  # text and bytes have no other dtype
        wide = exactly(narrow, dtype)
        return None if wide is None else self._staging.data.put(wide, apart=self.apart, codec=self.codec)

    def options(self, source: Mapping[str, str]) -> dict[str, str]:
        """Return the options for a new arrayset, with what is known of its `source`."""
        assert self.schema is not None
        return {"backend": default_code(self.schema), SOURCE_SCHEMA: INFERRED, **source}


def settled(target: Target, forms: Mapping[Form, int]) -> tuple[Schema, dict[Form, Misfit], list[tuple[bytes, Digest]]]:
    """Return the schema of a target with these forms, the forms that do not fit, and samples to be set anew for it."""
    schema, odd = target.settle(forms)
    changed = target.convert_those_there(schema.dtype)
    if changed is None:
        # What is there cannot become wider: then what is wider does not fit.
        assert target.schema is not None
        kept = target.schema.dtype
        for form in forms:
            if form not in odd and form.dtype != kept and schema.dtype != kept:
                odd[form] = other_dtype(form, kept)
        left = {form: count for form, count in forms.items() if form not in odd}
        schema, more = target.settle(left)
        return schema, odd | more, []
    return schema, odd, changed
