"""Safetensors files: named arrays, without anything that could run code. Needs the package safetensors."""

from hangar_safetensors.plugin import HangarSafetensors

__all__ = ["HangarSafetensors"]
