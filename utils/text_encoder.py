"""Texts as vectors: a small network that is trained here, on sentences and images that go together, and then frozen.

It is a recurrent one (a GRU, Cho et al., arXiv:1406.1078), since a bag of words could not tell "with glasses and
without a beard" from the opposite. What it learns is a joint embedding of texts and images as in Reed et al.
(arXiv:1605.05396, §3.2; arXiv:1605.05395, eq. 1 to 4): a text is to lie nearer to its own image than to others, and
an image nearer to its own text. Two things differ from there. The loss is the symmetric cross-entropy over a batch
(Radford et al., arXiv:2103.00020, Fig 3) in place of a hinge: it needs no margin and learns from all pairs of a batch
at once. And a pair counts as wrong only where the text says something that is not true of the image: with short
sentences most texts of a batch are true of several of its images, and pushing those apart would teach the wording.
"""

import functools
import hashlib
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils import runtime
from utils.config import TEXT_DIM, Experiment
from utils.data import Dataset, scale
from utils.data.captions import Captions, captions_of, check_words, contradict, grammar_for, words_of
from utils.data.conditions import example_rows, next_place
from utils.data.fetching import data_folder
from utils.data.pixels import fit
from utils.errors import InputError
from utils.files import appears_whole, read_object, write_json
from utils.models import load_network, weights_digest
from utils.streams import stream
from utils.tables import duration
from utils.text import one_line, slug

runtime.import_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402
from tqdm.auto import tqdm  # noqa: E402

RECIPE_VERSION = 1  # raise it whenever a change of this file or of the captions changes what the encoder learns
WORDS = 40
"""The most words that a text may have."""
SIDE = 32
"""Pixels that larger images are shrunk to while the encoder is trained."""
WORD_FEATURES, UNITS, FILTERS = 32, 64, (16, 32, 64, 128)
"""Of a word; of the GRU; of the convolutions of the network that looks at the images, each halving the side."""
UPDATES, BATCH_SIZE, LEARNING_RATE = 600, 128, 3e-3
"""How it is trained; the learning rate falls to 0 along a cosine."""
SHARPNESS = 14.0
"""Cosines of the angles between texts and images are multiplied by this before the softmax (CLIP's first value)."""
_WARM, _TIMED = 2, 10  # updates from and to which the time is taken, to say how long the training takes
_FILE = "text_encoder"


