"""How `det_hash` takes arrays apart: by the same digest that names a stored array, wherever there is one.

Records go field by field, arrays of objects element by element, arrays of text and bytes as their bytes. Masked arrays
are refused. A tensor of torch counts by dtype, shape and values; this module never imports torch.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from blake3 import blake3

from hangar_core.errors import UnsupportedDtype
from hangar_core.hashing.arrays import array_digest, blocks
from hangar_core.hashing.det_encoding import FUNCTION, Chunks, Handler, Parts, Walk, class_name, sequence
from hangar_core.hashing.det_objects import attributes_of, extended
from hangar_core.hashing.det_scalars import SCALARS, blob, head, length, text
from hangar_core.hashing.dtypes import ML_DTYPES


def find_array_handler(cls: type) -> Handler | None:
    """Return what takes arrays, numpy's scalars and dtypes, and tensors apart; None for anything else."""
    if issubclass(cls, np.ma.MaskedArray):
        return _masked
    if cls in {np.ndarray, np.memmap}:
        return _array
    if issubclass(cls, np.ndarray):
        return _special_array
    if issubclass(cls, np.generic):
        kinds = [base for base in cls.__mro__ if base.__module__.partition(".")[0] in {"numpy", "ml_dtypes"}]
        return extended(cls, _numpy_scalar, kinds, named=False)
    if issubclass(cls, np.dtype):
        return _dtype
    if issubclass(cls, np.ufunc):
        return _ufunc
    if cls is type(np.mean):  # functions that other kinds of arrays may answer for have a class of their own
        return FUNCTION
    torch = sys.modules.get("torch")
    if torch is not None and issubclass(cls, torch.Tensor):
        return _tensor
    return None


def _array(walk: Walk, value: Any, out: Chunks) -> Parts | None:
    if value.dtype.fields is not None:
        return _records(value, out)
    if value.dtype.kind == "O":
        return _objects(value, out)
    if value.dtype.kind in "USV" and value.dtype.type.__module__ != "ml_dtypes":
        wanted = value.dtype.newbyteorder("<")
        hasher = blake3()
        for block in blocks(value, wanted):
            hasher.update(block)
        out.append(b"u" + text(wanted.str) + _shape(value.shape) + blob(b"b", hasher.digest()))
        return None
    try:
        digest = array_digest(np.asarray(value))
    except UnsupportedDtype as why:
        raise walk.refuse(value, why.message) from why
    out.append(blob(b"a", digest))
    return None


def _records(value: Any, out: Chunks) -> Parts:
    out.append(b"w" + _shape(value.shape) + head(b"d", len(value.dtype.names)))
    for name in value.dtype.names:
        out.append(text(name))
        yield np.asarray(value[name]), out, ("[", name)


def _objects(value: Any, out: Chunks) -> Parts:
    out.append(b"j" + _shape(value.shape))
    yield value.ravel().tolist(), out, (".ravel()", "")


def _shape(shape: Sequence[int]) -> bytes:
    return head(b"t", len(shape)) + b"".join(map(length, shape))


def _masked(walk: Walk, value: Any, _out: Chunks) -> None:
    raise walk.refuse(value, "what is behind a mask is no value; fill the places first: array.filled(value)")


def _special_array(walk: Walk, value: Any, out: Chunks) -> Parts:
    """Encode an array of a class of its own: the class counts, and attributes that it has."""
    out.append(b"O" + class_name(type(value)))
    yield from _array(walk, np.asarray(value), out) or ()
    yield attributes_of(walk, value), out, (".__dict__", "")


def _numpy_scalar(walk: Walk, value: Any, out: Chunks) -> Parts | None:
    out.append(b"n")
    plain = np.asarray(value).copy()
    _unify_nans(plain)
    return _array(walk, plain, out)


def _unify_nans(plain: Any) -> None:
    """Let all NaNs be one, as those of Python are. In arrays, which have the digest they are stored by, they differ."""
    if plain.dtype.names is not None:
        for name in plain.dtype.names:
            _unify_nans(plain[name])
    elif plain.dtype.kind == "c":
        _unify_nans(plain.real)
        _unify_nans(plain.imag)
    elif plain.dtype.kind == "f" or plain.dtype.name in ML_DTYPES:
        nans = np.isnan(plain)
        if nans.any():
            plain[nans] = np.nan


def _dtype(_walk: Walk, value: Any, out: Chunks) -> Parts:
    out.append(b"y" + text(value.name) + text(value.str))
    names = value.names or ()
    yield from sequence(b"t", names, out) or ()
    for name in names:
        inner, offset = value.fields[name][:2]
        out.append(SCALARS[int](offset))
        yield inner, out, ("[", name)
    if value.subdtype is not None:
        yield value.subdtype, out, (".subdtype", "")


def _ufunc(_walk: Walk, value: Any, out: Chunks) -> None:
    out.append(b"U" + text("numpy") + text(value.__name__))


def _tensor(walk: Walk, value: Any, out: Chunks) -> None:
    torch = sys.modules["torch"]
    if value.layout is not torch.strided or value.is_quantized:
        raise walk.refuse(value, "only dense tensors have one form; convert it with .to_dense() or .dequantize()")
    plain = value.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    out.append(b"x" + class_name(type(value)) + text(str(value.dtype)))
    out.append(_shape(value.shape))
    raw = plain.view(torch.uint8).numpy() if plain.numel() else np.empty(0, np.uint8)
    out.append(blob(b"a", array_digest(raw)))
