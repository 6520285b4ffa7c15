"""How often the doctor finds a failure that was planted, and how often it warns of a healthy training.

    python -m benchmarks.doctor [--data NAME|FOLDER[:SIZE] ...] [--only CASE ...] [--seeds N ...] [--sheet FILE]

Trains small runs whose outcome is known beforehand: failures that are planted by one setting, and healthy ones. What
was trained before is taken from `--runs-dir`, and what was begun is finished, so the same command goes on after a stop.
The runs keep their measurements, and the doctor of today reads those: after a change of its limits nothing is trained
anew.

The courses that are kept in notebooks/results, whose outcome is known too, are judged beside them (`--no-kept` leaves
them out). `--sheet` draws samples of every run, so that the outcomes can be checked by eye.
"""

import argparse
import contextlib
import importlib
import json
import math
import signal
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm.auto import tqdm

from benchmarks.sentences import in_a_sentence
from utils.config import Experiment, replace
from utils.data.catalogue import place_of
from utils.errors import InputError, Interrupted
from utils.figure import new_figure, write_figure
from utils.fitting import recommended
from utils.intervals import Interval, wilson
from utils.presets import preset
from utils.registries import PLAYERS
from utils.runs import Run, runs_folder
from utils.studies import results
from utils.tables import duration, table
from utils.text import one_line, slug

DATA = ("faces", "house_numbers", "faces:64")
SIZES = {"quick": (1024, 500, 25, 0.25), "smallest": (32, 8, 2, 0.0625)}
"""Images, updates, updates between measurements, width of the networks; at each scale."""
SECONDS = 45
"""What a run takes on two quiet cores, at 32 or 64 pixels."""
KEPT = "kept:"
"""How the names of courses begin that are in notebooks/results."""
SHEET_ROW = 66
"""Pixels of a grid that hold its first samples."""

GAP, COLLAPSE, GREY = "the gap between the two updates", "the collapse", "the grey beginning"
WON, STILL, SWING = "the discriminator's victory", "the standstill", "the oscillation"
GROWTH, OVERFLOW, LOST, COPYING = "the growth of the losses", "the overflow", "the lost gradients", "the copying"
OF_FLOAT16 = (OVERFLOW, LOST)
"""Signs that can be said of trainings in mixed_float16 only."""
ALL = (GAP, COLLAPSE, GREY, WON, STILL, SWING, GROWTH, OVERFLOW, LOST, COPYING)


@dataclass(frozen=True)
class Case:
    """A training whose outcome is known.

    Attributes:
        name: short.
        settings: what is changed of the recipe that works.
        signs: those that are right to be found, the expected first; none for a healthy training.
        longer: factor on the number of updates.
        sizes: the sides of images, in pixels, for which the outcome is known.
        copies: so many training images are all that the generator knows: it copies by construction, and takes the
            place of the network that would have to learn it for hours.
    """

    name: str
    settings: dict
    signs: tuple[str, ...] = ()
    longer: float = 1.0
    sizes: tuple[int, ...] = (32, 64)
    copies: int | None = None


_BARE = {"discriminator": {"norm": False}}
CASES = (
    Case("moving statistics", {"statistics": "moving", "shared_latents": False}, (GAP,)),
    Case("moving judge", {"statistics": "moving_judge"}, (GAP,)),
    Case("joined batches", {"join_batches": True}, (GAP,)),
    Case("Glorot weights", {"weights": "glorot", "width": 0.5}, (COLLAPSE,), sizes=(32,)),
    Case("saturating, strong discriminator", {"loss": "saturating", "discriminator_learning_rate": 2e-3}, (STILL, WON)),
    Case("generator at rest", {"learning_rate": 1e-9, "discriminator_learning_rate": 2e-4}, (STILL, WON)),
    Case(
        "grey generator at rest",
        {"learning_rate": 1e-9, "discriminator_learning_rate": 2e-4, "batch_norm": "off"},
        (GREY, STILL, WON),
    ),
    Case("step size 0.1", {"learning_rate": 0.1}, (SWING, COLLAPSE, WON, GROWTH)),
    Case("step size 0.1, hinge", {"learning_rate": 0.1, "loss": "hinge"}, (SWING, COLLAPSE, WON, GROWTH)),
    Case("step size 1, no normalisation", {"learning_rate": 1.0, "batch_norm": "off"}, (GROWTH, GREY, STILL, WON)),
    Case("step size 0.05, Wasserstein", {"learning_rate": 0.05, "loss": "wasserstein", **_BARE}, (GROWTH, SWING)),
    Case(
        "step size 0.05, float16",
        {"learning_rate": 0.05, "batch_norm": "off", "precision": "mixed_float16", "width": 0.0625, "batch_size": 8},
        (OVERFLOW, LOST, GROWTH, GREY, STILL, WON),
        longer=0.4,
        sizes=(32,),
    ),
    Case("copies of 64 images", {}, (COPYING,), longer=0.3, copies=64),
    Case("copies of all images", {}, (COPYING,), longer=0.3, copies=1024),
    Case("the recipe", {}),
    Case("separate updates", {"discriminator_updates": "separate", "shared_latents": False}),
    Case("simultaneous updates", {"simultaneous": True}),
    Case("step size 0.0005", {"learning_rate": 5e-4}),
    Case("lazy R1", {"r1": 0.2, "penalty_every": 8}),
    Case("relativistic, R1 and R2", {"loss": "relativistic", "r1": 0.2, "r2": 0.2, "penalty_every": 8, **_BARE}),
    Case("hinge", {"loss": "hinge"}),
    Case("least squares", {"loss": "least_squares"}),
    Case("augmented", {"augment": ("colour", "translation")}),
    Case("128 images", {"count": 128}),
)


