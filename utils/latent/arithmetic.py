"""Arithmetic with latents: "smiling woman" - "woman" + "man", as in the paper, and how often it works.

As in the paper each concept is the mean of the latents of a few exemplars, and around the result eight more pictures
are drawn with uniform noise of ±0.25 added to its latents; beside it the same is done with the exemplars' pixels. What
the paper did not do: count. `score` repeats an expression with exemplars that are drawn anew, and asks a judge how
often the result has what it should have, and keeps what no term mentions.

Reference:
    Radford, Metz, Chintala (arXiv:1511.06434), §6.3.2 and Fig 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm.auto import tqdm

from utils.data import scale_back
from utils.errors import InputError
from utils.evaluation.distances import nearest_neighbours
from utils.evaluation.judge import Judge
from utils.intervals import Interval, measured, told_mean, wilson
from utils.latent.stops import Stops, find_stops
from utils.latent.terms import Term, check_of_one_class, expected, parse
from utils.sampling import Sampler
from utils.streams import stream

EXEMPLARS = 3  # P §6.3.2
NOISE = 0.25  # P Fig 7
POOL = 2_000
"""Samples, numbered from 0, that exemplars are found among."""
COUNTS = (1, 3, 10)
TRIALS = 60
ARMS = {
    "latents": "latents",
    "usual length": "latents, at their usual length",
    "random": "random direction",
    "pixels": "pixels",
    "base": "nothing added",
}
"""What is scored: the arithmetic; the same with the result brought to the length that latents usually have; and three
controls, of which the last is the last term that is added, alone."""


@dataclass(frozen=True)
class Pool:
    """Samples of a seed, and what a judge sees in them.

    Attributes:
        latents: float32 (N, D); row i belongs to sample i.
        images: uint8 (N, S, S, 3).
        log_odds: float32 (N, K), as the judge gives them.
    """

    latents: np.ndarray
    images: np.ndarray
    log_odds: np.ndarray

    def __len__(self) -> int:
        return len(self.latents)

    @property
    def shown(self) -> np.ndarray:
        """Whether each sample shows each attribute, bool (N, K)."""
        return self.log_odds > 0


def make_pool(sampler: Sampler, judge: Judge, count: int = POOL, seed: int = 0) -> Pool:
    """Draw samples 0 to `count` - 1 of a seed, and judge them."""
    latents = sampler.make_latents(count, seed)
    images = scale_back(sampler.images(latents))
    return Pool(latents, images, judge(images))


@dataclass(frozen=True)
class Concept:
    """A term with its exemplars.

    Attributes:
        sign: 1 or -1.
        name: of the concept.
        latents: float32 (k, D), of the exemplars.
        names: of the exemplars: numbers of samples, or names of rows of a file.
        images: uint8 (k, S, S, 3).
        mean: float32 (D,), mean of their latents.
        mean_image: uint8 (S, S, 3), what the generator draws from it.
        files: SHA-256 of the files that the latents were read from, by their paths.
    """

    sign: int
    name: str
    latents: np.ndarray
    names: tuple[str, ...]
    images: np.ndarray
    mean: np.ndarray
    mean_image: np.ndarray
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Arithmetic:
    """What an expression comes to.

    Attributes:
        expression: in words.
        concepts: its terms.
        latents: float32 (D,), the result.
        around: uint8 (9, S, S, 3): the result in the middle (number 4), with noise around it.
        pixels: uint8 (S, S, 3), the same arithmetic on the mean pixels of the exemplars.
        seen: what a judge sees, by the name of an attribute: bool (C + 2), of each concept's mean, the result, and the
            pixels; {} where there is no judge.
    """

    expression: str
    concepts: tuple[Concept, ...]
    latents: np.ndarray
    around: np.ndarray
    pixels: np.ndarray
    seen: dict[str, np.ndarray]

    @property
    def image(self) -> np.ndarray:
        """What the generator draws from the result, uint8 (S, S, 3)."""
        return self.around[4]

    def plain(self) -> dict:
        """As plain values, for a record."""
        return {
            "expression": self.expression,
            "concepts": [
                {
                    "sign": concept.sign,
                    "name": concept.name,
                    "exemplars": list(concept.names),
                    "read_from": concept.files,
                }
                for concept in self.concepts
            ],
            "seen_in_the_result": [name for name, seen in self.seen.items() if seen[-2]] if self.seen else None,
            "seen_in_the_pixels": [name for name, seen in self.seen.items() if seen[-1]] if self.seen else None,
        }


def arithmetic(
    sampler: Sampler,
    expression: str | Sequence[str] | Sequence[Term],
    judge: Judge | None = None,
    pool: Pool | None = None,
    exemplars: int = EXEMPLARS,
    seed: int = 0,
) -> Arithmetic:
    """Add and subtract concepts.

    Args:
        sampler: draws the pictures.
        expression: such as "glasses: 3 9 14 - plain: 2 5 7" or "glasses - no glasses + beard" (see `terms`), or terms.
        judge: finds exemplars of what is asked for in words, and says what the result shows.
        pool: what exemplars are found among; by default `make_pool` draws it when it is needed.
        exemplars: how many for a concept in words: those that the judge is surest of, and none that an earlier term
            has, or equal terms would cancel; where too few are left, concepts that overlap share some.
        seed: of the numbered samples, and of the noise.

    Raises:
        InputError: a term means nothing, or too few samples show what it asks for.
    """
    terms = as_terms(expression, judge)
    if pool is None and any(term.wanted for term in terms):
        pool = make_pool(sampler, judge, seed=seed)
    found = _surest(judge, pool, terms, exemplars)
    concepts = tuple(_concept(sampler, term, rows, pool, seed) for term, rows in zip(terms, found))
    latents = _sum(terms, [concept.latents for concept in concepts]).astype(np.float32)
    noise = stream(seed, "arithmetic: noise").uniform(-NOISE, NOISE, (9, len(latents))).astype(np.float32)
    noise[4] = 0
    around = scale_back(sampler.images(latents + noise))
    pixels = _pixels(_sum(terms, [concept.images for concept in concepts]))
    seen = {}
    if judge is not None:
        shown = judge.shown(np.stack([*(concept.mean_image for concept in concepts), around[4], pixels]))
        seen = dict(zip(judge.names, shown.T))
    return Arithmetic(in_words(terms), concepts, latents, around, pixels, seen)


def as_terms(expression: str | Sequence[str] | Sequence[Term], judge: Judge | None = None) -> tuple[Term, ...]:
    """The terms of an expression that may be text."""
    if not isinstance(expression, str) and all(isinstance(term, Term) for term in expression):
        return tuple(expression)
    return parse(expression, judge.names if judge else ())


def in_words(terms: Sequence[Term]) -> str:
    """An expression as one text; a plus at its beginning is left out."""
    return " ".join(f"{'+' if term.sign > 0 else '−'} {term.name}" for term in terms).removeprefix("+ ")


def candidates(judge: Judge, pool: Pool, term: Term) -> np.ndarray:
    """Numbers of the samples that show what a term wants, those first that the judge is surest of: int64 (M,)."""
    signed = [(1 if shown else -1) * pool.log_odds[:, judge.number(name)] for name, shown in term.wanted]
    sureness = np.min(signed, axis=0)  # of the attribute that is least certain
    order = np.argsort(-sureness, kind="stable")
    return order[sureness[order] > 0]


# --- how often it works -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arm:
    """How one way of getting from exemplars to a picture fares in T trials.

    Attributes:
        has: bool (T,), whether the picture shows all that it should.
        kept: float (T,), share of the attributes that no term mentions which are as in the base; NaN without a base.
        away: float (T,), distance to the nearest of the generator's own samples, as a multiple of a sample's distance
            to the nearest other one; about 1 for what looks like a sample. NaN for the base, which may be a sample.
        length: mean length of the latents, as a multiple of the usual one; NaN for pixels.
    """

    has: np.ndarray
    kept: np.ndarray
    away: np.ndarray
    length: float


@dataclass(frozen=True)
class Score:
    """How often an expression works.

    Attributes:
        expression: in words.
        expected: what the result should show, and what not, by attribute.
        arms: for each number of exemplars, by the names of `ARMS`.
        candidates: samples that exemplars were drawn from, of the term that has the fewest; where they are hardly more
            than the exemplars, trials share these, and intervals, which take trials for independent, are too narrow.
    """

    expression: str
    expected: dict[str, bool]
    arms: dict[int, dict[str, Arm]]
    candidates: int


@dataclass(frozen=True)
class Scores:
    """Scores of several expressions, for one model and one judge.

    Attributes:
        judge: its name.
        scores: one for each expression, all with the same numbers of exemplars.
        missing: expressions that could not be scored, with the reason.
    """

    judge: str
    scores: tuple[Score, ...]
    missing: tuple[str, ...] = ()

    @property
    def counts(self) -> tuple[int, ...]:
        """Numbers of exemplars."""
        return tuple(self.scores[0].arms)

    @property
    def candidates(self) -> int:
        """The fewest samples that any exemplars were drawn from (see `Score`)."""
        return min(score.candidates for score in self.scores)

    def has(self, count: int, arm: str, score: int | None = None) -> Interval:
        """Share of the trials in which the result shows what it should, of one expression or (None) of all."""
        hits = np.concatenate([one.arms[count][arm].has for one in self._chosen(score)])
        return wilson(int(hits.sum()), len(hits))

    def kept(self, count: int, arm: str, score: int | None = None) -> Interval:
        """Mean share of the other attributes that are as in the base."""
        return told_mean(np.concatenate([one.arms[count][arm].kept for one in self._chosen(score)]))

    def away(self, count: int, arm: str, score: int | None = None) -> Interval:
        """Mean distance from the generator's samples (see `Arm`)."""
        return told_mean(np.concatenate([one.arms[count][arm].away for one in self._chosen(score)]))

    def length(self, count: int, arm: str, score: int | None = None) -> float:
        """Mean length of the latents, as a multiple of the usual one."""
        return float(np.mean([one.arms[count][arm].length for one in self._chosen(score)]))

    def table(self) -> list[dict]:
        """As `table_of` has it."""
        return table_of(self.plain())

    def plain(self) -> dict:
        """As plain values, for a record; what an arm has not is left out."""

        def arm(count: int, name: str, score: int | None) -> dict:
            ways = {"has": self.has, "kept": self.kept, "away": self.away}
            plain = measured({what: way(count, name, score) for what, way in ways.items()})
            length = self.length(count, name, score)
            return plain | ({"length": length} if np.isfinite(length) else {})

        def of(score: int | None) -> dict:
            return {str(count): {name: arm(count, name, score) for name in ARMS} for count in self.counts}

        return {
            "judge": self.judge,
            "trials": [len(score.arms[self.counts[0]]["latents"].has) for score in self.scores],
            "all": of(None),
            "expressions": [
                {
                    "expression": score.expression,
                    "expected": score.expected,
                    "candidates": score.candidates,
                    "exemplars": of(number),
                }
                for number, score in enumerate(self.scores)
            ],
            "missing": list(self.missing),
        }

    def _chosen(self, score: int | None) -> tuple[Score, ...]:
        return self.scores if score is None else (self.scores[score],)


