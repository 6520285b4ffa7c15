"""The report's own comparison, 19,000 images with 300,000 (§5.2, Fig 13), taken apart: at equal epochs, as it stands
there, and at equal updates."""

from pathlib import Path

from matplotlib.figure import Figure, SubFigure

from utils import viz
from utils.config import replace
from utils.data.catalogue import find_entry
from utils.errors import InputError
from utils.figure import new_figure
from utils.presets import preset
from utils.runs import Run, runs_folder
from utils.studies.amount_of_data import by_amount, plot_amounts
from utils.studies.moments import keep_moments, moments
from utils.studies.study import Arm, Study, at_scale, base_for, images_for, samples_for, study_name, watch_every

REPORT = (19_000, 300_000)
"""Images that the report compares. A smaller dataset is compared with the same share of it."""
SIZES = {"report": (300_000, 3, 10_000, 128), "quick": (19_000, 3, 1_000, 128), "smallest": (256, 1, 3, 16)}
"""Images at most, how often these are gone through at least, least updates, and least images; at each scale."""
RECIPE = "quick32"
"""The preset of all arms."""
MOMENTS = {"report": 15, "quick": 5, "smallest": 3}
"""Kept networks of each arm, but for those before the first update."""


def report_amounts(data: str = "faces", scale: str = "report") -> Study:
    """The report's two amounts of images, where there are so many, and the same share again of the smaller one.

    Of the built-in datasets, and of those that have them, 1,203, 19,000 and 300,000 images; of others all but those
    that distances are measured against, and 19/300 of these, while 128 are left. All have 32 pixels and the recipe of
    `./dcgan train` there, so that an epoch of the largest amount takes minutes. As in the study
    `amount_of_data` every arm gets as many updates, and all but the largest another run with as many epochs as that:
    the first updates of the same course, measured as often. One seed.

    Args:
        data: name of a dataset, or the path of own pictures.
        scale: one of `presets.SCALES`.

    Raises:
        InputError: there are too few images.
    """
    most, epochs, least_updates, least = at_scale(SIZES, scale)
    batch_size = 8 if scale == "smallest" else preset(RECIPE).training.batch_size
    there = images_for(data, scale, drawn=most, big=most)
    most = min(most, find_entry(data).images if there is None else there)
    if most < least:
        raise InputError(
            f"Amounts are compared of {least} images or more that can be trained on. {data} has {most}, with others "
            "kept to measure against."
        )
    per_epoch = most // batch_size
    epochs = max(epochs, -(-least_updates // per_epoch))
    base = base_for(RECIPE, data, scale, batch_size=batch_size, keep_models=True)

    def arm(name: str, count: int, updates: int) -> Arm:
        each = max(1, updates // MOMENTS[scale])
        passes = updates / (count // batch_size)
        about = f"{count:,} images, {updates:,} updates = {passes:,.{0 if passes >= 10 else 1}f} epochs"
        watched = {} if scale == "smallest" else {"watch_updates": watch_every(updates)}
        return Arm(name, about, replace(base, count=count, updates=updates, summary_updates=each, **watched))

    amounts = [most]
    while (fewer := amounts[0] * REPORT[0] // REPORT[1]) >= least:
        amounts.insert(0, fewer)
    arms = [arm(f"{count}", count, epochs * per_epoch) for count in amounts]
    arms += [arm(f"{count}-epochs", count, epochs * (count // batch_size)) for count in amounts[:-1]]
    return Study(
        study_name("report_amounts", data, scale),
        "What is left of the report's comparison, 19,000 bedrooms with 300,000, at equal updates?",
        tuple(arms),
        seeds=(0,),
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
    from utils.studies.measure import evaluated_for
    from utils.studies.train import train_study

    home = Path(home or runs_folder() / "studies")
    out = Path(out or home / "results")
    samples = samples_for(study.arms[0].experiment.data.name, "smallest" if study.name.endswith("-smallest") else "")
    also = evaluated_for(study, data_dir, samples, progress)
    runs, file = train_study(study, home, out, data_dir=data_dir, samples=samples, progress=progress, also=also)
    for (arm, seed), run in runs.items():
        keep_moments(out / study.name, arm, seed, run)
    return runs, file


def plot_as_fig_13(kept: dict, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw samples of each amount after about one epoch, after as many epochs as the largest had (the report's Fig 13),
    and after as many updates; all of the same latents.

    Args:
        kept: as `results.load` gives them.
        figure: what to draw into; a new one by default.
    """
    runs = {run["arm"]: run for run in kept["runs"] if run["seed"] == 0}
    amounts = sorted(int(arm) for arm in runs if arm.isdecimal())
    figure = figure or new_figure(13, 1.25 * len(amounts))
    for row, count in zip(figure.subplots(len(amounts), 3, squeeze=False), amounts):
        long = runs[str(count)]
        short = runs.get(f"{count}-epochs", long)
        first = min(range(1, len(short["snapshots"])), key=lambda n: abs(short["snapshots"][n]["epoch"] - 1))
        for axes, (run, number) in zip(row, ((short, first), (short, -1), (long, -1))):
            at = run["snapshots"][number]
            axes.imshow(viz.grid(moments(kept, run)[number], columns=5, tile=64))
            epoch = f"{at['epoch']:,.{0 if at['epoch'] >= 10 else 1}f}"
            axes.set_title(f"epoch {epoch}, update {at['update']:,}: {at['kernel'][0]:.3f}", fontsize=9)
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(f"{count:,}\nimages", rotation=0, ha="right", va="center", fontsize=10)
    return figure


def answer(kept: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results."""
    return by_amount(kept), plot_amounts(kept)


def by_space(kept: dict) -> list[dict]:
    """A row for each arm of the kept results: the kernel distance at the end, with its 95% interval, in every space,
    and the share of the fine detail that all samples have in common."""
    rows = []
    for run in kept["runs"]:
        row = {"arm": run["arm"], "updates": f"{run['updates']:,}"}
        for found in (run["distance"], *run["distance"]["other_spaces"]):
            row[found["space"]] = "{value:.3f} ({low:.3f} to {high:.3f})".format(**found["kernel"])
        row["fixed pattern"] = "{fake[0]:.3f} (true {held_out[0]:.3f})".format(**run["fixed_pattern"])
        rows.append(row)
    return rows
