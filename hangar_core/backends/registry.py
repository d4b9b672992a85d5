"""Which backends there are, read without importing any of them.

A backend is known by its two-character code, which is permanent (docs/formats/README.md). Codes that begin with `x`
belong to outsiders: they are entry points of the group `hangar.backends`, looked up when such a code is first met.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hangar_core.errors import UnsupportedFormat

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP: Final = "hangar.backends"
KINDS: Final = frozenset({"array", "text", "bytes"})
_ARRAYS: Final = frozenset({"array"})


class BackendFacts(NamedTuple):
    """What there is to know about a backend before it is imported.

    `feature` is what a repository that holds its data requires of whoever opens it; `kinds` are the kinds of sample it
    is for; `packages` what has to be installed; `seals` whether a commit can move samples to it.
    """

    code: str
    name: str
    target: str
    feature: str
    kinds: frozenset[str] = _ARRAYS
    packages: tuple[str, ...] = ()
    seals: bool = True

    def missing(self) -> tuple[str, ...]:
        """Return the packages that are not installed."""
        from importlib import util

        return tuple(name for name in self.packages if util.find_spec(name) is None)


_HDF5: Final = ("h5py", "hdf5plugin")

BUILT_IN: Final[dict[str, BackendFacts]] = {
    one.code: one
    for one in (
        BackendFacts("00", "HDF5_00", "hangar_core.backends.hdf5_00:Hdf5Flat", "hdf5-00", packages=_HDF5),
        BackendFacts("01", "HDF5_01", "hangar_core.backends.hdf5_01:Hdf5Fixed", "hdf5-01", packages=_HDF5),
        BackendFacts("10", "NUMPY_10", "hangar_core.backends.numpy_10:NumpyCollections", "numpy-10"),
        BackendFacts("20", "PACK_20", "hangar_core.backends.pack_20:PackReader", "pack-20", KINDS, seals=False),
        # It uses the database floor, which lies above this one, and so lives there.
        BackendFacts("30", "LMDB_30", "hangar_core.storage.lmdb_30:SmallValues", "lmdb-30", KINDS),
        BackendFacts("50", "REMOTE_50", "hangar_core.backends.remote_50:Elsewhere", "remote-50", KINDS, seals=False),
    )
}
# What every version of hangar can read, so that nobody has to be told.
DEFAULT: Final = "20"
SMALL_VALUES: Final = "30"
_OUTSIDE_FEATURE: Final = "backend-"


def is_remote(code: str) -> bool:
    """Whether data under this code are somewhere else: digits from 5 on and capital letters are for such backends."""
    return code[:1] in "56789" or "A" <= code[:1] <= "Z"


def is_outside(code: str) -> bool:
    """Whether a code is one of those that are left to outsiders."""
    return len(code) == 2 and code.startswith("x") and code.isascii() and code.isalnum()


def find(code: str) -> BackendFacts | None:
    """Return the facts about a backend, or None if none of that code is installed."""
    if code in BUILT_IN:
        return BUILT_IN[code]
    return _outside(code) if is_outside(code) else None


def known_codes() -> list[str]:
    """Return the codes of all backends that a commit can put samples into."""
    outside = sorted(entry.name for entry in _entry_points() if is_outside(entry.name))
    return [code for code, facts in BUILT_IN.items() if facts.seals or code == DEFAULT] + outside


def _entry_points() -> EntryPoints:
    from importlib import metadata  # nearly as dear as numpy: only repositories with such data pay for it

    return metadata.entry_points(group=GROUP)


@cache
def _outside(code: str) -> BackendFacts | None:
    found = _entry_points().select(name=code)
    if not found:
        return None
    entry = next(iter(found))
    name = entry.dist.name if entry.dist is not None else entry.value
    return BackendFacts(code, name, entry.value, _OUTSIDE_FEATURE + code, KINDS)


def load(code: str) -> Any:
    """Return the class of a backend. Raises `UnsupportedFormat` that names what has to be installed."""
    facts = find(code)
    if facts is None:
        raise UnsupportedFormat(
            what=f"Data of backend `{code}`",
            needs=f"a backend with the code `{code}`",
            hint=f"install the package that provides it (an entry point `{code}` of the group `{GROUP}`)",
        )
    if missing := facts.missing():
        raise needs_packages(facts, missing, f"Data of backend `{code}`")
    module, _, name = facts.target.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as why:
        raise UnsupportedFormat(
            f"Backend `{code}` ({facts.name}) failed to load: {why}.",
            hint="install or upgrade the package that provides it",
            what=f"backend `{code}`",
            needs=facts.name,
        ) from why


def open_backend(code: str, data: Path) -> Any:
    """Return the backend of a code for the files in `data`, a directory with one directory for each code."""
    return load(code)(data / code)


def needs_packages(facts: BackendFacts, missing: tuple[str, ...], what: str) -> UnsupportedFormat:
    """Return the error that says which packages have to be installed."""
    return UnsupportedFormat(
        f"{what} needs backend `{facts.code}` ({facts.name}), and with it the package {' and '.join(missing)}, "
        "not installed here.",
        hint=f"pip install {' '.join(missing)}",
        what=what,
        needs=", ".join(missing),
    )


def check_features(features: frozenset[str], what: str) -> None:
    """Raise `UnsupportedFormat`, naming code and package, unless data of each backend among `features` can be read."""
    for facts in BUILT_IN.values():
        if facts.feature in features and (missing := facts.missing()):
            raise needs_packages(facts, missing, what)
    for feature in sorted(features):
        code = feature.removeprefix(_OUTSIDE_FEATURE)
        if code != feature and find(code) is None:
            raise UnsupportedFormat(
                f"{what} holds data of backend `{code}`, which is not installed here.",
                hint=f"install the package that provides it (an entry point `{code}` of the group `{GROUP}`)",
                what=what,
                needs=f"backend `{code}`",
            )


def is_backend_feature(feature: str) -> bool:
    """Whether the name of a feature stands for a backend of hangar or of an outsider."""
    return feature.startswith(_OUTSIDE_FEATURE) or any(one.feature == feature for one in BUILT_IN.values())
