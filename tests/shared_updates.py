"""Updates by one device and by two, in a process of its own, since devices are made before TensorFlow computes.

python -I utils/start.py tests.shared_updates CASE …  ->  JSON: for each case the largest differences
"""

import json
import sys
import time

import numpy as np

from utils import runtime
from utils.config import preset, replace

TINY = {
    "image_size": 16,
    "width": 0.0625,
    "batch_size": 8,
    "generator": {"filters": (128, 128), "strides": (2, 2)},
    "discriminator": {"filters": (64, 128, 128), "strides": (2, 2, 1)},
}
AUGMENTED = {"augment": ("colour", "translation", "cutout", "mirror", "noise"), "label_noise": 0.3}
NORMALISED = {"batch_norm": "on", "weights": "normal"}
JOINT = {"discriminator_updates": "joint"}
CASES = {
    "plain": {},
    "plain in float32": {"ema_decay": 0.9},
    "all augmentations": AUGMENTED,
    "batch statistics": {**NORMALISED, "learning_rate_decay": 0.5},
    "moving statistics": {**NORMALISED, "statistics": "moving"},
    "two passes at once": {**NORMALISED, **JOINT},
    "joined batches": {**NORMALISED, **JOINT, "join_batches": True},
    "parts": {**NORMALISED, **JOINT, "join_batches": True, "batch_norm_parts": 4},
    "slopes through batch statistics": {**NORMALISED, **JOINT, "loss": "relativistic", "r1": 1.0, "r2": 1.0},
    "lazy slopes": {**JOINT, "loss": "relativistic", "r1": 1.0, "penalty_every": 2},
    "wasserstein": {**JOINT, "loss": "wasserstein"},
    "spectral, hinge": {"spectral_norm": True, "loss": "hinge", "discriminator_steps": 2},
    "wrong and mixed conditions": {"loss": "gan_int_cls", "conditions": "attributes", "condition_names": ("a", "b"),
                                   "conditioning": "concatenation", "mode_seeking": 1.0, **NORMALISED},
    "regularised": {"recipe": "regularised", **NORMALISED},
}  # fmt: skip


def experiment_of(case: str):
    changes = TINY | CASES[case]
    for network in ("generator", "discriminator"):
        changes[network] = TINY[network] | CASES[case].get(network, {})
    return replace(preset("report32"), name="faces", **changes)


def updated(experiment, team, count):
    from utils.training.batches import Batch
    from utils.training.players import build_players
    from utils.training.recipes import images_per_update, recipe_of
    from utils.training.step import Update

    random, training = np.random.default_rng(7), experiment.training
    players = build_players(experiment)
    if team:
        team.align(players, experiment)
    step, recorded = Update(players, experiment, team=team), []
    groups, side = images_per_update(recipe_of(experiment)), experiment.model.image_size
    for number in range(1, count + 1):
        images = random.integers(0, 256, (groups, training.batch_size, side, side, 3), np.uint8)
        conditions = wrong = None
        if experiment.model.is_conditional:
            # None is 0, where rounding would decide on which side of a rectifier's bend a fresh bias lies.
            conditions = random.uniform(0.2, 1.0, (groups, training.batch_size, 2)).astype(np.float32)
            wrong = random.integers(-1, training.batch_size, (groups, training.batch_size)).astype(np.int32)
        recorded.append(step(Batch.of(experiment, number, images, conditions, wrong)).read())
    same = [np.array_equal(a, b) for each in (team._sets if team else ())
            for a, b in zip(players.variables().values(), each.variables().values())]  # fmt: skip
    return {name: np.asarray(value) for name, value in players.variables().items()}, recorded, all(same)


def main(cases: list[str]) -> dict:
    runtime.start()
    import keras

    from utils.training.team import team_for

    found = {}
    for case in cases or CASES:
        keras.mixed_precision.set_dtype_policy("float32" if "float32" in case else "float64")
        experiment, began = experiment_of(case), time.monotonic()
        team = team_for("mirrored", experiment)
        (alone, records, _), (shared, theirs, same) = updated(experiment, None, 2), updated(experiment, team, 2)
        apart = {name: float(np.abs(alone[name] - shared[name]).max()) for name in alone}
        found[case] = {
            "weights": max(apart.values()),
            "worst": max(apart, key=apart.get),
            "records": max(abs(one[name] - other[name]) for one, other in zip(records, theirs) for name in one),
            "replicas_alike": same,
            "names": [sorted(each) for each in theirs] == [sorted(each) for each in records],
            "seconds": round(time.monotonic() - began, 1),
        }
        print(case, found[case], file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
