"""The bundled plugins pass the suite that strangers use."""

from __future__ import annotations

import importlib.util
import io
import tarfile
import zipfile

import numpy as np
import pytest

from hangar_core.testing import PluginContract


class TestNpy(PluginContract):
    plugin = "npy"

    def samples(self):
        return {"npy": [np.arange(24.0).reshape(4, 6), np.zeros((0, 3), ">i2"), np.array([True, False]), np.float32(5)]}


class TestCsv(PluginContract):
    plugin = "csv"
    detects_truncation = False

    def samples(self):
        rows = [np.array([1.5, -0.0, np.inf]), np.array([np.nan, 2.0**-1074, 0.1]), np.array([1, 2**63 - 1])]
        return {"csv": rows, "tsv": rows[:1]}


class TestImage(PluginContract):
    plugin = "image"

    def samples(self):
        rows, columns = np.mgrid[0:20, 0:30]
        colour = np.stack([rows * 5, columns * 5, rows + columns], axis=-1).astype("uint8")
        grey = colour[..., 0].copy()
        exact = {"png": [grey, colour, grey.astype("uint16") * 257], "bmp": [colour], "tif": [grey / np.float32(255)]}
        return {**exact, "jpg": [grey, colour], "gif": [grey], "webp": [colour]}


class TestNpz(PluginContract):
    plugin = "npz"

    def samples(self):
        return {"npz": [np.arange(24.0).reshape(4, 6), np.zeros((0, 3), ">i2"), np.array([True, False]), np.float32(5)]}


class TestText(PluginContract):
    plugin = "text"
    detects_truncation = False

    def samples(self):
        return {"txt": ["Zürich\n", "\ufeffmark", "a\r\nb"], "md": ["# title"]}


class TestJson(PluginContract):
    plugin = "json"
    detects_truncation = False  # lines do not say how many they are, and the last may lack its end

    def samples(self):
        return {"json": [np.arange(6).reshape(2, 3), np.array([0.1, -0.0]), '{"a": [1, "b"]}'], "jsonl": [np.arange(3)]}


class TestAudio(PluginContract):
    plugin = "audio"

    def samples(self):
        return {"wav": [np.arange(20, dtype="i2").reshape(10, 2), np.ones((5, 1), "f4"), np.zeros((3, 1), "u1")]}


class TestHdf5(PluginContract):
    plugin = "hdf5"

    def samples(self):
        return {"h5": [np.arange(24.0).reshape(4, 6), np.zeros((0, 3), ">i2"), np.array([True, False])]}


def needing(package):
    """Leave a suite out where the package of an extra is not installed."""
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


@needing("pyarrow")
class TestParquet(PluginContract):
    plugin = "parquet"

    def samples(self):
        return {"parquet": [np.array([1.5, -0.0, np.nan]), np.array([2.0, np.inf, 0.1])]}


@needing("safetensors")
class TestSafetensors(PluginContract):
    plugin = "safetensors"

    def samples(self):
        return {"safetensors": [np.arange(24.0).reshape(4, 6), np.zeros((0, 3), "<i2"), np.array([True, False])]}


@needing("nibabel")
class TestVolume(PluginContract):
    plugin = "volume"

    def samples(self):
        volume = np.arange(60, dtype="<i2").reshape(3, 4, 5)
        return {"nii": [volume, volume.astype("<f4")], "nii.gz": [volume]}


@needing("pydicom")
class TestDicom(PluginContract):
    plugin = "dicom"

    def files(self, folder):
        pydicom = pytest.importorskip("pydicom")
        with io.BytesIO() as content:
            meta = pydicom.dataset.FileMetaDataset()
            meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
            meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
            meta.MediaStorageSOPInstanceUID = "1.2.3"
            image = pydicom.Dataset()
            image.file_meta, image.SOPClassUID, image.SOPInstanceUID = meta, meta.MediaStorageSOPClassUID, "1.2.3"
            image.Rows, image.Columns, image.SamplesPerPixel, image.PixelRepresentation = 4, 6, 1, 1
            image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
            image.PhotometricInterpretation = "MONOCHROME2"
            image.PixelData = np.arange(24, dtype="<i2").tobytes()
            pydicom.dcmwrite(content, image, enforce_file_format=True)
            (folder / "x.dcm").write_bytes(content.getvalue())
        return [folder / "x.dcm"]


class TestArchive(PluginContract):
    plugin = "archive"

    def files(self, folder):
        with io.BytesIO() as content:
            np.save(content, np.arange(6))
            member = content.getvalue()
        with zipfile.ZipFile(folder / "x.zip", "w") as packed:
            packed.writestr("a/1.npy", member)
            packed.writestr("a/2.npy", member)
        with tarfile.open(folder / "x.tar.gz", "w:gz") as packed:
            entry = tarfile.TarInfo("a/1.npy")
            entry.size = len(member)
            packed.addfile(entry, io.BytesIO(member))
        return [folder / "x.zip", folder / "x.tar.gz"]
