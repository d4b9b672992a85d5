"""Walking through an HDF5 file without leaving it: only hard links are followed, and no dataset that lies elsewhere.

What a dataset claims to be is compared with what is stored before memory is allocated for it. The library that reads is
written in C and trusts files more than it should; a file from a stranger is best imported where a crash does no harm.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hangar_core.errors import HangarError
from hangar_core.external import BadFile, bad_file, check_file
from hangar_core.external.zipped import check_member_name, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ARRAY = 1 << 30
MAX_MEMBERS = 1_000_000
MAX_DEPTH = 64
FREE_SIZE = 64 << 20
MAX_RATIO = 1032  # no stream of deflate grows more
_AGAIN = "get the file again, or write it again"


@contextmanager
def opened(fpath: str | os.PathLike[str]) -> Iterator[Any]:
    """Open a file for reading; what the library raises inside becomes `BadFile`."""
    import h5py

    check_file(fpath)
    try:
        with h5py.File(os.fspath(fpath), "r", locking=False) as file:
            yield file
    except HangarError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as why:
        words = " ".join(str(why).split())
        code = "truncated" if "truncated" in words else "undecodable"
        if "file signature not found" in words:
            code = "wrong-format"
        raise bad_file(fpath, code=code, reason=f"it cannot be read as HDF5: {words}", fix=_AGAIN) from why


def dataset_names(fpath: str | os.PathLike[str], file: Any) -> list[str]:
    """Return the paths of all datasets in the file, in order; soft and external links are passed over.

    Raises `BadFile` for a name that leads out of a folder, too many members, and groups that are too deep.
    """
    import h5py

    names: list[str] = []
    seen: set[Any] = set()
    todo: list[tuple[Any, str, int]] = [(file, "", 0)]
    while todo:
        group, path, depth = todo.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:  # a group may hold itself
            continue
        seen.add(address)
        for name in sorted(group):
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            kind = group.get(name, getclass=True)
            member = f"{path}{name}"
            check_member_name(fpath, member)
            if kind is h5py.Dataset:
                names.append(member)
            elif kind is h5py.Group:
                todo.append((group[name], f"{member}/", depth + 1))
        if len(names) + len(todo) > MAX_MEMBERS or depth > MAX_DEPTH:
            raise bad_file(fpath, code="too-large", reason="it has too many or too deep groups", fix="split it")
    return sorted(names)


def check_dataset(fpath: str | os.PathLike[str], file: Any, name: str) -> None:
    """Raise `BadFile` for a dataset that is no array of plain values inside this file, or claims too much."""
    import h5py

    def refusal(code: str, reason: str, fix: str) -> BadFile:
        return bad_file(fpath, code=code, reason=f"its dataset {shown(name)} {reason}", fix=fix)

    dataset = file[name]
    if dataset.external or dataset.is_virtual:
        raise refusal("unsafe", "lies in other files", "copy its values into one file")
    if dataset.shape is None:
        raise refusal("undecodable", "has no shape", "leave it out, or write a value")
    dtype = dataset.dtype
    if dtype.kind not in "biufc" or h5py.check_ref_dtype(dtype) or dtype.subdtype is not None:
        raise refusal("undecodable", f"holds {dtype}, which is no plain number", "choose others by `--datasets NAME`")
    size = dataset.size * dtype.itemsize
    if size > MAX_ARRAY:
        raise refusal("too-large", f"has {size} bytes, more than {MAX_ARRAY}", "split it into several")
    stored = dataset.id.get_storage_size()
    if size > max(FREE_SIZE, MAX_RATIO * stored):
        raise refusal("unsafe", f"claims {size} bytes, of which {stored} are there", _AGAIN)


def read_dataset(file: Any, name: str) -> NDArray[Any]:
    """Return the array of a dataset that `check_dataset` has let through."""
    import numpy as np

    dataset = file[name]
    array: NDArray[Any] = np.empty(dataset.shape, dataset.dtype)
    if array.size:
        dataset.read_direct(array)
    return array
