"""`./dcgan compare`."""

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from utils.cli.evaluate import is_newest
from utils.cli.places import DataDir, Json, RunsDir
from utils.cli.text import written
from utils.errors import InputError
from utils.files import expect_folder, expect_writable, write_json
from utils.tables import table
from utils.text import one_line, slug


@dataclass(frozen=True)
class Compare:
    """Put generators side by side: settings that differ, distances to true images, samples, curves of training.

    Distances are those that were kept; what has none is measured first. They are put into one table only if they were
    measured in the same way.
    """

    names: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN|MODEL|FILE …", help_behavior_hint="")]
    """At least two: runs, models that come with the project, or what `evaluate --out` kept."""
    measure: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Measure all anew, also what was kept; figures in a FILE cannot be."""
    no_distances: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Only settings, curves and samples: no distances are shown, and nothing is measured."""
    anyway: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Put distances into one table also if they were measured in different ways; the table then says so."""
    samples: int | None = None
    """How many samples to measure on; as many as the first that was kept, else, and with --measure, 2,000."""
    features: Annotated[str | None, arg(metavar="auto|imagenet|inception|NAME")] = None
    """Feature space to measure in, as for `evaluate`; that of the first kept, else, and with --measure, auto."""
    out: Path | None = None
    """Folder of the pictures; the current one by default."""
    json: Json = False
    runs_dir: RunsDir = None
    data_dir: DataDir = None

    def run(self) -> None:
        _compare(self)


def _compare(options: Compare) -> None:
    from utils.evaluation.comparison import orders, settings_that_differ, surroundings_that_differ, tables
    from utils.evaluation.records import kept, read_record

    files = [name for name in options.names if _is_record(name)]
    _check(options, files)
    found = [None if name in files else _subject(name, options) for name in options.names]
    if any(found):  # of which pictures are drawn, after minutes of measuring
        expect_writable(options.out or Path.cwd())
    before = [
        read_record(name) if of_one is None else None if options.measure else kept(of_one[0])
        for name, of_one in zip(options.names, found)
    ]
    records = [_usable(*each, options) for each in zip(options.names, found, before)]
    names = _names(options.names, found, records)
    _measure_missing(records, before, names, found, options, bool(files))
    made = [] if options.no_distances else tables(records, names, options.anyway, bool(files))
    settings = settings_that_differ(records)
    surroundings = surroundings_that_differ([_environment(of_one) for of_one in found])
    order = orders(made)
    pictures = _pictures(names, found, options)
    if options.json:
        record = {
            "names": names,
            "settings": settings,
            "surroundings": surroundings,
            "spaces": [vars(each) for each in made],
            "orders": [vars(each) | {"agreed": each.agreed} for each in order],
            "files": [str(file) for file, _ in pictures],
        }
        print(json.dumps(record, indent=2))
        return
    unknown = [name for name, record in zip(names, records) if not record.get("experiment")]
    print(_settings(settings, names, unknown))
    if surroundings:
        print(f"\nbeside the settings\n\n{_settings(surroundings, names, [])}")
    for each in made:
        print(f"\n{_distances(each, names)}")
    if made:
        print(f"\n{_in_words(order, names)}")
    if pictures:
        print("\n" + "\n".join(written(*picture) for picture in pictures))


def _check(options: Compare, files: list[str]) -> None:
    """Refuse options that do not go together, before anything is looked up."""
    from utils.evaluation.distances import LEAST_SAMPLES

    if len(options.names) < 2:
        raise InputError(f"compare takes at least two generators. Received: {len(options.names)}.")
    if options.no_distances and (options.measure or options.anyway or options.samples or options.features):
        raise InputError(
            "--no-distances shows none, so that --measure, --anyway, --samples and --features have nothing to do: "
            "leave it or them out."
        )
    if options.measure and files:
        raise InputError(
            f"--measure takes generators, and a file of figures cannot be measured again. Received: {files[0]}; leave "
            "--measure out, or name the run or model that it is of."
        )
    if options.samples is not None and options.samples < LEAST_SAMPLES:
        raise InputError(f"--samples must be at least {LEAST_SAMPLES}. Received: {options.samples}.")
    expect_folder(options.out)


def _usable(name: str, of_one, record: dict | None, options: Compare) -> dict | None:
    """What is kept of a generator, as it was asked for; None if it has to be measured."""
    from utils.config import to_dict
    from utils.evaluation.records import passports_of

    if options.no_distances:
        if record is None:
            experiment = of_one[0].experiment
            record = {"name": name, "experiment": experiment and to_dict(experiment)}
        return record
    if of_one is None:
        if not options.anyway and not _as_asked(record, options):
            raise InputError(
                f"What {name} holds was measured on {record.get('samples', 'unknown')} samples with --features "
                f"{record.get('features', 'unknown')}, and a file cannot be measured again: leave --samples and "
                "--features out, or name the run or model that it is of."
            )
        return record
    if record and "distance" in record:
        if None in passports_of(record) and not options.anyway:
            return None  # of an earlier version, which did not say how it measured
        if not _as_asked(record, options, of_one):
            return None
    return record


def _measure_missing(
    records: list[dict | None],
    before: list[dict | None],
    names: list[str],
    found: list,
    options: Compare,
    has_files: bool,
) -> None:
    """Measure what is None among the records, as the first kept one was, and put it there."""
    from utils.evaluation.comparison import tables
    from utils.evaluation.distances import SAMPLES

    if not (missing := [place for place, record in enumerate(records) if record is None]):
        return
    known = next((record for record in before if record and "samples" in record), {})
    protocol = {
        "samples": options.samples or known.get("samples", SAMPLES),
        "features": options.features or known.get("features", "auto"),
        "seed": known.get("seed", 0),
    }
    if there := [place for place, record in enumerate(records) if record]:
        # What does not belong together is said before anything is measured.
        tables([records[place] for place in there], [names[place] for place in there], options.anyway, has_files)
    if not options.anyway:
        _check_comparable(names, found)
    for place in missing:
        records[place] = _measure(names[place], *found[place], protocol, options)


def _is_record(name: str) -> bool:
    """Whether a name is that of a file of figures, whatever `evaluate --out` called it."""
    return name.endswith(".json") or (Path(name).is_file() and not name.endswith(".keras"))


def _check_comparable(names: list[str], found: list) -> None:
    """Refuse what would be refused after minutes of measuring."""
    from utils.data.catalogue import place_of
    from utils.evaluation.comparison import check_comparable
    from utils.evaluation.records import checkpoint_of

    generators = [(name, *of_one) for name, of_one in zip(names, found) if of_one]
    about = [
        {
            "true images": place_of(data.name),
            "pixels": trained.experiment.model.image_size,
            "checkpoint": checkpoint_of(trained),
        }
        for _, trained, data in generators
    ]
    check_comparable(about, [name for name, *_ in generators])


def _as_asked(record: dict, options: Compare, of_one=None) -> bool:
    """Whether a kept record was measured on so many samples and in those spaces, where any are asked for."""
    if options.samples not in (None, record.get("samples")):
        return False
    if options.features in (None, record.get("features")):
        return True
    return "features" not in record and of_one is not None and _has_spaces(record, options, *of_one)


def _has_spaces(record: dict, options: Compare, trained, data) -> bool:
    """Whether the spaces of a card, which does not say what was asked for, are those that this would be measured in."""
    from utils import runtime
    from utils.evaluation.records import spaces_of

    runtime.import_tensorflow()  # quietly, before what brings it
    from utils.evaluation.features import fingerprint_of

    size, how = trained.experiment.model.image_size, {"small": data.small, "data_dir": options.data_dir}
    try:
        asked = {fingerprint_of(data.name, size, features=name, **how) for name in options.features.split(",")}
    except InputError:  # without its dataset it cannot be told, nor measured, which says why
        return False
    return asked <= {measured["fingerprint"] for measured in spaces_of(record)}


def _environment(of_one) -> dict:
    """What is known of what a training was made of, beside its settings."""
    from utils.pretrained import Pretrained, environment_of

    if of_one is None:
        return {}
    trained = of_one[0]
    if trained.run is not None:
        return trained.run.environment
    model = Pretrained(trained.file.parent)
    return environment_of(model.card) if (model.folder / "card.json").is_file() else {}


def _subject(name: str, options: Compare):
    """A generator and the true images to compare it with; without distances also one that does not name any (None)."""
    from utils.networks import find_network

    trained = find_network(name, "generator", options.runs_dir)
    if trained.experiment is None and not options.no_distances:
        kept = shlex.quote(f"{trained.file.stem}.json")
        raise InputError(
            f"{trained.file} does not say what it was trained on, so compare has no true images to measure it by: keep "
            f"its distance with `./dcgan evaluate {shlex.quote(name)} --data NAME --out {kept}` and name {kept} in its "
            "place, or compare without distances (--no-distances)."
        )
    return trained, trained.experiment and trained.experiment.data


def _names(given: tuple[str, ...], found: list, records: list[dict | None]) -> list[str]:
    """What to call each, all different."""
    titles = [
        of_one[0].title if of_one else record.get("name", name) for name, of_one, record in zip(given, found, records)
    ]
    names = list(map(one_line, titles))
    return [f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names, 1)]


def _measure(name: str, trained, data, protocol: dict, options: Compare) -> dict:
    from utils.data.catalogue import find_source, reading

    try:  # before TensorFlow is waited for
        find_source(data.name, count=data.count, data_dir=options.data_dir, **reading(data))
    except InputError as error:
        raise InputError(
            f"{name} has no kept distance with a passport, and cannot be measured here: {error} With --anyway what an "
            "earlier version measured is shown."
        ) from error
    print(
        f"Measuring {name} on {protocol['samples']:,} samples: 1 to 3 minutes, and up to 10 more where a classifier "
        "has to be trained first.",
        file=sys.stderr,
    )
    from utils import runtime

    runtime.start()
    from utils.evaluation.evaluation import evaluate

    record = evaluate(trained, data, data_dir=options.data_dir, progress=not options.json, **protocol)
    if is_newest(trained):
        _keep(trained.run.quality_file, record)
    return record


def _keep(file: Path, record: dict) -> None:
    """Keep a record beside its run. What `evaluate` found out besides of the same weights stays, and a record of more
    samples or spaces does, too."""
    from utils.evaluation.records import kept_before, passports_of

    before = kept_before(file, record)
    has_more = before and any(old > new for old, new in zip(_amount(before), _amount(record)))
    if has_more and None not in passports_of(before):
        return
    print(written(file, file.exists()), file=sys.stderr)
    write_json(file, before | record)


def _amount(record: dict) -> tuple[int, int]:
    return record.get("samples", 0), len(record["other_spaces"])


def _pictures(names: list[str], found: list, options: Compare) -> list[tuple[Path, bool]]:
    """Samples side by side, and curves of runs over each other of two at least; and whether each file was there."""
    from utils import runtime, viz

    runtime.import_tensorflow()  # which comes with what draws; quietly, this way
    from utils.evaluation.pictures import draw_curves, draw_side_by_side
    from utils.evaluation.records import model_of
    from utils.figure import write_figure

    grids, runs = {}, {}
    for name, of_one in zip(names, found):
        if of_one is None:
            continue
        trained = of_one[0]
        if trained.run is None:
            model = model_of(trained)
            grid = model and model.samples
        else:
            grid = trained.run.grid(_summary(trained))
            if trained.run.steps_file.is_file():
                runs[name] = trained.run
        if grid and grid.is_file():
            grids[name] = viz.read_png(grid)
    folder = options.out or Path.cwd()
    stem = "-and-".join(slug(name) for name in names)[:100]
    drawn = []
    for what, draw, shown in (
        ("samples", draw_side_by_side, grids),
        ("curves", lambda file, shown: write_figure(file, draw_curves(shown)), runs),
    ):
        if len(shown) > 1:
            file = folder / f"{stem}-{what}.png"
            was_there = file.exists()
            drawn.append((draw(file, shown), was_there))
    return drawn


def _summary(trained) -> int:
    """The number of the summary whose grid shows what a run's network draws: the newest, or that of a kept one."""
    run, folder = trained.run, trained.file.resolve().parent.name
    unit, _, number = folder.partition("_")
    if unit == run.unit and number.isdecimal():
        return int(number)
    epochs = [run.best] if folder == "best" and run.best else run.epochs(1)
    return epochs[-1][run.unit] if epochs else 0


