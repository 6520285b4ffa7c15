"""Do generators copy that learnt from few images, or for too long? The tests of `copies` ask them (notebook 09)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from utils.config import replace
from utils.errors import InputError
from utils.figure import new_figure
from utils.intervals import Interval
from utils.runs import Run, dataset_name
from utils.studies.copies import SIDE, SPACES, audited, kinds_seen
from utils.studies.figures import COLOURS
from utils.studies.study import Arm, Study, at_scale, base_for, study_name

SIZES = {
    "report": ((128, 1_000, 5_000, 20_000), 2_000, 10_000, 5, (500, 20)),
    "quick": ((128, 1_000), 200, 600, 3, (200, 20)),
    "smallest": ((40,), 2, 4, 2, (40, 3)),
}
"""Numbers of training images, updates, updates of the arms that are trained for too long, how often networks are kept;
and of the audit the pictures that are asked about, and the draws (`copies.SIZES`). At each scale."""
LONG = (128, 1_000)
"""Of so many images, there are arms that are trained for too long."""
BATCH_SIZE = {"report": 32, "quick": 32, "smallest": 16}
TRUSTED = ("closest", "ratio")
"""Tests that see a few per cent of exact copies and do not take blurred images for copies (study of copies)."""
TRUSTED_SPACES = ("pixels", "discriminator")
"""Where they are believed: in the classifier's features one of them calls images that come again and again copies."""
POOL = 4
"""Held-out images, as a multiple of the pictures that are asked about."""
SHOWN = 10
"""Samples that a picture shows: those that are relatively nearest to one training image."""


@dataclass(frozen=True)
class MemorisationStudy(Study):
    """A study whose runs are asked by the tests of copying.

    Attributes:
        samples, draws: pictures that are asked about, and how often copies are planted among them.
    """

    seeds: tuple[int, ...] = (0,)
    samples: int = 500
    draws: int = 20


