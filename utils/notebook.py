"""What the cells of the notebooks call: an experiment at the scale asked for, its images or a stand-in, things shown.

No result is computed here. Pictures are shown as small PNGs and films inside the page, so that an executed notebook is
complete in itself; what is printed names no place outside the project but one that was asked for (`data_dir`), so that
it reads the same on every machine.
"""

import html
import io
import subprocess
import tempfile
import textwrap
from collections.abc import Iterable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import PIL.Image
from IPython.display import Image, Video, clear_output, display
from matplotlib.figure import Figure

from utils import config, presets, pretrained, viz
from utils.config import Experiment
from utils.data import Dataset, load_for
from utils.data.catalogue import Entry, find_entry, find_source
from utils.errors import InputError
from utils.explain.sections import Section
from utils.intervals import Interval
from utils.models import load_network
from utils.runs import PROJECT, Run, runs_folder
from utils.sampling import Sampler
from utils.studies.study import Study
from utils.tables import card_text, table
from utils.text import one_line
from utils.training.batches import Schedule

_QUICK = {
    "quick": {},  # is of that size
    # Full width, and small batches: without batch normalisation it takes many updates until anything is seen. 14,000
    # images take 3 minutes at 80 images/s, 2,560 of four times the pixels as long at 15.
    "report32": {"count": 2_800, "batch_size": 16, "epochs": 5},
    "report64": {"count": 512, "batch_size": 8, "epochs": 5, "summary_samples": 64},
    # Networks that work at that size: 14,400 images in 85 seconds at 170 images/s.
    "quick64": {"count": 2_880, "epochs": 5},
    "quick32": {"count": 4_800, "epochs": 10},  # 48,000 images in a minute at 800 images/s
    # The largest networks here: 6,400 images in 4 minutes at 26 images/s.
    "paper_cifar": {"count": 1_280, "batch_size": 16, "epochs": 5, "summary_samples": 64},
}
_SMALLEST = {"count": 16, "batch_size": 8, "epochs": 1, "summary_samples": 16}
# R used Kaggle's sample of the bedrooms, which holds so many (it calls them 20% in one place and 10% in another).
_REPORT_COUNT = {"lsun_bedroom": 303_125}
_STAND_INS = {"svhn": "house_numbers"}  # for all others, faces
_FILM_BYTES = 60_000

_WIDEST = 1000  # pixels: what a page shows of a picture


def plan(preset: str, data: str, scale: str = "quick", seed: int = 0, data_dir: str | Path | None = None) -> Experiment:
    """Decide what a notebook trains, and say so. A dataset that is not there is replaced, under a banner.

    The banner names the script that fetches the dataset, and the built-in dataset that stands in for it: house numbers
    for SVHN, faces for all others, at the size that the preset takes.

    Args:
        preset: name of the preset; its networks stay as they are at every scale.
        data: name of a dataset, or the path of a folder of pictures, or of an .npz / .npy file.
        scale: one of `presets.SCALES`: how many images, how large batches, how many epochs.
        seed: of initial weights, order of the images, latents and dropout.
        data_dir: where datasets are; `data/` by default.

    Returns:
        The experiment.

    Raises:
        InputError: no such preset, dataset or scale.
    """
    name, experiment = str(data), presets.preset(preset)
    entry = find_entry(name)
    if entry and experiment.data.split not in entry.available(data_dir):
        name = _STAND_INS.get(name, "faces")
        _banner(entry, entry.fetch(experiment.data.split, data_dir), find_entry(name).title)
    experiment = config.replace(experiment, name=name, seed=seed, **_changes(preset, name, scale))
    wanted, size = experiment.data.count, experiment.model.image_size
    there = find_source(name, size, wanted, data_dir=data_dir).describe()
    if wanted is not None and there.count < wanted:  # own pictures may be few
        experiment = config.replace(experiment, count=None)
    training, images = experiment.training, min(there.count, wanted or there.count)
    print(
        f"{preset} on {images:,} {there.title} of {size}x{size} pixels, seed {seed}: {training.epochs} "
        f"epoch{'s' * (training.epochs > 1)} of {Schedule.of(experiment, images).updates_per_epoch} updates, "
        f"{training.batch_size} images each."
    )
    return experiment


