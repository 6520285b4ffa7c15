"""Who takes part in `quality_per_minute.py`, and the process that each of them is.

    python benchmarks/contenders.py NAME --images FILE.npy --seed 0

reads commands from standard input, a line of JSON each, and answers each with a line: {"until": SECONDS} trains until
so many seconds of training are over, {"sample": FILE.npy, "count": N} writes the first N samples, float32 in [-1, 1],
{"save": FOLDER} writes the networks of a recipe into a folder.
It ends with its standard input, also in the middle of a turn: then whoever asked is gone.
Its clock runs only while it trains: not while it loads, builds, draws samples or waits for its turn. The first update
is on the clock with all that is compiled in it, because whoever trains waits for that, too.
"""

import argparse
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import peers
from benchmarks.peers import Trainer
from benchmarks.sentences import in_a_sentence
from utils.config import differences
from utils.presets import FIRST, FIRST_32, R3GAN, WIDER_PENALTY, preset


@dataclass(frozen=True)
class Recipe:
    """One way to train with this project.

    Attributes:
        about: what it is, in a few words.
        presets: what it starts from up to 32 pixels, and above; the networks are fitted to the size.
        settings: what it changes, as `config.replace` takes it.
        widen: by how much it multiplies the channels of the generator and of the discriminator that it starts from.
    """

    about: str
    presets: tuple[str, str]
    settings: dict
    widen: tuple[float, float] = (1, 1)


_PAPER = {"width": 0.25, "batch_size": 64, "shared_latents": True, "ema_decay": 0.99}
_HALF_RATE = preset(FIRST).training.learning_rate / 2  # a step of Adam moves each weight alike, however many add up
_CURE = {  # what preset quick makes of the report's networks, but for its images and its length
    name.rpartition(".")[2]: value
    for name, (_, value) in differences(preset("report32"), preset("quick")).items()
    if name.startswith(("model.", "training.")) and name != "training.epochs"
}

RECIPES: dict[str, Recipe] = {
    "first": Recipe("the first command's preset", (FIRST_32, FIRST), {}),
    "first_wide": Recipe("the first command's preset, twice as wide", (FIRST_32, FIRST), {}, widen=(2, 2)),
    "first_64": Recipe("the first command's preset, batches of 64", (FIRST_32, FIRST), {"batch_size": 64}),
    "wide_32": Recipe(
        "the first command's preset, twice as wide, batches of 32", (FIRST_32, FIRST), {"batch_size": 32}, widen=(2, 2)
    ),
    "wide_d": Recipe(
        "the first command's preset, its discriminator twice as wide", (FIRST_32, FIRST), {}, widen=(1, 2)
    ),
    "wide_g": Recipe("the first command's preset, its generator twice as wide", (FIRST_32, FIRST), {}, widen=(2, 1)),
    "wide_half_rate": Recipe(
        "the first command's preset, twice as wide, half the learning rate",
        (FIRST_32, FIRST),
        {"learning_rate": _HALF_RATE},
        widen=(2, 2),
    ),
    "wide_r1": Recipe(
        "the first command's preset, twice as wide, half the learning rate for its discriminator, R1 of 0.2 every 16 "
        "updates",
        (FIRST_32, FIRST),
        {"discriminator_learning_rate": _HALF_RATE, **WIDER_PENALTY},
        widen=(2, 2),
    ),
    "wide_d_half_rate": Recipe(
        "the first command's preset, its discriminator twice as wide with half the learning rate",
        (FIRST_32, FIRST),
        {"discriminator_learning_rate": _HALF_RATE},
        widen=(1, 2),
    ),
    "d_half_rate": Recipe(
        "the first command's preset, half the learning rate for its discriminator",
        (FIRST_32, FIRST),
        {"discriminator_learning_rate": _HALF_RATE},
    ),
    "mid_d": Recipe(
        "the first command's preset, its discriminator 1.5 times as wide with two thirds of the learning rate",
        (FIRST_32, FIRST),
        {"discriminator_learning_rate": 4 / 3 * _HALF_RATE},
        widen=(1, 1.5),
    ),
    "mid_d_r1": Recipe(
        "the same as `mid_d`, R1 of 0.2 every 16 updates",
        (FIRST_32, FIRST),
        {"discriminator_learning_rate": 4 / 3 * _HALF_RATE, **WIDER_PENALTY},
        widen=(1, 1.5),
    ),
    **{
        f"mid_d_r1_{name}": Recipe(
            about,
            (FIRST_32, FIRST),
            {"discriminator_learning_rate": 4 / 3 * _HALF_RATE, **WIDER_PENALTY, "augment": augment},
            widen=(1, 1.5),
        )
        for name, augment, about in (
            ("mirror", ("mirror",), "the same as `mid_d_r1`, images mirrored by chance"),
            ("moved", ("mirror", "translation"), "the same as `mid_d_r1`, images mirrored and moved by chance"),
        )
    },
    "mid_d_beta_0": Recipe(
        "the same as `mid_d`, Adam without a first moment (beta_1 0)",
        (FIRST_32, FIRST),
        {"discriminator_learning_rate": 4 / 3 * _HALF_RATE, "beta_1": 0.0},
        widen=(1, 1.5),
    ),
    "mid_d_r1_beta_0": Recipe(
        "the same as `mid_d_r1`, Adam without a first moment (beta_1 0)",
        (FIRST_32, FIRST),
        {"discriminator_learning_rate": 4 / 3 * _HALF_RATE, **WIDER_PENALTY, "beta_1": 0.0},
        widen=(1, 1.5),
    ),
    "first_r1": Recipe("the first command's preset, R1 of 0.2 every 16 updates", (FIRST_32, FIRST), WIDER_PENALTY),
    "first_beta_0": Recipe(
        "the first command's preset, Adam without a first moment (beta_1 0)", (FIRST_32, FIRST), {"beta_1": 0.0}
    ),
    "wide_d_simultaneous": Recipe(
        "the same as `wide_d_half_rate`, one pass of the discriminator over the fakes for both networks",
        (FIRST_32, FIRST),
        {"discriminator_learning_rate": _HALF_RATE, "simultaneous": True},
        widen=(1, 2),
    ),
    "wide_d_joined": Recipe(
        "the same as `wide_d_half_rate`, one pass of the discriminator over true and fake images for both networks",
        (FIRST_32, FIRST),
        {"discriminator_learning_rate": _HALF_RATE, "simultaneous": True, "join_batches": True},
        widen=(1, 2),
    ),
    "wide_bfloat16": Recipe(
        "the first command's preset, twice as wide, in bfloat16",
        (FIRST_32, FIRST),
        {"precision": "mixed_bfloat16"},
        widen=(2, 2),
    ),
    "paper": Recipe("the paper's networks, quarter width", ("paper64", "paper64"), _PAPER),
    "relativistic": Recipe(
        "the paper's networks, relativistic, R1 and R2, D not normalised",
        ("paper64", "paper64"),
        {**_PAPER, **R3GAN},
    ),
    "report_cured": Recipe("the report's networks, half width, with the cure", ("report32", "report64"), _CURE),
    "report": Recipe("the report's networks and numbers", ("report32", "report64"), {}),
}
"""What this project takes part with."""


