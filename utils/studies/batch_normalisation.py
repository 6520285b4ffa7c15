"""Why batch normalisation broke the report's training (§5.1, Figs 10 to 12), one change at a time."""

import numpy as np

from utils.config import preset, replace
from utils.studies.figures import Panel
from utils.studies.study import Arm, Study
from utils.training.watch import COLLAPSE, GAP

UPDATES_PER_EPOCH, EPOCHS = 100, 4
MAIN = ("off", "moving", "batch", "recipe")
"""The arms that are trained on every dataset."""
PANELS = (
    Panel("generator's loss", "curves", ("loss_generator",), log=True),
    Panel("discriminator's loss: true (dashed: fake)", "curves", ("loss_true", "loss_fake"), log=True),
    Panel("gradient norm at the generator", "curves", ("gradient_norm",), log=True),
    Panel("score of fakes by the batch (dashed: by averages)", "watch", ("fake_batch", "fake_moving"), 0, 1),
    Panel("gap between the two updates", "watch", ("gap",), 0, 1, mark=GAP),
    Panel("diversity of the samples", "watch", ("diversity",), 0),
)
"""What shows the failure, and that it is gone."""


def batch_normalisation(data: str = "faces") -> Study:
    """The report's networks with and without batch normalisation, and every step between its failure and the cure.

    Networks of half the report's width; 400 updates of 64 images. The chain of single changes is trained on the
    built-in faces only.

    Args:
        data: name of the dataset.
    """
    built_in = data == "faces"
    base = replace(
        preset("report32"),
        name=data,
        count=64 * UPDATES_PER_EPOCH,
        width=0.5,
        batch_size=64,
        epochs=EPOCHS,
    )

    def arm(name: str, about: str, **changes) -> Arm:
        return Arm(name, about, replace(base, **changes))

    recipe = {"batch_norm": "batch", "weights": "normal"}
    arms = (
        arm("off", "no batch normalisation, as in the report's final runs"),
        arm("moving", "as freezing plus predict do: the report's batch normalisation", batch_norm="moving"),
        arm("batch", "batch statistics in every pass", batch_norm="batch"),
        arm("recipe", "batch statistics in every pass, weights N(0, 0.02)", **recipe),
    )
    chain = (
        arm("moving_judge", "only the judge of the generator is on moving averages", batch_norm="moving_judge"),
        arm("moving_fakes", "only the discriminator's fakes are drawn in inference mode", batch_norm="moving_fakes"),
        arm("moving_normal", "moving, weights N(0, 0.02)", batch_norm="moving", weights="normal"),
        arm("moving_momentum_0.9", "moving, momentum 0.9", batch_norm="moving", batch_norm_momentum=0.9),
        arm("moving_momentum_0.8", "moving, momentum 0.8", batch_norm="moving", batch_norm_momentum=0.8),
        arm("moving_slow", "moving, learning rate 2e-5 (the report's text)", batch_norm="moving", learning_rate=2e-5),
        arm("moving_generator_only", "moving, the generator alone is normalised",
            batch_norm="moving", discriminator={"norm": False}),
        arm("batch_slow", "batch, learning rate 2e-5", batch_norm="batch", learning_rate=2e-5),
        arm("batch_joined", "batch, true and fake joined for the discriminator's update",
            batch_norm="batch", discriminator_updates="joint", join_batches=True),
        arm("recipe_joined", "recipe, true and fake joined for the discriminator's update",
            **recipe, discriminator_updates="joint", join_batches=True),
        arm("recipe_joint", "recipe, one Adam step on both losses", **recipe, discriminator_updates="joint"),
        arm("recipe_norm_first", "recipe, the discriminator's first block is normalised too",
            **recipe, discriminator={"norm_first": True}),
        arm("recipe_generator_only", "recipe, the generator alone is normalised",
            **recipe, discriminator={"norm": False}),
        arm("off_normal", "no batch normalisation, weights N(0, 0.02)", weights="normal"),
    )  # fmt: skip
    return Study(
        f"batch_normalisation-{data}",
        "Why did batch normalisation break the report's training, and what makes it work?",
        arms + chain if built_in else arms,
    )


def verdicts(results: dict) -> list[dict]:
    """A row for each arm of the kept results, over its seeds: where the runs stand in their last quarter.

    "verdict" says in how many runs the two updates see different networks (median gap above `watch.GAP`), in how
    many the samples are alike (median diversity below `watch.COLLAPSE` of the true images'), and in how many neither.
    """
    rows = []
    for arm, about in results["arms"].items():
        runs = [_last_quarter(run) for run in results["runs"] if run["arm"] == arm]
        if not runs:
            continue
        split = sum(run["gap"] > GAP for run in runs)
        alike = sum(run["gap"] <= GAP and run["diversity"] < COLLAPSE for run in runs)
        counts = {"updates disagree": split, "samples alike": alike, "neither": len(runs) - split - alike}
        mean = {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
        rows.append(
            {
                "arm": arm,
                "what": about,
                "verdict": ", ".join(f"{what} {count}/{len(runs)}" for what, count in counts.items() if count),
                **{name: f"{value:.2g}" if value < 10 else f"{value:.0f}" for name, value in mean.items()},
            }
        )
    return rows


def _last_quarter(run: dict) -> dict[str, float]:
    """Medians over the last quarter of a run."""

    def median(rows: list[dict], name: str) -> float:
        return float(np.median([row[name] for row in rows[-max(1, len(rows) // 4) :]]))

    updates = [dict(zip(run["curves"], values)) for values in zip(*run["curves"].values())]
    return {
        "loss G": median(updates, "loss_generator"),
        "loss D true": median(updates, "loss_true"),
        "loss D fake": median(updates, "loss_fake"),
        "gradient": median(updates, "gradient_norm"),
        "gap": median(run["watch"], "gap"),
        "fake, batch": median(run["watch"], "fake_batch"),
        "fake, moving": median(run["watch"], "fake_moving"),
        "diversity": median(run["watch"], "diversity") / run["watch"][-1]["diversity_true"],
        **({"distance": run["snapshots"][-1]["kernel"][0]} if "snapshots" in run else {}),
    }
