"""`./dcgan evaluate`."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from utils.cli.places import DataDir, Json, RunsDir
from utils.cli.text import label, short, written
from utils.config import DataConfig
from utils.errors import InputError
from utils.files import expect_writable, write_json
from utils.tables import table, variety_in_words


@dataclass(frozen=True)
class Evaluate:
    """Measure how far a generator's samples are from true images that it has not seen.

    Prints the kernel distance (without bias), the Fréchet distance, and precision, recall, density and coverage in
    fixed feature spaces, with 95% intervals, and beside them the floor: the same between two sets of true images. A run
    keeps them as quality.json, each with a passport of all that it depends on. Of a conditional generator it also
    measures whether a classifier sees what was asked for.
    """

    name: Annotated[Positional[str], arg(metavar="RUN|MODEL")] = "last"
    """A run, a .keras file of a generator, a model that comes with the project, or "last" for the newest run."""
    kept: Annotated[str | None, arg(metavar="best|NUMBER")] = None
    """Networks that a run kept beside the last: the best (--keep best), or those of a summary by its number, an epoch
    or an update (--keep-models)."""
    data: Annotated[str | None, arg(metavar="NAME|FOLDER")] = None
    """True images to compare with; by default those of the dataset that it was trained on."""
    samples: int = 2000
    """How many samples, and as many true images."""
    features: Annotated[str, arg(metavar="auto|imagenet|inception|NAME")] = "auto"
    """The feature space, or several, parted by commas. auto: a classifier of the dataset, trained here once (where
    nothing is known of the images, of the built-in faces), and beside it, where it is installed, a network that knows
    ImageNet; a name: the classifier of that dataset; inception: InceptionV3, whose weights are downloaded."""
    seed: int = 0
    """Seed of the latents, and of the choice among the true images."""
    attributes: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Also count which combinations of exact attributes (hair, skin, glasses; digit, shadow) it misses of those that
    its training set holds, and draw them. For what was trained on the built-in faces or house numbers; 2 minutes more.
    """
    combination: tuple[str, ...] = ()
    """Of a model on texts: attributes that it is asked to draw together, such as "hat & sunglasses"; by default what
    was left out of its training (--without)."""
    out: Path | None = None
    """Keep what was measured in this file (JSON), which `compare` takes; by default in the run's quality.json."""
    json: Json = False
    runs_dir: RunsDir = None
    data_dir: DataDir = None

    def run(self) -> None:
        _evaluate(self)


def _evaluate(options: Evaluate) -> None:
    from utils.evaluation.distances import LEAST_SAMPLES

    if options.samples < LEAST_SAMPLES:
        raise InputError(f"--samples must be at least {LEAST_SAMPLES}. Received: {options.samples}.")
    if options.out and options.out.is_dir():
        raise InputError(f"--out must be the name of a file. Received: {options.out}, which is a folder.")
    places = (options.runs_dir, options.data_dir)
    trained, data = subject(options.name, options.data, *places, progress=not options.json, kept=options.kept)
    on_texts = trained.experiment is not None and trained.experiment.model.conditions == "text"
    _check_asked(options, trained, on_texts)
    target = options.out or (trained.run.quality_file if is_newest(trained) and options.data is None else None)
    if target or on_texts or options.attributes:
        expect_writable(target or Path.cwd())  # before minutes are spent on measuring

    from utils import runtime

    runtime.start()
    from utils.evaluation.evaluation import evaluate
    from utils.evaluation.records import kept_before
    from utils.models import load_with_digest
    from utils.networks import say_what_is_assumed

    say_what_is_assumed(trained)
    how = {
        "loaded": load_with_digest(trained.file),  # once for all that is measured: a training may write another
        "samples": options.samples,
        "seed": options.seed,
        "data_dir": options.data_dir,
        "progress": not options.json,
    }
    record, was_there = evaluate(trained, data, features=options.features, **how), bool(target and target.exists())

    def keep() -> None:
        if target:
            write_json(target, kept_before(target, record) | record)

    keep()  # at once: what comes takes minutes, too, and may be stopped
    found, files = [], []  # what was found beside distances, each with what puts it into words
    if not on_texts and (asked := _asked(trained, data, how)):
        record["asked"] = asked.plain()
        found.append((_asked_in_words, asked))
    if on_texts:
        keep()
        texts, picture = _texts(options, trained, how, target)
        record["texts"] = texts.plain()
        found.append((_texts_in_words, texts))
        files.append(picture)
    if options.attributes:
        keep()
        counted, picture = _combinations(options, trained, how, target)
        record["combinations"] = counted.plain()
        found.append((_in_words, counted))
        files.append(picture)
    keep()
    if target:
        files.append(written(target, was_there))
    if options.json:
        print(json.dumps(record, indent=2))
        return
    words = [_distances_in_words(record, trained, options.samples), *(told(of) for told, of in found)]
    if files:
        words.append("\n" + "\n".join(files))
    print("\n".join(words))


