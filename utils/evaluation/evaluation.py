"""How good a generator's samples are: what `./dcgan evaluate` measures, and `compare` and `publish` with it."""

import sys
from collections.abc import Sequence
from pathlib import Path

import keras

from utils import config
from utils.config import DataConfig
from utils.data.catalogue import is_own, place_of
from utils.errors import InputError
from utils.evaluation.asked import Asked, asked_and_seen
from utils.evaluation.distances import LEAST_SAMPLES, SAMPLES
from utils.evaluation.features import Extractor, extractor_for
from utils.evaluation.held_out import TooFewImages, TrueImages, true_images_for, unseen_images_for
from utils.evaluation.passport import Origin
from utils.evaluation.quality import Quality
from utils.evaluation.records import checkpoint_of
from utils.evaluation.texts import Texts, texts_and_seen
from utils.models import load_with_digest
from utils.networks import TrainedNetwork, are_as_trained_on
from utils.sampling import Sampler
from utils.text_encoder import encoder_beside


def evaluate(
    trained: TrainedNetwork,
    data: DataConfig,
    *,
    loaded: tuple[keras.Model, str] | None = None,
    samples: int = SAMPLES,
    features: str = "auto",
    seed: int = 0,
    only_unseen: bool = False,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> dict:
    """Measure a generator's samples against true images, in one feature space or several.

    Args:
        trained: the generator.
        data: what it was trained on, or other images to compare with.
        loaded: the generator as `models.load_with_digest` gave it, where more is measured of the same one; by default
            it is loaded here.
        samples: how many samples, and as many true images, twice.
        features: as for `extractors_for`.
        seed: of the latents, and of the choice among the true images.
        only_unseen: whether to refuse to compare with images that it was trained on.
        data_dir: where datasets are.
        progress: whether to show progress bars.

    Returns:
        The record (see `records.py`), with the experiment, and what is known of the spaces.

    Raises:
        InputError: it is no generator, or there are too few true images.
    """
    generator, sha256 = loaded or load_with_digest(trained.file)
    origin = origin_of(trained, generator)  # before a training may add a summary
    size, places = generator.output_shape[1], {"data_dir": data_dir, "progress": progress}
    how = {**places, "trained_on": was_trained_on(trained, data, **places)}
    if only_unseen:
        true = unseen_images_for(data, size, 2 * samples, **how)
    else:
        true = _true_images(data, size, samples, how)
    spaces = extractors_for(data.name, size, features, small=data.small, **places)
    sampler = Sampler.of(generator, trained.experiment, trained.conditions)
    images = sampler.draw(samples, seed)
    measured = [Quality(true, space, samples, seed).measure(images, origin).plain() for space in spaces]
    return {
        "name": trained.title,
        "generator": str(trained.file),
        "generator_sha256": sha256,
        "experiment": trained.experiment and config.to_dict(trained.experiment),
        "samples": samples,
        "features": features,
        "seed": seed,
        "true_images": true.about,
        "true_images_trained_on": true.seen,
        "distance": measured[0],
        "other_spaces": measured[1:],
        "spaces": [space.card for space in spaces],
    }


def was_trained_on(
    trained: TrainedNetwork, data: DataConfig, data_dir: str | Path | None = None, progress: bool = True
) -> bool | None:
    """Whether a network was trained on images of this dataset, however many and which.

    None where that is not known: also of own pictures, where there is no run that would know them again elsewhere, and
    where they have changed in their place, so that nobody knows which of them are those that were trained on.
    """
    if trained.experiment is None:
        return None
    own, run = trained.experiment.data.name, trained.run
    same = place_of(data.name) == place_of(own)
    if not is_own(data.name) or not is_own(own):
        return same
    if run is None:
        return True if same else None
    return None if same and not are_as_trained_on(run, trained.experiment, data_dir, progress) else same


def agreement(
    trained: TrainedNetwork,
    *,
    loaded: tuple[keras.Model, str] | None = None,
    combinations: Sequence[str] = (),
    samples: int = SAMPLES,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Asked | Texts | None:
    """Whether a conditional generator draws what it is asked for; None of one that cannot be asked.

    Args:
        trained: the generator.
        loaded: as for `evaluate`.
        combinations: of attributes that one on texts is asked to draw together, as for `texts_and_seen`.
        samples: at most how many fakes, and as many true images.
        seed: of the latents, the sentences and the choice among the true images.
        data_dir: where datasets and classifiers are.
        progress: whether to show progress bars.

    Raises:
        InputError: there are too few images for a classifier, or none that has a combination.
    """
    if trained.experiment is None or not trained.experiment.model.is_conditional:
        return None
    generator, _ = loaded or load_with_digest(trained.file)
    sampler = Sampler.of(generator, trained.experiment, trained.conditions)
    known = was_trained_on(trained, trained.experiment.data, data_dir, progress) is not None
    how = {"samples": samples, "seed": seed, "known": known, "data_dir": data_dir, "progress": progress}
    if trained.experiment.model.conditions == "text":
        reads = encoder_beside(trained.file)
        return texts_and_seen(sampler, reads, trained.experiment, combinations=combinations, **how)
    return asked_and_seen(sampler, trained.experiment, **how)


def extractors_for(
    dataset: str | Path, size: int, features: str = "auto", *, progress: bool = True, **options
) -> list[Extractor]:
    """The feature spaces to measure in; no space is believed alone, since each is blind to something.

    Args:
        dataset: name of a dataset, or the path of own pictures.
        size: side of the images in pixels.
        features: names as `extractor_for` takes them, parted by commas. "auto" alone is "auto,imagenet" where the
            weights of the latter are installed.
        progress, **options: as for `extractor_for`; without progress nothing is said of a space that is not there.
    """
    options["progress"] = progress
    spaces = [extractor_for(dataset, size, features=name, **options) for name in features.split(",")]
    if features == "auto":
        try:
            spaces.append(extractor_for(dataset, size, features="imagenet", **options))
        except InputError as error:  # it is an extra
            if progress:
                print(f"Measured in one feature space only. {error}", file=sys.stderr)
    return spaces


def origin_of(trained: TrainedNetwork, generator: keras.Model) -> Origin:
    """What is known of how samples of a network are drawn."""
    normalised = any(isinstance(layer, keras.layers.BatchNormalization) for layer in generator.layers)
    return Origin(
        checkpoint=checkpoint_of(trained),
        ema_decay=trained.experiment.training.ema_decay if trained.experiment else None,
        statistics="moving" if normalised else "none",  # samples are drawn in inference mode
    )


def _true_images(data: DataConfig, size: int, samples: int, how: dict) -> TrueImages:
    try:
        return true_images_for(data, size, 2 * samples, **how)
    except TooFewImages as error:
        most = error.there // 2
        cure = f"use --samples {most}" if most >= LEAST_SAMPLES else f"with less than {2 * LEAST_SAMPLES} it cannot be"
        raise InputError(
            f"{samples:,} samples are compared with twice as many true images, since the floor compares two sets of "
            f"them, and {data.name} has {error.there:,}: {cure}."
        ) from error
