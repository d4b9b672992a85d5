"""Imports on a Dask cluster: `hangar import --executor dask://HOST:PORT`."""

from hangar_dask.executor import open_dask

__all__ = ["open_dask"]