def _check_asked(options: Evaluate, trained, on_texts: bool) -> None:
    """Refuse what cannot be asked of this generator, before anything is measured."""
    if options.attributes:
        from utils.data.catalogue import drawn_source
        from utils.evaluation.combinations import check_countable

        if trained.experiment is None:
            raise InputError(f"{trained.file} does not say what it was trained on, which --attributes has to know.")
        drawn_source(trained.experiment)
        check_countable(trained.experiment)
    if options.combination and not on_texts:
        raise InputError(f"--combination asks a model on texts. Received: {trained.title}, which is none.")
    if options.combination:
        from utils.data.catalogue import check_without

        # Made as those that are left out are.
        check_without(replace(trained.experiment.data, without=options.combination), options.data_dir)


def _distances_in_words(record: dict, trained, samples: int) -> str:
    from utils.data.dataset import UNKNOWN
    from utils.evaluation.records import spaces_of

    words = [f"{samples:,} samples of {short(trained.file)}\nagainst {samples:,} {record['true_images']}"]
    words += [f"in the features of the {of['space']}\n\n{table(_rows(of))}" for of in spaces_of(record)]
    if record["true_images_trained_on"] == UNKNOWN:
        words.append("It may have been trained on these, and then copies of them count as good samples.")
    elif record["true_images_trained_on"]:
        words.append(
            f"There are no {2 * samples:,} true images that it was not trained on, so copies of them count as good "
            "samples."
        )
    return "\n\n".join(words)


def _texts(options: Evaluate, trained, how: dict, target: Path | None):
    """What is measured of a model on texts, and the picture that was written."""
    from utils.evaluation.evaluation import agreement
    from utils.evaluation.pictures import draw_texts

    measured = agreement(trained, combinations=options.combination, **how)
    picture = target.with_suffix("") if target else Path.cwd() / label(trained)
    picture = picture.with_name(f"{picture.name}-texts.png")
    was_there = picture.exists()
    draw_texts(picture, measured, trained.title)
    return measured, written(picture, was_there)


def _texts_in_words(texts) -> str:
    lines = [
        f"\nDoes it draw what a text says? {texts.samples:,} fakes for sentences about as many {texts.true_images},\n"
        f"judged by the {texts.judge}\n",
        table(texts.table()),
        f"\nVariety: {variety_in_words(texts.plain()['variety'], 'text')}.",
    ]
    for each in texts.combinations:
        parts = ", ".join(f"{name} {share:.0%}" for name, share in each.parts.items())
        lines.append(
            f"{each.name}{' (never seen in training)' if each.left_out else ''}: of {each.count} fakes for sentences "
            f"that name all of it, {each.all:.0%} show it ({parts});\nof other fakes {each.others:.0%}, of true "
            f"images that have it {each.true:.0%}."
        )
    return "\n".join(lines)


def _asked(trained, data: DataConfig, how: dict):
    """Whether a conditional generator draws what it is asked for; None of another, or beside other images."""
    if trained.experiment is None or data != trained.experiment.data:
        return None
    from utils.evaluation.evaluation import agreement

    try:
        return agreement(trained, **how)
    except InputError as error:  # too few images for a classifier
        print(f"Whether it draws what it is asked for is not measured. {error}", file=sys.stderr)
        return None


