"""How far the samples that `quality_per_minute.py` kept are from images that nobody has trained on.

Distances are measured in every feature space that is there; one that is not is left out with a sentence. A space is
believed only where another agrees with it, so the pictures belong beside the figures. Each sample set is measured once
in each space; figures are kept beside the samples.

The floor is the distance between as many of the images trained on and those set apart: both were drawn from one pile.
Of several seeds, a value is their mean, and its interval Student's; of one, the interval tells how the figure varies
with the samples alone.

    python benchmarks/quality_scores.py RECORD.json... [--figure FILE.png]

draws and prints records that are kept.
"""

import argparse
import collections
import functools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.contenders import CONTENDERS, PEERS, label
from benchmarks.kept import Data, Result
from benchmarks.peers import SAMPLES_SEED
from benchmarks.sentences import in_a_sentence
from utils.errors import InputError
from utils.evaluation.distances import frechet_distance, kernel_distance
from utils.evaluation.passport import INTERVAL
from utils.files import expect_writable, read_json, read_object, write_json
from utils.intervals import Interval, student
from utils.runs import dataset_slug
from utils.tables import table
from utils.viz import grid, letters, plain_ticks, write_png

if TYPE_CHECKING:
    from utils.evaluation.features import Extractor


def _neighbourhoods(fake: np.ndarray, true: np.ndarray) -> dict[str, Interval]:
    from utils.evaluation.neighbourhoods import neighbourhoods

    found = neighbourhoods(fake, true)
    return {"precision": found.precision, "recall": found.recall}


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], dict[str, Interval]]] = {
    "kernel": lambda fake, true: {"kernel": kernel_distance(fake, true)},
    "frechet": lambda fake, true: {"frechet": frechet_distance(fake, true)},
    "neighbourhoods": _neighbourhoods,
}
"""What is measured of features of fake and of true images, float (N, D) each; the first is what the figure shows."""

DISTANCES = ("kernel", "frechet")
"""Those of the values measured that are the better the smaller, and are compared with the best peer's."""
OF_DATA, OF_SPACE = ("encoding", "split"), ("resizer", "value_range", "interval", "latents_seed")
"""What figures depend on beside images and network, and where a record tells of it."""
FAR = 10
"""By which factor the floor may lie below all lines of the figure and still be in it."""
CLOSE = 1.2
"""Labels of two marks would run into each other where the later is so many times the earlier, or less."""
SHOWN = 8
"""Samples of each contender and mark in the picture."""


@dataclass(frozen=True)
class Wanted:
    """What to measure; None is all that is kept."""

    data: Sequence[str] | None = None
    contenders: Sequence[str] | None = None
    minutes: Sequence[float] | None = None
    spaces: Sequence[str] = ("auto", "imagenet")

    def sets(self, work: str | Path) -> list[Data]:
        """The data of a folder.

        Raises:
            InputError: there is nothing.
        """
        found = [Data(path.parent) for path in sorted(Path(work).glob("*/data.json"))]
        names = self.data and [dataset_slug(name) for name in self.data]
        found = [data for data in found if not names or dataset_slug(data.about["name"]) in names]
        found = [data for data in found if self.results(data)]
        if not found:
            raise InputError(f"{work} holds no such samples: train first, without --score.")
        return found

    def results(self, data: Data) -> list[tuple[Result, list[dict]]]:
        """What is kept of contenders, each with its marks."""
        kept = [(result, self._marks(result)) for result in data.results()]
        return [(r, marks) for r, marks in kept if marks and (not self.contenders or r.name in self.contenders)]

    def _marks(self, result: Result) -> list[dict]:
        marks = result.record["marks"]
        return [mark for mark in marks if not self.minutes or mark["minutes"] in self.minutes]


def report(work: Path, wanted: Wanted, data_dir: Path | None = None, as_json: bool = False) -> str:
    """Measure what is kept, draw the figures into its folder, and put it into words.

    Raises:
        InputError: there is nothing to measure, or no space to measure it in.
        OSError: `work` cannot be written.
    """
    distances = work / "distances.png"
    expect_writable(distances)  # before minutes are spent on measuring
    record = measure(work, wanted, data_dir)
    drawn = [draw_distances(record, distances)]
    drawn += [draw_samples(data, wanted, work / f"samples-{data.folder.name}.png") for data in wanted.sets(work)]
    if as_json:
        return json.dumps(record, indent=2)
    return in_words(record) + "\n\n" + "\n".join(f"drawn  {path}" for path in drawn if path)


