"""Samples of a commit for machine learning: datasets for torch, TensorFlow, plain numpy and Hugging Face.

One class knows which samples there are and reads them (`samples.Samples`); the adapters are thin, and each imports its
framework when it is asked for. What training needs besides, an order that can be repeated and taken up again, is in
`shuffling` and depends on no framework. See docs/loaders.md.
"""

from __future__ import annotations

from hangar_core.loaders.making import make_numpy_dataset, make_tf_dataset, make_torch_dataset, to_hf_dataset
from hangar_core.loaders.shuffling import SeededShuffle

__all__ = ["SeededShuffle", "make_numpy_dataset", "make_tf_dataset", "make_torch_dataset", "to_hf_dataset"]
