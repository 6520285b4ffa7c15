"""The presets: experiments to start from, with the source of every number.

Sources: R = the 2021 UGAN report, P = Radford, Metz, Chintala (arXiv:1511.06434), PC = their released code, L = the
SVHN lab report, A = the assignment deck, G = the released code of RDCGAN (`training.recipes.regularised`), O = this
project's own choice.
"""

import dataclasses

from utils.config import DataConfig, DiscriminatorConfig, Experiment, GeneratorConfig, ModelConfig, TrainingConfig
from utils.errors import InputError

FIRST = "quick64"
"""What a training starts from where no preset is named."""
FIRST_32 = "quick32"
"""The same for images of up to 32 pixels."""
R3GAN = {
    "loss": "relativistic",
    "r1": 1.0,
    "r2": 1.0,
    "penalty_every": 8,
    "discriminator_updates": "joint",
    "discriminator": {"norm": False},
}
"""What R3GAN (arXiv:2501.05441) does to the two updates, for `config.replace`; its penalties are lazy here."""
KERNEL_4 = {"generator": {"kernel": 4, "output_kernel": 4}, "discriminator": {"kernel": 4}}
"""Kernels that the stride divides, for `config.replace`: a quarter cheaper than 5x5 (notebook 10)."""
WIDER, WIDER_FROM, WIDER_LEAST = 1.5, 15_000, 10_000
"""By how much the discriminator of `quick64` is made wider, and its step size smaller, where there is time for so many
of its updates, and for so many of the wider one's. As many minutes are then two thirds of them, and give clearer
pictures from there on (notebook 10)."""
WIDER_PENALTY = {"r1": 0.2, "penalty_every": 16}
"""What holds such a discriminator back, for `config.replace`: without, it wins after 26,000 updates, with it samples
were as good after 79,552 as after 40,000 (notebook 10; CelebA)."""
WIDE_32_FROM, WIDE_32_LEAST = 60_000, 20_000
"""From so many of its updates on, and so many of the wider ones', both networks of `quick32` get twice the channels. As
many minutes are then a third of them, and as near or nearer in two feature spaces (CIFAR-10, seed 0:
benchmarks/QUALITY.md)."""
SHORT_AVERAGE = 0.995
"""Decay of the generator's average that `quick64` had when results of studies were made that are kept: over the last
200 updates."""
SCALES = ("quick", "report", "smallest")
"""How much a notebook or a study trains. quick: minutes on a CPU. report: a notebook trains as many epochs, on as large
batches, as the report, for a GPU; a study what its committed results are made with, an hour for all seeds on two cores.
smallest: seconds, to see that everything works."""

