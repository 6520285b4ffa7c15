"""Each analysis as a section of a page: what was claimed, what was measured, its control, pictures.

Captions and findings state what was computed, whatever it turned out to be.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

from utils.config import Experiment
from utils.data import Dataset, load_for
from utils.errors import InputError
from utils.explain import draw
from utils.explain.activations import activations, first_filters, neighbour_correlation
from utils.explain.checks import (
    cascading_randomisation,
    deletion_insertion,
    known_mean,
    mean_interval,
    methods,
    pointing_game,
    rank_correlation,
)
from utils.explain.gradcam import grad_cam, grad_cam_over_epochs
from utils.explain.guided import filter_saliency, score_saliency, selectivity, strongest
from utils.explain.subject import Subject

HELD_OUT = 10_000  # images at most that samples are compared with beside the training images
BOXED = 1000  # samples that a part is looked for in; hand-drawn boxes are on the first so many of a seed
CHECKED = 32  # images that the slower checks look at
SELECTIVE_TOP = 50  # images by which a filter's preference is tested
SHOWN_FILTERS = range(6)  # the paper's Fig 5: the first six


@dataclass(frozen=True)
class Finding:
    """One line of the table at the top: what was claimed, what was measured here, what its control gave."""

    claim: str
    measured: str
    control: str


@dataclass(frozen=True)
class Picture:
    """A picture or film of the page with what there is to see."""

    file: Path
    caption: str


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Attributes:
        name, title: for links and as heading.
        text: paragraphs.
        findings, tables, pictures: what was found; tables are rows of equal keys by caption.
        missing: why something could not be done.
    """

    name: str
    title: str
    text: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    tables: dict[str, list[dict]] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    missing: str = ""


def _gradcam(subject: Subject, folder: Path) -> Section:
    findings, pictures, missing = [], [], ""
    for kind, discriminator, images in subject.sides():
        record = grad_cam(discriminator, images, subject.layer)
        about = str(record.convolution)
        agreement = mean_interval(rank_correlation(record.combination, record.contributions))
        others = mean_interval(rank_correlation(record.combination, np.roll(record.contributions, 1, 0)))
        opposite = "fake" if kind == "true" else "true"
        empty = {score: int((record.maps(score).max((1, 2)) == 0).sum()) for score in ("true", "fake")}
        findings += [
            Finding(
                f"Report, Fig 20: the heat map shows what makes the discriminator call {kind} images {kind}",
                f"{empty[kind]} of {len(images)} {kind} images have an empty map for {kind}, with a mean logit of "
                f"{record.logits.mean():+.1f}",
                f"{empty[opposite]} of them have an empty map for {opposite}",
            ),
            Finding(
                f"Grad-CAM (eq. 2) tells where in {kind} images the logit comes from",
                f"rank correlation with the contributions of the places {agreement}",
                f"with the contributions of another image {others}",
            ),
        ]
        pictures += [
            Picture(
                draw.draw_grad_cam(record, folder / f"gradcam_{kind}.png"),
                f"Grad-CAM of {kind} images at {about}, for true and for fake. Both maps of an image share one scale: "
                "red is the strongest place of the two. Right: the contributions without Grad-CAM's averaging.",
            ),
            Picture(
                draw.draw_layers(
                    [grad_cam(discriminator, images[:4], c.name) for c in discriminator.convolutions],
                    folder / f"layers_{kind}.png",
                ),
                f"The same layer by layer, overlaid on {min(4, len(images))} {kind} images.",
            ),
        ]
    try:
        if subject.run is None:
            raise InputError("A model without its run has no epochs to make a film of.")
        films = grad_cam_over_epochs(subject.run, subject.true[:6], subject.layer, subject.reference)
        film, _ = draw.draw_grad_cam_film(films, folder)
        pictures.append(Picture(film, f"The same true images, judged by the discriminator of {len(films)} epochs."))
    except InputError as error:
        missing = str(error)
    text = (
        "Grad-CAM weighs each feature map by the mean of the logit's gradient over all places (eq. 1), adds the maps "
        "up and keeps what is positive (eq. 2). The score of fake is minus the logit, so its map is the negative part "
        "of the same sum.",
        "A discriminator that flattens its last maps into a dense layer has a weight for each place, and Grad-CAM "
        "averages them away. The contributions (gradient times activation, place by place) keep them and add up to the "
        "logit at the last convolution.",
    )
    return Section("gradcam", SECTIONS["gradcam"][0], text, tuple(findings), pictures=tuple(pictures), missing=missing)


