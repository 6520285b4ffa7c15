"""The report of runs and of models that come with the project: what is on their disk, and what is missing.

A report says the same wherever its reader is, and wherever the run lies now: it calls a run by its name, never by a
path.
"""

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils import config, pretrained, viz
from utils.config import Experiment
from utils.data.catalogue import find_entry
from utils.errors import InputError
from utils.evaluation.records import MEASURES, in_words, kept, passports_of, spaces_of
from utils.networks import TrainedNetwork, find_model, find_run
from utils.pretrained import Pretrained
from utils.registries import PLAYERS
from utils.report.analyses import explained, features_file, read_off, walked
from utils.report.document import Report, Stamp, code, listing, missing, table, text
from utils.report.kept import NotKeptError
from utils.runs import Curves, Run, dataset_name
from utils.runtime import VERSIONS
from utils.tables import duration
from utils.text import command, one_line

EPOCHS = 12
"""Summaries that a table shows at most, as evenly spaced as can be."""
SHOWN, FRAMES = 8, 8
"""Samples in a frame of the film, and frames, at most."""
_FRAME = 64  # pixels, at least, of a sample in a frame
_SETTINGS = {
    "images per update": "training.batch_size",
    "learning rate": "training.learning_rate",
    "beta_1 of Adam": "training.beta_1",
    "loss": "training.loss",
    "recipe": "training.recipe",
    "latents": "model.latents",
    "latent_dim": "model.latent_dim",
    "initial weights": "model.weights",
    "told to the networks": "model.conditions",
    "joined by": "model.conditioning",
    "batch normalisation": "model.batch_norm",
    "statistics": "training.statistics",
    "averaged with decay": "training.ema_decay",
    "precision": "training.precision",
    "seed": "training.seed",
}
_EXPLAINED = {
    "gradcam_true": (
        "gradcam",
        "Grad-CAM of true images, for true and for fake; beside it where the logit really comes from.",
    ),
    "gradcam_fake": ("gradcam", "Grad-CAM of fake images."),
    "guided": ("guided", "Guided backpropagation of filters, and the images that they answer to most."),
    "neighbours_fake": ("memory", "Fake samples, and the training images nearest to them."),
}
"""Pictures of `explain` that are shown: the section that draws each, and its caption."""
FIGURES = (
    ("parameters of the generator", "1,466,115 (Fig 5)", "–"),
    ("parameters of the discriminator", "522,497 (Fig 7)", "–"),
    ("side of the images", "32; bedrooms 64", "64; SVHN, CIFAR-10 32"),
    ("images per update", "64 or 128", "128"),
    ("learning rate", "0.00002 in its text", "0.0002"),
    ("batch normalisation", "off in its final runs", "on, in both networks"),
    ("initial weights", "Glorot", "normal: N(0, 0.02)"),
)
"""Figures of the course report of 2021 and of the paper (arXiv:1511.06434, §4), beside which those of a run stand."""


@dataclass(frozen=True)
class Subject:
    """What a report is about: a run, or a model with a card.

    Attributes:
        title: what to call it, in commands, too: they find a run of that name below the folder of runs.
        experiment: its settings.
        run: the run, or None of a model.
        model: the model, or None of a run.
    """

    title: str
    experiment: Experiment
    run: Run | None = None
    model: Pretrained | None = None

    @property
    def stamp(self) -> Stamp:
        about, kind = self.environment, "run" if self.run else "model"
        return Stamp(
            f"{kind} {self.title}",
            self.experiment.training.seed,
            about.get("fingerprint") or "",
            about.get("commit") or "",
        )

    @property
    def environment(self) -> dict:
        """What is known of the machine, the images and the commit."""
        return self.run.environment if self.run else pretrained.environment_of(self.model.card)

    def trained(self, player: str) -> Path | None:
        """The file of a network, if there is one."""
        file = (self.run or self.model).model(player)
        return file if file.is_file() else None

    @property
    def record(self) -> dict | None:
        """What was measured of its samples."""
        file = self.trained("generator")
        if file is None:
            return None
        return kept(TrainedNetwork(self.title, file, file.parent, self.run, self.experiment))