@dataclass(frozen=True)
class TextEncoder:
    """Texts -> vectors that networks are conditioned on.

    Attributes:
        network: int32 (N, WORDS), words by their numbers from 1 and 0 before the first -> float32 (N, TEXT_DIM) of
            length 1.
        card: what is known of it, in plain values: its "vocabulary", the "attributes" that its sentences spoke of, how
            often it is "right" about held-out sentences.
    """

    network: keras.Model
    card: dict

    @property
    def vocabulary(self) -> list[str]:
        """The words that it knows, in alphabetical order."""
        return self.card["vocabulary"]

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of N texts: float32 (N, TEXT_DIM), whose values have a mean square of 1.

        Raises:
            InputError: a text has words that the encoder does not know, too many of them, or none.
        """
        for text in texts:
            if len(check_words(text, self.vocabulary)) > WORDS:
                raise InputError(f"A text may have at most {WORDS} words. Received: {one_line(text)!r}.")
        return _read(self.network, _numbers(texts, self.vocabulary)) * np.float32(np.sqrt(TEXT_DIM))

    def save(self, folder: str | Path) -> None:
        """Write it into a folder, beside whatever is there."""
        with appears_whole(Path(folder) / f"{_FILE}.keras") as temporary:
            self.network.save(temporary)
        write_json(Path(folder) / f"{_FILE}.json", self.card)

    @classmethod
    def load(cls, folder: str | Path) -> "TextEncoder | None":
        """The encoder in a folder, or None if there is none.

        Raises:
            InputError: it is damaged, or was changed since it was trained.
        """
        home = Path(folder)
        if not (home / f"{_FILE}.json").is_file():  # it is written last
            return None
        network, card = load_network(home / f"{_FILE}.keras"), read_object(home / f"{_FILE}.json")
        if card.get("fingerprint") != weights_digest(network) or not isinstance(card.get("vocabulary"), list):
            raise InputError(f"{home / _FILE}.keras is not the encoder that {_FILE}.json beside it describes.")
        return cls(network, card)


def encoder_beside(file: str | Path) -> TextEncoder:
    """The encoder that a generator was trained with; it lies beside its file, or in the folder above.

    Raises:
        InputError: it is not there.
    """
    folder = Path(file).resolve().parent
    for home in (folder, folder.parent):
        if found := TextEncoder.load(home):
            return found
    raise InputError(f"{file} has been trained on texts, but there is no {_FILE}.keras beside it.")


@dataclass(frozen=True)
class TextConditions:
    """A sentence for each image of a dataset, as vectors; takes the place of `data.conditions.Conditions`.

    Attributes:
        names: some of the sentences.
        captions: all of them.
        attributes: (N, K) of 0 and 1, what is true of the images.
        vectors: float32 (N, TEXT_DIM).
    """

    names: tuple[str, ...]
    captions: Captions
    attributes: np.ndarray
    vectors: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, encoder: TextEncoder, experiment: Experiment) -> "TextConditions":
        """The sentences about a dataset's images; those of a row follow from the seed of the data."""
        attributes = np.asarray(dataset.attributes)
        captions = captions_of(attributes, dataset.attribute_names, experiment.data.data_seed)
        return cls(experiment.model.condition_names, captions, attributes, encoder(captions.texts))

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows) -> np.ndarray:
        """Vectors of some rows, of any shape: float32 (…, TEXT_DIM)."""
        return self.vectors[rows]

    @property
    def examples(self) -> np.ndarray:
        """Rows of the sentences among `names`."""
        return example_rows(self.captions.texts)

    def mismatching(self, rows: np.ndarray) -> np.ndarray:
        """For each of some rows, int64 (B,), the place of the next one whose sentence contradicts its image: int32
        (B,), or -1."""
        return next_place(contradict(self.captions.says[rows], self.attributes[rows]))

    def having(self, place: int) -> np.ndarray:
        """Which images the sentence at a place among `names` is true of: bool (N,)."""
        return ~contradict(self.captions.says[self.examples[[place]]], self.attributes)[:, 0]


def encoder_for(
    dataset: Dataset, seed: int = 0, data_dir: str | Path | None = None, progress: bool = True
) -> TextEncoder:
    """The encoder of sentences about a dataset's images; the first time it is trained, which is announced.

    It is kept in `<data_dir>/texts/` and may be deleted at any time.

    Args:
        dataset: images with attributes that a grammar speaks of.
        seed: of the training.
        data_dir: where datasets are.
        progress: whether to say something and to show a progress bar.

    Raises:
        InputError: there are no sentences about such images, or the kept encoder was changed.
    """
    grammar = grammar_for(dataset.attribute_names)
    identity = {"recipe": RECIPE_VERSION, "seed": seed, "data": dataset.fingerprint, "words": grammar.vocabulary}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    home = data_folder(data_dir) / "texts" / f"encoder-{slug(Path(dataset.name).stem)}-{digest}"
    if found := TextEncoder.load(home):
        return found
    if progress:
        print(
            f"First an encoder of sentences about {dataset.title} is trained, once. That takes about 20 s on two cores "
            f"of an AMD EPYC, and several times that on an older or busy machine; how long it takes here is said after "
            f"its first updates. It is kept in {one_line(str(home))}.",
            file=sys.stderr,
        )
    encoder = train_encoder(dataset, seed, progress)
    encoder.save(home)
    return encoder


