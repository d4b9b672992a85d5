"""HDF5 files: each dataset is a sample."""

from hangar_hdf5.plugin import HangarHdf5

__all__ = ["HangarHdf5"]
