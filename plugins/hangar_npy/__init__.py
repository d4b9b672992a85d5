"""Numpy's own files, .npy and .npz: any dtype without Python objects, exactly as it was."""

from hangar_npy.npz import HangarNpz
from hangar_npy.plugin import HangarNpy

__all__ = ["HangarNpy", "HangarNpz"]
