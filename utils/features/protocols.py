"""The paper's two experiments, and what it says that others reached in them.

`cifar` (§5.1): one classifier on all labelled images, C by cross-validation among them; and classifiers on 400 a class.
`svhn` (§5.2): classifiers on 1,000 labels, 100 a class, drawn again and again; C by draws on a validation part.

Each gives an `Outcome`, whose `right` says for every test image how often it was right: what tables, intervals and
margins are made of.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from tqdm.auto import tqdm

from utils.errors import InputError
from utils.features import svm
from utils.features.extract import Part
from utils.features.sizes import FOLDS, SVHN_LABELS
from utils.streams import stream

FEW = 400
"""Labels of a class in the paper's second column."""
SVHN_STRENGTHS = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)
"""C, by the authors' code."""


@dataclass(frozen=True)
class Split:
    """The images of an experiment.

    Attributes:
        train: what labels are taken from (cifar: all of them), and what batch normalisation's statistics, patches and
            components come from.
        test: what is judged.
        validation: what C is chosen on (svhn), or None.
        labels: how many labels of each class are drawn (svhn), or None.
        classes: how many classes.
    """

    train: Part
    test: Part
    validation: Part | None
    labels: int | None
    classes: int


@dataclass(frozen=True)
class Outcome:
    """What an experiment gave.

    Attributes:
        right: float64 (T,), for each test image the share of the classifiers that were right about it.
        strength: C, or None for what has none.
        each: float64 (R,), the accuracies of the single classifiers, if there are several.
        few: the same with 400 labels a class, each on all of the test images; empty if that was not asked for.
    """

    right: np.ndarray
    strength: float | None = None
    each: np.ndarray = field(default_factory=lambda: np.empty(0))
    few: np.ndarray = field(default_factory=lambda: np.empty(0))

    def plain(self) -> dict:
        """As plain values, which `of` reads."""
        return {"right": self.right.tolist(), "strength": self.strength} | {
            name: getattr(self, name).tolist() for name in ("each", "few")
        }

    @classmethod
    def of(cls, plain: dict) -> "Outcome":
        """What `plain` wrote."""
        arrays = {name: np.array(plain[name], float) for name in ("right", "each", "few")}
        return cls(strength=plain["strength"], **arrays)


@dataclass(frozen=True)
class Published:
    """A row of the paper's tables.

    Attributes:
        name: of the method.
        value: accuracy (cifar) or error (svhn), in percent.
        few: accuracy with 400 labels a class, in percent, or None.
        spread: what the paper adds to that with a ±, or None.
        about: what else it says.
    """

    name: str
    value: float
    few: float | None = None
    spread: float | None = None
    about: str = ""


PUBLISHED = {
    "cifar": (
        Published("1-layer K-means", 80.6, 63.7, 0.7, "4,800 units"),
        Published("3-layer K-means, learned RF", 82.0, 70.7, 0.7, "3,200 units"),
        Published("view-invariant K-means", 81.9, 72.6, 0.7, "6,400 units"),
        Published("Exemplar CNN", 84.3, 77.4, 0.2, "1,024 units"),
        Published("DCGAN + L2-SVM", 82.8, 73.8, 0.4, "512 units, trained on ImageNet-1k"),
    ),
    "svhn": (
        Published("KNN", 77.93),
        Published("TSVM", 66.55),
        Published("M1 + KNN", 65.63),
        Published("M1 + TSVM", 54.33),
        Published("M1 + M2", 36.02),
        Published("SWWAE without dropout", 27.83),
        Published("SWWAE with dropout", 23.56),
        Published("DCGAN + L2-SVM", 22.48),
        Published("supervised CNN, same architecture", 28.87, about="on validation, of 64 random settings"),
    ),
}
"""Tables 1 and 2 of Radford, Metz, Chintala (arXiv:1511.06434)."""
MEASURED_ON = {"cifar": "CIFAR-10", "svhn": "SVHN"}
"""What the published rows were measured on."""
LABELS = {"cifar": 50_000, "svhn": SVHN_LABELS}
"""How many labels of it their classifiers learned from."""


def draw(labels: np.ndarray, count: int, classes: int, random: np.random.Generator) -> np.ndarray:
    """Places of `count` images of each class, drawn without replacement: int64 (count * classes,)."""
    return np.concatenate([random.choice(np.flatnonzero(labels == c), count, replace=False) for c in range(classes)])


def check_labels(part: Part, count: int, classes: int, option: str) -> None:
    """Refuse to draw more labels of a class than it has images.

    Args:
        part: what they are drawn from.
        count: labels of each class.
        classes: how many.
        option: what the user wrote.

    Raises:
        InputError: it names the class with the fewest images.
    """
    name, there = _scarcest(part, classes)
    if there < count:
        raise InputError(
            f"{option} asks for {count:,} images of each class, and there are only {there:,} of class {name} to draw "
            f"from in {part.dataset.title}: ask for at most {there * classes:,} labels."
        )


