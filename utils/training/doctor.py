"""The doctor: what the measurements of a training mean, and what to change.

A sign is one function that looks at a measurement, and one entry of `SIGNS`. `Diagnosis` takes the measurements one
after the other and says what is wrong in a sentence: the evidence, and settings that help. Of a cure it is said where
it is known from; else it is called a lead.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from utils.config import STATISTICS, Experiment, replace
from utils.errors import InputError
from utils.training.copies import NEAR
from utils.training.losses import undecided_logit

# --- limits -----------------------------------------------------------------------------------------------------------
# They rest on the kept courses in notebooks/results and on the runs of benchmarks/doctor.py. Each failure ends at
# another value than it begins at: measurements near a limit would otherwise be called a failure and its end by turns.

GAP, GAP_OVER = 0.5, 0.4
"""A gap above the first is a failure until it is below the second: one update takes for true what the other takes for
fake. Of the kept courses those with one network for both updates have 0."""
COLLAPSE, DIVERSE = 0.25, 0.35
"""Samples have become alike if their diversity is below the first share of the true images', until it is above the
second. Healthy kept courses stay above 0.29 once they were above it."""
BEGINNING = ((100, 0.02), (500, COLLAPSE))
"""Samples are grey and alike when a training begins: (after so many updates, they are to be above this share). No more
can be asked between the two: of 29 kept courses that have not once been above COLLAPSE by update 300, 24 end above
DIVERSE. The slowest that end there have 0.05 after 100 updates and 0.03 after 300; notebook 04's, which ends alike
after 320, has 0.08 and 0.22. So between the two nobody is warned, but told what is open: see `EARLY`. Six that end
above DIVERSE are warned of at 525."""
WON, WON_OVER, WON_UPDATES = 1e-4, 1e-3, 75
"""The discriminator has won if the mean score of fakes has been below the first (so that the generator's loss is above
9), and that of true images above 0.99 of what it can be (`Course.certainty_of_true`), for so many updates; until the
score of fakes is above the second. Of the kept courses only the worst of those with the saturating loss is like that;
healthy ones stay above 0.008."""
STILL, STILL_OVER, KNOWN = 0.02, 0.04, 0.05
"""The generator stands still if its samples move by less than the first within 25 updates while their mean score is
below the last; until they move by more than the second. Healthy ones move by 0.07 at least, those of a generator with
step size 0 by 0.00, with a vanishing gradient by 0.01."""
SWINGING, SWINGING_OVER, SWINGING_UPDATES = 1.5, 1.3, 75
"""The samples of the same latents have nothing to do with those of 25 updates ago if they have moved by more than the
first: two true images chosen at random differ by 1.4. With a step size of 0.1 they move by 1.3 to 2.7; healthy samples
by so much for two measurements in a row at most, at their beginning, when all of them change alike."""
RISING, RISING_OVER = 300.0, 100.0
STEEP, STEEP_OVER = 1000.0, 300.0
"""Numbers grow without bound if one loss has been above the first, or the mean norm of the generator's gradient above
the third, until they are below the others. Of healthy runs the largest loss is below 20, and the norm below
120."""
FULL, FULL_OVER = 0.1, 0.05
"""The share of float16's range, 65,504, that activations may fill. A run with a step size of 0.05 filled 0.05 after 25
updates and 0.12 after 50, and ended in NaN at 153; with 0.0002 it is below 0.01."""
SKIPPED, SKIPPED_OVER, SKIPPED_AFTER = 0.2, 0.1, 100
"""Share of updates that mixed_float16 skips: it settles on a scale within the first updates, after that it tries a
larger one every 2,000."""
COPIED, COPIED_OVER = 0.2, 0.1
"""Share of samples that are copies, above that of true images (see `copies`): a sign from the first to the second."""
LASTING = 3
"""What has been said is over once so many measurements in a row do not show it: of the kept courses one swings between
a gap of 0.0 and of 1.0, and was called a failure and its end by turns."""
LEADS = 2
"""The most leads that a sentence names."""
NEIGHBOURING = 25
"""Updates within which the limits of movement hold."""

# --- the end of a training --------------------------------------------------------------------------------------------


def at_the_end(values: Sequence[float]) -> float:
    """The median of the last quarter of a record, of one value at least."""
    return float(np.median(values[-max(1, len(values) // 4) :]))


@dataclass(frozen=True)
class End:
    """How a training stood at its end: medians over the last quarter of what the watch measured.

    Attributes:
        gap: by how much the scores differ that the same fakes get in the two updates, in [0, 1].
        diversity: of the samples, as a share of the true images'.
    """

    gap: float
    diversity: float

    @classmethod
    def of(cls, watch: Sequence[dict]) -> "End":
        """Of a run's measurements of the watch, at least one: rows with "gap", "diversity" and "diversity_true"."""
        diversity = at_the_end([row["diversity"] for row in watch]) / max(watch[-1]["diversity_true"], 1e-9)
        return cls(at_the_end([row["gap"] for row in watch]), diversity)

    @property
    def is_healthy(self) -> bool:
        """Whether both updates saw one discriminator, and the samples were not nearly alike."""
        return self.gap <= GAP and self.diversity >= COLLAPSE


