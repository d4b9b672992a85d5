"""Numpy's .npy files: one array per file, any dtype without Python objects, exactly as it was."""

from hangar_npy.plugin import HangarNpy

__all__ = ["HangarNpy"]
