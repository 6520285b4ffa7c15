"""`./dcgan datasets`."""

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from utils.cli.places import DataDir, Json
from utils.cli.text import short
from utils.errors import InputError
from utils.files import expect_folder
from utils.tables import table
from utils.text import command, one_line

WIDTH = 118  # letters of a line of the list
MANY = 45  # of more classes than this, the table shows the largest
LISTED = 10  # files that were left out are printed; more are counted
BIG_COUNT = 10_000  # images of a big dataset that are looked at, if no number is given
MISSING = "missing; to get it:"
NEEDS = {
    "part": ("prepare",),
    "size": ("show", "prepare"),
    "split": ("show", "prepare"),
    "small": ("show", "prepare"),
    "count": ("show", "prepare"),
    "out": ("show",),
}
"""Options that have no effect without one of others."""


@dataclass(frozen=True)
class Datasets:
    """Print the datasets: what is there, what is missing and how to get it. Or look at one of them (--show)."""

    name: Annotated[Positional[str | None], arg(metavar="NAME|FOLDER")] = None
    """Only this dataset; also a folder of pictures, or an .npz / .npy file."""
    show: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Draw a contact sheet and statistics: mean image, images per class and attribute, sizes of the files."""
    prepare: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Prepare the images now, as a training would before it begins."""
    part: Annotated[str | None, arg(metavar="I/N")] = None
    """With --prepare: only part I of N, such as 2/8, while other machines that share the folder of the datasets prepare
    the others. --prepare alone, or a training, then does what is left."""
    size: int = 32
    """With --show and --prepare: side of the images, in pixels."""
    split: str = "train"
    """Which part of the dataset, with --show and --prepare; also which part of a folder of pictures."""
    small: Literal["leave_out", "enlarge"] = "leave_out"
    """With --show and --prepare: what becomes of pictures in a folder that are smaller than --size."""
    count: int | None = None
    """With --show and --prepare: how many images; by default all, but to be shown 10,000 of CelebA, LSUN, ImageNet."""
    out: Path | None = None
    """With --show: folder to write to; by default statistics/NAME-SPLIT-SIZE/ in the folder of the datasets, with
    --count behind it, or digits of the fingerprint of own pictures."""
    json: Json = False
    data_dir: DataDir = None

    def run(self) -> None:
        self._expect_effect()
        expect_folder(self.out)
        if self.prepare:
            _prepare(self)
        elif self.show:
            _show(self)
        else:
            _list(self)

    def _expect_effect(self) -> None:
        from utils.data.catalogue import is_own

        for name, others in NEEDS.items():
            if getattr(self, name) == getattr(type(self), name) or any(getattr(self, other) for other in others):
                continue
            if name == "split" and self.name is not None and is_own(self.name):  # own pictures are counted by split
                continue
            either = " or ".join(f"--{other}" for other in others)
            raise InputError(f"--{name} has an effect only with {either}: add that, or leave --{name} out.")


def _list(options: Datasets) -> None:
    from utils.data.catalogue import catalogue, find_source, say_if_ambiguous
    from utils.data.fetching import data_folder

    if options.name is not None:
        say_if_ambiguous(options.name, options.data_dir)
    entries = [entry for entry in catalogue() if options.name in (None, entry.name)]
    if not entries:
        pictures = find_source(options.name, 1, split=options.split).describe()  # no size is asked for
        record = {
            "title": pictures.title,
            "images": pictures.count,
            "classes": list(pictures.label_names),
            "notes": list(pictures.notes),
            "others": list(pictures.others),
        }
        classes = f", classes: {one_line(', '.join(pictures.label_names))}" if pictures.label_names else ""
        lines = [f"{pictures.title}: {pictures.count:,} images{classes}", *map(one_line, pictures.notes)]
        if len(pictures.others) > LISTED:
            lines.append(f"The first {LISTED} of {len(pictures.others):,} left out (--json prints all):")
        lines += [f"  {one_line(other)}" for other in pictures.others[:LISTED]]
        print(json.dumps(record, indent=2, ensure_ascii=False) if options.json else "\n".join(lines))
        return
    if options.json:
        names = ("name", "title", "built_in", "native_size", "images", "splits", "download", "terms")
        rows = [{name: getattr(entry, name) for name in names} for entry in entries]
        for row, entry in zip(rows, entries):
            found, script = entry.available(options.data_dir), entry.fetch(data_dir=options.data_dir)
            row |= {"script": script, "present": bool(found), "found": found}
        print(json.dumps(rows, indent=2))
        return
    rows = [
        {
            "dataset": entry.name,
            "images": ", ".join(f"{split} {count:,}" if count else split for split, count in entry.splits.items()),
            "size": str(entry.native_size or "any"),
            "state": _state(entry, options.data_dir),
        }
        for entry in entries
    ]
    header, rule, *lines = table(rows).splitlines()
    indent = " " * (header.index("images"))
    print(header, rule, sep="\n")
    for line, row, entry in zip(lines, rows, entries):
        print(line)
        if row["state"] == MISSING:
            print(f"{indent}{entry.fetch(data_dir=options.data_dir)}")  # alone and whole, to be copied
        about = f"{entry.download} to fetch. {entry.terms}" if entry.download else entry.terms
        print(textwrap.fill(about, WIDTH, initial_indent=indent, subsequent_indent=indent))
    name = options.name or "NAME"
    print(
        f"\nDatasets live in {short(data_folder(options.data_dir))}.\n"
        f"To look at one: {command('datasets', name, '--show')}\n"
        "A folder of pictures, or an .npz or .npy file, needs no entry: ./dcgan train --data FOLDER"
    )


