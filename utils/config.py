"""Experiments as plain, frozen dataclasses, and the presets with the source of every number.

An experiment has three sections: `.data` (which images), `.model` (the two networks) and `.training` (how they are
trained). The command line, the run folder and the library functions all speak in these terms; nothing here imports
TensorFlow.

Sources: R = the 2021 UGAN report, P = Radford, Metz, Chintala (arXiv:1511.06434), PC = their released code, L = the
SVHN lab report, A = the assignment deck, O = this project's own choice.
"""

import dataclasses
import math
import typing
from dataclasses import dataclass, field
from typing import Literal

from utils.errors import InputError


@dataclass(frozen=True)
class DataConfig:
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
    shifted or cropped copies; or equal codes of an autoencoder (P §4.1). `./dcgan dedup` shows what that finds."""
    small: Literal["leave_out", "enlarge"] = "leave_out"
    """What becomes of pictures in a folder that have a side shorter than image_size. The images of an array have one
    size, so leaving out would leave none: they are always enlarged."""
    tolerated: float = 0.9
    """Share of the pictures in a folder that may be left out because they are too small or broken; more are refused."""
    rules: Literal[1, 2] = field(default=2, compare=False, metadata={"before": 1})
    """How own pictures are read. 1, as runs of earlier versions do: only files with one of six suffixes, every folder
    at the top a class, and the first `count` of them. 2: as described for the other settings."""


@dataclass(frozen=True)
class GeneratorConfig:
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
class DiscriminatorConfig:
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
    """Whether the first block is batch-normalised too (P §3 leaves it out)."""


@dataclass(frozen=True)
class ModelConfig:
    """The two networks."""

    image_size: int = 32
    """Side of the square images, in pixels."""
    latent_dim: int = 100
    """Length of a latent vector."""
    latents: Literal["normal", "uniform"] = "normal"
    """Distribution of the latents: N(0, 1) or U(-1, 1)."""
    batch_norm: Literal["off", "batch", "moving", "moving_judge", "moving_fakes"] = "off"
    """Batch normalisation. off: none. batch: every pass of training uses the statistics of its own batch. moving: the
    generator's update sees the discriminator on its moving averages, and fakes for the discriminator come from the
    generator in inference mode (what freezing plus `predict` do; it is here to reproduce the report's failure).
    moving_judge, moving_fakes: only the first, only the second of these two."""
    batch_norm_momentum: float = 0.99
    """Share of the old value that a moving average keeps at each update."""
    weights: Literal["glorot", "normal"] = "glorot"
    """Initial weights: Glorot uniform (Keras's default), or N(0, 0.02) with batch normalisation's gains N(1, 0.02)."""
    width: float = 1.0
    """Factor on every number of channels: 0.5 is about four times as cheap."""
    leaky_slope: float = 0.2
    """Slope of LeakyReLU for negative inputs."""
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)


@dataclass(frozen=True)
class TrainingConfig:
    """How the networks are trained."""

    epochs: int = 10
    """How many times to go through the images."""
    batch_size: int = 128
    """True images per update (as many fake ones go with them). An incomplete last batch of an epoch is left out."""
    learning_rate: float = 2e-4
    """Adam's step size, for both networks."""
    beta_1: float = 0.5
    """Adam's decay of the first moment."""
    beta_2: float = 0.999
    """Adam's decay of the second moment."""
    discriminator_updates: Literal["separate", "joint"] = "separate"
    """separate: one Adam step on the true batch, then one on the fake batch. joint: one on the sum of both losses."""
    join_batches: bool = False
    """Send true and fake images through the discriminator as one batch (needs joint updates); only batch normalisation
    can tell the difference."""
    shared_latents: bool = False
    """Use one set of latents, and one pass of the generator, for both networks' updates: faster by about a sixth."""
    discriminator_steps: int = 1
    """Updates of the discriminator for each update of the generator, each on a batch of its own."""
    generator_loss: Literal["non_saturating", "saturating"] = "non_saturating"
    """What the generator descends: -log D(fake), or log(1 - D(fake)), whose gradient vanishes where the discriminator
    is sure (Goodfellow et al., arXiv:1406.2661, §3). `loss_generator` in the records is the first in both cases."""
    label_smoothing: float = 0.0
    """How much the label of true samples is lowered from 1 (one-sided smoothing)."""
    averaging: float = 0.0
    """Decay of the moving average of the generator that samples are drawn from; 0 draws from the generator itself. It
    warms up: after t updates the decay is at most (1 + t) / (10 + t)."""
    seed: int = 0
    """Seed of initial weights, order of the images, latents and dropout."""
    samples_seed: int = 1
    """Seed of the latents of the epoch grids, separate so that grids of different runs show the same latents."""
    summary_samples: int = 256
    """True and fake samples that the performance summary scores after each epoch."""
    summary_epochs: int = 1
    """Epochs between summaries (grid, scores, models); the first and the last epoch always have one."""
    keep_models: bool = False
    """Keep both networks as they are at every summary, in models/epoch_NNNN/, for films and studies."""
    watch_updates: int = 25
    """Updates between looks at what batch normalisation does to the two updates, and at diversity; 0 never looks."""
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


def replace(experiment: Experiment, **changes) -> Experiment:
    """A copy of `experiment` with settings changed by their plain names.

    Args:
        experiment: what to start from.
        **changes: a setting of the sections data, model or training (`epochs=3`, `batch_norm="batch"`), or of one
            network (`generator={"kernel": 5}`).

    Raises:
        InputError: a name that is no setting, or settings that contradict each other.
    """
    sections = {name: {} for name in ("data", "model", "training")}
    for name, value in changes.items():
        homes = [s for s in sections if name in {f.name for f in dataclasses.fields(getattr(experiment, s))}]
        if not homes:
            raise InputError(f"No setting is called {name!r}; `./dcgan train --help` lists them.")
        if name in ("generator", "discriminator") and isinstance(value, dict):
            value = dataclasses.replace(getattr(experiment.model, name), **value)
        sections[homes[0]][name] = value
    return dataclasses.replace(
        experiment, **{s: dataclasses.replace(getattr(experiment, s), **v) for s, v in sections.items() if v}
    )


def check(experiment: Experiment) -> None:
    """Refuse settings that are out of range or contradict each other.

    Raises:
        InputError: one sentence that names the setting, what was expected and what was received.
    """
    model, training = experiment.model, experiment.training
    generator, discriminator = model.generator, model.discriminator

    def expect(holds: bool, sentence: str) -> None:
        if not holds:
            raise InputError(sentence)

    def at_least(section: object, low: int, *names: str) -> None:
        for name in names:
            value = getattr(section, name)
            expect(value >= low, f"{name} must be at least {low}. Received: {value}.")

    at_least(training, 1, "epochs", "batch_size", "discriminator_steps", "summary_samples")
    at_least(training, 1, "summary_epochs")
    at_least(training, 0, "seed", "samples_seed", "watch_updates")
    at_least(experiment.data, 0, "data_seed")
    tolerated = experiment.data.tolerated
    expect(0 <= tolerated <= 1, f"tolerated is a share, so it must lie in [0, 1]. Received: {tolerated}.")
    at_least(model, 1, "image_size", "latent_dim")
    if experiment.data.count is not None:
        at_least(experiment.data, 1, "count")
        expect(
            training.batch_size <= experiment.data.count,
            "batch_size must be at most the number of images. "
            f"Received: batch_size={training.batch_size}, count={experiment.data.count}.",
        )
    for section, names in (
        (training, ("beta_1", "beta_2", "averaging", "label_smoothing")),
        (model, ("batch_norm_momentum",)),
        (discriminator, ("dropout",)),
    ):
        for name in names:
            value = getattr(section, name)
            expect(0 <= value < 1, f"{name} must lie in [0, 1). Received: {value}.")
    for section, name in ((training, "learning_rate"), (model, "width")):
        value = getattr(section, name)
        expect(0 < value < math.inf, f"{name} must be a number above 0. Received: {value}.")
    for name, section in (("generator", generator), ("discriminator", discriminator)):
        expect(
            len(section.filters) == len(section.strides) > 0,
            f"{name}.filters and {name}.strides must name the same blocks, one number each. "
            f"Received: {section.filters} and {section.strides}.",
        )
        expect(
            min(*section.filters, *section.strides, section.kernel) >= 1,
            f"{name}.filters, {name}.strides and {name}.kernel must be at least 1. "
            f"Received: {section.filters}, {section.strides} and {section.kernel}.",
        )
    at_least(generator, 1, "start", "start_filters", "output_kernel", "output_stride")
    side = generator.start * math.prod(generator.strides) * generator.output_stride
    expect(
        side == model.image_size,
        f"The generator's start and strides make images of {side} pixels, but image_size is {model.image_size}: "
        "change image_size, or choose a preset for that size.",
    )
    expect(
        model.image_size % math.prod(discriminator.strides) == 0,
        f"The discriminator's strides {discriminator.strides} do not divide image_size {model.image_size}.",
    )
    expect(
        training.discriminator_updates == "joint" or not training.join_batches,
        "join_batches needs one update on both batches: add --discriminator-updates joint.",
    )
    expect(
        training.discriminator_steps == 1 or not training.shared_latents,
        "shared_latents means one set of latents for one update of each network, so it needs discriminator_steps 1. "
        f"Received: {training.discriminator_steps}.",
    )
    expect(
        model.batch_norm not in ("moving", "moving_fakes") or not training.shared_latents,
        f"batch_norm {model.batch_norm} makes the discriminator's fakes in inference mode and the generator's in "
        "training mode, so they cannot share one pass: leave shared_latents off.",
    )


def to_dict(experiment: Experiment) -> dict:
    """The experiment as nested dicts of plain values, for `experiment.json`."""
    return dataclasses.asdict(experiment)


def from_dict(values: dict) -> Experiment:
    """The experiment that `to_dict` wrote.

    Raises:
        InputError: fields are unknown or of the wrong kind, so it is not an experiment of this version.
    """
    return _build(Experiment, values, "experiment")


def _build(cls: type, values: object, where: str):
    if not isinstance(values, dict):
        raise InputError(f"{where} should be an object with settings. Received: {values!r}.")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    if odd := ", ".join(sorted(set(values) - set(fields))):
        raise InputError(f"{where} was written by another version of this project: unknown settings: {odd}.")
    built = {}
    for name, kind in typing.get_type_hints(cls).items():
        if name not in values:  # a setting that is younger than the file: how it was before, mostly its default
            if "before" in fields[name].metadata:
                built[name] = fields[name].metadata["before"]
            continue
        if dataclasses.is_dataclass(kind):
            built[name] = _build(kind, values[name], f"{where}.{name}")
        else:
            built[name] = tuple(values[name]) if isinstance(values[name], list) else values[name]
    return cls(**built)


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


# --- the presets ------------------------------------------------------------------------------------------------------

_REPORT32 = ModelConfig(
    image_size=32,
    latent_dim=100,  # R
    latents="normal",  # R: randn
    leaky_slope=0.2,  # R, as P §4
    weights="glorot",  # R does not say: Keras's default
    generator=GeneratorConfig(
        start=4, start_filters=256, filters=(128, 128, 128), strides=(2, 2, 2), kernel=4, output="conv", output_kernel=3
    ),  # R Fig 7: 1,466,115 parameters
    discriminator=DiscriminatorConfig(
        filters=(64, 128, 128, 256), strides=(1, 2, 2, 2), kernel=3, dropout=0.4, dropout_at="head"
    ),  # R Fig 5: 522,497 parameters
)

_REPORT_TRAINING = TrainingConfig(
    epochs=50,
    batch_size=128,
    # R prints 2e-5 "as suggested in the paper"; the paper's value (P §4) is 2e-4, and that is what stands here.
    learning_rate=2e-4,
    beta_1=0.5,  # R, as P §4
    discriminator_updates="separate",  # R: train_on_batch on true, then on fake
)

_PAPER_TRAINING = TrainingConfig(
    epochs=25,  # PC faces: niter
    batch_size=128,  # P §4
    learning_rate=2e-4,  # P §4
    beta_1=0.5,  # P §4
    discriminator_updates="joint",  # PC: d_cost = d_cost_real + d_cost_gen (their sum; Adam does not see the factor 2)
)

_PAPER_GENERATOR = GeneratorConfig(
    kernel=5,
    output="conv_transpose",
    output_kernel=5,
    output_stride=2,
    activation="relu",  # P §3
    bias=False,  # PC: weights, gains and shifts only
    norm_start="flat",  # PC: batchnorm before the reshape
)


def _paper_generator(**changes) -> GeneratorConfig:
    return dataclasses.replace(_PAPER_GENERATOR, **changes)


_PRESETS: dict[str, tuple[str, Experiment]] = {
    "quick": (
        "Built-in faces in minutes on a CPU: report32 at half width with the batch-normalisation recipe.",
        Experiment(
            data=DataConfig(name="faces", count=8000),  # O
            model=dataclasses.replace(
                _REPORT32,
                width=0.5,  # O: a quarter of the arithmetic
                batch_norm="batch",  # O: without it the same minutes give mud
                batch_norm_momentum=0.9,  # O: the averages must keep up with 800 updates
                weights="normal",  # P §4: N(0, 0.02)
            ),
            training=dataclasses.replace(
                _REPORT_TRAINING,
                epochs=7,  # O: under 4 minutes on two cores
                batch_size=64,
                discriminator_updates="joint",
                shared_latents=True,
                averaging=0.99,
            ),
        ),
    ),
    "report32": (
        "The report's networks for CIFAR-10, SVHN and CelebA (no batch normalisation, as in its final runs).",
        Experiment(data=DataConfig(name="cifar10"), model=_REPORT32, training=_REPORT_TRAINING),
    ),
    "report64": (
        "The report's networks for LSUN bedrooms: one block more on either side.",
        Experiment(
            data=DataConfig(name="lsun_bedroom"),
            model=dataclasses.replace(
                _REPORT32,
                image_size=64,
                # R: "modified slightly" for 64x64, no figure given; O: one block more of the last kind
                generator=dataclasses.replace(_REPORT32.generator, filters=(128, 128, 128, 128), strides=(2, 2, 2, 2)),
                discriminator=dataclasses.replace(
                    _REPORT32.discriminator, filters=(64, 128, 128, 256, 256), strides=(1, 2, 2, 2, 2)
                ),
            ),
            training=_REPORT_TRAINING,
        ),
    ),
    "paper64": (
        "The paper's networks for 64x64 pictures (Fig 1), with batch normalisation.",
        Experiment(
            data=DataConfig(name="lsun_bedroom"),
            model=ModelConfig(
                image_size=64,
                latent_dim=100,  # P Fig 1
                latents="uniform",  # P Fig 1
                batch_norm="batch",  # P §3
                weights="normal",  # P §4
                generator=_paper_generator(start_filters=1024, filters=(512, 256, 128), strides=(2, 2, 2)),  # P Fig 1
                discriminator=DiscriminatorConfig(
                    filters=(64, 128, 256, 512), strides=(2, 2, 2, 2), kernel=5, dropout=0.0, bias=False
                ),  # PC faces has 128 to 1024; 64 to 512 mirrors the generator, as most later DCGANs do
            ),
            training=_PAPER_TRAINING,
        ),
    ),
    "paper_svhn": (
        "The paper's networks for SVHN at 32x32 (7,168 pooled features).",
        Experiment(
            data=DataConfig(name="svhn"),
            model=ModelConfig(
                image_size=32,
                latent_dim=100,  # PC: model named ..._100z_gaussian_lr_0.0005_64mb
                latents="normal",  # PC: gaussian
                batch_norm="batch",
                weights="normal",
                generator=_paper_generator(start_filters=256, filters=(128, 64), strides=(2, 2)),
                discriminator=DiscriminatorConfig(
                    filters=(64, 128, 256), strides=(2, 2, 2), kernel=5, dropout=0.0, bias=False
                ),  # PC svhn: w, w2, w3
            ),
            training=dataclasses.replace(
                _PAPER_TRAINING,
                epochs=200,  # PC: epoch = 200
                batch_size=64,  # PC: 64mb
                learning_rate=5e-4,  # PC: lr_0.0005
            ),
        ),
    ),
    "paper_cifar": (
        "The paper's networks behind its CIFAR-10 features, trained on ImageNet-32 (28,672 pooled features).",
        Experiment(
            data=DataConfig(name="imagenet32"),
            model=ModelConfig(
                image_size=32,
                latent_dim=256,  # PC imagenet: nz
                latents="uniform",  # PC imagenet
                batch_norm="batch",
                weights="normal",
                generator=_paper_generator(
                    start_filters=512,
                    filters=(512, 256, 256, 128, 128),
                    strides=(2, 1, 2, 1, 2),
                    kernel=3,
                    output_kernel=3,
                    output_stride=1,
                ),  # PC imagenet: strides as there; channels mirror the discriminator's, whose shapes are documented
                discriminator=DiscriminatorConfig(
                    filters=(128, 128, 256, 256, 512, 512),
                    strides=(1, 2, 1, 2, 1, 2),
                    kernel=3,
                    dropout=0.0,
                    bias=False,
                ),  # PC imagenet: ndf = 128
            ),
            training=dataclasses.replace(_PAPER_TRAINING, epochs=30),  # PC: 30_gen_params
        ),
    ),
    "lab32": (
        "The SVHN lab report's networks: 5x5 kernels, batch normalisation in the generator only.",
        Experiment(
            data=DataConfig(name="svhn"),
            model=ModelConfig(
                image_size=32,
                latent_dim=100,  # L
                batch_norm="batch",  # L: the generator is called with training=True in its own update
                generator=GeneratorConfig(
                    start=8,
                    start_filters=256,
                    filters=(128, 128, 64),
                    strides=(1, 1, 2),
                    kernel=5,
                    output="conv_transpose",
                    output_kernel=5,
                    output_stride=2,
                    bias=False,
                    norm_start="flat",
                ),  # L: 1638400, 65536, 819200, 512, 409600, 512, 204800, 256, 4800
                discriminator=DiscriminatorConfig(
                    filters=(64, 128, 128),
                    strides=(2, 1, 2),
                    kernel=5,
                    dropout=0.3,  # O: the rate of TensorFlow's DCGAN tutorial, whose layers these resemble
                    dropout_at="blocks",
                    norm=False,
                ),  # L: 627,713 parameters
            ),
            training=dataclasses.replace(
                _REPORT_TRAINING, learning_rate=1e-4, beta_1=0.9, discriminator_updates="joint"
            ),  # O: those of TensorFlow's DCGAN tutorial
        ),
    ),
    "assignment64": (
        "The assignment deck's all-convolutional networks: no dense layer on either side.",
        Experiment(
            data=DataConfig(name="celeba"),
            model=ModelConfig(
                image_size=64,
                latent_dim=100,  # A
                batch_norm="batch",
                weights="normal",
                generator=GeneratorConfig(
                    start=4,
                    start_filters=512,
                    projection="conv_transpose",  # A: latents as a 1x1x100 map
                    filters=(256, 128, 64),
                    strides=(2, 2, 2),
                    kernel=4,
                    output="conv_transpose",
                    output_kernel=4,
                    output_stride=2,
                    activation="relu",
                    bias=False,
                ),
                discriminator=DiscriminatorConfig(
                    filters=(64, 128, 256, 512), strides=(2, 2, 2, 2), kernel=4, head="conv", dropout=0.0, bias=False
                ),  # A: the last convolution shrinks 4x4 to 1x1
            ),
            training=_PAPER_TRAINING,
        ),
    ),
}


def presets() -> dict[str, str]:
    """Names of the presets with one line about each, in the order to read them."""
    return {name: about for name, (about, _) in _PRESETS.items()}


def preset(name: str) -> Experiment:
    """The experiment called `name`, with `.data`, `.model` and `.training`.

    Raises:
        InputError: there is no such preset; the message lists them.
    """
    if name not in _PRESETS:
        raise InputError(f"There is no preset {name!r}; choose one of {', '.join(_PRESETS)}.")
    return dataclasses.replace(_PRESETS[name][1], preset=name)
