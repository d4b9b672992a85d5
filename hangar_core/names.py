"""One rule for each kind of name, used by the API, the decoders and the wire alike.

Branches, arraysets, remotes and metadata keys follow the documented rule (ASCII, 64 characters). Sample names follow
what files are called: printable Unicode with `/` and spaces inside, in NFC, at most 255 bytes of UTF-8.
"""

from __future__ import annotations

from operator import index

from hangar_core.errors import InvalidName
from hangar_core.model import SampleKey

MAX_SAMPLE_BYTES = 255
MAX_INT_KEY = 2**64 - 1

OBJECT_SCHEME = "s3://"
# Where a remote keeps notes about runs; no branch of anybody else.
RUNS_BRANCH = "hangar.runs"

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_MAX_PLAIN = 64
_PLAIN_RULE = "Use 1 to 64 ASCII letters, digits, '.', '_' or '-', and no blanks."

# Cc control, Cs half of a surrogate pair (an undecodable file name), Cn unassigned, Zl/Zp line and paragraph separators
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
# Marks that reorder the text around them: a name must read as it is written.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def check_plain(name: object, kind: str) -> str:
    """Return `name` if it may name a `kind` ("Branch", "Arrayset", "Remote"), else raise `InvalidName`."""
    if isinstance(name, str) and 1 <= len(name) <= _MAX_PLAIN and _PLAIN.issuperset(name) and name not in {".", ".."}:
        return name
    raise InvalidName(kind=kind, name=name, rule=_PLAIN_RULE)


def check_metadata_key(key: object) -> SampleKey:
    """Return `key` if it may name a piece of metadata: an int >= 0 or a plain name."""
    if isinstance(key, int) and not isinstance(key, bool):
        return _check_int(key, "Metadata")
    return check_plain(key, "Metadata")


def check_sample_key(key: object) -> SampleKey:
    """Return `key` as it will be stored (text in NFC), or raise `InvalidName`. ``'1'`` and ``1`` are different keys."""
    if isinstance(key, str):
        return check_sample_name(key)
    if isinstance(key, int) and not isinstance(key, bool):
        return _check_int(key, "Sample")
    if not isinstance(key, bool | float) and hasattr(key, "__index__"):
        try:
            return _check_int(index(key), "Sample")  # numpy's integers, which loops over ranges of numpy give
        except TypeError:
            pass
    raise InvalidName(kind="Sample", name=key, rule="A sample name is text or an int >= 0.")


def check_sample_name(name: str, *, stored: bool = False) -> str:
    """Return the NFC form of `name`, or raise `InvalidName` with the part of the rule that it breaks.

    A `stored` name may hold characters that the Unicode tables of this Python do not know yet: it was written where
    they are known. New names may not, because nobody here can tell their NFC form.
    """
    if name.isascii():
        if not name.isprintable():
            raise _bad_sample(name, "Control characters and newlines are not allowed.")
    else:
        import unicodedata  # most names are ASCII

        name = unicodedata.normalize("NFC", name)
        for char in name:
            category = unicodedata.category(char)
            if stored and category == "Cn":
                continue
            if category in _FORBIDDEN_CATEGORIES or char in _BIDI_CONTROLS:
                raise _bad_sample(name, f"The character U+{ord(char):04X} is not allowed.")
    if not name or name != name.strip():
        raise _bad_sample(name, "It must not be empty, begin or end with a blank.")
    if len(name) > MAX_SAMPLE_BYTES or len(name.encode()) > MAX_SAMPLE_BYTES:
        raise _bad_sample(name, f"At most {MAX_SAMPLE_BYTES} bytes of UTF-8.")
    if ("/" in name or "." in name) and any(part in {"", ".", ".."} for part in name.split("/")):
        raise _bad_sample(name, "No part between slashes may be empty, '.' or '..'.")
    return name


def _check_int(key: int, kind: str) -> int:
    if not 0 <= key <= MAX_INT_KEY:
        raise InvalidName(kind=kind, name=key, rule="An integer name is >= 0 and below 2**64.")
    return key


def _bad_sample(name: str, rule: str) -> InvalidName:
    return InvalidName(kind="Sample", name=ascii(name)[1:-1], rule=rule)


def is_object_address(path: object) -> bool:
    """Whether a path is the address of objects in a store, ``s3://bucket/prefix/``, and of no file here."""
    return isinstance(path, str) and path.startswith(OBJECT_SCHEME)


def made_up_name() -> str:
    """Return a sample name that nobody else will ever make up."""
    import uuid  # readers have no use for it

    return uuid.uuid4().hex