# --- how a sign is made -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Course:
    """What a sign looks at.

    Attributes:
        experiment: what is trained.
        row: the newest measurement.
        since: updates since the measurement before it.
        said: whether the sign has been said and is not over.
        was_diverse: whether the samples have been diverse before.
    """

    experiment: Experiment
    row: dict
    since: int = 0
    said: bool = False
    was_diverse: bool = False

    def limit(self, begins: float, ends: float) -> float:
        """The limit that holds now: where a failure begins, or, once it is said, where it ends."""
        return ends if self.said else begins

    @property
    def score_of_fakes(self) -> float:
        """Mean score of the fake samples as the generator's update sees it."""
        return self.row[f"fake_{STATISTICS[self.experiment.training.statistics].judge}"]

    @property
    def certainty_of_true(self) -> float:
        """Mean score of the true images as a share of what a discriminator gives them that tells all from fakes: it
        learns the labels as they are given, smoothed by s and a share p of them turned round, so (1 - s)(1 - p)."""
        training = self.experiment.training
        return self.row["true_batch"] / ((1 - training.label_smoothing) * (1 - training.label_noise))

    @property
    def undecided(self) -> float | None:
        """The logit of an undecided discriminator, under the loss. Limits of scores hold where it is 0 only, and where
        there is none, scores say nothing: all of them may be shifted to one end."""
        return undecided_logit(self.experiment.training.loss)

    @property
    def share_of_diversity(self) -> float:
        """Diversity of the samples as a share of the true images'."""
        return self.row["diversity"] / max(self.row["diversity_true"], 1e-9)


@dataclass(frozen=True)
class Cure:
    """A setting to change.

    Attributes:
        change: what to do, as it is typed or in words.
        lacks: whether an experiment lacks it.
        known: where it is known from that it helps; "" for a lead.
        settings: what the typed change sets; {} of one in words.
    """

    change: str
    lacks: Callable[[Experiment], bool] = lambda experiment: True
    known: str = ""
    settings: dict = field(default_factory=dict, hash=False)

    def helps(self, experiment: Experiment) -> bool:
        """Whether an experiment lacks it and can have it."""
        try:
            replace(experiment, **self.settings)
        except InputError:
            return False
        return self.lacks(experiment)


@dataclass(frozen=True)
class Sign:
    """A way in which a training fails.

    Attributes:
        name: what it is called: "the collapse".
        column: the column of a measurement that it goes by; measurements without it say nothing about it.
        shows: looks at a measurement; gives whether the sign is there, and the figures that say so.
        claim: what is said, with {} where the figures go.
        cures: what to change, the first first.
        about: signs about the same are causes and effects of each other: the first of them that is there is said.
        measurements, updates: it is said once it was there in so many measurements in a row, the last of them so many
            updates after the first.
        stops: whether it is a failure, which `--on-collapse stop` stops for.
        rolls_back: whether `--on-collapse rollback` goes back for it: a smaller learning rate may help.
    """

    name: str
    column: str
    shows: Callable[[Course], tuple[bool, str]]
    claim: str
    cures: tuple[Cure, ...]
    about: str = "balance"
    measurements: int = 2
    updates: int = 0
    stops: bool = True
    rolls_back: bool = False


# --- signs ------------------------------------------------------------------------------------------------------------


def _diversity(course: Course) -> str:
    return f"diversity {course.row['diversity']:.2g}, true images {course.row['diversity_true']:.2g}"


def _scores(course: Course) -> str:
    return f"mean scores: true samples {course.row['true_batch']:.2f}, fake ones {course.score_of_fakes:.1g}"


def apart(course: Course) -> tuple[bool, str]:
    """The two updates see different networks."""
    gap = course.row["gap"]
    differ = gap > course.limit(GAP, GAP_OVER) and course.undecided is not None
    return differ, f"the scores of the same fake samples differ by {gap:.2f}"


def collapsed(course: Course) -> tuple[bool, str]:
    """Samples that were different have become alike."""
    alike = course.share_of_diversity < course.limit(COLLAPSE, DIVERSE)
    return course.was_diverse and alike, _diversity(course)


