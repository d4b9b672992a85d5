"""GeoTIFF: rasters of any number of bands with their place on the earth, through rasterio."""

from hangar_geo.plugin import HangarGeo

__all__ = ["HangarGeo"]
