"""Every path of a repository, its format number and the features it needs.

::

    .hangar/
      format.json    {"format": 1, "requires": [...]}
      config.toml    user: meant to be read by people
      plugins.json   which plugin is preferred for an extension; only there if somebody has said so
      remotes.json   names and addresses of remotes; only there if somebody has added one
      lock           OS lock of the writer, with its owner's name
      records/       the database
      staging.log    what is staged since the last commit
      data/CODE/     what each backend has stored
      incoming/      what others push, until it is taken over: a bare remote; only there if somebody has pushed
      tmp/           anything here may be deleted by the next writer
      cache/         anything here may be deleted by anybody while nobody writes
      quarantine.json  files that imports have rejected and are not to try again

Format: docs/formats/repository.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hangar_core import files
from hangar_core.errors import CorruptRecord, InvalidInput, RepositoryNotFound, UnsupportedFormat
from hangar_core.model import User

FORMAT: Final = 1
# Compact tree nodes, blocks that are not compressed, runs of locations.
COMPACT: Final = "compact-1"
FEATURES: Final = frozenset({COMPACT, "pack-20"})
# What a repository requires from its first compressed sample on.
COMPRESSED: Final = "pack-20-zstd"
# From its first record of where samples came from on.
PROVENANCE: Final = "provenance-1"
# From the first file on that is kept as it is.
ORIGINALS: Final = "originals-1"
# From the first commit on whose parents are not here.
CUT: Final = "cut-history-1"
UNDERSTOOD: Final = FEATURES | {COMPRESSED, PROVENANCE, ORIGINALS, CUT}


def _format_text(features: frozenset[str]) -> bytes:
    names = ", ".join(f'"{name}"' for name in sorted(features))
    return f'{{"format": {FORMAT}, "requires": [{names}]}}'.encode()


_FRESH: Final = _format_text(FEATURES)
# What most format files say: knowing them by sight spares every command the import of a parser.
_KNOWN: Final = {
    _format_text(features): features
    for features in (FEATURES, FEATURES | {PROVENANCE}, FEATURES | {PROVENANCE, ORIGINALS})
}
DIRECTORY: Final = ".hangar"
_USER_LIMIT = 256


class Layout:
    """The paths below one `.hangar` directory, which is `root`."""

    __slots__ = ("root",)

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def format_file(self) -> Path:
        return self.root / "format.json"

    @property
    def config_file(self) -> Path:
        return self.root / "config.toml"

    @property
    def plugin_preferences(self) -> Path:
        return self.root / "plugins.json"

    @property
    def remotes(self) -> Path:
        return self.root / "remotes.json"

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    @property
    def records(self) -> Path:
        return self.root / "records"

    @property
    def staging_log(self) -> Path:
        return self.root / "staging.log"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    @property
    def incoming(self) -> Path:
        return self.root / "incoming"

    @property
    def fetched_pack(self) -> Path:
        return self.temporary / "fetched"

    @property
    def import_index(self) -> Path:
        return self.root / "cache" / "import.sqlite"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine.json"

    def exists(self) -> bool:
        """Whether a repository lies here (the format file is written last)."""
        return self.format_file.is_file()

    def used_bytes(self) -> int:
        """Return what the repository takes on disk."""
        return sum(path.stat().st_size for path in self.root.rglob("*") if path.is_file())

    def create(self, user: User) -> None:
        """Write the fixed files of a fresh repository; the format file last."""
        for path in (self.root, self.records, self.data, self.temporary):
            files.make_directory(path)
        files.write_file(self.config_file, _config_text(user).encode())
        files.write_file(self.format_file, _FRESH)

    def check_format(self) -> None:
        """Raise `RepositoryNotFound`, or `UnsupportedFormat` when this version cannot open the repository safely."""
        form, requires, _ = self._read_format()
        if form > FORMAT:
            raise UnsupportedFormat(what="This repository", needs=f"repository format {form}")
        if requires <= UNDERSTOOD:
            return
        from hangar_core.backends import registry  # nearly all repositories need packs and nothing else

        if missing := sorted(name for name in requires - UNDERSTOOD if not registry.is_backend_feature(name)):
            raise UnsupportedFormat(what="This repository", needs=", ".join(missing))
        registry.check_features(frozenset(requires), "This repository")

    def require(self, feature: str) -> None:
        """Have everybody who opens the repository know a feature; durable when it returns.

        To be called before the first commit that needs it becomes visible. Under the writer lock only.
        """
        import json

        _, requires, content = self._read_format()
        if feature not in requires:
            content["requires"] = sorted(requires | {feature})
            files.write_file(self.format_file, json.dumps(content).encode())

    def _read_format(self) -> tuple[int, set[str], dict[str, Any]]:
        """Return (format, features, all that the file says)."""
        try:
            return _parsed_format(self.format_file.read_bytes())
        except FileNotFoundError as why:
            raise RepositoryNotFound(path=self.root.parent) from why
        except (OSError, ValueError, RecursionError) as why:
            raise CorruptRecord(what=str(self.format_file), reason=str(why)) from why

    def read_user(self) -> User:
        """Return who makes commits here."""
        import tomllib  # readers have no use for it

        try:
            table = tomllib.loads(self.config_file.read_text("utf-8"))["user"]
            return User(str(table["name"]), str(table["email"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as why:
            raise CorruptRecord(
                what=str(self.config_file),
                reason=str(why),
                hint='write a section [user] with name = "..." and email = "..."',
            ) from why


def _parsed_format(text: bytes) -> tuple[int, set[str], dict[str, Any]]:
    known = _KNOWN.get(text)
    if known is not None:
        return FORMAT, set(known), {"format": FORMAT}
    import json

    match json.loads(text):
        case {"format": int(form), "requires": [*names], **others}:
            # True is an int as well
            if type(form) is int and form >= 1 and all(isinstance(name, str) for name in names):
                return form, set(names), {"format": form, **{str(name): value for name, value in others.items()}}
    raise ValueError("it does not hold a format number and a list of features")


def _config_text(user: User) -> str:
    import json

    # A JSON string of printable characters is a TOML string.
    name, email = (json.dumps(_checked(text), ensure_ascii=False) for text in (user.name, user.email))
    return f"[user]\nname = {name}\nemail = {email}\n"


def _checked(text: object) -> str:
    if not isinstance(text, str) or not text.strip() or not text.isprintable() or len(text) > _USER_LIMIT:
        raise InvalidInput(f"`{text!r}` is no user name or e-mail.", hint="use 1 to 256 printable characters")
    return text.strip()
