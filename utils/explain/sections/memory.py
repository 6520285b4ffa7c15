"""Does the generator copy its training images: the sheets of neighbours and the section."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from utils import viz
from utils.config import Experiment
from utils.data.catalogue import count_for, find_entry, is_own, load_of
from utils.data.fetching import data_folder
from utils.data.rows import leave_out
from utils.errors import InputError
from utils.evaluation.copying import closest_hundredth
from utils.evaluation.features import extractor_for
from utils.evaluation.held_out import unseen
from utils.explain.draw import sheet
from utils.explain.memory import GROUPS, LEAST_HELD_OUT, SAMPLES, Memorisation, memorisation
from utils.explain.sections import Finding, Picture, Section, bracketed, rounded
from utils.explain.subject import Subject
from utils.figure import new_figure, write_figure

HELD_OUT = 10_000  # images at most that samples are compared with beside the training images


def _trained_on(experiment: Experiment, subject: Subject) -> np.ndarray:
    """The training images, the first `most` of them where that is set; drawn ones are drawn only as far."""
    data, entry = experiment.data, find_entry(experiment.data.name)
    if subject.most and entry and entry.built_in:  # image i does not depend on how many there are
        data = replace(data, count=min(subject.most, count_for(experiment, subject.data_dir)[0]))
    dataset, run = load_of(data, experiment.model.image_size, subject.data_dir), subject.run
    known = run and run.environment.get("fingerprint")
    if known and is_own(data.name) and dataset.fingerprint != known:
        raise InputError(
            f"The images of {data.name} are not those that {run.folder} was trained on, so nobody knows which of them "
            "it has seen: restore them, or train it anew."
        )
    return dataset.images[: subject.most]


def section(subject: Subject, folder: Path) -> Section:
    sampler, experiment = subject.trained("Memorisation")
    if subject.data.name != experiment.data.name:
        raise InputError(
            f"Memorisation compares samples with held-out images of the run's own dataset, {experiment.data.name}. "
            f"Received: {subject.data.name}."
        )
    train = _trained_on(experiment, subject)
    size, count = subject.fixed.side, min(len(train), HELD_OUT)  # as many as there are training images tell most
    wanted, without = max(count, LEAST_HELD_OUT), experiment.data.without
    apart = unseen(experiment.data, size, 2 * wanted if without else wanted, data_dir=subject.data_dir)
    if apart is not None and without:
        # Beside training images of which a kind is missing, held-out images of that kind would be nobody's nearest.
        apart = leave_out(apart, without, data_folder(subject.data_dir) / "prepared", progress=False)
    there = 0 if apart is None else len(apart)
    if there < LEAST_HELD_OUT:
        raise InputError(
            f"{subject.data.title} has {there or 'no'} image{'s' * (there != 1)} set apart from training to compare "
            f"samples with; at least {LEAST_HELD_OUT} are needed."
        )
    record = memorisation(
        sampler,
        subject.discriminator,
        train,
        apart.images[:wanted],
        extractor=extractor_for(
            experiment.data.name, subject.fixed.side, small=experiment.data.small, data_dir=subject.data_dir
        ),
        samples=min(SAMPLES, subject.most or SAMPLES),
        seed=subject.seed,
    )
    findings = tuple(
        Finding(
            "Report: the maps show that the network does not memorise. That does not follow from maps, so the "
            f"samples are compared: {space.title}",
            f"{space.copying['fake'].verdict}: {space.copying['fake']}",
            f"{GROUPS['copies']}: {space.copying['copies']}; {GROUPS['fresh']}: {space.copying['fresh']}",
        )
        for space in record.spaces.values()
    )
    captions = (
        "Fake samples beside their nearest training images: first as they come, then those that are closest.",
        "The same for held-out true images, which cannot be copies.",
        "Distances to the nearest training image.",
    )
    pictures = tuple(Picture(*pair) for pair in zip(draw_neighbours(record, folder, heading=subject.about), captions))
    tables = {"Distances to the nearest training image against those of held-out images": readable(record)}
    text = (
        "copied: estimated share of copies (0%: none), from how often the image nearest to a picture is a training "
        "image rather than a held-out one. further: how probable it is that a picture is further from its nearest "
        "training image than a held-out image is (0.5: no difference, near 0: copies). close: share of pictures closer "
        "than the closest hundredth of held-out images (no difference: about 1%, of little more than 100 images up to "
        "2%). by chance: how probable as many or more are, if there is no difference; below 1 in 700 it is no chance.",
    )
    table = record.table()
    of_chance = ({"chance": float(f"{row['chance']:.2g}")} for row in table)  # three decimals would not tell
    values = {"memory": [row | chance for row, chance in zip(rounded(table), of_chance)]}
    return Section(text=text, findings=findings, tables=tables, values=values, pictures=pictures)


def readable(record: Memorisation) -> list[dict]:
    """A row for each space and group of pictures, with 95% intervals."""
    return [
        {
            "space": space.title,
            "pictures": GROUPS[group],
            "count": len(record.images[group]),
            "copied": bracketed(copying.copied, ".0%"),
            "Z": f"{copying.z:+.1f}",
            "close": bracketed(copying.close, ".1%"),
            "by chance": f"{copying.chance:.1g}",
            "further": bracketed(copying.further, ".2f"),
            "its Z": f"{copying.further_z:+.1f}",
            "verdict": copying.verdict,
        }
        for space in record.spaces.values()
        for group, copying in space.copying.items()
    ]


def draw_neighbours(record: Memorisation, folder: str | Path, shown: int = 5, heading: str = "") -> list[Path]:
    """Draw samples beside their nearest training images, held-out images likewise, and the distances.

    Args:
        record: what `memorisation` found.
        folder: where to write.
        shown: how many pictures are shown as they come; as many again are those with the smallest relative distance in
            the fixed feature space.
        heading: of the figure of distances.

    Returns:
        neighbours_fake.png, neighbours_held_out.png, distances.png.
    """
    files = []
    for group, title in (("fake", "fake sample"), ("held_out", "held-out image")):
        closest = np.argsort(record.spaces["fixed"].nearest[group].relative, kind="stable")[:shown]
        rows = np.concatenate([np.arange(shown), closest])
        headings = {
            "pixels": "nearest in\npixels",
            "discriminator": "nearest to the\ndiscriminator",
            "fixed": "nearest in fixed\nfeatures",
        }
        columns = {title: record.images[group][rows]}
        for name, space in record.spaces.items():
            nearest = space.nearest[group].rows[rows]
            columns[headings[name]] = np.stack([record.train_images[row] for row in nearest])
        labels = [f"{kind} {i}" for kind in ("number", "closest") for i in range(1, shown + 1)]
        files.append(Path(folder) / f"neighbours_{group}.png")
        viz.write_png(files[-1], sheet(columns, labels))
    return [*files, _draw_distances(record, Path(folder) / "distances.png", heading)]


def _draw_distances(record: Memorisation, file: Path, heading: str) -> Path:
    """Histograms of both kinds of distance in each space, with the mark up to which a picture counts as close."""
    figure = new_figure(13, 7.4, heading)
    rows = figure.subplots(2, 3)
    for (above, below), space in zip(rows.T, record.spaces.values()):
        copied, close, further = str(space.copying["fake"]).split("; ")
        _histogram(above, {group: nearest.relative for group, nearest in space.nearest.items()})
        above.set_title(f"{space.title}\nfake samples: {copied},\n{close}", fontsize=8)
        above.set_xlabel("relative distance to the nearest training image")
        mark = closest_hundredth(space.nearest["held_out"].relative)
        above.axvline(mark, color="black", linestyle=":", linewidth=1, label="closest 1% of held-out")
        _histogram(below, {group: nearest.distances for group, nearest in space.nearest.items()})
        below.set_title(f"fake samples: {further}", fontsize=8)
        below.set_xlabel("distance to the nearest training image")
    figure.legend(*rows[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    return write_figure(file, figure)


def _histogram(axes, values: dict[str, np.ndarray]) -> None:
    styles = {"held_out": ("C0", 0.55), "fresh": ("C2", 0), "fake": ("C1", 0.55), "copies": ("C3", 0)}
    bins = np.linspace(0, max(group.max() for group in values.values()), 60)
    for group, (colour, opacity) in styles.items():
        kind = {"histtype": "stepfilled", "alpha": opacity} if opacity else {"histtype": "step", "linewidth": 1.4}
        weights = np.full(len(values[group]), 1 / len(values[group]))
        axes.hist(values[group], bins, weights=weights, color=colour, label=GROUPS[group], **kind)
    axes.set(ylabel="share of pictures", yscale="log")
    axes.grid(alpha=0.25)
