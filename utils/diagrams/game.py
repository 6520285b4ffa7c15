"""An update as a picture: who learns in each of its steps, who is fixed, what goes in and what is descended.

Nothing is known of recipes here. Each term of a recipe is evaluated once on tiny networks, and differentiated: what it
depends on (true images, latents, conditions, players), and whether descending it raises or lowers the scores.
"""

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf
from matplotlib.figure import Figure

from utils.config import Experiment, replace
from utils.diagrams.architecture import shape_in_words
from utils.diagrams.canvas import DATA, FAINT, INK, LINE, Canvas, colour_of
from utils.explain.fixed import normalises
from utils.models import forward
from utils.training.players import Players, build_players
from utils.training.recipes import Phase, Term, recipe_of
from utils.training.view import View

_LEGEND = (
    "D: a score in (0, 1), the sigmoid of the logit; t, f: logits of true and fake images; dashed arrows: gradients"
)
_TINY = 1 / 64  # width of the networks that terms are evaluated on
_ORDER = ("encoder", "generator", "discriminator")  # the way of the data through players that a term depends on


@dataclass(frozen=True)
class Way:
    """A way of data through players, to what is descended.

    Attributes:
        source: "true images" or "latents".
        players: in order.
    """

    source: str
    players: tuple[str, ...]


@dataclass(frozen=True)
class Descended:
    """A term of a step.

    Attributes:
        name: in the records of a run.
        formula: what it is, in words.
        ways: that it depends on.
        conditional: whether it depends on conditions, too.
        pushes: of the scores of true and of fake images, in which direction descending it pushes them: 1 up, -1 down.
        by: the players that descend it.
        every: updates between its turns.
    """

    name: str
    formula: str
    ways: tuple[Way, ...]
    conditional: bool
    pushes: dict[str, int]
    by: tuple[str, ...]
    every: int


@dataclass(frozen=True)
class Step:
    """A step of an update: a phase of the recipe.

    Attributes:
        learns: the players that it changes.
        terms: what they descend.
        averages: the players that are normalised by their moving averages in it, not by the batch.
    """

    learns: tuple[str, ...]
    terms: tuple[Descended, ...]
    averages: tuple[str, ...] = ()


def game(experiment: Experiment) -> tuple[Step, ...]:
    """The steps of an experiment's update, in order."""
    players = build_players(replace(experiment, width=_TINY))
    return tuple(_step(phase, players, experiment) for phase in recipe_of(experiment))


def draw_game(experiment: Experiment, heading: str = "") -> Figure:
    """Draw an update: a row for each step, and in it what goes through which player.

    A player that learns is drawn with a solid line, one that is fixed with a dashed one; dashed arrows are the way of
    the gradient back to the player that learns.
    """
    steps = game(experiment)
    heights = [_height(step, experiment) for step in steps]
    columns = _columns(steps)
    width = columns["terms"] + 3.3
    top = 0.95 + sum(heights) + 0.4
    canvas = Canvas(width, top)
    canvas.text(0.25, top - 0.3, heading or "One update", size=13, ha="left", weight="bold")
    counted = {1: "one step", 2: "two steps", 3: "three steps"}.get(len(steps), f"{len(steps)} steps")
    batch = experiment.training.batch_size
    about = f"one update, {counted}, {batch} images or latents each; solid: learns, dashed: fixed"
    canvas.text(0.25, top - 0.62, about, size=9.5, ha="left", colour=DATA)
    top -= 0.95
    for number, (step, height) in enumerate(zip(steps, heights), 1):
        canvas.rule(0.25, width - 0.25, top)
        _draw_step(canvas, number, step, columns, top, height, experiment)
        top -= height
    canvas.text(0.25, 0.18, _LEGEND, size=7.5, colour=FAINT, ha="left")
    return canvas.figure


