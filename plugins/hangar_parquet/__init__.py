"""Parquet files, a row group at a time. Needs the package pyarrow."""

from hangar_parquet.plugin import HangarParquet

__all__ = ["HangarParquet"]
