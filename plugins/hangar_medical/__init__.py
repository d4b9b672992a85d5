"""Medical images: NIfTI volumes through nibabel, DICOM through pydicom."""

from hangar_medical.dicom import HangarDicom
from hangar_medical.nifti import HangarNifti

__all__ = ["HangarDicom", "HangarNifti"]
