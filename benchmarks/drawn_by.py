"""Did a generator get worse, or only the average that its samples are drawn from?

    python benchmarks/drawn_by.py --work FOLDER [--only CONTENDER ...] [--minutes M ...] [--ways WAY ...] [--json]

Takes what `quality_per_minute.py --networks` kept, draws from it in several ways (`WAYS`), always from the latents of
the benchmark's own samples, and measures these as the benchmark does. Beside them stands what the discriminator of that
mark thinks of images that it was trained on, of others, and of fakes: one that tells the first from the second has
learnt them by heart. Nothing is trained. What was measured before is taken; a picture is drawn into FOLDER.
"""

import argparse
import functools
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.contenders import CONTENDERS, label
from benchmarks.kept import Data, Result, alone
from benchmarks.peers import SAMPLES_SEED
from benchmarks.quality_scores import SHOWN, Wanted, Yardstick, check_measured, named, spaces_of
from benchmarks.sentences import in_a_sentence
from utils.errors import InputError
from utils.files import expect_writable, read_json, write_json
from utils.tables import table
from utils.viz import grid, letters, write_png

FOR_STATISTICS = 1024
"""Latents that statistics of batch normalisation are taken anew from."""
JUDGED = 2048
"""Images of a kind that the discriminator is asked about, in batches as it was trained on."""