def _guided(subject: Subject, folder: Path) -> Section:
    images, (attributes, names) = subject.data.images, _attributes(subject.data)
    findings, pictures, preferences = [], [], {}
    random = subject.fixed.randomised(subject.seed)
    for kind, discriminator in (("trained", subject.fixed), ("random weights", random)):
        found = strongest(discriminator, images, subject.layer, top=SELECTIVE_TOP)
        filters = [i for i in SHOWN_FILTERS if i < found.convolution.maps]
        record = filter_saliency(discriminator, images, found, filters, top=6)
        file = folder / ("guided.png" if kind == "trained" else "guided_random.png")
        pictures.append(
            Picture(
                draw.draw_filter_saliency(record, file),
                f"{kind.capitalize()}: the images among {found.searched:,} that the first filters of "
                f"{found.convolution} answer to most, and the guided gradient of that one activation; grey is 0.",
            )
        )
        if attributes is not None:
            preferences[kind] = selectivity(found, attributes, names)
    columns = {
        "guided,\nfor true": score_saliency(subject.fixed, subject.true[:8]),
        "guided,\nfor fake": score_saliency(subject.fixed, subject.true[:8], "fake"),
        "plain\ngradient": score_saliency(subject.fixed, subject.true[:8], guided=False),
        "guided, ran-\ndom weights": score_saliency(random, subject.true[:8]),
    }
    pictures.append(
        Picture(
            draw.draw_score_saliency(columns, subject.true[:8], folder / "guided_score.png"),
            "Gradients of the logit by the pixels of true images, each picture scaled by itself; grey is 0.",
        )
    )
    claim = (
        "Paper §6.2 and Fig 5, report Figs 21 and 22: filters of the last convolution answer to typical parts of the "
        "images, those of a random network to nothing"
    )
    tables = {}
    if preferences:
        told = {
            kind: f"{p.selective.sum()} of {len(p.alive)} filters prefer an attribute"
            for kind, p in preferences.items()
        }
        findings.append(Finding(claim, told["trained"], f"random weights: {told['random weights']}"))
        tables["Filters by the attribute that they prefer (hypergeometric test, 5% after Bonferroni's correction)"] = [
            {"attribute": name, "share of all images": f"{preferences['trained'].base[i]:.0%}"}
            | {kind: int((p.best[p.selective] == i).sum()) for kind, p in preferences.items()}
            for i, name in enumerate(names)
        ]
    else:
        findings.append(Finding(claim, "pictures only: the images have neither labels nor attributes", "pictures only"))
    text = (
        "Going back through a rectifier, a gradient passes only where the forward activation was positive and the "
        "gradient is positive (Springenberg et al., §3.4). The same rule holds for LeakyReLU here: units that were "
        "negative pass nothing, and the leak never enters.",
        f"A filter prefers an attribute if among its {min(SELECTIVE_TOP, len(images))} strongest images more have it "
        "than chance allows.",
    )
    return Section("guided", SECTIONS["guided"][0], text, tuple(findings), tables, tuple(pictures))


def _checks(subject: Subject, folder: Path) -> Section:
    text = (
        "Three questions that a picture cannot answer by itself: does the map change when the network forgets, does "
        "the score follow the pixels that the map marks, and does the map lie on known parts?",
        "Deleting makes pixels grey and inserting starts from a blurred image; to a discriminator both are fake "
        "pictures, so random maps of the same coarseness stand beside every curve, and occlusion (which measures "
        "deletion itself) shows that the test can be passed.",
    )
    checks = [_randomisation(subject, folder), _deletion(subject, folder)]
    if subject.data.boxes is not None:
        checks.append(_pointing(subject, folder))
    return Section(
        "checks",
        SECTIONS["checks"][0],
        text,
        findings=tuple(finding for check in checks for finding in check.findings),
        tables={caption: rows for check in checks for caption, rows in check.tables.items()},
        pictures=tuple(picture for check in checks for picture in check.pictures),
    )