def _settings(settings: dict[str, list], names: list[str], unknown: list[str]) -> str:
    if unknown:
        return f"How {' and '.join(unknown)} came about is not known, so no settings are compared."
    if not settings:
        return "No setting differs."
    rows = [{"setting": name, **dict(zip(names, map(str, values)))} for name, values in settings.items()]
    return table(rows)


def _distances(each, names: list[str]) -> str:
    from utils.evaluation.records import MEASURES, in_words

    rows = []
    for key, (words, _) in MEASURES.items():
        figures = [in_words(row, key) for row in each.rows]
        if any(figures):
            floors = {in_words(row["floor"], key) for row in each.rows}
            floor = floors.pop() if len(floors) == 1 else "differs"
            rows.append({"": words, **dict(zip(names, figures)), "true images (the floor)": floor})
    lines = [f"in the features of the {each.space}"]
    if each.differs:
        lines.append("CAUTION: measured in different ways, so these figures cannot be compared:")
        lines += [f"  {name}: {_values(values, names)}" for name, values in each.differs.items()]
    lines += ["", table(rows)]
    lines += [f"{name}: {_values(values, names)}" for name, values in each.said.items()]
    return "\n".join(lines)


def _values(values: list, names: list[str]) -> str:
    return "; ".join(f"{value} ({name})" for name, value in zip(names, values))