def subject_of(name: str, runs_dir: str | Path | None = None) -> Subject:
    """What is meant by a name: a model that comes with the project, or a run.

    Raises:
        InputError: there is neither.
    """
    if model := find_model(name):
        return Subject(model.name, model.experiment, model=model)
    run = find_run(name, runs_dir)
    for file in ("experiment.json", "environment.json"):
        if not (run.folder / file).is_file():
            raise InputError(f"{run.folder} is no whole run: it has no {file}.")
    return Subject(one_line(run.name), run.experiment, run=run)


def made_of(subjects: Sequence[Subject]) -> str:
    """What stands below the title of a report: what it was made of."""
    return f"Made by ./dcgan report of {', '.join(subject.stamp.of for subject in subjects)}."


def report_of(subjects: Sequence[Subject], report: Report, command_for: Callable[[Experiment], str]) -> None:
    """Add what is known of runs and models to a report.

    Args:
        subjects: at least one.
        report: it may have sections already.
        command_for: gives the command that trains an experiment.
    """
    several = len(subjects) > 1
    report.of = [subject.title for subject in subjects]
    if several:
        side_by_side(subjects, report)
    for subject in subjects:
        for title, blocks in _parts(subject, report, command_for):
            report.section(title, *blocks, of=subject.title if several else "")


def _parts(subject: Subject, report: Report, command_for: Callable[[Experiment], str]):
    yield "Abstract", _abstract(subject)
    yield "Data", _data(subject, report)
    yield "Networks", _networks(subject, report)
    yield "Training", _training(subject, report)
    yield "Results", _results(subject, report)
    yield "Grad-CAM, and what the generator remembers", _explained(subject, report)
    yield "Features", _features(subject)
    yield "Latent space", _latent(subject, report)
    yield "Distances, with their passports", _distances(subject)
    yield "Beside the course report and the paper", [_beside(subject)]
    yield "Limits", [listing(_limits(subject))]
    yield "How to make it again", [code(command_for(subject.experiment)), *_again(subject)]


def _about_data(subject: Subject) -> str:
    data = subject.experiment.data
    if subject.model:
        return subject.model.card["data"]
    entry = find_entry(data.name)
    name = entry.title if entry else dataset_name(data.name)
    count = subject.run.environment.get("images")
    return f"{count:,} images of {name}" if count else name


def _abstract(subject: Subject) -> list[dict]:
    from utils.training.losses import undecided_logit

    settings, sentences = subject.experiment, []
    side = settings.model.image_size
    told = f", told {settings.model.conditions}" if settings.model.is_conditional else ""
    trained = f"Networks of the preset {settings.preset}, {side}x{side} pixels{told}, trained on {_about_data(subject)}"
    if subject.run:
        steps, state = subject.run.steps(1), subject.run.state
        updates = int(steps["update"][-1]) if steps else 0
        device = subject.run.environment.get("device", {}).get("name", "an unknown device")
        took = f" in {duration(state.seconds)}" if state.seconds else ""
        sentences.append(f"{trained}: {updates:,} updates{took} on {device}, seed {settings.training.seed}.")
        if rows := subject.run.epochs(1):
            last = rows[-1]
            right = (
                f"the discriminator is right about {last['accuracy_true']:.0%} of true and "
                f"{last['accuracy_fake']:.0%} of fake samples; the diversity of these is"
            )
            if undecided_logit(settings.training.loss) is None:  # it calls no sample true or fake by itself
                right = "the diversity of the samples is"
            sentences.append(f"At the end {right} {last['diversity']:.2g}.")
        if not subject.run.is_finished:
            sentences.append(f"This run is not finished, {subject.run.in_words()}: all figures are of where it stands.")
    else:
        card = subject.model.card
        if "updates" in card:  # else it was not trained here
            took = f" in {duration(card['seconds of training'])}" if card.get("seconds of training") else ""
            trained += f": {card['updates']:,} updates{took} on {card['device']}, seed {card['seed']}"
        sentences.append(f"{trained}.")
        sentences += [card["about"]] if card.get("about") else []
    if record := subject.record:
        of, floor = record["distance"], record["distance"]["floor"]
        sentences.append(
            f"The kernel distance of its samples to held-out images is {in_words(of, 'kernel')} (95%), between two "
            f"sets of true images {in_words(floor, 'kernel')}, in the features of the {of['space']}."
        )
    else:
        sentences.append("How far its samples are from true images was not measured.")
    return [text(one_line(" ".join(sentences)))]


