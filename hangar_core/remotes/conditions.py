"""Conditions on samples, as `--where` takes them: ``label == 'night' and camera in (3, 4)``.

A sample is meant if the samples of the same name in the arraysets that are named have such values. Equal values have
equal digests, so that nothing is read for it: it works where no data are. Understood are ``==``, ``!=``, ``in``,
``not in``, ``and``, ``or`` and brackets; text, bytes and numbers; and arraysets of text, of bytes, and of one number.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from math import prod
from typing import Final

from hangar_core.errors import ArraysetNotFound, InvalidInput
from hangar_core.hashing import digests
from hangar_core.history import tree
from hangar_core.history.objects import Objects
from hangar_core.model import Arrayset, Digest, Schema

_LONGEST: Final = 4096
_POSITIVE: Final = (ast.Eq, ast.In)
_KNOWN: Final = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


class Condition:
    """A condition that was understood."""

    def __init__(self, text: str) -> None:
        """Raises `InvalidInput` for text that is none."""
        self.text = text
        try:
            if len(text) > _LONGEST:
                raise ValueError("it is too long")
            self._parsed = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as why:
            raise self._refused(str(why)) from why
        self._check(self._parsed)

    def keys(self, objects: Objects, arraysets: Mapping[str, Arrayset]) -> set[bytes]:
        """Return the keys of the samples that are meant in a commit.

        Raises `ArraysetNotFound`, and `InvalidInput` for an arrayset whose samples are no single values.
        """
        return self._found(self._parsed, objects, arraysets)

    def _check(self, node: ast.expr) -> None:
        if isinstance(node, ast.BoolOp):
            for one in node.values:
                self._check(one)
            return
        if not isinstance(node, ast.Compare) or len(node.ops) != 1 or not isinstance(node.ops[0], _KNOWN):
            raise self._refused("only ==, !=, in, not in, and, or are understood")
        self._name(node.left)
        self._values(node)

    def _found(self, node: ast.expr, objects: Objects, arraysets: Mapping[str, Arrayset]) -> set[bytes]:
        if isinstance(node, ast.BoolOp):
            parts = [self._found(one, objects, arraysets) for one in node.values]
            return set.intersection(*parts) if isinstance(node.op, ast.And) else set.union(*parts)
        assert isinstance(node, ast.Compare)
        name = self._name(node.left)
        if name not in arraysets:
            raise ArraysetNotFound(name=name)
        aset = arraysets[name]
        wanted = {digest for value in self._values(node) for digest in self._digests(name, aset.schema, value)}
        is_positive = isinstance(node.ops[0], _POSITIVE)
        return {key for key, digest in tree.items(objects, aset.tree) if (digest in wanted) == is_positive}

    def _name(self, node: ast.expr) -> str:
        """Return the arrayset: a word, words with dots between them, or in quotes."""
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Attribute):
            return f"{self._name(node.value)}.{node.attr}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        raise self._refused("the name of an arrayset stands on the left")

    def _values(self, node: ast.Compare) -> list[str | bytes | int | float]:
        try:
            value = ast.literal_eval(node.comparators[0])
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as why:
            raise self._refused("a value stands on the right: text in quotes, or a number") from why
        several = isinstance(node.ops[0], ast.In | ast.NotIn)
        if several != isinstance(value, tuple | list | set):
            raise self._refused("`in` takes several values in brackets, and `==` one")
        values = list(value) if several else [value]
        if not all(isinstance(one, str | bytes | int | float) for one in values):
            raise self._refused("values are text, bytes or numbers")
        return values

    def _digests(self, name: str, schema: Schema, value: str | bytes | int | float) -> list[Digest]:
        """Return the digests of all samples that equal a value."""
        if schema.nested or (schema.kind == "array" and (schema.variable or prod(schema.shape) != 1)):
            raise self._refused(f"the samples of `{name}` are no single values")
        if isinstance(value, str | bytes):
            data = value.encode(errors="surrogatepass") if isinstance(value, str) else value
            kind = "text" if isinstance(value, str) else "bytes"
            code = digests.TEXT if isinstance(value, str) else digests.BYTES
            return [digests.compute(code, data)] if schema.kind == kind else []
        if schema.kind != "array":
            return []
        return _digests_of_number(schema, value)

    def _refused(self, reason: str) -> InvalidInput:
        return InvalidInput(
            f"`{self.text}` is no condition: {reason}.",
            hint="write one like \"label == 'night'\", or \"label in ('night', 'dusk') and camera != 3\"",
        )


def _digests_of_number(schema: Schema, value: int | float) -> list[Digest]:
    import numpy as np

    from hangar_core.hashing.arrays import numpy_dtype
    from hangar_core.hashing.samples import payload_of

    dtype = numpy_dtype(schema.dtype)
    try:
        with np.errstate(all="ignore"):
            array = np.full(schema.shape, value, dtype)
    except (OverflowError, ValueError, TypeError):
        return []
    if dtype.kind in "iub" and array.item() != value:
        return []
    return [payload_of(one).digest for one in ([array] if value or dtype.kind != "f" else [array, -array])]
