"""The nouns: small frozen values that travel between the floors. No I/O, no numpy, no rules beyond their own shape.

Every command imports this, and making a named tuple takes a fifth of the time of making a dataclass; half of that if
its annotations are no texts, which would be compiled one by one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, NewType, TypeAlias

# 33 bytes: a 256-bit hash and one byte that says which hash over which canonical form (see docs/formats/digests.md).
Digest = NewType("Digest", bytes)
CommitId = NewType("CommitId", Digest)

SampleKey: TypeAlias = str | int

# Options of an arrayset that say where an import took it from, so that an export can write it alike.
SOURCE_PLUGIN = "source.plugin"
SOURCE_EXTENSION = "source.extension"
SOURCE_OPTION = "source.option."  # and the name of the plugin's option
# Which files are kept as they are: "compressed", those of formats that compress, or "original", all that can be.
SOURCE_STORE = "source.store"
SOURCE_SCHEMA = "source.schema"  # "inferred" if an import made up the schema
# Option of an arrayset whose name does not tell which one it is; see `hangar_core.history.identities`.
RENAMED_FROM = "renamed.from"
# (sample, subsample) of an arrayset whose samples are mappings themselves
NestedKey: TypeAlias = tuple[SampleKey, SampleKey]


class Schema(NamedTuple):
    """What every sample of an arrayset must look like.

    `dtype` is numpy's little-endian text (``<f4``, ``|u1``) or the name of a dtype that numpy lacks (``bfloat16``);
    `shape` is exact, or with `variable` the largest allowed size of each dimension; `named` says whether the user gives
    the sample names. `kind` is array, text or bytes; samples that are no arrays have their kind as dtype, no dimensions
    and are `variable`. With `nested` each sample is a mapping of such data. Storage is no part of it.
    """

    dtype: str
    shape: tuple[int, ...]
    variable: bool = False
    named: bool = True
    kind: str = "array"
    nested: bool = False


class Arrayset(NamedTuple):
    """One arrayset of a commit: a schema, the root of its record tree, and options such as the backend of new data.

    `count` is the number of samples; the tree of a nested arrayset has an entry for each subsample. `provenance` is the
    root of another tree, from keys to where samples came from, None if nobody knows that of any.
    """

    schema: Schema
    tree: Digest
    count: int  # type: ignore[assignment]  # of samples; nobody counts equal fields of it
    options: Mapping[str, str] = MappingProxyType({})
    provenance: Digest | None = None


class Root(NamedTuple):
    """The content of a commit."""

    arraysets: Mapping[str, Arrayset]
    metadata: Digest
    metadata_count: int


class Commit(NamedTuple):
    """One point of the history. `time` is in microseconds since 1970-01-01 UTC.

    `hidden` are parents that are not in this repository, whose history was cut there; they are not among `parents`.
    """

    parents: tuple[CommitId, ...]
    root: Digest
    time: int
    user: str
    email: str
    message: str
    hidden: tuple[CommitId, ...] = ()


class User(NamedTuple):
    """Who makes commits here."""

    name: str
    email: str