def _data(subject: Subject, report: Report) -> list[dict]:
    data, run = subject.experiment.data, subject.run
    entry = find_entry(data.name)
    rows = [{"": "images", "value": _about_data(subject)}]
    if run:
        rows.append({"": "fingerprint of all pixels", "value": run.environment.get("fingerprint", "not recorded")})
    rows.append({"": "side", "value": f"{subject.experiment.model.image_size} pixels"})
    rows.append({"": "repeats", "value": f"left out: {data.dedup}" if data.dedup != "off" else "not looked for"})
    if subject.model:
        rows.append({"": "terms", "value": subject.model.card["terms of the data"]})
    elif entry is None:
        rows.append({"": "terms", "value": "own pictures: whoever shows them answers for them"})
    blocks = [table(rows, stamp=subject.stamp)]
    if run is None:
        blocks.append(missing(f"{subject.title} is a model without its run: true images come with no model."))
    elif run.true_grid.is_file():
        blocks.append(
            report.picture(run.true_grid, "true", "True images that it was trained on.", subject.stamp, False)
        )
    else:
        blocks.append(
            missing(f"the run has no picture of true images ({command('resume', subject.title)} goes on with it).")
        )
    return blocks


def _networks(subject: Subject, report: Report) -> list[dict]:
    from utils.diagrams.architecture import architecture, draw_architectures, shape_in_words
    from utils.models import load_network
    from utils.training.players import build_players

    files = {player: file for player in PLAYERS if (file := subject.trained(player))}
    blocks = []
    if files.keys() >= {"generator", "discriminator"}:
        networks = [load_network(file) for file in files.values()]
    else:
        networks = [player.network for player in build_players(subject.experiment).by_name.values()]
        blocks.append(missing("it has no trained networks yet; these are the ones that its settings describe."))
    caption = (
        "The networks, drawn from the models to one scale; the height of a box is the side of its maps, its width "
        "their number."
    )
    blocks += report.figure(draw_architectures(networks), "networks", caption, subject.stamp)
    for network in networks:
        record = architecture(network)
        rows = [
            {"layers": ", ".join(block.layers), "output": shape_in_words(block.shape), "parameters": block.parameters}
            for block in record.blocks
        ]
        rows.append({"layers": "all", "output": f"{record.trained:,} trained", "parameters": record.parameters})
        blocks.append(table(rows, f"The {record.name}", subject.stamp))
    return blocks


