"""What images are conditioned on: the classes or attributes that a dataset knows, as vectors, and as words of users."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils import config
from utils.config import Experiment, ModelConfig
from utils.data.captions import captions_of, grammar_for
from utils.data.catalogue import find_source, is_own, reading
from utils.data.dataset import Dataset
from utils.errors import InputError
from utils.files import expanded
from utils.text import find_name, one_line

KEPT = 2_048
"""Conditions of training images that a run, or a model with a name, keeps: what is not asked for is as in them."""
KEPT_TEXTS, EXAMPLES = 1_024, 8
"""Of texts so many, whose vectors take more room; and so many in words, too."""
MOST_ROWS, GRID_COLUMNS = 20, 8
"""Rows of a grid that has one for each class or attribute, at most, and pictures in a row where nobody says how many.
"""
MOST_UNNAMED = 1 << 15
"""Classes that labels without names may stand for: more than the 21,841 of the whole ImageNet. Larger labels are dates
or numbers of things, and each number up to them would be a name, and a place in every condition."""


@dataclass(frozen=True)
class Conditions:
    """What goes with each image of a dataset. Vectors are made when they are asked for: one-hot ones may be large.

    Attributes:
        names: of the C classes or attributes.
        known: int64 (N,), the class of each image, or uint8 (N, C) of 0 and 1, its attributes.
    """

    names: tuple[str, ...]
    known: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, model: ModelConfig) -> "Conditions | None":
        """The conditions of a dataset's images; None for a model that takes none.

        Args:
            dataset: what is trained on, or other images that as much is known of.
            model: the `.model` section of an experiment.

        Raises:
            InputError: the dataset does not know them.
        """
        if not model.is_conditional:
            return None
        there = _names(model, dataset, getattr(dataset, model.conditions))
        names = _wanted(model, there, dataset.title)
        if model.conditions == "labels":
            return cls(names, np.asarray(dataset.labels))
        return cls(names, np.asarray(dataset.attributes)[:, [there.index(name) for name in names]])

    def __len__(self) -> int:
        return len(self.known)

    def __getitem__(self, rows) -> np.ndarray:
        """Conditions of some rows, an array of whole numbers of any shape, or a slice: float32 (…, C) of 0 and 1."""
        known = self.known[rows]
        if self.known.ndim == 1:
            return (known[..., None] == np.arange(len(self.names))).astype(np.float32)
        return known.astype(np.float32)

    @property
    def examples(self) -> np.ndarray:
        """Rows of images whose conditions are kept first: int64; none, since these are known by their names."""
        return np.empty(0, int)

    def mismatching(self, rows: np.ndarray) -> np.ndarray:
        """For each of some rows, int64 (B,), the place of the next one with another condition: int32 (B,), or -1."""
        known = self.known[rows].reshape(len(rows), -1)
        return next_place((known[:, None] != known[None]).any(-1))

    def having(self, place: int) -> np.ndarray:
        """Which images are of the class, or have the attribute, at a place among the names: bool (N,)."""
        return self.known == place if self.known.ndim == 1 else self.known[:, place] == 1


def are_classes(labels: np.ndarray, names: Sequence[str]) -> bool:
    """Whether labels, int (N,), stand for classes: they have names, or are numbers of at most `MOST_UNNAMED`."""
    return bool(names) or int(np.max(labels)) < MOST_UNNAMED


def next_place(wrong: np.ndarray) -> np.ndarray:
    """For each row of bool (B, B) the first column that is true behind its own place, round the end; -1 without any.

    Returns:
        int32 (B,).
    """
    count = len(wrong)
    order = (np.arange(count)[:, None] + np.arange(1, count + 1)) % count
    first = np.take_along_axis(wrong, order, 1).argmax(1)
    return np.where(wrong.any(1), order[np.arange(count), first], -1).astype(np.int32)


def example_rows(texts: tuple[str, ...]) -> np.ndarray:
    """Rows of the texts that stand for all: int64, the first that differ."""
    return np.sort(np.unique(np.array(texts[:KEPT]), return_index=True)[1])[:EXAMPLES]


def with_names(
    experiment: Experiment, dataset: Dataset | None = None, data_dir: str | Path | None = None
) -> Experiment:
    """A conditional experiment with the names of all that can be asked for; any other as it is.

    Args:
        experiment: what is to be trained.
        dataset: its images, if they are loaded already; none are read otherwise.
        data_dir: where datasets are.

    Raises:
        InputError: the dataset does not know what the experiment is to be conditioned on.
    """
    model, data = experiment.model, experiment.data
    if not model.is_conditional:
        return experiment
    if model.conditions == "text":
        if dataset is None:
            source = find_source(data.name, model.image_size, data.count, data_dir=data_dir, **reading(data))
            grammar_for(source.describe().attribute_names)
            return experiment
        texts = captions_of(dataset.attributes[:KEPT], dataset.attribute_names, data.data_seed).texts
        return config.replace(experiment, condition_names=tuple(texts[row] for row in example_rows(texts)))
    if dataset is None:
        source = find_source(data.name, model.image_size, data.count, data_dir=data_dir, **reading(data))
        described = source.describe()
        # Of an array file the labels themselves are there, and count where it has no names for them.
        known = getattr(source, model.conditions, described) if model.conditions in described.fields else None
        there = _names(model, described, known)
        return config.replace(experiment, condition_names=_wanted(model, there, described.title))
    names = Conditions.of(dataset, model).names
    if model.conditions == "labels" and not dataset.label_names and is_own(data.name) and expanded(data.name).exists():
        # Other images of the file, which it is measured with later, may be of classes that these have none of.
        names = max(names, with_names(experiment, data_dir=data_dir).model.condition_names, key=len)
    return config.replace(experiment, condition_names=names)


def _names(model: ModelConfig, there, known) -> tuple[str, ...]:
    """All classes or attributes of a `Dataset` or a `Description`; `known` is None where it has none."""
    if known is None:
        other = {"labels": "attributes", "attributes": "labels"}[model.conditions]
        has = getattr(there, other, None) is not None or other in getattr(there, "fields", ())
        # Notes tell why, such as that a picture beside the sub-folders keeps them from being classes.
        without = " ".join(("leave --conditions out.", *map(one_line, there.notes)))
        raise InputError(
            f"No {model.conditions} are known of {one_line(there.title)}, so its images cannot be conditioned on them: "
            + (f"{other} are, so use --conditions {other}." if has else without)
        )
    names = there.label_names if model.conditions == "labels" else there.attribute_names
    if names:
        return _differing(names) if model.conditions == "labels" else tuple(names)
    classes = int(np.max(known)) + 1
    if not are_classes(known, names):
        raise InputError(
            f"Labels without label_names should be numbers of at most {MOST_UNNAMED:,} classes to be conditioned on: "
            f"number the classes of {one_line(there.title)} from 0 without gaps, and name them in label_names. "
            f"Received: labels up to {classes - 1}."
        )
    return tuple(map(str, range(max(classes, len(model.condition_names)))))  # not every class is in all rows of a set


def _differing(names: Sequence[str]) -> tuple[str, ...]:
    """Names of classes; those that several share go with their numbers, as "crane (3)": ImageNet has a bird and a
    machine of that name."""
    while len(set(names)) < len(names):  # again where a class was called "crane (3)" already
        shared = Counter(names)
        names = [f"{name} ({number})" if shared[name] > 1 else name for number, name in enumerate(names)]
    return tuple(names)


def _wanted(model: ModelConfig, there: tuple[str, ...], title: str) -> tuple[str, ...]:
    """Those of the names that a model is conditioned on, in its order."""
    if odd := [name for name in model.condition_names if name not in there]:
        raise InputError(
            f"There is no {one_line(', '.join(odd))} in {one_line(title)}: choose from {', '.join(there)}."
        )
    names = model.condition_names or there
    if model.conditions == "labels" and len(names) < len(there):
        raise InputError(
            f"An image has one of all classes, so a part of them cannot be conditioned on: leave --condition-names "
            f"out. Received: {', '.join(names)}, of {', '.join(there)}."
        )
    return there if model.conditions == "labels" else names


def kept_rows(conditions: Conditions, seed: int = 0) -> np.ndarray:
    """Conditions as a run keeps them: of at most `KEPT` images that a seed draws, uint8 (M, C) of 0 and 1; of texts
    float32, of `KEPT_TEXTS`, the examples first."""
    examples = conditions.examples
    rows = np.sort(np.random.default_rng(seed).permutation(len(conditions))[: KEPT_TEXTS if len(examples) else KEPT])
    rows = np.concatenate([examples, np.setdiff1d(rows, examples)])
    kept = conditions[rows]
    return kept.astype(np.uint8) if np.isin(kept, (0, 1)).all() else kept


def grid_rows(model: ModelConfig, kept: np.ndarray, columns: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Conditions of a grid with a row for each class, or of images that have each attribute.

    Args:
        model: the `.model` section of an experiment.
        kept: (M, C), conditions as they occur; other attributes than that of a row are as in these.
        columns: pictures in a row.

    Returns:
        float32 (rows * columns, C), row by row; and what to write beside each row.
    """
    names = model.condition_names[:MOST_ROWS]
    if model.conditions == "text":
        return kept[: len(names)].repeat(columns, 0), names
    if model.conditions == "labels":
        return np.eye(len(names), len(model.condition_names), dtype=np.float32).repeat(columns, 0), names
    rows = []
    for place in range(len(names)):
        having = kept[kept[:, place] == 1]
        if not len(having):  # so rare that none of those that are kept has it
            having = kept.copy()
            having[:, place] = 1
        rows.append(np.resize(having, (columns, kept.shape[1])))
    return np.concatenate(rows).astype(np.float32), names


