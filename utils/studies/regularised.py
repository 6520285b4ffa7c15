"""What an encoder as a third player (RDCGAN) does to samples, to their variety, to what is learned."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from utils.config import replace
from utils.features.questions import apart, questions_for
from utils.figure import new_figure
from utils.fitting import at_size
from utils.latent.reconstruction import Reconstruction
from utils.runs import Run
from utils.studies.results import runs_by_arm
from utils.studies.study import Arm, Study, at_scale, base_for, study_name
from utils.tables import spread
from utils.viz import grid, plain_ticks, read_png

SIDE = 32
"""Pixels: at a quarter of the arithmetic of 64 the narrow networks get four times the updates in the same time."""
SIZES = {"report": (64, 100, 30), "quick": (64, 50, 6), "smallest": (16, 2, 2)}
"""Images per update, updates per epoch, epochs, at each scale."""
WEAK = 0.0016
"""The weight of the squared error in a line that the released code has commented out (`training.recipes`)."""
MEASURED = {"report": (5_000, 2_400, 2_000), "quick": (500, 400, 200), "smallest": (64, 32, 32)}
"""Samples whose combinations are counted, labelled images, and test images of a linear classifier, at each scale."""
SHOWN = 12
"""True images, and samples, in a picture of reconstructions."""
OF = {"D": "discriminator", "E": "encoder", "D and E": "both"}
"""Networks whose features are read."""
RANDOM = {"D": 1, "E": 101}
"""How far the seeds of their random weights are from the training's. One seed for both would give them the same first
convolutions, so that the two together would be a weaker control than two networks."""
_COLOURS = {"dcgan": "C0", "rdcgan": "C3", "weak": "C1"}


def regularised(data: str = "faces", scale: str = "report") -> Study:
    """The released networks of RDCGAN, fitted to 32 pixels, with the regulariser, without it, and with a weak one.

    All arms have the same generator and discriminator, and as many steps of each.

    Args:
        data: name of a built-in dataset.
        scale: one of `presets.SCALES`.
    """
    batch_size, per_epoch, epochs = at_scale(SIZES, scale)
    length = {"count": batch_size * per_epoch, "epochs": epochs, "summary_epochs": max(1, epochs // 3)}
    base = at_size(base_for("regularised64", data, scale, batch_size=batch_size, keep_models=True, **length), SIDE)
    return Study(
        study_name("regularised", data, scale),
        "Are samples, their variety and the features better with an encoder as a third player (RDCGAN)?",
        (
            Arm("dcgan", "generator and discriminator alone", replace(base, recipe="dcgan")),
            Arm("rdcgan", "an encoder, reconstructions as the released code weighs them", base),
            Arm("weak", f"the same, squared error times {WEAK:g}", replace(base, reconstruction=WEAK)),
        ),
        scale=scale,
    )


def carry_out(
    study: Study, home: str | Path | None = None, out: str | Path | None = None, **options
) -> tuple[dict[tuple[str, int], Run], Path]:
    """Train the arms, and keep distances, combinations, reconstructions, and what is read off the features.

    Args:
        study, home, out, options: as for `studies.train.train_study`.

    Raises:
        InputError: there is no such dataset, or it is not built in, so that not everything of it is known.
    """
    from utils.data.catalogue import drawn_source, find_source
    from utils.studies.train import train_study

    data, places = study.arms[0].experiment.data, (options.get("data_dir"), options.get("progress", True))
    find_source(data.name, SIDE, data.count, data_dir=places[0])  # refuses what is no dataset
    drawn_source(study.arms[0].experiment)  # and such as are not built in
    read = reader(study, study.scale, *places)
    sheets: dict[str, np.ndarray] = {}

    def also(run: Run) -> dict:
        seen = combinations(run, study.scale, *places)
        drawn_again = _encoded(run, MEASURED[study.scale][2], places[0], sheets)
        return {"combinations": seen, "read": read(run)} | drawn_again

    return train_study(study, home, out, **options, also=also, pictures=sheets)


def combinations(run: Run, scale: str, data_dir: str | Path | None = None, progress: bool = True) -> dict:
    """Which combinations of exact attributes a run's generator draws (see `evaluation.combinations`): how many there
    "are", how many of them are "missing" and "too few", the distance "apart" and "apart_if_perfect"."""
    from utils.evaluation.combinations import combinations_of
    from utils.models import load_network
    from utils.sampling import Sampler

    sampler = Sampler.of(load_network(run.model("generator")), run.experiment)
    seen = combinations_of(sampler, run.experiment, samples=MEASURED[scale][0], data_dir=data_dir, progress=progress)
    return {
        "are": len(seen.combinations),
        "missing": len(seen.with_verdict("missing")),
        "too few": len(seen.with_verdict("too few")),
        "apart": seen.apart,
        "apart_if_perfect": seen.apart_if_perfect,
    }


def reader(
    study: Study, scale: str, data_dir: str | Path | None = None, progress: bool = True
) -> Callable[[Run], dict]:
    """What reads the factors of a built-in dataset off the features of a run's networks, always on the same images.

    The labelled images are those that the generator was trained on, or the first of them; the test images were not
    trained on. Batch normalisation goes by the labelled ones.

    Args:
        study: its arms are of one built-in dataset, with the same networks.
        scale: one of `presets.SCALES`.
        data_dir: where datasets are.
        progress: whether to show progress bars.

    Returns:
        read(run) -> for each of `OF` that the run has, "trained" and "random" (the same networks with random weights),
        and beside these "pixels" and "majority" (guessing the most frequent value): the mean accuracy over the factors
        with its interval over test images, and "by_factor".
    """
    from utils.explain.fixed import fixed_discriminator
    from utils.features import controls
    from utils.features.extract import discriminator_features, joined
    from utils.features.factors import by_majority, read_factors
    from utils.models import load_network

    asked = questions_for(study.arms[0].experiment, *MEASURED[scale][1:], data_dir, progress)
    images, test, known, answers = asked.labelled.images(), asked.test, asked.known, asked.answers
    ready: dict[str, dict] = {}  # random networks of a seed are the same in all arms

    def plain(found) -> dict:
        by_factor = dict(zip(asked.names, found.right.mean(1).tolist()))
        return found.accuracy.plain() | {"by_factor": by_factor}

    def reading(extractor) -> dict:
        if extractor.fingerprint not in ready:
            ready[extractor.fingerprint] = plain(read_factors(extractor(images), known, extractor(test), answers))
        return ready[extractor.fingerprint]

    def read(run: Run) -> dict:
        spaces: dict[str, dict] = {"trained": {}, "random": {}}
        for name in [name for name in ("D", "E") if run.model(OF[name]).is_file()]:
            network = load_network(run.model(OF[name]))
            trained = fixed_discriminator(network, outputs=network.output_shape[-1])
            random = trained.randomised(run.experiment.training.seed + RANDOM[name])
            for kind, fixed in (("trained", trained), ("random", random)):
                spaces[kind][name] = discriminator_features(fixed, asked.labelled, f"{kind} {OF[name]}")
        for kind, of in spaces.items():
            if "E" in of:
                of["D and E"] = joined(f"{kind} discriminator and encoder", of["D"], of["E"])
        controlled = {"pixels": reading(controls.pixels(SIDE)), "majority": plain(by_majority(known, answers))}
        return {kind: {name: reading(each) for name, each in of.items()} for kind, of in spaces.items()} | controlled

    return read


def reconstructions(
    run: Run, count: int, data_dir: str | Path | None = None, progress: bool = True
) -> tuple[Reconstruction, Reconstruction]:
    """What a run's generator makes of the codes of `count` true held-out images, and of as many samples."""
    from utils.data import load_for
    from utils.latent.reconstruction import reconstruct
    from utils.models import load_network
    from utils.sampling import Sampler

    generator, encoder = (load_network(run.model(name)) for name in ("generator", "encoder"))
    typical = np.asarray(load_for(run.experiment, data_dir, progress).images).mean(0)
    true = np.asarray(apart(run.experiment, count, data_dir, progress).images)
    fakes = Sampler.of(generator, run.experiment).draw(count, run.experiment.training.samples_seed)
    return tuple(reconstruct(generator, encoder, images, typical) for images in (true, fakes))


