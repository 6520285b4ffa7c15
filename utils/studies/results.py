"""What is kept of a study: one JSON file with the figures of every run, and for each run one picture of its samples.

They are small enough to be committed, so that a notebook can show what took hours.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from utils import data as datasets
from utils.config import DataConfig
from utils.data import scale_back
from utils.data.catalogue import is_own, reading
from utils.errors import InputError
from utils.files import appear_together, locked, make_folder, read_object, write_text
from utils.runs import PROJECT, Run, runs_folder
from utils.runtime import versions_of
from utils.sampling import Sampler
from utils.studies.study import Study
from utils.viz import grid, write_png

RESULTS = PROJECT / "notebooks" / "results"
"""Where the committed results are."""
POINTS = 80
"""Values that a curve is kept with: means over as many parts of the run."""
SAMPLES = 12
"""Samples that a picture shows, from the same latents in all arms."""
_TRAINING = ("run", "updates", "fingerprint", "device", "curves")
"""What is the same in records of one training; another may have its run's name, later."""
BEGINNING = "-epochs"
"""How the names of arms end that are the first epochs of another arm, on as many images."""


def folders(home: str | Path | None = None, out: str | Path | None = None) -> tuple[Path, Path]:
    """Where a study puts what it makes.

    Args:
        home: folder of the runs of studies; by default `studies/` where runs go.
        out: folder of the results; by default `results/` in `home`.

    Returns:
        Both.
    """
    home = Path(home or runs_folder() / "studies")
    return home, Path(out or home / "results")


def images_of(data: DataConfig, size: int, data_dir: str | Path | None = None, progress: bool = True) -> str:
    """What tells the images of a study from others of the same name: the name of a dataset; of own pictures, whose
    results are called after the last part of their path, the fingerprint of them all, wherever they lie.

    Args:
        data: what the study is on; `count` does not matter.
        size: side of the images in pixels.
        data_dir: where datasets are; own pictures are read now if they were not before.
        progress: whether to show a progress bar.

    Raises:
        InputError: there is no such dataset, or it cannot be used.
    """
    if not is_own(data.name):
        return data.name
    return datasets.load(data.name, size, data_dir=data_dir, progress=progress, **reading(data)).fingerprint


def expect_same_images(study: Study, images: str | None, folder: str | Path) -> None:
    """Refuse to add to results of other images. Those that were kept before images were noted are taken for the same.

    Args:
        study: its name is that of the results.
        images: as `images_of` gives it; None is not looked at.
        folder: where results are kept.

    Raises:
        InputError: results of that name are there, of other images.
    """
    file = Path(folder) / f"{study.name}.json"
    kept = load(study.name, folder).get("images") if file.is_file() else None
    if images and kept and images != kept:
        raise InputError(
            f"Results that are kept together have to be of the same images. Received: {study.name} on {images[:16]}, "
            f"while {file} is on {kept[:16]}, other images of the same name; choose another folder of results (--out), "
            "or rename the folder of the pictures."
        )