# --- measuring --------------------------------------------------------------------------------------------------------


def measure(work: Path, wanted: Wanted, data_dir: Path | None = None) -> dict:
    """All figures in plain values: "sets", each with "spaces", "speeds" and "sessions"; what was "left_out" and why."""
    from utils import runtime

    runtime.start()
    record = {"sets": [], "left_out": []}
    for data in wanted.sets(work):
        left_out = record["left_out"]
        spaces = [_measure_in(space, data, wanted, left_out) for space in spaces_of(data, wanted, left_out, data_dir)]
        if spaces:
            record["sets"].append({"data": named(data), "spaces": spaces, **_facts(data, wanted)})
    check_measured(record)
    return record


def spaces_of(data: Data, wanted: Wanted, left_out: list[str], data_dir: Path | None = None) -> "Iterator[Extractor]":
    """The spaces that there are for a dataset, each once; why others are left out is told and added to a list."""
    from utils.evaluation.features import extractor_for

    about, known = data.about, []
    for space in wanted.spaces:
        try:
            extractor = extractor_for(about["name"], about["size"], features=space, data_dir=data_dir)
        except InputError as error:
            left_out.append(f"{about['title']}: space {space!r} is left out. {error}")
            print(left_out[-1], file=sys.stderr)
            continue
        if extractor.fingerprint not in known:
            known.append(extractor.fingerprint)
            yield extractor


def named(data: Data) -> dict:
    """What a record says of the images: where a file lay is nobody's business."""
    return {**data.about, "name": dataset_slug(data.about["name"])}


def check_measured(record: dict) -> None:
    """Refuse a record without a set.

    Raises:
        InputError: there was no space to measure in.
    """
    if not record["sets"]:
        raise InputError("There is no feature space to measure in: see above, and name one that is there (--spaces).")


class Yardstick:
    """Measures sample sets against the images of one dataset that were set apart, in one space.

    Args:
        extractor: gives the features.
        data: whose images.
    """

    def __init__(self, extractor: "Extractor", data: Data):
        self._extractor, self._held_out = extractor, np.load(data.held_out, mmap_mode="r")

    @functools.cached_property
    def _true(self) -> np.ndarray:
        return self._extractor(self._held_out)

    def figures(self, images: Callable[[], np.ndarray], kept: Path, key: str) -> dict[str, Interval]:
        """All of `MEASURES`, by name of their parts; what is kept is not measured again.

        Args:
            images: gives uint8 (N, S, S, 3) samples, as many as were set apart or more, if they are needed.
            kept: file of the figures.
            key: names the samples in there.
        """
        scores = read_json(kept) if kept.is_file() else {}
        how = f"{self._extractor.fingerprint}; {self._extractor.resizer}; {INTERVAL}"  # as the record says of them
        known = scores.setdefault(how, {}).setdefault(key, {})
        if missing := [name for name in MEASURES if name not in known]:
            fake = self._extractor(images()[: len(self._held_out)])
            for name in missing:
                known[name] = {part: value.plain() for part, value in MEASURES[name](fake, self._true).items()}
            write_json(kept, scores)
        return {part: Interval.of(value) for parts in known.values() for part, value in parts.items()}