def sheet_of(true: Reconstruction, fakes: Reconstruction, count: int = SHOWN) -> np.ndarray:
    """True images, samples, and below each what the generator makes of its code: uint8 (H, W, 3)."""
    shown = [images[:count] for each in (true, fakes) for images in (each.images, each.drawn)]
    return grid(np.concatenate(shown), columns=len(shown[0]), tile=32)


def _encoded(run: Run, count: int, data_dir: str | Path | None, sheets: dict[str, np.ndarray]) -> dict:
    """How well a run's encoder and generator draw `count` held-out images again: "error" and that of the mean picture,
    "typical"; and the file of a sheet of them, which `sheets` gets. Nothing of a run without an encoder."""
    if not run.model("encoder").is_file():
        return {}
    true, fakes = reconstructions(run, count, data_dir, progress=False)
    training = run.experiment.training
    name = f"encoded-{training.reconstruction:g}-{training.seed}.png"
    sheets[name] = sheet_of(true, fakes)
    return {"reconstruction": {"error": true.error, "typical": true.error_of_typical, "picture": name}}


def by_arm(results: dict) -> list[dict]:
    """A row for each arm of the kept results: means over the seeds, with the lowest and the highest.

    "distance" is the kernel distance at the end; "missing" how many combinations of exact attributes are certainly
    missing; "apart" the share of samples that would have to change theirs; "reconstruction" the root mean square error
    on held-out images in [0, 255], beside that of the mean picture; the others mean accuracies over the factors of a
    linear classifier on the network's features, with what the same network with random weights reaches in brackets.
    """
    rows = []
    for arm, runs in runs_by_arm(results).items():
        runs = [run for run in runs if "combinations" in run and "read" in run]  # others were trained, and not measured
        if not runs:
            continue
        coverage = runs[0]["combinations"]
        of_encoder = [run["reconstruction"] for run in runs if "reconstruction" in run]
        rows.append(
            {
                "arm": arm,
                "distance": spread([run["snapshots"][-1]["kernel"][0] for run in runs], ".2g"),
                f"missing of {coverage['are']}": spread([run["combinations"]["missing"] for run in runs], ".0f"),
                f"apart (perfect: {coverage['apart_if_perfect']:.0%})": spread(
                    [run["combinations"]["apart"] for run in runs], ".0%"
                ),
                "reconstruction": (
                    f"{spread([of['error'] for of in of_encoder], '.0f')}; mean picture {of_encoder[0]['typical']:.0f}"
                    if of_encoder
                    else "no encoder"
                ),
                **{f"reads from {name}": _read(runs, name) for name in OF},
                "runs": len(runs),
            }
        )
    return rows


