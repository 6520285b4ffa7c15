"""Datasets: from files or drawings to one uint8 array on disk, memory-mapped, with a fingerprint.

`load` gives a `Dataset`; `scale` and `scale_back` are the only two places where pixels change their range. Nothing here
imports TensorFlow until `scale` is given a tensor.
"""

from utils.data.catalogue import load, load_for
from utils.data.dataset import Dataset, scale, scale_back

__all__ = ["Dataset", "load", "load_for", "scale", "scale_back"]
