"""The checks of the maps: their curves and their section."""

from pathlib import Path

import numpy as np

from utils.explain.checks import (
    DRAWS,
    Curves,
    Pointing,
    Randomisation,
    cascading_randomisation,
    deletion_insertion,
    edges,
    methods,
    pointing_game,
)
from utils.explain.sections import Finding, Picture, Section, bracketed, rounded
from utils.explain.subject import Subject
from utils.figure import new_figure, write_figure

CHECKED = 32  # images that the slower checks look at


def section(subject: Subject, folder: Path) -> Section:
    text = (
        "Three questions that a picture cannot answer by itself: does the map change when the network forgets, does "
        "the score follow the pixels that the map marks, and does the map lie on known parts?",
        "Deleting makes pixels grey and inserting starts from a blurred image; to a discriminator both are fake "
        "pictures, so beside every curve stands that in the order of other images' maps, and occlusion (which measures "
        "deletion itself) shows that the test can be passed. That the first can be failed is shown by the edges of the "
        "image, which know no network. There the size of a correlation counts: a random head turns a map over as often "
        "as not, so the mean with its sign is 0 whatever the map shows.",
    )
    checks = [_randomisation(subject, folder), _deletion(subject, folder)]
    if subject.data.boxes is not None:
        checks.append(_pointing(subject, folder))
    return Section(
        text=text,
        findings=tuple(finding for check in checks for finding in check.findings),
        tables={caption: rows for check in checks for caption, rows in check.tables.items()},
        values={of: rows for check in checks for of, rows in check.values.items()},
        pictures=tuple(picture for check in checks for picture in check.pictures),
    )


def _randomisation(subject: Subject, folder: Path) -> Section:
    compared = {name: method for name, method in methods(subject.layer).items() if name != "occlusion"}
    compared["edges, which have to fail"] = edges
    images = subject.true[:CHECKED]
    # Of few images, for a look, few draws, too: for each draw every method makes a map of every layer.
    draws = min(DRAWS, len(images))
    record = cascading_randomisation(subject.fixed, images, compared, draws, subject.seed)
    rows = []
    for name in compared:
        head, *_, everything = (bracketed(size, ".3f") for size in record.sizes(name))
        between = f"{record.between_images[name]:.3f}"
        rows.append({"method": name, "head random": head, "all random": everything, "between images": between})
    findings = tuple(
        Finding(
            f"{row['method']} shows what the network has learnt (report, Figs 20 to 22)",
            f"size of the rank correlation with the trained map once all weights are random {row['all random']}",
            f"between trained maps of different images {row['between images']}",
        )
        for row in rows
        if row["method"] in ("Grad-CAM", "guided backpropagation")
    )
    picture = Picture(
        draw_randomisation(record, folder / "randomisation.png", subject.about),
        "Layers lose what they learnt, from the head down. A map that explains the weights falls to the level of maps "
        "of different images (dotted), or below. Bars: 95% over draws of the weights.",
    )
    caption = (
        f"Size of the rank correlation with the trained maps (Adebayo et al.), mean over images [95%, {draws} draws of "
        "random weights]"
    )
    values = [
        {"method": name, "random down to": stage} | size.columns("correlation") | {"between images": between}
        for name, between in record.between_images.items()
        for stage, size in zip(record.stages, record.sizes(name))
    ]
    return Section(
        findings=findings, tables={caption: rows}, values={"randomisation": rounded(values)}, pictures=(picture,)
    )


def _deletion(subject: Subject, folder: Path) -> Section:
    findings, rows, values, pictures = [], [], [], []
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
                for change in ("deletion", "insertion"):
                    advantage = record.advantage(change)
                    row[f"{change}, {unit}"] = bracketed(advantage, ".3f")
                    value = {"images": kind, "count": len(images), "method": name, "change": change, "in": unit}
                    values.append(value | advantage.columns("area less that with maps of others"))
            rows.append(row)
        deletion = {name: bracketed(curve.advantage("deletion"), ".3f") for name, curve in curves.items()}
        findings.append(
            Finding(
                f"What Grad-CAM marks makes {kind} images {kind}",
                f"deletion area {deletion['Grad-CAM']} from that with maps of other images (below 0: it finds what "
                f"matters); contributions {deletion['contributions']}",
                f"occlusion, which has to pass {deletion['occlusion']}",
            )
        )
        pictures.append(
            Picture(
                draw_curves(curves, folder / f"deletion_insertion_{kind}.png", subject.about),
                f"The logit of {kind} as pixels of {len(images)} {kind} images are deleted or inserted, in the order "
                "of each method's maps.",
            )
        )
    caption = "Area under the curve less that with the maps of other images (Petsiuk et al.), mean over images [95%]"
    return Section(
        findings=tuple(findings),
        tables={caption: rows},
        values={"deletion and insertion": rounded(values)},
        pictures=tuple(pictures),
    )


