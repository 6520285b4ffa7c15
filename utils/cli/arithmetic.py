"""`./dcgan arithmetic`."""

from dataclasses import dataclass
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from utils.cli.latent import Results, expect_own, folder_for, known_to, nothing_known, sampler_for, small_of
from utils.cli.places import DataDir, Json, LatentOut, RunsDir
from utils.errors import InputError
from utils.text import shorten


@dataclass(frozen=True)
class Arithmetic:
    """Add and subtract concepts: the mean latents of a few samples each, as in the paper.

    By numbers of samples, for anybody's model: ./dcgan arithmetic faces64 "glasses: 4 14 27" - "plain: 0 32 48" +
    "long: 13 43 22". In words, where a classifier can find samples: ./dcgan arithmetic faces64 "glasses" -
    "without glasses" + "beard without glasses".
    """

    name: Annotated[Positional[str], arg(metavar="RUN|MODEL")]
    """A run, a .keras file of a generator, a model that comes with the project, or "last" for the newest run."""
    expression: Annotated[Positional[tuple[str, ...]], arg(metavar="TERM [+|- TERM]…")] = ()
    """Terms with + or - between them. A term is a name and the numbers of samples, as `./dcgan sample RUN --numbers`
    draws them ("glasses: 3 9 14"); or latents that `./dcgan invert` wrote ("me: latents.npy:0"); or attributes in words
    ("smiling", "long hair without glasses")."""
    exemplars: int | None = None
    """How many samples a classifier finds for a term in words; by default 3, as in the paper. --score counts with 1, 3
    and 10."""
    score: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Also count how often it works, with 1, 3 and 10 exemplars and beside controls; without an expression for every
    attribute. Some minutes."""
    trials: int | None = None
    """For --score: trials of each expression and number of exemplars; by default 60."""
    turn: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Instead of an expression: the turn vector of the built-in faces, in degrees, from 1, 4 and 16 samples a side."""
    classifier: Annotated[str | None, arg(metavar="NAME|FILE")] = None
    """The dataset whose attributes, or classes, terms in words mean; by default what the model was trained on. Its
    classifier is trained once."""
    seed: int = 0
    """Seed of the numbered samples, of the noise and of the trials."""
    out: LatentOut = None
    json: Json = False
    runs_dir: RunsDir = None
    data_dir: DataDir = None

    def run(self) -> None:
        _arithmetic(self)


def _arithmetic(options: Arithmetic) -> None:
    if not (options.expression or options.score or options.turn):
        raise InputError(
            'There is nothing to do: write terms, such as "glasses: 3 9 14" - "plain: 2 5 7", or --score or --turn.'
        )
    given = {"--exemplars": options.exemplars, "--trials": options.trials}
    beside = {"an expression": options.expression or None, "--score": options.score or None, **given}
    if options.turn and (named := [name for name, value in beside.items() if value is not None]):
        raise InputError(
            "--turn finds its own exemplars and measures what they do: leave the expression, --score, --exemplars and "
            f"--trials out, or --turn. Received beside it: {', '.join(named)}."
        )
    if options.trials is not None and not options.score:
        raise InputError(
            "--trials is about --score, which counts how often a sum works: add it, or leave --trials out. Received: "
            f"--trials {options.trials}."
        )
    for (name, value), least in zip(given.items(), (1, 2)):
        if value is not None and value < least:
            raise InputError(f"{name} must be at least {least}. Received: {value}.")
    from utils.evaluation.names import are_of_classes, names_for
    from utils.latent.terms import check_of_one_class, expected, parse
    from utils.networks import find_network

    trained = find_network(options.name, "generator", options.runs_dir)
    text = " ".join(options.expression)
    in_words = (bool(options.expression) and _in_words(text)) or options.score or options.turn
    if options.classifier is not None and not in_words:
        raise InputError(
            "--classifier says which attributes terms in words mean: write such a term, or leave it out. Received: "
            f"--classifier {options.classifier}, {text}."
        )
    known = names_for(known_to(trained, options.classifier), options.data_dir) if in_words else ()
    if in_words and not known:
        why = nothing_known(known_to(trained, options.classifier), options.data_dir)
        raise InputError(f"{why}, or write terms as numbers of samples.")
    terms = parse(text, known) if options.expression else ()
    if options.exemplars is not None and not any(term.wanted for term in terms):
        raise InputError(
            "--exemplars is how many samples a classifier finds for a term in words: write such a term, or leave "
            f"--exemplars out. Received: --exemplars {options.exemplars}, {text or 'no expression'}."
        )
    if options.turn and known_to(trained, options.classifier) != "faces":
        raise InputError(f"How far a picture is turned is known of the built-in faces only. Received: {trained.title}.")
    if options.score and not all(term.wanted for term in terms):
        raise InputError(
            f"What is scored has its terms in words, so that other samples can be found. Received: {text!r}."
        )
    if options.score and terms and are_of_classes(known_to(trained, options.classifier), options.data_dir):
        check_of_one_class(terms)
    if options.score and terms and not expected(terms):
        raise InputError(
            "What is scored decides what the result should show, and here nothing is left of what the terms ask for: "
            f"add a term, or leave one out. Received: {text!r}."
        )
    about = " ".join(f"{'plus' if term.sign > 0 else 'minus'} {_title(term)}" for term in terms).removeprefix("plus ")
    folder = folder_for(trained, "turn" if options.turn else "arithmetic", options.out, about, options.seed)
    made = ["arithmetic.png", "latents.npy"] * bool(terms) + ["score.png"] * options.score
    expect_own(folder, "arithmetic", *made, *["turn.png", "turned.png"] * options.turn)
    sampler, of = sampler_for(trained)
    judge = _judge(options, trained, sampler) if known else None
    results = Results(folder, "arithmetic", of | {"seed": options.seed})
    if options.turn:
        _turn(options, trained, sampler, judge, results)
    else:
        _add(options, trained, sampler, judge, terms, results)
    results.tell(options.json, *results.plain.get("score", {}).get("missing", ()))


