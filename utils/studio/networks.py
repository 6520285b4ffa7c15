"""The networks of an offer, in memory: what draws, judges and explains when the page asks."""

import threading
from pathlib import Path

import numpy as np

from utils import runtime
from utils.data import scale, scale_back
from utils.errors import InputError
from utils.studio.offers import Offer

runtime.import_tensorflow()

import keras  # noqa: E402

from utils.explain.checks import occlusion  # noqa: E402
from utils.explain.fixed import FixedDiscriminator, fixed_discriminator  # noqa: E402
from utils.explain.gradcam import grad_cam  # noqa: E402
from utils.explain.guided import score_saliency  # noqa: E402
from utils.latent.directions import Direction, find_directions, read_directions  # noqa: E402
from utils.models import forward, is_conditional, load_network  # noqa: E402
from utils.sampling import Sampler  # noqa: E402
from utils.text_encoder import TextEncoder, encoder_beside  # noqa: E402

MOST = 256
"""Pictures at once."""
METHODS = ("gradcam", "contributions", "occlusion", "guided")
"""How a score is explained; maps are signed, and what is positive speaks for true."""
CONTROL_SEED = 1
"""Of the random weights that maps are compared with."""


class Networks:
    """Both networks of an offer. They are read when they are first needed, and again when a training has saved others.

    The discriminator is in inference mode: its answer about a picture depends on that picture alone. (In training it
    sees whole batches, of true or of fake images only, and batch normalisation then tells it more.)

    Args:
        offer: whose networks.
    """

    def __init__(self, offer: Offer):
        self.offer = offer
        self._lock, self._read = threading.RLock(), {}

    @property
    def sampler(self) -> Sampler:
        """Draws its pictures.

        Raises:
            InputError: a run has no generator yet.
        """
        return self._network("generator", self._sampler)

    @property
    def discriminator(self) -> keras.Model:
        """The discriminator.

        Raises:
            InputError: there is none.
        """
        return self._network("discriminator", _load)

    @property
    def fixed(self) -> FixedDiscriminator | None:
        """The discriminator as explanations need it; None of a conditional one, which is not looked into."""
        return self._network("discriminator", lambda _: self._fixed(), "fixed")

    @property
    def control(self) -> FixedDiscriminator | None:
        """The same network with random weights."""
        return self._network(
            "discriminator", lambda _: self.fixed and self.fixed.randomised(CONTROL_SEED), "random weights"
        )

    @property
    def encoder(self) -> TextEncoder:
        """What reads the texts of a model that was trained on texts.

        Raises:
            InputError: it is not there.
        """
        return self._network("generator", encoder_beside, "encoder")

    def directions(self) -> list[Direction]:
        """Directions of the generator: those that `./dcgan directions` has found and kept, else, also where these are
        damaged, those that need no judge. None of a conditional model, since what it draws is asked for in words, and
        of a generator whose first layers say nothing about its latents.
        """
        if is_conditional(self.sampler.generator):
            return []
        folder = self.offer.folder / "latent" / "directions" if self.offer.run else self.offer.folder
        try:
            kept = read_directions(folder, self.sampler.latent_dim)
        except InputError:  # they are damaged
            kept = []
        if kept and self.offer.run and _written(folder / "directions.npy") < _written(self._file("generator")):
            kept = []  # the training has gone on since
        try:
            return kept or self._network("generator", lambda _: find_directions(self.sampler, None), "directions")
        except InputError:
            return []

    def draw(self, latents: np.ndarray, conditions: np.ndarray | None = None) -> np.ndarray:
        """Pictures of latents float32 (N, D), and of conditions (N, C): uint8 (N, S, S, 3)."""
        self._check(len(latents))
        with self._lock:
            return scale_back(self.sampler.images(latents, conditions))

    def judge(self, images: np.ndarray, conditions: np.ndarray | None = None) -> np.ndarray:
        """Logits of pictures uint8 (N, S, S, 3), above 0 for true: float32 (N,)."""
        self._check(len(images))
        with self._lock:
            logits = forward(self.discriminator, scale(images), conditions, logits=True)
        return np.asarray(logits, np.float32)[:, 0]

    def explain(self, image: np.ndarray, method: str, control: bool = False) -> np.ndarray:
        """Where in a picture the discriminator finds what speaks for true (positive) or fake (negative).

        Args:
            image: uint8 (S, S, 3).
            method: one of `METHODS`.
            control: by the same network with random weights, whose maps mean nothing.

        Returns:
            float32 (H, W); of "guided" (S, S, 3), a gradient by the pixels.

        Raises:
            InputError: another method, or a discriminator that cannot be looked into.
        """
        if method not in METHODS:
            raise InputError(f"A score is explained by one of {', '.join(METHODS)}. Received: {method!r}.")
        with self._lock:
            network = self.control if control else self.fixed
            if network is None:
                raise InputError("A conditional discriminator judges a picture by what it is told, too: it has no map.")
            if method == "occlusion":
                return occlusion(network, image[None])[0]
            if method == "guided":
                return score_saliency(network, image[None])[0]
            record = grad_cam(network, image[None])
            return record.combination[0] if method == "gradcam" else record.contributions[0]

    def condition(self, text: str) -> np.ndarray:
        """What a text means to a model that was trained on texts: float32 (C,).

        Raises:
            InputError: it knows no words, or not these.
        """
        if self.offer.experiment.model.conditions != "text":
            raise InputError(f"{self.offer.title} knows no words.")
        with self._lock:
            return self.encoder([text])[0]

    def over_time(self, image: np.ndarray, condition: np.ndarray | None = None) -> list[tuple[int, float]]:
        """The logit of one picture, uint8 (1, S, S, 3), and of its condition (1, C), by the discriminator of each
        summary that a run has kept (`keep_models`)."""
        run = self.offer.run
        numbers = [row[run.unit] for row in run.epochs()] if run else []
        kept = [number for number in numbers if run.model("discriminator", number).is_file()]
        kept = [kept[place] for place in np.unique(np.linspace(0, len(kept) - 1, 24).astype(int))] if kept else []

        def logit(number: int) -> float:
            with self._lock:  # for one network at a time: other visitors get their turns between
                network = _load(run.model("discriminator", number))
                return float(np.asarray(forward(network, scale(image), condition, logits=True))[0, 0])

        return [(number, logit(number)) for number in kept]

    def _sampler(self, file: Path) -> Sampler:
        trained = self.offer.network("generator")
        return Sampler.of(_load(file), self.offer.experiment, trained.conditions)

    def _fixed(self) -> FixedDiscriminator | None:
        return None if is_conditional(self.discriminator) else fixed_discriminator(self.discriminator)

    def _file(self, player: str) -> Path:
        trained = self.offer.network(player)
        if trained is None:
            raise InputError(f"{self.offer.title} has no {player} yet; a training saves one after its first summary.")
        return trained.file

    def _network(self, player: str, read, name: str = ""):
        """What is made of a player's file, read anew if the file has changed."""
        file, name = self._file(player), name or player
        stamp = file.stat().st_mtime_ns
        with self._lock:
            if name not in self._read or self._read[name][0] != stamp:
                self._read[name] = (stamp, read(file))
            return self._read[name][1]

    @staticmethod
    def _check(count: int) -> None:
        if not 1 <= count <= MOST:
            raise InputError(f"Between 1 and {MOST} pictures at once. Received: {count}.")


def _load(file: Path) -> keras.Model:
    """A saved network, in float32 whatever it was trained in: that is what a browser computes in, too."""
    network = load_network(file)
    if all(layer.compute_dtype == layer.variable_dtype for layer in network.layers):
        return network

    def full(layer: keras.Layer) -> keras.Layer:
        return type(layer).from_config(layer.get_config() | {"dtype": layer.variable_dtype})

    whole = keras.models.clone_model(network, clone_function=full)
    for layer in network.layers:
        whole.get_layer(layer.name).set_weights(layer.get_weights())
    return whole


def _written(file: Path) -> int:
    return file.stat().st_mtime_ns
