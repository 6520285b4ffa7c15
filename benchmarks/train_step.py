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
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

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
    from utils.tables import table

    process = subprocess.run(
        command,
        input=f"{updates}\n",
        capture_output=True,
        text=True,
        env=dict(environment, ONEDNN_VERBOSE="profile_exec"),
    )
    lines = process.stdout.split("ready\n", 1)[1].splitlines()
    seconds = float(next(line for line in lines if not line.startswith("onednn"))) / updates
    spent: dict[tuple, list[float]] = {}
    for line in lines:
        fields = line.split(",")
        if line.startswith("onednn") and "exec" in fields:
            at = fields.index("exec")
            what = " ".join(fields[at + i] for i in (2, 4, 3)).replace("undef ", "")
            spent.setdefault((what, fields[-2]), []).append(float(fields[-1]) / updates)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="report32", choices=["report32", "report64"])
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=3, help="updates per contender and round")
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

    inherited = dict(os.environ)  # before the project sets any switch
    if options.contender in ("report", "tutorial"):
        import tensorflow  # noqa: F401  before the project can switch oneDNN on: these run TensorFlow as installed

    import numpy as np

    from utils.config import preset, replace
    from utils.runtime import has_bfloat16

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
    processes = {}
    names = options.only or usual_contenders(has_bfloat16())
    for name in [*names, "matmul"]:
        environment = dict(inherited, TF_CPP_MIN_LOG_LEVEL="3")
        if name == "tutorial_onednn":
            environment["TF_ENABLE_ONEDNN_OPTS"] = "1"
        process = subprocess.Popen(
            command(name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        if process.stdout.readline().strip() == "ready":
            processes[name] = process
        else:
            print(f"{name}: not available, left out", file=sys.stderr)

    seconds = {name: [] for name in processes}
    for _ in range(options.rounds):
        for name, process in processes.items():
            process.stdin.write(f"{options.updates}\n")
            process.stdin.flush()
            seconds[name].append(float(process.stdout.readline()) / options.updates)
    for process in processes.values():
        process.stdin.close()
        process.wait()

    ceiling = 2 * MATMUL**3 / statistics.median(seconds.pop("matmul")) / 1e9
    peers = [name for name in seconds if name.startswith("torch")]
    best_peer = min((statistics.median(seconds[name]) for name in peers), default=None)
    rows = []
    for name, times in seconds.items():
        median = statistics.median(times)
        speed = operations(experiment.model, name) * options.batch_size / median / 1e9
        rows.append(
            {
                "step": CONTENDERS[name],
                "images/s": round(options.batch_size / median, 1),
                "spread": f"{options.batch_size / max(times):.0f} to {options.batch_size / min(times):.0f}",
                "GFLOP/s": round(speed, 1),
                "of ceiling": f"{speed / ceiling:.0%}",
                "x report": round(statistics.median(seconds["report"]) / median, 2) if "report" in seconds else "",
                "x PyTorch's best": round(best_peer / median, 2) if best_peer else "",
            }
        )
    if options.json:
        print(
            json.dumps(
                {"preset": options.preset, "batch_size": options.batch_size, "ceiling_gflops": ceiling, "steps": rows}
            )
        )
        return
    from utils.tables import table

    print(
        f"{options.preset}, batch {options.batch_size}, "
        f"median of {options.rounds} rounds of {options.updates} updates each\n"
    )
    print(table(rows))
    print(f"\nCeiling: {ceiling:.0f} GFLOP/s in a float32 matrix product of {MATMUL} x {MATMUL}.")


if __name__ == "__main__":
    main()
