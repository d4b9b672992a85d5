"""From a file that was kept as it is to the array it stands for: by its plugin, and checked."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from hangar_core import external
from hangar_core.errors import BadFile, CorruptDataError, CorruptRecord, InvalidInput, PluginNotFound
from hangar_core.hashing import digests
from hangar_core.hashing.originals import Original, decode_original
from hangar_core.hashing.samples import payload_of
from hangar_core.model import Digest

if TYPE_CHECKING:
    from numpy.typing import NDArray


# What `external.decode` is told beside the options of the plugin.
_OURS: Final = frozenset({"data", "plugin", "extension", "source"})
_PACKAGE: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def decoded(digest: Digest, content: bytes) -> NDArray[Any]:
    """Return the fresh array that a stored original stands for; never another one than was imported.

    Raises `CorruptDataError` if the plugin makes something else of the file now: the file is whole, its checksum was
    verified. Raises `PluginNotFound`, naming the package, if nobody can read it here, `PackageMissing`, `PluginError`.
    """
    original, data = decode_original(content)
    try:
        array = external.decode(data, plugin=original.plugin, source=_said(digest), **_options(original))
    except PluginNotFound as why:
        raise _missing(digest, original) from why
    except (BadFile, InvalidInput) as why:
        if original.array is None:
            raise _never_decoded(digest, original, str(why)) from why
        raise _drifted(digest, original, f"it says: {why}") from why
    # Of one layout and byte order, whatever the plugin makes.
    return _as_imported(digest, original, array)


def _as_imported(digest: Digest, original: Original, array: Any) -> NDArray[Any]:
    import numpy as np

    from hangar_core.hashing.arrays import canonical

    if not isinstance(array, np.ndarray):
        raise _drifted(digest, original, f"it gives {type(array).__name__} now")
    payload = payload_of(array)
    if (payload.dtype, payload.shape) != (original.dtype, original.shape):
        now, then = f"{payload.dtype} {payload.shape}", f"{original.dtype} {original.shape}"
        raise _drifted(digest, original, f"it gives {now} now, and gave {then} then")
    if original.array is not None and payload.digest != original.array:
        raise _drifted(digest, original, "it gives other values now than it gave then")
    made = canonical(array)
    return made if made.flags.writeable else made.copy()


def _options(original: Original) -> dict[str, Any]:
    try:
        options = {name: json.loads(value) for name, value in original.options.items()}
    except (ValueError, RecursionError) as why:
        raise CorruptRecord(what="original", reason=f"an option is no JSON: {why}") from why
    if not _OURS.isdisjoint(options):
        raise CorruptRecord(what="original", reason="an option has the name of something that hangar itself says")
    return options


def _missing(digest: Digest, original: Original) -> PluginNotFound:
    # Whoever made the commit has written this, and somebody may type it after us.
    package = original.package if _PACKAGE.fullmatch(original.package) else ""
    return PluginNotFound(
        f"{_said(digest)} is kept as a .{original.extension} file, which plugin '{original.plugin}' reads"
        f"{f' (package {package})' if package else ''}; it is not installed.",
        name=original.plugin,
        hint=f"{f'pip install {package}; ' if package else ''}`hangar export` gives the file as it is",
    )


def _never_decoded(digest: Digest, original: Original, reason: str) -> CorruptDataError:
    return CorruptDataError(
        f"{_said(digest)} is kept as a .{original.extension} file that was imported without a check, and plugin "
        f"'{original.plugin}' cannot read it: {reason}.",
        digest=digests.text(digest),
        reason=reason,
        hint="get the file again and import it with --overwrite; `hangar export` gives it as it is",
    )


def _drifted(digest: Digest, original: Original, reason: str) -> CorruptDataError:
    return CorruptDataError(
        f"{_said(digest)} is kept as a .{original.extension} file, whose bytes are undamaged; but the decoder, plugin "
        f"'{original.plugin}', does not give what it gave when the file was imported: {reason}.",
        digest=digests.text(digest),
        reason=reason,
        hint="install the version that imported it; `hangar export` gives the file as it is, and importing that with "
        "--overwrite makes what is decoded now a new version",
    )


def _said(digest: Digest) -> str:
    return f"Sample {digests.short(digest)}"