def memorisation(data: str = "house_numbers", scale: str = "report") -> MemorisationStudy:
    """The best recipe of the first minutes (study of recipes) on several amounts of images, and for too long on few.

    Args:
        data: name of a dataset, or the path of own pictures.
        scale: one of `presets.SCALES`.
    """
    amounts, updates, long, kept, (samples, draws) = at_scale(SIZES, scale)
    base = base_for("quick32", data, scale, batch_size=BATCH_SIZE[scale], keep_models=True)

    def arm(name: str, about: str, count: int, length: int) -> Arm:
        return Arm(name, about, replace(base, count=count, updates=length, summary_updates=length // kept))

    arms = [arm(f"{count}", f"{count:,} images, {updates:,} updates", count, updates) for count in amounts]
    for count in LONG:
        if count in amounts:
            times = round(long * BATCH_SIZE[scale] / count)
            about = f"{count:,} images, {long:,} updates: each image {times:,} times"
            arms.append(arm(f"{count}-long", about, count, long))
    return MemorisationStudy(
        study_name("memorisation", data, scale),
        "Are samples copies of training images, where there are few of these, or training goes on for too long?",
        tuple(arms),
        scale=scale,
        samples=samples,
        draws=draws,
    )


def carry_out(
    study: MemorisationStudy,
    home: str | Path | None = None,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> tuple[dict[tuple[str, int], "Run"], Path]:
    """Train the arms; ask the tests of every kept generator, and of the last what they would have seen.

    Args:
        study, home, out, data_dir, progress: as for `train_study`.

    Returns:
        The run of each (arm, seed), and the file of the results. Beside the pictures of samples, which all studies
        have, is "<arm>-<seed>-nearest.png", of built-in data: the samples that are relatively nearest to one training
        image, above these.

    Raises:
        InputError: there is no such dataset, or it has too few images.
    """
    from utils.data.catalogue import find_entry
    from utils.evaluation.features import extractor_for
    from utils.evaluation.held_out import unseen
    from utils.studies.train import train_study
    from utils.viz import grid, write_png

    most = study.on_most_images()
    places = {"data_dir": data_dir, "progress": progress}
    apart = unseen(most.data, most.model.image_size, POOL * study.samples, **places)
    if apart is None or len(apart) < POOL * study.samples:
        there = 0 if apart is None else len(apart)
        raise InputError(
            f"The tests deal out {POOL * study.samples:,} images of {most.data.name} that are not trained on. "
            f"Received: {there:,}."
        )
    pool = np.asarray(apart.images)
    extractor = extractor_for(most.data.name, most.model.image_size, **places)
    entry = find_entry(most.data.name)
    strips: dict[Run, np.ndarray] = {}

    def also(run: "Run") -> dict:
        record, strips[run] = audit_of(
            run, pool, extractor, samples=study.samples, draws=study.draws, data_dir=data_dir, progress=progress
        )
        return record

    runs, file = train_study(study, home, out, data_dir=data_dir, progress=progress, also=also)
    if entry and entry.built_in:  # photographs may not be passed on
        for (arm, seed), run in runs.items():
            write_png(file.parent / study.name / f"{arm}-{seed}-nearest.png", grid(strips[run], SHOWN))
    return runs, file


def audit_of(
    run: "Run",
    pool: np.ndarray,
    extractor: Callable,
    *,
    samples: int,
    draws: int,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> tuple[dict, np.ndarray]:
    """Ask the tests of copying of every kept generator of a run, and of the last what they would have seen.

    Args:
        run: a run whose generators were kept.
        pool: uint8 (P, S, S, 3), images that it was not trained on; at least four times as many as `samples`.
        extractor: uint8 (N, S, S, 3) -> (N, D), a fixed feature space.
        samples, draws: pictures that are asked about; and how often copies are planted.
        data_dir: where datasets are.
        progress: whether to show progress bars.

    Returns:
        The record, as plain values: "audit", what `copies.audited` counted for the last generator's samples; "asked",
        for each kept generator its "update", and for each space each test's p-value; "near", for each space the shares
        of samples and of held-out images that are much nearer to one training image than to the second nearest. And
        uint8 (20, S, S, 3): samples that are relatively nearest to one training image in pixels, then these images.
    """
    from utils.data import load_for
    from utils.evaluation import audit
    from utils.explain.memory import last_convolution
    from utils.models import load_network
    from utils.sampling import Sampler

    seed = run.experiment.training.seed
    trained = np.asarray(load_for(run.experiment, data_dir, progress=False).images)
    spaces = {
        "pixels": lambda images: images.reshape(len(images), -1),
        "discriminator": last_convolution(load_network(run.model("discriminator")), trained),
        "fixed": extractor,
    }
    of_true = {name: (of(trained), of(pool)) for name, of in spaces.items()}
    kept = {update: file for update, file in run.kept("generator").items() if update}
    asked, near, shown = [], {}, None
    for update, file in kept.items():
        fake = Sampler.of(load_network(file), run.experiment).draw(2 * samples, seed)
        row = {"update": update}
        for name, of in spaces.items():
            space = audit.look_up(*of_true[name], {"model": of(fake)}, {}, seed)
            row[name] = {test: float(f"{p:.3g}") for test, p in audit.ask(space, "model").items()}
            banks = {"fake": space.hosts["model"], "held_out": space.pool}
            near[name] = {of: float(np.mean(b.distances < audit.RATIO * b.second)) for of, b in banks.items()}
            if name == "pixels":
                bank = space.hosts["model"]
                first = np.argsort(bank.distances / bank.second, kind="stable")[:SHOWN]
                shown = np.concatenate([fake[first], trained[bank.rows[first]]])
        asked.append(row)
    record, _ = audited(
        trained, pool, {"model": fake}, spaces, samples=samples, draws=draws, seed=seed, title=run.folder.name,
        progress=progress,
    )  # fmt: skip
    of = f"{dataset_name(run.experiment.data.name)}, {SIDE}x{SIDE}"
    return {"data": of, "audit": record, "asked": asked, "near": near}, shown


def verdicts(results: dict) -> list[dict]:
    """What the trusted tests say of each arm's last generator, in the trusted spaces.

    Returns:
        A row for each arm and seed: "images", "updates", "distance" (kernel, 95%); "says", "copies" with the tests that
        do or "no sign of copies"; "near", the share of samples that are much nearer to one training image than to the
        second nearest in pixels, beside that of held-out images; and for each kind of copies the smallest share that
        one of the tests would have seen there nearly always among these samples.
    """
    rows = []
    for run in results["runs"]:
        last = run["asked"][-1]
        say = [
            f"{test} ({SPACES[space]})"
            for space in TRUSTED_SPACES
            for test in TRUSTED
            if last[space][test] < run["audit"]["level"]
        ]
        near = run["near"]["pixels"]
        rows.append(
            {
                "arm": run["arm"],
                "seed": run["seed"],
                "images": f"{run['images']:,}",
                "updates": f"{run['updates']:,}",
                "distance": f"{Interval(*run['snapshots'][-1]['kernel']):.3g}",
                "says": ", ".join(say) or "no sign of copies",
                "near": f"{near['fake']:.1%} (true {near['held_out']:.1%})",
                **kinds_seen(run["audit"], TRUSTED, TRUSTED_SPACES),
            }
        )
    return rows


def plot_memorisation(results: dict) -> Figure:
    """Draw p-values of the trusted tests over the training, a column for each space; below, the nearest samples."""
    runs = [run for run in results["runs"] if run["seed"] == results["runs"][0]["seed"]]
    strips = [results["pictures"] / f"{run['arm']}-{run['seed']}-nearest.png" for run in runs]
    strips = [(run, file) for run, file in zip(runs, strips) if file.is_file()]
    what = f"{runs[0]['data']}; p-values of tests of copying among {2 * runs[0]['audit']['samples']} samples"
    below = 1.15 * -(-len(strips) // 2)
    figure = new_figure(13, 5.6 + below, what)
    parts = figure.subfigures(2, 1, height_ratios=(5.6, below)) if strips else [figure.subfigures(1, 1)]
    upper = parts[0]
    grid = upper.subplots(len(TRUSTED), len(SPACES), squeeze=False, sharex=True, sharey=True)
    for row, test in zip(grid, TRUSTED):
        for axes, (space, title) in zip(row, SPACES.items()):
            for run, colour in zip(runs, COLOURS):
                points = [(one["update"], max(one[space][test], 1e-12)) for one in run["asked"]]
                axes.plot(*np.transpose(points), "o-", color=colour, markersize=3, linewidth=1.2, label=run["arm"])
            axes.axhline(runs[0]["audit"]["level"], color="grey", linestyle=":", linewidth=1)
            axes.set_title(f"{test}, {title}", fontsize=10)
            axes.set(yscale="log", ylim=(5e-13, 2))
            axes.grid(alpha=0.25)
    for axes in grid[-1]:
        axes.set_xlabel("update")
    for row in grid:
        row[0].set_ylabel("p")
    handles, _ = grid[0, 0].get_legend_handles_labels()
    names = [results["arms"][run["arm"]] for run in runs]
    upper.legend(handles, names, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    if strips:
        from utils.viz import read_png

        places = np.ravel(parts[1].subplots(-(-len(strips) // 2), 2, squeeze=False))
        for axes, (run, file) in zip(places, strips):
            axes.imshow(read_png(file), aspect="equal")
            axes.set_title(f"{run['arm']}: samples, and the training images nearest to them", fontsize=9)
        for axes in places:
            axes.set_axis_off()
    return figure


def answer(results: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results."""
    return verdicts(results), plot_memorisation(results)
