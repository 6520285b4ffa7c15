"""Experiments as plain, frozen dataclasses; `presets` holds those to start from.

An experiment has three sections: `.data` (which images), `.model` (the two networks) and `.training` (how they are
trained). The command line, the run folder and the library functions all speak in these terms; nothing here imports
TensorFlow.

Sources: P = Radford, Metz, Chintala (arXiv:1511.06434).
"""

import dataclasses
import functools
import importlib
import math
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from utils.errors import InputError
from utils.registries import AUGMENTATIONS, LOSSES


@dataclass(frozen=True)
class Statistics:
    """Which statistics batch normalisation uses in each pass: "batch", those of the images at hand, or "moving".

    Attributes:
        fakes: the generator, when it draws fakes for the discriminator's update.
        judge: the discriminator, when it judges fakes for the generator's update.
        scores: the discriminator outside of updates, when its scores are looked at. In all other passes of an update
            both networks use the batch.
    """

    fakes: str
    judge: str
    scores: str


STATISTICS = {
    "batch": Statistics(fakes="batch", judge="batch", scores="batch"),
    "moving": Statistics(fakes="moving", judge="moving", scores="moving"),
    "moving_judge": Statistics(fakes="batch", judge="moving", scores="moving"),
    "moving_fakes": Statistics(fakes="moving", judge="batch", scores="moving"),
}
"""The arms of batch normalisation by name (see `TrainingConfig.statistics`)."""

TEXT_DIM = 64
"""Length of the vector of a text."""

CHECKPOINT_SECONDS = 120.0
"""Time between checkpoints; there is one after every epoch too. It does not touch the result, so it is no setting."""


def check_checkpoint_seconds(seconds: float) -> None:
    """Refuse a time between checkpoints that is less than none, or no number."""
    if not seconds >= 0:
        raise InputError(f"checkpoint_seconds must be 0 or more. Received: {seconds}.")


class _Section:
    """Settings. A list, as JSON has them and users write them, is kept as a tuple, so that the same settings are equal
    and can be hashed however they were given."""

    def __post_init__(self):
        for name, value in list(vars(self).items()):
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))


@dataclass(frozen=True)
class DataConfig(_Section):
    """Which images to train on."""

    name: str = "faces"
    """Name of a dataset (`./dcgan datasets` lists them), or a folder of pictures, or an .npz / .npy file."""
    count: int | None = None
    """How many images to use: of a dataset the first so many, in its fixed order; of own pictures so many drawn by
    data_seed, those of a smaller number being among those of a larger. All of them by default (a built-in dataset draws
    10,000)."""
    choices: str = "independent"
    """Which named set of choices a built-in dataset draws from."""
    split: str = "train"
    """Which part of the dataset: train, test, or another that `./dcgan datasets` names. Folders train/, test/, valid/
    at the top of a folder of pictures are such parts, and "all" is all of them."""
    data_seed: int = 0
    """Seed of the drawings of a built-in dataset, and of which own pictures `count` takes. Other datasets do not depend
    on it."""
    dedup: Literal["off", "exact", "near", "autoencoder"] = "off"
    """Which images to leave out because they repeat earlier ones: equal pixels; also recompressed, brightened, slightly
    shifted or cropped copies; or equal codes of an autoencoder (Radford, Metz, Chintala §4.1). `./dcgan dedup` shows
    what that finds."""
    without: tuple[str, ...] = ()
    """Combinations of attributes, such as "hat & sunglasses": images that have all of one are left out, to see whether
    what is trained can draw what it has never seen."""
    small: Literal["leave_out", "enlarge"] = "leave_out"
    """What becomes of pictures in a folder that have a side shorter than image_size. The images of an array have one
    size, so leaving out would leave none: they are always enlarged."""
    tolerated: float = 0.9
    """Share of the pictures in a folder that may be left out because they are too small or broken; more are refused."""
    rules: Literal[1, 2] = field(default=2, compare=False, metadata={"before": 1})
    """How own pictures are read. 1, as runs of earlier versions do: only files with one of six suffixes, every folder
    at the top a class, and the first `count` of them. 2: as described for the other settings."""