def _measure_in(extractor: "Extractor", data: Data, wanted: Wanted, left_out: list[str]) -> dict:
    """Figures of all sample sets of one dataset in one space; which samples are no longer there is added to a list."""
    about, yardstick = data.about, Yardstick(extractor, data)
    true = np.load(data.train, mmap_mode="r")
    rows = np.sort(np.random.default_rng(0).permutation(len(true))[: about["held_out"]])
    floor = yardstick.figures(lambda: true[rows], data.folder / "floor.json", "floor")
    work = [(result, mark) for result, marks in wanted.results(data) for mark in marks]
    measured: dict[tuple, list[dict]] = {}
    for result, mark in tqdm(work, f"{about['title']}, {extractor.name}", unit=" sets", mininterval=5):
        samples = functools.partial(np.load, result.samples(mark["minutes"]), mmap_mode="r")
        try:
            values = yardstick.figures(samples, result.folder / "scores.json", f"{mark['minutes']:g}")
        except FileNotFoundError:  # measured once in other spaces, and removed since
            where = f"{result.name}, seed {result.seed}, {mark['minutes']:g} minutes"
            left_out.append(f"{about['title']}, {extractor.name}: {where}: its samples are no longer there.")
            print(left_out[-1], file=sys.stderr)
            continue
        measured.setdefault((mark["minutes"], result.name), []).append({"seed": result.seed, **mark, "values": values})
    return {
        "name": extractor.name,
        "fingerprint": extractor.fingerprint,
        "resizer": extractor.resizer,
        "value_range": extractor.value_range,
        "interval": INTERVAL,
        "latents_seed": SAMPLES_SEED,
        "samples": [about["held_out"]] * 2,
        "floor": {part: value.plain() for part, value in floor.items()},
        "rows": _rows(measured, floor),
    }


def _rows(measured: dict[tuple, list[dict]], floor: dict[str, Interval]) -> list[dict]:
    """A row for each mark and contender, over its seeds."""
    rows = []
    for (minutes, name), runs in sorted(
        measured.items(), key=lambda item: (item[0][0], list(CONTENDERS).index(item[0][1]))
    ):
        values = {part: [run["values"][part] for run in runs] for part in runs[0]["values"]}
        rows.append(
            {
                "minutes": minutes,
                "contender": name,
                "about": label(name),
                "peer": name in PEERS,
                "updates": round(float(np.mean([run["updates"] for run in runs]))),
                "seeds": [run["seed"] for run in runs],
                "each": {part: [interval.value for interval in each] for part, each in values.items()},
                **{part: over_seeds(each, part not in DISTANCES).plain() for part, each in values.items()},
            }
        )
    for row in rows:
        peers = [other for other in rows if other["peer"] and other["minutes"] == row["minutes"]]
        row["of_best_peer"] = {
            part: _share(row, peers, part, floor[part].value) for part in DISTANCES if not row["peer"]
        }
    return rows


def over_seeds(intervals: Sequence[Interval], shares: bool = False) -> Interval:
    """The mean of several seeds, or of shares in [0, 1], with Student's interval; of one, what was measured."""
    if len(intervals) == 1:
        return intervals[0]
    return student(np.array([interval.value for interval in intervals]), (0, 1) if shares else (-np.inf, np.inf))


def _share(row: dict, peers: Sequence[dict], part: str, floor: float) -> float | None:
    """A distance above the floor as a share of the best peer's, both over the seeds that both have, since seeds differ
    by more than many contenders; None where no peer has one of them, or none is above the floor."""

    def mean(of: dict, seeds: set[int]) -> float:
        return float(np.mean([value for seed, value in zip(of["seeds"], of["each"][part]) if seed in seeds]))

    shared = [(peer, set(row["seeds"]) & set(peer["seeds"])) for peer in peers]
    both = [(mean(peer, seeds), mean(row, seeds)) for peer, seeds in shared if seeds]
    best, value = min(both, default=(floor, floor))
    return (value - floor) / (best - floor) if best > floor else None


def _facts(data: Data, wanted: Wanted) -> dict:
    """How fast contenders were, in which sessions they took turns, and whose rows are means over several machines."""
    speeds, sessions, machines = [], {}, {}
    for result, marks in wanted.results(data):
        record, last = result.record, marks[-1]
        session = {"seed": result.seed, **record["session"], "contenders": []}
        sessions.setdefault((result.seed, session["began"]), session)["contenders"].append(result.name)
        machines.setdefault(result.name, set()).add((session["device"], session["cores"]))
        speeds.append(
            {
                "contender": result.name,
                "about": label(result.name),
                "seed": result.seed,
                "batch_size": record["batch_size"],
                "parameters": record["parameters"],
                "images_per_second": record["batch_size"] * last["updates"] / last["seconds"],
                "first_update_seconds": last["first_seconds"],
                "cores_used": last["cpu_seconds"] / last["seconds"],
                "start_seconds": record["start_seconds"],
                "drawn_by": record["drawn_by"],
                "versions": record["versions"],
            }
        )
    mixed = [name for name, of in machines.items() if len(of) > 1]
    return {"speeds": speeds, "sessions": list(sessions.values()), "means_over_machines": mixed}


