"""The report's own comparison, 19,000 images with 300,000 (§5.2, Fig 13), taken apart: at equal epochs, as it stands
there, and at equal updates."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from utils import viz
from utils.config import replace
from utils.data.catalogue import find_entry
from utils.errors import InputError
from utils.figure import new_figure
from utils.fitting import AUGMENTATION
from utils.presets import preset
from utils.runs import Run
from utils.studies.amount_of_data import plot_amounts, second_half
from utils.studies.moments import COLUMNS, keep_moments, moments
from utils.studies.results import seed_column
from utils.studies.study import Arm, Study, at_scale, base_for, images_for, study_name, watch_every

REPORT = (19_000, 300_000)
"""Images that the report compares. A smaller dataset is compared with the same share of it."""
SIZES = {"report": (300_000, 3, 10_000, 128), "quick": (19_000, 3, 1_000, 128), "smallest": (256, 1, 3, 16)}
"""Images at most, how often these are gone through at least, least updates, and least images; at each scale."""
COMPARED = {"": "equal updates", "epochs": "equal epochs", "moved": "equal updates, augmented"}
"""What the second part of an arm's name means."""
RECIPE = "quick32"
"""The preset of all arms."""
MOVED = 5_000
"""Of so many images and fewer there are arms whose images are augmented, as `./dcgan train` does with few."""
MOMENTS = {"report": 15, "quick": 5, "smallest": 2}
"""Kept networks of each arm, but for those before the first update."""