@dataclass(frozen=True)
class GeneratorConfig(_Section):
    """Latents -> a small map of features -> blocks that enlarge it -> an RGB image through tanh."""

    start: int = 4
    """Side of the first feature map, in pixels."""
    start_filters: int = 256
    """Channels of the first feature map."""
    projection: Literal["dense", "conv_transpose"] = "dense"
    """How latents become the first map: a dense layer and a reshape, or one transposed convolution of a 1x1 map."""
    filters: tuple[int, ...] = (128, 128, 128)
    """Channels of the transposed-convolution blocks."""
    strides: tuple[int, ...] = (2, 2, 2)
    """Stride of each block: 2 doubles the side."""
    kernel: int = 4
    """Kernel side of the blocks."""
    output: Literal["conv", "conv_transpose"] = "conv"
    """The layer that makes the image."""
    output_kernel: int = 3
    """Kernel side of the layer that makes the image."""
    output_stride: int = 1
    """Stride of the layer that makes the image."""
    activation: Literal["relu", "leaky_relu"] = "leaky_relu"
    """Activation after the first map and after every block."""
    bias: bool = True
    """Whether layers have biases."""
    norm_start: Literal["flat", "map"] = "map"
    """Where the first batch normalisation acts: on the flat projection (each unit has its own statistics) or on the
    reshaped map (each channel has)."""


@dataclass(frozen=True)
class DiscriminatorConfig(_Section):
    """Blocks of strided convolutions that shrink the image -> one logit -> a score in (0, 1)."""

    filters: tuple[int, ...] = (64, 128, 128, 256)
    """Channels of the convolution blocks."""
    strides: tuple[int, ...] = (1, 2, 2, 2)
    """Stride of each block: 2 halves the side."""
    kernel: int = 3
    """Kernel side of the blocks."""
    head: Literal["dense", "conv"] = "dense"
    """How the last map becomes one logit: flatten and a dense layer, or one convolution over the whole map."""
    dropout: float = 0.4
    """Dropout rate; 0 leaves the layers out."""
    dropout_at: Literal["head", "blocks"] = "head"
    """Dropout once before the head, or after every block."""
    bias: bool = True
    """Whether layers have biases."""
    norm: bool = True
    """Whether this network is batch-normalised at all (where batch_norm is not off)."""
    norm_first: bool = False
    """Whether the first block is batch-normalised too (Radford, Metz, Chintala §3 leave it out)."""


@dataclass(frozen=True)
class ModelConfig(_Section):
    """The two networks."""

    image_size: int = 32
    """Side of the square images, in pixels."""
    latent_dim: int = 100
    """Length of a latent vector."""
    latents: Literal["normal", "uniform"] = "normal"
    """Distribution of the latents: N(0, 1) or U(-1, 1)."""
    batch_norm: Literal["off", "on"] = "off"
    """Whether the networks are batch-normalised. Which statistics the passes of an update use is another question:
    see --statistics."""
    batch_norm_momentum: float = 0.99
    """Share of the old value that a moving average keeps at each update."""
    batch_norm_parts: int = 1
    """Into how many parts the batch is cut in updates, each normalised by its own statistics: with 8 an update computes
    what eight devices do that do not tell each other their statistics (they do here, see --strategy)."""
    weights: Literal["glorot", "normal"] = "glorot"
    """Initial weights: Glorot uniform (Keras's default), or N(0, 0.02) with batch normalisation's gains N(1, 0.02)."""
    width: float = 1.0
    """Factor on every number of channels: 0.5 is about four times as cheap."""
    leaky_slope: float = 0.2
    """Slope of LeakyReLU for negative inputs."""
    spectral_norm: bool = False
    """Divide each kernel of the discriminator by its largest singular value (Miyato et al., arXiv:1802.05957)."""
    conditions: Literal["none", "labels", "attributes", "text"] = "none"
    """What the generator is told to draw, and the discriminator that it was told (Mirza and Osindero,
    arXiv:1411.1784): the class of an image, or its attributes, as far as the dataset knows them; or a sentence about
    it (built-in faces, CelebA), as an encoder reads it that is trained here first (goes with --loss gan_cls)."""
    condition_names: tuple[str, ...] = ()
    """Which attributes these are, by their names; by default all that the dataset has. A run keeps the names; of texts
    it keeps some examples."""
    condition_dim: int = 128
    """Values that a condition is projected to, by a dense layer, before it is joined to latents or features."""
    conditioning: Literal["projection", "concatenation"] = "projection"
    """How the discriminator judges a condition. projection: the inner product of the embedded condition and the summed
    features is added to the logit (Miyato and Koyama, arXiv:1802.05637). concatenation: the projected condition is
    joined to the last feature map at every place (Reed et al., arXiv:1605.05396)."""
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)

    @property
    def is_conditional(self) -> bool:
        """Whether both networks take conditions beside their other input."""
        return self.conditions != "none"

    @property
    def condition_size(self) -> int:
        """Length of a condition: one value for each class or attribute, or that of a text's vector; 0 where there is
        none."""
        if self.conditions == "text":
            return TEXT_DIM
        return len(self.condition_names) if self.is_conditional else 0


