"""What a sample is like, as text, and the schema that samples of several forms need in common.

``text``, ``bytes``, or ``array <f4 64,64``: dtype and shape (``array <f4 `` without dimensions).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hangar_core.errors import InvalidData
from hangar_core.hashing.arrays import dtype_text

if TYPE_CHECKING:
    from hangar_core.checkout import WriterCheckout


class Needed(NamedTuple):
    """The schema that an arrayset must have; `shape` is the largest size of each dimension where shapes vary."""

    kind: str
    dtype: str
    shape: tuple[int, ...]
    varies: bool

    def fits(self, aset: Any, *, same_step: bool) -> bool:
        """Whether an arrayset is of this kind and dtype, and has as many dimensions.

        One that the same step has made may be too small; of another step the shapes must be these.
        """
        schema = aset.schema
        if not same_step and (schema.shape, schema.variable and schema.kind == "array") != (self.shape, self.varies):
            return False
        return (schema.kind, len(schema.shape)) == (self.kind, len(self.shape)) and (
            self.kind != "array" or schema.dtype == self.dtype
        )

    def make(self, writer: WriterCheckout, name: str) -> Any:
        """Create the arrayset."""
        if self.kind == "text":
            return writer.arraysets.init_str_arrayset(name)
        if self.kind == "bytes":
            return writer.arraysets.init_bytes_arrayset(name)
        return writer.arraysets.init_arrayset(name, shape=self.shape, dtype=self.dtype, variable_shape=self.varies)

    def widen(self, aset: Any) -> None:
        """Have an arrayset that fits take the shapes too."""
        if self.kind != "array" or (not self.varies and not aset.variable_shape and aset.shape == self.shape):
            return
        shape = tuple(map(max, zip(self.shape, aset.shape, strict=True)))
        aset.widen(shape, variable=True)


def form_of(sample: Any, name: object) -> str:
    """Return the form of the result for the sample `name`. Raises `InvalidData` with that name, `UnsupportedDtype`."""
    if type(sample) is np.ndarray:
        return _array_form(sample.dtype, sample.shape)
    if type(sample) in {str, bytes}:
        return "text" if type(sample) is str else "bytes"
    raise InvalidData(
        f"The result for the sample {name!r} is {type(sample).__name__}: a derived sample is an array, text or bytes.",
        hint="np.asarray(...) makes an array of a number",
    )


@lru_cache(maxsize=4096)
def _array_form(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    return f"array {dtype_text(dtype)} {','.join(map(str, shape))}"


def needed_for(forms: Collection[str], output: str) -> Needed:
    """Return the schema that takes samples of all these forms. Raises `InvalidData` if none does."""
    parts = [(*form.split(" "), "", "")[:3] for form in sorted(forms)]
    shapes = [tuple(int(size) for size in text.split(",") if size) for _, _, text in parts]
    if len({(kind, dtype, len(shape)) for (kind, dtype, _), shape in zip(parts, shapes, strict=True)}) != 1:
        raise InvalidData(
            f"The results for `{output}` are of different kinds: {'; '.join(sorted(forms)[:3])}.",
            hint="all samples of a derived arrayset have one kind and dtype, and as many dimensions",
        )
    largest = tuple(map(max, zip(*shapes, strict=True)))
    return Needed(parts[0][0], parts[0][1], largest, len(set(shapes)) > 1)
