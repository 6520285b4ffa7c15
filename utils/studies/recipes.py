"""Which recipe draws the best pictures: one change at a time, then together what helped (notebook 10)."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from utils.config import DataConfig, replace
from utils.data.catalogue import find_entry, share_too_small
from utils.figure import new_figure
from utils.presets import KERNEL_4, R3GAN, WIDER, WIDER_PENALTY
from utils.runs import Run
from utils.studies.figures import plot_samples
from utils.studies.results import runs_by_arm
from utils.studies.study import Arm, Study, at_scale, base_for, study_name
from utils.tables import spread
from utils.viz import plain_ticks

SIZES = {"report": (64, 200, 4), "quick": (64, 60, 4), "smallest": (16, 2, 2)}
"""Images per update, updates per epoch, epochs, at each scale; the networks of every epoch are kept."""
AMOUNTS = (128, 1024, 5120, 25600)
"""Images that augmentation is tried on, at equal updates."""
AUGMENTED = {"as they are": "black", "moved": "tab:green"}
"""What becomes of them before they are judged, with the colour that it is drawn in."""
LIVE = ("base", "faster_kernel_4_batch_32")
"""Arms at the smaller scales."""
STYLES = ("o-", "s--", "^:", "D-.", "v-")
"""Of the arms that are followed over minutes, of which several can have one colour."""


def recipes(data: str = "faces", scale: str = "report") -> Study:
    """The paper's networks with one change at a time, then with several.

    A dataset of 32 pixels takes the paper's networks for that size at half of their width, and so do all at the
    smallest scale; others take those for 64 pixels at a quarter. All arms see as many images. Their speeds are measured
    side by side, so that they can be compared at equal time as well as at equal updates. Augmentation is tried by
    amount of data, too. The other head that `DiscriminatorConfig` has is no arm: a convolution over the whole last map
    is the dense layer again. Nor is a longer moving average alone: it warms up, and within the 800 updates of most arms
    would be the same.

    Args:
        data: name of a dataset, or the path of own pictures.
        scale: one of `presets.SCALES`.
    """
    batch_size, per_epoch, epochs = at_scale(SIZES, scale)
    length = {"count": batch_size * per_epoch, "epochs": epochs, "keep_models": True}
    entry = find_entry(data)
    small = scale == "smallest" or (
        entry.native_size == 32 if entry else Path(data).exists() and share_too_small(DataConfig(data), 64) > 0.5
    )
    preset, width = ("paper_svhn", 0.5) if small else ("paper64", 0.25)
    paper = {"learning_rate": 2e-4, "latents": "uniform", "batch_size": batch_size}  # of both; its own code varies
    base = base_for(preset, data, scale, **length, **paper, width=width, shared_latents=True, ema_decay=0.99)
    spectral = {"spectral_norm": True, "discriminator": {"norm": False}}
    lazy_r1 = {"r1": 1.0, "penalty_every": 8}

    def arm(name: str, about: str, **changes) -> Arm:
        return Arm(name, about, replace(base, **changes))

    half = {"batch_size": batch_size // 2}
    quarter = {"batch_size": batch_size // 4, "ema_decay": 0.995}
    faster = {"learning_rate": 4e-4}
    moved = {"augment": ("translation",)}
    wider_d = {
        "discriminator": {"filters": tuple(int(WIDER * filters) for filters in base.model.discriminator.filters)},
        "discriminator_learning_rate": faster["learning_rate"] / WIDER,
    }
    arms = [
        arm("base", "the paper's networks, narrower, with one pass of the generator for both updates"),
        arm("hinge", "hinge loss", loss="hinge"),
        arm("relativistic", "relativistic loss", loss="relativistic"),
        arm("r1", "R1 of 1 every 8 updates", **lazy_r1),
        arm("r2", "R2 of 1 every 8 updates", r2=1.0, penalty_every=8),
        arm("d_plain", "the discriminator without normalisation", discriminator={"norm": False}),
        arm("d_spectral", "spectral normalisation in place of batch normalisation in the discriminator", **spectral),
        arm("d_slower", "half the learning rate for the discriminator", discriminator_learning_rate=1e-4),
        arm("faster", "twice the learning rate for both", **faster),
        arm("simultaneous", "one pass of the discriminator over the fakes serves both networks", simultaneous=True),
        arm("kernel_4", "kernels of 4x4 in place of 5x5", **KERNEL_4),
        arm("batch_32", "32 images per update: twice the updates", **half),
        arm("wider", "twice the width", width=2 * base.model.width),
        arm("no_average", "samples from the generator itself, no moving average", ema_decay=0.0),
        arm("few_latents", "32 latents in place of 100", latent_dim=32),
        arm("normal_latents", "N(0, 1) in place of U(-1, 1)", latents="normal"),
        arm("r3gan", "relativistic loss, R1 and R2 every 8 updates, discriminator without normalisation", **R3GAN),
        arm("r3gan_weaker", "r3gan with penalties of 0.05 and beta_1 0, as its source begins on CIFAR-10",
            **{**R3GAN, "r1": 0.05, "r2": 0.05}, beta_1=0.0),
        arm("r3gan_weakest", "r3gan with penalties of 0.005 and beta_1 0, as its source ends there",
            **{**R3GAN, "r1": 0.005, "r2": 0.005}, beta_1=0.0),
        arm("faster_hinge", "faster, hinge loss", **faster, loss="hinge"),
        arm("faster_relativistic", "faster, relativistic loss", **faster, loss="relativistic"),
        arm("faster_r1", "faster, R1 of 1 every 8 updates", **faster, **lazy_r1),
        arm("faster_r3gan", "faster, r3gan", **faster, **R3GAN),
        arm("faster_spectral_hinge", "faster, spectral normalisation in the discriminator, hinge loss",
            **faster, **spectral, loss="hinge", discriminator_updates="joint"),
        arm("faster_relativistic_r1_moved", "faster, relativistic loss, R1 of 1 every 8 updates, translated images",
            **faster, **lazy_r1, **moved, loss="relativistic"),
        arm("faster_spectral_relativistic_r1_moved", "faster_relativistic_r1_moved, spectral normalisation in D",
            **faster, **lazy_r1, **moved, **spectral, loss="relativistic", discriminator_updates="joint"),
        arm("faster_kernel_4", "faster, kernels of 4x4", **faster, **KERNEL_4),
        arm("faster_batch_32", "faster, 32 images per update", **faster, **half),
        arm("faster_batch_16", "faster, 16 images per update, an average over twice as many updates",
            **faster, **quarter),
        arm("faster_batch_16_wider_d", "faster_batch_16, the discriminator 1.5 times as wide, two thirds of its rate",
            **faster, **quarter, **wider_d),
        arm("faster_batch_16_wider_d_r1", "faster_batch_16_wider_d, R1 of 0.2 every 16 updates",
            **faster, **quarter, **wider_d, **WIDER_PENALTY),
        arm("faster_kernel_4_batch_32", "faster, kernels of 4x4, 32 images per update", **faster, **KERNEL_4, **half),
        arm("faster_wider", "faster, twice the width", **faster, width=2 * base.model.width),
        arm("faster_beta_0", "faster, Adam without a first moment (beta_1 0)", **faster, beta_1=0.0),
        arm("fastest", "four times the learning rate for both", learning_rate=8e-4),
        arm("fastest_generator", "four times the learning rate for the generator, twice for the discriminator",
            learning_rate=8e-4, discriminator_learning_rate=4e-4),
    ]  # fmt: skip
    if scale != "report":
        arms = [one for one in arms if one.name in LIVE]
    else:
        for amount in AMOUNTS:
            few = {"count": amount, "epochs": max(1, batch_size * per_epoch * epochs // amount)}
            few["summary_epochs"] = max(1, few["epochs"] // epochs)
            arms += [
                arm(f"{amount}", f"base on {amount:,} images", **few),
                arm(f"{amount}-moved", f"base on {amount:,} images, translated", **few, **moved),
            ]
    return Study(
        study_name("recipes", data, scale),
        "Which change of the recipe gives better pictures after as many updates, and after as many minutes?",
        tuple(arms),
        base=arms[0],
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
    """Train the arms, and keep their last networks' distances in every space that there is, with what these depend on.

    Args:
        study, home, out, data_dir, progress: as for `train_study`.

    Returns:
        The run of each (arm, seed), and the file of the results.
    """
    from utils.studies.train import train_and_evaluate

    return train_and_evaluate(study, home, out, data_dir=data_dir, progress=progress)


def by_arm(results: dict) -> list[dict]:
    """A row for each arm of the kept results, the best at equal minutes first.

    "speed" is updates per second, as a share of base's, measured side by side. "equal updates" and "equal minutes" are
    kernel distances, means over the seeds with the lowest and the highest: after as many updates as all arms have, and
    when the first arm was through; what needs the speed of an arm that has not been timed where the others were is "–",
    and such arms come last. Where it was measured, "ImageNet, end" is the kernel distance at an arm's end in the
    features of a network that knows ImageNet. "fake" is the mean score of fake samples over the last quarter (0.5 is
    level), "diversity" a share of the true images'.
    """
    rows, everybody, timed = [], _recipes_of(results), _timed(results)
    twice = any(_in_imagenet(runs) for runs in everybody.values())
    for arm in _best_first(results):
        runs = everybody[arm]
        late = [row for run in runs for row in run["watch"][-max(1, len(run["watch"]) // 4) :]]
        rows.append(
            {
                "arm": arm,
                "what": results["arms"][arm],
                "speed": spread([_speed(results, arm)] if arm in timed else [], ".2f"),
                "equal updates": spread(_at_equal_updates(results, arm), ".3g"),
                "equal minutes": spread(_at_equal_minutes(results, arm), ".3g"),
                **({"ImageNet, end": spread(_in_imagenet(runs), ".3g")} if twice else {}),
                "fake": f"{np.mean([row['fake_batch'] for row in late]):.2f}",
                "diversity": f"{np.mean([row['diversity'] / row['diversity_true'] for row in late]):.2f}",
                "runs": len(runs),
            }
        )
    return rows


def plot_recipes(results: dict) -> Figure:
    """Draw each arm's distance beside base's, where that is there, at equal updates and at equal minutes, at its end in
    ImageNet's features where it was measured, and its samples; in black base, in blue arms with the paper's learning
    rate, in orange those with a higher one."""
    runs = _recipes_of(results)
    minutes, updates, order = _shared_minutes(results), _shared_updates(results), _best_first(results)
    above, below = max(3.0, 0.24 * len(order) + 1.0), 0.62 * -(-len(order) // 3)
    figure = new_figure(15, above + below)
    dots, samples = figure.subfigures(2, 1, height_ratios=(above, below))
    dots.suptitle("Black: base. Blue: at the paper's learning rate. Orange: at a higher one.", fontsize=10)
    panels = {
        f"kernel distance after {updates:,} updates": _at_equal_updates,
        f"after {minutes:.1f} minutes": _at_equal_minutes,
    }
    if any(_in_imagenet(runs[arm]) for arm in order):
        ends = [_minutes(results, arm, runs[arm][0]["updates"]) for arm in _timed(results)]
        heading = f"at the end ({min(ends):.1f} to {max(ends):.1f} minutes), ImageNet's features"
        panels[heading] = lambda results, arm: _in_imagenet(runs[arm])
    *compared, courses = dots.subplots(1, len(panels) + 1, width_ratios=(*[1] * len(panels), 1.2))
    for axes, (title, values_of) in zip(compared, panels.items()):
        for place, arm in enumerate(order):
            if not (values := values_of(results, arm)):
                continue
            axes.plot(values, [place] * len(values), "o", color=_colour(arm), markersize=4, alpha=0.6)
            axes.plot(np.mean(values), place, "|", color=_colour(arm), markersize=12, markeredgewidth=2)
        if "base" in runs and (values := values_of(results, "base")):
            axes.axvline(np.mean(values), color="grey", linestyle=":", linewidth=1)
        axes.set(xscale="log", ylim=(len(order) - 0.5, -0.5))
        axes.set_yticks(range(len(order)), order if axes is compared[0] else [], fontsize=9)
        axes.grid(alpha=0.25)
        axes.set_title(title, fontsize=10)
        plain_ticks(axes.xaxis)
    timed = [arm for arm in order if arm in _timed(results)]
    followed = dict.fromkeys((*timed[:3], *(["base"] if "base" in timed else []), timed[-1]))
    for arm, style in zip(followed, STYLES):
        lines = [
            [(_minutes(results, arm, row["update"]), row["kernel"][0]) for row in run["snapshots"] if row["update"]]
            for run in runs[arm]
        ]
        courses.plot(*np.mean(lines, axis=0).T, style, color=_colour(arm), markersize=4, label=arm)
    chosen = ": the three best, base, the last" if len(followed) < len(timed) else ""
    courses.set_title(f"over minutes{chosen}", fontsize=10)
    courses.set(yscale="log", xlabel="minute", ylabel="kernel distance")
    plain_ticks(courses.yaxis)
    courses.grid(alpha=0.25)
    dots.legend(*courses.get_legend_handles_labels(), loc="outside lower right", ncols=5, fontsize=9, frameon=False)
    plot_samples(results, order, seeds=[results["runs"][0]["seed"]], columns=3, figure=samples)
    return figure


def by_augmentation(results: dict) -> list[dict]:
    """A row for each number of images: the best distance of a run and the last, and where it was measured the last in
    ImageNet's features, without augmentation and with it."""
    rows, amounts = [], _amounts_of(results)
    there = [name for name in AUGMENTED if any(name in of for of in amounts.values())]
    for amount, of in amounts.items():
        row = {"images": f"{amount:,}"}
        for name in there:
            runs = of.get(name, [])
            row[f"{name}, best"] = spread([min(_distances(run)) for run in runs], ".3g")
            row[f"{name}, last"] = spread([_distances(run)[-1] for run in runs], ".3g")
            if seen := _in_imagenet(runs):
                row[f"{name}, last, ImageNet"] = spread(seen, ".3g")
        rows.append(row)
    return rows