def not_begun(course: Course) -> tuple[bool, str]:
    """Samples are as alike as those of an untrained network, for too long."""
    due = [share for updates, share in BEGINNING if course.row["update"] >= updates]
    return course.share_of_diversity < course.limit(max(due, default=0.0), DIVERSE), _diversity(course)


def won(course: Course) -> tuple[bool, str]:
    """The discriminator is sure of every sample."""
    sure = course.certainty_of_true > 0.99 and course.score_of_fakes < course.limit(WON, WON_OVER)
    return sure and course.undecided == 0, _scores(course)


def still(course: Course) -> tuple[bool, str]:
    """The generator does not change, though the discriminator tells its samples from true ones."""
    moved = course.row["moved"] * NEIGHBOURING / course.since
    bad = course.score_of_fakes < KNOWN and course.certainty_of_true > 1 - KNOWN and course.undecided == 0
    figures = f"in {course.since} updates they moved by {course.row['moved']:.2g} of what true images differ"
    return bad and moved < course.limit(STILL, STILL_OVER), f"{figures}; {_scores(course)}"


def swinging(course: Course) -> tuple[bool, str]:
    """Samples of the same latents are other pictures at every measurement."""
    moved = course.row["moved"]
    figures = f"in {course.since} updates they moved by {moved:.2g} of what true images differ"
    return course.since <= NEIGHBOURING and moved > course.limit(SWINGING, SWINGING_OVER), figures


def rising(course: Course) -> tuple[bool, str]:
    """Losses or gradients grow beyond what they mean. Where the generator descends a sum of squares as well (recipe
    regularised), a norm of 1,200 at the beginning is healthy, so only losses count."""
    largest, norm = course.row["largest"], course.row.get("gradient", 0.0)
    steep = course.experiment.training.recipe != "regularised" and norm > course.limit(STEEP, STEEP_OVER)
    there = largest > course.limit(RISING, RISING_OVER) or steep
    return there, f"largest loss {largest:.3g}, norm of the generator's gradient {norm:.3g}"


def filling(course: Course) -> tuple[bool, str]:
    """Activations come near the end of float16's range."""
    filled = course.row["filled"]
    return filled > course.limit(FULL, FULL_OVER), f"they have reached {filled:.0%} of its range"


def skipping(course: Course) -> tuple[bool, str]:
    """mixed_float16 finds no scale at which gradients fit its range: what overflows is skipped, which is recorded as 0,
    and what underflows is 0."""
    skipped, late = course.row["skipped"], course.row["update"] >= SKIPPED_AFTER
    in_float16 = course.experiment.training.precision == "mixed_float16"
    return in_float16 and late and skipped > course.limit(SKIPPED, SKIPPED_OVER), f"{skipped:.0%} of the last updates"


def copying(course: Course) -> tuple[bool, str]:
    """Samples are copies of training images."""
    copied, of_true = course.row["copied"], course.row["copied_true"]
    near = f"nearer to one than {NEAR:g} times the distance to any other"
    figures = f"{copied:.0%} lie {near}, of true images {of_true:.0%}"
    return copied - of_true > course.limit(COPIED, COPIED_OVER), figures


_NOTEBOOK_5, _NOTEBOOK_7 = "helped in notebook 05", "helped in notebook 07"
_BENCHMARK = "helped in benchmarks/doctor.py"
_SLOWER = "a smaller --learning-rate"
_OTHER_SEED = Cure("another --seed")
_SLOWER_DISCRIMINATOR = Cure("a smaller --discriminator-learning-rate")
_NOT_SATURATING = Cure(
    "--loss non_saturating", lambda e: e.training.loss == "saturating", _NOTEBOOK_7, {"loss": "non_saturating"}
)
_FLOAT32 = Cure(
    "--precision float32",
    lambda e: e.training.precision == "mixed_float16",
    "its numbers go further",
    {"precision": "float32"},
)
_SPECTRAL = Cure("--spectral-norm", lambda e: not e.model.spectral_norm, settings={"spectral_norm": True})
_BATCH = Cure(
    "--statistics batch",
    lambda e: e.model.batch_norm == "on" and e.training.statistics != "batch",
    _NOTEBOOK_5,
    {"statistics": "batch"},
)
_RECIPE = (
    Cure("--batch-norm on", lambda e: e.model.batch_norm == "off", _NOTEBOOK_5, {"batch_norm": "on"}),
    _BATCH,
    Cure("--weights normal", lambda e: e.model.weights != "normal", _NOTEBOOK_5, {"weights": "normal"}),
)
_AUGMENT = Cure(
    "--augment colour translation", lambda e: not e.training.augment, settings={"augment": ("colour", "translation")}
)
_R1 = Cure("--r1 1 --penalty-every 8", lambda e: not e.training.r1, settings={"r1": 1.0, "penalty_every": 8})
_R3GAN = Cure(
    "--loss relativistic --discriminator-updates joint --r1 1 --r2 1 --penalty-every 8 --discriminator.no-norm",
    lambda e: e.training.loss != "relativistic",
    settings={"loss": "relativistic", "discriminator_updates": "joint", "r1": 1.0, "r2": 1.0, "penalty_every": 8}
    | {"discriminator": {"norm": False}},
)