def readings(results: dict) -> list[dict]:
    """A row for each kind of features: mean accuracy over factors and seeds, and of each factor.

    The first rows are controls: guessing the most frequent value, pixels, and networks with random weights.
    """
    runs = [run for run in results["runs"] if "read" in run]
    rows = [_reading("guessing the most frequent", [run["read"]["majority"] for run in runs])]
    rows += [_reading("pixels", [run["read"]["pixels"] for run in runs])]
    for kind, arms in (("random", [None]), ("trained", list(results["arms"]))):
        for arm in arms:
            for name in OF:
                of = [
                    run["read"][kind][name] for run in runs if arm in (None, run["arm"]) and name in run["read"][kind]
                ]
                title = f"random weights, {name}" if arm is None else f"{arm}, {name}"
                rows += [_reading(title, of)] if of else []
    return rows


def margins(results: dict) -> list[dict]:
    """By how much features of one kind are ahead of others, in percentage points: means over seeds, lowest and highest.

    Seeds are paired. It is the paper's claim (RDCGAN's features are better than DCGAN's) and its control.
    """
    by = {(run["arm"], run["seed"]): run["read"] for run in results["runs"] if "read" in run}
    seeds = sorted({seed for _, seed in by})
    rows = []
    for arm in [arm for arm in results["arms"] if arm != "dcgan"]:
        for name in OF:
            there = [seed for seed in seeds if {(arm, seed), ("dcgan", seed)} <= by.keys()]
            own = [100 * by[arm, seed]["trained"][name]["value"] for seed in there]
            other = [100 * by["dcgan", seed]["trained"]["D"]["value"] for seed in there]
            random = [100 * by[arm, seed]["random"][name]["value"] for seed in there]
            if own:
                rows.append(
                    {
                        "features": f"{arm}, {name}",
                        "ahead of dcgan's D": spread(np.subtract(own, other), "+.1f"),
                        "ahead of random weights": spread(np.subtract(own, random), "+.1f"),
                        "seeds": len(own),
                    }
                )
    return rows