@dataclass(frozen=True)
class TrainingConfig(_Section):
    """How the networks are trained."""

    epochs: int = 10
    """How many times to go through the images. It does not count where updates says how long to train."""
    updates: int | None = None
    """How many updates to train for, exactly, however often these go through the images; in place of epochs."""
    batch_size: int = 128
    """True images per update (as many fake ones go with them). An incomplete last batch of an epoch is left out."""
    shuffle: Literal["full", "blocks"] = "full"
    """In which order each epoch goes through the images. full: any. blocks: so that a slow disk, or one that memory
    cannot keep, sees long reads: blocks of neighbours in any order, of which 16 at a time are mixed with each other."""
    shuffle_block: int = 256
    """Images of a block (3 MB of 64x64 pixels), where shuffle is blocks."""
    learning_rate: float = 2e-4
    """Adam's step size."""
    discriminator_learning_rate: float | None = None
    """Adam's step size for the discriminator, if it is another (two time scales, Heusel et al., arXiv:1706.08500)."""
    learning_rate_decay: float = 1.0
    """Factor on both step sizes per 1,000 updates: with 0.9 they are a third after 10,500."""
    beta_1: float = 0.5
    """Adam's decay of the first moment."""
    beta_2: float = 0.999
    """Adam's decay of the second moment."""
    recipe: str = "dcgan"
    """Who is updated by what, and in which order: dcgan, regularised or rotation (`registries.RECIPES`)."""
    loss: Literal[tuple(LOSSES)] = "non_saturating"  # type: ignore[valid-type]
    """What the networks descend. non_saturating: the generator -log D(fake); saturating: log(1 - D(fake)), whose
    gradient vanishes where the discriminator is sure (Goodfellow et al., arXiv:1406.2661, §3; `loss_generator` in the
    records is the first in both cases). relativistic: scores of true and fake in pairs (R3GAN, arXiv:2501.05441).
    hinge (arXiv:1705.02894), least_squares (arXiv:1611.04076), wasserstein with gradient penalty (arXiv:1704.00028).
    gan_cls: true images also have to be told from true ones with a condition that is wrong of them (GAN-CLS, Reed et
    al., arXiv:1605.05396, Algorithm 1); gan_int_cls: and the generator draws for means of two texts, too (eq. 5)."""
    discriminator_updates: Literal["separate", "joint"] = "separate"
    """separate: one Adam step on the true batch, then one on the fake batch. joint: one on the sum of both losses."""
    join_batches: bool = False
    """Send true and fake images through the discriminator as one batch (needs joint updates); only batch normalisation
    can tell the difference."""
    shared_latents: bool = False
    """Use one set of latents, and one pass of the generator, for both networks' updates: faster by about a sixth."""
    simultaneous: bool = False
    """Let one pass of the discriminator over the fakes serve both networks, before either has changed (as in
    TensorFlow's tutorial): an eighth less arithmetic. Needs joint updates and shared latents."""
    discriminator_steps: int = 1
    """Updates of the discriminator for each update of the generator, each on a batch of its own."""
    generator_steps: int = 1
    """Updates of the generator in a row, each on latents of its own."""
    statistics: Literal[tuple(STATISTICS)] = "batch"  # type: ignore[valid-type]
    """Which statistics batch normalisation uses. batch: every pass of training those of its own batch. moving: the
    generator's update sees the discriminator on its moving averages, and fakes for the discriminator come from the
    generator in inference mode (what freezing plus `predict` do; it is here to reproduce the report's failure).
    moving_judge, moving_fakes: only the first, only the second of these two."""
    r1: float = 0.0
    """Weight of R1: half the squared gradient of the discriminator's logit at true images (arXiv:1801.04406, eq. 9)."""
    r2: float = 0.0
    """Weight of R2: the same at fake images."""
    gradient_penalty: float = 10.0
    """Weight of the gradient penalty that the wasserstein loss has (arXiv:1704.00028, eq. 3)."""
    mode_seeking: float = 0.0
    """Weight of mode seeking: two latents are to draw different pictures under the same condition (arXiv:1903.05628;
    there it is 1)."""
    reconstruction: float = 1.0
    """Weight of the squared error of reconstructions in the recipe regularised: 1 as released, where it outweighs the
    other losses a thousand times; 0 leaves the discriminator's judgement of them alone."""
    penalty_every: int = 1
    """Updates between penalties, whose weight is multiplied by as much (lazy regularisation, arXiv:1912.04958 §3.1)."""
    augment: tuple[Literal[tuple(AUGMENTATIONS)], ...] = ()  # type: ignore[valid-type]
    """What is done to true and fake images alike before the discriminator sees them, in both networks' updates, so that
    few images last longer: colour, translation, cutout (differentiable augmentation, arXiv:2006.10738), mirror (left
    and right by chance, where either is as true: not letters and digits), noise."""
    label_noise: float = 0.0
    """Share of the true samples whose label is turned round in an update."""
    label_smoothing: float = 0.0
    """How much the label of true samples is lowered from 1 (one-sided smoothing)."""
    ema_decay: float = 0.0
    """Decay of the exponential moving average of the generator that samples are drawn from; 0 draws from the generator
    itself. It warms up: after t updates the decay is at most (1 + t) / (10 + t), an average over the last t / 9
    updates: a share of the training, as in Karras et al. (arXiv:2312.02696 §3.1). 0.9999 leaves it at that up to
    90,000 updates, 0.99 goes over the last 100 from 900 on."""
    seed: int = 0
    """Seed of initial weights, order of the images, latents and dropout."""
    samples_seed: int = 1
    """Seed of the latents of the epoch grids, separate so that grids of different runs show the same latents."""
    summary_samples: int = 256
    """True and fake samples that the performance summary scores after each epoch."""
    summary_epochs: int = 1
    """Epochs between summaries (grid, scores, models); there is always one before the first and one after the last.
    Where it is not given, `./dcgan train` takes more in long trainings, for at most 50 summaries."""
    summary_updates: int = 100
    """The same in updates, where updates says how long to train."""
    keep_models: bool = False
    """Keep both networks as they are at every summary, in models/epoch_NNNN/ (or update_), for films and studies."""
    watch_updates: int = 25
    """Updates between measurements of what batch normalisation does to the two updates, and of diversity, which
    warnings are made of; 0 never measures."""
    on_collapse: Literal["warn", "stop", "rollback"] = "warn"
    """What is done when measurements say that training has failed: a warning alone, stop, or go back to the last
    summary where it was healthy and on with step sizes half as large, where that can help (collapse, a discriminator
    that has won, numbers that grow: of other failures it warns); the fourth time it stops."""
    keep: Literal["last", "best"] = "last"
    """Which networks are kept: the last, or beside them, in models/best, those whose samples were nearest to held-out
    images at a summary. Measuring takes some seconds at each."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Number format of the layers' arithmetic; the mixed ones suit GPUs, mixed_bfloat16 also some CPUs (README)."""
    xla: Literal["auto", "on", "off"] = "auto"
    """Compile the update with XLA; auto: where there is a GPU (on a CPU it halves the speed)."""


