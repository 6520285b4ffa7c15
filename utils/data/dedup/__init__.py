"""De-duplication: which images repeat others, in three ways of rising leniency, and a dataset without them.

- exact: equal pixels;
- near: what is left of a picture after JPEG, a change of brightness, a shift or a crop (`dedup.near`);
- autoencoder: equal codes of a small denoising autoencoder, as in Radford, Metz, Chintala §4.1 (`dedup.autoencoder`).

Time grows linearly with the number of images (sorting aside), and images are read a piece at a time. Nothing here
imports TensorFlow until the autoencoder is asked for.
"""

from utils.data.dedup.copies import deduplicated
from utils.data.dedup.draw import draw_groups
from utils.data.dedup.find import METHODS, Duplicates, find_duplicates

__all__ = ["METHODS", "Duplicates", "deduplicated", "draw_groups", "find_duplicates"]
