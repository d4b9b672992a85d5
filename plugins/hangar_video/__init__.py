"""Video: each frame a sample, through FFmpeg's libraries (PyAV)."""

from hangar_video.plugin import HangarVideo

__all__ = ["HangarVideo"]