@dataclass(frozen=True)
class Experiment:
    """Everything that decides a run's result."""

    preset: str = "custom"
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self):
        check(self)


RENAMED = {"averaging": "ema_decay", "generator_loss": "loss"}
"""Earlier names of settings. Files, commands and `replace` go on taking them."""


def replace(experiment: Experiment, **changes) -> Experiment:
    """A copy of `experiment` with settings changed by their plain names.

    Args:
        experiment: what to start from.
        **changes: a setting of the sections data, model or training (`epochs=3`, `batch_norm="on"`), or of one
            network (`generator={"kernel": 5}`).

    Raises:
        InputError: a name that is no setting, a value of the wrong kind, or settings that contradict each other.
    """
    sections = {name: {} for name in ("data", "model", "training")}
    if "epochs" in changes:  # whichever of the two is asked for says how long to train
        changes = {"updates": None} | changes
    for name, value in modern(changes).items():
        homes = [s for s in sections if name in {f.name for f in dataclasses.fields(getattr(experiment, s))}]
        if not homes:
            raise InputError(f"No setting is called {name!r}; `./dcgan train --help` lists them.")
        if name in ("generator", "discriminator") and isinstance(value, dict):
            network = getattr(experiment.model, name)
            if odd := ", ".join(sorted(set(value) - set(vars(network)))):
                raise InputError(f"The {name} has no setting {odd}; `./dcgan train --help` lists those that it has.")
            value = dataclasses.replace(network, **value)
        sections[homes[0]][name] = value
    return dataclasses.replace(
        experiment, **{s: dataclasses.replace(getattr(experiment, s), **v) for s, v in sections.items() if v}
    )