@dataclass(frozen=True)
class Peer:
    """Another way to train.

    Attributes:
        about: what it is, in a few words.
        build: makes its trainer of uint8 (N, S, S, 3) images and a seed.
        torch: whether it needs PyTorch.
        recipe: the one whose networks and numbers it takes, if any.
    """

    about: str
    build: Callable[[np.ndarray, int], Trainer]
    torch: bool = False
    recipe: str | None = None


PEERS: dict[str, Peer] = {
    "tutorial": Peer("TensorFlow's tutorial", peers.tutorial),
    "tutorial_narrow": Peer(
        "TensorFlow's tutorial, at the width of `paper`", lambda i, s: peers.tutorial(i, s, narrow=True)
    ),
    "torch": Peer("PyTorch's example", peers.torch_example, True),
    "torch_channels_last": Peer(
        "PyTorch's example, channels last", lambda i, s: peers.torch_example(i, s, channels_last=True), True
    ),
    "torch_narrow": Peer(
        "PyTorch's example, channels last, at the width of `paper`",
        lambda i, s: peers.torch_example(i, s, channels_last=True, narrow=True),
        True,
    ),
    "report_loop": Peer(
        "the report's loop, train_on_batch",
        lambda i, s: peers.report_loop(i, s, experiment_for("report", i.shape[1])),
        recipe="report",
    ),
}

CONTENDERS: dict[str, Recipe | Peer] = {**RECIPES, **PEERS}


def label(name: str) -> str:
    """What to call a contender where others stand beside it."""
    return f"{'this project: ' if name in RECIPES else ''}{CONTENDERS[name].about}"


def experiment_for(name: str, size: int, seed: int = 0):
    """The experiment of a recipe for images of a size."""
    from utils.config import replace
    from utils.fitting import at_size

    recipe = RECIPES[name]
    start = preset(recipe.presets[size > 32])
    return at_size(replace(start, **recipe.settings, **_widened(recipe, start.model), seed=seed), size)


def _widened(recipe: Recipe, model) -> dict:
    """What makes the networks of a recipe wider, as `config.replace` takes it."""
    of_generator, of_discriminator = recipe.widen
    if of_generator == of_discriminator:
        return {} if of_generator == 1 else {"width": of_generator * model.width}

    def channels(of: float, network) -> tuple[int, ...]:
        return tuple(round(of * filters) for filters in network.filters)

    generator, discriminator = model.generator, model.discriminator
    start = round(of_generator * generator.start_filters)
    return {
        "generator": {"start_filters": start, "filters": channels(of_generator, generator)},
        "discriminator": {"filters": channels(of_discriminator, discriminator)},
    }