def _step(phase: Phase, players: Players, experiment: Experiment) -> Step:
    size = experiment.model.image_size
    true, latents = tf.fill((2, size, size, 3), 0.2), tf.fill((2, experiment.model.latent_dim), 0.5)
    more = players.generator.inputs[1:]  # conditions, of networks that take any
    conditions = tf.zeros((2, *more[0].shape[1:])) if more else None
    by = {}
    for player, terms in phase.terms.items():
        for term in terms:
            by.setdefault(term, []).append(player)
    with tf.GradientTape(persistent=True) as tape:
        for watched in (true, latents, *([conditions] if more else [])):
            tape.watch(watched)

        def draw():
            given = [conditions] if more else []
            return forward(players.generator, latents, *given, training=True, statistics=phase.drawn_by)

        view = View(
            players,
            experiment.training,
            images=tf.zeros((2, size, size, 3), tf.uint8),
            draw_fake=draw,
            latents=latents,
            conditions=conditions,
            others=tf.fill((2, experiment.model.latent_dim), -0.5),  # others than the latents: a term divides by that
            mismatching=tf.constant([1, 0]) if more else None,
            judged_by=phase.judged_by,
            joined=phase.joined,
        )
        view.true = view.images = true  # in place of what it would make of whole numbers, which have no gradient
        values = {term: term.value(view) for term in by}

    def depends(value, what) -> bool:
        return any(gradient is not None for gradient in tape.gradient(value, what))

    described = []
    for term, value in values.items():
        found = [name for name in _ORDER if name in players.by_name]
        found += [name for name in players.by_name if name not in found]
        found = [name for name in found if depends(value, players[name].network.trainable_variables)]
        pushes = {
            of: _direction(tape.gradient(value, logits)) for of, logits in sorted(view.judged.items(), reverse=True)
        }
        described.append(
            Descended(
                term.name,
                _formula(term),
                _ways(found, depends(value, [true]), depends(value, [latents]), pushes.get("true") is not None),
                bool(more) and depends(value, [conditions]),
                {of: push for of, push in pushes.items() if push},
                tuple(by[term]),
                term.every * phase.every,
            )
        )
    by_what = {"generator": phase.drawn_by, "discriminator": phase.judged_by}
    by_average = [player for player, what in by_what.items() if what == "moving"]
    averages = tuple(player for player in by_average if normalises(players[player].network))
    return Step(tuple(phase.terms), tuple(described), averages)


def _ways(players: Sequence[str], of_images: bool, of_latents: bool, judges_images: bool) -> tuple[Way, ...]:
    """How what a term depends on is connected."""
    ways = []
    behind = tuple(name for name in players if name != "encoder")
    if of_images and "encoder" in players:
        ways.append(Way("true images", tuple(players)))
    if of_images and ("encoder" not in players or judges_images):
        ways.append(Way("true images", tuple(name for name in behind if name != "generator")))
    if of_latents:
        ways.append(Way("latents", behind))
    return tuple(ways)


def _direction(gradient) -> int | None:
    """Where descending pushes; None where scores are not asked for, 0 where it goes both ways."""
    return None if gradient is None else -int(tf.sign(tf.reduce_sum(gradient)))


def _formula(term: Term) -> str:
    """The formula with which the description of a term begins."""
    text = (term.value.__doc__ or term.name).split("\n\n")[0]
    for end in (";", ": ", ".\n"):
        text = text.split(end)[0]
    return " ".join(text.split()).rstrip(".")


# --- drawing ----------------------------------------------------------------------------------------------------------

_ROW = 1.1
_BOX = (1.5, 0.62)


def _rows(step: Step) -> list[Way]:
    """The ways of a step, each once: what leads to true images first."""
    ways = dict.fromkeys(way for term in step.terms for way in term.ways)
    return sorted(ways, key=lambda way: (way.source == "latents", len(way.players)))


def _height(step: Step, experiment: Experiment) -> float:
    lines = sum(len(_in_lines(term, step, experiment)) for term in step.terms)
    return 0.5 + max(_ROW * max(1, len(_rows(step))), LINE * (lines + 0.5 * len(step.terms)) + 0.25)


def _columns(steps: Sequence[Step]) -> dict[str, float]:
    """The middle of each column, in inches: sources, players and what lies between them."""
    players = {player for step in steps for way in _rows(step) for player in way.players}
    order = ["true images", "encoder"] if "encoder" in players else []
    order += ["latents", "generator", "images", "discriminator"]
    order += sorted(players - set(order))
    places, x = {}, 0.25
    for name in order:
        pitch = 1.75 if name in players else 1.5
        places[name] = x + pitch / 2
        x += pitch
    return places | {"terms": x + 0.6}


def _draw_step(canvas: Canvas, number: int, step: Step, columns: dict, top: float, height: float, experiment) -> None:
    names = " and ".join(step.learns)
    title = f"{number}   the {names} learn{'s' * (len(step.learns) == 1)}"
    canvas.text(0.3, top - 0.22, title, size=10.5, ha="left", weight="bold", colour=colour_of(step.learns[0]))
    rows = _rows(step)
    pitch = (height - 0.5) / max(1, len(rows))
    middle = {way: top - 0.42 - pitch * (row + 0.5) for row, way in enumerate(rows)}
    inside = {player: [middle[way] for way in rows if player in way.players] for way in rows for player in way.players}
    for player, heights in inside.items():
        learns = player in step.learns
        y, tall = (heights[0] + heights[-1]) / 2, heights[0] - heights[-1] + _BOX[1]
        canvas.box(columns[player], y, _BOX[0], tall, colour_of(player), strong=learns)
        canvas.text(columns[player], y + 0.1, player, size=10, weight="bold", colour=colour_of(player))
        state = "learns" if learns else "fixed"
        if player in step.averages:
            state += ", moving averages"
        canvas.text(
            columns[player], y - 0.13, state, size=8 if player in step.averages else 8.5, colour=colour_of(player)
        )
        if learns:  # the gradient comes back to it, below those that it has passed
            nearer = sum(columns[other] > columns[player] for other in step.learns)
            low, bottom = y - tall / 2 - 0.13 - 0.1 * nearer, y - tall / 2
            corners = [(columns["terms"] - 0.1, low), (columns[player], low), (columns[player], bottom)]
            canvas.polyline(corners, colour_of(player))
    for way, y in middle.items():
        _draw_way(canvas, way, y, columns, experiment)
    _draw_terms(canvas, step, columns["terms"], middle, experiment)


