"""What is learned of a dataset in longer training: by the report's networks, of few images, with the cure, and by the
best recipe.

It makes the kept part of notebooks 01 to 04: the networks' pictures of the same latents at several moments (the
report's Figs 15 to 18), losses (its Fig 14), a film, and distances with all that they depend on.

Only generated pictures are kept. True ones are kept beside them where the project has drawn them itself, since only of
these it may pass them on.
"""

import dataclasses
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure, SubFigure

from utils import config, viz
from utils.config import DataConfig, Experiment, replace
from utils.data.catalogue import find_entry, shorter_sides
from utils.errors import InputError
from utils.figure import new_figure
from utils.fitting import recommended
from utils.presets import SHORT_AVERAGE, preset
from utils.runs import Run, dataset_slug
from utils.studies import results
from utils.studies.crossings import FEW
from utils.studies.figures import COLOURS, plot_samples
from utils.studies.moments import COLUMNS, keep_moments, moments, moments_file
from utils.studies.study import Arm, Study, at_scale, base_for, images_for, study_name, watch_every
from utils.text import command, say_once

SIZES = {"report": (4500, 15), "quick": (900, 15), "smallest": (3, 3)}
"""Updates of the report's networks, and after how many parts of them a moment is kept, at each scale."""
TIMES = {32: 10, 64: 5}
"""So many times the updates of the report's networks the best recipe gets in about as many minutes, by the side of the
images: its networks are narrower, and its batches smaller."""
BATCHES = {32: 64, 64: 32}
"""Images per update of the report's networks, by the side of the images: at 64x64 updates are dear enough."""
DRAWN = {"report": 20_000, "quick": 8_000}
"""Images of a built-in dataset."""
MOST = 50_000
"""Images of a big dataset."""
AUTHORS = "authors_2015"
"""The generator that the paper's authors released for SVHN, beside the house numbers that stand in for it; among the
models it has to have this name, too (`./dcgan import-paper`)."""