def restated(generator, latents: np.ndarray):
    """A generator whose batch normalisation has the statistics that its present weights give.

    Those it keeps are moving averages: over the weights of many updates, and where the weights are averages, too, of
    networks whose maps were others than those of their average.

    Args:
        generator: a chain of layers, which is changed.
        latents: float32 (N, latent_dim) that the statistics are of.

    Returns:
        The generator.
    """
    import keras

    maps = latents
    for layer in generator.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            flat = np.asarray(maps, np.float64).reshape(-1, maps.shape[-1])
            layer.moving_mean.assign(flat.mean(0))
            layer.moving_variance.assign(flat.var(0))
        maps = np.concatenate([np.asarray(layer(part)) for part in np.array_split(maps, -(-len(maps) // 64))])
    return generator


def _average(networks: dict, _latents):
    return networks["averaged"]


def _own(networks: dict, _latents):
    return networks["generator"]


WAYS: dict[str, tuple[str, Callable]] = {
    "average": ("the moving average of the generator, as the benchmark's samples", _average),
    "average_restated": (
        "the same, batch normalisation with the statistics of these weights",
        lambda networks, latents: restated(_average(networks, latents), latents),
    ),
    "generator": ("the generator itself", _own),
    "generator_restated": (
        "the same, batch normalisation with the statistics of these weights",
        lambda networks, latents: restated(_own(networks, latents), latents),
    ),
}
"""How samples are drawn: what each is, and the network that draws, of those kept and latents for statistics. In this
order: what is restated is so from there on."""
USUAL = ("average", "generator")
"""Those that are measured where nobody asks for others."""


class Mark:
    """What is kept of a training at a mark, and samples drawn from it, each once.

    Args:
        result: of the training.
        minutes: the mark.
    """

    def __init__(self, result: Result, minutes: float):
        self._folder, self._minutes = result.networks(minutes), minutes
        self._batch = result.record["batch_size"]
        self._count, self._size = result.record["samples_count"], result.record["size"]
        self._name = result.name

    @functools.cached_property
    def networks(self) -> dict:
        from utils.models import load_network

        return {path.stem: load_network(path) for path in sorted(self._folder.glob("*.keras"))}

    @functools.cached_property
    def samples(self) -> dict[str, np.ndarray]:
        """uint8 (N, S, S, 3) of each of `WAYS`."""
        from benchmarks.contenders import experiment_for
        from utils.data import scale_back
        from utils.sampling import Sampler

        experiment, drawn = experiment_for(self._name, self._size), {}
        others = Sampler.of(self.networks["averaged"], experiment).make_latents(FOR_STATISTICS, SAMPLES_SEED + 1)
        for way, (_, network_of) in WAYS.items():
            sampler = Sampler.of(network_of(self.networks, others), experiment)
            drawn[way] = scale_back(sampler.images(sampler.make_latents(self._count, SAMPLES_SEED)))
        return drawn

    def judged(self, data: Data) -> dict[str, float]:
        """Mean scores in (0, 1) that the discriminator gives, its batch normalisation with the statistics of each
        batch as in training: to images "trained_on", "set_apart", and "drawn" by the generator itself."""
        scores = {}
        true = np.load(data.train, mmap_mode="r")
        rows = np.sort(np.random.default_rng(0).permutation(len(true))[:JUDGED])
        of = {"trained_on": true[rows], "set_apart": np.load(data.held_out), "drawn": self.samples["generator"]}
        for kind, images in of.items():
            scores[kind] = float(np.mean(self._scores(images[:JUDGED])))
        return scores

    def _scores(self, images: np.ndarray) -> np.ndarray:
        from utils.data import scale

        batch_size = min(self._batch, len(images))
        whole = len(images) // batch_size * batch_size
        mixed = images[np.random.default_rng(1).permutation(len(images))[:whole]]  # neighbours may be alike
        batches = mixed.reshape(-1, batch_size, *images.shape[1:])
        return np.concatenate([self.networks["discriminator"](scale(batch), training=True) for batch in batches])


def measure(work: Path, wanted: Wanted, ways: Sequence[str] = USUAL, data_dir: Path | None = None) -> dict:
    """All figures in plain values: "ways" and "sets", each with "rows"; "left_out" as `quality_scores.measure` has it.

    Args:
        work: the benchmark's folder.
        wanted: of what is kept there.
        ways: to draw samples, of `WAYS`.
        data_dir: where datasets are.

    Raises:
        InputError: no networks are kept there, or there is no space to measure in.
    """
    from utils import runtime

    kept = {
        data: [(result, mark) for result, marks in wanted.results(data) for mark in marks
               if (result.networks(mark["minutes"]) / "averaged.keras").is_file()]
        for data in wanted.sets(work)
    }  # fmt: skip
    if not any(kept.values()):
        raise InputError(f"{work} holds no networks of such marks: train with --networks first.")
    runtime.start()
    record = {"ways": {way: WAYS[way][0] for way in ways}, "sets": [], "left_out": []}
    for data, marks in kept.items():
        if not marks:
            continue
        yardsticks = [
            (space, Yardstick(space, data)) for space in spaces_of(data, wanted, record["left_out"], data_dir)
        ]
        rows, pictures = [], {}
        for result, mark in marks:
            rows.append(_row(result, mark, ways, data, yardsticks, pictures))
        if yardsticks:
            record["sets"].append({"data": named(data), "rows": rows})
            _draw_courses(record["sets"][-1], work / f"courses-{data.folder.name}.png")
        _draw(pictures, work / f"drawn_by-{data.folder.name}.png")
    check_measured(record)
    return record


def _row(result: Result, mark: dict, ways: Sequence[str], data: Data, yardsticks: list, pictures: dict) -> dict:
    print(f"{result.name}, seed {result.seed}: {mark['minutes']:g} minutes", file=sys.stderr)
    at, minutes = Mark(result, mark["minutes"]), f"{mark['minutes']:g}"
    file, spaces = result.folder / "drawn_by.json", []
    for space, yardstick in yardsticks:
        values = {}
        for way in ways:
            # The benchmark's own samples are the average's, and may have been measured.
            place = (result.folder / "scores.json", minutes) if way == "average" else (file, f"{minutes} {way}")
            figures = yardstick.figures(lambda way=way: at.samples[way], *place)
            values[way] = {part: interval.plain() for part, interval in figures.items()}
        spaces.append({"name": space.name, "fingerprint": space.fingerprint, "values": values})
    known = read_json(file) if file.is_file() else {}
    judged = known.setdefault("judged", {}).setdefault(minutes, {})
    if not judged:
        judged |= at.judged(data)
        write_json(file, known)
    for way in ways:
        path = result.folder / f"drawn_{minutes}_{way}.png"
        if not path.is_file():
            write_png(path, grid(at.samples[way][:SHOWN], columns=SHOWN))
        pictures[f"{result.name} {result.seed}\n{minutes} min\n{mark['updates']:,} updates", way] = path
    head = {"contender": result.name, "about": label(result.name), "seed": result.seed}
    return {**head, "minutes": mark["minutes"], "updates": mark["updates"], "judged": judged, "spaces": spaces}


def _draw_courses(kept: dict, path: Path) -> None:
    """Distances over updates, by way to draw."""
    from utils.figure import write_figure
    from utils.studies.courses import plot_courses

    print(f"drawn  {write_figure(path, plot_courses(kept))}", file=sys.stderr)


def _draw(pictures: dict, path: Path) -> None:
    """A row of samples for each mark and way."""
    import cv2

    rows = []
    for (mark, way), picture in pictures.items():
        samples = cv2.cvtColor(cv2.imread(str(picture)), cv2.COLOR_BGR2RGB)
        height = samples.shape[0]
        rows.append(np.concatenate([letters(f"{mark}\n{way}", 190, height), samples], axis=1))
    write_png(path, np.concatenate(rows))
    print(f"drawn  {path}", file=sys.stderr)


def in_words(record: dict) -> str:
    """The tables of what `measure` gave: a row for each mark and way."""
    parts = []
    for kept in record["sets"]:
        lines = []
        for row in kept["rows"]:
            head = {"contender": row["contender"], "seed": row["seed"], "minutes": f"{row['minutes']:g}"}
            head["updates"] = f"{row['updates']:,}"
            for way in record["ways"]:
                cells = {"drawn by": way.replace("_", ", ")}
                for space in row["spaces"]:
                    values = space["values"][way]
                    kernel, recall = values["kernel"], values["recall"]
                    cells[f"{space['name']}: kernel"] = f"{kernel['value']:.3f}"
                    cells[f"{space['name']}: 95%"] = f"{kernel['low']:.3f} to {kernel['high']:.3f}"
                    cells[f"{space['name']}: recall"] = f"{recall['value']:.2f}"
                lines.append({**head, **cells})
        parts.append(f"{kept['data']['title']}:\n\n{table(lines)}")
        judged = []
        for row in kept["rows"]:
            scores = {f"images {kind.replace('_', ' ')}": f"{score:.3f}" for kind, score in row["judged"].items()}
            judged.append(
                {"contender": row["contender"], "seed": row["seed"], "minutes": f"{row['minutes']:g}", **scores}
            )
        parts.append(f"What the discriminator gives, from 0 (fake) to 1 (true):\n\n{table(judged)}")
    return "\n\n".join([*parts, *record["left_out"]])


@in_a_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    ways = "\n".join(f"  {way:<20} {about}" for way, (about, _) in WAYS.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"ways to draw:\n{ways}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of the benchmark's results")
    parser.add_argument("--data", nargs="+", help="which datasets; by default all")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, metavar="CONTENDER", help="by default all")
    parser.add_argument("--minutes", type=float, nargs="+", help="which marks; by default all")
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=USUAL, metavar="WAY", help="to draw (average generator)"
    )
    parser.add_argument("--spaces", nargs="+", default=["auto", "imagenet"], help="to measure in (auto imagenet)")
    parser.add_argument("--data-dir", type=Path, help="folder of the datasets; data/ by default")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    expect_writable(options.work / "drawn_by.png")
    wanted = Wanted(options.data, options.only, options.minutes, options.spaces)
    with alone(options.work, make=False):
        record = measure(options.work, wanted, options.ways, options.data_dir)
    print(json.dumps(record, indent=2) if options.json else in_words(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