def table_of(scores: dict) -> list[dict]:
    """A row for each number of exemplars and arm, over all expressions, in words, of what `Scores.plain` gave: "score"
    of a record."""

    def shown(arm: dict, what: str, form: str) -> str:
        return f"{Interval(**arm[what]):{form}}" if what in arm else ""

    return [
        {
            "exemplars": int(count),
            "": ARMS[name],
            "has it": shown(arm, "has", ".0%"),
            "others kept": shown(arm, "kept", ".0%") if name != "base" else "",
            "away from samples": shown(arm, "away", ".2f"),
            "length": f"{arm['length']:.2f}" if "length" in arm else "",
        }
        for count, arms in scores["all"].items()
        for name, arm in arms.items()
    ]


def one_for_each(judge: Judge) -> list[tuple[Term, ...]]:
    """An expression for each attribute: "glasses - without glasses + without glasses", which should show it."""
    return [
        (
            Term(1, name, wanted=((name, True),)),
            *(Term(sign, f"without {name}", wanted=((name, False),)) for sign in (-1, 1)),
        )
        for name in judge.names
    ]


def score(
    sampler: Sampler,
    judge: Judge,
    pool: Pool,
    expressions: Sequence[str | Sequence[Term]] | None = None,
    counts: tuple[int, ...] = COUNTS,
    trials: int = TRIALS,
    seed: int = 0,
    progress: bool = True,
) -> Scores:
    """Count how often arithmetic works, each trial with exemplars drawn anew from all samples that show a concept.

    Where hardly more samples show it than there are exemplars, trials share them: see `Score.candidates`.

    The base, which "others kept" compares with, is what the generator draws from the last term that is added. The
    random direction leads away from it, as far as the arithmetic does.

    Args:
        sampler: draws the pictures.
        judge: chooses exemplars and judges the results. How far it can be trusted on fakes, `trust` measures.
        pool: what exemplars are drawn from.
        expressions: in words, of attributes; by default `one_for_each` attribute.
        counts: numbers of exemplars of each concept.
        trials: of each expression and number of exemplars.
        seed: decides exemplars and random directions.
        progress: whether to show a progress bar.

    Raises:
        InputError: an expression has terms that are not in words, decides nothing, or no expression has enough
            exemplars.
    """
    random = stream(seed, "arithmetic: trials")
    of_pool = judge.space(pool.images)
    usual = float(nearest_neighbours(of_pool, of_pool, 2).distances[:, 1].mean())
    scores, missing = [], []
    for expression in tqdm(expressions or one_for_each(judge), "Scoring", unit=" expressions", disable=not progress):
        terms = as_terms(expression, judge)
        if judge.exclusive:
            check_of_one_class(terms)
        if not all(term.wanted for term in terms) or not expected(terms):
            raise InputError(
                f"An expression that is scored has its terms in words, and decides what to expect. Received: "
                f"{in_words(terms)!r}."
            )
        found = [candidates(judge, pool, term) for term in terms]
        if short := _too_few(terms, found, max(counts)):
            missing.append(short)
            continue
        drawn = {count: [_exemplars(found, count, random) for _ in range(trials)] for count in counts}
        arms = _arms(sampler, judge, pool, terms, drawn, of_pool, usual, random)
        scores.append(Score(in_words(terms), expected(terms), arms, min(map(len, found))))
    if not scores:
        raise InputError(" ".join(missing))
    return Scores(judge.name, tuple(scores), tuple(missing))