def _add(options: Arithmetic, trained, sampler, judge, terms, results: Results) -> None:
    """Do the sum, and count how often it works."""
    from utils.latent import pictures
    from utils.latent.arithmetic import EXEMPLARS, TRIALS, arithmetic, make_pool, score
    from utils.latent.figures import scores_figure

    pool = make_pool(sampler, judge, seed=options.seed) if judge else None
    if terms:
        record = arithmetic(sampler, terms, judge, pool, options.exemplars or EXEMPLARS, options.seed)
        results.picture("arithmetic.png", pictures.arithmetic_sheet(record))
        results.latents("latents.npy", record.latents[None])
        results.plain |= record.plain()
    if options.score:
        counted = {"trials": options.trials or TRIALS, "seed": options.seed, "progress": not options.json}
        scores = score(sampler, judge, pool, [terms] if terms else None, **counted)
        results.figure("score.png", scores_figure(scores, shorten(trained.title, 60)))
        results.plain["score"] = scores.plain()
        of_base = ". A picture shows one class: where it works, the base's is not kept" if judge.exclusive else ""
        results.table(
            f"How often the result is what it should be, as the {scores.judge} sees it. Each trial draws its exemplars "
            f"anew, among {scores.candidates:,}\nor more samples that show the concept; where these are few, trials "
            f"share them, and the intervals are too narrow{of_base}",
            scores.table(),
        )
        if found := _trust(options, trained, sampler, judge):
            results.plain["trust"] = [one.plain() for one in found]
            heading = "How far that judge can be trusted on samples: it against a detector, which learnt something else"
            results.table(heading, [one.row() for one in found])


def _turn(options: Arithmetic, trained, sampler, judge, results: Results) -> None:
    """Make turn vectors from ever more exemplars, and measure them."""
    from utils.latent import pictures
    from utils.latent.figures import turning_figure
    from utils.latent.turn import turn_gauge, turn_vector

    gauge = turn_gauge(sampler.generator.output_shape[1], options.data_dir, progress=not options.json)
    records = [turn_vector(sampler, gauge, judge, count, seed=options.seed) for count in (1, 4, 16)]
    title = f"{shorten(trained.title, 60)}: turn vectors, added to {len(records[0].degrees)} samples"
    results.picture("turn.png", pictures.turning_sheet(records[1]))
    results.figure("turned.png", turning_figure(records, title))
    vectors = [record.plain() for record in records]
    results.plain["turn"] = {"gauge_error": gauge.error, "spread": gauge.spread, "vectors": vectors}
    heading = f"Degrees, clockwise, as a regression reads them that is off by {gauge.error:.1f} on true faces"
    results.table(heading, [row for record in records for row in record.table()])


def _judge(options: Arithmetic, trained, sampler):
    from utils.evaluation.judge import judge_for

    size = sampler.generator.output_shape[1]
    dataset = known_to(trained, options.classifier)
    how = {"small": small_of(trained, dataset), "data_dir": options.data_dir, "progress": not options.json}
    return judge_for(dataset, size, **how)


def _trust(options: Arithmetic, trained, sampler, judge) -> list:
    """How far the judge can be trusted on samples, where there is a detector of parts to compare it with."""
    import numpy as np

    from utils.data import load
    from utils.data.catalogue import find_entry, find_source
    from utils.explain.parts import detector_for
    from utils.latent.trust import TRUE_IMAGES, trust

    name = known_to(trained, options.classifier)
    entry = find_entry(name)
    if entry is None or not entry.built_in or not {*find_source(name).describe().box_names} & {*judge.names}:
        return []
    places = {"data_dir": options.data_dir, "progress": not options.json}
    true = load(name, sampler.generator.output_shape[1], TRUE_IMAGES, split="test", **places)
    detector, images = detector_for(name, **places), np.asarray(true.images)
    return trust(sampler, judge, detector, images, true.attributes, seed=options.seed)


def _title(term) -> str:
    """A term in the name of a folder: its name, and which latents it means unless that is its name."""
    from utils.latent.stops import title_of

    is_named = term.stops not in ((term.name,), tuple(term.name.replace(",", " ").split()))
    return " ".join([term.name, *(map(title_of, term.stops) if is_named else ())])


def _in_words(text: str) -> bool:
    """Whether any term of an expression asks for attributes.

    Raises:
        InputError: it is no expression, whatever attributes there are.
    """
    from utils.latent.terms import NeedsClassifier, parse

    try:
        parse(text)
    except NeedsClassifier:
        return True
    return False
