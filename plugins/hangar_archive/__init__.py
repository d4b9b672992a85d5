"""Archives, zip and tar, of files that other plugins read."""

from hangar_archive.plugin import HangarArchive

__all__ = ["HangarArchive"]