def report_amounts(data: str = "faces", scale: str = "report", data_dir: str | Path | None = None) -> Study:
    """The report's two amounts of images, where there are so many, and the same share again of the smaller one.

    Of the built-in datasets, and of those that have them, 1,203, 19,000 and 300,000 images; of others all but those
    that distances are measured against, and 19/300 of these, while 128 are left. All have 32 pixels and the recipe of
    `./dcgan train` there, so that an epoch of the largest amount takes minutes. As in the study
    `amount_of_data` every arm gets as many updates, and all but the largest another run with as many epochs as that:
    the first updates of the same course, measured as often. Of up to `MOVED` images there is one with augmentation
    (Zhao et al., arXiv:2006.10738), too. One seed.

    Args:
        data: name of a dataset, or the path of own pictures.
        scale: one of `presets.SCALES`.
        data_dir: where datasets are.

    Raises:
        InputError: there are too few images.
    """
    most, epochs, least_updates, least = at_scale(SIZES, scale)
    batch_size = 8 if scale == "smallest" else preset(RECIPE).training.batch_size
    there = images_for(data, scale, drawn=most, big=most, data_dir=data_dir)
    most = min(most, find_entry(data).images if there is None else there)
    if most < least:
        raise InputError(
            f"Amounts are compared of {least} images or more that can be trained on. {data} has {most}, with others "
            "kept to measure against."
        )
    per_epoch = most // batch_size
    epochs = max(epochs, -(-least_updates // per_epoch))
    base = base_for(RECIPE, data, scale, batch_size=batch_size, keep_models=True)

    def arm(name: str, count: int, updates: int, **changes) -> Arm:
        each = max(1, updates // MOMENTS[scale])
        passes = updates / (count // batch_size)
        about = f"{count:,} images, {updates:,} updates = {passes:,.{0 if passes >= 10 else 1}f} epochs"
        about += ", moved and recoloured before they are judged" if changes else ""
        watched = each if scale == "smallest" else watch_every(updates)
        length = {"count": count, "updates": updates, "summary_updates": each, "watch_updates": watched}
        return Arm(name, about, replace(base, **length, **changes))

    amounts = [most]
    while (fewer := amounts[0] * REPORT[0] // REPORT[1]) >= least:
        amounts.insert(0, fewer)
    arms = [arm(f"{count}", count, epochs * per_epoch) for count in amounts]
    arms += [arm(f"{count}-epochs", count, epochs * (count // batch_size)) for count in amounts[:-1]]
    moved = {"augment": AUGMENTATION}
    arms += [arm(f"{count}-moved", count, epochs * per_epoch, **moved) for count in amounts if count <= MOVED]
    return Study(
        study_name("report_amounts", data, scale),
        "What is left of the report's comparison, 19,000 bedrooms with 300,000, at equal updates?",
        tuple(arms),
        seeds=(0,),
        scale=scale,
    )


def carry_out(
    study: Study,
    home: str | Path | None = None,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> tuple[dict[tuple[str, int], Run], Path]:
    """Train the arms, and keep their moments, and their distances in every space with what these depend on.

    Args:
        study, home, out, data_dir, progress: as for `train_study`.

    Returns:
        The run of each (arm, seed), and the file of the results; see `moments` for the pictures beside it.
    """
    from utils.studies.train import train_and_evaluate

    runs, file = train_and_evaluate(study, home, out, data_dir=data_dir, progress=progress)
    for (arm, seed), run in runs.items():
        keep_moments(file.parent / study.name, arm, seed, run)
    return runs, file


def plot_as_fig_13(kept: dict) -> Figure:
    """Draw samples of each amount after about one epoch, after as many epochs as the largest had (the report's Fig 13),
    and after as many updates; all of the same latents. Augmented ones stand at the end alone.

    Args:
        kept: as `results.load` gives them.
    """
    runs = {run["arm"]: run for run in kept["runs"] if run["seed"] == 0}
    rows = sorted((run for arm, run in runs.items() if not arm.endswith("-epochs")), key=lambda run: run["images"])
    figure = new_figure(13, 1.25 * len(rows))
    for row, long in zip(figure.subplots(len(rows), 3, squeeze=False), rows):
        short = runs.get(f"{long['images']}-epochs", long)
        first = short["snapshots"].index(after_about_one(short))
        shown = [(short, first), (short, -1), (long, -1)]
        if augmented := long["arm"].endswith("-moved"):
            shown[:2] = [None, None]  # the first updates were not measured apart
        for axes, there in zip(row, shown):
            axes.set(xticks=[], yticks=[])
            if there is None:
                axes.spines[:].set_visible(False)
                continue
            run, number = there
            at = run["snapshots"][number]
            axes.imshow(viz.grid(moments(kept, run)[number], columns=COLUMNS, tile=64))
            epoch = f"{at['epoch']:,.{0 if at['epoch'] >= 10 else 1}f}"
            axes.set_title(f"epoch {epoch}, update {at['update']:,}: {at['kernel'][0]:.3f}", fontsize=9)
        label = f"{long['images']:,}\nimages" + (",\naugmented" if augmented else "")
        row[2 if augmented else 0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10)
    return figure


def by_course(kept: dict) -> list[dict]:
    """A row for each arm of the kept results, of its whole course: the kernel distance after about one epoch, where it
    was least, the median of its second half, with the lowest and the highest, at the end; and there the discriminator's
    mean score of true images that it was trained on, and of others.

    Distances go up and down from network to network by more than their intervals, so ends alone compare moments.
    """
    rows = []
    for run in sorted(kept["runs"], key=lambda run: (run["images"], run["arm"])):
        moments = run["snapshots"][1:]
        of = [row["kernel"][0] for row in moments]
        late = second_half(run)
        first = after_about_one(run)
        best = moments[int(np.argmin(of))]
        rows.append(
            {
                "images": run["images"],
                "compared at": COMPARED[run["arm"].partition("-")[2]],
                **seed_column(kept, run),
                "updates": f"{run['updates']:,}",
                "epochs": f"{moments[-1]['epoch']:,.0f}",
                "after an epoch": f"{first['kernel'][0]:.3f} (epoch {first['epoch']:.2g})",
                "least": f"{best['kernel'][0]:.3f} (update {best['update']:,})",
                "second half": f"{np.median(late):.3f} ({min(late):.3f} to {max(late):.3f})",
                "at the end": f"{of[-1]:.3f}",
                "score, others'": "{trained_on:.2f}, {held_out:.2f}".format(**moments[-1]["judged"]),
                "minutes": f"{run['seconds'] / 60:.1f}",
            }
        )
    return rows


def after_about_one(run: dict) -> dict:
    """What was measured nearest to the end of the first epoch."""
    return min(run["snapshots"][1:], key=lambda row: abs(row["epoch"] - 1))


def plot_courses(kept: dict) -> Figure:
    """Draw the courses of the kept results, as in the study `amount_of_data`; the second half of a run is its end."""
    return plot_amounts(kept, late=True)


def plot_by_heart(kept: dict) -> Figure:
    """Draw, for each run of equal updates, the discriminator's mean score of images that it was trained on, and of
    images that it was not: these are as true, and to whoever knows the others by heart they are fake."""
    runs = [run for run in kept["runs"] if not run["arm"].endswith("-epochs")]
    runs.sort(key=lambda run: (run["images"], run["arm"]))
    figure = new_figure(3.2 * max(2, len(runs)), 2.6)
    panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    for axes, run in zip(panels, runs):
        updates = [row["update"] for row in run["snapshots"]]
        for name, label, style in (
            ("trained_on", "true images trained on", "o-"),
            ("held_out", "other true ones", "s--"),
        ):
            axes.plot(updates, [row["judged"][name] for row in run["snapshots"]], style, markersize=3, label=label)
        axes.set(
            title=f"{run['images']:,} images{', augmented' * run['arm'].endswith('-moved')}",
            xlabel="update",
            ylim=(-0.03, 1.03),
        )
        axes.title.set_fontsize(10)
        axes.grid(alpha=0.25)
    panels[0].set_ylabel("the discriminator's score")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure


def answer(kept: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results."""
    return by_course(kept), plot_courses(kept)


def by_space(kept: dict) -> list[dict]:
    """A row for each arm of the kept results: the kernel distance at the end, with its 95% interval, in every space,
    and the share of the fine detail that all samples have in common."""
    rows = []
    for run in kept["runs"]:
        row = {"arm": run["arm"], **seed_column(kept, run), "updates": f"{run['updates']:,}"}
        for found in (run["distance"], *run["distance"]["other_spaces"]):
            row[found["space"]] = "{value:.3f} ({low:.3f} to {high:.3f})".format(**found["kernel"])
        row["fixed pattern"] = "{fake[0]:.3f} (true {held_out[0]:.3f})".format(**run["fixed_pattern"])
        rows.append(row)
    return rows