def _pointing(subject: Subject, folder: Path) -> Section:
    images, boxes = np.asarray(subject.data.images[subject.rows]), subject.data.boxes[subject.rows]
    random, known = subject.fixed.randomised(subject.seed), methods(subject.layer)
    findings, tables, values, played = [], {}, [], {}
    for method, score in (("Grad-CAM", "true"), ("Grad-CAM", "fake"), ("contributions", "true")):
        title = f"{method} for {score}"
        played[title], control = (
            pointing_game(
                np.maximum(known[method](discriminator, images, score), 0),
                boxes,
                subject.data.box_names,
                discriminator.side,
                subject.seed,
            )
            for discriminator in (subject.fixed, random)
        )
        by_chance = {part.part: f"{part.share.value:.0%} of {part.pointed}" for part in control}
        tables[f"Pointing game, {title} on true images (Zhang et al.)"] = [
            {
                "part": part.part,
                "shown": part.shown,
                "maps that point": part.pointed,
                "hits": bracketed(part.share, ".0%"),
                "maps of other images": f"{part.swapped:.0%}",
                "a random place": f"{part.chance:.0%}",
                "the image's centre": f"{part.centre:.0%}",
                "random weights": by_chance.get(part.part, "none point"),
            }
            for part in played[title]
        ]
        values += [
            {"map": title, "weights": weights, "part": part.part, "shown": part.shown, "point": part.pointed}
            | part.share.columns("hits")
            | {"maps of other images": part.swapped, "a random place": part.chance, "the centre": part.centre}
            for weights, parts in (("trained", played[title]), ("random", control))
            for part in parts
        ]
        count = len(played[title])
        better_than = {
            "others": [part.part for part in played[title] if part.beats_others(count)],
            "chance": [part.part for part in played[title] if part.beats_chance(count)],
        }
        told = {
            level: f"{len(parts)} of {count} parts{': ' if parts else ''}{', '.join(parts)}"
            for level, parts in better_than.items()
        }
        findings.append(
            Finding(
                f"{title} lies on the parts that an image shows",
                f"more often than the maps of other images do on {told['others']}",
                f"more often than a random place on {told['chance']}",
            )
        )
    picture = Picture(
        draw_pointing(played, folder / "pointing.png", subject.about),
        "How often the strongest place of a map lies in the box of a part. Below the name: images that show the part "
        "and have a map that points anywhere. A map that follows its image beats the maps of others; the findings ask "
        "that beyond chance, at 5% after Bonferroni's correction for the parts (a permutation test; for a random place "
        "Wilson's interval).",
    )
    values = {"pointing game": rounded(values)}
    return Section(findings=tuple(findings), tables=tables, values=values, pictures=(picture,))


def draw_randomisation(record: Randomisation, file: str | Path, heading: str = "") -> Path:
    """Size of the rank correlation with the trained maps, layer after layer, with that between images as a level."""
    figure = new_figure(7.5, 4.5, heading)
    axes = figure.subplots()
    x = np.arange(len(record.stages) + 1)
    for i, method in enumerate(record.correlations):
        value, low, high = np.transpose([(1, 1, 1), *((s.value, s.low, s.high) for s in record.sizes(method))])
        axes.errorbar(x, value, [value - low, high - value], fmt="o-", capsize=2, color=f"C{i}", label=method)
        axes.axhline(record.between_images[method], color=f"C{i}", linestyle=":", linewidth=1)
    axes.set_xticks(x, ["trained", *record.stages], rotation=20)
    axes.set(
        ylabel="size of the rank correlation\nwith the trained map",
        xlabel="randomised down to (dotted: maps of different images)",
        ylim=(0, 1.05),
    )
    axes.grid(alpha=0.25)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return write_figure(file, figure)


def draw_curves(records: dict[str, Curves], file: str | Path, heading: str = "") -> Path:
    """Mean deletion and insertion curves of several methods, each with the maps of other images dotted."""
    figure = new_figure(10, 4.5, heading)
    for axes, name in zip(figure.subplots(1, 2), ("deletion", "insertion")):
        for i, (method, curves) in enumerate(records.items()):
            x = 100 * curves.fractions
            axes.plot(x, getattr(curves, name).mean(0), color=f"C{i}", label=method)
            axes.plot(x, getattr(curves, f"swapped_{name}").mean((0, 1)), ":", color=f"C{i}", linewidth=1)
        score = next(iter(records.values())).score
        changed = "replaced by grey" if name == "deletion" else "put into the blurred image"
        axes.set(title=name, xlabel=f"% of the pixels {changed}", ylabel=f"logit of {score}, mean over images")
        axes.grid(alpha=0.25)
    axes.plot([], [], ":", color="grey", label="with maps of other images")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8, frameon=False)
    return write_figure(file, figure)


def draw_pointing(records: dict[str, list[Pointing]], file: str | Path, heading: str = "") -> Path:
    """Share of hits of each part with its interval, beside chance, the image's centre and the maps of other images."""
    figure = new_figure(4.6 * len(records), 4, heading)
    for axes, (title, parts) in zip(figure.subplots(1, len(records), sharey=True, squeeze=False)[0], records.items()):
        x = np.arange(len(parts))
        share = np.array([p.share.value for p in parts])
        spread = np.abs(np.array([[p.share.low for p in parts], [p.share.high for p in parts]]) - share)
        axes.bar(x, share, 0.5, yerr=spread, capsize=3, color="C0", alpha=0.6, label="its own map")
        axes.plot(x, [p.swapped for p in parts], "D", color="C3", markersize=5, label="maps of other images")
        axes.plot(x, [p.chance for p in parts], "_", color="black", markersize=22, label="a random place")
        axes.plot(x, [p.centre for p in parts], "x", color="grey", label="the image's centre")
        axes.set_xticks(x, [f"{p.part}\n{p.pointed}" for p in parts], fontsize=8)
        axes.set(title=title, ylabel="share of hits", ylim=(-0.03, 1.03))
        axes.grid(alpha=0.25, axis="y")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return write_figure(file, figure)