def _randomisation(subject: Subject, folder: Path) -> Section:
    compared = {name: method for name, method in methods(subject.layer).items() if name != "occlusion"}
    record = cascading_randomisation(subject.fixed, subject.true[:CHECKED], compared, seed=subject.seed)
    rows = []
    for name, correlations in record.correlations.items():
        head, everything = (str(mean_interval(known_mean(correlations[stage], 0))) for stage in (0, -1))
        between = f"{record.between_images[name]:.3f}"
        rows.append({"method": name, "head random": head, "all random": everything, "between images": between})
    findings = tuple(
        Finding(
            f"{row['method']} shows what the network has learnt (report, Figs 20 to 22)",
            f"rank correlation with the trained map once all weights are random {row['all random']}",
            f"between trained maps of different images {row['between images']}",
        )
        for row in rows
        if row["method"] in ("Grad-CAM", "guided backpropagation")
    )
    picture = Picture(
        draw.draw_randomisation(record, folder / "randomisation.png"),
        "Layers lose what they learnt, from the head down. A map that explains the weights falls to the level of maps "
        "of different images (dotted), or below.",
    )
    caption = "Rank correlation with the trained maps (Adebayo et al.), mean over images [95%]"
    return Section("randomisation", caption, findings=findings, tables={caption: rows}, pictures=(picture,))


def _deletion(subject: Subject, folder: Path) -> Section:
    findings, rows, pictures = [], [], []
    for kind, discriminator, images in subject.sides():
        images = images[:CHECKED]
        curves = {
            name: deletion_insertion(
                discriminator, images, method(discriminator, images, kind), kind, seed=subject.seed
            )
            for name, method in methods(subject.layer).items()
        }
        for name, curve in curves.items():
            row = {"images": kind, "method": name}
            for unit, record in (("logit", curve), ("probability", curve.probability())):
                row |= {f"{change}, {unit}": str(record.advantage(change)) for change in ("deletion", "insertion")}
            rows.append(row)
        deletion = {name: curve.advantage("deletion") for name, curve in curves.items()}
        findings.append(
            Finding(
                f"What Grad-CAM marks makes {kind} images {kind}",
                f"deletion area {deletion['Grad-CAM']} from that of random maps (below 0: it finds what matters); "
                f"contributions {deletion['contributions']}",
                f"occlusion, which has to pass {deletion['occlusion']}",
            )
        )
        pictures.append(
            Picture(
                draw.draw_curves(curves, folder / f"deletion_insertion_{kind}.png"),
                f"The logit of {kind} as pixels of {len(images)} {kind} images are deleted or inserted, in the order "
                "of each method's maps.",
            )
        )
    caption = "Area under the curve less that of random maps (Petsiuk et al.), mean over images [95%]"
    return Section("deletion", caption, findings=tuple(findings), tables={caption: rows}, pictures=tuple(pictures))


def _pointing(subject: Subject, folder: Path) -> Section:
    images, boxes = np.asarray(subject.data.images[subject.rows]), subject.data.boxes[subject.rows]
    random, known = subject.fixed.randomised(subject.seed), methods(subject.layer)
    findings, tables, played = [], {}, {}
    for method, score in (("Grad-CAM", "true"), ("Grad-CAM", "fake"), ("contributions", "true")):
        title = f"{method} for {score}"
        played[title], control = (
            pointing_game(
                np.maximum(known[method](discriminator, images, score), 0),
                boxes,
                subject.data.box_names,
                discriminator.side,
            )
            for discriminator in (subject.fixed, random)
        )
        by_chance = {part.part: f"{part.share:.0%} of {part.pointed}" for part in control}
        tables[f"Pointing game, {title} on true images (Zhang et al.)"] = [
            {
                "part": part.part,
                "shown": part.shown,
                "maps that point": part.pointed,
                "hits": f"{part.share:.0%} [{part.low:.0%}, {part.high:.0%}]",
                "maps of other images": f"{part.swapped:.0%}",
                "a random place": f"{part.chance:.0%}",
                "the image's centre": f"{part.centre:.0%}",
                "random weights": by_chance.get(part.part, "none point"),
            }
            for part in played[title]
        ]
        better_than = {
            level: [part.part for part in played[title] if part.low > getattr(part, level)]
            for level in ("swapped", "chance")
        }
        told = {
            level: f"{len(parts)} of {len(played[title])} parts{': ' if parts else ''}{', '.join(parts)}"
            for level, parts in better_than.items()
        }
        findings.append(
            Finding(
                f"{title} lies on the parts that an image shows",
                f"more often than the maps of other images do on {told['swapped']}",
                f"more often than a random place on {told['chance']}",
            )
        )
    picture = Picture(
        draw.draw_pointing(played, folder / "pointing.png"),
        "How often the strongest place of a map lies in the box of a part. Below the name: images that show the part "
        "and have a map that points anywhere. A map that follows its image beats the maps of others.",
    )
    return Section("pointing", "Pointing game", findings=tuple(findings), tables=tables, pictures=(picture,))


