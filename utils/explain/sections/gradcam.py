"""Grad-CAM: its sheets, its film and its section."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from utils import viz
from utils.errors import InputError
from utils.explain.checks import rank_correlation
from utils.explain.draw import around_grey, colour, overlay, sheet
from utils.explain.gradcam import GradCam, enlarge, grad_cam, grad_cam_over_epochs
from utils.explain.sections import Finding, Picture, Section, bracketed, rounded
from utils.explain.subject import Subject
from utils.intervals import told_mean


def section(subject: Subject, folder: Path) -> Section:
    findings, rows, pictures, missing = [], [], [], ""
    for kind, discriminator, images in subject.sides():
        record = grad_cam(discriminator, images, subject.layer)
        about = str(record.convolution)
        compared = {"correlation": record.contributions, "with another image's": np.roll(record.contributions, 1, 0)}
        found = {name: rank_correlation(record.combination, maps) for name, maps in compared.items()}
        means = {name: told_mean(each) for name, each in found.items()}
        agreement, others = (bracketed(means[name], ".3f") for name in compared)
        opposite = "fake" if kind == "true" else "true"
        empty = {score: int((record.maps(score).max((1, 2)) == 0).sum()) for score in ("true", "fake")}
        row = {"images": kind, "count": len(images), "logit": float(record.logits.mean())}
        row |= {f"empty for {score}": number for score, number in empty.items()}
        rows.append(row | {column: v for name, mean in means.items() for column, v in mean.columns(name).items()})
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
                draw_grad_cam(record, folder / f"gradcam_{kind}.png"),
                f"Grad-CAM of {kind} images at {about}, for true and for fake. Both maps of an image share one scale: "
                "red is the strongest place of the two. Right: the contributions without Grad-CAM's averaging.",
            ),
            Picture(
                draw_layers(
                    [grad_cam(discriminator, images[:4], c.name) for c in discriminator.convolutions],
                    folder / f"layers_{kind}.png",
                ),
                f"The same layer by layer, overlaid on {min(4, len(images))} {kind} images.",
            ),
        ]
    try:
        if subject.run is None:
            raise InputError("A model without its run has no epochs to make a film of.")
        kept = grad_cam_over_epochs(subject.run, subject.true[:6], subject.layer, subject.reference)
        film, _ = draw_grad_cam_film(kept, folder, subject.run.unit)
        about = f"The same true images, judged by the discriminator of each {subject.run.unit} that was kept."
        pictures.append(Picture(film, about))
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
    values = {"Grad-CAM": rounded(rows)}
    return Section(text=text, findings=tuple(findings), values=values, pictures=tuple(pictures), missing=missing)


def grad_cam_sheet(record: GradCam, shown: int = 8) -> np.ndarray:
    """Original | map | overlay, for true and for fake, and the contributions, of the first images: uint8 RGB."""
    first = slice(0, shown)
    images = record.images[first]
    columns = {"image": images}
    for score in ("true", "fake"):
        heat = record.heat(score)[first]
        columns |= {f"speaks\nfor {score}": colour(heat), f"overlaid,\nfor {score}": overlay(images, heat)}
    parts = around_grey(enlarge(record.contributions[first], images.shape[1]), (1, 2))
    columns["contributions:\nwhite for true"] = parts[..., None].repeat(3, -1)
    return sheet(columns, [f"logit {logit:+.1f}" for logit in record.logits[first]])


def draw_grad_cam(record: GradCam, file: str | Path, shown: int = 8) -> Path:
    """Write `grad_cam_sheet` as PNG."""
    viz.write_png(file, grad_cam_sheet(record, shown))
    return Path(file)


def draw_layers(records: Sequence[GradCam], file: str | Path, shown: int = 4) -> Path:
    """The first images layer by layer: for each image a row of overlays for true, and one for fake."""
    images = records[0].images[:shown].repeat(2, 0)
    columns = {"image": images}
    for record in records:
        heats = np.stack([record.heat(score)[:shown] for score in ("true", "fake")], 1)
        side = record.convolution.side
        title = f"convolution {record.convolution.number}\n{side}×{side} places"
        columns[title] = overlay(images, heats.reshape(images.shape[:3]))
    viz.write_png(
        file, sheet(columns, [f"for {score}" for _ in range(shown) for score in ("true", "fake")][: len(images)])
    )
    return Path(file)


def draw_grad_cam_film(
    records: Iterable[tuple[int, GradCam]], folder: str | Path, unit: str = "epoch", fps: float = 2, shown: int = 6
) -> list[Path]:
    """The sheet of every epoch, or update, as a film, MP4 and GIF; each record is taken, drawn and let go."""
    files = [Path(folder) / f"gradcam_epochs{suffix}" for suffix in (".mp4", ".gif")]
    frames = (viz.caption(grad_cam_sheet(record, shown), f"{unit} {number}") for number, record in records)
    viz.write_film(files, frames, fps)
    return files
