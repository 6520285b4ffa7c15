"""How fast is one training update? This project's step beside the usual ways to write it, on the same machine.

    python benchmarks/train_step.py [--preset report32] [--batch-size 128] [--rounds 5] [--json]
    python benchmarks/train_step.py --profile [--preset report64]

Each contender is a process of its own, because TensorFlow and PyTorch read their switches at start-up. The processes
take turns, a few updates each, so that a busy moment of the machine hits all of them; the median round counts. A large
float32 matrix product gives the machine's ceiling. PyTorch is optional (pip install torch).

Arithmetic is counted as 2 operations for each multiply-add of convolutions and dense layers: a forward pass F, the
gradient of the weights F, the gradient of the inputs F (but for a network's first layer, where nobody needs it).
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.sentences import at_least_one, in_a_sentence, last_line

CONTENDERS = {
    "report": "the report's loop: train_on_batch three times, predict for fakes; TensorFlow as installed",
    "tutorial": "TensorFlow's DCGAN tutorial step, as installed",
    "tutorial_onednn": "TensorFlow's DCGAN tutorial step, oneDNN switched on",
    "torch": "PyTorch eager, default layout",
    "torch_channels_last": "PyTorch eager, channels last",
    "torch_frozen": "PyTorch eager, channels last, tuned: the discriminator frozen in the generator's update",
    "ours": "this project, the report's order (a fresh generator pass for its update)",
    "ours_shared": "this project, shared latents",
    "ours_shared_simultaneous": "this project, shared latents, --simultaneous (the tutorial's arithmetic)",
    "ours_shared_bfloat16": "this project, shared latents, --precision mixed_bfloat16",
}
MATMUL = 4096  # side of the matrices behind the ceiling
ROUNDS, UPDATES = 5, 3  # of each contender, and in each of its rounds


# --- the contenders: each gives a function that does one update -------------------------------------------------------


def report(experiment, images, latents):
    from benchmarks.peers import report_update
    from utils.data import scale
    from utils.models import build_discriminator, build_generator

    networks = build_generator(experiment.model), build_discriminator(experiment.model)
    adam = {"learning_rate": experiment.training.learning_rate, "beta_1": experiment.training.beta_1}
    update, true = report_update(*networks, adam), scale(images)
    return lambda: update(true, latents)


def tutorial(experiment, images, latents):
    import keras
    import tensorflow as tf

    from benchmarks.peers import tutorial_update
    from utils.data import scale
    from utils.models import build_discriminator, build_generator

    generator, discriminator = build_generator(experiment.model), build_discriminator(experiment.model)
    discriminator = keras.Sequential(discriminator.layers[:-1])  # the tutorial's discriminator gives logits
    discriminator.build((None, *images.shape[1:]))
    adam = {"learning_rate": experiment.training.learning_rate, "beta_1": experiment.training.beta_1}
    update, true = tutorial_update(generator, discriminator, adam, latents.shape[1]), tf.constant(scale(images))
    return lambda: update(true)


def torch_step(experiment, images, latents, channels_last: bool, frozen: bool = False):
    import torch
    from torch import nn

    from benchmarks.peers import torch_images, torch_update, use_all_cores

    def scaled(filters, model):  # not imported: TensorFlow and PyTorch bring an LLVM each, too many for one process
        return max(1, round(filters * model.width))

    use_all_cores()
    model, training = experiment.model, experiment.training
    g, d = model.generator, model.discriminator
    channels = scaled(g.start_filters, model)
    layers = [nn.Linear(model.latent_dim, channels * g.start**2), nn.Unflatten(1, (channels, g.start, g.start))]
    layers += [nn.LeakyReLU(model.leaky_slope)]
    for filters in g.filters:
        layers += [nn.ConvTranspose2d(channels, scaled(filters, model), 4, 2, 1), nn.LeakyReLU(model.leaky_slope)]
        channels = scaled(filters, model)
    generator = nn.Sequential(*layers, nn.Conv2d(channels, 3, 3, 1, 1), nn.Tanh())
    layers, channels, side = [], 3, model.image_size
    for filters, stride in zip(d.filters, d.strides):
        layers += [nn.Conv2d(channels, scaled(filters, model), 3, stride, 1), nn.LeakyReLU(model.leaky_slope)]
        channels, side = scaled(filters, model), side // stride
    layers += [nn.Flatten(), nn.Dropout(d.dropout), nn.Linear(channels * side**2, 1), nn.Sigmoid()]
    discriminator = nn.Sequential(*layers)

    layout = torch.channels_last if channels_last else torch.contiguous_format
    generator, discriminator = generator.to(memory_format=layout), discriminator.to(memory_format=layout)
    adam = {"lr": training.learning_rate, "betas": (training.beta_1, training.beta_2)}
    update = torch_update(generator, discriminator, adam, latents.shape[1:], frozen)
    true = torch_images(images, layout)
    return lambda: update(true)


def ours(experiment, images, latents):
    from utils import runtime

    runtime.start(experiment.training.precision)
    from utils.training.batches import Batch
    from utils.training.players import build_players
    from utils.training.step import Update

    update, batch = Update(build_players(experiment), experiment), Batch.of(experiment, 1, images[None])
    return lambda: update(batch).read()


def contender(name: str, experiment, images, latents):
    from utils.config import replace

    if name == "report":
        return report(experiment, images, latents)
    if name.startswith("tutorial"):
        return tutorial(experiment, images, latents)
    if name.startswith("torch"):
        return torch_step(experiment, images, latents, name != "torch", name == "torch_frozen")
    options = {"shared_latents": True, "discriminator_updates": "joint"} if name.startswith("ours_shared") else {}
    options |= {"simultaneous": True} if name.endswith("simultaneous") else {}
    options |= {"precision": "mixed_bfloat16"} if name.endswith("bfloat16") else {}
    return ours(replace(experiment, **options), images, latents)


def matmul():
    from utils import runtime

    runtime.start()
    import numpy as np
    import tensorflow as tf

    matrix = tf.constant(np.random.default_rng(0).standard_normal((MATMUL, MATMUL), np.float32))
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))
    return lambda: product().numpy()


# --- arithmetic -------------------------------------------------------------------------------------------------------


def operations(model, name: str) -> float:
    """Floating-point operations per image of one update."""
    g, d = model.generator, model.discriminator
    width = model.width

    side, channels = g.start, g.start_filters * width
    generator_layers = [model.latent_dim * side * side * channels]
    for filters, stride in zip(g.filters, g.strides):
        generator_layers.append(side**2 * g.kernel**2 * channels * filters * width)
        side, channels = side * stride, filters * width
    generator_layers.append((side * g.output_stride) ** 2 * g.output_kernel**2 * channels * 3)
    side, channels, discriminator_layers = model.image_size, 3, []
    for filters, stride in zip(d.filters, d.strides):
        side //= stride
        discriminator_layers.append(side**2 * d.kernel**2 * channels * filters * width)
        channels = filters * width
    discriminator_layers.append(side**2 * channels)

    forward_g, forward_d = sum(generator_layers), sum(discriminator_layers)
    train_d = 2 * (3 * forward_d - discriminator_layers[0])  # on true and on fake
    train_g = 3 * forward_g - generator_layers[0] + forward_d  # the last: inputs' gradient through the discriminator
    shared_passes = ("tutorial", "tutorial_onednn", "ours_shared_simultaneous")  # of both networks
    passes = (0, 0) if name in shared_passes else (1, 1) if name in ("report", "ours") else (0, 1)
    return 2 * (train_d + train_g + passes[0] * forward_g + passes[1] * forward_d)


# --- taking turns -----------------------------------------------------------------------------------------------------


class Gone(Exception):
    """A contender's process has ended; why."""


