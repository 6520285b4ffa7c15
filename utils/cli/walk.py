"""`./dcgan walk`."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from utils.cli import asked
from utils.cli.latent import Results, expect_own, folder_for, sampler_for
from utils.cli.places import DataDir, Json, LatentOut, RunsDir
from utils.errors import InputError
from utils.text import shorten


@dataclass(frozen=True)
class Walk:
    """Walk from sample to sample: a film (MP4 and GIF) that plays in a loop, and a strip of its pictures."""

    name: Annotated[Positional[str], arg(metavar="RUN|MODEL")] = "last"
    """A run, a .keras file of a generator, a model that comes with the project, or "last" for the newest run."""
    start: Annotated[str | None, arg(name="from", metavar="STOP")] = None
    """Where to begin: the number of a sample, as `./dcgan sample RUN --numbers` draws it; or a file of latents that
    `./dcgan invert` wrote, or a row of it (latents.npy:3)."""
    to: Annotated[str | None, arg(metavar="STOP")] = None
    """Where to go, likewise."""
    through: Annotated[tuple[str, ...], arg(metavar="STOP…")] = ()
    """Walk through all of these instead, and back to the first."""
    stops: int = 5
    """Through how many samples, where none are named: the first of the seed."""
    path: Literal["straight", "spherical", "spline"] | None = None
    """By default a smooth curve (spline) through three or more stops; between two the spherical path for N(0, 1)
    latents, the straight one for uniform latents."""
    open: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Do not go back to the first stop; the film then plays there and back."""
    frames: int = 60
    """Frames of the film, at least."""
    fps: float = 20.0
    """Frames per second."""
    seed: int = 0
    """Seed of the numbered samples."""
    label: asked.Label = None
    """Of a conditional model: the class that is drawn all the way."""
    attributes: asked.Attributes = None
    """Likewise for attributes; those that are not named are as in one training image, all the way: as `./dcgan sample
    RUN --numbers` draws them."""
    measure: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Also measure whether walks between random samples change smoothly, against fading and against true images."""
    data: Annotated[str | None, arg(metavar="NAME|FOLDER")] = None
    """For --measure: the true images; by default those of the dataset that it was trained on."""
    features: Annotated[str, arg(metavar="auto|NAME")] = "auto"
    """For --measure: one feature space, as for `./dcgan evaluate`."""
    out: LatentOut = None
    json: Json = False
    runs_dir: RunsDir = None
    data_dir: DataDir = None

    def run(self) -> None:
        _walk(self)


def _walk(options: Walk) -> None:
    named = _named(options)
    if not 0.01 <= options.fps <= 60:
        raise InputError(f"fps must lie between 0.01 and 60. Received: {options.fps}.")
    given = {"--data": options.data, "--features": None if options.features == Walk.features else options.features}
    if not options.measure and (beside := [f"{name} {value}" for name, value in given.items() if value is not None]):
        raise InputError(
            "--data and --features are about --measure, which compares walks with true images: add it, or leave them "
            f"out. Received: {' '.join(beside)}."
        )
    from utils.latent.paths import expect_frames
    from utils.latent.stops import title_of
    from utils.networks import find_network

    expect_frames(options.frames, len(named) or options.stops)  # before anything is drawn; a file may hold more stops
    trained = find_network(options.name, "generator", options.runs_dir)
    wanted = options.label or options.attributes or ""
    about = "-".join([*map(title_of, named), *([wanted] if wanted else [])])
    folder = folder_for(trained, "walk", options.out, about, options.seed)
    expect_own(folder, "walk", "walk.mp4", "walk.gif", "strip.png", *["smoothness.png"] * options.measure)
    words = named or tuple(map(str, range(options.stops)))
    asked_for = options.label is not None or options.attributes is not None
    conditions, _ = asked.conditions_for(trained, options.label, options.attributes) if asked_for else (None, "")
    sampler, of = sampler_for(trained, conditions)

    from utils.latent import pictures
    from utils.latent.stops import find_stops
    from utils.latent.walk import walk

    stops = find_stops(sampler, words, options.seed)
    closed = len(stops) > 2 and not options.open
    record = walk(sampler, stops.latents, options.frames, options.path, closed, stops.names)
    measured = _measure(options, trained, sampler) if options.measure else None

    how = {"seed": options.seed, "label": options.label, "attributes": options.attributes, "fps": options.fps}
    results = Results(folder, "walk", of | how | record.plain() | {"read_from": stops.files})
    results.files(lambda *films: pictures.write_walk(record, *films, fps=options.fps), "walk.mp4", "walk.gif")
    results.picture("strip.png", pictures.walk_strip(record))
    if measured:
        from utils.latent.figures import smoothness_figure

        results.plain["smoothness"] = measured.plain()
        results.figure("smoothness.png", smoothness_figure(measured, shorten(trained.title, 60)))
        results.table(
            "Do walks change smoothly? Steps: 1 if all are equal. Distances: 1 is as far as from a true image to the "
            f"next,\nin the features of the {measured.space}.",
            measured.table(),
        )
    results.tell(options.json)


def _named(options: Walk) -> tuple[str, ...]:
    if (options.start is None) != (options.to is None):
        raise InputError("--from and --to go together: name where to begin and where to go.")
    if options.start is not None and options.through:
        raise InputError("A walk goes either --from one stop --to another, or --through several: give one of the two.")
    named = options.through if options.start is None else (options.start, options.to)
    if named and options.stops != Walk.stops:
        raise InputError(
            "--stops is through how many samples where none are named: leave it out, or name none. Received: --stops "
            f"{options.stops} beside {', '.join(named)}."
        )
    if options.stops < 2:
        raise InputError(f"--stops must be at least 2. Received: {options.stops}.")
    return named


def _measure(options: Walk, trained, sampler):
    import numpy as np

    from utils.cli.evaluate import data_of
    from utils.evaluation.evaluation import was_trained_on
    from utils.evaluation.held_out import TooFewImages, true_images_for
    from utils.evaluation.judge import space_for
    from utils.latent.walk import TRUE_IMAGES, smoothness
    from utils.networks import with_data
    from utils.streams import stream

    trained, other = with_data(trained, options.data, options.data_dir, progress=not options.json)
    data, size = data_of(trained, other), sampler.generator.output_shape[1]
    places = {"data_dir": options.data_dir, "progress": not options.json}
    how = {"trained_on": was_trained_on(trained, data, **places), **places}
    try:
        true = true_images_for(data, size, TRUE_IMAGES, **how)
    except TooFewImages as few:
        if few.there < 2:  # one has no nearest other
            raise
        true = true_images_for(data, size, few.there, **how)
    extractor = space_for(data.name, size, features=options.features, small=data.small, **places)
    # They may be in an order, of classes or of names.
    rows = np.sort(stream(options.seed, "walk: true images").permutation(len(true.images))[:TRUE_IMAGES])
    return smoothness(sampler, extractor, np.asarray(true.images[rows]), true.about, seed=options.seed)
