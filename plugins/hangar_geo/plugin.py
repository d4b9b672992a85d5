"""The plugin for GeoTIFF. rasterio is imported when a raster is touched, not before."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hangar_core.external import BasePlugin, InvalidData, InvalidInput, atomic_file
from hangar_core.external.array_facts import array_of
from hangar_core.external.optional import needed
from hangar_core.external.pictures import TerminalPicture, png
from hangar_geo.placing import GeoOptions, described, profile_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ARRAY = 1 << 30
MAX_FILE = MAX_ARRAY + (64 << 20)  # with its tags
MAX_BANDS = 4096  # GDAL takes minutes for headers that claim many more
DTYPES = frozenset({"u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "c8", "c16"})
_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_IN_MEMORY = "the raster"
_NAME = re.compile(r"^\S*\.tiff?[,:] ?")
_AGAIN = "get the file again"
# How libtiff says that bytes are missing.
_CUT = ("Read error", "got ")
# Only the file itself: no overviews, world files or statistics that lie beside it, and nothing from a network.
_ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO", "CPL_CURL_ENABLED": "NO"}


class HangarGeo(BasePlugin):
    """GeoTIFF (.tif, .tiff): all bands of one file, (bands, rows, columns), as rasterio gives them.

    The stored values come as they are: nothing is scaled, masked or warped. Coordinate system, transform and the value
    for no data are kept with the arrayset when all its files agree; names of bands, colour tables, masks and other
    tags are not. Plain pictures in .tif are the business of the plugin image, which is asked first: name this one with
    ``--plugin geo``, or prefer it. Needs rasterio: ``pip install 'hangar-core[geo]'``.
    """

    VERSION = "1"
    PRIORITY = 40  # below the plugin image, which most files called .tif are for
    LOSSLESS = ("tif", "tiff")
    DEFAULT_EXTENSION = "tif"
    MAGIC: ClassVar[Mapping[str, tuple[bytes, ...]]] = {"tif": _SIGNATURES, "tiff": _SIGNATURES}
    ISOLATED = True
    Options = GeoOptions

    def __init__(self) -> None:
        super().__init__(provides=["load", "save", "show", "board_show"], accepts=["tif", "tiff"])

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> tuple[NDArray[Any], str]:
        """Return all bands, of shape (bands, rows, columns), and the file's name without suffix.

        Raises `BadFile`: wrong-format, truncated, undecodable, too-large (over 1 GiB), or as `open_file`;
        `PackageMissing`.
        """
        self.typed_options(GeoOptions, "load", options)
        with self._opened(fpath) as raster:
            return self._values(raster, fpath), self.sample_name(fpath)

    def decode(self, data: bytes, **options: Any) -> NDArray[Any]:
        """Return the raster in the bytes of a file. Options and errors as `load`."""
        self.typed_options(GeoOptions, "decode", options)
        rasterio = _rasterio("reading")
        if not data:
            raise self.bad_file(_IN_MEMORY, code="empty", reason="there are no bytes", fix=_AGAIN)
        with rasterio.MemoryFile(data) as memory, self._reading(rasterio, memory.open, _IN_MEMORY) as raster:
            return self._values(raster, _IN_MEMORY)

    def describe(self, fpath: str | os.PathLike[str], **options: Any) -> Mapping[str, str]:
        """Return `crs`, `transform` and `nodata` of the file, as far as it has them."""
        self.typed_options(GeoOptions, "describe", options)
        with self._opened(fpath) as raster:
            return described(raster)

    def save(
        self, arr: NDArray[Any], outdir: str | os.PathLike[str], sample_detail: str, extension: str, **options: Any
    ) -> Path:
        """Write a GeoTIFF, compressed without loss, and return its path.

        Options: `crs`, `transform`, `nodata`. Raises `InvalidData` unless the shape is (bands, rows, columns) and the
        dtype one that GeoTIFF has.
        """
        self.accepted_extension(extension)
        content = self.encode(arr, extension, **options)
        target = self.target_path(outdir, sample_detail, extension)
        with atomic_file(target) as file:
            file.write(content)
        return target

    def encode(self, arr: NDArray[Any], extension: str, **options: Any) -> bytes:  # noqa: ARG002 — part of the contract
        """Return the bytes of the file that `save` would write. Options and errors as `save`."""
        rasterio = _rasterio("writing")
        given = self.typed_options(GeoOptions, "encode", options)
        array = _checked(arr)
        bands, rows, columns = array.shape
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        with warnings.catch_warnings(), rasterio.Env(**_ALONE), rasterio.MemoryFile() as memory:
            warnings.simplefilter("ignore")
            with memory.open(
                driver="GTiff",
                count=bands,
                height=rows,
                width=columns,
                dtype=native.dtype.name,
                compress="deflate",
                bigtiff="if_safer",
                **profile_of(given, native.dtype, rasterio),
            ) as raster:
                raster.write(native)
            memory.seek(0)
            content: bytes = memory.read()
        return content

    def show(self, arr: NDArray[Any], **options: Any) -> TerminalPicture:
        """Return a picture of the first three bands, or of one; `bands` chooses others. Raises `InvalidData`."""
        return TerminalPicture(_drawn(arr, self.typed_options(GeoOptions, "show", options)))

    def board_show(self, arr: NDArray[Any], **options: Any) -> tuple[str, bytes]:
        """Return the picture that `show` draws as image/png."""
        return "image/png", png(_drawn(arr, self.typed_options(GeoOptions, "board_show", options)))

    @contextmanager
    def _opened(self, fpath: str | os.PathLike[str]) -> Iterator[Any]:
        rasterio = _rasterio("reading")
        with self.open_file(fpath) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE:
                reason = f"it has {size} bytes, more than {MAX_FILE}"
                raise self.bad_file(fpath, code="too-large", reason=reason, fix="cut it into tiles")
            content = file.read()
        # GDAL gets the bytes, not the name: that could be an address or a command to it, or no text.
        with rasterio.MemoryFile(content) as memory, self._reading(rasterio, memory.open, fpath) as raster:
            yield raster

    @contextmanager
    def _reading(self, rasterio: Any, opener: Any, what: str | os.PathLike[str]) -> Iterator[Any]:
        """Open a dataset and say `BadFile` for whatever GDAL says while it is read."""
        with warnings.catch_warnings(), rasterio.Env(**_ALONE):
            warnings.simplefilter("ignore")
            try:
                raster = opener(driver="GTiff")
            except (rasterio.errors.RasterioError, UnicodeDecodeError) as why:
                code = "undecodable" if "TIFF" in str(why) else "wrong-format"
                reason = f"it cannot be read as GeoTIFF: {_words(why)}"
                raise self.bad_file(what, code=code, reason=reason, fix="check that it is one") from why
            try:
                with raster:
                    yield raster
            except (rasterio.errors.RasterioError, UnicodeDecodeError) as why:  # the latter: tags that are no text
                words = _words(why)
                code = "truncated" if any(sign in words for sign in _CUT) else "undecodable"
                raise self.bad_file(what, code=code, reason=f"its values cannot be read: {words}", fix=_AGAIN) from why

    def _values(self, raster: Any, what: str | os.PathLike[str]) -> NDArray[Any]:
        import numpy as np

        if raster.count > MAX_BANDS:
            reason = f"its header claims {raster.count} bands, more than {MAX_BANDS}"
            raise self.bad_file(what, code="too-large", reason=reason, fix="split it")
        dtypes = set(raster.dtypes)
        if len(dtypes) != 1 or not dtypes <= {np.dtype(dtype).name for dtype in DTYPES}:
            reason = f"its bands hold {', '.join(sorted(dtypes))}"
            raise self.bad_file(what, code="undecodable", reason=reason, fix="convert them to one plain type")
        size = raster.count * raster.height * raster.width * np.dtype(raster.dtypes[0]).itemsize
        if size > MAX_ARRAY:
            reason = f"its header claims {size} bytes of values, more than {MAX_ARRAY}"
            raise self.bad_file(what, code="too-large", reason=reason, fix="cut it into tiles")
        values: NDArray[Any] = raster.read()
        return values


def _rasterio(doing: str) -> Any:
    return needed("rasterio", extra="geo", what=f"{doing} GeoTIFF files")


def _words(why: BaseException) -> str:
    """Return what GDAL said first, which is at the end of the causes, without the name it gave to the file."""
    while why.__cause__ is not None:
        why = why.__cause__
    return " ".join(_NAME.sub("", str(why)).split())[:300]


def _checked(arr: Any) -> NDArray[Any]:
    array = array_of(arr)
    if array.ndim != 3 or array.size == 0:
        hint = "give it the shape (1, rows, columns)" if array.ndim == 2 else "export it to npy"
        raise InvalidData(f"GeoTIFF holds (bands, rows, columns), not {array.shape}.", hint=hint)
    if array.dtype.str[1:] not in DTYPES:
        raise InvalidData(f"GeoTIFF cannot hold {array.dtype} data.", hint="export it to npy")
    return array


def _drawn(arr: Any, given: GeoOptions) -> NDArray[Any]:
    """Return (rows, columns) or (rows, columns, 3). Raises `InvalidData`, `InvalidInput` for bands that it lacks."""
    import numpy as np

    array = array_of(arr)
    if array.ndim != 3 or array.size == 0 or array.dtype.kind not in "iufc":
        raise InvalidData(f"{array.dtype} data of shape {array.shape} are no raster.", hint="view it with `-f npy`")
    if array.dtype.kind == "c":
        array = np.abs(array)  # as radar images are looked at
    if given.bands is None:
        chosen = [0, 1, 2] if len(array) >= 3 else [0]
    else:
        words = given.bands.split(",")
        chosen = [int(word) - 1 for word in words if word.strip().isdecimal()]
        if len(chosen) != len(words) or len(words) not in (1, 3) or not all(0 <= one < len(array) for one in chosen):
            rule = f"is one or three numbers from 1 to {len(array)}"
            raise InvalidInput(f"option `bands` {rule}, not `{given.bands}`.", option="bands")
    return array[chosen[0]] if len(chosen) == 1 else np.moveaxis(array[chosen], 0, -1)
