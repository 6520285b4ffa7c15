"""`./dcgan features`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from utils.cli.places import Json, RunsDir
from utils.config import DataConfig
from utils.errors import InputError
from utils.features import KINDS
from utils.presets import SCALES
from utils.tables import table


@dataclass(frozen=True)
class Features:
    """Measure what a discriminator has learned: how well a linear classifier tells classes apart by its features.

    Prints a table like the paper's: its own published rows, and, measured on the same images in the same run, the
    features beside controls. Ahead of the same network with random weights is what was learned.
    """

    name: Annotated[Positional[str], arg(metavar="RUN|MODEL")] = "last"
    """A run, a .keras file of a discriminator, a model that comes with the project, or "last" for the newest run."""
    data: Annotated[str | None, arg(metavar="NAME|FOLDER")] = None
    """Labelled images; by default those that it was trained on. Those of a dataset's test part are judged; where it has
    none, those behind the ones it was trained on; or three tenths that are set apart."""
    labels: int | None = None
    """How many labelled images a classifier learns from, as many of each class. By default all (cifar), or 1,000
    (svhn); at least three of each class (cifar)."""
    protocol: Literal["cifar", "svhn"] | None = None
    """cifar: one classifier on all labels, C by cross-validation, and classifiers on 400 a class. svhn: a hundred
    classifiers on 1,000 labels, C by a validation part. By default svhn for SVHN, else cifar."""
    scale: Literal[SCALES] = "quick"  # type: ignore[valid-type]
    """quick: 10,000 images, some minutes; report: all images and the paper's numbers of draws, an hour or more, and GB
    on disk; smallest: seconds, to see that everything works."""
    without: tyro.conf.DisallowNone[tuple[Literal[tuple(KINDS)], ...]] = ()  # type: ignore[valid-type]
    """Controls to leave out; the most expensive are supervised and k_means."""
    seed: int = 0
    """Seed of parts, draws, folds and random weights."""
    json: Json = False
    runs_dir: RunsDir = None
    data_dir: Path | None = None
    """Folder of the datasets; data/ by default. Features are kept in features/ in there and may be deleted."""

    def run(self) -> None:
        _features(self)


def _features(options: Features) -> None:
    from utils.features.sizes import SIZES, expect_enough
    from utils.networks import find_network, with_data

    trained = find_network(options.name, "discriminator", options.runs_dir)

    def expect(data: DataConfig) -> None:
        expect_enough(data, _protocol(options, data), options.labels, SIZES[options.scale], options.data_dir)

    if options.data is not None:
        expect(DataConfig(name=options.data))  # before any picture is read
    trained, other = with_data(trained, options.data, options.data_dir, progress=not options.json)
    own = trained.experiment and trained.experiment.data
    if own is None and other is None:
        raise InputError(f"{trained.file} does not say what it was trained on: name labelled images with --data.")
    data = DataConfig(name=other) if other else own
    if options.data is None:
        expect(data)

    from utils import runtime

    runtime.start()
    from utils.features.comparison import compare
    from utils.files import digest

    weights = digest(trained.file)  # a training may write others while these are measured
    record = compare(
        trained,
        data,
        _protocol(options, data),
        labels=options.labels,
        scale=options.scale,
        without=options.without,
        seed=options.seed,
        data_dir=options.data_dir,
        progress=not options.json,
    )
    if options.json:
        print(json.dumps(record | {"discriminator_sha256": weights}, indent=2))
        return
    print(_in_words(record))


def _protocol(options: Features, data: DataConfig) -> str:
    return options.protocol or ("svhn" if data.name == "svhn" else "cifar")


def _in_words(record: dict) -> str:
    """A record as text: what was done, the table, the margin, and what to know about them."""
    from utils.features.comparison import as_table, caution_in_words, margin_in_words

    data, svhn = record["data"], record["protocol"] == "svhn"
    each = data["labels"] // data["classes"]
    learned = f"{each:,} of each class" if svhn or data["labels"] < data["train"] else "all labelled"
    validated = f", {data['validation']:,} for validation" if svhn else ""
    seen = ", which the network has seen, without labels" if data["test_seen"] is True else ""
    apart = f" (set apart from the same images{seen})" if data["test_set_apart"] else ""
    lines = [
        f"{data['title']}: {data['train']:,} images to learn from ({learned}){validated}, {data['test']:,} to be "
        f"judged by{apart}; protocol {record['protocol']}, seed {record['seed']}",
        "",
        table(as_table(record)),
        "",
    ]
    if record["margin"]:
        lines.append(margin_in_words(record))
    lines += [
        f"The best C for {row['name']} is the first or the last of those that the authors tried for their network; "
        "there may be a better one."
        for row in record["rows"]
        if row.get("strength_at_an_end")
    ]
    lines += [f"Not measured: {KINDS[kind]} ({why})" for kind, why in record["missing"].items()]
    if caution := caution_in_words(record):
        lines.append(caution)
    return "\n".join(lines)
