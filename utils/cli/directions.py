"""`./dcgan directions`."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from utils.cli.latent import Results, expect_own, folder_for, known_to, nothing_known, sampler_for, small_of
from utils.cli.places import DataDir, Json, LatentOut, RunsDir
from utils.errors import InputError
from utils.text import shorten

SHOWN = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)  # strengths in the sheets of pictures


@dataclass(frozen=True)
class Directions:
    """Find directions in the latents, and measure what each changes: the attribute that it is for, and all others.

    With a classifier of attributes: the normal of a logistic regression for each, and the same made perpendicular to
    all others. For any model: SeFa, and principal components of activations. Random directions are the control.
    """

    name: Annotated[Positional[str], arg(metavar="RUN|MODEL")] = "last"
    """A run, a .keras file of a generator, a model that comes with the project, or "last" for the newest run."""
    sample: Annotated[str, arg(metavar="STOP")] = "12"
    """What the sheets of pictures move along the directions: the number of a sample, or latents that `./dcgan invert`
    wrote (latents.npy:0)."""
    strength: float = 3.0
    """How far samples are moved to measure what changes, in standard deviations of the latents."""
    samples: int = 128
    """On how many samples it is measured; of directions that no attribute has given a name, on half of them."""
    classifier: Annotated[str | None, arg(metavar="NAME|FILE")] = None
    """The dataset whose attributes, or classes, are looked for; by default what the model was trained on. Its
    classifier is trained once."""
    seed: int = 0
    """Seed of samples and random directions."""
    out: LatentOut = None
    json: Json = False
    runs_dir: RunsDir = None
    data_dir: DataDir = None

    def run(self) -> None:
        _directions(self)


def _directions(options: Directions) -> None:
    if options.samples < 4 or not 0 < options.strength < math.inf:
        raise InputError(
            "--samples must be at least 4, --strength above 0 and finite. Received: "
            f"{options.samples} and {options.strength}."
        )
    from utils.evaluation.names import names_for
    from utils.networks import find_network

    trained = find_network(options.name, "generator", options.runs_dir)
    known, missing = _if_there(options, lambda: names_for(known_to(trained, options.classifier), options.data_dir))
    if options.classifier and not known:
        raise InputError(f"{nothing_known(options.classifier, options.data_dir)}, or leave it out.")
    folder = folder_for(trained, "directions", options.out)
    measured = ["attributes.png", "matrix.png", "strength.png"] * bool(known)
    expect_own(folder, "directions", "components.png", "directions.npy", *measured)
    sampler, of = sampler_for(trained)

    import numpy as np

    from utils.evaluation.judge import judge_for
    from utils.latent import pictures
    from utils.latent.arithmetic import make_pool
    from utils.latent.directions import edited, find_directions
    from utils.latent.stops import find_stops

    stops = find_stops(sampler, [options.sample], options.seed)
    start = stops.latents
    if len(start) > 1:
        raise InputError(
            f"--sample is one sample, and {options.sample} holds {len(start)} latents: name a row of it, such as "
            f"{options.sample}:0."
        )
    judge = None
    if known:
        places = {"data_dir": options.data_dir, "progress": not options.json}
        size, dataset = sampler.generator.output_shape[1], known_to(trained, options.classifier)
        small = small_of(trained, dataset)
        judge, missing = _if_there(options, lambda: judge_for(dataset, size, small=small, **places))
    pool = make_pool(sampler, judge, seed=options.seed) if judge else None
    found = find_directions(sampler, pool, judge.names if judge else (), options.seed)
    about = [{"kind": direction.kind, "name": direction.name, **direction.about} for direction in found]
    shown_on = {"sample": stops.names[0], "read_from": stops.files}
    results = Results(folder, "directions", of | {"seed": options.seed, **shown_on, "directions": about})
    for name, kinds in (("attributes.png", ("regression",)), ("components.png", ("SeFa", "PCA", "random"))):
        if shown := [direction for direction in found if direction.kind in kinds]:
            drawn = np.concatenate([edited(sampler, start, direction.vector, SHOWN) for direction in shown])
            results.picture(name, pictures.directions_sheet(shown, drawn, SHOWN))
    if judge:
        _measure(options, trained, sampler, judge, pool, found, results)
    results.plain["missing"] = missing
    vectors = np.stack([direction.vector for direction in found])
    results.plain["vectors_sha256"] = results.latents("directions.npy", vectors)
    results.tell(options.json, *([f"What they change cannot be measured: {missing}"] if missing else []))


def _if_there(options: Directions, find: Callable[[], object]) -> tuple[object, str]:
    """What `find` gives; else None and why nothing is known about the images, which --classifier makes an error."""
    try:
        found = find()
    except InputError as error:
        if options.classifier:
            raise
        return None, str(error)
    return found or None, "" if found else "nothing is known about its images"


def _measure(options: Directions, trained, sampler, judge, pool, found, results: Results) -> None:
    """What the directions change, and what becomes of samples that are moved ever further."""
    from utils.latent.directions import differences_of_means, effects, follow
    from utils.latent.figures import effects_figure, following_figure

    record = effects(sampler, judge, found, options.samples, options.strength, options.seed, not options.json)
    title = shorten(trained.title, 60)
    results.figure("matrix.png", effects_figure(record, title))
    results.plain["effects"] = record.plain()
    everything = [*found, *differences_of_means(pool, judge.names)]
    there = {direction.kind for direction in everything}
    if "regression" in there:
        kinds = [kind for kind in ("regression", "conditional", "means", "random") if kind in there]
        followed = [follow(sampler, judge, everything, kind, seed=options.seed) for kind in kinds]
        heading = f"{title}: samples that do not show an attribute, moved towards it"
        results.figure("strength.png", following_figure(followed, heading))
        results.plain["strength"] = [one.plain() for one in followed]
    leaks = "\nA picture shows one class: what one gains the others lose, as leakage." if judge.exclusive else ""
    results.table(
        f"{options.samples} samples moved by {options.strength:g} standard deviations, forwards against backwards: by "
        "how much more often they show\nthe attribute (gain), and how much the others change (leakage), as shares of "
        "the samples. Directions without a name\nare taken for what they change most in half of the samples, and "
        f"measured on the other half. Judged by the {judge.name}." + leaks,
        record.table(),
    )