def _prepare(options: Datasets) -> None:
    from utils.data.catalogue import check_asked, check_count, check_small, find_source, load
    from utils.data.fetching import data_folder
    from utils.data.prepare import prepare_part

    if options.name is None or options.show:
        raise InputError("--prepare needs the name of a dataset, or a folder of pictures, and goes without --show.")
    check_small(options.name, options.small)
    which = {"data_dir": options.data_dir, "split": options.split, "small": options.small}
    if options.part is None:
        dataset = load(options.name, options.size, options.count, progress=not options.json, **which)
        record = {"title": dataset.title, "images": len(dataset), "fingerprint": dataset.fingerprint}
        record |= {name: list(getattr(dataset, name)) for name in ("skipped", "others", "notes")}
        said = [f"{dataset.title}: {len(dataset):,} images of {options.size}x{options.size}, ready"]
        said += dataset.remarks("what the same command prints with --json")
    else:
        part, _, parts = options.part.partition("/")
        if not (part.isdecimal() and parts.isdecimal()):
            raise InputError(f"--part must be like 2/8, the second of eight. Received: {options.part!r}.")
        check_asked(options.size, options.count)
        source, folder = find_source(options.name, options.size, options.count, **which), data_folder(options.data_dir)
        check_count(source, options.count)
        prepare_part(source, options.size, folder / "prepared", int(part), int(parts), progress=not options.json)
        title = source.describe().title
        record = {"title": title, "part": int(part), "parts": int(parts)}
        said = [f"{title}: part {options.part} is prepared; when all are, --prepare without --part finishes."]
    print(json.dumps(record, indent=2, ensure_ascii=False) if options.json else "\n".join(said))


def _state(entry, data_dir: Path | None) -> str:
    available = entry.available(data_dir)
    if entry.built_in:
        return "built in"
    if not available:
        return MISSING
    return "present" if len(available) == len(entry.splits) else f"present: {', '.join(available)}"


def _show(options: Datasets) -> None:
    from utils.data.catalogue import check_out, check_small, find_entry, find_source, load
    from utils.data.fetching import data_folder
    from utils.data.statistics import draw, statistics, summary
    from utils.files import write_json
    from utils.runs import results_slug

    if options.name is None:
        raise InputError("--show needs the name of a dataset, such as ./dcgan datasets faces --show.")
    check_out(options.name, options.out, "statistics")
    check_small(options.name, options.small)
    entry = find_entry(options.name)
    count = options.count
    which = {"data_dir": options.data_dir, "split": options.split, "small": options.small, "tolerated": 1.0}
    if count is None and entry and entry.big:
        count = find_source(options.name, options.size, BIG_COUNT, **which).describe().count  # there may be fewer
    dataset = load(options.name, options.size, count, **which)
    source = find_source(options.name, options.size, count, **which)
    figures = statistics(dataset, source)
    record = {
        "name": dataset.name,
        "title": dataset.title,
        "split": dataset.split,
        "fingerprint": dataset.fingerprint,
        **summary(figures),
        "skipped": list(dataset.skipped),
        "others": list(dataset.others),
        "notes": list(dataset.notes),
        "terms": dataset.terms,
    }
    name = results_slug(dataset, options.count)
    folder = options.out or data_folder(options.data_dir) / "statistics" / name
    write_json(folder / "statistics.json", record)  # first: it tells that the drawings are no pictures to learn from
    drawn = draw(figures, dataset, folder)
    if options.json:
        print(json.dumps(record | {"folder": str(folder)}, indent=2, ensure_ascii=False))
        return
    print(
        f"{dataset.title}: {len(dataset):,} images of {options.size}x{options.size}, {len(dataset.skipped):,} skipped"
    )
    for remark in dataset.remarks("statistics.json"):
        print(remark)
    for what, values in (("mean", record["mean_rgb"]), ("deviation", record["deviation_rgb"])):
        print(f"{what:<10} red {values[0]:.1f}, green {values[1]:.1f}, blue {values[2]:.1f}")
    if figures.sizes:
        print(f"{'files':<10} {_sizes_in_words(figures)}")
    for kind, counts in (("class", figures.labels), ("attribute", figures.attributes)):
        if counts:
            print(f"\n{_counts_table(kind, counts, figures.images)}")
    print(f"\nIn {short(folder)}: {', '.join(path.name for path in drawn)}, statistics.json")


def _sizes_in_words(figures) -> str:
    """The most frequent sizes of the files, and the range."""
    frequent = [f"{width}x{height} ({files:,})" for (width, height), files in list(figures.sizes.items())[:3]]
    widths, heights = zip(*figures.sizes)
    among = f" of {len(figures.sizes):,} sizes from {min(widths)}x{min(heights)} to {max(widths)}x{max(heights)}"
    return f"{', '.join(frequent)}{among if len(figures.sizes) > 3 else ''}; {figures.measured:,} files measured"


def _counts_table(kind: str, counts: tuple[tuple[str, int], ...], images: int) -> str:
    """Names with their counts and shares; of very many the largest."""
    some = counts if len(counts) <= MANY else sorted(counts, key=lambda pair: -pair[1])[:10]
    rows = [{kind: name, "images": count, "share": f"{count / images:.1%}"} for name, count in some]
    rest = f"\n… and {len(counts) - len(some):,} more" if len(some) < len(counts) else ""
    return table(rows) + rest