def check(experiment: Experiment) -> None:
    """Refuse settings that are of the wrong kind, out of range or contradict each other.

    Raises:
        InputError: one sentence that names the setting, what was expected and what was received.
    """
    _check_kinds(experiment)
    _check_data(experiment)
    _check_training(experiment.training)
    _check_model(experiment.model)
    _check_networks(experiment.model)
    _check_normalisation(experiment)
    for setting, holds, sentence in (*_WITHOUT_EFFECT, *_REQUIRED):
        section = experiment.training if hasattr(experiment.training, setting) else experiment.model
        if section != _at_default(section, setting):  # only what was chosen requires something
            _expect(holds(experiment), f"{setting} {sentence}")


def _expect(holds: bool, sentence: str) -> None:
    if not holds:
        raise InputError(sentence)


def _at_least(low: int, section: object, *names: str) -> None:
    """Of settings that may be None only those that are not."""
    for name in names:
        value = getattr(section, name)
        _expect(value is None or value >= low, f"{name} must be at least {low}. Received: {value}.")


def _below_1(section: object, *names: str) -> None:
    for name in names:
        value = getattr(section, name)
        _expect(0 <= value < 1, f"{name} must lie in [0, 1). Received: {value}.")


def _above_0(section: object, *names: str) -> None:
    """Of settings that may be None only those that are not."""
    for name in names:
        value = getattr(section, name)
        _expect(value is None or value > 0, f"{name} must be a number above 0. Received: {value}.")


def _check_data(experiment: Experiment) -> None:
    data, batch_size = experiment.data, experiment.training.batch_size
    _at_least(0, data, "data_seed")
    _expect(0 <= data.tolerated <= 1, f"tolerated is a share, so it must lie in [0, 1]. Received: {data.tolerated}.")
    _at_least(1, data, "count")
    _expect(
        data.count is None or batch_size <= data.count,
        f"batch_size must be at most the number of images. Received: batch_size={batch_size}, count={data.count}.",
    )


def _check_training(training: TrainingConfig) -> None:
    _at_least(1, training, "epochs", "updates", "batch_size", "discriminator_steps", "generator_steps")
    _at_least(1, training, "summary_samples", "summary_epochs", "summary_updates", "penalty_every", "shuffle_block")
    _at_least(0, training, "r1", "r2", "gradient_penalty", "mode_seeking", "reconstruction")
    _at_least(0, training, "seed", "samples_seed", "watch_updates")
    _below_1(training, "beta_1", "beta_2", "ema_decay", "label_smoothing", "label_noise")
    _above_0(training, "learning_rate", "discriminator_learning_rate", "learning_rate_decay")
    _expect(
        training.watch_updates > 0 or training.on_collapse == "warn",
        f"on_collapse {training.on_collapse} goes by what is measured during training, so watch_updates must be at "
        "least 1. Received: 0.",
    )


def _check_model(model: ModelConfig) -> None:
    _at_least(1, model, "image_size", "latent_dim", "condition_dim", "batch_norm_parts")
    _at_least(0, model, "leaky_slope")
    _above_0(model, "width")
    _below_1(model, "batch_norm_momentum")
    _expect(
        model.is_conditional or not model.condition_names,
        "condition_names are those of conditions: add --conditions labels or --conditions attributes.",
    )
    _expect(
        len(set(model.condition_names)) == len(model.condition_names),
        f"condition_names must differ. Received: {', '.join(model.condition_names)}.",
    )