def settings_of(name: str, size: int) -> dict:
    """All that a contender trains with but the seed, in plain values, so that a kept result can be told from one of
    another recipe of that name, or of a preset that has changed since. {} for peers with networks of their own."""
    recipe = PEERS[name].recipe if name in PEERS else name
    if recipe is None:
        return {}
    from utils.config import to_dict

    values = to_dict(experiment_for(recipe, size))
    del values["training"]["seed"]
    return json.loads(json.dumps({part: values[part] for part in ("model", "training")}))


def ours(name: str, images: np.ndarray, seed: int) -> Trainer:
    """The trainer of a recipe: the project's own update and batches, without what `train` looks at and keeps."""
    from utils import runtime

    experiment = experiment_for(name, images.shape[1], seed)
    runtime.check_precision(experiment.training.precision)
    runtime.start(experiment.training.precision)
    from utils.sampling import Sampler
    from utils.training.batches import Schedule, batches
    from utils.training.players import build_players
    from utils.training.step import Update

    players, schedule = build_players(experiment), Schedule.of(experiment, len(images))
    step = Update(players, experiment)
    coming = batches(images, experiment, schedule, 1, 2**31)
    sampler = Sampler.of(players.averaged, experiment)
    networks = (players.generator, players.discriminator)
    drawn = "the generator" if players.averaged is players.generator else "the moving average of the generator"
    facts = {
        "drawn_by": f"{drawn}, in inference mode",
        "parameters": sum(network.count_params() for network in networks),
    }

    def draw(count: int) -> np.ndarray:
        return sampler.images(sampler.make_latents(count, peers.SAMPLES_SEED))

    def save(folder: Path) -> None:
        for network, name in (*zip(networks, ("generator", "discriminator")), (players.averaged, "averaged")):
            network.save(folder / f"{name}.keras")

    batch_size = schedule.batch_size * schedule.batches_per_update
    return Trainer(lambda: step(next(coming)).read(), draw, batch_size, facts, save)


def build(name: str, images: np.ndarray, seed: int) -> Trainer:
    """The trainer of that name, on uint8 (N, S, S, 3) images."""
    return ours(name, images, seed) if name in RECIPES else PEERS[name].build(images, seed)


class Clock:
    """A trainer that is asked to train and to draw, and the time it has trained.

    Attributes:
        seconds: of training so far.
        cpu_seconds: of all its threads in that time.
        first_seconds: how long the first update took.
        updates: how many were done.
    """

    def __init__(self, trainer: Trainer):
        self.trainer = trainer
        self.seconds = self.cpu_seconds = self.first_seconds = 0.0
        self.updates = 0

    def answer(self, asked: dict) -> dict:
        """Do what a command asks for; the answer tells the state after it."""
        if "until" in asked:
            self.train(asked["until"])
        if "sample" in asked:
            np.save(asked["sample"], self.trainer.draw(asked["count"]))
        if "save" in asked and self.trainer.save:
            self.trainer.save(Path(asked["save"]))
        return {name: getattr(self, name) for name in ("seconds", "cpu_seconds", "first_seconds", "updates")}

    def train(self, until: float) -> None:
        """Do updates until the clock stands at `until` seconds; the last one may end later."""
        began, cpu_began = time.perf_counter() - self.seconds, time.process_time() - self.cpu_seconds
        while self.seconds < until:
            self.trainer.update()
            self.seconds = time.perf_counter() - began
            self.updates += 1
            self.first_seconds = self.first_seconds or self.seconds
        self.cpu_seconds = time.process_time() - cpu_began


def commands() -> Iterator[str]:
    """The lines of standard input, each once it is asked for; the process ends at once when there are no more.

    They are read in a thread, which waits in the system and takes no time from the training. It reads a handle of its
    own: Python could not close at its end what another thread is reading.
    """
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        with os.fdopen(os.dup(0)) as asked:
            for line in asked:
                lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return iter(lines.get, None)


@in_a_sentence
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("--images", required=True, help="uint8 (N, S, S, 3) as .npy")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    asked = commands()
    began = time.perf_counter()
    clock = Clock(build(options.name, np.load(options.images, mmap_mode="r"), options.seed))
    facts = {"batch_size": clock.trainer.batch_size, "start_seconds": time.perf_counter() - began}
    versions = {name: sys.modules[name].__version__ for name in ("tensorflow", "keras", "torch") if name in sys.modules}
    print(json.dumps({**facts, **clock.trainer.facts, "versions": versions}), file=answers)
    for line in asked:
        print(json.dumps(clock.answer(json.loads(line))), file=answers)


if __name__ == "__main__":
    sys.exit(main())
