"""The plugin for DICOM images. It only reads: a DICOM file is made of much more than its pixels."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from hangar_core.external import BasePlugin, NoOptions
from hangar_core.external.optional import needed
from hangar_core.external.pictures import TerminalPicture, middle, png

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ARRAY = 1 << 30
# What pydicom raises for files that are cut or lie, besides errors of its own.
_DAMAGE = (AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError, struct.error)
_AGAIN = "get the file again, or convert it to npy"


class HangarDicom(BasePlugin):
    """DICOM images (.dcm, .dicom): the stored values of (frames,) rows, columns (, channels). Takes no options.

    Nothing of the patient or the study is read into the sample. Values are not rescaled. Compressed kinds need the
    packages that pydicom names. Needs pydicom: ``pip install 'hangar-core[medical]'``.
    """

    VERSION = "1"
    MAGIC: ClassVar[Mapping[str, tuple[tuple[int, bytes], ...]]] = {"dcm": ((128, b"DICM"),)}
    ISOLATED = True
    Options = NoOptions

    def __init__(self) -> None:
        super().__init__(provides=["load", "show", "board_show"], accepts=["dcm", "dicom"])

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> tuple[NDArray[Any], str]:
        """Return the pixels and the file's name without suffix.

        Raises `BadFile`: wrong-format, truncated, undecodable, too-large (over 1 GiB), or as `open_file`;
        `PackageMissing`.
        """
        pydicom = needed("pydicom", extra="medical", what="reading .dcm files")
        self.typed_options(NoOptions, "load", options)
        with self.open_file(fpath) as file:
            if file.read(132)[128:] != b"DICM":
                reason = "it is no DICOM file: it lacks DICM at 128"
                raise self.bad_file(fpath, code="wrong-format", reason=reason, fix="check the file's name")
            size = os.fstat(file.fileno()).st_size
            if size > 2 * MAX_ARRAY:
                raise self.bad_file(fpath, code="too-large", reason=f"it has {size} bytes", fix="split it")
            file.seek(0)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    image = pydicom.dcmread(file)
                    claimed = int(image.Rows) * int(image.Columns) * int(image.get("NumberOfFrames") or 1)
                    claimed *= int(image.SamplesPerPixel) * max(1, int(image.BitsAllocated) // 8)
                    if claimed <= MAX_ARRAY:
                        array: NDArray[Any] = image.pixel_array
            except (pydicom.errors.InvalidDicomError, pydicom.errors.BytesLengthException, *_DAMAGE) as why:
                words = " ".join(str(why).split())[:300]
                code = "truncated" if isinstance(why, EOFError) or "less than expected" in words else "undecodable"
                reason = f"its pixels cannot be read: {words}"
                raise self.bad_file(fpath, code=code, reason=reason, fix=_AGAIN) from why
        if claimed > MAX_ARRAY:
            reason = f"its header claims {claimed} bytes of pixels, more than {MAX_ARRAY}"
            raise self.bad_file(fpath, code="too-large", reason=reason, fix="split it")
        return array, self.sample_name(fpath)

    def show(self, arr: NDArray[Any], **options: Any) -> TerminalPicture:
        """Return the image as a picture for a terminal, of several frames the middle one. Raises `InvalidData`."""
        self.typed_options(NoOptions, "show", options)
        return TerminalPicture(_picture(arr))

    def board_show(self, arr: NDArray[Any], **options: Any) -> tuple[str, bytes]:
        """Return the same picture as image/png. Raises `InvalidData`."""
        self.typed_options(NoOptions, "board_show", options)
        return "image/png", png(_picture(arr))


def _picture(arr: Any) -> Any:
    is_colour = getattr(arr, "dtype", None) == "uint8" and arr.ndim > 2 and arr.shape[-1] in (3, 4)
    if is_colour:
        return arr[len(arr) // 2] if arr.ndim == 4 else arr
    return middle(arr, last=False)