def _check_networks(model: ModelConfig) -> None:
    generator, discriminator = model.generator, model.discriminator
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        _expect(
            len(network.filters) == len(network.strides) > 0,
            f"{name}.filters and {name}.strides must name the same blocks, one number each. "
            f"Received: {network.filters} and {network.strides}.",
        )
        _expect(
            min(*network.filters, *network.strides, network.kernel) >= 1,
            f"{name}.filters, {name}.strides and {name}.kernel must be at least 1. "
            f"Received: {network.filters}, {network.strides} and {network.kernel}.",
        )
    _below_1(discriminator, "dropout")
    _at_least(1, generator, "start", "start_filters", "output_kernel", "output_stride")
    _expect(
        generator.output == "conv_transpose" or generator.output_stride == 1,
        "generator.output conv makes the image at the side of the last block, so generator.output_stride must be 1; "
        f"conv_transpose enlarges it. Received: {generator.output_stride}.",
    )
    side = generator.start * math.prod(generator.strides) * generator.output_stride
    _expect(
        side == model.image_size,
        f"The generator's start and strides make images of {side} pixels, but image_size is {model.image_size}: leave "
        "the networks' own options out, so that --image-size fits them (in Python utils.fitting.at_size), or make them "
        "agree.",
    )
    _expect(
        model.image_size % math.prod(discriminator.strides) == 0,
        f"The discriminator's strides {discriminator.strides} do not divide image_size {model.image_size}.",
    )


def _check_normalisation(experiment: Experiment) -> None:
    model, batch_size = experiment.model, experiment.training.batch_size
    received = f"Received: batch_size={batch_size}, batch_norm_parts={model.batch_norm_parts}."
    _expect(batch_size % model.batch_norm_parts == 0, f"batch_norm_parts must divide batch_size. {received}")
    flat = model.batch_norm == "on" and model.generator.projection == "dense" and model.generator.norm_start == "flat"
    _expect(
        not flat or batch_size > model.batch_norm_parts,
        "A flat start is normalised over the images of a batch, or of a part of it, alone, and of one image nothing is "
        "left: take a batch_size of at least 2 for each of batch_norm_parts, or generator.norm_start map. " + received,
    )


def _at_default(section: object, setting: str):
    """A section with one setting at its default; "generator.norm_start" is one of a network in it."""
    name, _, inner = setting.partition(".")
    value = _at_default(getattr(section, name), inner) if inner else getattr(type(section), name)
    return dataclasses.replace(section, **{name: value})


def _loss_may_have_a_penalty(experiment: Experiment) -> bool:
    """Whether the loss has a penalty of its own, as far as is known here: losses that others add may have some."""
    return experiment.training.loss == "wasserstein" or experiment.training.loss not in _LOSSES