# --- in words ---------------------------------------------------------------------------------------------------------


def in_words(record: dict) -> str:
    """The tables of what `measure` gave."""
    parts = []
    for kept in record["sets"]:
        data = kept["data"]
        parts.append(
            f"{data['title']}, {data['size']}x{data['size']} pixels: trained on {data['images']:,} images, measured "
            f"against {data['held_out']:,} others\n\n" + table([_speed(speed) for speed in kept["speeds"]])
        )
        sessions = kept["sessions"]
        everybody = {name for session in sessions for name in session["contenders"]}
        several = [session for session in sessions if set(session["contenders"]) != everybody]
        if len({session.get("session") for session in sessions}) > 1:  # of which the tables tell by number
            several = sessions
        if several:
            parts.append(f"Only contenders of one session took turns, and there were several: {_listed(several)}.")
        if mixed := kept.get("means_over_machines"):
            told = [session for session in sessions if {*session["contenders"]} & {*mixed}]
            parts.append(f"Rows of {', '.join(mixed)} are means over minutes of several machines: {_listed(told)}.")
        for space in kept["spaces"]:
            told = len({row.get("session") for row in space["rows"]}) > 1
            floor = dict.fromkeys(_head(space["rows"][0], told), "") | {"contender": "true images (the floor)"}
            floor |= _cells(space["floor"])
            remarks = "".join(f" {remark}" for remark in space.get("remarks", ()))
            rows = table([floor, *(_head(row, told) | _cells(row, row["of_best_peer"]) for row in space["rows"])])
            parts.append(f"In the features of the {space['name']}:{remarks}\n\n{rows}")
    return "\n\n".join([*parts, *record["left_out"]])


def _listed(sessions: Sequence[dict]) -> str:
    return "; ".join(
        (f"session {s['session']}: " if "session" in s else "")
        + f"seed {s['seed']}, {s['began']} on {s['cores']} cores of {s['device']}: {', '.join(s['contenders'])}"
        for s in sessions
    )


def _speed(speed: dict) -> dict:
    return {
        "contender": speed["contender"],
        "what it is": speed["about"],
        "seed": speed["seed"],
        "batch": speed["batch_size"],
        "parameters": speed["parameters"],
        "images/s": round(speed["images_per_second"], 1),
        "first update, s": round(speed["first_update_seconds"], 1),
        "start, s": round(speed["start_seconds"], 1),
        "cores used": round(speed["cores_used"], 2),
    }


def _head(row: dict, with_session: bool) -> dict:
    head = {"minutes": f"{row['minutes']:g}", "contender": row["contender"], "updates": f"{row['updates']:,}"}
    head["seeds"] = " ".join(map(str, row["seeds"]))
    return head | ({"session": row["session"]} if with_session else {})


_HEADINGS = {"kernel": ("kernel", ".4f"), "frechet": ("Fréchet", ".2f")}


def _cells(values: dict, shares: dict | None = None) -> dict:
    cells = {}
    for part, value in values.items():
        if not isinstance(value, dict) or "low" not in value:
            continue
        heading, digits = _HEADINGS.get(part, (part, ".3f"))
        cells[heading] = f"{value['value']:{digits}}"
        cells[f"{heading}, 95%"] = f"{value['low']:{digits}} to {value['high']:{digits}}"
        if part in DISTANCES:
            share = (shares or {}).get(part)
            cells[f"{heading}, of best peer"] = "" if share is None else f"{share:.2f}"
    return cells


# --- figures ----------------------------------------------------------------------------------------------------------


