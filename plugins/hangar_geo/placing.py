"""Where a raster lies on the earth, as options: what `describe` finds in a file and `save` writes into one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hangar_core.external import InvalidInput, option

if TYPE_CHECKING:
    import numpy as np

_OUT = ("save", "show", "board_show")


@dataclass(frozen=True)
class GeoOptions:
    """What the values of a raster do not tell."""

    crs: str | None = option(None, of=_OUT, metavar="CRS", help="Coordinate system: EPSG:NUMBER, or WKT.")
    transform: str | None = option(
        None, of=_OUT, metavar="JSON", help="Six numbers: x = a*column + b*row + c, y = d*column + e*row + f."
    )
    nodata: str | None = option(None, of=_OUT, metavar="NUMBER", help="Value of cells where nothing is known.")
    bands: str | None = option(
        None, of=("show", "board_show"), metavar="N,N,N", help="Bands to draw, from 1: one, or red, green, blue."
    )


def described(raster: Any) -> Mapping[str, str]:
    """Return the options that give another file the place of an open dataset of rasterio."""
    found = {}
    if raster.crs is not None:
        found["crs"] = str(raster.crs.to_string())
    if not raster.transform.is_identity:
        found["transform"] = json.dumps([float(number) for number in raster.transform[:6]])
    if raster.nodata is not None:
        found["nodata"] = repr(raster.nodata)
    return found


def profile_of(given: GeoOptions, dtype: np.dtype[Any], rasterio: Any) -> dict[str, Any]:
    """Return what rasterio is to write. Raises `InvalidInput` for options that say nothing."""
    profile: dict[str, Any] = {}
    if given.crs is not None:
        try:
            profile["crs"] = rasterio.crs.CRS.from_user_input(given.crs)
        except rasterio.errors.CRSError as why:
            message = f"option `crs` is EPSG:NUMBER or WKT, not `{given.crs[:80]}`."
            raise InvalidInput(message, option="crs") from why
    if given.transform is not None:
        profile["transform"] = rasterio.Affine(*_six_numbers(given.transform))
    if given.nodata is not None:
        profile["nodata"] = _nodata(given.nodata, dtype)
    return profile


def _six_numbers(given: str) -> list[float]:
    try:
        numbers = [float(number) for number in json.loads(given)]
    except (ValueError, TypeError, RecursionError):
        numbers = []
    if len(numbers) != 6:
        raise InvalidInput("option `transform` is a JSON list of six numbers.", option="transform")
    return numbers


def _nodata(given: str, dtype: np.dtype[Any]) -> float:
    import numpy as np

    try:
        value = float(given)
    except ValueError:
        raise InvalidInput(f"option `nodata` is a number, not `{given[:80]}`.", option="nodata") from None
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    if limits is not None and not (value.is_integer() and limits.min <= value <= limits.max):
        raise InvalidInput(f"option `nodata` is {given}, which {dtype} cannot hold.", option="nodata")
    return value