def _too_few(terms: Sequence[Term], found: list[np.ndarray], count: int) -> str:
    """Says which term has too few exemplars, if one has; terms with the same wishes share them."""
    for term, rows in zip(terms, found):
        needed = count * sum(other.wanted == term.wanted for other in terms)
        if len(rows) < needed:
            return f"{in_words(terms)}: {needed} samples that show {term.name!r} are needed, and there are {len(rows)}."
    return ""


def _exemplars(found: list[np.ndarray], count: int, random: np.random.Generator) -> list[np.ndarray]:
    """Rows of exemplars for each term, none of them twice."""
    used = np.empty(0, int)
    for rows in found:
        left = np.setdiff1d(rows, used)
        left = left if len(left) >= count else rows  # concepts that overlap
        used = np.concatenate([used, random.choice(left, count, replace=False)])
    return np.split(used, len(found))


def _arms(
    sampler: Sampler,
    judge: Judge,
    pool: Pool,
    terms: Sequence[Term],
    drawn: dict[int, list[list[np.ndarray]]],
    of_pool: np.ndarray,
    usual: float,
    random: np.random.Generator,
) -> dict[int, dict[str, Arm]]:
    """Draw what comes out in every way, for every number of exemplars, and judge it: all at once, which is faster."""
    wanted, mentioned = expected(terms), {name for term in terms for name, _ in term.wanted}
    columns, should = [judge.number(name) for name in wanted], np.array(list(wanted.values()))
    others = np.array([name not in mentioned for name in judge.names])
    usual_length = float(np.linalg.norm(pool.latents, axis=1).mean())
    latents, images = {}, {}
    for count, trials in drawn.items():
        for arm, values in _latents(pool, terms, trials, usual_length, random).items():
            latents[count, arm] = values
    pictures = scale_back(sampler.images(np.concatenate(list(latents.values()))))
    images |= zip(latents, np.split(pictures, len(latents)))
    for count, trials in drawn.items():
        sums = [_sum(terms, [pool.images[rows] for rows in trial]) for trial in trials]
        images[count, "pixels"] = np.stack(list(map(_pixels, sums)))
    everything = np.concatenate(list(images.values()))
    shown = dict(zip(images, np.split(judge.shown(everything), len(images))))
    away = dict(zip(images, np.split(_away(judge.space(everything), of_pool, usual), len(images))))
    arms = {count: {} for count in drawn}
    for count, arm in [(count, arm) for count in drawn for arm in ARMS]:
        seen = shown[count, arm]
        nothing = np.full(len(seen), np.nan)
        arms[count][arm] = Arm(
            has=(seen[:, columns] == should).all(1),
            kept=(seen == shown[count, "base"])[:, others].mean(1) if arm != "base" and others.any() else nothing,
            away=away[count, arm] if arm != "base" else nothing,
            length=np.nan if arm == "pixels" else float(_lengths(latents[count, arm]).mean() / usual_length),
        )
    return arms