def base(size: int, data: str, scale: str) -> tuple[Experiment, int]:
    """What all cases start from: the recipe that works at a size, made small; and how many updates they get."""
    count, updates, watch_updates, width = SIZES[scale]
    small = preset("quick") if size <= 32 else recommended(size)
    changes = {"count": count, "width": width, "ema_decay": 0.0, "batch_size": 32 if size <= 32 else 16}
    changes |= {"batch_size": 8, "summary_samples": 16} if scale == "smallest" else {}
    return replace(small, name=data, watch_updates=watch_updates, **changes), updates


def experiments(options: argparse.Namespace) -> Iterator[tuple[Case, str, Experiment]]:
    """All that is to be trained, seed by seed; what is asked for twice is there once, for a run counts once."""
    sides, places = {side for case in CASES for side in case.sizes}, {}
    for place in options.data or DATA:
        data, colon, side = place.rpartition(":")
        if not (data and colon and side.isdecimal()):
            data, side = place, "32"
        if int(side) not in sides:
            known = " or ".join(map(str, sorted(sides)))
            raise InputError(f"Outcomes are known of images of {known} pixels; use these. Received: --data {place}.")
        places.setdefault((place_of(data), int(side)), place)  # as `train` writes it down
    for seed in dict.fromkeys(options.seeds):
        for (data, side), place in places.items():
            small, most = base(side, data, options.scale)
            for case in CASES:
                if side not in case.sizes or (options.only and case.name not in options.only):
                    continue
                settings = case.settings
                if options.scale == "smallest":
                    settings = {name: value for name, value in settings.items() if name not in ("count", "width")}
                changed = replace(small, seed=seed, **settings)
                updates = max(1, round(case.longer * most))
                length = {"updates": updates, "summary_updates": max(1, updates // 5)}
                yield case, place, replace(changed, **length)


def runs_of(case: Case, options: argparse.Namespace) -> Path:
    """Where the runs of a case are: its settings alone need not tell it."""
    return options.runs_dir / slug(case.name)


def trained(case: Case, experiment: Experiment, options: argparse.Namespace) -> Run:
    """The run of a case, to its end: its last update, or numbers that are not finite."""
    from utils.training import resume, train

    def known() -> Run | None:
        return next((run for run in Run.all(runs_of(case, options)) if run.experiment == experiment), None)

    run, places = known(), {"data_dir": options.data_dir, "progress": False}
    if run and at_its_end(run):
        return run
    try:
        with planted(case, experiment, options):
            return resume(run, **places) if run else train(experiment, runs_dir=runs_of(case, options), **places)
    except InputError:
        run = known()
        if not (run and at_its_end(run)):  # it was refused, or something else than its numbers has stopped it
            raise
        return run


def at_its_end(run: Run) -> bool:
    """Whether a run has come to its last update, or to numbers that are not finite, which is an outcome too."""
    state = run.state
    return state.status == "finished" or (state.status == "failed" and "finite" in state.why)


@contextlib.contextmanager
def planted(case: Case, experiment: Experiment, options: argparse.Namespace) -> Iterator[None]:
    """While it lasts, the generator that is built is the one that the case plants."""
    usual = PLAYERS["generator"]
    if case.copies:
        from utils.data import load_for
        from utils.explain.memory import copying_generator

        images = load_for(experiment, options.data_dir, progress=False).images[: case.copies]
        PLAYERS["generator"] = lambda model, seed: copying_generator(images, model.latent_dim, seed)
    try:
        yield
    finally:
        PLAYERS["generator"] = usual


def course(experiment: Experiment, rows: list[dict]) -> dict:
    """What the doctor says of measurements.

    Returns:
        "found": for each sign that was said the update at which it was first; "again": how often one was said that had
        been said and was over before; "looked for": the signs that can be said of such measurements.
    """
    from utils.training.doctor import SIGNS, Diagnosis

    diagnosis, found, again = Diagnosis(experiment), {}, 0
    columns = {name for row in rows for name in row}
    in_float16 = experiment.training.precision == "mixed_float16"
    looked_for = [s.name for s in SIGNS if s.column in columns and (in_float16 or s.name not in OF_FLOAT16)]
    for row in rows:
        diagnosis.diagnose(row)
        for finding in diagnosis.begun:
            again += finding.sign.name in found
            found.setdefault(finding.sign.name, row["update"])
    return {"found": found, "again": again, "looked for": looked_for}


def kept() -> Iterator[dict]:
    """The kept courses of notebooks/results whose outcome is known, each training once, each judged."""
    runs = []
    for study, data in (("batch_normalisation", "faces"), ("batch_normalisation", "cifar10"),
                        ("amount_of_data", "faces"), ("amount_of_data", "cifar10"), ("losses", "faces")):  # fmt: skip
        asked = getattr(importlib.import_module(f"utils.studies.{study}"), study)(data)
        arms = {arm.name: arm.experiment for arm in asked.arms}
        for run in results.load(asked.name)["runs"]:
            signs = outcome_of_kept(study, data, run["arm"], run["seed"])
            about = {"case": f"{KEPT} {run['arm']}", "data": data, "seed": run["seed"], "signs": signs}
            runs.append(run | {"about": about, "experiment": arms[run["arm"]]})
    for run in results.trainings(runs):
        if run["about"]["signs"] is not None and len(run["watch"]) > 1:  # some arms end before there is a second
            ends = {"updates": run["updates"], "not finite": None}
            yield run["about"] | course(run["experiment"], run["watch"]) | ends


def outcome_of_kept(study: str, data: str, arm: str, seed: int) -> tuple[str, ...] | None:
    """The signs that a kept course is to show, as its samples and distances were judged; None where that is open."""
    healthy = ("recipe", "recipe_joint", "recipe_norm_first", "recipe_generator_only", "batch_slow",
               "640-non_saturating", "6400-non_saturating")  # fmt: skip
    if study == "amount_of_data" or arm in healthy:
        return ()
    if arm.startswith("moving") or arm.endswith("_joined"):
        return (GAP,)
    if (arm, data) == ("batch", "faces"):
        return (COLLAPSE,)
    if (arm, seed) == ("6400-saturating", 1):  # the worst samples of that study
        return (WON, STILL)
    return None


def judged(rows: list[dict]) -> dict:
    """Detections and false alarms, with Wilson's intervals, in all and by sign.

    A failure is detected if one of its signs is found; a healthy training with any finding is a false alarm. By sign, a
    failure counts for the sign that is expected first of it, and a false alarm for every sign that is found, of the
    healthy trainings of which it can be said.
    """

    def share(hits: int, count: int) -> dict | None:
        return wilson(hits, count).plain() | {"hits": hits, "count": count} if count else None

    failing, healthy = [r for r in rows if r["signs"]], [r for r in rows if not r["signs"]]

    def detected(runs: list[dict]) -> list[int]:
        at = [[r["found"][sign] for sign in r["signs"] if sign in r["found"]] for r in runs]
        return [min(updates) for updates in at if updates]

    by_sign = {}
    for sign in ALL:
        runs = [r for r in failing if r["signs"][0] == sign]
        looked = [r for r in healthy if sign in r["looked for"]]
        by_sign[sign] = {
            "detected": share(len(detected(runs)), len(runs)),
            "by_this_sign": sum(sign in r["found"] for r in runs),
            "at": statistics.median(detected(runs)) if detected(runs) else None,
            "false_alarms": share(sum(sign in r["found"] for r in looked), len(looked)),
        }
    ahead = [r["not finite"] - min(r["found"].values()) for r in failing if r["not finite"] and r["found"]]
    return {
        "detected": share(len(detected(failing)), len(failing)),
        "false_alarms": share(sum(bool(r["found"]) for r in healthy), len(healthy)),
        "by_sign": by_sign,
        "said_again": {"times": sum(r["again"] for r in rows), "runs": sum(r["again"] > 0 for r in rows)},
        "updates_before_not_finite": ahead,
    }


def draw(runs: list[tuple[str, Run]], file: Path) -> None:
    """Samples of every run, a row each."""
    from utils.viz import read_png

    columns = 2
    lines = math.ceil(len(runs) / columns)
    figure = new_figure(12, 0.95 * lines)
    every = figure.subplots(lines, columns, squeeze=False).T.ravel()
    for axes in every:
        axes.set_axis_off()
    for axes, (label, run) in zip(every, runs):
        axes.imshow(read_png(run.grid(run.epochs(1)[-1][run.unit]))[:SHEET_ROW])
        axes.set_title(label, fontsize=7, loc="left", pad=2)
    write_figure(file, figure)


def _words(share: dict | None) -> str:
    if share is None:
        return ""
    of = Interval.of(share)
    return f"{share['hits']}/{share['count']}, {of:.0%}"


def _tables(rows: list[dict], figures: dict) -> str:
    """Every training, and every sign and all together with their intervals."""
    of_runs = [
        {
            "training": f"{r['case']}, {r['data']}, seed {r['seed']}",
            "expected": " or ".join(r["signs"]) or "healthy",
            "found": ", ".join(f"{sign} ({update})" for sign, update in r["found"].items()) or "nothing",
        }
        for r in rows
        if not r["case"].startswith(KEPT)
    ]
    of_signs = [
        {
            "sign": sign,
            "found of planted (95%)": _words(of["detected"]) or "none planted",
            "by this sign": of.get("by_this_sign", "") if of["detected"] else "",
            "at update (median)": "" if of.get("at") is None else f"{of['at']:.0f}",
            "false alarms of healthy (95%)": _words(of["false_alarms"]) or "none healthy",
        }
        for sign, of in {**figures["by_sign"], "all": figures}.items()
    ]
    again, ahead = figures["said_again"], figures["updates_before_not_finite"]
    return (
        f"{table(of_runs)}\n\n{table(of_signs)}\n\n"
        f"Said again after it was over: {again['times']} times, in {again['runs']} of {len(rows)} runs.\n"
        f"Updates from the first warning to numbers that are not finite: {', '.join(map(str, ahead)) or 'none'}."
    )


@in_a_sentence
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", help=f"datasets or folders, with :SIZE; else {' '.join(DATA)}")
    parser.add_argument("--only", nargs="+", choices=[case.name for case in CASES], metavar="CASE")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--scale", choices=SIZES, default="quick", help="smallest: to see that it works")
    parser.add_argument("--runs-dir", type=Path, default=runs_folder() / "doctor", help="where the runs go")
    parser.add_argument("--data-dir", type=Path, help="folder of the datasets")
    parser.add_argument("--no-kept", action="store_true", help="without the courses in notebooks/results")
    parser.add_argument("--sheet", type=Path, help="a .png file for samples of every run")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    try:
        _judge(options)
        return 0
    except (Interrupted, KeyboardInterrupt) as stop:
        place = one_line(str(options.runs_dir))
        print(f"\nStopped. What was trained is kept in {place}; the same command goes on from there.", file=sys.stderr)
        return 128 + getattr(stop, "signal", signal.SIGINT)


def _judge(options: argparse.Namespace) -> None:
    wanted = list(experiments(options))
    if not wanted:
        raise InputError(f"At the sizes of --data no outcome is known of {', '.join(options.only)}; ask for another.")
    seconds = duration(SECONDS * len(wanted))
    print(f"{len(wanted)} runs, about {seconds} on 2 quiet cores if none is trained yet.", file=sys.stderr)
    rows, drawn = [], []
    bar = tqdm(wanted, unit="run", file=sys.stderr)
    for case, place, experiment in bar:
        bar.set_postfix_str(f"{case.name}, {place}")
        run = trained(case, experiment, options)
        failed = run.state.status == "failed"
        about = {"case": case.name, "data": place, "seed": experiment.training.seed, "signs": case.signs}
        ends = {"updates": run.state.update, "not finite": len(run.steps()["update"]) + 1 if failed else None}
        rows.append(about | course(run.experiment, run.watch()) | ends | {"seconds": round(run.state.seconds, 1)})
        said = ", ".join(f"{sign} ({update})" for sign, update in rows[-1]["found"].items()) or "nothing"
        drawn.append((f"{case.name}, {place}: {said}", run))
    if options.sheet:
        draw(drawn, options.sheet)
    if not options.no_kept:
        rows += kept()
    figures = judged(rows)
    print(json.dumps({"runs": rows, **figures}, indent=2) if options.json else _tables(rows, figures))


if __name__ == "__main__":
    sys.exit(main())
