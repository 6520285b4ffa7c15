"""`./dcgan datasets`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from utils.cli.text import table


@dataclass(frozen=True)
class Datasets:
    """Print the datasets: what is there, what is missing and how to get it."""

    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON."""
    data_dir: Path | None = None
    """Folder of the datasets; data/ by default."""

    def run(self) -> None:
        _datasets(self.json, self.data_dir)


def _datasets(as_json: bool, data_dir: Path | None) -> None:
    from utils.data.catalogue import catalogue

    entries = catalogue()
    if as_json:
        names = ("name", "title", "built_in", "native_size", "images", "terms", "script")
        print(
            json.dumps(
                [{n: getattr(e, n) for n in names} | {"present": e.present(data_dir)} for e in entries], indent=2
            )
        )
        return

    def state(entry) -> str:
        return "built in" if entry.built_in else "present" if entry.present(data_dir) else f"missing: {entry.script}"

    print(
        table(
            [
                {
                    "dataset": entry.name,
                    "state": state(entry),
                    "images": f"{entry.images:,}" if entry.images else "any number",
                    "size": f"{entry.native_size}" if entry.native_size else "any",
                    "terms": entry.terms,
                }
                for entry in entries
            ]
        )
    )
    print("\nA folder of pictures, or an .npz or .npy file, needs no entry: ./dcgan train --data FOLDER")
