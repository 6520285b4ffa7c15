"""The report of the project itself: its models, its kept studies, what notebooks found, and every claim."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from utils.evaluation.records import in_words
from utils.presets import preset, presets
from utils.pretrained import environment_of
from utils.report.claims import SOURCES, Row, verdict_counts
from utils.report.document import Report, Stamp, code, listing, missing, table, text
from utils.report.kept import Kept, NotKeptError
from utils.report.of_networks import FIGURES, figures_of, shipped
from utils.report.of_study import add_study, claims_table, command_of, data_in_words, data_of
from utils.tables import duration

TITLE = "DCGAN study: what was trained, measured and found"
SHOWN = {
    "Grad-CAM": ("08", "code-06", 0, "Grad-CAM of true images; right, where the logit comes from."),
    "Guided backpropagation": ("08", "code-08", 0, "Filters of the last convolution: the images that each answers to "
                               "most, and what in them."),
    "Latent arithmetic": ("13", "add", 0, "A sum of samples amid nine neighbours; beside it the same of pixels."),
    "How often sums succeed": ("13", "count", 0, "How often the result shows what was asked for, beside controls."),
    "Turning": ("13", "turn", 0, "Samples with a turn vector added, from one side to the other."),
    "Walking": ("13", "walk", 0, "What a generator draws along a curve through five of its latents."),
}  # fmt: skip
"""Pictures of notebooks: number, cell, which of its pictures, caption."""
_MODEL_OF = {"08": "faces", "13": "faces64"}
_SOURCES_DATA = ("celeba", "lsun_bedroom", "svhn", "imagenet32")  # that the course report or the paper trained on
_FINDINGS = {"08": "code-14", "09": "code-09"}
_TABLES = {
    ("13", "smooth"): ("path", "Walks beside fades"),
    ("13", "count"): ("has it", "Sums, as a classifier counts them"),
}


def add_project(report: Report, kept: Kept, claims: Sequence[Row]) -> None:
    """Add everything that is kept to a report.

    Args:
        report: what it is added to.
        kept: where it is.
        claims: all claims, as `claims.rows` gives them.
    """
    report.section("Abstract", *_abstract(kept, claims))
    report.section("Data", *_data(kept))
    report.section("Networks", *_networks())
    report.section("Models that come with it", *_models(report, kept))
    names = kept.studies()
    for name in names:
        add_study(name, report, kept, (), short=True)
    if not names:
        report.section("Studies", missing(f"there are no kept results in {kept.results.name}/."))
    for title, place in SHOWN.items():
        report.section(title, *_shown(title, report, kept, *place))
    report.section("What maps and samples were asked", *_found(kept))
    report.section("Latent space in numbers", *_tables(kept))
    for letter, source in SOURCES.items():
        rows = [row for row in claims if row.claim.id[0] == letter]
        report.section(f"Claims of {source}", claims_table(rows))
    report.section("Beside the course report and the paper", _beside())
    report.section("Limits", listing(_limits(kept)))
    report.section("How to make it again", text("Every study, and then this report:"), code(_commands(names)))


def _abstract(kept: Kept, claims: Sequence[Row]) -> list[dict]:
    counts = verdict_counts(claims)
    runs = {name: len(kept.study(name)["runs"]) for name in kept.studies()}
    trained = {name: n for name, n in runs.items() if "curves" in kept.study(name)["runs"][0]}
    models = shipped(kept.models)
    said = (
        f"Deep convolutional GANs, trained and taken apart on two CPU cores: {sum(trained.values())} trainings in "
        f"{len(trained)} studies, {len(models)} models that come along, and {len(claims)} claims of five sources, of "
        f"which {', '.join(f'{n} are {verdict}' for verdict, n in counts.items())}."
    )
    told = {row.claim.id: f"{row.claim.says}: {row.evidence.verdict} ({row.evidence.measured})" for row in claims}
    chosen = [told[key].replace("`", "") for key in ("R1a", "R2c", "R3a", "S6", "S7") if key in told]
    return [text(said), listing(chosen)]


def _data(kept: Kept) -> list[dict]:
    rows = {}
    for name in kept.studies():
        for run in kept.study(name)["runs"]:
            mark = str(run.get("fingerprint" if "curves" in run else "images_fingerprint", ""))[:12]
            count = run["images"] if isinstance(run.get("images"), int) else run.get("samples", "")
            rows.setdefault((name, mark), {"results": name, "images": count, "fingerprint": mark, "runs": 0})[
                "runs"
            ] += 1
    if not rows:
        return [missing("no study was carried out.")]
    return [
        text(
            "Faces and house numbers are drawn by the project from a seed; CIFAR-10 was stored as JPEG of quality 95."
        ),
        table(list(rows.values()), "Images of every study, by the fingerprint of all pixels"),
    ]


def _networks() -> list[dict]:
    from utils.parameters import discriminator_parameters, generator_parameters

    rows = [
        {
            "preset": name,
            "side": preset(name).model.image_size,
            "generator": generator_parameters(preset(name).model),
            "discriminator": discriminator_parameters(preset(name).model),
            "about": about,
        }
        for name, about in presets().items()
    ]
    return [table(rows, "Presets, with their parameters", small=True), text("./dcgan draw NAME draws each.")]


def _models(report: Report, kept: Kept) -> list[dict]:
    rows, pictures = [], []
    for subject in shipped(kept.models):
        card, distance = subject.model.card, subject.model.card["distance"]
        rows.append(
            {
                "model": card["name"],
                "preset": card["preset"],
                "learnt from": card["data"].rsplit(", fingerprint", 1)[0],
                "updates": card.get("updates", "not recorded"),
                "training": duration(card.get("seconds of training") or 0),
                "kernel distance (95%)": in_words(distance, "kernel") if distance else "not measured",
                "true images": in_words(distance["floor"], "kernel") if distance else "",
                "measured by": distance["fingerprint"][:8] if distance else "",
            }
        )
        if subject.model.samples.is_file():
            caption = f"Samples of {card['name']}. {card['about']}"
            pictures.append(report.picture(subject.model.samples, card["name"], caption, subject.stamp, wide=False))
    if not rows:
        return [missing("there are no models in saved_models/pretrained/.")]
    note = text(
        "Each dataset and size has a classifier of its own, and where another processor trained it its weights differ "
        "(“measured by”): distances can be compared within one only."
    )
    return [table(rows, small=True), note, *pictures]


def _shown(title: str, report: Report, kept: Kept, number: str, cell: str, place: int, caption: str) -> list[dict]:
    try:
        notebook = kept.notebook(number)
        content = notebook.pictures(cell)[place]
    except (NotKeptError, IndexError) as error:
        return [missing(f"{error}.")]
    picture = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    return [report.picture(picture, title, caption, _stamp(kept, number, cell))]


def _stamp(kept: Kept, number: str, cell: str) -> Stamp:
    """A cell of a notebook: what it shows has the seed 0 and is of one model, whose images have a fingerprint."""
    model, notebook = _MODEL_OF.get(number, "faces"), kept.notebook(number)
    try:
        data = environment_of(kept.card(model)).get("fingerprint", "")
    except NotKeptError:
        data = ""
    return Stamp(f"notebook {notebook.file.stem}, {notebook.heading(cell)}, model {model}", 0, data)


def _found(kept: Kept) -> list[dict]:
    blocks = []
    for number, cell in _FINDINGS.items():
        try:
            found = kept.notebook(number).findings(cell)
        except NotKeptError as error:
            blocks.append(missing(f"{error}."))
            continue
        rows = [vars(finding) for finding in found]
        blocks.append(table(rows, kept.notebook(number).file.stem, _stamp(kept, number, cell), small=True))
    return blocks


def _tables(kept: Kept) -> list[dict]:
    blocks = []
    for (number, cell), (column, caption) in _TABLES.items():
        try:
            rows = kept.notebook(number).table(cell, column)
        except NotKeptError as error:
            blocks.append(missing(f"{error}."))
            continue
        blocks.append(table(rows, caption, _stamp(kept, number, cell), small=True))
    return blocks


def _beside() -> dict:
    both = (figures_of(preset(name)) for name in ("report32", "paper64"))
    rows = [
        {"": name, "the course report": theirs, "preset report32": own, "the paper": paper, "preset paper64": ours}
        for (name, theirs, paper), own, ours in zip(FIGURES, *both)
    ]
    return table(rows, small=True)


def _limits(kept: Kept) -> list[str]:
    updates, seeds, learnt = [], [], set()
    for name in kept.studies():
        results = kept.study(name)
        trained = [run for run in results["runs"] if run.get("updates")]  # others were measured only
        if trained:
            updates += [run["updates"] for run in trained]
            seeds.append(len({run["seed"] for run in trained}))
            learnt |= data_of(name, results)
    for subject in shipped(kept.models):
        if "updates" in subject.model.card:  # else it was not trained here
            updates.append(subject.model.card["updates"])
            learnt.add(data_in_words(subject.experiment.data.name))
    others = [title for title in map(data_in_words, _SOURCES_DATA) if title not in learnt]
    return [
        "CPU-sized: most networks are narrower than their sources have them"
        + (f", {_range(updates)} updates" if updates else "")
        + (f", seeds of a study: {_range(seeds)}" if seeds else "")
        + ".",
        "The built-in faces and house numbers are stand-ins"
        + (f"; what was trained here learnt from {', '.join(sorted(learnt, key=str.lower))}" if learnt else "")
        + (f", nothing from {', '.join(others)}" if learnt and others else "")
        + ".",
        "Distances are measured in the features of small classifiers of each dataset, which mislead far from the data "
        "(study ladder), and are neither FID nor KID.",
        "Older results do not say with which commit they were made.",
    ]


def _range(values: Sequence[int]) -> str:
    """The lowest and the highest in words."""
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _commands(names: Sequence[str]) -> str:
    return "\n".join([*map(command_of, names), "./dcgan claims --out CLAIMS.md", "./dcgan report --all"])