def long_training(data: str = "faces", scale: str = "report", data_dir: str | Path | None = None) -> Study:
    """The report's networks without batch normalisation, the same on few images, with the cure of notebook 05, and the
    best recipe.

    At 32 pixels the report's networks have their full width, at 64 half of it. What an update costs differs so much
    between the arms that with as many updates the cheapest would stop after a minute, and as many minutes would be
    other updates on every machine. So updates are counted, as many for the report's networks with and without the cure,
    and so many more for the best recipe that all took about as long on two cores where this was written. Distances are
    measured at every moment, so that arms can be compared at equal updates, too. One seed.

    Images smaller than 64 pixels are trained on at 32, others at 64; house numbers at 32, as SVHN. Of own pictures an
    eighth, at most 2,000, is never trained on, and as many again, to measure against.

    Args:
        data: name of a dataset, or the path of own pictures.
        scale: one of `presets.SCALES`: report for hours, quick for half an hour to an hour.
        data_dir: where datasets are.
    """
    updates, parts = at_scale(SIZES, scale)
    size = _size(data)
    count = images_for(data, scale, drawn=DRAWN.get(scale, MOST), big=MOST, size=size, data_dir=data_dir)
    if scale == "smallest":
        count = 16

    def lasting(experiment: Experiment, updates: int, batch_size: int) -> Experiment:
        length = {"updates": updates, "summary_updates": updates // parts, "keep_models": True, "count": count}
        if scale == "smallest":
            return replace(experiment, **length, batch_size=8)
        return replace(experiment, **length, batch_size=batch_size, watch_updates=watch_every(updates))

    plain = base_for(
        f"report{size}", data, scale, width=1.0 if size == 32 else 0.5, shared_latents=True, ema_decay=0.99
    )
    plain = lasting(plain, updates, BATCHES[size])
    cure = {"batch_norm": "on", "batch_norm_momentum": 0.9, "weights": "normal"}
    averaged = {"ema_decay": SHORT_AVERAGE} if size == 64 else {}
    best = base_for(recommended(size, count), data, scale, **averaged)
    best = lasting(best, updates * TIMES[size], best.training.batch_size)
    wide = "the report's networks" + ("" if size == 32 else " at half width")
    few = FEW if count is None or count >= 2 * FEW else count // 2
    if few < plain.training.batch_size:
        least = 2 * plain.training.batch_size
        raise InputError(
            f"A long training takes so many pictures that {least} are left beside those that it measures against, for "
            f"an arm on half of them. Received: {data}, of which {count} are left."
        )
    kernels = "kernels of 4x4, " if best.model.generator.kernel == 4 else ""
    moved = ", images moved and recoloured before they are judged" if best.training.augment else ""
    return Study(
        study_name("long_training", data, scale),
        "What do the report's networks learn of these images, what with the cure, and what does the best recipe?",
        (
            Arm("report", f"{wide}, no batch normalisation, as in its final runs", plain),
            Arm("report_few", f"the same, on {few:,} of the images", replace(plain, count=few)),
            Arm("report_cured", f"{wide}, batch statistics in every pass, weights N(0, 0.02)", replace(plain, **cure)),
            Arm(
                "best_recipe",
                f"the paper's networks at {'half' if size == 32 else 'a quarter of'} their width, {kernels}"
                f"twice its learning rate, batches of {best.training.batch_size}{moved}",
                best,
            ),
        ),
        seeds=(0,),
        scale=scale,
    )


def _size(data: str) -> int:
    entry = find_entry(data)
    if entry and entry.built_in:
        return 32 if entry.name == "house_numbers" else 64
    side = entry.native_size or np.inf if entry else np.median(shorter_sides(DataConfig(name=str(data))))
    return 64 if side >= 64 else 32


# --- carried out ------------------------------------------------------------------------------------------------------


def carry_out(
    study: Study,
    home: str | Path | None = None,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> tuple[dict[tuple[str, int], Run], Path]:
    """Train the arms, and keep their moments, a film, their distances, and what was wrong by the watch.

    Beside the arms on house numbers stands what the authors' own generator of 2015 draws, where it was imported.

    Args:
        study, home, out, data_dir, progress: as for `train_study`.

    Returns:
        The run of each (arm, seed), and the file of the results. In the folder of the study's name beside it are, for
        each run, its samples, `<arm>-<seed>-moments.jpg` (see `moments`), `film.mp4`, and of built-in images
        `true.png`.
    """
    from utils.studies.train import train_and_evaluate

    def also(run: Run) -> dict:
        return {"signs": signs(run)}

    runs, file = train_and_evaluate(study, home, out, data_dir=data_dir, progress=progress, also=also)
    out, folder = file.parent, file.parent / study.name
    for (arm, seed), run in runs.items():
        keep_moments(folder, arm, seed, run)
    _keep_true(folder / "true.png", study.arms[0].experiment, data_dir)
    if dataset_slug(study.arms[0].experiment.data.name) in ("house_numbers", "svhn"):
        _keep_authors(study, out)
    write_film(results.load(study.name, out), folder / "film.mp4")
    return runs, file


def signs(run: Run) -> list[dict]:
    """What was wrong, by the measurements of the watch: each "sign", "from" which update, and "to" which (None: it was
    there at the end)."""
    from utils.training.doctor import Diagnosis

    diagnosis, found = Diagnosis(run.experiment), []
    for row in run.watch():
        diagnosis.diagnose(row)
        there = {finding.sign.name for finding in diagnosis.findings.values()}
        for sign in found:
            if sign["to"] is None and sign["sign"] not in there:
                sign["to"] = row["update"]
        found += [{"sign": finding.sign.name, "from": row["update"], "to": None} for finding in diagnosis.begun]
    return found


def _keep_true(path: Path, experiment: Experiment, data_dir: str | Path | None) -> None:
    """True images, if they were drawn here; of others none is kept."""
    from utils.data import load_for

    entry = find_entry(experiment.data.name)
    if entry and entry.built_in:
        viz.write_png(path, np.concatenate(load_for(experiment, data_dir, progress=False).images[:COLUMNS], axis=1))


def _keep_authors(study: Study, out: Path) -> None:
    """What the authors' generator draws, as one more arm without a training."""
    from utils import pretrained
    from utils.models import load_network
    from utils.sampling import Sampler

    model = pretrained.find(AUTHORS)
    if model is None:
        say_once(
            f"The generator that the paper's authors released for SVHN is not here, so it is not kept beside: "
            f"`bash data_scripts/get_paper_weights.sh`, then `{command('import-paper', 'FOLDER', AUTHORS)}`."
        )
        return
    seed = study.seeds[0]
    drawn = Sampler.of(load_network(model.model("generator")), model.experiment).draw(results.SAMPLES, seed)
    sheet = viz.grid(drawn, columns=results.SAMPLES, tile=32)
    arm = Arm(AUTHORS, "the authors' own generator of 2015, learnt from SVHN itself: other images", model.experiment)
    record = {"images": model.card["data"], "about": model.card["about"], "parameters": model.card["parameters"]}
    study = dataclasses.replace(study, arms=(*study.arms, arm))
    results.write(study, {(AUTHORS, seed): record}, out, pictures={f"{AUTHORS}-{seed}.png": sheet})


def write_film(kept: dict, path: str | Path) -> None:
    """Make a film of the moments of the arms' first runs, one above the other, with the update and the minute.

    Args:
        kept: as `results.load` gives them.
        path: ends in .mp4 or .gif.
    """
    runs = [next(run for run in _trained(kept) if run["arm"] == arm) for arm in _arms(kept)]
    runs = [run for run in runs if moments_file(kept["pictures"], run["arm"], run["seed"]).is_file()]
    if not runs:  # a process was killed before it kept any
        return
    pictures = [moments(kept, run) for run in runs]

    def frame(number: int) -> np.ndarray:
        parts = []
        for run, of in zip(runs, pictures):
            tiles = viz.grid(of[min(number, len(of) - 1)], columns=COLUMNS, tile=64)
            said = f"{run['arm']}: {_when(run, min(number, len(of) - 1))}"
            parts += [viz.letters(said, tiles.shape[1], 20), tiles]
        return np.concatenate(parts)

    viz.write_film(path, (frame(number) for number in range(max(map(len, pictures)))), fps=3, quality=5)


# --- what is kept -----------------------------------------------------------------------------------------------------


def find(data: str, folder: str | Path = results.RESULTS) -> dict | None:
    """The kept long training on a dataset, the longest that there is; None if there is none.

    Args:
        data: name of the dataset, or of own pictures' file or folder.
        folder: of the results.
    """
    names = [study_name("long_training", data, scale) for scale in ("report", "quick")]
    there = [name for name in names if (Path(folder) / f"{name}.json").is_file()]
    return results.load(there[0], folder) if there else None


def how_to_make(data: str) -> str:
    """The sentence that stands where no long training on a dataset is kept."""
    named = data if find_entry(data) else f"{data}.npz"
    words = command("study", "long_training", "--data", named, "--scale", "quick", "--out", "notebooks/results")
    return f"No long training on {data} is kept yet. This makes one, in 20 to 60 minutes on two cores: {words}"


def series(kept: dict, arm: str, count: int = 5, tile: int = 96) -> np.ndarray:
    """An arm's moments as a picture, as the report's Figs 15 to 18: a row for each, the last of true images, if kept.

    Args:
        kept: as `results.load` gives them.
        arm: which; its first run. Of one that was not trained here it is what it draws.
        count: of moments: before the first update, at the end, and some between, closer at the beginning.
        tile: about so many pixels wide an image becomes.

    Returns:
        uint8 (H, W, 3).
    """
    run = next(run for run in kept["runs"] if run["arm"] == arm)
    if "curves" not in run:
        strip = viz.read_png(kept["pictures"] / f"{arm}-{run['seed']}.png")
        side = strip.shape[0] - 4  # results.keep leaves a gap of 2 around each
        images = [strip[2 : 2 + side, left : left + side] for left in range(2, strip.shape[1] - side, side + 2)]
        return viz.caption(viz.grid(np.stack(images), columns=6, tile=tile), arm)
    drawn = moments(kept, run)
    chosen = sorted({0, *np.geomspace(1, len(drawn) - 1, count - 1).round().astype(int).tolist()})
    images, names = list(drawn[chosen]), [_when(run, number) for number in chosen]
    if (kept["pictures"] / "true.png").is_file():
        true, side = viz.read_png(kept["pictures"] / "true.png"), drawn.shape[2]
        images, names = [*images, true.reshape(side, -1, side, 3).swapaxes(0, 1)[:COLUMNS]], [*names, "true images"]
    return viz.caption(viz.grid(np.concatenate(images), columns=COLUMNS, tile=tile, names=names), arm)


def by_arm(kept: dict) -> list[dict]:
    """A row for each run of the kept results: its length, the distance of its samples, and what the watch saw.

    "distance" is the kernel distance to held-out images with its 95% interval, "between true" that of as many true
    images to these; "diversity" that of the samples at the end, as a share of the true images'.
    """
    rows = []
    for run in kept["runs"]:
        row = {"arm": run["arm"], "what": kept["arms"][run["arm"]], "updates": "–", "images seen": "–"}
        row |= {"minutes": "–", "distance": "not measured", "between true": "–", "diversity": "–"}
        row |= {"fixed pattern": "–", "the watch saw": "–", "seed": str(run["seed"])}
        if "curves" in run:
            distance, last = run["distance"], run["watch"][-1]
            row["updates"] = f"{run['updates']:,}"
            row["images seen"] = f"{run['updates'] * run['settings']['training']['batch_size']:,}"
            row["minutes"] = f"{run['seconds'] / 60:.1f}"
            row["distance"] = "{value:.3f} ({low:.3f} to {high:.3f})".format(**distance["kernel"])
            row["between true"] = f"{distance['floor']['kernel']['value']:.3f}"
            row["diversity"] = f"{last['diversity'] / last['diversity_true']:.2f}"
            row["fixed pattern"] = "{fake[0]:.3f} (true {held_out[0]:.3f})".format(**run["fixed_pattern"])
            row["the watch saw"] = "; ".join(map(_sign_in_words, run["signs"])) or "nothing wrong"
        rows.append(row)
    return rows


def in_words(kept: dict) -> str:
    """How kept runs were trained, each by the settings that are not its preset's, and what their distances depend on.

    Args:
        kept: as `results.load` gives them.
    """
    from utils.evaluation.passport import Passport, differing

    runs, lines = _trained(kept), []
    for run in runs:
        experiment = config.from_dict(run["settings"])
        changed = config.differences(preset(experiment.preset), experiment)
        settings = ", ".join(f"{name.split('.', 1)[1]} {_plainly(now)}" for name, (_, now) in changed.items())
        lines.append(
            f"{run['arm']}: {experiment.preset} with {settings}; {run['device']}, {run['seconds'] / 60:.1f} min"
        )
    passports = [Passport.read(run["distance"]["passport"]) for run in runs]
    one, apart = passports[0], differing(passports)
    lines.append(
        f"distances: {one.samples[0]:,} samples against {one.samples[1]:,} of {one.reference} ({one.split}, "
        f"{one.encoding}; {one.reference_fingerprint[:8]}), in the features of {one.space} ({one.weights[:8]}), "
        f"{one.value_range}, {one.resizer}; {one.checkpoint} networks, latents' seed {one.latents_seed}; "
        f"{one.interval}" + (f". They differ between runs in {', '.join(apart)}" if apart else "")
    )
    return "\n".join(lines)


def _plainly(value: object) -> str:
    return "/".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def plot_courses(kept: dict, figure: Figure | SubFigure | None = None) -> Figure | SubFigure:
    """Draw the arms' distances by minutes and by updates, their diversity, and the losses of each (report, Fig 14).

    Args:
        kept: as `results.load` gives them.
        figure: what to draw into; a new one by default.
    """
    runs = _trained(kept)
    arms = _arms(kept)
    figure = figure or new_figure(4.2 * max(3, len(arms)), 6.4)
    above, below = figure.subfigures(2, 1)
    by_minutes, by_updates, diversity = above.subplots(1, 3)
    for run in runs:
        colour = COLOURS[arms.index(run["arm"])]
        after = run["snapshots"][1:]  # an untrained network is at no place of a logarithmic axis
        minutes, updates = ([at(run, row["update"]) for row in after] for at in (_minutes, lambda _, update: update))
        distances = [max(row["kernel"][0], 1e-3) for row in after]
        about = f"{run['arm']}: {kept['arms'][run['arm']]}"
        by_minutes.plot(minutes, distances, "o-", color=colour, markersize=3, label=about)
        by_updates.plot(updates, distances, "o-", color=colour, markersize=3)
        shares = [row["diversity"] / row["diversity_true"] for row in run["watch"]]
        diversity.plot([_minutes(run, row["update"]) for row in run["watch"]], shares, color=colour, linewidth=1.2)
    by_minutes.set(title="kernel distance, by minute", xlabel="minute", yscale="log")
    by_updates.set(title="kernel distance, by update", xlabel="update", yscale="log", xscale="log")
    diversity.set(title="diversity of the samples (true images: 1)", xlabel="minute", ylim=(0, None))
    for axis in (by_minutes.yaxis, by_updates.yaxis, by_updates.xaxis):
        viz.plain_ticks(axis)
    above.legend(*by_minutes.get_legend_handles_labels(), loc="outside lower center", fontsize=8, frameon=False)
    panels = np.atleast_1d(below.subplots(1, max(3, len(arms)), sharey=True))
    named = {"loss_generator": ("generator", "tab:green"), "loss_true": ("discriminator, true", "tab:blue"),
             "loss_fake": ("discriminator, fake", "tab:orange")}  # fmt: skip
    for axes, arm in zip(panels, arms):
        curves = next(run for run in runs if run["arm"] == arm)["curves"]
        for name, (label, colour) in named.items():
            axes.plot(curves["update"], curves[name], color=colour, linewidth=1.2, label=label)
        axes.axhline(np.log(2), color="grey", linestyle=":", linewidth=1, label="log 2 (undecided)")
        axes.set(title=f"losses: {arm}", xlabel="update")
    panels[0].set_ylim(0, None)  # of all: they share it
    below.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    for axes in panels[len(arms) :]:
        axes.remove()
    for axes in (*above.axes, *below.axes):
        axes.title.set_fontsize(10)
        axes.grid(alpha=0.25)
    return figure


def answer(kept: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results; without courses, where nothing was trained
    here."""
    if not _trained(kept):
        return by_arm(kept), plot_samples(kept, list(kept["arms"]))
    rows = -(-len({run["arm"] for run in kept["runs"]}) // 2)
    figure = new_figure(12.6, 6.4 + 0.9 * rows)
    courses, samples = figure.subfigures(2, 1, height_ratios=(6.4, 0.9 * rows))
    plot_courses(kept, courses)
    plot_samples(kept, list(kept["arms"]), seeds=[kept["runs"][0]["seed"]], figure=samples)
    return by_arm(kept), figure


def _trained(kept: dict) -> list[dict]:
    """Its runs, without what was not trained here."""
    return [run for run in kept["runs"] if "curves" in run]


def _arms(kept: dict) -> list[str]:
    """Its arms that were trained here."""
    return list(dict.fromkeys(run["arm"] for run in _trained(kept)))


def _minutes(run: dict, update: float) -> float:
    return run["seconds"] / 60 * update / run["updates"]


def _when(run: dict, number: int) -> str:
    update = run["snapshots"][number]["update"]
    return f"update {update:,}, {_minutes(run, update):.1f} min"


def _sign_in_words(sign: dict) -> str:
    until = "on" if sign["to"] is None else f"to {sign['to']:,}"
    return f"{sign['sign']} from {sign['from']:,} {until}"
