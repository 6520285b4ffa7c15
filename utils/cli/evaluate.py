"""`./dcgan evaluate`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from utils.cli.text import short
from utils.config import DataConfig
from utils.errors import InputError
from utils.tables import table


@dataclass(frozen=True)
class Evaluate:
    """Measure how far a generator's samples are from true images that it has not seen.

    Prints the kernel distance (without bias) and the Fréchet distance in a fixed feature space, with 95% intervals, and
    beside them the floor: the same between two sets of true images.
    """

    name: Annotated[Positional[str], arg(metavar="RUN|MODEL")] = "last"
    """A run, a .keras file of a generator, a model that comes with the project, or "last" for the newest run."""
    data: Annotated[str | None, arg(metavar="NAME|FOLDER")] = None
    """True images to compare with; by default those of the dataset that it was trained on."""
    samples: int = 2000
    """How many samples, and as many true images."""
    features: Annotated[str, arg(metavar="auto|inception|NAME")] = "auto"
    """The feature space: a classifier of the dataset, trained here once (auto; where nothing is known of the images, of
    the built-in faces), that of another dataset by its name, or InceptionV3, whose weights are downloaded."""
    seed: int = 0
    """Seed of the latents, and of the choice among the true images."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON."""
    runs_dir: Path | None = None
    """Folder of the runs; saved_models/ by default."""
    data_dir: Path | None = None
    """Folder of the datasets; data/ by default."""

    def run(self) -> None:
        _evaluate(self)


def _evaluate(options: Evaluate) -> None:
    from utils.evaluation.distances import LEAST_SAMPLES
    from utils.evaluation.held_out import TooFewImages, true_images_for
    from utils.networks import find_network, with_data

    if options.samples < LEAST_SAMPLES:
        raise InputError(f"--samples must be at least {LEAST_SAMPLES}. Received: {options.samples}.")
    trained = find_network(options.name, "generator", options.runs_dir)
    trained, other = with_data(trained, options.data, options.data_dir, progress=not options.json)
    data = data_of(trained, other)

    from utils import runtime

    runtime.start()
    from utils.evaluation.features import extractor_for
    from utils.evaluation.quality import Quality
    from utils.models import load_network
    from utils.sampling import Sampler

    generator = load_network(trained.file)
    if len(generator.input_shape) != 2 or len(generator.output_shape) != 4:
        raise InputError(f"{trained.file} should be a generator, latents -> images. Received: {generator.name}.")
    size = generator.output_shape[1]
    try:
        true = true_images_for(data, size, 2 * options.samples, data_dir=options.data_dir, progress=not options.json)
    except TooFewImages as error:
        most = error.there // 2
        cure = f"use --samples {most}" if most >= LEAST_SAMPLES else f"with less than {2 * LEAST_SAMPLES} it cannot be"
        raise InputError(
            f"{options.samples:,} samples are compared with twice as many true images, since the floor compares two "
            f"sets of them, and {data.name} has {error.there:,}: {cure}."
        ) from error
    places = {"data_dir": options.data_dir, "progress": not options.json}
    extractor = extractor_for(data.name, size, features=options.features, small=data.small, **places)
    quality = Quality(true.images, extractor, options.samples, options.seed)
    distance, floor = quality.of(Sampler.of(generator, trained.experiment)), quality.floor()
    if options.json:
        record = {
            "generator": str(trained.file),
            "samples": options.samples,
            "seed": options.seed,
            "true_images": true.about,
            "true_images_trained_on": true.seen,
            "distance": distance.plain(),
            "floor": floor.plain(),
            "space": extractor.card,
        }
        print(json.dumps(record, indent=2))
        return
    print(
        f"{options.samples:,} samples of {short(trained.file)}\n"
        f"against {options.samples:,} {true.about}, in the features of the {extractor.name}\n"
    )
    print(
        table(
            [
                {
                    "": what,
                    "kernel": f"{d.kernel.value:.4f}",
                    "kernel, 95%": f"{d.kernel.low:.4f} to {d.kernel.high:.4f}",
                    "Fréchet": f"{d.frechet.value:.2f}",
                    "Fréchet, 95%": f"{d.frechet.low:.2f} to {d.frechet.high:.2f}",
                }
                for what, d in {"samples": distance, "true images (the floor)": floor}.items()
            ]
        )
    )
    if true.seen:
        print(
            f"\nThere are no {2 * options.samples:,} true images that it was not trained on, so copies of them count "
            "as good samples."
        )


def data_of(trained, asked: str | None) -> DataConfig:
    """What to compare a generator with: what it was trained on, or what is asked for."""
    own = trained.experiment and trained.experiment.data
    if own and asked is None:
        return own
    if asked is None:
        raise InputError(f"{trained.file} does not say what it was trained on: name the true images with --data.")
    return DataConfig(name=asked)
