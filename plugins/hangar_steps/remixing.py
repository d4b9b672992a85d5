"""Steps that put datasets together and cut them anew, without reading a member."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from hangar_core.errors import NotFound, WrongType
from hangar_steps.datasets import Concatenated, DatasetDict, Shuffled, Sliced
from hangar_steps.registry import register
from hangar_steps.step import Step
from hangar_steps.step_arguments import check

_SEED: Final = 1532637578
_PART: Final = re.compile(r"(?P<name>.+)\[(?P<start>-?\d+)?:(?P<stop>-?\d+)?\]", re.ASCII | re.DOTALL)


class SplitNotFound(NotFound, KeyError):
    """What an expression names is no split. `term` is that part of it, as is the only one of `args`."""

    template = "{place}: there is no split `{term}`; there are: {known}."
    default_hint = "write names of splits, such as `train`, or parts of them, `train[:100]`, with + between"

    def __init__(self, message: str | None = None, *, hint: str | None = None, **facts: Any) -> None:
        super().__init__(message, hint=hint, **facts)
        self.args = (facts["term"],)


@register("dataset_combine")
class DatasetCombineStep(Step[DatasetDict]):
    """Datasets as one: a split that several have is theirs one behind the other, in the order of the inputs."""

    VERSION: ClassVar[str | None] = "001"
    CACHEABLE: ClassVar[bool | None] = False

    def run(self, inputs: list[DatasetDict], shuffle: bool = False, random_seed: int = _SEED) -> DatasetDict:
        """Return the combined dataset, whose metadata are empty; with `shuffle` each split in an order of its own."""
        check(inputs, (list, tuple), "inputs", "a list of datasets", WrongType)
        parts: dict[str, list[Sequence[Any]]] = {}
        for number, dataset in enumerate(inputs):
            check(dataset, DatasetDict, f"inputs[{number}]", "a DatasetDict", WrongType)
            for name, split in dataset.items():
                parts.setdefault(name, []).append(split)
        splits = {name: Concatenated(*several) for name, several in parts.items()}
        return DatasetDict(_shuffled(splits, random_seed) if shuffle else splits)


@register("dataset_remix")
class DatasetRemixStep(Step[DatasetDict]):
    """New splits out of those of a dataset, by expressions such as ``train[:100] + dev``."""

    VERSION: ClassVar[str | None] = "001"
    CACHEABLE: ClassVar[bool | None] = False

    def run(
        self,
        input: DatasetDict,  # noqa: A002 - the documented word
        new_splits: dict[str, str],
        keep_old_splits: bool = True,
        shuffle_before: bool = False,
        shuffle_after: bool = False,
        random_seed: int = _SEED,
    ) -> DatasetDict:
        """Return the new dataset: the old splits, if they are kept, then the new ones, with the metadata of the input.

        Expressions are names of old splits, each perhaps with ``[a:b]`` as in Python, joined by ``+``. What is no such
        thing is taken for a name: `SplitNotFound` (a `KeyError`) if there is none. Shuffling comes before cutting,
        after it, or both.
        """
        check(input, DatasetDict, "input", "a DatasetDict", WrongType)
        check(new_splits, Mapping, "new_splits", "a dict of expressions by name", WrongType)
        for name, expression in new_splits.items():
            check(expression, str, f"new_splits[{name!r}]", "an expression such as `train[:100] + dev`", WrongType)
        old = _shuffled(input, random_seed) if shuffle_before else dict(input)
        new = {name: _evaluated(name, expression, old) for name, expression in new_splits.items()}
        splits = {**old, **new} if keep_old_splits else new
        return DatasetDict(_shuffled(splits, random_seed) if shuffle_after else splits, input.metadata)


def _shuffled(splits: Mapping[str, Sequence[Any]], seed: int) -> dict[str, Sequence[Any]]:
    return {name: Shuffled(split, seed) for name, split in splits.items()}


def _evaluated(name: str, expression: str, splits: Mapping[str, Sequence[Any]]) -> Sequence[Any]:
    parts = []
    for term in map(str.strip, expression.split("+")):
        part = _part(term, splits)
        if part is None:
            raise SplitNotFound(place=f"new_splits[{name!r}]", term=term, known=", ".join(splits) or "none")
        parts.append(part)
    return Concatenated(*parts)


def _part(term: str, splits: Mapping[str, Sequence[Any]]) -> Sequence[Any] | None:
    if term in splits:
        return splits[term]
    part = _PART.fullmatch(term)
    if part is None or part["name"] not in splits:
        return None
    start, stop = (None if part[side] is None else int(part[side]) for side in ("start", "stop"))
    return Sliced(splits[part["name"]], slice(start, stop))
