"""What a shuffle in blocks costs of quality, where it is worst: images that lie in the array sorted by class.

    python -m benchmarks.block_shuffle --data cifar10 --seeds 0 1       # about 25 minutes on 2 cores
    python -m benchmarks.block_shuffle --data house_numbers --updates 400

`quick32` is trained on the sorted images with a full shuffle, and with blocks of several lengths (`utils.data.order`),
all else equal. Beside the kernel distance to held-out images in two spaces (one where that of ImageNet is not
installed: --features auto) there are precision and recall in the first, and how unevenly batches are filled: the
standard deviation of a class's share in a batch, over that of a batch drawn at random (1 for a full shuffle). Where
images lie in no order, blocks of them are as mixed as single images.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.sentences import at_least_one, in_a_sentence
from utils import runtime
from utils.data import Dataset
from utils.data.order import shuffled
from utils.errors import InputError
from utils.presets import preset
from utils.tables import table


def by_class(dataset: Dataset) -> Dataset:
    """The same images, one class after the other, in memory."""
    rows = np.argsort(dataset.labels, kind="stable")
    return dataclasses.replace(
        dataset, images=dataset.images[rows], labels=dataset.labels[rows], fingerprint=f"{dataset.fingerprint}-by-class"
    )


def unevenness(labels: np.ndarray, block: int, batch: int) -> float:
    """How unevenly classes fill the batches of an epoch, relative to what chance gives.

    Args:
        labels: int (N,), of the images in their order.
        block: images of a block; 0 for a full shuffle.
        batch: images of a batch.
    """
    order = shuffled(len(labels), np.random.default_rng(0), block)
    batches = labels[order[: len(order) // batch * batch]].reshape(-1, batch)
    shares = np.stack([np.mean(batches == label, axis=1) for label in np.unique(labels)])
    means = np.array([np.mean(labels == label) for label in np.unique(labels)])[:, None]
    chance = np.sqrt(means * (1 - means) / batch * (len(labels) - batch) / (len(labels) - 1))  # without replacement
    return float(np.sqrt(np.mean(((shares - means) / chance) ** 2)))


@in_a_sentence
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="cifar10", help="a dataset with labels and images set apart from training")
    parser.add_argument(
        "--blocks", type=at_least_one, nargs="+", default=[256, 1024], help="images of a block, to compare"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--updates", type=at_least_one, help="of each training; those of the preset by default")
    parser.add_argument("--features", nargs="+", default=["auto", "imagenet"], help="spaces, as for ./dcgan evaluate")
    parser.add_argument("--data-dir", help="where datasets are")
    parser.add_argument("--runs-dir", help="where to keep the runs; a temporary folder by default")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    runtime.start()
    from utils.config import replace
    from utils.data import load_for
    from utils.evaluation.quality import quality_for
    from utils.models import load_network
    from utils.sampling import Sampler
    from utils.training import train

    base = replace(preset("quick32"), name=options.data, count=None)
    if options.updates:
        base = replace(base, updates=options.updates)
    base = replace(base, summary_updates=base.training.updates)

    def experiment_of(seed: int, block: int):
        order = {"shuffle": "blocks", "shuffle_block": block} if block else {}
        return replace(base, seed=seed, **order)

    cases = [(seed, block) for seed in options.seeds for block in (0, *options.blocks)]
    experiments = {case: experiment_of(*case) for case in cases}  # all of them before minutes are spent on the first
    whole = load_for(base, options.data_dir)
    if whole.labels is None:
        raise InputError(f"--data should name a dataset with labels, such as cifar10. {options.data} has none.")
    dataset, batch = by_class(whole), base.training.batch_size
    spaces = [quality_for(base, options.data_dir, features=features) for features in options.features]
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for (seed, block), experiment in experiments.items():
            run = train(
                experiment, dataset=dataset, runs_dir=Path(options.runs_dir or temporary), data_dir=options.data_dir
            )
            sampler = Sampler.of(load_network(run.model("generator")), run.experiment)
            drawn = sampler.draw(spaces[0].samples, spaces[0].seed)
            row = {
                "order": f"blocks of {block}" if block else "full",
                "seed": seed,
                "unevenness": round(unevenness(dataset.labels, block, batch), 2),
            }
            for number, quality in enumerate(spaces):
                found = quality.measure(drawn).distance
                row[f"distance, {quality.extractor.name}"] = float(f"{found.kernel.value:.3g}")
                if not number:
                    row["precision"] = round(found.neighbourhoods.precision.value, 3)
                    row["recall"] = round(found.neighbourhoods.recall.value, 3)
            rows.append(row)
    print(json.dumps(rows, indent=2) if options.json else table(rows))


if __name__ == "__main__":
    sys.exit(main())