def images_expected(
    study: Study,
    data: DataConfig,
    size: int,
    folder: str | Path,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> str:
    """What tells the images of a study from others, as `images_of` gives it, before anything is made of them.

    Args:
        study, folder: as for `expect_same_images`.
        data, size, data_dir, progress: as for `images_of`.

    Raises:
        InputError: there is no such dataset, or it cannot be used, or results of that name are there, of other images.
    """
    images = images_of(data, size, data_dir, progress)
    expect_same_images(study, images, folder)
    return images


def keep(
    study: Study,
    runs: dict[tuple[str, int], Run],
    folder: str | Path = RESULTS,
    measure: Callable[[Run], dict] | None = None,
    speeds: dict | None = None,
    progress: bool = False,
    images: str | None = None,
    pictures: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write the results of a study, when all is measured. Those of other arms and seeds, which were kept there before,
    stay.

    Args:
        study: what was asked.
        runs: the run of each (arm, seed), as `train_arms` gave them.
        folder: where results are kept.
        measure: gives more figures of a run, as plain values.
        speeds: of the arms, as `measure.speeds` gives them; those of other arms stay if they are of the same device.
        progress: whether to show a progress bar over the runs that are measured.
        images: what the study is on, as `images_of` gives it; None for what is kept there.
        pictures: more of them, as for `write`; `measure` may add to it.

    Returns:
        The JSON file, `<folder>/<study's name>.json`; the pictures are beside it, `<study's name>/<arm>-<seed>.png`.

    Raises:
        InputError: results of that name are there, of other images.
    """
    folder = Path(folder)
    expect_same_images(study, images, folder)
    records, drawn = {}, {}
    bar = tqdm(runs.items(), desc=f"{study.name}, measuring", unit="run", disable=not (progress and measure))
    for (arm, seed), run in bar:
        bar.set_postfix_str(f"{arm}, seed {seed}")
        steps, environment = run.steps(), run.environment
        records[arm, seed] = {
            "run": f"{run.folder.parent.name}/{run.folder.name}",
            "updates": int(steps["update"][-1]) if steps else 0,  # it may fail in its first
            "seconds": run.seconds,
            "device": environment["device"]["name"],
            "versions": versions_of(environment),
            "images": environment["images"],
            "fingerprint": environment["fingerprint"],
            "commit": environment.get("commit"),
            "curves": curves(steps),
            "watch": [_rounded_row(row) for row in run.watch() if "gap" in row],  # summaries look for copies only
            "epochs": [_rounded_row(row) for row in run.epochs()],
            **(measure(run) if measure else {}),
        }
        drawn[f"{arm}-{seed}.png"] = grid(_samples(run), columns=SAMPLES, tile=32)
    return write(study, records, folder, speeds, images, drawn | dict(pictures or {}))


def write(
    study: Study,
    records: dict[tuple[str, int], dict],
    folder: str | Path = RESULTS,
    speeds: dict | None = None,
    images: str | None = None,
    pictures: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write what is known of each (arm, seed), as plain values, and pictures. What was kept there of others stays.

    File and pictures change together, so that no figures stand beside the pictures of another training. Of two
    processes that write at once, one waits for the other, so that both add to what is kept.

    Args:
        study, folder, speeds, images: as for `keep`.
        records: of each (arm, seed).
        pictures: uint8 (H, W, 3) by the names of their files ("base-0.png") in the folder of the study's name.

    Returns:
        The JSON file.

    Raises:
        InputError: results of that name are there, of other images.
    """
    with locked(make_folder(folder) / ".lock", lambda: None, lambda sentence: print(sentence, file=sys.stderr)):
        return _add(study, records, Path(folder), speeds, images, pictures)


def _add(
    study: Study,
    records: dict[tuple[str, int], dict],
    folder: Path,
    speeds: dict | None,
    images: str | None,
    pictures: Mapping[str, np.ndarray] | None,
) -> Path:
    """What `write` does, where nobody else writes."""
    expect_same_images(study, images, folder)
    file = folder / f"{study.name}.json"
    before = load(study.name, folder) if file.is_file() else {"arms": {}, "runs": []}
    kept = {(run["arm"], run["seed"]): run for run in before["runs"]}
    for (arm, seed), record in records.items():
        former = kept.get((arm, seed), {})
        # Who only looks at a training, as notebooks do, does not lose what was measured of it.
        same = "run" in record and all(former.get(name) == record.get(name) for name in _TRAINING)
        kept[arm, seed] = {"arm": arm, "seed": seed} | (former if same else {}) | record
    arms = before["arms"] | {arm.name: arm.about for arm in study.arms}
    order = list(arms)
    rows = sorted(kept.values(), key=lambda record: (record["seed"], order.index(record["arm"])))
    about = {"study": study.name, "question": study.question, "arms": arms, "scale": study.scale}
    if images := images or before.get("images"):
        about["images"] = images
    kept_speeds = before.get("speeds")
    if speeds:
        same = kept_speeds and kept_speeds["device"] == speeds["device"]
        kept_speeds = speeds | {"relative": (kept_speeds["relative"] if same else {}) | speeds["relative"]}
    if kept_speeds:
        about["speeds"] = kept_speeds
    head = json.dumps(about, indent=1, ensure_ascii=False)
    runs_lines = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)  # a line for each run
    with appear_together(folder) as made:
        if pictures and (folder / study.name).is_dir():
            shutil.copytree(folder / study.name, made / study.name, symlinks=True)  # the new folder takes its place
        for name, picture in (pictures or {}).items():
            write_png(made / study.name / name, picture)
        write_text(made / file.name, f'{head.rstrip()[:-2]},\n "runs": [\n{runs_lines}\n]}}\n')
    return file


def has_speeds(study: Study, device: str, folder: str | Path = RESULTS) -> bool:
    """Whether the speeds of all arms of a study are kept, as they are on a device (`measure.device_of`)."""
    if not (Path(folder) / f"{study.name}.json").is_file():
        return False
    kept = load(study.name, folder).get("speeds", {"device": None, "relative": {}})
    return kept["device"] == device and {arm.name for arm in study.arms} <= kept["relative"].keys()


def load(name: str, folder: str | Path = RESULTS) -> dict:
    """The results of the study of that name, as `keep` wrote them; "pictures" is the folder of their samples.

    Raises:
        InputError: there are none.
    """
    folder = Path(folder)
    if not (folder / f"{name}.json").is_file():
        there = ", ".join(sorted(file.stem for file in folder.glob("*.json"))) or "none"
        raise InputError(f"There are no results {name!r} in {folder}; there are: {there}.")
    file = folder / f"{name}.json"
    found = read_object(file)
    if not isinstance(found.get("runs"), list) or not isinstance(found.get("arms"), dict):
        raise InputError(f"{file} has no arms and runs, as results of a study have: take it from a copy.")
    return found | {"pictures": folder / name}


def runs_by_arm(results: dict) -> dict[str, list[dict]]:
    """The kept runs of each arm that has some, in the order of the arms; of an arm in that of the seeds.

    Args:
        results: as `load` gives them.
    """
    runs: dict[str, list[dict]] = {arm: [] for arm in results["arms"]}
    for run in results["runs"]:
        runs.setdefault(run["arm"], []).append(run)
    return {arm: found for arm, found in runs.items() if found}


def trainings(runs: Iterable[dict]) -> list[dict]:
    """Of kept runs those that are trainings of their own, in their order: whoever counts runs counts these.

    Arms called `BEGINNING` are the first updates of another. And one training may be kept as several runs: where
    studies share an arm, and where arms differ in nothing but an average of the weights, which no update depends on.
    """
    first = {}
    for run in runs:
        if not run["arm"].endswith(BEGINNING):
            first.setdefault(tuple(run["curves"]["loss_generator"]), run)
    return list(first.values())


def seed_column(results: dict, run: dict) -> dict[str, int]:
    """The seed of a run as a column of its row, where there are several; none where all rows would say the same."""
    return {"seed": run["seed"]} if len({each.get("seed") for each in results["runs"]}) > 1 else {}


def rounded(value: float) -> float:
    """To five digits, as figures are kept."""
    return float(f"{value:.5g}")


def curves(steps: dict[str, np.ndarray], points: int = POINTS) -> dict[str, list[float]]:
    """The records of all updates as means over `points` parts of the run; "update" is the middle of each part."""
    if not steps:
        return {}
    parts = np.array_split(np.arange(len(steps["update"])), min(points, len(steps["update"])))
    return {name: [_mean(values[part]) for part in parts] for name, values in steps.items() if name != "epoch"}


def _mean(values: np.ndarray) -> float | None:
    """The mean of what there is: some terms have their turn every few updates only."""
    there = values[np.isfinite(values)]
    return rounded(there.mean()) if len(there) else None


def _samples(run: Run) -> np.ndarray:
    from utils.models import load_network

    latents = np.load(run.latents_file, allow_pickle=False)[:SAMPLES]
    return scale_back(Sampler.of(load_network(run.model("generator")), run.experiment).images(latents))


def _rounded_row(row: dict) -> dict:
    return {name: rounded(value) if isinstance(value, float) else value for name, value in row.items()}
