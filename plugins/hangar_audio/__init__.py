"""Sound: .wav with nothing but numpy; .flac, .ogg and .mp3 through the package soundfile."""

from hangar_audio.plugin import HangarAudio

__all__ = ["HangarAudio"]