def _training(subject: Subject, report: Report) -> list[dict]:
    from utils.diagrams.game import draw_game

    plain = config.to_dict(subject.experiment)
    rows = []
    for name, place in _SETTINGS.items():
        part, key = place.split(".")
        if key in plain.get(part, {}) and (subject.experiment.model.is_conditional or not key.startswith("condition")):
            rows.append({"setting": name, "value": str(plain[part][key])})
    blocks = [table(rows, f"Settings; all others are those of the preset {subject.experiment.preset} or in the command",
                    subject.stamp)]  # fmt: skip
    caption = "An update: who learns, who is fixed, what is descended."
    blocks += report.figure(draw_game(subject.experiment), "update", caption, subject.stamp)
    run = subject.run
    if run is None:
        return [*blocks, missing(f"{subject.title} is a model without its run, so there are no curves.")]
    if curves := Curves(run).figure():
        caption = "Losses and scores of every update, accuracies of every summary."
        blocks += report.figure(curves, "curves", caption, subject.stamp)
    else:
        blocks.append(missing("there are no curves, for it has not made an update yet."))
    if summaries := _spaced(run.epochs()):
        names = [name for name, value in summaries[0].items() if _is_number(value)]
        names = [name for name in names if all(_is_number(row.get(name)) for row in summaries)]
        rows = [{n: row[n] if n == run.unit else f"{row[n]:.3f}" for n in names} for row in summaries]
        blocks.append(table(rows, f"Summaries, by {run.unit}", subject.stamp, small=len(rows[0]) > 7))
    told = [sentence for sentence in run.logged() if sentence.startswith(("Warning", "Stopped", "Went back"))]
    if told:
        blocks += [text("What the watch over the training, and the log, said:"), listing(told[:EPOCHS])]
    for back in run.state.rollbacks:
        blocks.append(text(f"Went back from update {back['from']:,} to {back['to']:,}: {back['why']}"))
    return blocks


def _results(subject: Subject, report: Report) -> list[dict]:
    run = subject.run
    if run is None:
        samples = subject.model.samples
        if not samples.is_file():
            return [missing(f"the model {subject.title} has no samples.png.")]
        caption = "Samples of the generator; there are no earlier ones, for a model comes without its run."
        return [report.picture(samples, "samples", caption, subject.stamp)]
    numbers = [row[run.unit] for row in run.epochs() if run.grid(row[run.unit]).is_file()]
    if not numbers:
        return [missing(f"the run has no grids yet; {command('resume', subject.title)} goes on with it.")]
    stamp = subject.stamp
    last = f"Samples after {run.unit} {numbers[-1]:,}."
    blocks = [report.picture(run.grid(numbers[-1]), "samples", last, stamp, wide=run.experiment.model.is_conditional)]
    if len(numbers) > 1 and not run.latents_file.is_file():
        blocks.append(missing(f"the run has no {run.latents_file.name}, which tells how its grids are laid out."))
    elif len(numbers) > 1:
        most = 2 if run.experiment.model.is_conditional else FRAMES  # a frame of all conditions is half a page
        strip = _frames(run, _spaced(numbers, most))
        about = f"Frames of the film: the same latents, {run.unit} by {run.unit}."
        blocks.append(report.picture(strip, "frames", about, stamp))
    else:
        blocks.append(missing("there is one grid only, so there is no course to show."))
    return blocks


def _frames(run: Run, numbers: Sequence[int]) -> np.ndarray:
    """The first samples of each grid as a row, with its number: uint8 (H, W, 3)."""
    model, rows = run.experiment.model, []
    across = math.ceil(math.sqrt(len(np.load(run.latents_file, allow_pickle=False))))  # as `viz.grid` lays them out
    for number in numbers:
        sheet = viz.read_png(run.grid(number))
        if model.is_conditional:  # rows have names, and all of them are needed to see a condition
            row = sheet
        else:
            pitch = sheet.shape[1] // across
            row = sheet[: pitch + 2, : SHOWN * pitch + 2]
        factor = max(1, round(_FRAME / row.shape[0])) if not model.is_conditional else 1
        row = row.repeat(factor, 0).repeat(factor, 1)
        rows.append(np.concatenate([viz.letters(f"{run.unit} {number:,}", 110, row.shape[0]), row], axis=1))
    return np.concatenate(rows)


