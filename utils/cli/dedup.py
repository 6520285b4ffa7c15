"""`./dcgan dedup`."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from utils.cli.places import DataDir, Json
from utils.cli.text import short
from utils.errors import InputError


@dataclass(frozen=True)
class Dedup:
    """Find images that repeat others, and draw them. Nothing is changed: `./dcgan train --dedup` trains without them.

    exact finds equal pixels; near also recompressed, brightened, slightly shifted and cropped copies; autoencoder the
    equal codes of the autoencoder of Radford, Metz, Chintala §4.1.
    """

    name: Annotated[Positional[str], arg(metavar="NAME|FOLDER")]
    """A dataset (`./dcgan datasets` lists them), or a folder of pictures, or an .npz / .npy file."""
    method: Literal["exact", "near", "autoencoder"] = "near"
    """What counts as a duplicate."""
    size: int = 32
    """Side of the images, in pixels."""
    count: int | None = None
    """How many images: the first so many of a dataset, so many drawn of own pictures. All of them by default (a
    built-in dataset draws 10,000)."""
    split: str = "train"
    """Which part of the dataset."""
    small: Literal["leave_out", "enlarge"] = "leave_out"
    """What becomes of pictures in a folder that are too small."""
    seed: int = 0
    """Seed of what is random in the methods near and autoencoder; exact has none. A training uses 0."""
    out: Path | None = None
    """Folder to write to; by default duplicates/NAME-SPLIT-SIZE-METHOD/ in the folder of the datasets, with a --seed
    other than 0 behind it, then --count, or digits of the fingerprint of own pictures."""
    json: Json = False
    data_dir: DataDir = None

    def run(self) -> None:
        _dedup(self)


def _dedup(options: Dedup) -> None:
    from utils.data import load
    from utils.data.catalogue import check_out, check_small
    from utils.data.dedup import draw_groups, find_duplicates
    from utils.data.fetching import data_folder
    from utils.files import expect_folder, write_json
    from utils.runs import results_slug

    if options.method == "exact" and options.seed != Dedup.seed:
        raise InputError(
            "--seed has an effect only with --method near or autoencoder: choose one of them, or leave --seed out."
        )
    expect_folder(options.out)
    check_out(options.name, options.out, "duplicates")
    check_small(options.name, options.small)
    pictures = {"split": options.split, "small": options.small, "tolerated": 1.0}
    dataset = load(options.name, options.size, options.count, data_dir=options.data_dir, **pictures)
    for remark in dataset.remarks("the statistics.json of `./dcgan datasets --show`"):
        print(remark, file=sys.stderr)
    found = find_duplicates(dataset.images, options.method, options.seed)
    seeded = [f"seed{seed}"] if (seed := found.settings.get("seed")) else []
    place = results_slug(dataset, options.count, options.method, *seeded)
    folder = options.out or data_folder(options.data_dir) / "duplicates" / place
    summary = {
        "dataset": dataset.name,
        "split": dataset.split,
        "size": options.size,
        "fingerprint": dataset.fingerprint,
        "method": found.method,
        "settings": found.settings,
        "images": found.count,
        "groups": len(found.groups),
        "largest_group": max(map(len, found.groups), default=0),
        "removed": found.removed,
        "share": found.removed / found.count,
    }
    rows, picture = folder / "duplicates.json", folder / "groups.png"
    write_json(rows, summary | {"groups": [group.tolist() for group in found.groups]})
    if found.groups:
        draw_groups(dataset.images, found, picture)
    else:
        picture.unlink(missing_ok=True)  # of an earlier call, with other images
    if options.json:
        print(json.dumps(summary | {"rows": str(rows), "picture": str(picture) if found.groups else None}, indent=2))
        return
    print(
        f"images    {found.count:,} of {dataset.title}\n"
        f"groups    {len(found.groups):,}, the largest of {summary['largest_group']:,}\n"
        f"removed   {found.removed:,}, all but the first of each group\n"
        f"share     {summary['share']:.2%}\n"
        f"rows      {short(rows)}"
    )
    if found.groups:
        print(f"pictures  {short(picture)}")