def _filters(subject: Subject, folder: Path) -> Section:
    filters = first_filters(subject.fixed, subject.seed)
    trained, random = (neighbour_correlation(kernels) for kernels in (filters.trained, filters.random))
    finding = Finding(
        "First-layer filters are smooth: they look for edges and colours",
        f"correlation between neighbouring weights {trained:+.3f}",
        f"random weights {random:+.3f}",
    )
    pictures = (
        Picture(
            draw.draw_first_filters(filters, folder / "filters.png"),
            f"All {len(filters.trained)} filters of convolution 1 as pictures, and the same layer with random weights; "
            "grey is 0, each filter scaled by its largest weight.",
        ),
        Picture(
            draw.draw_activations(activations(subject.fixed, subject.true[0]), folder / "activations.png"),
            "One true image through the network: the maps of each convolution that answer most, each scaled by itself; "
            "grey is 0, white positive.",
        ),
    )
    return Section("filters", SECTIONS["filters"][0], findings=(finding,), pictures=pictures)


def _memory(subject: Subject, folder: Path) -> Section:
    generator, experiment = _trained(subject, "Memorisation")
    if subject.data.name != experiment.data.name:
        raise InputError(
            f"Memorisation compares samples with held-out images of the run's own dataset, {experiment.data.name}. "
            f"Received: {subject.data.name}."
        )
    from utils.evaluation.features import extractor_for  # only here: scikit-learn takes a while to import
    from utils.evaluation.held_out import unseen
    from utils.explain.memory import GROUPS, LEAST_HELD_OUT, draw_neighbours, memorisation

    train = load_for(experiment, subject.data_dir)
    size, count = subject.fixed.side, min(len(train), HELD_OUT)  # as many as there are training images tell most
    apart = unseen(experiment.data, size, max(count, LEAST_HELD_OUT), data_dir=subject.data_dir)
    if apart is None:
        raise InputError(f"{subject.data.title} has no images set apart from training to compare samples with.")
    record = memorisation(
        generator,
        subject.discriminator,
        train.images,
        apart.images,
        extractor=extractor_for(
            experiment.data.name, subject.fixed.side, small=experiment.data.small, data_dir=subject.data_dir
        ),
        seed=subject.seed,
        latents=subject.latents,
    )
    findings = tuple(
        Finding(
            "Report: the maps show that the network does not memorise. That does not follow from maps, so the "
            f"samples are compared: {space.title}",
            f"{space.copying['fake'].verdict}: {space.copying['fake']}",
            f"{GROUPS['copies']}: {space.copying['copies']}; {GROUPS['fresh']}: {space.copying['fresh']}",
        )
        for space in record.spaces.values()
    )
    captions = (
        "Fake samples beside their nearest training images: first as they come, then those that are closest.",
        "The same for held-out true images, which cannot be copies.",
        "Distances to the nearest training image.",
    )
    pictures = tuple(Picture(*pair) for pair in zip(draw_neighbours(record, folder), captions))
    tables = {"Distances to the nearest training image against those of held-out images": _rounded(record.table())}
    text = (
        "copied: estimated share of copies (0%: none), from how often the image nearest to a picture is a training "
        "image rather than a held-out one. further: how probable it is that a picture is further from its nearest "
        "training image than a held-out image is (0.5: no difference, near 0: copies). close: share of pictures closer "
        "than the closest hundredth of held-out images (1%: no difference).",
    )
    return Section("memory", SECTIONS["memory"][0], text, findings, tables, pictures)


