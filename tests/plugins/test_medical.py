"""The plugins for medical images: volumes exactly, headers that lie refused."""

from __future__ import annotations

import gzip
import io
import struct

import numpy as np
import pytest
from PIL import Image

from hangar_core import Repository, external
from hangar_core.external import InvalidData, InvalidInput

nibabel = pytest.importorskip("nibabel")


def volume(dtype="i2", shape=(3, 4, 5)):
    return np.random.default_rng(0).integers(0, 100, shape).astype(dtype)


@pytest.mark.parametrize("extension", ["nii", "nii.gz"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16"])
def test_a_volume_is_loaded_bit_for_bit_as_it_was_saved(tmp_path, extension, dtype):
    array = volume(dtype)
    path = external.save(array, tmp_path, "str:scan", extension)
    loaded, name = external.load(path, extension=extension)
    assert name == "scan"
    assert (loaded.dtype, loaded.tobytes()) == (array.dtype, array.tobytes())


def test_import_commit_export_gives_the_same_volume_with_its_affine(tmp_path):
    (tmp_path / "in").mkdir()
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(volume(), affine), tmp_path / "in" / "scan.nii.gz")
    (tmp_path / "repo").mkdir()
    repo = Repository(tmp_path / "repo", exists=False)
    repo.init("Ada", "ada@example.org")
    repo.ingest("scans", tmp_path / "in")
    repo.commit("first")
    (tmp_path / "out").mkdir()
    repo.export("scans", tmp_path / "out")
    written = nibabel.load(tmp_path / "out" / "scan.nii.gz")
    assert np.array_equal(written.affine, affine)
    assert np.array_equal(np.asanyarray(written.dataobj), volume())


def test_scaled_volumes_are_read_as_what_they_mean(tmp_path):
    image = nibabel.Nifti1Image(volume(), np.eye(4))
    image.header.set_slope_inter(0.5, 1)
    image.to_filename(tmp_path / "x.nii")
    loaded, _ = external.load(tmp_path / "x.nii", extension="nii")
    assert np.array_equal(loaded, nibabel.load(tmp_path / "x.nii").get_fdata())


def test_volumes_that_are_cut_lie_or_are_something_else_are_refused(tmp_path, refused):
    content = nibabel.Nifti1Image(volume(), np.eye(4)).to_bytes()
    huge = content[:42] + struct.pack("<3h", 30000, 30000, 30000) + content[48:]
    odd = content[:70] + struct.pack("<h", 999) + content[72:]
    packed = gzip.compress(content)
    for data, extension in [
        (b"", "nii"), (b"hello", "nii"), (content[:100], "nii"), (content[:-1], "nii"), (huge, "nii"), (odd, "nii"),
        (packed[:-20], "nii.gz"), (packed[:20], "nii.gz"), (packed[:-8] + bytes(8), "nii.gz"), (b"hello", "nii.gz"),
    ]:  # fmt: skip
        (tmp_path / f"x.{extension}").write_bytes(data)
        assert refused(tmp_path / f"x.{extension}", extension)[0] in {
            "empty", "wrong-format", "truncated", "undecodable",
        }  # fmt: skip


def test_what_a_volume_cannot_be_is_refused(tmp_path):
    for data in (np.zeros(3, bool), np.zeros(3, "f2"), np.zeros((0, 3)), np.array(5), np.zeros(40_000), "text"):
        with pytest.raises(InvalidData):
            external.save(data, tmp_path, "str:x", "nii")
    with pytest.raises(InvalidInput):
        external.save(volume(), tmp_path, "str:x", "nii", affine="[1, 2]")
    assert list(tmp_path.iterdir()) == []


# --- DICOM ----------------------------------------------------------------------------------------------------------


def dicom(pixels, **facts) -> bytes:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    image = pydicom.Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = CTImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, image.file_meta.MediaStorageSOPInstanceUID
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 1
    image.PixelData = pixels.tobytes()
    for name, value in facts.items():
        setattr(image, name, value)
    content = io.BytesIO()
    pydicom.dcmwrite(content, image, enforce_file_format=True)
    return content.getvalue()


def test_the_stored_values_of_a_dicom_image_are_read(tmp_path):
    pixels = volume("i2", (4, 6)) - 50
    (tmp_path / "x.dcm").write_bytes(dicom(pixels))
    loaded, name = external.load(tmp_path / "x.dcm", extension="dcm")
    assert (name, loaded.dtype, loaded.tolist()) == ("x", np.int16, pixels.tolist())


def test_images_that_are_cut_lie_or_are_something_else_are_refused(tmp_path, refused):
    pixels = volume("i2", (4, 6))
    content = dicom(pixels)
    for data, codes in [
        (b"", {"empty"}),
        (b"hello" * 100, {"wrong-format"}),
        (content[:132], {"undecodable", "truncated"}),
        (content[:300], {"undecodable", "truncated"}),
        (content[:-4], {"undecodable", "truncated"}),
        (dicom(pixels, Rows=5000), {"undecodable", "truncated"}),
        (dicom(pixels, Rows=65535, Columns=65535), {"too-large"}),
    ]:
        (tmp_path / "x.dcm").write_bytes(data)
        assert refused(tmp_path / "x.dcm")[0] in codes


def test_of_volumes_and_series_the_picture_in_the_middle_is_shown():
    scan = np.zeros((8, 6, 5), "i2")
    scan[1, 5, 2] = 100  # x 1, y 5 (uppermost), in the middle of z
    kind, content = external.board_show(scan, plugin="volume")
    drawn = Image.open(io.BytesIO(content))
    assert (kind, drawn.size) == ("image/png", (8, 6))
    assert drawn.convert("L").getpixel((1, 0)) == 255
    pytest.importorskip("pydicom")
    series = np.stack([np.full((4, 6), frame, "u1") for frame in (0, 200, 0)])
    drawn = Image.open(io.BytesIO(external.board_show(series, plugin="dicom")[1]))
    assert (drawn.size, drawn.convert("L").getpixel((0, 0))) == ((6, 4), 200)
    assert Image.open(io.BytesIO(external.board_show(np.zeros((4, 6, 3), "u1"), plugin="dicom")[1])).mode == "RGB"