def draw_distances(record: dict, path: Path) -> Path:
    """Distance over minutes: a column for each dataset, a row for each space, a line for each contender."""
    from utils.figure import new_figure, write_figure

    part = next(iter(MEASURES))
    columns, rows = len(record["sets"]), max(len(kept["spaces"]) for kept in record["sets"])
    heading = "Dotted, where it is near: between true images (the floor, upper end)"
    there = {row["contender"] for kept in record["sets"] for space in kept["spaces"] for row in space["rows"]}
    ordered = [name for name in CONTENDERS if name in there]
    figure = new_figure(1.6 + 4.4 * columns, 0.6 + 3.4 * rows + 0.2 * -(-len(ordered) // (2 * columns)), heading)
    grid_of_axes = figure.subplots(rows, columns, squeeze=False)
    colours, markers = {}, {}
    for number, name in enumerate(sorted(ordered, key=lambda name: name in PEERS)):  # there are ten colours
        colours[name], markers[name] = f"C{number % 10}", "os^"[number // 10]
    handles = {}
    for column, kept in enumerate(record["sets"]):
        for axes in grid_of_axes[len(kept["spaces"]) :, column]:
            axes.axis("off")
        for axes, space in zip(grid_of_axes[:, column], kept["spaces"]):
            for name, session in dict.fromkeys((row["contender"], row.get("session")) for row in space["rows"]):
                own = [row for row in space["rows"] if (row["contender"], row.get("session")) == (name, session)]
                minutes, style = [row["minutes"] for row in own], "--" if own[0]["peer"] else "-"
                means = np.array([row[part]["value"] for row in own])
                means[means <= 0] = np.nan  # an axis of powers has no place for it
                look = {"color": colours[name], "marker": markers[name], "markersize": 3}
                (handles[name],) = axes.plot(minutes, means, style, **look)
                for row in own:
                    if len(row["seeds"]) > 1:
                        each = row["each"][part]
                        axes.plot([row["minutes"]] * len(each), each, "_", color=colours[name], markersize=6)
            axes.set(xscale="log", yscale="log", xlabel="minutes of training", ylabel="kernel distance")
            floor, lowest = space["floor"][part]["high"], min(row[part]["value"] for row in space["rows"])
            if floor > max(lowest / FAR, 0):  # one that is far below would squeeze the lines together
                axes.axhline(floor, color="grey", linestyle=":", linewidth=1)
            plain_ticks(axes.xaxis, _told_apart([row["minutes"] for row in space["rows"]]))
            plain_ticks(axes.yaxis)
            about = f"{kept['data']['title']}, {kept['data']['size']} pixels; floor {max(floor, 0):.4f}"
            axes.set_title(f"{about}\n{space['name']}", fontsize=8)
            axes.grid(alpha=0.25)
    figure.legend(
        [handles[name] for name in ordered],
        ordered,
        loc="outside lower center", ncols=2 * columns, fontsize=8, frameon=False,
    )  # fmt: skip
    return write_figure(path, figure)


def _told_apart(minutes: Sequence[float]) -> list[float]:
    """Those marks, the frequent and the round ones first, whose labels have room beside each other."""
    kept: list[float] = []
    for mark, _ in sorted(collections.Counter(minutes).items(), key=lambda item: (-item[1], item[0] % 10 != 0)):
        if all(max(mark, other) / min(mark, other) > CLOSE for other in kept):
            kept.append(mark)
    return sorted(kept)


def draw_samples(data: Data, wanted: Wanted, path: Path) -> Path | None:
    """Samples of the first seed of each contender at each mark, from the same latents; a row for each contender whose
    samples are still there. None, and no picture, if none are."""
    first: dict[str, tuple[Result, list[dict]]] = {}
    for result, marks in wanted.results(data):
        first.setdefault(result.name, (result, marks))
    minutes = sorted({mark["minutes"] for _, marks in first.values() for mark in marks})
    rows = []
    for name, (result, _) in first.items():
        cells = {
            at: grid(np.load(result.samples(at), mmap_mode="r")[:SHOWN], columns=SHOWN // 2)
            for at in minutes
            if result.samples(at).is_file()
        }
        if not cells:  # measured once, and removed since
            continue
        height, width, _ = next(iter(cells.values())).shape
        blank = np.full((height, width, 3), 255, np.uint8)
        called = letters(label(name).replace(": ", ":\n").replace(", ", ",\n"), 220, height)
        rows.append(np.concatenate([called, *(cells.get(at, blank) for at in minutes)], axis=1))
    if not rows:
        return None
    named = letters(f"{data.about['title']}, {data.about['size']} pixels", 220, 28)
    head = [named, *(letters(f"{at:g} min", width, 28) for at in minutes)]
    write_png(path, np.concatenate([np.concatenate(head, axis=1), *rows]))
    return path


# --- records ----------------------------------------------------------------------------------------------------------


def together(records: Sequence[dict]) -> dict:
    """Records of `measure` as one: a set for each dataset, whose rows and sessions have the number of their record as
    "session"; each space has "remarks" on what else its figures depend on, where that differs or is not
    known of all. Spaces of one name are told apart by their weights: a classifier has others on another processor."""
    sets: dict[str, dict] = {}
    numbers = collections.Counter()
    for kept in (kept for record in records for kept in record["sets"]):
        new = {"data": kept["data"], "spaces": {}, "speeds": [], "sessions": [], "means_over_machines": []}
        there = sets.setdefault(kept["data"]["fingerprint"], new)
        there["data"] = kept["data"]  # as the last session calls them
        numbers[kept["data"]["fingerprint"]] += 1
        session = numbers[kept["data"]["fingerprint"]]
        there["speeds"] += kept["speeds"]
        there["sessions"] += [{**each, "session": session} for each in kept["sessions"]]
        there["means_over_machines"] += kept.get("means_over_machines", ())
        for space in kept["spaces"]:
            all_of_it = there["spaces"].setdefault(space["fingerprint"], {**space, "rows": [], "depends": []})
            all_of_it["rows"] += [{**row, "session": session} for row in space["rows"]]
            all_of_it["depends"].append(
                {name: of.get(name) for of, names in ((kept["data"], OF_DATA), (space, OF_SPACE)) for name in names}
            )
    known = list(CONTENDERS)
    for there in sets.values():
        there["spaces"] = list(there["spaces"].values())
        often = collections.Counter(space["name"] for space in there["spaces"])
        for space in there["spaces"]:
            if often[space["name"]] > 1:
                space["name"] += f", weights {space['fingerprint'][:8]}"
            space["remarks"] = _remarks(space.pop("depends"))
            space["rows"].sort(key=lambda row: (row["minutes"], known.index(row["contender"]), row["session"]))
    return {"sets": list(sets.values()), "left_out": [line for record in records for line in record["left_out"]]}


def _remarks(depends: Sequence[dict]) -> list[str]:
    """What figures of one table depend on, where that is not the same for all of them or not known of some."""
    values = {name: dict.fromkeys(one[name] for one in depends) for name in (*OF_DATA, *OF_SPACE)}
    remarks = [
        f"Not all figures have the same {name.replace('_', ' ')}: {', '.join(map(str, told))}."
        for name, of_all in values.items()
        if len(told := [value for value in of_all if value is not None]) > 1
    ]
    unknown: dict[int, list[str]] = {}
    for name in values:
        if some := sum(one[name] is None for one in depends):
            unknown.setdefault(some, []).append(name.replace("_", " "))
    told = (f"Not on record in {n} of {len(depends)} sessions: {', '.join(names)}." for n, names in unknown.items())
    return [*remarks, *told]


def _read_record(path: Path) -> dict:
    record = read_object(path)
    parts = {"data", "spaces", "speeds", "sessions"}
    if not all(parts <= kept.keys() for kept in record.get("sets") or [{}]):
        raise InputError(f"{path} should be what quality_per_minute.py --score --json printed, and is something else.")
    told = {row["contender"] for kept in record["sets"] for space in kept["spaces"] for row in space["rows"]}
    if unknown := sorted(told - {*CONTENDERS}):
        raise InputError(f"{path} tells of contenders that contenders.py does not know: {', '.join(unknown)}.")
    return record


@in_a_sentence
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="Draw and print what `quality_per_minute.py --score --json` gave, of several sessions together."
    )
    parser.add_argument("records", type=Path, nargs="+", help="files of what it printed; those of one machine")
    parser.add_argument("--figure", type=Path, help="where to draw distances over minutes")
    options = parser.parse_args(arguments)
    record = together([_read_record(path) for path in options.records])
    print(in_words(record))
    if options.figure:
        print(f"\ndrawn  {draw_distances(record, options.figure)}")


if __name__ == "__main__":
    sys.exit(main())