# Settings that mean nothing without others: setting, what must hold where it is not at its default, and why. Those of
# presets with batch normalisation (batch_norm_momentum, norm_start, norm_first) pass where it is switched off in these.
_WITHOUT_EFFECT: tuple[tuple[str, Callable[[Experiment], bool], str], ...] = (
    *(
        (
            setting,
            lambda e: e.model.is_conditional,
            "is about conditions, of which there are none: add --conditions, or leave it out.",
        )
        for setting in ("condition_dim", "conditioning")
    ),
    (
        "batch_norm_parts",
        lambda e: e.model.batch_norm == "on",
        "is how batches are cut for batch normalisation, which is off: add --batch-norm on, or leave it out.",
    ),
    (
        "statistics",
        lambda e: e.model.batch_norm == "on",
        "is what batch normalisation goes by, which is off: add --batch-norm on, or leave it out.",
    ),
    (
        "statistics",
        lambda e: e.training.statistics != "moving_judge" or e.model.discriminator.norm,
        "is moving_judge, which is about a discriminator that is normalised, and this one is not: add "
        "--discriminator.norm, or leave it at batch.",
    ),
    (
        "generator.norm_start",
        lambda e: e.model.generator.projection == "dense",
        "is where a dense projection is normalised, and conv_transpose makes a map at once: add "
        "--generator.projection dense, or leave it at map.",
    ),
    (
        "discriminator.norm_first",
        lambda e: e.model.discriminator.norm,
        "is about the blocks of a discriminator that is normalised, which this one is not: add --discriminator.norm, "
        "or leave it off.",
    ),
    (
        "discriminator.dropout_at",
        lambda e: e.model.discriminator.dropout > 0,
        "is the place of dropout, of which there is none: add --discriminator.dropout, or leave it at head.",
    ),
    (
        "gradient_penalty",
        _loss_may_have_a_penalty,
        "is the weight of the penalty of the wasserstein loss: add --loss wasserstein, or leave it out.",
    ),
    (
        "penalty_every",
        lambda e: e.training.r1 > 0 or e.training.r2 > 0 or _loss_may_have_a_penalty(e),
        "is the time between penalties, of which there are none: add --r1, --r2 or --loss wasserstein, or leave it "
        "out.",
    ),
)
# What settings of an update require of others, likewise.
_REQUIRED: tuple[tuple[str, Callable[[Experiment], bool], str], ...] = (
    (
        "shuffle_block",
        lambda e: e.training.shuffle == "blocks",
        "is the length of the blocks of a shuffle in blocks: add --shuffle blocks.",
    ),
    (
        "join_batches",
        lambda e: e.training.discriminator_updates == "joint",
        "needs one update on both batches: add --discriminator-updates joint.",
    ),
    (
        "shared_latents",
        lambda e: e.training.discriminator_steps == e.training.generator_steps == 1,
        "means one set of latents for one update of each network, so it needs discriminator_steps 1 and "
        "generator_steps 1; or leave it out with --no-shared-latents.",
    ),
    (
        "shared_latents",
        lambda e: STATISTICS[e.training.statistics].fakes == "batch",
        "cannot be where the discriminator's fakes are made in inference mode and the generator's in training mode "
        "(statistics moving and moving_fakes), since they cannot share one pass: leave one of the two off.",
    ),
    (
        "simultaneous",
        lambda e: e.training.shared_latents and e.training.discriminator_updates == "joint",
        "needs one batch of fakes for one update of each network: add --discriminator-updates joint --shared-latents.",
    ),
    (
        "simultaneous",
        lambda e: STATISTICS[e.training.statistics].judge == "batch",
        "means that both networks see the same scores, which statistics moving and moving_judge tell apart: "
        "leave one of the two off.",
    ),
    (
        "mode_seeking",
        lambda e: e.training.batch_size > 1,
        "compares what is drawn of two latents of a batch, so batch_size must be at least 2. Received: 1.",
    ),
    (
        "loss",
        lambda e: e.training.loss != "relativistic" or e.training.discriminator_updates == "joint",
        "relativistic compares true and fake images in one update: add --discriminator-updates joint.",
    ),
    (
        "loss",
        lambda e: e.training.loss != "wasserstein" or e.training.discriminator_updates == "joint",
        "wasserstein has a penalty between true and fake images of one update: add --discriminator-updates joint.",
    ),
    (
        "loss",
        lambda e: e.training.loss != "wasserstein" or e.model.batch_norm == "off" or not e.model.discriminator.norm,
        "wasserstein has a penalty for each image alone, so its discriminator cannot be batch-normalised "
        "(arXiv:1704.00028, §4): add --discriminator.no-norm.",
    ),
    (
        "loss",
        lambda e: not e.training.loss.startswith("gan_") or e.model.is_conditional,
        "gan_cls and gan_int_cls compare images with what is said of them: add --conditions text, or another.",
    ),
    (
        "recipe",
        lambda e: e.training.recipe != "regularised" or e.training.loss in ("non_saturating", "saturating"),
        "regularised judges reconstructions by cross-entropy, so it goes with the losses non_saturating and "
        "saturating: leave --loss out.",
    ),
    (
        "recipe",
        lambda e: e.training.recipe != "rotation" or not e.model.is_conditional,
        "rotation looks at the features of a discriminator that is told nothing: leave --conditions out.",
    ),
    (
        "reconstruction",
        lambda e: e.training.recipe not in ("dcgan", "rotation"),
        "is the weight of reconstructions, which other recipes have none of: add --recipe regularised.",
    ),
    *(
        (
            setting,
            lambda e: e.training.loss in ("non_saturating", "saturating", "gan_cls", "gan_int_cls"),
            "is about the labels of the cross-entropy, which other losses do not have: leave it off.",
        )
        for setting in ("label_smoothing", "label_noise")
    ),
)


def modern(settings: dict) -> dict:
    """Settings by today's names and values, from those of any version: {"batch_norm": "moving"} becomes
    {"batch_norm": "on", "statistics": "moving"}. What is not in old files is not touched."""
    settings = {RENAMED.get(name, name): value for name, value in settings.items()}
    how = settings.get("batch_norm")  # it once said both whether and by what
    if isinstance(how, str) and how in STATISTICS:
        settings["statistics"] = settings["batch_norm"]
        settings["batch_norm"] = "on"
    return settings


def to_dict(experiment: Experiment) -> dict:
    """The experiment as nested dicts of plain values, for `experiment.json`."""
    return dataclasses.asdict(experiment)


