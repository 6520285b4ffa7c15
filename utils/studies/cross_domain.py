"""Whether pictures of one domain can be drawn as pictures of another without any pairs, and what they keep (DTN).

Digits become house numbers, faces become the built-in faces; house numbers and faces of the project itself become its
plain ones, so that everything runs without any download. What is to be kept, the digit or attributes that both sides
know, is judged by the classifier of the target domain, which neither network was trained with.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment
from tqdm.auto import tqdm

from utils import config
from utils.config import DataConfig, Experiment
from utils.data import Dataset, scale, scale_back
from utils.data.catalogue import find_entry
from utils.errors import InputError
from utils.evaluation.held_out import source_there
from utils.figure import new_figure
from utils.files import appears_whole, read_json, write_json
from utils.fitting import at_size
from utils.intervals import REPLICATES, Interval, percentiles, wilson
from utils.presets import KERNEL_4, SHORT_AVERAGE
from utils.streams import stream
from utils.studies.results import seed_column
from utils.studies.study import Study, at_scale, base_for, study_name
from utils.tables import duration
from utils.text import one_line
from utils.viz import grid, read_png

VERSION = 1  # raise it whenever a change of this file, or of `training.transfer`, changes what is trained or measured
SIDE = 32
"""Pixels of both domains, as in the lab report."""
SIZES = {"report": (2_000, 32, 2_000), "quick": (300, 32, 500), "smallest": (2, 8, 40)}
"""Updates, images of each domain in one, and held-out images that are judged, at each scale."""
FEW = {"quick": 2_000, "smallest": 60}
"""Target images to learn from, where these are not all."""
SHOWN = 12
"""Held-out images in a picture, at most: the first that is of each class, or has each attribute."""
SOURCE = "source.png"
"""The picture of these images themselves. Results can be passed on without it, where the images cannot."""
DIGITS, FACES = "house_numbers", "faces"
"""Targets: built-in datasets of which everything is known."""
CELEBA = {
    "glasses": ("Eyeglasses", ("glasses", "sunglasses")),
    "smile": ("Smiling", ("smiling",)),
    "hat": ("Wearing_Hat", ("hat",)),
    "beard": ("No_Beard", ("beard",)),
    "black hair": ("Black_Hair", ("black_hair",)),
    "brown hair": ("Brown_Hair", ("brown_hair",)),
    "blond hair": ("Blond_Hair", ("blond_hair",)),
    "grey hair": ("Gray_Hair", ("silver_hair",)),
}
"""What CelebA and the built-in faces both know: CelebA's attribute (a No_ turns it round), and those of the faces of
which one means the same."""
LOSSES = ("generator", "discriminator", "constancy", "identity", "variation")
"""Losses that are kept, as means over the last tenth of the updates."""


@dataclass(frozen=True)
class Losses:
    """An arm: losses that g descends.

    Attributes:
        name: short.
        about: what it is.
        constancy, identity: whether L_CONST and L_TID are among them.
    """

    name: str
    about: str
    constancy: bool
    identity: bool


@dataclass(frozen=True)
class CrossDomain(Study):
    """A study whose arms are losses of g. Seeds are of weights and batches.

    Attributes:
        source: name of a dataset, or the path of own pictures, with labels or attributes.
    """

    seeds: tuple[int, ...] = (0,)
    source: str = DIGITS


@dataclass(frozen=True)
class Task:
    """Two domains, and what is to be kept.

    Attributes:
        f: the frozen classifier of the source, float32 (N, S, S, 3) in [-1, 1] -> features (N, D).
        source, target: images to learn from: the second's labels are never looked at.
        source_rows: of the source, those that f learned from.
        held_out: uint8 (N, S, S, 3) in [0, 255], source images that neither f nor g have seen.
        true: uint8 (M, S, S, 3), target images that g has not seen.
        names: of the C classes or attributes that both sides know.
        known, true_known: bool (N, C) and (M, C), what these images have of them.
        classes: whether an image has exactly one.
        seen: uint8 images -> bool (N, C), what the judge of the target sees.
        space: the judge's feature space.
        about: what is known of f and the judge, as plain values.
    """

    f: object
    source: Dataset
    target: Dataset
    source_rows: np.ndarray
    held_out: np.ndarray
    true: np.ndarray
    names: tuple[str, ...]
    known: np.ndarray
    true_known: np.ndarray
    classes: bool
    seen: Callable[[np.ndarray], np.ndarray]
    space: Callable[[np.ndarray], np.ndarray]
    about: dict


def cross_domain(data: str = DIGITS, scale: str = "report") -> CrossDomain:
    """Source images drawn as those of a built-in dataset: with all losses of the paper, and without some of them.

    Args:
        data: name of the source, or the path of own pictures, with labels or attributes.
        scale: one of `presets.SCALES`.
    """
    at_scale(SIZES, scale)  # refuses what is none
    return CrossDomain(
        study_name("cross_domain", data, scale),
        "What do pictures of one kind keep when they are drawn as another kind, learned without pairs?",
        (
            Losses("dtn", "all losses of the paper", True, True),
            Losses("no_constancy", "without L_CONST: f may see something else in the result", False, True),
            Losses("no_identity", "without L_TID: target images need not stay as they are", True, False),
            Losses("game_alone", "without both: it only has to look like the target", False, False),
        ),
        scale=scale,
        source=str(data),
    )


def target_for(source: str | Path, data_dir: str | Path | None = None) -> DataConfig:
    """What a source is drawn as: if it is built in, the plain ones of its own kind; house numbers if it has classes,
    unless these are no digits and it has attributes, too; else faces.

    Raises:
        InputError: there is no such dataset, or nothing is known of its images.
    """
    entry = find_entry(source)
    if entry and entry.built_in:
        return DataConfig(str(source), choices="plain")
    there = source_there(source, SIDE, (1,), data_dir=data_dir, tolerated=1.0)
    about = there.describe()
    fields = about.fields
    if not {"labels", "attributes"} & set(fields):
        raise InputError(
            f"Nothing is known of the images of {one_line(str(source))}, so nothing could be kept: take a source with "
            "labels or attributes."
        )
    classes = "labels" in fields
    if classes and "attributes" in fields:
        names = about.label_names
        classes = names == tuple("0123456789") if names else np.max(there.labels) <= 9
    return DataConfig(DIGITS if classes else FACES)


def carry_out(
    study: CrossDomain,
    home: str | Path | None = None,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> tuple[dict, Path]:
    """Train the arms, those of them that are not trained yet, and keep what is measured and some pictures.

    Each G is kept as `<home>/<study>/<arm>-<seed>/transfer.keras`, images in [-1, 1] -> images.

    Args:
        study, home, out, data_dir, progress: as for `studies.train.train_study`.

    Returns:
        The record of each (arm, seed), and the file of the results.

    Raises:
        InputError: there is no such dataset, or source and target know nothing in common, or the results that are kept
            under the study's name are of other images.
    """
    from utils import runtime

    runtime.start()
    from utils.models import load_network
    from utils.studies import results
    from utils.training.transfer import Weights

    updates, batch_size, judged = at_scale(SIZES, study.scale)
    target = target_for(study.source, data_dir)
    home, folder = results.folders(home, out)
    images = results.images_expected(study, DataConfig(study.source), SIDE, folder, data_dir, progress)
    settings = {"updates": updates, "batch_size": batch_size, "ema_decay": SHORT_AVERAGE, **KERNEL_4}
    base = base_for("quick64", target.name, study.scale, **settings)
    base = config.replace(at_size(base, SIDE), choices=target.choices, count=target.count or FEW.get(study.scale))
    task = task_for(study.source, base, judged, data_dir, progress)
    usual = Weights() if task.classes else Weights(variation=1.0)  # drawn faces are made of even areas
    shown = task.held_out[examples(task.known)]

    def sheet(images: np.ndarray) -> np.ndarray:
        return grid(images, columns=len(images), tile=SIDE)

    records, pictures = {}, {SOURCE: sheet(shown)}
    for seed in study.seeds:
        for arm in study.arms:
            weights = replace(usual, constancy=arm.constancy * usual.constancy, identity=arm.identity * usual.identity)
            place, title = home / study.name / f"{arm.name}-{seed}", f"{arm.name}, seed {seed}"
            record = _trained_before(task, config.replace(base, seed=seed), weights, place, progress, title)
            transferred = drawn(load_network(place / "transfer.keras"), shown)
            pictures[arm_picture(arm.name, seed)] = sheet(transferred)
            records[arm.name, seed] = record
            # Each time, so that a study that is stopped keeps what it has.
            file = results.write(study, records, folder, images=images, pictures=pictures)
    return records, file


def _trained_before(task: Task, experiment: Experiment, weights, place: Path, progress: bool, title: str) -> dict:
    """The record of an arm; it is trained and measured if the same was not before."""
    identity = {
        "version": VERSION,
        "experiment": config.to_dict(experiment),
        "weights": vars(weights),
        "source": task.source.fingerprint,
        "target": task.target.fingerprint,
        "judged": _digest(task.held_out, task.known, task.true, task.true_known),
        **task.about,
    }
    identity = json.loads(json.dumps(identity))  # as it is read back
    kept = read_json(place / "record.json") if (place / "record.json").is_file() else {}
    if kept.get("identity") != identity:
        transfer, course = train_transfer(task, experiment, weights, progress, title)
        with appears_whole(place / "transfer.keras") as temporary:
            transfer.save(temporary)
        measured = measure(task, drawn(transfer, task.held_out), experiment.training.seed)
        kept = {"identity": identity, "record": course | measured}
        write_json(place / "record.json", kept)
    return kept["record"]


def task_for(
    source: str | Path, experiment: Experiment, judged: int, data_dir: str | Path | None = None, progress: bool = True
) -> Task:
    """The domains of a study, the classifier of the source and that of the target; the first time they are trained.

    Args:
        source: name of a dataset, or the path of own pictures.
        experiment: its data are the target.
        judged: held-out images of each side, at most; of own pictures they are drawn, so that all classes have their
            share.
        data_dir: where datasets and classifiers are.
        progress: whether to show progress bars.

    Raises:
        InputError: too little is known of the source, or nothing that the target knows, too.
    """
    import keras

    from utils.data import load_for
    from utils.evaluation.features import classifier, kept_classifier, learned_from, rows_apart
    from utils.evaluation.held_out import held_out

    places, target = {"data_dir": data_dir, "progress": progress}, experiment.data
    names, classes, of_source, of_target = in_common(source, target.name, data_dir)
    learned, apart = learned_from(source, SIDE, **places)
    if classes and (most := int(np.max(learned.labels))) >= len(names):
        raise InputError(f"Labels of {one_line(learned.title)} have to be {', '.join(names)}. Received: {most}.")
    network, card = kept_classifier(source, SIDE, **places)
    # Of one kind, f and the judge would be the same network: then the judge is another, but where nothing counts.
    other = str(source) == target.name and judged > SIZES["smallest"][2]
    judge = classifier(target.name, SIDE, seed=int(other), **places)
    rows = np.arange(len(learned))
    if apart is None:
        rows_held, rows = rows_apart(len(learned))
        known, pictures = _known(learned, names, classes), learned.images
    else:
        rows_held, known, pictures = np.arange(len(apart)), _known(apart, names, classes), apart.images
    if find_entry(source) is None:  # own pictures come in the order of their names, so class by class
        rows_held = np.random.default_rng(0).permutation(rows_held)
    rows_held = np.sort(rows_held[:judged])
    true = held_out(target.name, SIDE, judged, choices=target.choices, **places)

    def seen(images: np.ndarray) -> np.ndarray:
        answers = judge.answers(images)
        return of_target(answers == answers.max(1, keepdims=True) if classes else answers > 0)

    return Task(
        f=keras.Sequential([keras.Input((SIDE, SIDE, 3)), *network.layers[:-1]], name="f"),
        source=learned,
        target=load_for(experiment, data_dir, progress),
        source_rows=np.sort(rows),
        held_out=np.asarray(pictures[rows_held]),
        true=np.asarray(true.images),
        names=names,
        known=of_source(known[rows_held]),
        true_known=of_target(_known(true, names, classes)),
        classes=classes,
        seen=seen,
        space=judge,
        about={
            "f": {name: card[name] for name in ("name", "accuracy", "images", "fingerprint")},
            "judge": {name: judge.card[name] for name in ("name", "accuracy", "seed", "fingerprint")},
            "images": {"source": learned.title, "target": _titled(true, target)},
        },
    )


def in_common(
    source: str | Path, target: str, data_dir: str | Path | None = None
) -> tuple[tuple[str, ...], bool, Callable, Callable]:
    """What two datasets both know.

    Returns:
        Names of the C classes or attributes; whether they are classes; and two functions that give them, bool (N, C),
        of what is known of images of the source, and of the target, bool (N, K).

    Raises:
        InputError: there is nothing.
    """
    sides = [source_there(each, SIDE, (1,), data_dir=data_dir, tolerated=1.0).describe() for each in (source, target)]
    classes = "labels" in sides[1].fields
    if classes:
        names = sides[1].label_names
        if "labels" in sides[0].fields and (sides[0].label_names or names) == names:
            return names, True, lambda known: known, lambda known: known
    elif "attributes" in sides[0].fields:
        ours, theirs = sides[1].attribute_names, sides[0].attribute_names
        if ours == theirs:
            return ours, False, lambda known: known, lambda known: known
        if there := {name: pair for name, pair in CELEBA.items() if pair[0] in theirs}:

            def of_source(known):
                return np.stack([known[:, theirs.index(a)] ^ a.startswith("No_") for a, _ in there.values()], 1)

            def of_target(known):
                return np.stack([known[:, [ours.index(a) for a in any_]].any(1) for _, any_ in there.values()], 1)

            return tuple(there), False, of_source, of_target
    there = sides[0].label_names if classes else sides[0].attribute_names
    raise InputError(
        f"Nothing is known of {one_line(sides[0].title)} that is known of the {sides[1].title}, too, so nothing can be "
        f"seen to be kept: labels have to be {', '.join(sides[1].label_names)}, or attributes those of CelebA. "
        f"Received: {one_line(', '.join(there)) or 'no names'}."
    )


def train_transfer(task: Task, experiment: Experiment, weights, progress: bool = True, title: str = "g"):
    """Train g and D.

    Args:
        task: the two domains.
        experiment: networks and training.
        weights: of the losses, a `training.transfer.Weights`.
        progress: whether to show a progress bar.
        title: what it says.

    Returns:
        G = g after f, a network; and the course of the training as plain values.
    """
    from utils.training.step import Update
    from utils.training.transfer import build_transfer, fitted_to, recipe, transfer_batches, whole

    began = time.perf_counter()
    experiment = fitted_to(experiment, task.f.output_shape[-1])
    players = build_transfer(experiment)
    update = Update(players, experiment, recipe(task.f, weights))
    images = np.asarray(task.target.images)
    features = [_features(task.f, np.asarray(task.source.images[task.source_rows])), _features(task.f, images)]
    records, last = [], max(1, experiment.training.updates // 10)
    coming = transfer_batches(*features, images, experiment)
    for batch in tqdm(coming, title, experiment.training.updates, unit=" updates", disable=not progress):
        records = [*records[1 - last or len(records) :], update(batch)]
    rows = [record.read() for record in records]
    means = {name: np.mean([row[f"loss_{name}"] for row in rows]) for name in LOSSES if f"loss_{name}" in rows[0]}
    course = {
        "updates": experiment.training.updates,
        "seconds": round(time.perf_counter() - began, 1),
        "losses": {name: float(f"{value:.4g}") for name, value in means.items()},
    }
    return whole(task.f, players.averaged), course


def drawn(transfer, images: np.ndarray) -> np.ndarray:
    """What G makes of uint8 (N, S, S, 3) images, as such."""
    starts = range(0, len(images), 256)
    return np.concatenate([scale_back(np.asarray(transfer(scale(images[s : s + 256])))) for s in starts])


def measure(task: Task, transferred: np.ndarray, seed: int = 0) -> dict:
    """What transferred images keep, as plain values.

    Args:
        task: the two domains.
        transferred: uint8 (N, S, S, 3), what became of `task.held_out`.
        seed: of the pairs at random.

    Returns:
        "kept": how often the judge sees what the source image has, with intervals: of classes the share of images, of
        attributes the mean over them of the shares that are right among those that have it and among those that have
        not (0.5 by chance). "transferred" beside their own source, and "others" beside that of another image;
        "untouched" source images, and "true" target images beside what they have. "by_name" for each class or
        attribute how often it is "seen" where it is there, and "wrongly" where it is not. "renamed", of classes: the
        share if each counted as the one that it mostly becomes (see `renamed`). "distance" and "variety":
        the kernel distance to true target images, and how far two images are apart as a share of two true ones, of
        "transferred" and "untouched" images.
    """
    from utils.evaluation.distances import kernel_distance
    from utils.evaluation.variety import variety

    others = stream(seed, "cross-domain: others").permutation(len(task.known))
    seen, untouched = task.seen(transferred), task.seen(task.held_out)
    spaces = {"transferred": task.space(transferred), "untouched": task.space(task.held_out)}
    true = task.space(task.true)

    def kept(known: np.ndarray, shown: np.ndarray) -> dict:
        return kept_share(known, shown, task.classes).plain()

    return {
        "source": task.about["images"]["source"],
        "target": task.about["images"]["target"],
        "classes": task.classes,
        "judged": len(task.known),
        "f": task.about["f"],
        "judge": task.about["judge"],
        "kept": {
            "transferred": kept(task.known, seen),
            "others": kept(task.known[others], seen),
            "untouched": kept(task.known, untouched),
            "true": kept(task.true_known, task.seen(task.true)),
        },
        **({"renamed": renamed(task.known, seen)} if task.classes else {}),
        "by_name": [
            {
                "name": name,
                "count": int(task.known[:, place].sum()),
                "seen": _share(seen[task.known[:, place], place]),
                "wrongly": _share(seen[~task.known[:, place], place]),
            }
            for place, name in enumerate(task.names)
        ],
        "distance": {name: kernel_distance(space, true).plain() for name, space in spaces.items()},
        "variety": {name: variety(space, true).plain() for name, space in spaces.items()},
    }


def kept_share(known: np.ndarray, seen: np.ndarray, classes: bool) -> Interval:
    """How often what is known is seen; see `measure`. Both bool (N, C)."""
    if classes:
        return wilson(int((known & seen).any(1).sum()), len(known))
    there = known.any(0) & ~known.all(0)  # of the others one of the two shares is of nothing
    known, right = known[:, there], (known == seen)[:, there]

    def balanced(rows) -> float:
        has, fits = known[rows], right[rows]
        counts = [np.maximum(each.sum(0), 1) for each in (has, ~has)]
        return float(np.mean([(fits & has).sum(0) / counts[0], (fits & ~has).sum(0) / counts[1]]))

    random = np.random.default_rng(0)
    resamples = [balanced(random.integers(len(known), size=len(known))) for _ in range(REPLICATES // 4)]
    return percentiles(balanced(slice(None)), np.array(resamples))


def renamed(known: np.ndarray, seen: np.ndarray) -> float:
    """The largest share of images in which the right class is seen if classes may trade names, one for one.

    Without anything that says which is which, a game can only keep classes apart. Both bool (N, C).
    """
    together = known.astype(int).T @ seen.astype(int)
    return float(together[linear_sum_assignment(together, maximize=True)].sum() / len(known))


def examples(known: np.ndarray) -> np.ndarray:
    """For each class or attribute, bool (N, C), an image that has it, where there is one: rows, int64. It is the first
    that does not stand for another one already, if there is such."""
    rows: list[int] = []
    for has in known.T:
        there = np.flatnonzero(has).tolist()
        rows += [next((row for row in there if row not in rows), there[0])] if there else []
    return np.array(rows[:SHOWN])


def arm_picture(arm: str, seed: int) -> str:
    """Name of the picture of what an arm makes of the examples."""
    return f"{arm}-{seed}.png"


def by_arm(results: dict) -> list[dict]:
    """A row for each arm and seed: what is kept, beside controls, and how near the target it is."""
    rows = []
    for run in results["runs"]:
        kept = {name: Interval.of(of) for name, of in run["kept"].items()}
        rows.append(
            {
                "arm": run["arm"],
                "what": results["arms"][run["arm"]],
                **seed_column(results, run),
                "kept": f"{kept['transferred']:.1%}",
                **({"if renamed": f"{run['renamed']:.1%}"} if "renamed" in run else {}),
                "of another": f"{kept['others'].value:.1%}",
                "untouched": f"{kept['untouched'].value:.1%}",
                "true target": f"{kept['true'].value:.1%}",
                "distance": f"{Interval.of(run['distance']['transferred']):.2f}",
                "untouched's": f"{run['distance']['untouched']['value']:.2f}",
                "variety": f"{run['variety']['transferred']['value']:.0%}",
                "trained": f"{run['updates']:,} updates, {duration(run['seconds'])}",
            }
        )
    return rows


def plot_cross_domain(results: dict) -> Figure:
    """Draw what each arm makes of some source images (and these, where they are kept), and how much is kept.

    Above each column stands what its source image is, or has.
    """
    runs = [run for run in results["runs"] if run["seed"] == results["runs"][0]["seed"]]
    first, folder = runs[0], results["pictures"]
    rows = {run["arm"]: read_png(folder / arm_picture(run["arm"], run["seed"])) for run in runs}
    if (folder / SOURCE).is_file():
        rows = {"source": read_png(folder / SOURCE)} | rows
    figure = new_figure(
        13, 1.6 + 0.9 * len(rows), f"{first['source']}, drawn as {first['target']} ({first['judged']:,} judged)"
    )
    pictures, bars = figure.subplots(1, 2, width_ratios=(2.4, 1))
    sheet = np.concatenate(list(rows.values()))
    pictures.imshow(sheet, interpolation="nearest")
    names = [row["name"].replace("_", " ") for row in first["by_name"] if row["count"]][:SHOWN]
    wide, high = sheet.shape[1] / len(names), sheet.shape[0] / len(rows)
    pictures.set_yticks([high * (row + 0.5) for row in range(len(rows))], list(rows))
    pictures.set_xticks([wide * (column + 0.5) for column in range(len(names))], names)
    pictures.tick_params(length=0, labelsize=9, labeltop=True, labelbottom=False)
    if not first["classes"]:
        pictures.tick_params(axis="x", labelrotation=25)
    pictures.spines[:].set_visible(False)
    sides = [("own source", "C0", "transferred"), ("another's source", "0.7", "others")]
    for side, (label, colour, name) in enumerate(sides):
        values = [Interval.of(run["kept"][name]) for run in runs]
        ends = [[v.value - v.low for v in values], [v.high - v.value for v in values]]
        places = np.arange(len(runs)) + 0.36 * (side - 0.5)
        bars.barh(places, [v.value for v in values], 0.34, xerr=ends, color=colour, label=label, ecolor="0.3")
    for name, style, label in (("true", "-", "true target images"), ("untouched", ":", "source images, untouched")):
        bars.axvline(first["kept"][name]["value"], color="black", linestyle=style, linewidth=1, label=label)
    bars.set_yticks(range(len(runs)), [run["arm"] for run in runs])
    bars.set_ylim(len(runs) - 0.5, -0.5)
    what = "class is kept" if first["classes"] else "attributes are kept (0.5: by chance)"
    bars.set(title=f"how often the {what}", xlim=(0, 1))
    bars.title.set_fontsize(10)
    bars.grid(alpha=0.25, axis="x")
    figure.legend(*bars.get_legend_handles_labels(), loc="outside lower right", ncols=4, fontsize=8, frameon=False)
    return figure


def answer(results: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results."""
    return by_arm(results), plot_cross_domain(results)


def _features(f, images: np.ndarray) -> np.ndarray:
    starts = range(0, len(images), 256)
    return np.concatenate([np.asarray(f(scale(images[s : s + 256]), training=False)) for s in starts])


def _known(dataset: Dataset, names: Sequence[str], classes: bool) -> np.ndarray:
    """Classes as bool (N, C), one of them true, or attributes, bool (N, K)."""
    if classes:
        return np.asarray(dataset.labels)[:, None] == np.arange(len(names))
    return np.asarray(dataset.attributes).astype(bool)


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _titled(dataset: Dataset, data: DataConfig) -> str:
    plain = dataset.title.removesuffix(" test")
    return f"{data.choices} {plain}" if data.choices != DataConfig.choices else plain


def _share(right: np.ndarray) -> dict | None:
    return wilson(int(right.sum()), len(right)).plain() if len(right) else None
