"""Which feature spaces order spoilt images as they should (`evaluation.ladder`), on images of any dataset."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from utils.config import DataConfig
from utils.errors import InputError
from utils.figure import new_figure
from utils.studies.results import rounded
from utils.studies.study import Study, at_scale, study_name

SIZES = {"report": (500,), "quick": (150,), "smallest": (40,)}
"""Images of each rung, at each scale."""
SHOWN = 2
"""Pictures of each rung in the figure."""
LOWEST, TICKS = 1e-4, (1e-4, 1e-3, 0.01, 0.1, 0.2, 0.5, 1)
"""The smallest share of white noise's distance that is drawn, and those that are written at the axis."""
WORDS = {"kernel": "kernel", "frechet": "Fréchet"}
"""What tables and figures call the distances."""


@dataclass(frozen=True)
class Space:
    """An arm: one feature space.

    Attributes:
        name: short ("imagenet").
        about: what it is.
        features: what `extractor_for` calls it.
    """

    name: str
    about: str
    features: str


@dataclass(frozen=True)
class LadderStudy(Study):
    """A study whose arms are feature spaces; nothing is trained but a classifier. Seeds are of the choice of images and
    of the noise.

    Attributes:
        data: name of a dataset, or the path of own pictures.
        samples: images of each rung.
    """

    seeds: tuple[int, ...] = (0,)
    data: str = "faces"
    samples: int = 500


def ladder(data: str = "faces", scale: str = "report") -> LadderStudy:
    """True images, spoilt in known orders, in the features of the project's classifier and in those of ImageNet.

    Args:
        data: name of a dataset, or the path of own pictures.
        scale: one of `presets.SCALES`.
    """
    (samples,) = at_scale(SIZES, scale)
    return LadderStudy(
        study_name("ladder", data, scale),
        "Where does a distance call images nearer to true ones (<), or as near (=), that are certainly further away?",
        (
            Space("classifier", "a small classifier of the dataset, or else of the faces, trained here", "auto"),
            Space("imagenet", "EfficientNet-Lite0, trained on ImageNet by others", "imagenet"),
        ),
        scale=scale,
        data=str(data),
        samples=samples,
    )