def open_data(experiment: Experiment, data_dir: str | Path | None = None) -> Dataset:
    """Load the images of an experiment; the progress bar goes when they are there, one line about them stays."""
    dataset = load_for(experiment, data_dir)
    clear_output(wait=True)
    print(f"{len(dataset):,} {dataset.title}. {dataset.terms}")
    return dataset


def tell(run: Run) -> None:
    """Clear the progress bar of a training; what stays is the name of its run folder and the run's log."""
    clear_output(wait=True)
    print(f"Run folder: {_within_project(run.folder)}")
    print("\n".join(run.logged()))


def show(images: np.ndarray, columns: int = 8) -> None:
    """Show uint8 (N, H, W, 3) images as a grid, those of 64 pixels twice as large as those of 32."""
    show_picture(viz.grid(images, columns, tile=64 if images.shape[2] <= 32 else 128), limit=50_000)


def show_plot(png: str | Path) -> None:
    """Show a plot from its file; reduced to 256 colours, which a plot does not notice, it is a third of the size."""
    plot = PIL.Image.fromarray(viz.read_png(png)).quantize(256, dither=PIL.Image.Dither.NONE)
    _show_picture(plot)


def show_epochs(run: Run, count: int = 4, tiles: int | None = None) -> None:
    """Show corners of a run's grids side by side: before training, at its end, and some between.

    Args:
        run: the run.
        count: how many grids, as evenly spaced as can be.
        tiles: how many pictures of a grid across, and down; by default 3, of pictures of 64 pixels, which are shown
            twice as large, 2.
    """
    large = run.experiment.model.image_size > 32
    tiles = tiles or (2 if large else 3)
    numbers = [row[run.unit] for row in run.epochs()]
    chosen = sorted({numbers[round(place)] for place in np.linspace(0, len(numbers) - 1, count)})
    sheets = []
    for number in chosen:
        sheet = viz.read_png(run.grid(number))
        pitch = sheet.shape[1] // 8  # eight pictures across, each with a gap of 2 before it, and a last gap
        corner = sheet[: tiles * pitch + 2, : tiles * pitch + 2]
        corner = corner.repeat(2, axis=0).repeat(2, axis=1) if large else corner
        framed = np.pad(corner, ((0, 0), (0, 14), (0, 0)), constant_values=255)
        sheets.append(viz.caption(framed, f"{run.unit} {number}"))
    show_picture(np.concatenate(sheets, axis=1), limit=100_000)


def play(film: str | Path, limit: int = _FILM_BYTES) -> None:
    """Show an MP4 inside the page, compressed as far as `limit` bytes ask.

    Raises:
        InputError: the film is too long to become so small.
    """
    content = Path(film).read_bytes()
    for quality in (23, 29, 35, 41, 47):  # x264's constant rate factor: from hard to tell apart to plainly worse
        if len(content) <= limit:
            break
        content = _compressed(film, quality)
    else:
        if len(content) > limit:
            raise InputError(f"{film} does not fit into {limit:,} bytes; raise limit, or show the file itself.")
    display(Video(data=content, embed=True, mimetype="video/mp4", html_attributes="controls loop autoplay muted"))


def show_shipped(name: str, seed: int = 0, count: int | None = None, folder: str | Path = pretrained.SHIPPED) -> None:
    """Show what a trained model that comes with the project draws, and what its card says; or that it is not there.

    Args:
        name: of the model.
        seed: of the latents.
        count: how many pictures; by default two rows of eight, one if larger than 32x32, to keep pages small.
        folder: where models with a name are.
    """
    model = pretrained.find(name, folder)
    if model is None:
        print(f"There is no model {name} in {_within_project(folder)}, so there is nothing to show here.")
        return
    sampler = Sampler.of(load_network(model.model("generator")), model.experiment)
    count = count or (16 if model.experiment.model.image_size <= 32 else 8)
    show(sampler.draw(count, seed))
    print(f"{count} pictures drawn by {_within_project(model.model('generator'))}, seed {seed}. From its card:")
    print(textwrap.indent(card_text(model.card), "  "))


