"""What is written down after each epoch."""

import json

import numpy as np

from utils.data import scale_back
from utils.files import appears_whole
from utils.models import forward
from utils.runs import Run
from utils.sampling import fake_samples_generator, make_latent_samples, true_samples_generator
from utils.training.step import Networks
from utils.viz import grid, write_png

_TRUE_ROWS, _FAKE_LATENTS = 2, 3  # streams of random numbers of their own, beside those of `training.batches`


def performance_summarizer(run: Run, epoch: int, networks: Networks, images: np.ndarray) -> dict:
    """Score true and fake samples, draw the grid on the run's fixed latents, save the models, add a line to the record.

    Accuracy is the share of true samples that score above 0.5, and of fake samples that score below. The samples are
    the same ones after every epoch. Where batch normalisation is in the `batch` arm, scores use the statistics of the
    true and of the fake samples, as the updates do; elsewhere the discriminator is in inference mode. Dropout is off.

    Args:
        run: the run folder to write to.
        epoch: epochs done so far; 0 before the first update.
        networks: the networks as they stand; nothing in them is changed.
        images: uint8 (N, S, S, 3), the images trained on.

    Returns:
        The record: "epoch", "accuracy_true", "accuracy_fake", "score_true", "score_fake" (means, in [0, 1]) and
        "diversity" (standard deviation over the fake samples, mean over pixels of images in [-1, 1]; a generator that
        draws one picture only has 0).
    """
    experiment = run.experiment
    model, training = experiment.model, experiment.training
    count = min(training.summary_samples, len(images))
    latents = make_latent_samples(
        count, model.latent_dim, np.random.default_rng([training.samples_seed, _FAKE_LATENTS]), model.latents
    )
    true, _ = true_samples_generator(images, count, np.random.default_rng([training.samples_seed, _TRUE_ROWS]))
    fake, _ = fake_samples_generator(networks.averaged, latents)
    scores_true, scores_fake = (score(networks, samples, model.batch_norm) for samples in (true, fake))
    record = {
        "epoch": epoch,
        "accuracy_true": float(np.mean(scores_true > 0.5)),
        "accuracy_fake": float(np.mean(scores_fake < 0.5)),
        "score_true": float(np.mean(scores_true)),
        "score_fake": float(np.mean(scores_fake)),
        "diversity": float(fake.std(axis=0).mean()),
    }

    drawn, _ = fake_samples_generator(networks.averaged, np.load(run.latents_file, allow_pickle=False))
    write_png(run.grid(epoch), grid(scale_back(drawn)))
    for name, network in (("generator", networks.averaged), ("discriminator", networks.discriminator)):
        for path in [run.model(name), *([run.model(name, epoch)] if training.keep_models else [])]:
            with appears_whole(path) as temporary:
                network.save(temporary)
    with run.epochs_file.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    return record


def score(networks: Networks, images: np.ndarray, batch_norm: str, batch_size: int = 256) -> np.ndarray:
    """The discriminator's scores of float32 (N, S, S, 3) images in [-1, 1], as float32 (N,) in [0, 1]."""
    normalise_by = "batch" if batch_norm == "batch" else "mode"
    batches = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
    layers = networks.discriminator.layers
    return np.concatenate(
        [np.asarray(forward(layers, batch, training=False, normalise_by=normalise_by))[:, 0] for batch in batches]
    )