SIGNS: tuple[Sign, ...] = (
    Sign(
        "the gap between the two updates", "gap", apart,
        "batch normalisation shows the two updates different networks ({}), so the generator learns nothing",
        (
            _BATCH,
            Cure("--no-join-batches", lambda e: e.training.join_batches, _NOTEBOOK_5, {"join_batches": False}),
        ),
    ),
    Sign(
        "the collapse", "diversity", collapsed,
        "the samples have become nearly alike ({}): the generator has collapsed",
        (*_RECIPE, Cure(_SLOWER), _OTHER_SEED), rolls_back=True,
    ),
    Sign(
        "the discriminator's victory", "true_batch", won,
        "the discriminator has won ({}), so the generator has nothing to go by",
        (_NOT_SATURATING, _SLOWER_DISCRIMINATOR, _AUGMENT, _R3GAN), updates=WON_UPDATES, rolls_back=True,
    ),
    Sign(
        "the grey beginning", "diversity", not_begun,
        "the samples are still nearly alike ({}): the generator has not begun to draw",
        (*_RECIPE, Cure(_SLOWER), _OTHER_SEED),  # nobody goes back for it: most that are slow begin later
    ),
    Sign(
        "the standstill", "moved", still,
        "the samples have stopped changing ({}), so the generator learns nothing",
        (
            _NOT_SATURATING,
            Cure("a larger --learning-rate", lambda e: e.training.learning_rate < 1e-4, _BENCHMARK),
            _SLOWER_DISCRIMINATOR, _R3GAN,
        ),
        updates=WON_UPDATES,
    ),
    Sign(
        "the oscillation", "moved", swinging,
        "the samples of the same latents are other pictures every time ({}): training goes to and fro",
        (Cure(_SLOWER, known=_BENCHMARK), _R1, _SPECTRAL), updates=SWINGING_UPDATES, stops=False,
    ),
    Sign(
        "the growth of the losses", "largest", rising,
        "losses or gradients grow without bound ({}), and numbers that are not finite may follow",
        (Cure(_SLOWER, known=_BENCHMARK), _FLOAT32, _R1, _SPECTRAL), about="numbers", rolls_back=True,
    ),
    Sign(
        "the overflow", "filled", filling,
        "activations outgrow float16 ({}), and numbers that are not finite may follow",
        (_FLOAT32, Cure(_SLOWER)), about="numbers", rolls_back=True,
    ),
    Sign(
        "the lost gradients", "skipped", skipping,
        "the generator's gradient is 0 in mixed_float16 ({}): it overflows or underflows",
        (_FLOAT32, Cure(_SLOWER)), about="numbers", rolls_back=True,
    ),
    Sign(
        "the copying", "copied", copying,
        "samples are copies of training images ({})",
        (
            Cure(
                "--augment colour translation cutout", lambda e: not e.training.augment, "arXiv:2006.10738, §4.3",
                {"augment": ("colour", "translation", "cutout")},
            ),
            Cure("more images"), Cure("fewer updates"),
        ),
        about="copies", measurements=1, stops=False,
    ),
)  # fmt: skip
"""All signs; of those about the same the cause before its effects."""
EARLY = Sign(
    "the early end", "diversity", not_begun,
    "the samples are still nearly alike ({}), as in many trainings whose samples differ later",
    (Cure("more updates", known="enough in 24 of 29 such trainings"), *_RECIPE, Cure(_SLOWER), _OTHER_SEED),
    stops=False,
)  # fmt: skip
"""No sign, and never a warning: what a verdict says where there is none and samples have not once been diverse. So a
training that ends before it can be told from a failure is not silent about it."""