def _latents(
    pool: Pool,
    terms: Sequence[Term],
    trials: list[list[np.ndarray]],
    usual_length: float,
    random: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Latents float32 (T, D) of every arm that has some, from the rows of the exemplars of each term in each trial."""
    base_term = max((number for number, term in enumerate(terms) if term.sign > 0), default=0)
    result = np.stack([_sum(terms, [pool.latents[rows] for rows in trial]) for trial in trials])
    base = np.stack([pool.latents[trial[base_term]].mean(0) for trial in trials])
    direction = random.standard_normal(result.shape)
    latents = {
        "latents": result,
        "usual length": result * (usual_length / _lengths(result)),
        "random": base + direction * (_lengths(result - base) / _lengths(direction)),
        "base": base,
    }
    return {arm: values.astype(np.float32) for arm, values in latents.items()}


def _sum(terms: Sequence[Term], exemplars: Sequence[np.ndarray]) -> np.ndarray:
    """The means of the exemplars of each term, added and subtracted: float64."""
    return np.sum([term.sign * values.astype(np.float64).mean(0) for term, values in zip(terms, exemplars)], axis=0)


def _lengths(latents: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.norm(latents, axis=1, keepdims=True), 1e-12)


def _away(features: np.ndarray, of_pool: np.ndarray, usual: float) -> np.ndarray:
    return nearest_neighbours(features, of_pool).distances[:, 0] / usual


def _surest(judge: Judge | None, pool: Pool | None, terms: Sequence[Term], count: int) -> list[np.ndarray]:
    """Rows of the exemplars of each term, none of them twice while enough are left; none of terms that name theirs."""
    found, used = [], np.empty(0, int)
    for term in terms:
        rows = candidates(judge, pool, term) if term.wanted else used[:0]
        if term.wanted and len(rows) < count:
            raise InputError(
                f"{count} exemplars of {term.name!r} are needed, and the judge sees {len(rows)} among {len(pool):,} "
                "samples: ask for fewer, or for something that the generator draws more often."
            )
        left = rows[~np.isin(rows, used)]
        found.append((left if len(left) >= count else rows)[:count])
        used = np.concatenate([used, found[-1]])
    return found


def _concept(sampler: Sampler, term: Term, rows: np.ndarray, pool: Pool | None, seed: int) -> Concept:
    if term.wanted:
        stops = Stops(pool.latents[rows], tuple(map(str, rows.tolist())))
    else:
        stops = find_stops(sampler, term.stops, seed)
    latents = stops.latents
    mean = latents.mean(0)
    images = scale_back(sampler.images(np.concatenate([latents, mean[None]])))
    return Concept(term.sign, term.name, latents, stops.names, images[:-1], mean, images[-1], stops.files)


def _pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