def train_encoder(dataset: Dataset, seed: int = 0, progress: bool = True, updates: int = UPDATES) -> TextEncoder:
    """Train an encoder.

    Args:
        dataset: images with attributes that a grammar speaks of; a tenth of them are kept apart to judge it by.
        seed: decides the initial weights, the order of the images and the sentences.
        progress: whether to show a progress bar.
        updates: how many.

    Raises:
        InputError: there are no sentences about such images.
    """
    if len(dataset) < 2:
        raise InputError(
            "An encoder of sentences learns from some images and is asked about others, so there must be two at least. "
            f"Received: {len(dataset)} of {dataset.title}."
        )
    runtime.start(keras.config.dtype_policy().name)  # for operations that repeat their bits
    begun = time.perf_counter()
    grammar, names = grammar_for(dataset.attribute_names), dataset.attribute_names
    vocabulary, attributes = grammar.vocabulary, np.asarray(dataset.attributes)
    random = stream(seed, "text encoder")
    rows = random.permutation(len(dataset))
    apart, rows = np.split(rows, [max(1, len(rows) // 10)])
    batch_size = min(BATCH_SIZE, len(rows))
    seeds = iter(random.integers(2**31, size=32).tolist())
    with runtime.full_precision():
        of_texts = build_text_network(len(vocabulary), seeds)
        of_images = _image_network(min(SIDE, dataset.images.shape[1]), seeds)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, updates)
    optimizer = keras.optimizers.Adam(rate)
    variables = [*of_texts.trainable_variables, *of_images.trainable_variables]
    optimizer.build(variables)

    @tf.function(jit_compile=False)
    def update(images, numbers, wrong):
        with tf.GradientTape() as tape:
            loss = matching_loss(of_images(scale(images), training=True), of_texts(numbers, training=True), wrong)
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    # Every image has a sentence anew in each round through the images.
    order, rounds, captions = np.empty(0, int), 0, None
    title = f"{'the ' if dataset.title.startswith('built-in') else ''}{dataset.title}"
    about = f"Training an encoder of sentences about {title}"
    bar = tqdm(range(updates), about, unit=" updates", disable=not progress)
    for number in bar:
        if number == _WARM:
            timed = time.perf_counter()
        elif number == _TIMED and progress:
            seconds = (time.perf_counter() - timed) / (_TIMED - _WARM) * (updates - number)
            bar.write(f"{updates:,} updates: about {duration(seconds)}, as busy as the machine is.", sys.stderr)
        if len(order) < batch_size:
            order, rounds = random.permutation(rows), rounds + 1
            captions = captions_of(attributes, names, seed=_round_seed(seed, rounds))
            numbers = _numbers(captions.texts, vocabulary)
        batch, order = np.sort(order[:batch_size]), order[batch_size:]
        wrong = contradict(captions.says[batch], attributes[batch])
        update(_small(dataset.images[batch]), numbers[batch], wrong.astype(np.float32))

    apart = np.sort(apart)[:2000]
    captions = captions_of(attributes[apart], names, seed=_round_seed(seed, 0))
    card = {
        "name": f"GRU of {UNITS} units, {TEXT_DIM} values, matched to {title}",
        "vocabulary": list(vocabulary),
        "attributes": list(names),
        "images": len(rows),
        "data": dataset.fingerprint,
        "updates": updates,
        "batch_size": batch_size,
        "seed": seed,
        "parameters": of_texts.count_params(),
        "seconds": round(time.perf_counter() - begun),
        "held_out_images": len(apart),
        "right": _right(of_images, of_texts, dataset.images[apart], attributes[apart], captions, vocabulary),
        "fingerprint": weights_digest(of_texts),
    }
    return TextEncoder(of_texts, card)


def matching_loss(images, texts, wrong):
    """Mean of two cross-entropies: which of the texts that could be is an image's own, and which image a text's.

    Args:
        images, texts: float32 (B, D) of length 1; row i of both belong together.
        wrong: float32 (B, B): 1 where text j says something that is not true of image i. What is neither wrong nor its
            own is left out.
    """
    logits = SHARPNESS * tf.matmul(images, texts, transpose_b=True)
    counted = tf.maximum(wrong, tf.eye(tf.shape(images)[0]))
    logits -= 1e4 * (1.0 - counted)  # beside what is counted, e to this is nothing
    own = tf.linalg.diag_part(logits)
    return tf.reduce_mean(tf.reduce_logsumexp(logits, 1) + tf.reduce_logsumexp(logits, 0)) / 2 - tf.reduce_mean(own)


def build_text_network(words: int, seeds: Iterator[int] | None = None) -> keras.Model:
    """The network that reads texts, before it is trained.

    Args:
        words: how many it knows.
        seeds: of its initial weights, one for each layer.
    """
    seeds = seeds or itertools.count()
    stack = [
        keras.Input((WORDS,), dtype="int32", name="words"),
        layers.Embedding(
            words + 1,
            WORD_FEATURES,
            embeddings_initializer=keras.initializers.RandomNormal(0, 0.1, seed=next(seeds)),
        ),
        layers.GRU(
            UNITS,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
        ),
        layers.Dense(TEXT_DIM, kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds))),
        layers.UnitNormalization(name="text"),
    ]
    return keras.Sequential(stack, name="text_encoder")