def _explained(subject: Subject, report: Report) -> list[dict]:
    try:
        found = explained(subject)
    except NotKeptError as error:
        return [missing(f"{error}; {command('explain', subject.title)} makes them.")]
    blocks = [text(found.about)]
    if found.findings:
        caption = "What was claimed, what was measured, its control"
        blocks.append(table(found.findings, caption, subject.stamp, small=True))
    for name, (section, caption) in _EXPLAINED.items():
        file = found.folder / f"{name}.png"
        if section in found.made and file.is_file():
            blocks.append(report.picture(file, name, caption, subject.stamp))
    return blocks + [missing(sentence) for sentence in found.lacks]


def _features(subject: Subject) -> list[dict]:
    try:
        found = read_off(subject)
    except NotKeptError as error:
        make, where = command("features", subject.title, "--json"), "in the run's folder" if subject.run else "here"
        return [missing(f"{error}; what {make} prints is shown once kept as {features_file(subject).name} {where}.")]
    return [table(found.rows, found.caption, subject.stamp, small=True), *map(text, found.remarks)]


def _latent(subject: Subject, report: Report) -> list[dict]:
    make = f"{command('arithmetic', subject.title, '--score')} and {command('walk', subject.title)}"
    made, earlier = walked(subject)
    blocks = []
    for folder, pictures in made.items():
        for file in pictures[:2]:
            caption = f"{folder}: {file.stem}."
            blocks.append(report.picture(file, f"{folder}-{file.stem}", caption, subject.stamp))
    if earlier:
        blocks.append(missing(f"made of earlier weights, and not shown: {', '.join(earlier)}."))
    return blocks or [missing(f"no sums and no walks were kept; {make} make them.")]


def _distances(subject: Subject) -> list[dict]:
    record = subject.record
    if record is None:
        return [missing(f"no distance of these weights was kept; {command('evaluate', subject.title)} measures it.")]
    blocks = []
    for measured, passport in zip(spaces_of(record), passports_of(record)):
        rows = [
            {
                "": words.strip(),
                "samples": in_words(measured, key),
                "true images (the floor)": in_words(measured["floor"], key),
            }
            for key, (words, _) in MEASURES.items()
            if in_words(measured, key)
        ]
        blocks.append(table(rows, f"In the features of the {measured['space']}; 95% intervals", subject.stamp))
        if passport is None:
            blocks.append(missing("this distance has no passport: an earlier version measured it."))
            continue
        entries = [{"passport": name.replace("_", " "), "value": _in_text(v)} for name, v in passport.plain().items()]
        blocks.append(table(entries, stamp=subject.stamp, small=True))
    return blocks


def figures_of(experiment: Experiment) -> tuple[str, ...]:
    """The figures of `FIGURES`, in its order, of an experiment."""
    from utils.parameters import discriminator_parameters, generator_parameters

    model, training = experiment.model, experiment.training
    return (
        f"{generator_parameters(model):,}",
        f"{discriminator_parameters(model):,}",
        str(model.image_size),
        str(training.batch_size),
        f"{training.learning_rate:g}",
        str(model.batch_norm),
        str(model.weights),
    )


def _beside(subject: Subject) -> dict:
    rows = [
        {"": name, "the course report": theirs, "the paper": paper, subject.title: value}
        for (name, theirs, paper), value in zip(FIGURES, figures_of(subject.experiment))
    ]
    return table(rows, stamp=subject.stamp)


def _limits(subject: Subject) -> list[str]:
    found = ["One run with one seed: what another seed would give is not known."]
    if subject.run and not subject.run.is_finished:
        stands = one_line(subject.run.in_words())
        found.append(f"The run is not finished ({stands}); {command('resume', subject.title)} goes on with it.")
    if (record := subject.record) and record["distance"]["space"].startswith("classifier"):
        found.append(
            "Distances are measured in the features of a classifier of this dataset: they cannot be compared with "
            "those of other datasets, nor with FID or KID, and far from the data they mislead."
        )
    if subject.experiment.model.width < 1:
        found.append(f"The networks have {subject.experiment.model.width:g} of the width of their source.")
    entry = find_entry(subject.experiment.data.name)
    if entry and entry.built_in:
        found.append("The images are drawn by this project: stand-ins, never photographs.")
    return found


