"""A generator that cannot be improved: what is left of the discriminator's loss then (notebook 07)?"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from utils import runtime
from utils.config import Experiment, replace
from utils.data import load_for, scale
from utils.data.catalogue import find_source, reading
from utils.errors import InputError
from utils.figure import new_figure
from utils.models import forward
from utils.training.batches import Schedule, batches
from utils.training.players import build_players
from utils.training.step import discriminator_update
from utils.viz import smooth


def perfect_generator(
    experiment: Experiment, count: int, updates: int, data_dir: str | Path | None = None, progress: bool = True
) -> dict:
    """Train a discriminator against a generator that cannot be improved: its samples are true images.

    They are images of the same dataset that are not among the `count` trained on, each drawn once or
    (if there are fewer) a few times. So the best discriminator's losses are log 2, and what is lower can only come from
    knowing the training images by heart. The discriminator is updated as in any training.

    Args:
        experiment: the discriminator, its data and its training.
        count: how many images are the true ones.
        updates: of the discriminator.
        data_dir: where datasets are.
        progress: whether to show a progress bar.

    Returns:
        Arrays (updates,): "update", "loss_true", "loss_fake"; and mean scores after the last update by batch statistics
        and without dropout: "score_trained_on", of images trained on, and "score_held_out", of images that were neither
        trained on nor taken for fake ones.

    Raises:
        InputError: there are too few images.

    Reference:
        Goodfellow et al. (arXiv:1406.2661), §4.1, Theorem 1.
    """
    runtime.start(experiment.training.precision)
    import tensorflow as tf  # not before: it is the project that decides how TensorFlow starts

    data, size = experiment.data, experiment.training.batch_size
    judged = min(256, count)
    wanted = count + updates * size + judged

    def check(there: int) -> None:
        if there < count + size + judged:
            raise InputError(
                f"{count + size + judged:,} images are needed, {count:,} to train on, the others to take for fake ones "
                f"and to compare with. Received: {data.name}, which has {there:,}."
            )

    there = find_source(data.name, experiment.model.image_size, wanted, data_dir=data_dir, **reading(data)).describe()
    check(there.count)
    everything = load_for(replace(experiment, count=min(wanted, there.count)), data_dir, progress).images
    check(len(everything))  # without those that cannot be used
    true, fake, apart = everything[:count], everything[count:-judged], everything[-judged:]
    players = build_players(experiment)
    update = tf.function(discriminator_update(players, experiment), jit_compile=False)
    upcoming = batches(true, experiment, Schedule.of(experiment, count), 1, updates)
    rows = []
    for batch in tqdm(upcoming, f"{count:,} images", updates, unit=" updates", disable=not progress):
        others = fake[np.arange((batch.update - 1) * size, batch.update * size) % len(fake)]
        recorded = update(batch.images[0], scale(np.asarray(others)))
        rows.append([float(recorded[name]) for name in ("loss_true", "loss_fake")])
    columns = dict(zip(("loss_true", "loss_fake"), np.array(rows).T))

    def mean_score(images: np.ndarray) -> float:
        pictures = scale(np.asarray(images))
        return float(np.mean(forward(players.discriminator, pictures, training=False, statistics="batch")))

    scores = {"score_trained_on": mean_score(true[:judged]), "score_held_out": mean_score(apart)}
    return {"update": np.arange(1, updates + 1)} | columns | scores


def plot_perfect(results: dict[int, dict]) -> Figure:
    """Draw what `perfect_generator` gave for several numbers of images: the discriminator's loss and last scores."""
    figure = new_figure(11, 3.8)
    losses_axes, scores = figure.subplots(1, 2, width_ratios=(2, 1))
    for number, (count, result) in enumerate(results.items()):
        loss = (result["loss_true"] + result["loss_fake"]) / 2
        losses_axes.plot(result["update"], loss, color=f"C{number}", alpha=0.2, linewidth=0.6)
        smoothed = smooth(loss, max(1, len(loss) // 20))
        losses_axes.plot(result["update"], smoothed, color=f"C{number}", label=f"trained on {count:,} images")
        for side, name in enumerate(("trained_on", "held_out")):
            value = result[f"score_{name}"]
            bar = scores.bar(number + 0.4 * side, value, 0.36, color=f"C{number}", alpha=1 - 0.5 * side)
            scores.bar_label(bar, [f"{value:.2f}"], fontsize=8)
    losses_axes.axhline(np.log(2), color="grey", linestyle=":", linewidth=1, label="log 2")
    losses_axes.set(title="discriminator's loss against a perfect generator", xlabel="update", ylim=(0, None))
    handles, labels = losses_axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8, frameon=False)
    scores.axhline(0.5, color="grey", linestyle=":", linewidth=1)
    scores.set(title="mean score of true images (pale: held out)", ylim=(0, 1.08))
    scores.set_xticks(np.arange(len(results)) + 0.2, [f"{count:,} images" for count in results])
    for axes in (losses_axes, scores):
        axes.title.set_fontsize(10)
        axes.grid(alpha=0.25)
    return figure