def _image_network(side: int, seeds) -> keras.Model:
    stack = [keras.Input((side, side, 3), name="images")]
    for filters in FILTERS[: max(1, side.bit_length() - 2)]:
        start = keras.initializers.HeNormal(seed=next(seeds))
        stack += [
            layers.Conv2D(filters, 4, 2, padding="same", use_bias=False, kernel_initializer=start),
            layers.BatchNormalization(momentum=0.9),
            layers.LeakyReLU(negative_slope=0.2),
        ]
    start = keras.initializers.GlorotUniform(seed=next(seeds))
    stack += [layers.Flatten(), layers.Dense(TEXT_DIM, kernel_initializer=start), layers.UnitNormalization()]
    return keras.Sequential(stack, name="image_encoder")


def _numbers(texts: Sequence[str], vocabulary: Sequence[str]) -> np.ndarray:
    """Words by their numbers from 1: int32 (N, WORDS), 0 before the first word: the last is read last, unmasked."""
    place = {word: number for number, word in enumerate(vocabulary, 1)}
    numbers = np.zeros((len(texts), WORDS), np.int32)
    for row, text in enumerate(texts):
        words = [place[word] for word in words_of(text)][:WORDS]
        numbers[row, WORDS - len(words) :] = words
    return numbers


def _read(network: keras.Model, numbers: np.ndarray) -> np.ndarray:
    """What a network makes of texts, always in calls of one size: compiled once, and each text alone decides its
    vector."""
    size, compiled = 256, _compiled(network)
    starts = range(0, len(numbers), size)
    parts = [np.pad(part, ((0, size - len(part)), (0, 0))) for part in (numbers[s : s + size] for s in starts)]
    parts = [np.asarray(compiled(tf.constant(part))) for part in parts]
    return np.concatenate([part[: len(numbers) - start] for start, part in zip(starts, parts)])


@functools.lru_cache(maxsize=4)
def _compiled(network: keras.Model):
    return tf.function(lambda words: network(words, training=False), jit_compile=False)


def _small(images: np.ndarray) -> np.ndarray:
    if images.shape[1] <= SIDE:
        return np.asarray(images)
    return np.stack([fit(image, SIDE) for image in images])


def _right(of_images, of_texts, images, attributes, captions, vocabulary) -> float:
    """How often an image lies nearer to its own text than to one that is wrong of it; by chance 0.5."""
    parts = [images[start : start + 256] for start in range(0, len(images), 256)]
    seen = np.concatenate([np.asarray(of_images(scale(_small(part)), training=False)) for part in parts])
    read = _read(of_texts, _numbers(captions.texts, vocabulary))
    cosines, wrong = seen @ read.T, contradict(captions.says, attributes)
    nearer = np.diag(cosines)[:, None] > cosines
    return round(float(nearer[wrong].mean()), 4) if wrong.any() else 1.0


def _round_seed(seed: int, number: int) -> int:
    """Of the sentences of a round; those of a training on them (see `captions_of`) have the plain seed."""
    return int(stream(seed, "text encoder: sentences", number + 1).integers(2**31))
