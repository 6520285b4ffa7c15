"""Guided backpropagation: its sheets and its section."""

from pathlib import Path

import numpy as np

from utils import viz
from utils.data import Dataset
from utils.data.conditions import are_classes
from utils.explain.draw import around_grey, sheet
from utils.explain.fixed import is_rectifier
from utils.explain.guided import FilterSaliency, filter_saliency, score_saliency, selectivity, strongest
from utils.explain.sections import Finding, Picture, Section, rounded
from utils.explain.subject import Subject

SELECTIVE_TOP = 50  # images by which a filter's preference is tested
SHOWN_FILTERS = range(6)  # the paper's Fig 5: the first six


def section(subject: Subject, folder: Path) -> Section:
    images, (attributes, names) = subject.data.images, _attributes(subject.data)
    findings, pictures, preferences = [], [], {}
    random, asked = subject.fixed.randomised(subject.seed), subject.fixed.convolution(subject.layer)
    where = "" if asked == subject.fixed.convolutions[-1] else f" of {asked}"  # the claim is about the last
    for kind, discriminator in (("trained", subject.fixed), ("random weights", random)):
        best = strongest(discriminator, images, subject.layer, top=SELECTIVE_TOP)
        filters = [i for i in SHOWN_FILTERS if i < best.convolution.maps]
        record = filter_saliency(discriminator, images, best, filters, top=6)
        file = folder / ("guided.png" if kind == "trained" else "guided_random.png")
        pictures.append(
            Picture(
                draw_filter_saliency(record, file),
                f"{kind.capitalize()}: the images among {best.searched:,} that the first filters of "
                f"{best.convolution} answer to most, and the guided gradient of that one activation; grey is 0.",
            )
        )
        if attributes is not None:
            preferences[kind] = selectivity(best, attributes, names)
    columns = {
        "guided,\nfor true": score_saliency(subject.fixed, subject.true[:8]),
        "guided,\nfor fake": score_saliency(subject.fixed, subject.true[:8], "fake"),
        "plain\ngradient": score_saliency(subject.fixed, subject.true[:8], guided=False),
        "guided, ran-\ndom weights": score_saliency(random, subject.true[:8]),
    }
    pictures.append(
        Picture(
            draw_score_saliency(columns, subject.true[:8], folder / "guided_score.png"),
            "Gradients of the logit by the pixels of true images, each picture scaled by itself; grey is 0.",
        )
    )
    claim = (
        "Paper §6.2 and Fig 5, report Figs 21 and 22: filters of the last convolution answer to typical parts of the "
        "images, those of a random network to nothing"
    )
    if any(map(is_rectifier, subject.fixed.layers)):
        rule = (
            "Going back through a rectifier, a gradient passes only where the forward activation was positive and the "
            "gradient is positive (Springenberg et al., §3.4). The same rule holds for LeakyReLU here: units that were "
            "negative pass nothing, and the leak never enters."
        )
    else:
        rule = (
            "Guided backpropagation has a rule for rectifiers only (Springenberg et al., §3.4), and this network has "
            "none (ReLU, ReLU6, LeakyReLU or PReLU): what is called guided here is the plain gradient."
        )
    tables, values, text = {}, {}, (rule,)
    if preferences and preferences["trained"].telling:
        told = {
            kind: f"{p.selective.sum()} of {len(p.alive)} filters{where} prefer an attribute"
            for kind, p in preferences.items()
        }
        findings.append(Finding(claim, told["trained"], f"random weights: {told['random weights']}"))
        values["filters"] = [
            {"weights": kind, "filters": len(p.alive), "prefer": int(p.selective.sum())}
            for kind, p in preferences.items()
        ]
        preferred = [
            {"attribute": name, "share of all images": float(preferences["trained"].base[i])}
            | {kind: int((p.best[p.selective] == i).sum()) for kind, p in preferences.items()}
            for i, name in enumerate(names)
        ]
        values["preferred attributes"] = rounded(preferred)
        tables["Filters by the attribute that they prefer (hypergeometric test, 5% after Bonferroni's correction)"] = [
            row | {"share of all images": f"{row['share of all images']:.0%}"} for row in preferred
        ]
        text += (
            f"A filter prefers an attribute if among its {SELECTIVE_TOP} strongest images more have it than chance "
            "allows.",
        )
    else:
        why = (
            f"{len(images):,} images are too few to tell which filters prefer an attribute"
            if preferences
            else "no classes or attributes are known that tell the images apart"
        )
        findings.append(Finding(claim, f"pictures only: {why}", "pictures only"))
    return Section(text=text, findings=tuple(findings), tables=tables, values=values, pictures=tuple(pictures))


def draw_filter_saliency(record: FilterSaliency, file: str | Path) -> Path:
    """For each filter a row of its strongest images, and below it the guided gradient of its activation there."""
    images = record.images
    rows = np.stack([images, around_grey(record.saliency, (2, 3, 4))], 1).reshape(-1, *images.shape[1:])
    labels = [label for filter in record.filters for label in (f"filter {filter}", "what drives it")]
    titles = ["strongest", *(f"number {i}" for i in range(2, images.shape[1] + 1))]
    viz.write_png(file, sheet({title: rows[:, i] for i, title in enumerate(titles)}, labels))
    return Path(file)


def draw_score_saliency(columns: dict[str, np.ndarray], images: np.ndarray, file: str | Path) -> Path:
    """Images beside gradients by their pixels: float (N, S, S, 3) by title, each picture scaled by itself."""
    shown = {title: around_grey(gradient, (1, 2, 3)) for title, gradient in columns.items()}
    viz.write_png(file, sheet({"image": images} | shown))
    return Path(file)


def _attributes(data: Dataset) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """What is known of each image as 0 and 1, uint8 (N, A): its attributes, or its class; None if that is nothing, or
    the same of all."""
    if data.attributes is not None:
        known, names = np.asarray(data.attributes), data.attribute_names
    elif data.labels is not None and are_classes(data.labels, data.label_names):
        labels, named = np.asarray(data.labels), data.label_names
        classes = np.arange(len(named)) if named else np.unique(labels)
        known, names = (labels[:, None] == classes).astype(np.uint8), named or tuple(map(str, classes.tolist()))
    else:
        return None, ()
    return (known, names) if (known != known[0]).any() else (None, ())
