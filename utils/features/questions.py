"""What is asked of features: labelled images and test images of a dataset, always the same ones, and what they show."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.config import Experiment
from utils.data import Dataset
from utils.data.conditions import are_classes
from utils.errors import InputError
from utils.streams import stream

if TYPE_CHECKING:  # it imports TensorFlow, which a study starts first
    from utils.features.extract import Part


@dataclass(frozen=True)
class Questions:
    """What a linear classifier is to read off features.

    Attributes:
        names: of the F factors: exact attributes of a built-in dataset, or "class".
        labelled: the n images to learn from, in no particular order, which the networks were trained on; batch
            normalisation goes by them.
        test: uint8 (T, S, S, 3), images that they were not trained on.
        known, answers: int64 (F, n) and (F, T), which value of each factor the images have.
    """

    names: tuple[str, ...]
    labelled: "Part"
    test: np.ndarray
    known: np.ndarray
    answers: np.ndarray


def questions_for(
    experiment: Experiment, labelled: int, tested: int, data_dir: str | Path | None = None, progress: bool = True
) -> Questions:
    """The questions that a dataset has answers to.

    Args:
        experiment: what the networks were trained with.
        labelled: images to learn from, at most.
        tested: images to be judged by.
        data_dir: where datasets are.
        progress: whether to show progress bars.

    Raises:
        InputError: nothing is known of the images, or there are none that were not trained on.
    """
    from utils.data import load_for
    from utils.data.catalogue import drawn_source, find_entry
    from utils.evaluation.combinations import exact_values
    from utils.features.extract import Part

    dataset, test = load_for(experiment, data_dir, progress), apart(experiment, tested, data_dir, progress)
    count, entry = min(labelled, len(dataset)), find_entry(experiment.data.name)
    if entry and entry.built_in:
        source = drawn_source(experiment)
        names, known, answers = (
            tuple(factor.name for factor in source.factors), exact_values(source, dataset), exact_values(source, test)
        )  # fmt: skip
    elif test.labels is not None and dataset.labels is not None and are_classes(dataset.labels, dataset.label_names):
        names, known, answers = ("class",), np.asarray(dataset.labels)[None], np.asarray(test.labels)[None]
    else:
        raise InputError(
            f"{dataset.title} has neither labels of classes nor exact attributes, which a classifier would read off "
            "features: name a dataset that has, such as --data cifar10 or faces."
        )
    rows = np.arange(len(dataset))
    if entry is None:  # own pictures come in the order of their names, so class by class; other datasets come mixed
        rows = stream(0, "features: parts").permutation(rows)
    part = Part(dataset, rows[:count])
    return Questions(names, part, np.asarray(test.images), known[:, part.rows].astype(int), answers.astype(int))


def apart(experiment: Experiment, count: int, data_dir: str | Path | None = None, progress: bool = True) -> Dataset:
    """Images that the networks were not trained on.

    Raises:
        InputError: the dataset has no such part.
    """
    from utils.evaluation.held_out import unseen

    data, size = experiment.data, experiment.model.image_size
    found = unseen(data, size, count, data_dir=data_dir, progress=progress)
    if found is None:
        raise InputError(f"{data.name} has no part that was not trained on, which features could be judged by.")
    return found
