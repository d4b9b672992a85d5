"""From arrays to picture files. A format that cannot give the array back as it was is refused, except jpg and webp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from hangar_core.external import InvalidData
from hangar_image.formats import FORMATS, HOLDS, LARGEST_SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Which options of `save` each extension has.
OPTIONS: dict[str, tuple[str, ...]] = {"jpg": ("quality",), "jpeg": ("quality",), "webp": ("lossless", "quality")}
_USUAL_QUALITY = {"jpg": 95, "jpeg": 95, "webp": 80}
_CHANNELS = {2: "LA", 3: "RGB", 4: "RGBA"}
_GREY = {"bool": "1", "uint8": "L", "uint16": "I;16", "int32": "I", "float32": "F"}


def mode_of(array: NDArray[Any]) -> str | None:
    """Return Pillow's name for what the array is: bool, grey, grey or colour with or without alpha; None if nothing."""
    if array.size == 0:
        return None
    if array.ndim == 2:
        return _GREY.get(array.dtype.name)
    if array.ndim == 3 and array.dtype.name == "uint8":
        return _CHANNELS.get(array.shape[2])
    return None


def checked(arr: Any, extension: str) -> NDArray[Any]:
    """Return the array if a file of that extension can hold it, else raise `InvalidData` naming formats that can."""
    import numpy as np

    if not isinstance(arr, np.ndarray):
        raise InvalidData(f"a picture is made of an array, not of {type(arr).__name__}.")
    mode = mode_of(arr)
    if mode not in HOLDS[extension]:
        able = [other for other, modes in HOLDS.items() if mode in modes and other not in ("jpeg", "tiff")]
        raise InvalidData(
            f"{extension} cannot hold {arr.dtype} data of shape {arr.shape}.",
            hint=f"export it to {', '.join([*able, 'npy'])}",
        )
    if max(arr.shape[:2]) > LARGEST_SIDE.get(extension, max(arr.shape[:2])):
        limit = LARGEST_SIDE[extension]
        raise InvalidData(f"{extension} has at most {limit} pixels a side, not {arr.shape}.", hint="export it to png")
    return arr


def parameters(extension: str, quality: int | None, lossless: bool | None) -> dict[str, Any]:
    """Return what to tell Pillow when it writes a file of that extension; None means as usual."""
    quality = _USUAL_QUALITY.get(extension) if quality is None else quality
    if extension in ("jpg", "jpeg"):
        return {"quality": quality}
    if extension == "webp":
        # exact: the colours below fully transparent pixels are data too
        return {"lossless": lossless is not False, "quality": quality, "exact": True}
    if extension == "gif":
        return {"optimize": False}  # it would renumber the greys, and the file would come back in colour
    return {"compression": "tiff_adobe_deflate"} if extension in ("tif", "tiff") else {}


def write(array: NDArray[Any], file: BinaryIO, extension: str, given: dict[str, Any]) -> None:
    """Encode an array that `checked` has let through."""
    import numpy as np
    from PIL import Image

    native = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    Image.fromarray(native).save(file, format=FORMATS[extension], **given)