_REPORT32 = ModelConfig(
    image_size=32,
    latent_dim=100,  # R
    latents="normal",  # R: randn
    leaky_slope=0.2,  # R, as P §4
    weights="glorot",  # R does not say: Keras's default
    generator=GeneratorConfig(
        start=4, start_filters=256, filters=(128, 128, 128), strides=(2, 2, 2), kernel=4, output="conv", output_kernel=3
    ),  # R Fig 5: 1,466,115 parameters
    discriminator=DiscriminatorConfig(
        filters=(64, 128, 128, 256), strides=(1, 2, 2, 2), kernel=3, dropout=0.4, dropout_at="head"
    ),  # R Fig 7: 522,497 parameters
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


_PAPER64 = ModelConfig(
    image_size=64,
    latent_dim=100,  # P Fig 1
    latents="uniform",  # P Fig 1
    batch_norm="on",  # P §3
    weights="normal",  # P §4
    generator=_paper_generator(start_filters=1024, filters=(512, 256, 128), strides=(2, 2, 2)),  # P Fig 1
    discriminator=DiscriminatorConfig(
        filters=(64, 128, 256, 512), strides=(2, 2, 2, 2), kernel=5, dropout=0.0, bias=False
    ),  # PC faces has 128 to 1024; 64 to 512 mirrors the generator, as most later DCGANs do
)

_PAPER_SVHN = ModelConfig(
    image_size=32,
    latent_dim=100,  # PC: model named ..._100z_gaussian_lr_0.0005_64mb
    latents="normal",  # PC: gaussian
    batch_norm="on",
    weights="normal",
    generator=_paper_generator(start_filters=256, filters=(128, 64), strides=(2, 2)),
    discriminator=DiscriminatorConfig(
        filters=(64, 128, 256), strides=(2, 2, 2), kernel=5, dropout=0.0, bias=False
    ),  # PC svhn: w, w2, w3
)

_PRESETS: dict[str, tuple[str, Experiment]] = {
    "quick64": (
        "The paper's networks at a quarter of their width: 64x64 pixels in minutes on a CPU. `./dcgan train` takes it.",
        # The one place where this recipe stands: the first command, own pictures (`fitting.recommended`) take it.
        Experiment(
            data=DataConfig(name="faces", count=8000),  # O
            model=dataclasses.replace(
                _PAPER64,
                width=0.25,  # O: a sixteenth of the arithmetic
            ),
            training=dataclasses.replace(
                _PAPER_TRAINING,
                updates=2000,  # O: 5 minutes on two cores with AVX2
                epochs=4,  # as many
                batch_size=16,  # O: six times the updates of 128 in the same time (notebook 10)
                learning_rate=4e-4,  # O: twice P's (notebook 10)
                shared_latents=True,
                ema_decay=0.9999,  # O: an average over the last ninth of the training (notebook 10)
            ),
        ),
    ),
    "quick32": (
        "The paper's SVHN networks at half their width: 32x32 in minutes on a CPU. `./dcgan train` takes it there.",
        Experiment(
            data=DataConfig(name="faces", count=8000),  # O
            model=dataclasses.replace(
                _PAPER_SVHN,
                width=0.5,  # O: a quarter of the arithmetic
                latents="uniform",  # P Fig 1
                # O: kernels that the stride divides are a quarter cheaper than 5x5 (notebook 10)
                generator=dataclasses.replace(_PAPER_SVHN.generator, kernel=4, output_kernel=4),
                discriminator=dataclasses.replace(_PAPER_SVHN.discriminator, kernel=4),
            ),
            training=dataclasses.replace(
                _PAPER_TRAINING,
                updates=4000,  # O: a minute and a half on two cores with AVX-512
                epochs=16,  # as many
                batch_size=32,  # O (notebook 10)
                learning_rate=4e-4,  # O: twice P's (notebook 10)
                shared_latents=True,
                ema_decay=0.99,  # O: two feature spaces disagree on a longer one (notebook 10)
            ),
        ),
    ),
    "quick": (
        "The report's networks at half width, with the batch-normalisation recipe: 32x32 pixels in minutes on a CPU.",
        Experiment(
            data=DataConfig(name="faces", count=8000),  # O
            model=dataclasses.replace(
                _REPORT32,
                width=0.5,  # O: a quarter of the arithmetic
                batch_norm="on",  # O: without it the same minutes give mud
                batch_norm_momentum=0.9,  # O: the averages must keep up with 800 updates
                weights="normal",  # P §4: N(0, 0.02)
            ),
            training=dataclasses.replace(
                _REPORT_TRAINING,
                epochs=7,  # O: under 4 minutes on two cores
                batch_size=64,
                discriminator_updates="joint",
                shared_latents=True,
                ema_decay=0.99,
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
            model=_PAPER64,
            training=_PAPER_TRAINING,
        ),
    ),
    "paper_svhn": (
        "The paper's networks for SVHN at 32x32 (7,168 pooled features).",
        Experiment(
            data=DataConfig(name="svhn"),
            model=_PAPER_SVHN,
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
                batch_norm="on",
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
                batch_norm="on",  # L: the generator is called with training=True in its own update
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
                batch_norm="on",
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
    "regularised64": (
        "RDCGAN: an encoder as a third player, and very narrow networks; reconstructions beside samples.",
        Experiment(
            data=DataConfig(name="faces"),  # O: G has MNIST
            model=ModelConfig(
                image_size=64,  # O: the only larger size at which G's maps fit their strides
                latent_dim=100,  # O, as P: G has 2, for MNIST
                latents="normal",  # G
                batch_norm="on",  # G
                batch_norm_momentum=0.9,  # G: TensorLayer's default
                weights="normal",  # G: N(0, 0.02), gains N(1, 0.02)
                generator=GeneratorConfig(
                    start=4,
                    start_filters=64,
                    filters=(32, 16, 8),
                    strides=(2, 2, 2),
                    kernel=5,
                    output="conv_transpose",
                    output_kernel=5,
                    output_stride=2,
                    activation="relu",
                ),  # G: 64, 32, 16, 8, normalised after the reshape
                discriminator=DiscriminatorConfig(
                    filters=(8, 16, 32, 64), strides=(2, 2, 2, 2), kernel=5, dropout=0.0, norm_first=True
                ),  # G: 8, 16, 32, 64, all of them normalised; the encoder has the same blocks
            ),
            training=TrainingConfig(
                recipe="regularised",
                epochs=100,  # G
                batch_size=64,  # G
                learning_rate=2e-4,  # G
                beta_1=0.5,  # G
                discriminator_updates="joint",  # G: one step on the sum of both losses
                generator_steps=2,  # G: two steps of encoder and generator for each of the discriminator
            ),
        ),
    ),
}


def presets() -> dict[str, str]:
    """Names of the presets with one line about each, in the order to read them."""
    return {name: about for name, (about, _) in _PRESETS.items()}


def told_by(experiment: Experiment) -> tuple[Experiment, Experiment]:
    """The preset of which an experiment's settings are told as changes, and the experiment under its name: the one that
    it names, or the first command's where none has that name, as of an experiment that was put together in Python."""
    base = preset(experiment.preset if experiment.preset in _PRESETS else FIRST)
    return base, dataclasses.replace(experiment, preset=base.preset)


def preset(name: str) -> Experiment:
    """The experiment called `name`, with `.data`, `.model` and `.training`.

    Raises:
        InputError: there is no such preset; the message lists them.
    """
    if name not in _PRESETS:
        raise InputError(f"There is no preset {name!r}; choose one of {', '.join(_PRESETS)}.")
    return dataclasses.replace(_PRESETS[name][1], preset=name)