def tell_runs(runs: dict[tuple[str, int], Run]) -> None:
    """Clear the progress bars of a study's trainings; what stays is each run's folder, its end, and its warnings."""
    clear_output(wait=True)
    for (arm, seed), run in runs.items():
        state = run.state
        ended = f"{state.status.capitalize()} after {state.update} updates and {state.seconds:.0f} s of training."
        print(f"{arm}, seed {seed}: {_within_project(run.folder)}. {ended}")
        print("".join(f"  {sentence}\n" for sentence in run.logged() if sentence.startswith("Warning")), end="")


def train_study(
    study: Study, runs_dir: str | Path | None = None, data_dir: str | Path | None = None, samples: int | None = None
) -> tuple[dict[tuple[str, int], Run], dict]:
    """Train the arms of a study, those of them that are not trained yet; what stays is what `tell_runs` says.

    Args:
        study: what to train.
        runs_dir: where runs go; `saved_models/` by default. Those of studies are in `studies/` in there.
        data_dir: where datasets are.
        samples: fake and true images to measure distances on; None measures none.

    Returns:
        The run of each (arm, seed), and their results, as `studies.results.load` gives them.
    """
    from utils.studies import results, train  # not needed by most notebooks

    if study.scale == "smallest":  # to see that everything works, two arms do
        study = study.only([arm.name for arm in study.arms[:2]])
    home = runs_folder(runs_dir) / "studies" if runs_dir else None
    runs, file = train.train_study(study, home, data_dir=data_dir, samples=samples)
    tell_runs(runs)
    return runs, results.load(study.name, file.parent)


def open_longer(
    data: str,
    experiment: Experiment,
    scale: str = "quick",
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
) -> dict | None:
    """The long training of a dataset that is kept; at scale "report" it is carried out, which takes hours.

    Args:
        data: what it is kept under.
        experiment: names the images that are trained on at scale "report".
        scale: of the notebook.
        runs_dir: where runs go; `saved_models/` by default. Those of studies are in `studies/` in there.
        data_dir: where datasets are.

    Returns:
        As `studies.results.load` gives it. None if none is kept: a sentence then says how to make it.
    """
    from utils.studies import long_training, results  # not needed by most notebooks

    if scale == "report":
        study = long_training.long_training(experiment.data.name, scale, data_dir)
        home = runs_folder(runs_dir) / "studies" if runs_dir else None
        runs, file = long_training.carry_out(study, home, data_dir=data_dir)
        tell_runs(runs)
        return results.load(study.name, file.parent)
    kept = long_training.find(data)
    if kept is None:
        print(long_training.how_to_make(data))
    return kept


def show_table(rows: list[dict]) -> None:
    """Show rows of equal keys as a table."""
    head = "".join(f'<th style="text-align:left">{html.escape(name)}</th>' for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{html.escape(str(v))}</td>' for v in row.values()) + "</tr>"
        for row in rows
    )
    display({"text/html": f"<table><tr>{head}</tr>{body}</table>", "text/plain": table(rows)}, raw=True)


def finding(claim: str, measured: Interval, control: Interval, form: str = ".0%") -> dict[str, str]:
    """A row for `show_table`: a claim that something is more than its control, and whether the intervals say so.

    It "holds" where the interval of what was measured lies above that of the control, "does not hold" where it lies
    below, and is "open" where they overlap.
    """
    verdict = "holds" if measured.low > control.high else "does not hold" if measured.high < control.low else "open"
    return {"claim": claim, "measured": f"{measured:{form}}", "control": f"{control:{form}}", "verdict": verdict}


def show_figure(figure: Figure, colours: int = 256) -> None:
    """Show a Matplotlib figure as a small PNG.

    Args:
        figure: what to show.
        colours: it is drawn with so many, 2 to 256; a figure with many samples becomes smaller with fewer.
    """
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=80)
    picture = PIL.Image.open(content).convert("RGB")
    _show_picture(picture.quantize(colours, dither=PIL.Image.Dither.NONE))