def _again(subject: Subject) -> list[dict]:
    if subject.model:
        versions = subject.model.card.get("versions", {})
    else:
        versions = {name: subject.run.environment.get(name, "?") for name in VERSIONS}
    if not versions:
        return [text("This trains networks like these; these themselves were not trained here, as their card says.")]
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    own = (
        ""
        if find_entry(subject.experiment.data.name)
        else " The pictures are needed, too, in the folder that it names."
    )
    return [text(f"The same bits come from the same command, versions ({said}) and kind of processor.{own}")]


def side_by_side(subjects: Sequence[Subject], report: Report) -> None:
    """Add what differs between runs and models, their curves over each other, and their samples."""
    from utils.evaluation.comparison import settings_that_differ, surroundings_that_differ
    from utils.evaluation.pictures import draw_curves, draw_side_by_side

    names = unlike([subject.title for subject in subjects])
    stamps = Stamp(
        " and ".join(subject.stamp.of for subject in subjects),
        ", ".join(dict.fromkeys(str(subject.stamp.seed) for subject in subjects)),
        ", ".join(dict.fromkeys(subject.stamp.data[:12] for subject in subjects)),
        ", ".join(dict.fromkeys(subject.stamp.commit for subject in subjects if subject.stamp.commit)),
    )
    differ = settings_that_differ([{"experiment": config.to_dict(subject.experiment)} for subject in subjects])
    differ |= surroundings_that_differ([subject.environment for subject in subjects])
    rows = [{"setting": name, **dict(zip(names, map(str, values)))} for name, values in differ.items()]
    blocks = (
        [table(rows, "Settings that differ", stamps, small=len(names) > 3)] if rows else [text("No setting differs.")]
    )
    grids, runs = {}, {}
    for name, subject in zip(names, subjects):
        file = last_grid(subject)
        if file is not None:
            grids[name] = viz.read_png(file)
        if subject.run and subject.run.steps(1):
            runs[name] = subject.run
    lacks = "fewer than two of them have {}, so there is nothing to set side by side."
    if len(runs) > 1:
        blocks += report.figure(draw_curves(runs), "all-curves", "Curves over each other.", stamps)
    else:
        blocks.append(missing(lacks.format("curves")))
    if len(grids) > 1:
        with tempfile.TemporaryDirectory() as folder:
            drawn = draw_side_by_side(Path(folder) / "samples.png", grids)
            blocks.append(report.picture(drawn, "all-samples", "Samples side by side.", stamps))
    else:
        blocks.append(missing(lacks.format("samples")))
    report.section("Side by side", *blocks)


def last_grid(subject: Subject) -> Path | None:
    """The newest grid of samples, if there is one."""
    if subject.run is None:
        return subject.model.samples if subject.model.samples.is_file() else None
    files = [subject.run.grid(row[subject.run.unit]) for row in subject.run.epochs()]
    return next((file for file in reversed(files) if file.is_file()), None)


def unlike(names: Sequence[str]) -> list[str]:
    """Names, each different: those that are not are numbered."""
    return [f"{name} ({n})" if list(names).count(name) > 1 else name for n, name in enumerate(names, 1)]


def shipped(folder: str | Path = pretrained.SHIPPED) -> list[Subject]:
    """The models that come with the project."""
    models = [Pretrained(Path(folder) / name) for name in pretrained.names(folder)]
    return [Subject(model.name, model.experiment, model=model) for model in models]


def _spaced(rows: Sequence, most: int = EPOCHS) -> list:
    places = sorted({round(place) for place in np.linspace(0, len(rows) - 1, min(most, len(rows)))})
    return [rows[place] for place in places]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def _in_text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