def _draw_terms(canvas: Canvas, step: Step, x: float, middle: dict[Way, float], experiment: Experiment) -> None:
    """The terms, each at the middle height of the ways that it depends on, or below the one before it."""
    placed = []
    for term in step.terms:
        heights = [middle[way] for way in term.ways] or [min(middle.values())]
        placed.append((sum(heights) / len(heights), _in_lines(term, step, experiment)))
    placed.sort(key=lambda one: -one[0])  # terms of one height keep their order
    total = LINE * sum(len(lines) + 0.5 for _, lines in placed)
    free = (max(middle.values()) + min(middle.values()) + total) / 2  # where the first may begin if all are crowded
    crowded = any(
        above - below < LINE * ((len(one) + len(other)) / 2 + 0.5)
        for (above, one), (below, other) in itertools.pairwise(placed)
    )
    for y, lines in placed:
        top = free if crowded else y + LINE * len(lines) / 2
        for text, kind in lines:
            canvas.text(x, top - LINE / 2, text, ha="left", **kind)
            top -= LINE
        free = top - LINE / 2


def _draw_way(canvas: Canvas, way: Way, y: float, columns: dict, experiment: Experiment) -> None:
    model = experiment.model
    side = shape_in_words((model.image_size, model.image_size, 3))
    encoded = "encoder" in way.players
    start = "true images" if encoded else "latents" if way.source == "latents" else "images"
    stops: list[tuple[str, str, str]] = [(start, way.source, side if start != "latents" else f"{model.latent_dim}")]
    for player in way.players:
        stops.append((player, "", ""))
        if player == "encoder":
            stops.append(("latents", "codes", f"{model.latent_dim}"))
        if player == "generator":
            stops.append(("images", "reconstructions" if encoded else "fake images", side))
    for place, text, shape in stops:
        if text:
            canvas.text(columns[place], y + 0.1, text, size=9.5, colour=INK)
            canvas.text(columns[place], y - 0.12, shape, size=8.5, colour=FAINT)
    reach = {True: _BOX[0] / 2, False: 0.62}
    for (one, text, _), (other, other_text, _) in itertools.pairwise(stops):
        canvas.arrow((columns[one] + reach[not text], y), (columns[other] - reach[not other_text], y))
    last, text, _ = stops[-1]
    edge = columns[last] + reach[not text]
    canvas.arrow((edge, y), (columns["terms"] - 0.1, y))
    if text == "" and last == "discriminator":
        canvas.text((edge + columns["terms"] - 0.1) / 2, y + 0.12, "scores", size=8.5, colour=DATA)


def _in_lines(term: Descended, step: Step, experiment: Experiment) -> list[tuple[str, dict]]:
    """A term in lines of text, each with how it is written."""
    lines = [(term.name, {"size": 9.5, "weight": "bold"})]
    lines += [(line, {"size": 9}) for line in textwrap.wrap(term.formula, 40)]
    for of, push in term.pushes.items():
        label = _label(of, push, term, experiment)
        text = f"scores of {of} images {'up' if push > 0 else 'down'}{f': label {label}' if label else ''}"
        lines.append((text, {"size": 9, "colour": DATA}))
    if term.conditional:
        lines.append(("given the conditions", {"size": 9, "colour": DATA}))
    if len(step.learns) > 1:
        lines.append((f"descended by the {' and the '.join(term.by)}", {"size": 9, "colour": colour_of(term.by[0])}))
    if term.every > 1:
        lines.append((f"every {term.every} updates", {"size": 9, "colour": DATA}))
    return lines


def _label(of: str, push: int, term: Descended, experiment: Experiment) -> str:
    """The label that a cross-entropy compares scores with; "" for other losses."""
    training = experiment.training
    saturating = training.loss == "saturating" and "generator" in term.by
    if saturating or training.loss not in ("non_saturating", "saturating"):
        return ""
    return f"{1 - training.label_smoothing * (of == 'true'):g}" if push > 0 else "0"