def plot_regularised(results: dict) -> Figure:
    """Draw distances over updates, combinations that are missing, what is read, and samples of each arm's first run."""
    from matplotlib.ticker import PercentFormatter

    measured = [run for run in results["runs"] if "combinations" in run and "read" in run]
    everybody = runs_by_arm(results | {"runs": measured})
    arms = list(everybody)
    figure = new_figure(14, 3.6 + 0.75 * len(arms))
    above, below = figure.subfigures(2, 1, height_ratios=(3.6, 0.75 * len(arms)))
    courses, missing, read = above.subplots(1, 3, width_ratios=(1, 0.8, 1.5))
    for place, (arm, runs) in enumerate(everybody.items()):
        colour = _COLOURS.get(arm, f"C{place + 4}")
        lines = np.array([[(row["update"], row["kernel"][0]) for row in run["snapshots"]] for run in runs])
        for line in lines:
            courses.plot(*line.T, color=colour, alpha=0.3, linewidth=0.7)
        courses.plot(*lines.mean(0).T, "o-", color=colour, markersize=3, label=arm)
        missing.plot(
            [run["combinations"]["missing"] for run in runs], [place] * len(runs), "o", color=colour, alpha=0.6
        )
    courses.set(title="kernel distance of samples", xlabel="update", yscale="log")
    plain_ticks(courses.yaxis)
    most = max(run["combinations"]["missing"] for run in measured)
    missing.set(title=f"combinations missing, of {measured[0]['combinations']['are']}", xlim=(-1, 1.1 * most + 1))
    missing.set_yticks(range(len(arms)), arms)
    missing.set_ylim(len(arms) - 0.5, -0.5)
    rows = []
    for arm in arms:
        for name in OF:
            of = [run["read"] for run in everybody[arm] if name in run["read"]["trained"]]
            rows += [(f"{arm}, {name}", arm, of, name)] if of else []
    for place, (_, arm, of, name) in enumerate(rows):
        for kind, shift, style in (("trained", 0, "o"), ("random", 0.22, "x")):
            colour = _COLOURS.get(arm, "C4") if kind == "trained" else "grey"
            read.plot(
                [each[kind][name]["value"] for each in of], [place + shift] * len(of), style, color=colour, alpha=0.7
            )
    for control, line in (("pixels", "--"), ("majority", ":")):
        value = measured[0]["read"][control]["value"]
        read.axvline(value, color="grey", linestyle=line, linewidth=1, label=control)
    read.plot([], [], "x", color="grey", label="the same network, random weights")
    read.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=8)
    read.set_ylim(len(rows) - 0.5, -0.5)
    read.set_title("factors read by a linear classifier, mean accuracy")
    named = [pair for axes in (courses, read) for pair in zip(*axes.get_legend_handles_labels())]
    above.legend(*zip(*named), loc="outside lower center", ncols=len(named), fontsize=8, frameon=False)
    read.xaxis.set_major_formatter(PercentFormatter(1, 0))
    for axes in (courses, missing, read):
        axes.title.set_fontsize(10)
        axes.grid(alpha=0.25)
    for axes, (arm, (first, *_)) in zip(np.atleast_1d(below.subplots(len(arms), 1)), everybody.items()):
        seed = first["seed"]
        axes.imshow(read_png(results["pictures"] / f"{arm}-{seed}.png"), interpolation="nearest")
        axes.axis("off")
        axes.set_title(f"{arm}, seed {seed}", fontsize=9, loc="left", pad=2)
    return figure


def plot_reconstructions(results: dict) -> Figure:
    """Draw true held-out images, samples, and below each what the generator makes of its code; of the first seed."""
    runs = [run for run in results["runs"] if "picture" in run.get("reconstruction", {})]
    runs = [run for run in runs if run["seed"] == runs[0]["seed"]]
    figure = new_figure(9, 3.3 * len(runs))
    for axes, run in zip(np.atleast_1d(figure.subplots(len(runs), 1)), runs):
        picture = read_png(results["pictures"] / run["reconstruction"]["picture"])
        axes.imshow(picture, interpolation="nearest")
        labels = ["true, held out", "G(E(true))", "samples", "G(E(sample))"]
        pitch = picture.shape[0] / len(labels)
        axes.set_yticks([(place + 0.5) * pitch for place in range(len(labels))], labels, fontsize=9)
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(f"{run['arm']}, seed {run['seed']}", fontsize=10, loc="left")
    return figure


def answer(results: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results."""
    return by_arm(results), plot_regularised(results)


def _read(runs: list[dict], name: str) -> str:
    of = [run["read"] for run in runs if name in run["read"]["trained"]]
    if not of:
        return ""
    trained, random = ([each[kind][name]["value"] for each in of] for kind in ("trained", "random"))
    return f"{np.mean(trained):.1%} ({np.mean(random):.1%})"


def _reading(title: str, of: list[dict]) -> dict:
    values = [each["value"] for each in of]
    each_factor = {name: f"{np.mean([each['by_factor'][name] for each in of]):.0%}" for name in of[0]["by_factor"]}
    return {"features": title, "mean": spread(values, ".1%")} | each_factor