def check_folds(part: Part, classes: int) -> None:
    """Refuse to choose C by cross-validation with classes that not every fold can have an image of.

    Args:
        part: all images to learn from.
        classes: how many.

    Raises:
        InputError: it names the class with the fewest images.
    """
    name, there = _scarcest(part, classes)
    if there < FOLDS:
        raise InputError(
            f"Cross-validation takes {FOLDS} images of each class. Received: {there:,} of class {name}, of the "
            f"{len(part):,} images of {part.dataset.title} to learn from; give more of that class, or leave it out."
        )


def _scarcest(part: Part, classes: int) -> tuple[str | int, int]:
    """The class of a part with the fewest images, by its name or number, and how many these are."""
    there, names = np.bincount(part.labels, minlength=classes), part.dataset.label_names
    least = int(there.argmin())
    return names[least] if names else least, int(there[least])


def cifar(
    split: Split,
    features: Callable[[Part], np.ndarray],
    seed: int,
    few_draws: int,
    progress: str | None = None,
) -> Outcome:
    """The paper's experiment on CIFAR-10, with `svm.many`.

    Args:
        split: the images.
        features: gives the features of a part.
        seed: of draws and folds.
        few_draws: how often 400 labels a class are drawn; 0 leaves that out.
        progress: what to call it on progress bars.
    """
    train, test = features(split.train), features(split.test)
    labels, answers = split.train.labels, split.test.labels
    strength = svm.choose_strength(train, labels, split.classes, seed, progress)
    machine = svm.fitted(train, labels, strength, split.classes, progress)
    few, few_strength = [], None
    for number in range(1, few_draws + 1):
        chosen = np.sort(draw(labels, FEW, split.classes, stream(seed, "features: draws", number)))
        x, y = np.asarray(train[chosen]), labels[chosen]
        if few_strength is None:
            few_strength = svm.choose_strength(x, y, split.classes, seed, progress and f"{progress}, {FEW} a class")
        of_few = svm.fitted(x, y, few_strength, split.classes, progress and f"{progress}, {FEW} a class")
        few.append(float(np.mean(of_few.predict(test) == answers)))
    return Outcome((machine.predict(test) == answers).astype(float), strength, few=np.array(few))


def svhn(
    split: Split,
    features: Callable[[Part], np.ndarray],
    seed: int,
    choosing_draws: int,
    draws: int,
    progress: str | None = None,
) -> Outcome:
    """The paper's experiment on SVHN with 1,000 labels, as the authors' code has it, with `svm.few`.

    For each C labels are drawn ten times and classifiers judged on the validation part; at the C whose mean error is
    smallest they are drawn a hundred times more. Other than there, numbers are NumPy's of today, digit 0 is class 0 and
    not 9, and LIBLINEAR is that of today's scikit-learn: none of them should move the mean.

    Args:
        split: the images, a validation part among them.
        features: gives the features of a part.
        seed: of the draws, which are the same whatever the features.
        choosing_draws, draws: how often labels are drawn for each C, and at the best.
        progress: what to call it on a progress bar.
    """
    train, labels = features(split.train), split.train.labels
    validation, held = features(split.validation), split.validation.labels
    total = len(SVHN_STRENGTHS) * choosing_draws + draws
    bar = tqdm(desc=progress, total=total, unit=" classifiers", disable=progress is None, leave=False)

    def machine(strength: float, random: np.random.Generator) -> svm.Machine:
        chosen = draw(labels, split.labels, split.classes, random)
        fitted = svm.few(np.asarray(train[chosen]), labels[chosen], strength, split.classes)
        bar.update()
        return fitted

    with bar:
        errors = []
        for place, strength in enumerate(SVHN_STRENGTHS, start=1):
            randoms = [
                stream(seed, "features: draws that choose C", place, number) for number in range(1, 1 + choosing_draws)
            ]
            errors.append(1 - _hits([machine(strength, random) for random in randoms], validation, held).mean())
        best = SVHN_STRENGTHS[int(np.argmin(errors))]
        machines = [machine(best, stream(seed, "features: draws", number)) for number in range(1, 1 + draws)]
        hits = _hits(machines, features(split.test), split.test.labels)
    return Outcome(hits.mean(0), best, each=hits.mean(1))


def _hits(machines: list[svm.Machine], features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether each machine is right about each image: bool (R, n). The features are read once for all."""
    weights = np.concatenate([machine.weights for machine in machines], 1)
    bias = np.concatenate([machine.bias for machine in machines])
    hits = []
    for piece in svm.pieces(features):
        scores = (features[piece] @ weights + bias).reshape(-1, len(machines), len(bias) // len(machines))
        hits.append((scores.argmax(2) == labels[piece, None]).T)
    return np.concatenate(hits, 1)
