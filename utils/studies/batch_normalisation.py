"""Why batch normalisation broke the report's training (§5.1, Figs 10 to 12), one change at a time."""

import numpy as np
from matplotlib.figure import Figure

from utils.config import replace
from utils.figure import new_figure
from utils.studies.figures import Panel, plot_arms, plot_samples
from utils.studies.results import runs_by_arm
from utils.studies.study import Arm, Study, at_scale, base_for, study_name
from utils.training.doctor import GAP, End, at_the_end

SIZES = {"report": (64, 100, 4), "quick": (64, 25, 4), "smallest": (16, 2, 2)}
"""Images per update, updates per epoch, epochs, at each scale."""
MAIN = ("off", "moving", "batch", "recipe")
"""The arms that are trained on every dataset."""
PANELS = (
    Panel("generator's loss", "curves", ("loss_generator",), log=True),
    Panel("discriminator's loss: true (dashed: fake)", "curves", ("loss_true", "loss_fake"), log=True),
    Panel("gradient norm at the generator", "curves", ("gradient_norm",), log=True),
    Panel("score of fakes by the batch (dashed: by averages)", "watch", ("fake_batch", "fake_moving"), 0, 1),
    Panel("gap between the two updates", "watch", ("gap",), -0.03, 1.03, mark=GAP),
    Panel("diversity of the samples", "watch", ("diversity",), 0),
)
"""What shows the failure, and that it is gone."""


def batch_normalisation(data: str = "faces", scale: str = "report") -> Study:
    """The report's networks with and without batch normalisation, and every step between its failure and the cure.

    Networks of half the report's width; 400 updates of 64 images. The chain of single changes is for the built-in faces
    only.

    Args:
        data: name of a dataset, or the path of own pictures.
        scale: one of `presets.SCALES`.
    """
    batch_size, per_epoch, epochs = at_scale(SIZES, scale)
    base = base_for(
        "report32", data, scale, width=0.5, count=batch_size * per_epoch, batch_size=batch_size, epochs=epochs
    )

    moving, judge, fakes = (
        {"batch_norm": "on", "statistics": statistics} for statistics in ("moving", "moving_judge", "moving_fakes")
    )

    def arm(name: str, about: str, **changes) -> Arm:
        return Arm(name, about, replace(base, **changes))

    recipe = {"batch_norm": "on", "weights": "normal"}
    arms = (
        arm("off", "no batch normalisation, as in the report's final runs"),
        arm("moving", "as freezing plus predict do: the report's batch normalisation", **moving),
        arm("batch", "batch statistics in every pass", batch_norm="on"),
        arm("recipe", "batch statistics in every pass, weights N(0, 0.02)", **recipe),
    )
    chain = (
        arm("moving_judge", "only the judge of the generator is on moving averages", **judge),
        arm("moving_fakes", "only the discriminator's fakes are drawn in inference mode", **fakes),
        arm("moving_normal", "moving, weights N(0, 0.02)", **moving, weights="normal"),
        arm("moving_momentum_0.9", "moving, momentum 0.9", **moving, batch_norm_momentum=0.9),
        arm("moving_momentum_0.8", "moving, momentum 0.8", **moving, batch_norm_momentum=0.8),
        arm("moving_slow", "moving, learning rate 2e-5 (the report's text)", **moving, learning_rate=2e-5),
        arm("moving_generator_only", "moving, the generator alone is normalised",
            **moving, discriminator={"norm": False}),
        arm("batch_slow", "batch, learning rate 2e-5", batch_norm="on", learning_rate=2e-5),
        arm("batch_joined", "batch, true and fake joined for the discriminator's update",
            batch_norm="on", discriminator_updates="joint", join_batches=True),
        arm("recipe_joined", "recipe, true and fake joined for the discriminator's update",
            **recipe, discriminator_updates="joint", join_batches=True),
        arm("recipe_joint", "recipe, one Adam step on both losses", **recipe, discriminator_updates="joint"),
        arm("recipe_norm_first", "recipe, the discriminator's first block is normalised too",
            **recipe, discriminator={"norm_first": True}),
        arm("recipe_generator_only", "recipe, the generator alone is normalised",
            **recipe, discriminator={"norm": False}),
        arm("recipe_moving_fakes", "recipe, the discriminator's fakes are drawn in inference mode",
            weights="normal", **fakes),
        arm("recipe_parts", "recipe, each eighth of a batch normalised by itself, as by eight devices apart",
            **recipe, batch_norm_parts=8),
        arm("off_normal", "no batch normalisation, weights N(0, 0.02)", weights="normal"),
    )  # fmt: skip
    return Study(
        study_name("batch_normalisation", data, scale),
        "Why did batch normalisation break the report's training, and what makes it work?",
        arms + chain if data == "faces" else arms,
        scale=scale,
    )


def verdicts(results: dict) -> list[dict]:
    """A row for each arm of the kept results: medians over the last quarter of each run, means of these over the seeds.

    "verdict" says in how many runs the two updates see different networks (gap above `doctor.GAP`), in how many the
    samples are alike (diversity below `doctor.COLLAPSE` of the true images'), and in how many neither. "gradient" is
    its norm at the generator, "diversity" a share of the true images'; "distance", where it was measured, is the kernel
    distance of samples to held-out images at the end of the run, with the lowest and the highest.
    """
    rows = []
    for arm, runs in runs_by_arm(results).items():
        ends = [End.of(run["watch"]) for run in runs]
        split, healthy = sum(end.gap > GAP for end in ends), sum(end.is_healthy for end in ends)
        counts = {"updates disagree": split, "samples alike": len(runs) - split - healthy, "neither": healthy}
        medians = [
            _medians(run["curves"]) | {"gap": end.gap, "diversity": end.diversity} for run, end in zip(runs, ends)
        ]
        rows.append(
            {
                "arm": arm,
                "what": results["arms"][arm],
                "verdict": ", ".join(f"{what} {count}/{len(runs)}" for what, count in counts.items() if count),
                **{name: _digits(np.mean([of[name] for of in medians])) for name in medians[0]},
                **_distance([run for run in runs if "snapshots" in run]),
            }
        )
    return rows


def _distance(runs: list[dict]) -> dict[str, str]:
    ends = [run["snapshots"][-1]["kernel"][0] for run in runs]
    return {"distance": f"{_digits(np.mean(ends))} ({_digits(min(ends))} to {_digits(max(ends))})"} if ends else {}


def _digits(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def answer(results: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results; the figure shows the main arms, or whichever
    there are if none of these is there."""
    there = {run["arm"] for run in results["runs"]}
    arms = [arm for arm in MAIN if arm in there] or [arm for arm in results["arms"] if arm in there]
    figure = new_figure(12.6, 5.7)
    courses, samples = figure.subfigures(2, 1, height_ratios=(4.0, 1.7))
    plot_arms(results, arms, [PANELS[0], *PANELS[-2:]], figure=courses)
    plot_samples(results, arms, seeds=[results["runs"][0]["seed"]], figure=samples)
    return verdicts(results), figure


def _medians(curves: dict[str, list[float]]) -> dict[str, float]:
    """Of the curves of a run, by what the table calls them."""
    return {
        "loss G": at_the_end(curves["loss_generator"]),
        "loss D true": at_the_end(curves["loss_true"]),
        "loss D fake": at_the_end(curves["loss_fake"]),
        "gradient": at_the_end(curves["gradient_norm"]),
    }