def _removal(subject: Subject, folder: Path) -> Section:
    generator, experiment = _trained(subject, "Removing a part")
    from utils.explain.parts import detector_for, read_boxes
    from utils.explain.removal import draw_removal, remove_part

    if subject.boxes:  # drawn by hand around one part
        finders = {subject.boxes.stem: read_boxes(subject.boxes, BOXED, subject.fixed.side)}
    else:
        detector = detector_for(experiment.data.name, data_dir=subject.data_dir)
        finders = dict.fromkeys(detector.parts, detector)
    findings, rows, pictures, missing = [], [], [], []
    for part, finder in finders.items():
        try:
            record = remove_part(
                generator, finder, part=part, samples=BOXED, seed=subject.seed, latents=subject.latents
            )
        except InputError as error:  # a part that the samples hardly show
            missing.append(str(error))
            continue
        last = record.droppings[-1]
        share, low, high = record.gone(last)
        chance, chance_low, chance_high = last.of_random("gone")
        claim = f"Paper §6.3.1: without the feature maps that draw it, the generator forgets a part ({part})"
        rows += record.table()
        captions = (f"Samples with {part} and what is left of them.", "What dropping ever more maps does.")
        pictures += [Picture(*pair) for pair in zip(draw_removal(record, folder), captions)]
        if subject.boxes:  # nobody counts how often the part is gone
            measured = f"{last.maps} of {len(record.weights)} maps dropped: pixels change by {last.chosen.inside:.0f} "
            measured += f"inside the boxes, {last.chosen.outside:.0f} outside, of 255"
            control = f"as many random maps: {last.of_random('inside')[0]:.0f} and {last.of_random('outside')[0]:.0f}"
            findings.append(Finding(claim, measured, control))
            continue
        findings.append(
            Finding(
                claim,
                f"gone in {share:.0%} [{low:.0%}, {high:.0%}] of {record.measured} samples, {last.maps} of "
                f"{len(record.weights)} maps dropped; other parts kept {last.chosen.kept:.0%}",
                f"as many random maps: gone in {chance:.0%} [{chance_low:.0%}, {chance_high:.0%}], others kept "
                f"{last.of_random('kept')[0]:.0%}",
            )
        )
    tables = {"Dropping maps: by the regression, and at random": _rounded(rows)}
    return Section(
        "removal",
        SECTIONS["removal"][0],
        findings=tuple(findings),
        tables=tables,
        pictures=tuple(pictures),
        missing=" ".join(missing),
    )


SECTIONS: dict[str, tuple[str, Callable[[Subject, Path], Section]]] = {
    "gradcam": ("Grad-CAM", _gradcam),
    "guided": ("Guided backpropagation", _guided),
    "checks": ("Do the maps mean anything?", _checks),
    "filters": ("Filters and activations", _filters),
    "memory": ("Does the generator copy its training images?", _memory),
    "removal": ("Removing a part", _removal),
}
"""Title and maker of each section, in the page's order."""


def _trained(subject: Subject, what: str) -> tuple[keras.Model, Experiment]:
    """The generator and how it was trained."""
    if subject.generator is None or subject.experiment is None:
        raise InputError(f"{what} needs a generator and to know what it was trained on; name a run.")
    return subject.generator, subject.experiment


def _attributes(data: Dataset) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """What is known of each image as 0 and 1, (N, A): its attributes, or its class."""
    if data.attributes is not None:
        return np.asarray(data.attributes), data.attribute_names
    if data.labels is None:
        return None, ()
    classes = data.label_names or tuple(map(str, range(int(data.labels.max()) + 1)))
    return np.eye(len(classes), dtype=np.uint8)[data.labels], classes


def _rounded(rows: list[dict]) -> list[dict]:
    return [{k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()} for row in rows]