def plot_augmentation(results: dict) -> Figure:
    """Draw the distance over updates for each number of images, without augmentation and with it."""
    amounts = _amounts_of(results)
    heading = f"{results['study']}: kernel distance over updates, true and fake images moved or not"
    figure, named = new_figure(3.4 * len(amounts), 3.2, heading), {}
    for axes, (amount, of) in zip(figure.subplots(1, len(amounts), sharey=True, squeeze=False)[0], amounts.items()):
        for name, colour in AUGMENTED.items():
            for run in of.get(name, []):
                updates = [row["update"] for row in run["snapshots"] if row["update"]]
                (named[name],) = axes.plot(updates, _distances(run), "o-", color=colour, markersize=3, label=name)
        axes.set(title=f"{amount:,} images", xlabel="update", yscale="log")
        plain_ticks(axes.yaxis)
        axes.grid(alpha=0.25)
    figure.legend(handles=list(named.values()), loc="outside lower right", ncols=2, fontsize=9, frameon=False)
    return figure


def answer(results: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results; of arms on fewer images alone, those that
    tell what augmentation does."""
    if not _recipes_of(results):
        return by_augmentation(results), plot_augmentation(results)
    return by_arm(results), plot_recipes(results)


def _recipes_of(results: dict) -> dict[str, list[dict]]:
    """The arms on all images."""
    return {arm: runs for arm, runs in runs_by_arm(results).items() if not arm[0].isdigit()}


def _timed(results: dict) -> dict[str, list[dict]]:
    """Those whose speed is kept: of arms that were timed on another device than the last ones it is not."""
    return {arm: runs for arm, runs in _recipes_of(results).items() if arm in results["speeds"]["relative"]}


def _amounts_of(results: dict) -> dict[int, dict[str, list[dict]]]:
    """For each number of images the runs "as they are" and "moved"."""
    amounts = {}
    for arm, runs in runs_by_arm(results).items():
        if arm[0].isdigit():
            amount, *moved = arm.split("-")
            amounts.setdefault(int(amount), {})["moved" if moved else "as they are"] = runs
    return amounts


def _distances(run: dict) -> list[float]:
    return [row["kernel"][0] for row in run["snapshots"] if row["update"]]


def _speed(results: dict, arm: str) -> float:
    """Updates in the time of one of base's."""
    return results["speeds"]["relative"][arm]


def _minutes(results: dict, arm: str, update: float) -> float:
    return update * results["speeds"]["seconds_per_update"] / _speed(results, arm) / 60


def _shared_minutes(results: dict) -> float:
    """When the first arm is through: all are under way then."""
    return min(_minutes(results, arm, runs[0]["updates"]) for arm, runs in _timed(results).items())


def _shared_updates(results: dict) -> int:
    return min(run["updates"] for runs in _recipes_of(results).values() for run in runs)


def _at_equal_updates(results: dict, arm: str) -> list[float]:
    """The kernel distances of an arm's runs after as many updates as all arms have."""
    return [_at(run, _shared_updates(results)) for run in _recipes_of(results)[arm]]


def _at_equal_minutes(results: dict, arm: str) -> list[float]:
    """Those when the first arm is through; [] of an arm that has no speed."""
    return [_at(run, _shared_minutes(results) / _minutes(results, arm, 1)) for run in _timed(results).get(arm, ())]


def _in_imagenet(runs: list[dict]) -> list[float]:
    """The kernel distances of last networks in ImageNet's features; [] where they were not measured."""
    others = [space for run in runs for space in run.get("distance", {}).get("other_spaces", ())]
    return [space["kernel"]["value"] for space in others if "ImageNet" in space["space"]]


def _best_first(results: dict) -> list[str]:
    """The arms by their distances at equal minutes; then those that have no speed, by those at equal updates."""

    def place(arm: str) -> tuple[bool, float]:
        timely = _at_equal_minutes(results, arm)
        return not timely, np.mean(timely or _at_equal_updates(results, arm))

    return sorted(_recipes_of(results), key=place)


def _at(run: dict, update: float) -> float:
    """The kernel distance after so many updates, between the kept networks on the line of its logarithm."""
    rows = run["snapshots"]  # also that of before the first update: a slow arm may have done few
    logarithms = np.log([max(row["kernel"][0], 1e-4) for row in rows])
    return float(np.exp(np.interp(update, [row["update"] for row in rows], logarithms)))


def _colour(arm: str) -> str:
    """By its learning rate, as `plot_recipes` says."""
    return "black" if arm == "base" else "tab:orange" if arm.startswith("faste") else "tab:blue"