def from_dict(values: dict) -> Experiment:
    """The experiment that `to_dict` wrote.

    Raises:
        InputError: fields are unknown or of the wrong kind, so it is not an experiment of this version.
    """
    if isinstance(values, dict) and all(isinstance(values.get(name), dict) for name in ("model", "training")):
        known = modern(values["model"] | values["training"])
        of_model = {f.name for f in dataclasses.fields(ModelConfig)} | values["model"].keys()
        values = values | {
            "model": {name: value for name, value in known.items() if name in of_model},
            "training": {name: value for name, value in known.items() if name not in of_model},
        }
    return _build(Experiment, values, "experiment")


def _build(cls: type, values: object, where: str):
    if not isinstance(values, dict):
        raise InputError(f"{where} should be an object with settings. Received: {values!r}.")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    if odd := ", ".join(sorted(set(values) - set(fields))):
        raise InputError(f"{where} was written by another version of this project: unknown settings: {odd}.")
    built = {}
    for name, kind in _kinds(cls).items():
        if name not in values:  # a setting that is younger than the file: how it was before, mostly its default
            if "before" in fields[name].metadata:
                built[name] = fields[name].metadata["before"]
            continue
        if dataclasses.is_dataclass(kind):
            built[name] = _build(kind, values[name], f"{where}.{name}")
        else:
            built[name] = values[name]
    return cls(**(_with_effect(built) if cls is Experiment else built))


def _with_effect(sections: dict) -> dict:
    """Sections of an experiment without settings that meant nothing in it: earlier versions took these."""
    read = types.SimpleNamespace(model=ModelConfig(), training=TrainingConfig())
    vars(read).update(sections)
    for name in ("model", "training"):  # what follows computes with their values
        _check_kinds(getattr(read, name), f"experiment.{name}")
    for setting, holds, _ in _WITHOUT_EFFECT:
        name = "training" if hasattr(TrainingConfig, setting) else "model"
        if not holds(read):
            setattr(read, name, _at_default(getattr(read, name), setting))
    return vars(read)


def _check_kinds(section: object, where: str = "experiment") -> None:
    """Refuse values that are not of the kinds that the settings of a section, and of those in it, have."""
    for name, kind in _kinds(type(section)).items():
        value = getattr(section, name)
        if dataclasses.is_dataclass(kind) and isinstance(value, kind):
            _check_kinds(value, f"{where}.{name}")
        elif dataclasses.is_dataclass(kind) or not _is_of(value, kind):
            received = repr(list(value) if isinstance(value, tuple) else value)
            shown = received if len(received) <= 100 else f"{received[:100]}…"
            raise InputError(f"{where}.{name} should be {_in_words(kind)}. Received: {shown}.")


_kinds = functools.cache(typing.get_type_hints)
_LOSSES, _AUGMENTATIONS = tuple(LOSSES), tuple(AUGMENTATIONS)


def _is_of(value: object, kind: object) -> bool:
    """Whether a value is of the kind that a setting has."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal and inner == _AUGMENTATIONS:
        return isinstance(value, str) and value in AUGMENTATIONS  # others may have added to it
    if origin is Literal and inner == _LOSSES:
        return isinstance(value, str)  # planted ones are there only while they are trained with; `recipe_of` asks
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in inner)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_of(each, inner[0]) for each in value)
    if origin in (typing.Union, types.UnionType):
        return any(_is_of(value, each) for each in inner)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    return type(value) is (kind or type(None))


def _in_words(kind: object) -> str:
    if dataclasses.is_dataclass(kind):
        return f"a {kind.__name__}"
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin is tuple:
        return f"a list, each {_in_words(inner[0])}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_in_words, inner))
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    return names[kind]


def differences(old: Experiment, new: Experiment) -> dict[str, tuple[object, object]]:
    """Settings in which two experiments differ, as {"training.epochs": (old value, new value)}.

    Like `==`, it passes over what only says how an earlier version read the data (`compare=False`).
    """

    def flat(values: dict, prefix: str = "") -> dict:
        out = {}
        for name, value in values.items():
            out |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        return out

    before, after = flat(to_dict(old)), flat(to_dict(new))
    passed_over = {f"data.{f.name}" for f in dataclasses.fields(DataConfig) if not f.compare}
    return {n: (before[n], after[n]) for n in before if before[n] != after[n] and n not in passed_over}


def __getattr__(name: str):
    """`from utils.config import preset, presets`, as users write it. The project itself imports `utils.presets`."""
    if name in ("preset", "presets"):
        return getattr(importlib.import_module("utils.presets"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
