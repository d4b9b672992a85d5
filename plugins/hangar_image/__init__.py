"""Pictures: png, jpg, bmp, gif, tiff and webp, through Pillow."""

from hangar_image.plugin import HangarImage

__all__ = ["HangarImage"]