def show_picture(picture: np.ndarray, limit: int = 80_000) -> None:
    """Show a picture, uint8 (H, W, 3): as it is, or, where that would take more than `limit` bytes, as a JPEG."""
    shown, content, kind = PIL.Image.fromarray(picture), io.BytesIO(), "png"
    shown.save(content, kind, compress_level=1)
    if content.tell() < 4 * limit:  # else it would not become so small, and would take long to be made smaller
        content = io.BytesIO()
        shown.save(content, kind, optimize=True)
    for quality in (90, 80, 70, 55, 40):
        if content.tell() <= limit:
            break
        kind, content = "jpeg", io.BytesIO()
        if shown.width > _WIDEST:
            shown = shown.resize((_WIDEST, round(shown.height * _WIDEST / shown.width)), PIL.Image.Resampling.LANCZOS)
        shown.save(content, kind, quality=quality, optimize=True)
    display(Image(data=content.getvalue(), format=kind))


def show_section(section: Section, pictures: int | None = None) -> None:
    """Show a section of `./dcgan explain`: its text, tables, pictures and films, and what could not be done.

    Args:
        section: what to show.
        pictures: only the first so many of them; all by default.
    """
    clear_output(wait=True)  # progress bars of what was prepared for it
    for paragraph in section.text:
        print(textwrap.fill(paragraph, 120))
    for caption, rows in section.tables.items():
        print(f"\n{caption}\n\n{table(rows)}")
    for picture in section.pictures[:pictures]:
        print(f"\n{textwrap.fill(picture.caption, 120)}")
        play(picture.file) if picture.file.suffix == ".mp4" else show_plot(picture.file)
    if section.missing:
        print(section.missing)


def show_findings(sections: Iterable[Section]) -> None:
    """Show what was claimed, what was measured and its control, of all sections, as one table."""
    findings = [finding for section in sections for finding in section.findings]
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(t)}</td>" for t in (f.claim, f.measured, f.control)) + "</tr>"
        for f in findings
    )
    heads = "".join(f'<th style="text-align:left">{name}</th>' for name in ("Claim", "Measured", "Control"))
    plain = "\n".join(f"{f.claim}\n  measured  {f.measured}\n  control   {f.control}" for f in findings)
    display({"text/html": f"<table><tr>{heads}</tr>{rows}</table>", "text/plain": plain}, raw=True)


def _changes(preset: str, data: str, scale: str) -> dict:
    """The settings that a scale changes in a preset."""
    if scale == "report":
        report = presets.preset("report32").training
        return {"count": _REPORT_COUNT.get(data), "epochs": report.epochs, "batch_size": report.batch_size}
    if scale == "smallest":
        return _SMALLEST
    if scale != "quick" or preset not in _QUICK:
        raise InputError(
            f"scale must be one of {', '.join(presets.SCALES)}, and quick is known for the presets "
            f"{', '.join(_QUICK)}. Received: scale={scale!r}, preset={preset!r}."
        )
    return _QUICK[preset]


def _banner(missing: Entry, command: str, stand_in: str) -> None:
    first = f"{missing.title} has not been fetched."
    then = f"What follows runs on a stand-in, the {stand_in}, drawn by this project: nothing here is {missing.title}."
    cure = f"To fetch it ({missing.download}), run in the project's folder, then run this notebook again:"
    style = "border:2px solid #b45309; background:#fef3c7; color:#451a03; padding:10px 14px; border-radius:6px"
    display(
        {
            "text/html": f'<div style="{style}"><b>{html.escape(first)}</b> {html.escape(then)}<br>'
            f"{html.escape(cure)} <code>{html.escape(command)}</code></div>",
            "text/plain": f"{first} {then}\n{cure} {command}",
        },
        raw=True,
    )


def _show_picture(picture: PIL.Image.Image) -> None:
    content = io.BytesIO()
    picture.save(content, "png", optimize=True)
    display(Image(data=content.getvalue(), format="png"))


def _compressed(film: str | Path, quality: int) -> bytes:
    """A film encoded anew, in the only layout of pixels that all browsers decode."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.mp4"
        encode = ["-c:v", "libx264", "-crf", str(quality), "-preset", "slow", "-pix_fmt", "yuv420p"]
        subprocess.run(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", str(film), *encode, str(small)], check=True
        )
        return small.read_bytes()


def _within_project(path: str | Path) -> str:
    """A path as seen from the project's folder; of one that lies elsewhere its last two parts."""
    path = Path(path).resolve()
    return one_line(str(path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else Path(*path.parts[-2:])))