def rows_having(conditions: Conditions, order: np.ndarray, columns: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Images for a grid with a row for each class or attribute that an image has, the first `MOST_ROWS` of these.

    Args:
        conditions: of the images.
        order: int64 (N,), rows of the images in the order to take them in.
        columns: pictures in a row of the grid; where fewer have what it is of, they are repeated.

    Returns:
        int64 (rows * columns,), which images; and what to write beside each row. One row where no image has any.
    """
    rows, names = [], []
    for place, name in enumerate(conditions.names):
        having = order[conditions.having(place)[order]]
        if len(having) and len(rows) < MOST_ROWS:
            rows.append(np.resize(having, columns))
            names.append(name)
    if not rows:
        return np.resize(order, columns), ("none of these",)
    return np.concatenate(rows), tuple(names)


def asked_for(
    model: ModelConfig, kept: np.ndarray, label: str | None = None, attributes: str | None = None
) -> tuple[np.ndarray, str]:
    """Conditions that a user asks for.

    Args:
        model: the `.model` section of the experiment.
        kept: (M, C), conditions as they occur in the training data.
        label: name of a class.
        attributes: some attributes, such as "glasses=1,beard=0".

    Returns:
        float32 (K, C) to draw from: those of `kept` that agree with what is asked for, or, if there is none, those
        that agree most, made to agree. And what that means, in a sentence; "" where all is asked for.

    Raises:
        InputError: there is no such class or attribute, one is named twice, or the model takes none; the message names
            those that it knows.
    """
    if not model.is_conditional:
        raise InputError(
            "This model draws whatever it likes: --label and --attributes are for models that were trained with "
            "--conditions."
        )
    if model.conditions == "text":
        raise InputError('This model draws what a text says: ask with `./dcgan sample MODEL --text "…"`.')
    names = model.condition_names
    if (label is None) == (model.conditions == "labels"):
        raise InputError(
            f"This model was trained with --conditions {model.conditions}: ask with "
            + ("--label NAME" if model.conditions == "labels" else "--attributes NAME=1,NAME=0")
            + f", of {', '.join(names)}."
        )
    if label is not None:
        return np.eye(1, len(names), _place(label, names, "label"), dtype=np.float32), ""
    assigned = [_assignment(word, names) for word in attributes.split(",")]
    wanted = dict(assigned)
    if len(wanted) < len(assigned):
        raise InputError(f"Each attribute is named once, as in glasses=1,beard=0. Received: {one_line(attributes)!r}.")
    places, values = list(wanted), np.array(list(wanted.values()))
    agreeing = (kept[:, places] == values).sum(1)
    rows = kept[agreeing == agreeing.max()].astype(np.float32)
    rows[:, places] = values
    if agreeing.max() < len(places):
        about = f"None of {len(kept):,} training images has this; what is not named is as in the {len(rows):,} nearest."
    elif len(places) < len(names):
        about = f"What is not named is as in the {len(rows):,} of {len(kept):,} training images that have this."
    else:
        about = ""
    return rows, about


def _assignment(word: str, names: tuple[str, ...]) -> tuple[int, int]:
    """The place of an attribute, and what it is to be: "glasses=1" and "glasses" for 1."""
    name, _, value = word.strip().rpartition("=") if "=" in word else (word.strip(), "", "1")
    if value.strip() not in ("0", "1"):
        raise InputError(f"An attribute is 1 or 0, as in glasses=1,beard=0. Received: {one_line(word)!r}.")
    return _place(name, names, "attribute"), int(value)


def _place(name: str, names: tuple[str, ...], what: str) -> int:
    """The place of a name; see `find_name`."""
    place = find_name(name, names)
    if place is None:
        raise InputError(f"There is no {what} {one_line(name)!r} in this model: choose from {', '.join(names)}.")
    return place
