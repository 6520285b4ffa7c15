"""`./dcgan study`."""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from utils.cli.places import DataDir, Json
from utils.cli.text import short
from utils.data.catalogue import available_splits
from utils.errors import InputError
from utils.files import expect_folder, expect_writable
from utils.presets import SCALES
from utils.studies import COUNTING, STUDIES
from utils.tables import table


@dataclass(frozen=True)
class Study:
    """Train the arms of a study with several seeds and keep what is measured; what is there already is not repeated."""

    name: Annotated[
        Positional[Literal[tuple(STUDIES)] | None],  # type: ignore[valid-type]
        arg(metavar="STUDY", help=f"Which: {', '.join(STUDIES)}; --list says what they ask."),
    ] = None
    data: str = "faces"
    """Name of a dataset, or a folder of pictures."""
    scale: Literal[SCALES] = "report"  # type: ignore[valid-type]
    """report: what the committed results are made with; quick: minutes, as the notebooks; smallest: seconds."""
    arms: tuple[str, ...] = ()
    """Only these arms."""
    seeds: tuple[int, ...] = ()
    """Only these seeds."""
    list: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the studies, or the arms of one, and stop."""
    json: Json = False
    runs_dir: Path | None = None
    """Folder of the runs; saved_models/studies/ by default. The results go to results/ in there."""
    out: Path | None = None
    """Folder of the results. The committed ones, which the notebooks show, are in notebooks/results/."""
    data_dir: DataDir = None

    def run(self) -> None:
        from utils import runtime
        from utils.figure import write_figure

        if any(seed < 0 for seed in self.seeds):
            raise InputError(f"--seeds must be at least 0. Received: {', '.join(map(str, self.seeds))}.")
        if self.name is None and not self.list:
            raise InputError(f"Which study? Choose from {', '.join(STUDIES)}; ./dcgan study --list says what they ask.")
        if self.name is None:
            rows = [{"study": name, "what": about} for name, about in STUDIES.items()]
            print(json.dumps({"rows": rows}, indent=2) if self.json else table(rows))
            return
        available_splits(self.data, self.data_dir)  # refuses what is no dataset, also where arms are listed only
        module = importlib.import_module(f"utils.studies.{self.name}")
        where = {"data_dir": self.data_dir} if self.name in COUNTING else {}
        study = getattr(module, self.name)(self.data, self.scale, **where)
        study = study.only(self.arms, self.seeds)
        if self.list:
            return _say(study.question, [{"arm": arm.name, "what": arm.about} for arm in study.arms], [], self.json)
        expect_folder(self.out)
        expect_folder(self.runs_dir, "--runs-dir")
        if self.runs_dir is not None:
            expect_writable(self.runs_dir)
        runtime.start()  # before anything imports Keras: oneDNN is on then, and TensorFlow quiet
        from utils.studies import results
        from utils.studies.train import train_study

        carry_out = getattr(module, "carry_out", train_study)  # of a study that trains no networks of its own
        _, file = carry_out(study, self.runs_dir, self.out, data_dir=self.data_dir, progress=not self.json)
        rows, figure = module.answer(results.load(study.name, file.parent))
        picture = write_figure(file.with_suffix(".png"), figure)
        _say(study.question, rows, [file, picture], self.json)


def _say(question: str, rows: list[dict], files: list[Path], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"question": question, "rows": rows, "files": [str(file) for file in files]}, indent=2))
        return
    print("\n\n".join([question, table(rows), *(["\n".join(map(short, files))] if files else [])]))