def _asked_in_words(asked) -> str:
    what = {"labels": "the class that was asked for", "attributes": "all attributes as asked for"}[asked.kind]
    return (
        f"\nDoes it draw what it is asked for? {asked.samples:,} fakes for the conditions of as many "
        f"{asked.true_images},\njudged by the {asked.judge}: it sees {what}\nin {asked.right[0]:.1%} of the fakes and "
        f"in {asked.right[1]:.1%} of the true images; beside what was asked of another fake\nin "
        f"{asked.by_chance:.1%}. Variety: how far two fakes are apart, as a share of two true images; distance: of "
        f"fakes to\ntrue images (0: none).\n\n{table(asked.table())}\n\nWithin all that is asked for: "
        f"{variety_in_words(asked.plain()['variety'], asked.kind)}."
    )


def _combinations(options: Evaluate, trained, how: dict, target: Path | None):
    """What is counted, and the picture that was written."""
    from utils.data.catalogue import drawn_source
    from utils.evaluation.combinations import combinations_of
    from utils.evaluation.pictures import draw_combinations
    from utils.sampling import Sampler

    generator, _ = how["loaded"]
    sampler = Sampler.of(generator, trained.experiment, trained.conditions)
    places = {"data_dir": options.data_dir, "progress": not options.json}
    counted = combinations_of(sampler, trained.experiment, seed=options.seed, **places)
    picture = target.with_suffix("") if target else Path.cwd() / label(trained)
    picture = picture.with_name(f"{picture.name}-combinations.png")
    was_there = picture.exists()
    draw_combinations(picture, counted, trained.title, drawn_source(trained.experiment))
    return counted, written(picture, was_there)


def _in_words(counted) -> str:
    rows = [
        {"": row["value"], "expected": f"{row['expected']:.1%}", "seen": f"{row['share']:.1%}"}
        for row in counted.values
    ]
    counts = {verdict: len(counted.with_verdict(verdict)) for verdict in ("missing", "too few", "too many")}
    lines = [
        f"\n{counted.samples:,} samples, judged by the {' and the '.join(counted.judges)}. Of true held-out images "
        f"{counted.wrong:.1%} are judged wrongly, which the expected shares allow for, and {counted.doubtful_true:.0%} "
        f"with doubt; of the samples {counted.doubtful_fake:.0%}.\n",
        table(rows),
        f"\nOf the {len(counted.combinations)} combinations in the training set, missing: {counts['missing']}; less "
        f"than half as often as expected: {counts['too few']}; more than twice as often: {counts['too many']}. "
        f"{counted.apart:.0%} of the samples would have to change theirs (of as many images like the training set: "
        f"{counted.apart_if_perfect:.0%}).",
    ]
    lines += [
        f"  {', '.join(each.values)}: {each.seen} seen, {each.expected:.0f} expected" for each in counted.missed()[:8]
    ]
    return "\n".join(lines)


def _rows(measured: dict) -> list[dict]:
    from utils.evaluation.records import MEASURES, in_words

    sides = {"samples": measured, "true images (the floor)": measured["floor"]}
    return [
        {"": words, **{side: in_words(of_side, name) for side, of_side in sides.items()}}
        for name, (words, _) in MEASURES.items()
        if name in measured
    ]


def subject(
    name: str,
    asked: str | None,
    runs_dir: Path | None,
    data_dir: Path | None,
    progress: bool,
    kept: str | None = None,
):
    """A generator (`TrainedNetwork`) and the true images to compare it with (`DataConfig`).

    What is wrong is said before anything is computed.
    """
    from utils.networks import find_network, with_data

    trained = find_network(name, "generator", runs_dir, kept)
    trained, other = with_data(trained, asked, data_dir, progress=progress)
    return trained, data_of(trained, other)


def is_newest(trained) -> bool:
    """Whether it is the newest generator of a run, which keeps what is measured of it."""
    return trained.run is not None and trained.file.resolve() == trained.run.model("generator").resolve()


def data_of(trained, asked: str | None) -> DataConfig:
    """What to compare a generator with: what it was trained on, or what is asked for."""
    own = trained.experiment and trained.experiment.data
    if own and asked is None:
        return own
    if asked is None:
        raise InputError(f"{trained.file} does not say what it was trained on: name the true images with --data.")
    return DataConfig(name=asked)