def carry_out(
    study: LadderStudy,
    home: str | Path | None = None,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> tuple[dict, Path]:
    """Measure the ladder in each space, and keep the figures and some pictures of each rung.

    Args:
        study, home, out, data_dir, progress: as for `train_study`.

    Returns:
        The record of each (space, seed), and the file of the results.

    Raises:
        InputError: there is no such dataset, or it has too few images, or a space cannot be had, or the results that
            are kept under the study's name are of other images.
    """
    from utils import runtime
    from utils.evaluation.features import extractor_for
    from utils.evaluation.ladder import climb, rungs
    from utils.studies import results

    runtime.start()
    size = side_of(study.data)
    _, folder = results.folders(home, out)
    images = results.images_expected(study, DataConfig(study.data), size, folder, data_dir, progress)
    dataset, samples = _true_images(study, size, data_dir, progress)
    in_half, about_half = half_of_the_classes(dataset)
    spaces = {  # what cannot be had is said before anything is measured
        arm.name: extractor_for(study.data, size, features=arm.features, data_dir=data_dir, progress=progress)
        for arm in study.arms
    }
    records, commit = {}, runtime.commit()
    for arm, extractor in spaces.items():
        for seed in study.seeds:
            true, steps = rungs(np.asarray(dataset.images), samples, in_half, seed)
            climbed = climb(true, steps, extractor, progress)
            columns = [np.concatenate(np.resize(rung.images, (SHOWN, size, size, 3))) for rung in steps]
            pictures = {f"rungs-{seed}.png": np.concatenate(columns, axis=1)}
            records[arm, seed] = {
                "images": dataset.title,
                "images_fingerprint": dataset.fingerprint,
                "size": size,
                "half": about_half,
                **_rounded(climbed.plain()),
                "card": extractor.card,
                "commit": commit,
                "versions": runtime.versions_of(runtime.environment()),
            }
            one = {(arm, seed): records[arm, seed]}  # at once: the next may be stopped
            file = results.write(study, one, folder, images=images, pictures=pictures)
    return records, file


def side_of(data: str) -> int:
    """The side that a dataset is looked at: 64 pixels, or 32 where most pictures have no more.

    Raises:
        InputError: there is no such dataset.
    """
    from utils.data.catalogue import find_entry, share_too_small

    if entry := find_entry(data):
        return min(64, entry.native_size or 64)
    return 32 if share_too_small(DataConfig(data), 64) > 0.5 else 64


def half_of_the_classes(dataset) -> tuple[np.ndarray | None, str]:
    """Which images of a `Dataset` are of one half of its classes, bool (N,), and which half that is.

    Of the classes that occur it is the first half; of attributes it is those without the one that divides the images
    best. None where nothing is known of them.
    """
    from utils.data.conditions import are_classes

    if dataset.labels is not None and are_classes(dataset.labels, dataset.label_names):
        classes = np.unique(dataset.labels)
        if len(classes) > 1:
            half = (len(classes) + 1) // 2
            return np.asarray(dataset.labels) < classes[half], f"{half} of {len(classes)} classes"
    if dataset.attributes is not None:
        best = int(np.abs(np.mean(dataset.attributes, axis=0) - 0.5).argmin())
        return np.asarray(dataset.attributes[:, best]) == 0, f"without {dataset.attribute_names[best]}"
    return None, ""


def by_rung(results: dict) -> list[dict]:
    """A row for each rung of the kept results, with its distances in each space.

    Behind a distance stands where it fails (`evaluation.ladder`): "< noise 64" if the rung is called nearer than that
    one, beyond chance, though it is further; "= true" if it is not told from it.
    """
    from utils.evaluation.ladder import orderings

    ladders = _ladders(results)
    rows = {rung: {"rung": rung} for rung in _rungs(ladders)}
    for space, climbed in ladders.items():
        known = orderings(climbed)
        for measure, words in WORDS.items():
            for rung, row in rows.items():
                cell = f"{climbed.distances[measure][rung].value:.3g}"
                for verdict, sign in (("reversed", "<"), ("unseen", "=")):
                    of = [o.better for o in known if (o.measure, o.worse, o.verdict) == (measure, rung, verdict)]
                    cell += f" {sign} {', '.join(of)}" if of else ""
                row[f"{space}: {words}"] = cell
    return list(rows.values())


def plot_ladder(results: dict) -> Figure:
    """Draw how far each rung is in each space, as a share of how far white noise is, and pictures of it where they are
    kept: photographs may not be passed on with the figures.

    A ring marks a rung that a space calls nearer than one that certainly is nearer, to which a dotted line leads.
    """
    from utils.evaluation.ladder import WHITE_NOISE
    from utils.viz import plain_ticks, read_png

    run, ladders = results["runs"][0], _ladders(results)
    names, families = _rungs(ladders), next(iter(ladders.values())).families
    strip = results["pictures"] / f"rungs-{run['seed']}.png"
    heights = (2.6, 2.6, 1.6) if strip.is_file() else (2.6, 2.6)
    what = f"{run['images']}, {run['size']} pixels, {run['samples']:,} images of each rung"
    figure = new_figure(15, 1.1 + sum(heights), what)
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    for axes, (measure, words) in zip(panels, WORDS.items()):
        for number, (space, climbed) in enumerate(ladders.items()):
            of, colour = climbed.distances[measure], f"C{number}"
            values = np.array([[*of[rung].plain().values()] for rung in names]) / of[WHITE_NOISE].value
            values = np.maximum(values, LOWEST)  # a logarithmic axis ends above 0
            places = np.arange(len(names)) + 0.14 * (number - (len(ladders) - 1) / 2)
            bars = np.abs(values[:, 1:] - values[:, :1]).T
            axes.errorbar(places, values[:, 0], bars, fmt="o", color=colour, markersize=4, linewidth=1, label=space)
            for family in dict.fromkeys(families.values()):
                rows = [row for row, rung in enumerate(names) if families[rung] == family]
                axes.plot(places[rows], values[rows, 0], color=colour, linewidth=1)
            for o in _turned(climbed, measure):
                ends = [names.index(o.better), names.index(o.worse)]
                axes.plot(places[ends], values[ends, 0], ":", color="tab:red", linewidth=0.8)
                axes.plot(places[ends[1]], values[ends[1], 0], "o", color="tab:red", markersize=12, fillstyle="none")
        axes.set_title(f"{words} distance, as a share of white noise's (not below {LOWEST:.4f})", fontsize=10)
        axes.set_yscale("log")
        plain_ticks(axes.yaxis, TICKS)
        axes.grid(alpha=0.25, axis="y")
        for row in [row for row in range(1, len(names)) if families[names[row]] != families[names[row - 1]]]:
            axes.axvline(row - 0.5, color="grey", linewidth=0.5)
    if strip.is_file():
        pictures = read_png(strip)
        high = pictures.shape[0] / pictures.shape[1] * len(names)
        panels[-1].imshow(pictures, extent=(-0.5, len(names) - 0.5, high, 0), aspect="auto", interpolation="nearest")
        panels[-1].set_yticks([])
    panels[-1].set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    ring = panels[0].plot([], [], "o", color="tab:red", markersize=10, fillstyle="none")
    figure.legend(
        [*handles, *ring],
        [*labels, "called nearer than a rung that certainly is (dotted)"],
        loc="outside lower right", ncols=len(labels) + 1, fontsize=9, frameon=False,
    )  # fmt: skip
    return figure


def answer(results: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results."""
    return by_rung(results), plot_ladder(results)


def _ladders(results: dict) -> dict:
    """The ladder of each space, named with its seed where there are several of a space."""
    from utils.evaluation.ladder import Ladder

    several = len({run["seed"] for run in results["runs"]}) > 1
    names = [run["arm"] + (f", seed {run['seed']}" if several else "") for run in results["runs"]]
    return {name: Ladder.of(run) for name, run in zip(names, results["runs"])}


def _rungs(ladders: dict) -> list[str]:
    """The rungs that every space was measured on, in their order."""
    first, *others = ladders.values()
    return [rung for rung in first.families if all(rung in of.families for of in others)]


def _turned(climbed, measure: str) -> list:
    from utils.evaluation.ladder import reversed_orderings

    return [ordering for ordering in reversed_orderings(climbed) if ordering.measure == measure]


def _true_images(study: LadderStudy, size: int, data_dir: str | Path | None, progress: bool):
    """Images that the classifier was not trained on, where there are such, and how many make a rung."""
    from utils.data import load
    from utils.evaluation.distances import LEAST_SAMPLES
    from utils.evaluation.held_out import held_out, source_there

    wanted, places = 4 * study.samples, {"data_dir": data_dir, "progress": progress}
    dataset = held_out(study.data, size, wanted, **places)
    if dataset is None or len(dataset) < 2 * study.samples:
        there = source_there(study.data, size, (wanted + 1,), data_dir=data_dir).describe().count
        everything = load(study.data, size, wanted if there > wanted else None, **places)
        dataset = everything if dataset is None or len(everything) > len(dataset) else dataset
    samples = min(study.samples, len(dataset) // 2)
    if samples < LEAST_SAMPLES:
        raise InputError(
            f"The ladder compares two sets of at least {LEAST_SAMPLES} true images. Received: {study.data}, which has "
            f"{len(dataset):,} images."
        )
    return dataset, samples


def _rounded(plain: dict) -> dict:
    """What a ladder gives, with rounded distances."""
    distances = {
        measure: {rung: {end: rounded(value) for end, value in values.items()} for rung, values in of.items()}
        for measure, of in plain["distances"].items()
    }
    return plain | {"distances": distances}
