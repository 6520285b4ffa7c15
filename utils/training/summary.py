"""What is written down at each summary."""

import json
import math

import numpy as np

from utils.config import STATISTICS
from utils.data import scale, scale_back
from utils.data.conditions import GRID_COLUMNS, Conditions
from utils.files import appears_whole, write_json
from utils.models import forward
from utils.runs import Run
from utils.sampling import Sampler
from utils.streams import stream
from utils.training.losses import undecided_logit
from utils.training.players import Players
from utils.viz import grid, write_png


def performance_summarizer(
    run: Run,
    number: int,
    players: Players,
    images: np.ndarray,
    distance: dict | None = None,
    conditions: Conditions | None = None,
) -> dict:
    """Score true and fake samples, draw the grid on the run's fixed latents, save the models, add a line to the record.

    Accuracy is the share of true samples that score above what an undecided discriminator gives (0.5, unless
    `losses.Loss.undecided` says otherwise), and of fake samples that score below. Where only differences of logits
    count, it is the share of true samples whose logit is above the median of all, true and fake, and of fake samples
    whose logit is below.

    The samples are the same ones at every summary. Where batch normalisation goes by the batch, scores use the
    statistics of the true and of the fake samples, as the updates do; elsewhere the discriminator is in inference mode.
    Dropout is off.

    Args:
        run: the run folder to write to.
        number: epochs done so far, or updates where the run counts these (`run.unit`); 0 before the first update.
        players: the networks as they stand; nothing in them is changed.
        images: uint8 (N, S, S, 3), the images trained on.
        distance: how far the samples are from true images, where it was measured: "value" becomes part of the record.
        conditions: what goes with the images, or None; the fake samples are drawn for those of the true ones.

    Returns:
        The record: the number as "epoch" or "update", "accuracy_true", "accuracy_fake", "score_true", "score_fake"
        (means, in [0, 1]) and "diversity" (standard deviation over the fake samples, mean over pixels of images in
        [-1, 1]; a generator that draws one picture only has 0); and "distance", where it was measured.
    """
    experiment = run.experiment
    training = experiment.training
    count = min(training.summary_samples, len(images))
    sampler = Sampler.of(players.averaged, experiment, run.conditions)
    rows = stream(training.samples_seed, "summary: true samples").choice(len(images), count, replace=False)
    true, given = scale(images[rows]), None if conditions is None else conditions[rows]
    fake = sampler.images(sampler.make_latents(count, stream(training.samples_seed, "summary: latents")), given)

    def judged(**how) -> list[np.ndarray]:
        return [score(players, samples, training.statistics, conditions=given, **how) for samples in (true, fake)]

    scores_true, scores_fake = by_true, by_fake = judged()
    undecided = undecided_logit(training.loss)
    if undecided is None:
        by_true, by_fake = judged(logits=True)  # scores of all may be 1
        limit = np.median(np.concatenate((by_true, by_fake)))
    else:
        limit = 1 / (1 + math.exp(-undecided))
    record = {
        run.unit: number,
        "accuracy_true": float(np.mean(by_true > limit)),
        "accuracy_fake": float(np.mean(by_fake < limit)),
        "score_true": float(np.mean(scores_true)),
        "score_fake": float(np.mean(scores_fake)),
        "diversity": float(fake.std(axis=0).mean()),
        **({"distance": distance["value"]} if distance else {}),
    }

    write_png(run.grid(number), sheet(run, sampler))
    save_networks(run, players)
    if training.keep_models:
        save_networks(run, players, number)
    with run.epochs_file.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    return record


def sheet(run: Run, sampler: Sampler) -> np.ndarray:
    """What a generator draws on the run's fixed latents, as a grid: uint8 (H, W, 3)."""
    latents = np.load(run.latents_file, allow_pickle=False)
    if sampler.conditions is None:
        return grid(scale_back(sampler.images(latents)))
    drawn, names = sampler.row_by_row(run.experiment.model, latents[:GRID_COLUMNS])
    return grid(drawn, names=names)


def keep_best(run: Run, players: Players, about: dict) -> None:
    """Keep the networks in models/best/ if they are better than those that are there.

    Args:
        run: the run folder.
        players: the networks as they stand.
        about: what is kept of them in best.json; "distance" of it has the "value" that decides, the smaller the better.
    """
    if run.best and run.best["distance"]["value"] <= about["distance"]["value"]:
        return
    run.best_file.unlink(missing_ok=True)  # it never speaks of other networks than those beside it
    save_networks(run, players, "best")
    write_json(run.best_file, about)


def save_networks(run: Run, players: Players, which: int | str | None = None) -> None:
    """Save the networks of all players, of the generator the averaged one; each file appears whole or not at all.

    Args:
        run: the run folder.
        players: the networks as they stand.
        which: in place of the newest, those kept of a summary, by its number, or the "best" (see `Run.model`).
    """
    networks = {name: player.network for name, player in players.by_name.items()} | {"generator": players.averaged}
    for name, network in networks.items():
        with appears_whole(run.model(name, which)) as temporary:
            network.save(temporary)


def score(
    players: Players,
    images: np.ndarray,
    statistics: str,
    batch_size: int = 256,
    conditions: np.ndarray | None = None,
    logits: bool = False,
) -> np.ndarray:
    """The discriminator's scores of float32 (N, S, S, 3) images in [-1, 1], as float32 (N,) in [0, 1].

    Args:
        players: the discriminator among them.
        images: the images.
        statistics: of the experiment.
        batch_size: images at a time; where batch normalisation goes by the batch, it decides the result, too.
        conditions: float32 (N, condition_size) that they are judged by, or None.
        logits: whether to give the logits of these scores, which may be any numbers.
    """
    by, scores = STATISTICS[statistics].scores, []
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        given = None if conditions is None else conditions[part]
        scores.append(forward(players.discriminator, images[part], given, statistics=by, logits=logits))
    return np.concatenate([np.asarray(each, np.float32)[:, 0] for each in scores])