# --- the diagnosis ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """A sign that is there, by the newest measurement.

    Attributes:
        sign: which.
        sentence: the evidence and what to change.
    """

    sign: Sign
    sentence: str


class Diagnosis:
    """What the measurements of a training mean, taken one after the other.

    It keeps no measurement but the newest, so it costs the same however long a training lasts. The same measurements
    give the same diagnoses, so a training that is taken up again goes through those of `watch.jsonl` first.

    Args:
        experiment: what is trained.
        rows: measurements so far, as in `watch.jsonl`.

    Attributes:
        findings: what has been said and is there by the newest measurement, by what it is about (`Sign.about`).
        begun: those of them that the newest measurement has brought.
    """

    def __init__(self, experiment: Experiment, rows: Iterable[dict] = ()):
        self._experiment = experiment
        self.findings: dict[str, Finding] = {}
        self.begun: list[Finding] = []
        self._there: dict[Sign, tuple[int, int]] = {}  # measurements in a row that show it, and the update of the first
        self._absent: dict[Sign, int] = {}  # measurements in a row that do not show what is said
        self._newest, self._was_diverse = {"update": 0}, False  # of the watch's measurements; so far
        for row in rows:
            self.diagnose(row)

    @property
    def verdict(self) -> str | None:
        """What is wrong by the newest measurement, or may be (`EARLY`), and what to do, in a sentence or more; else
        None."""
        return " ".join(finding.sentence for finding in self.findings.values()) or self._too_early()

    @property
    def failed(self) -> bool:
        """Whether what is wrong is a failure: copies or an oscillation are not."""
        return any(finding.sign.stops for finding in self.findings.values())

    @property
    def healthy(self) -> bool:
        """Whether no failure is there, not even one that has been measured once only, or may soon be over."""
        return not (self.failed or any(sign.stops for sign in self._there))

    def diagnose(self, row: dict) -> list[str]:
        """Take the next measurement.

        Returns:
            Warnings, where something is wrong that was not before; and that what an earlier one was about is over.
        """
        before, over, self.begun = dict(self.findings), [], []
        for about in dict.fromkeys(sign.about for sign in SIGNS):
            signs = [sign for sign in SIGNS if sign.about == about and sign.column in row]
            if not signs:  # such a measurement tells nothing about it
                continue
            earlier = before.get(about)
            found = [self._look_for(sign, row, earlier) for sign in signs]
            now = next((finding for finding in found if finding), None)
            if now:
                self.findings[about] = now
                self.begun += [now] if earlier is None or earlier.sign != now.sign else []
            elif earlier and earlier.sign.column in row:
                del self.findings[about]
                _, figures = earlier.sign.shows(self._course(row))
                over.append(f"Update {row['update']}: {earlier.sign.name} is over ({figures}).")
        if "diversity" in row:
            self._newest = row
            self._was_diverse = self._was_diverse or row["diversity"] >= COLLAPSE * row["diversity_true"]
        return [*(f"Warning. {finding.sentence}" for finding in self.begun), *over]

    def _course(self, row: dict, said: bool = False) -> Course:
        return Course(self._experiment, row, row["update"] - self._newest["update"], said, self._was_diverse)

    def _look_for(self, sign: Sign, row: dict, earlier: Finding | None) -> Finding | None:
        """The sign, if it is to be said."""
        said = earlier is not None and earlier.sign == sign
        there, figures = sign.shows(self._course(row, said))
        if not there:
            self._there.pop(sign, None)
            self._absent[sign] = self._absent.get(sign, 0) + 1
            return earlier if said and self._absent[sign] < LASTING else None
        self._absent.pop(sign, None)
        count, first = self._there.get(sign, (0, row["update"]))
        self._there[sign] = (count + 1, first)
        if not said and (count + 1 < sign.measurements or row["update"] - first < sign.updates):
            return None
        return Finding(sign, self._sentence(sign, row, figures))

    def _too_early(self) -> str | None:
        """That the samples have not once been diverse; of the first updates that is said of none."""
        if self._was_diverse or self._newest["update"] < BEGINNING[0][0]:
            return None
        return self._sentence(EARLY, self._newest, _diversity(self._course(self._newest)))

    def _sentence(self, sign: Sign, row: dict, figures: str) -> str:
        return f"Update {row['update']}: {sign.claim.format(figures)}; {_help(sign, self._experiment)}."


def _help(sign: Sign, experiment: Experiment) -> str:
    """What to change, of what the settings lack: what is known to help, and leads."""
    lacking = [cure for cure in sign.cures if cure.helps(experiment)]
    known = [f"{cure.change} ({cure.known})" for cure in lacking if cure.known]
    leads = [cure.change for cure in lacking if not cure.known][:LEADS]
    parts = [f"use {' and '.join(known)}"] if known else []
    return "; ".join(parts + ([f"leads, not proven: {', '.join(leads)}"] if leads else []))
