"""Equal codes of a denoising autoencoder, as Radford, Metz, Chintala (arXiv:1511.06434) §4.1 de-duplicate LSUN.

"We train a 3072-128-3072 de-noising dropout regularized RELU autoencoder on 32x32 downsampled center-crops of
training examples. The resulting code layer activations are then binarized via thresholding the ReLU activation …"
Images whose 128 bits are all equal count as duplicates. The paper gives no more than that; what follows was chosen
here, by measurement (`benchmarks/dedup.py`), for the paper's precision: fewer than 1 false positive in 100.

- Brightness and contrast are taken off each picture: on plain pixels in [-1, 1] a brightness changed by a tenth turns
  7 to 9 of the 128 bits, here at most 1.5 (means over built-in faces and CIFAR-10).
- Of ten input values nine are dropped ("de-noising"), so that units follow the coarse structure of a picture, which
  survives JPEG, and not its details. Half of the code's units are dropped ("dropout").
- The decoder starts at zero. Started at random, it first drives all units down: after 100 updates on 2,000 built-in
  faces, 963 of them had the code of an earlier one; from zero, none.

A unit cuts the space of images in two, so what moves every pixel a little (a shift, a crop) crosses some of 128 cuts:
this method finds darkened and recompressed copies, hardly any shifted or cropped ones.
"""

import numpy as np
from tqdm import tqdm

from utils import runtime
from utils.data.dedup.exact import chunks, find_exact, leaders_of_equal
from utils.data.pixels import fit

SIDE, CODE = 32, 128  # pixels, bits: the paper's 3072-128-3072
CORRUPTION, DROPOUT = 0.9, 0.5  # shares of input values and of code units that are dropped in training
UPDATES, BATCH, LEARNING_RATE = 500, 128, 1e-3  # of Adam; however many images there are, so many updates do
LEAST_CONTRAST = 4.0  # levels of 255; below it a picture counts as flat, and its noise is not blown up


def find_equal_codes(images: np.ndarray, seed: int = 0, progress: bool = True) -> np.ndarray:
    """Train the autoencoder on images and find those of equal codes, equal pixels among them.

    Args:
        images: uint8 (N, S, S, 3).
        seed: of the initial weights, the choice of images, the corruption and the dropout.
        progress: whether to show progress bars.

    Returns:
        The leader of each image: int64 (N,), the first row with the same code.
    """
    leaders = find_exact(images, progress)
    weights, biases = train_encoder(images, seed, progress)
    codes = np.empty((len(images), CODE // 8), np.uint8)
    for start, pictures in chunks(images, "Encoding", progress):
        codes[start : start + len(pictures)] = np.packbits(_inputs(pictures) @ weights + biases > 0, axis=1)
    return leaders_of_equal(codes[leaders])  # rounding must not part equal pixels


def train_encoder(images: np.ndarray, seed: int, progress: bool) -> tuple[np.ndarray, np.ndarray]:
    """Train the autoencoder to minimise the mean squared error.

    Returns:
        Weights, float32 (3072, 128), and biases, float32 (128,), of the layer that makes the code.
    """
    runtime.import_tensorflow()
    import keras

    runtime.start(keras.mixed_precision.dtype_policy().name)  # the caller's precision stays; here it is float32
    size = 3 * SIDE**2
    encoder = keras.layers.Dense(
        CODE, "relu", kernel_initializer=keras.initializers.GlorotUniform(seed), dtype="float32"
    )
    autoencoder = keras.Sequential(
        [
            keras.Input((size,)),
            keras.layers.Dropout(CORRUPTION, seed=seed + 1, dtype="float32"),
            encoder,
            keras.layers.Dropout(DROPOUT, seed=seed + 2, dtype="float32"),
            keras.layers.Dense(size, kernel_initializer="zeros", dtype="float32"),
        ]
    )
    autoencoder.compile(keras.optimizers.Adam(LEARNING_RATE), "mse")
    rng = np.random.default_rng(seed)
    for _ in tqdm(range(UPDATES), "Training the autoencoder", unit=" updates", disable=not progress):
        batch = _inputs(images[np.sort(rng.integers(0, len(images), BATCH))])
        autoencoder.train_on_batch(batch, batch)
    return encoder.kernel.numpy(), encoder.bias.numpy()


def _inputs(pictures: np.ndarray) -> np.ndarray:
    """Uint8 (B, S, S, 3) as the network sees them: float32 (B, 3072), each with mean 0 and standard deviation 1."""
    pixels = np.stack([fit(picture, SIDE) for picture in pictures]).reshape(len(pictures), -1)
    centred = pixels - pixels.mean(1, keepdims=True, dtype=np.float32)
    return centred / np.maximum(centred.std(1, keepdims=True), LEAST_CONTRAST)