def _in_words(order: list, names: list[str]) -> str:
    if not order:
        return "Which is nearer to the true images cannot be said, since they were not measured in the same way."
    lines = []
    for each in order:
        one, other = (names[place] for place in each.pair)
        spaces = len(each.nearer)
        doubtful = [space for space, is_clear in each.clear.items() if not is_clear]
        if not each.agreed:
            parts = [
                f"{'neither' if place is None else names[place]} in the features of the {space}"
                + (" (the intervals overlap)" if space in doubtful and place is not None else "")
                for space, place in each.nearer.items()
            ]
            how = "disagree" if each.contradicted else "do not agree beyond chance"
            lines.append(
                f"The spaces {how} on {one} and {other}: nearer to the true images is {', and '.join(parts)}. "
                "Neither is to be called the better one."
            )
            continue
        place = next(iter(each.nearer.values()))
        where = {1: "in the only space in which all were measured", 2: "in both spaces"}.get(spaces, "in all spaces")
        if place is None:
            lines.append(f"{one} is as near to the true images as {other} {where}.")
            continue
        lines.append(
            f"{names[place]} is nearer to the true images than {other if names[place] == one else one} {where}"
            + (f", but the intervals overlap ({', '.join(doubtful)})." if doubtful else ".")
        )
    return "\n".join(lines)
