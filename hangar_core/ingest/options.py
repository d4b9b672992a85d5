"""What can be asked of an import. One value that travels, and the rules for its parts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypedDict

from hangar_core.errors import InvalidInput

KEYS: Final = ("path", "stem", "sha")
POLICIES: Final = ("error", "skip", "quarantine")
STORES: Final = ("original", "pixels")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker process may take, and from how much work on it is worth to start some.

    `memory` is address space in bytes beyond what the process has when it begins, `seconds` the time for a file, or for
    each sample of one with many; both hold where the system has such limits (not on Windows). Files that need a process
    of their own get one when there are `files` of them, or `source_bytes` in several; one alone is read by the import.
    """

    memory: int = 4 << 30
    seconds: float = 300.0
    files: int = 2_000
    source_bytes: int = 64 << 20


class Choices(TypedDict, total=False):
    """The keyword arguments of `Repository.ingest`: the fields of `ImportOptions`."""

    plugin: str | None
    plugin_options: Mapping[str, Any] | None
    overwrite: bool
    include: Sequence[str]
    exclude: Sequence[str]
    key: Literal["path", "stem", "sha"]
    labels_from_parent: bool
    coco: str | os.PathLike[str] | None
    on_error: Literal["error", "skip", "quarantine"]
    max_errors: int | None
    retry_quarantined: bool
    verify: bool
    jobs: int | None
    executor: str | None
    shared: str | os.PathLike[str] | None
    limits: Limits
    store: Literal["original", "pixels"] | None
    check: bool


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import; raises `InvalidInput` for what cannot be.

    `plugin` and `plugin_options` choose who reads the files and how. `include` and `exclude` are patterns as in a
    .gitignore, for files below folders. `key` names samples by the path of their file below the folder given, by the
    last part of it (stem), or by the SHA-256 of its bytes. With `labels_from_parent` the name of the folder a file is
    in becomes text in ``ARRAYSET.label``; `coco` is a file of annotations of images, see `hangar_core.ingest.coco`.
    `on_error` is error (all files or nothing), skip or quarantine, `max_errors` the number of rejected files beyond
    which the import stops. With `retry_quarantined` files are tried that were rejected before, and no others.
    `overwrite` replaces samples that exist with other content. `verify` rereads files that look unchanged. `jobs` is
    the number of workers: None for all cores, 1 for none beside this thread. `executor` is the address of a cluster
    that is to read instead (``dask://HOST:PORT``); its machines see the files and `shared` under the same paths as this
    one, and write there what this one takes over. Without `shared` they see the repository itself.

    `store` says whether files are kept as they are (original) or as what is in them (pixels): None for what the
    arrayset does already, and in a new one original for files of formats that compress. Without `check` files that are
    kept are not decoded to see that they can be.
    """

    plugin: str | None = None
    plugin_options: Mapping[str, Any] | None = None
    overwrite: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    key: Literal["path", "stem", "sha"] = "path"
    labels_from_parent: bool = False
    coco: str | os.PathLike[str] | None = None
    on_error: Literal["error", "skip", "quarantine"] = "error"
    max_errors: int | None = None
    retry_quarantined: bool = False
    verify: bool = False
    jobs: int | None = None
    executor: str | None = None
    shared: str | os.PathLike[str] | None = None
    limits: Limits = field(default_factory=Limits)
    store: Literal["original", "pixels"] | None = None
    check: bool = True

    def __post_init__(self) -> None:
        if self.key not in KEYS:
            raise InvalidInput(f"`key` is one of {', '.join(KEYS)}, not `{self.key}`.")
        if self.on_error not in POLICIES:
            raise InvalidInput(f"`on_error` is one of {', '.join(POLICIES)}, not `{self.on_error}`.")
        if self.coco is not None and self.key == "sha":
            raise InvalidInput("`key` cannot be sha with `coco`: equal images may have different annotations.")
        if self.store is not None and self.store not in STORES:
            raise InvalidInput(f"`store` is one of {', '.join(STORES)}, not `{self.store}`.")
        if self.max_errors is not None and self.max_errors < 0:
            raise InvalidInput(f"`max_errors` is a number >= 0, not `{self.max_errors}`.")
        if self.jobs is not None and self.jobs < 1:
            raise InvalidInput(f"`jobs` is a number >= 1, not `{self.jobs}`.")
        if self.executor is not None and self.jobs is not None:
            raise InvalidInput("`jobs` is for workers on this machine; the `executor` has its own.")
        if self.shared is not None and self.executor is None:
            raise InvalidInput("`shared` is for machines that read elsewhere, and there is no `executor`.")
        if self.shared is not None and not os.path.isdir(self.shared):
            raise InvalidInput(f"`shared` is a folder, and `{os.fspath(self.shared)}` is none.")

    @property
    def in_batches(self) -> bool:
        """Whether what is good is staged while the rest is still being read."""
        return self.on_error != "error"

    @property
    def workers(self) -> int:
        """The number of workers."""
        return self.jobs or _cores()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
