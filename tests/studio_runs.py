"""Run folders as a training leaves them, made in a moment: for tests of the studio."""

import json

import numpy as np

from utils import viz
from utils.config import preset, replace
from utils.fitting import at_size
from utils.models import build_discriminator, build_generator
from utils.runs import Run, State

NAMES = ("glasses", "hat", "beard")


def make_run(root, conditional: bool = False, data: str = "faces", status: str = "stopped") -> Run:
    """A run of the quick preset at 16x16 pixels, as narrow as can be, with weights that draw pictures that differ."""
    settings = {"name": data, "count": 64, "width": 0.0625, "batch_size": 8, "epochs": 4}
    if conditional:
        settings |= {"conditions": "attributes", "condition_names": NAMES}
    experiment = replace(at_size(preset("quick"), 16), **settings)
    run = Run.create(experiment, {"images": 64, "fingerprint": "0", "device": {"name": "CPU"}}, root)
    random = np.random.default_rng(0)
    run.models.mkdir()
    for name, build in (("generator", build_generator), ("discriminator", build_discriminator)):
        network = build(experiment.model)
        for weight in network.weights:  # as after training: larger than at the start, and no average is 0 or 1
            wide = len(weight.shape) > 1
            about = random.normal(0, np.prod(weight.shape[:-1]) ** -0.5 if wide else 0.1, weight.shape)
            weight.assign(about * (2 if name == "generator" and wide else 1) if wide else np.abs(about) + 0.5)
        network.save(run.model(name))
    if conditional:
        np.save(run.conditions_file, random.integers(0, 2, (40, len(NAMES))).astype(np.uint8))
    steps = [
        {"update": u, "epoch": (u + 7) // 8, "loss_true": 0.7, "loss_fake": 1 / u, "loss_generator": 0.5 + u / 10}
        for u in range(1, 17)
    ]
    epochs = [{"epoch": e, "score_true": 0.5 + e / 10, "score_fake": 0.5 - e / 10, "diversity": 0.2} for e in (0, 1, 2)]
    for file, rows in ((run.steps_file, steps), (run.epochs_file, epochs)):
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for number in (0, 1, 2):
        viz.write_png(run.grid(number), random.integers(0, 256, (36, 36, 3), np.uint8))
    viz.write_png(run.true_grid, random.integers(0, 256, (36, 36, 3), np.uint8))
    run.log("Started.")
    run.save_state(State(status, update=16, epoch=2, seconds=8.0))
    return run
