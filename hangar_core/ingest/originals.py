"""Files that are kept as they are: read whole, decoded to see that they can be, and stored with how to decode them."""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

import numpy as np
from blake3 import blake3

from hangar_core import external
from hangar_core.errors import BadFile
from hangar_core.hashing.arrays import dtype_text
from hangar_core.hashing.originals import Original, original_payload
from hangar_core.hashing.samples import Payload, payload_of
from hangar_core.ingest.contents import read_whole
from hangar_core.ingest.works import Work
from hangar_core.model import Digest, SampleKey
from hangar_core.provenance import option_text

# What `Reading.store` says. COMPRESSED: files of formats for which the plugin says that this is worth while.
PIXELS: Final = "pixels"
COMPRESSED: Final = "compressed"
ORIGINAL: Final = "original"
_LARGEST: Final = 1 << 30


class Kept(NamedTuple):
    """A file that is kept: what is stored, dtype and shape of its array, BLAKE3 and SHA-256 of its bytes, its name."""

    payload: Payload
    dtype: str
    shape: tuple[int, ...]
    source: bytes
    sha256: str
    name: SampleKey


def keeps(work: Work, store: str) -> bool:
    """Whether a file is to be kept as it is, if there turns out to be one array in it."""
    if store == PIXELS:
        return False
    plugin = external.plugin_manager().get(work.plugin)
    # Asking whether it is of the protocol takes longer than reading a small file.
    if not (hasattr(plugin, "decode") and hasattr(plugin, "encode")):
        return False
    return store == ORIGINAL or work.extension.lower() in plugin.ORIGINALS


def _decoder(name: str, options: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the package of a plugin, and the options it was given as canonical JSON."""
    manager = external.plugin_manager()
    chosen: dict[str, str] = {}
    if options:
        values = external.checked_options(manager.get(name), "decode", options)
        chosen = {option: option_text(values[option]) for option in options if option in values}
    return manager.origin(name).distribution, chosen


def kept(work: Work, options: dict[str, Any], *, check: bool) -> Kept | None:
    """Return a file as it is stored, None if there is something other in it than one array.

    With `check` it is decoded, and a file that cannot be is found now. Otherwise a plugin that can tell dtype and shape
    without decoding is asked for these. Raises `BadFile`, and as `external.load` does.
    """
    content = read_whole(work.path, _LARGEST)
    try:
        form = None if check else external.form_of(content, work.plugin, source=work.path, **options)
    except BadFile as why:
        if why.facts.get("code") == "several-samples":
            return None
        raise
    if form is not None:
        dtype, shape, name = dtype_text(np.dtype(form[0])), form[1], external.BasePlugin.sample_name(work.path)
        array: Digest | None = None
    else:
        loaded = external.load(work.path, plugin=work.plugin, extension=work.extension, **options)
        if not isinstance(loaded, tuple) or not isinstance(loaded[0], np.ndarray):
            return None
        decoded = payload_of(loaded[0])
        dtype, shape, array, name = decoded.dtype, decoded.shape, decoded.digest, str(loaded[1])
    package, chosen = _decoder(work.plugin, options)
    original = Original(work.plugin, package, work.extension, chosen, dtype, shape, array)
    sha256 = "" if work.key else hashlib.sha256(content).hexdigest()
    return Kept(original_payload(original, content), dtype, shape, blake3(content).digest(), sha256, name)
