"""The plugin for archives: each member is copied to a file of its own for the plugin that reads it, then forgotten."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hangar_archive.members import TARS, content, members, names
from hangar_core.errors import NoPluginFor
from hangar_core.external import BadFile, BasePlugin, load, option, plugin_manager
from hangar_core.external.zipped import shown

EXTENSIONS = ("zip", *TARS)
_COPY = "member"


@dataclass(frozen=True)
class ArchiveOptions:
    """What happens to members that are no samples."""

    others: Literal["error", "skip"] = option("error", help="What to do with members that no plugin reads.")


class HangarArchive(BasePlugin):
    """Archives (.zip, .tar, .tar.gz, .tgz, .tar.bz2, .tar.zst) of files that other plugins read.

    The samples of a member are called ``archive/folder/member``, as if the archive were a folder; they are written and
    shown by the plugins for such data. Refused are bombs, links, devices, encrypted members, names that lead out of the
    archive, and archives in it. Hidden files are passed over.
    """

    VERSION = "1"
    ISOLATED = True
    Options = ArchiveOptions

    def __init__(self) -> None:
        super().__init__(provides=["load"], accepts=list(EXTENSIONS))

    def load(self, fpath: str | os.PathLike[str], **options: Any) -> Iterator[tuple[Any, str]]:
        """Check the directory of a zip file, then return a lazy generator of the samples of all members.

        Raises `BadFile` with the reason of a member's plugin, or: wrong-format, truncated, undecodable, too-large,
        unsafe, empty, or as `open_file`.
        """
        given = self.typed_options(ArchiveOptions, "load", options)
        for name in names(fpath):
            self._reader(fpath, name, given)
        return self._samples(fpath, given)

    def _samples(self, fpath: str | os.PathLike[str], given: ArchiveOptions) -> Iterator[tuple[Any, str]]:
        stem = Path(fpath).name[: -len(self.accepted_extension(Path(fpath).name)) - 1]
        keys: dict[str, str] = {}
        with tempfile.TemporaryDirectory(prefix="hangar-archive-") as folder:
            for name, stream in members(fpath):
                found = self._reader(fpath, name, given)
                if found is None:
                    continue
                plugin, extension = found
                key = f"{stem}/{name[: -len(extension) - 1].removeprefix('./')}"
                if keys.setdefault(key, name) != name:
                    raise self._same_name(fpath, keys[key], name)
                copy = Path(folder, f"{_COPY}.{extension}")
                with open(copy, "wb") as file:  # of a size that has been looked at
                    file.writelines(content(fpath, stream))
                yield from self._loaded(fpath, name, copy, plugin, key)
        if not keys:
            raise self.bad_file(fpath, code="empty", reason="there is no file in it to read", fix="remove it")

    def _loaded(
        self, fpath: str | os.PathLike[str], name: str, copy: Path, plugin: str, key: str
    ) -> Iterator[tuple[Any, str]]:
        try:
            loaded = load(copy, plugin=plugin)
            if isinstance(loaded, tuple):
                yield loaded[0], key
                return
            for data, part in loaded:
                below = f"{part:09d}" if isinstance(part, int) else part.removeprefix(f"{_COPY}/")
                yield data, f"{key}/{below}"
        except BadFile as why:
            reason = f"its member {shown(name)}: {why.reason}"
            raise self.bad_file(fpath, code=str(why.code), reason=reason, fix=str(why.fix)) from why

    def _reader(self, fpath: str | os.PathLike[str], name: str, given: ArchiveOptions) -> tuple[str, str] | None:
        """Return plugin and extension for a member, or None if it is passed over."""
        try:
            plugin, extension = plugin_manager().match(name)
        except NoPluginFor as why:
            if given.others == "skip":
                return None
            reason = f"no plugin reads its member {shown(name)}"
            fix = "take it out, or pass over such members with `--others skip`"
            raise self.bad_file(fpath, code="wrong-format", reason=reason, fix=fix) from why
        if plugin.plugin_name == self.plugin_name:
            reason = f"its member {shown(name)} is an archive itself"
            raise self.bad_file(fpath, code="unsafe", reason=reason, fix="unpack it, and import the folder")
        return plugin.plugin_name, extension

    def _same_name(self, fpath: str | os.PathLike[str], first: str, second: str) -> BadFile:
        reason = f"its members {shown(first)} and {shown(second)} would be one sample"
        return self.bad_file(fpath, code="wrong-format", reason=reason, fix="rename one of the two")