class Process:
    """A contender in a process of its own, which waits whenever it is not asked for anything.

    Args:
        command: its command line.
        environment: its variables.

    Raises:
        Gone: it did not get ready.
    """

    def __init__(self, command: list[str], environment: dict[str, str]):
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  as long as the process
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment
        )
        self._read()

    def seconds(self, updates: int) -> float:
        """Have it do so many updates; how long they took."""
        with contextlib.suppress(BrokenPipeError):  # reading tells why
            self._process.stdin.write(f"{updates}\n")
            self._process.stdin.flush()
        return float(self._read())

    def end(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # it has ended before
            self._process.stdin.close()
        self._process.wait()

    def _read(self) -> str:
        if line := self._process.stdout.readline():
            return line
        code = self._process.wait()
        self._errors.seek(0)
        raise Gone(last_line(self._errors.read()) or f"it ended with code {code}")


def started(commands: dict[str, list[str]], inherited: dict[str, str]) -> dict[str, Process]:
    """The contenders that can take part, each ready; of the others it is said why."""
    processes = {}
    for name, command in commands.items():
        environment = dict(inherited, TF_CPP_MIN_LOG_LEVEL="3")
        if name == "tutorial_onednn":
            environment["TF_ENABLE_ONEDNN_OPTS"] = "1"
        try:
            processes[name] = Process(command, environment)
        except Gone as reason:
            print(f"{name} is left out: {reason}", file=sys.stderr)
    return processes


def take_turns(processes: dict[str, Process], rounds: int, updates: int) -> dict[str, list[float]]:
    """Seconds of an update in each round, of all that came to the last one; of the others it is said why."""
    seconds = {name: [] for name in processes}
    for _ in range(rounds):
        for name in list(seconds):
            try:
                seconds[name].append(processes[name].seconds(updates) / updates)
            except Gone as reason:
                print(f"{name} is left out: {reason}", file=sys.stderr)
                del seconds[name]
    return seconds


def compared(seconds: dict[str, list[float]], ceiling: float | None, experiment) -> list[dict]:
    """A row of plain numbers for each contender; None stands for what nobody was there to compare with.

    Args:
        seconds: of an update in each round.
        ceiling: GFLOP/s of the matrix product.
        experiment: what was trained.
    """
    medians, batch = {name: statistics.median(times) for name, times in seconds.items()}, experiment.training.batch_size
    best_peer = min((median for name, median in medians.items() if name.startswith("torch")), default=None)
    report = medians.get("report")
    rows = []
    for name, median in medians.items():
        speed = operations(experiment.model, name) * batch / median / 1e9
        rows.append(
            {
                "step": CONTENDERS[name],
                "images/s": round(batch / median, 1),
                "spread": [round(batch / times(seconds[name]), 1) for times in (max, min)],
                "GFLOP/s": round(speed, 1),
                "of ceiling": ceiling and round(speed / ceiling, 3),
                "x report": report and round(report / median, 2),
                "x PyTorch's best": best_peer and round(best_peer / median, 2),
            }
        )
    return rows


def in_words(row: dict) -> dict:
    """A row for the table."""
    low, high = row["spread"]
    share = row["of ceiling"] and f"{row['of ceiling']:.0%}"
    words = row | {"spread": f"{low:.0f} to {high:.0f}", "of ceiling": share}
    return {name: "" if value is None else value for name, value in words.items()}


def versions() -> dict[str, str]:
    """Of what computes, as far as it is installed."""
    found = {}
    for name in ("tensorflow", "keras", "torch", "numpy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def serve(name: str, experiment, images, latents) -> None:
    """A contender's process: does as many updates as each line of standard input asks for, and answers the seconds."""
    update = matmul() if name == "matmul" else contender(name, experiment, images, latents)
    update(), update()  # compiles
    print("ready", flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        for _ in range(int(line)):
            update()
        print(time.perf_counter() - began, flush=True)


def profile(command: list[str], environment: dict, updates: int = 5, shown: int = 12) -> None:
    """Where the time of one update goes, by oneDNN's own record of its kernels (which may run side by side)."""
    from utils.errors import InputError
    from utils.tables import table

    process = subprocess.run(
        command,
        input=f"{updates}\n",
        capture_output=True,
        text=True,
        env=dict(environment, ONEDNN_VERBOSE="profile_exec"),
    )
    if process.returncode:
        why = last_line(process.stderr) or f"it ended with code {process.returncode}"
        raise InputError(f"The update cannot be measured here: {why}")
    lines = process.stdout.partition("ready\n")[2].splitlines()
    seconds = float(next(line for line in lines if not line.startswith("onednn"))) / updates
    spent: dict[tuple, list[float]] = {}
    for line in lines:
        fields = line.split(",")
        if line.startswith("onednn") and "exec" in fields:
            at = fields.index("exec")
            what = " ".join(fields[at + i] for i in (2, 4, 3)).replace("undef ", "")
            spent.setdefault((what, fields[-2]), []).append(float(fields[-1]) / updates)
    if not spent:
        raise InputError(
            "oneDNN has recorded no kernels, so it is switched off: leave TF_ENABLE_ONEDNN_OPTS unset, or measure on a "
            "processor that it knows."
        )
    total = sum(map(sum, spent.values()))
    rows = [
        {"kernel": what, "shape": shape, "calls": len(times) // updates, "ms": round(sum(times), 1),
         "share": f"{sum(times) / total:.0%}"}
        for (what, shape), times in sorted(spent.items(), key=lambda item: -sum(item[1]))[:shown]
    ]  # fmt: skip
    print(table(rows))
    print(f"\nOne update takes {1000 * seconds:.0f} ms; oneDNN's kernels add up to {total:.0f} ms.")


def usual_contenders(has_bfloat16: bool | None) -> list[str]:
    """All contenders, but bfloat16 only where the processor has it, or nobody knows: emulated, it takes minutes."""
    return [name for name in CONTENDERS if has_bfloat16 is not False or not name.endswith("bfloat16")]


@in_a_sentence
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="report32", choices=["report32", "report64"])
    parser.add_argument("--batch-size", type=at_least_one, default=128)
    parser.add_argument("--rounds", type=at_least_one, help=f"else {ROUNDS}")
    parser.add_argument("--updates", type=at_least_one, help=f"updates per contender and round; else {UPDATES}")
    parser.add_argument(
        "--only",
        nargs="*",
        choices=list(CONTENDERS),
        help="just these contenders; by default all, but bfloat16 only where the processor has it",
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", action="store_true", help="show where the time of this project's update goes")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    options = parser.parse_args()
    of_turns = {"--only": options.only, "--rounds": options.rounds, "--updates": options.updates}
    of_turns |= {"--json": options.json or None}
    if options.profile and (odd := [name for name, value in of_turns.items() if value is not None]):
        parser.error(f"--profile prints a table of one update of this project: leave {', '.join(odd)} out")
    options.rounds, options.updates = options.rounds or ROUNDS, options.updates or UPDATES

    inherited = dict(os.environ)  # before the project sets any switch
    if options.contender in ("report", "tutorial"):
        import tensorflow  # noqa: F401  before the project can switch oneDNN on: these run TensorFlow as installed

    import numpy as np

    from utils.config import replace
    from utils.errors import InputError
    from utils.presets import preset
    from utils.runtime import cpu_name, has_bfloat16
    from utils.tables import table

    experiment = replace(preset(options.preset), batch_size=options.batch_size)
    side = experiment.model.image_size
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (options.batch_size, side, side, 3), np.uint8)
    latents = random.standard_normal((options.batch_size, experiment.model.latent_dim), np.float32)
    if options.contender:
        return serve(options.contender, experiment, images, latents)

    def command(name: str) -> list[str]:
        settings = ["--preset", options.preset, "--batch-size", str(options.batch_size)]
        return [sys.executable, __file__, "--contender", name, *settings]

    if options.profile:
        return profile(command("ours_shared"), inherited)
    names = [*(options.only or usual_contenders(has_bfloat16())), "matmul"]
    processes = started({name: command(name) for name in names}, inherited)
    seconds = take_turns(processes, options.rounds, options.updates)
    for process in processes.values():
        process.end()

    product = seconds.pop("matmul", None)
    ceiling = product and 2 * MATMUL**3 / statistics.median(product) / 1e9
    if not seconds:
        raise InputError("No contender could be measured: the lines above say what each lacks.")
    rows = compared(seconds, ceiling, experiment)
    if options.json:
        settings = {name: getattr(options, name) for name in ("preset", "batch_size", "rounds", "updates")}
        machine = {"device": cpu_name(), "cores": len(os.sched_getaffinity(0)), "versions": versions()}
        print(json.dumps({**settings, **machine, "ceiling_gflops": ceiling, "steps": rows}))
        return
    print(
        f"{options.preset}, batch {options.batch_size}, "
        f"median of {options.rounds} rounds of {options.updates} updates each\n"
    )
    print(table([in_words(row) for row in rows]))
    if ceiling:
        print(f"\nCeiling: {ceiling:.0f} GFLOP/s in a float32 matrix product of {MATMUL} x {MATMUL}.")


if __name__ == "__main__":
    sys.exit(main())
