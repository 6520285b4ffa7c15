"""The claims of the lab report on SVHN (L), and the evidence for each."""

from utils.intervals import Interval
from utils.report.claims.claim import AMOUNT, CONFIRMED, EXPLAIN, OPEN, REFUTED, Claim, Evidence, no_measure
from utils.report.claims.reading import (
    NAMES,
    by_data,
    copies_found,
    copies_in_words,
    kernel_ends,
    of_arm,
    on_datasets,
    span,
)
from utils.report.kept import Kept, NotKeptError, study_of


def _clarity(kept: Kept) -> Evidence:
    halves, words = {}, []
    for name, results in on_datasets(kept, "amount_of_data").items():
        runs = [run for run in results["runs"] if not run["arm"].endswith("-epochs")]
        middle = [run["snapshots"][len(run["snapshots"]) // 2] for run in runs]
        half, last = [row["kernel"][0] for row in middle], kernel_ends(runs)
        halves[name] = f"{span(half)} half-way, {span(last)} after {runs[0]['updates']:,} updates"
        gained = sum(run["snapshots"][-1]["kernel"][2] < row["kernel"][1] for run, row in zip(runs, middle))
        words.append(f"{gained} of {len(runs)} runs on {NAMES[name]}")
    return Evidence(
        "other networks, kernel distance: " + by_data(halves),
        "–",
        OPEN,
        f"clearly better in the second half are {' and '.join(words)}; `lab32` on SVHN for 50 epochs was not trained",
    )


def _novel(kept: Kept) -> Evidence:
    found = copies_found(kept)
    return Evidence(
        *copies_in_words(kept),
        CONFIRMED if found.are_excluded else OPEN,
        f"{found.sign}; that a generator of latents alone carries nothing over is so by its construction, and was not "
        "measured",
    )


def _carried_over(kept: Kept) -> Evidence:
    """Whether what the source shows is seen in the result: clearly more often than what another image shows, than
    without each of the losses that the claim is about, and than in the source left as it is."""
    without = {"no_constancy": "without f-constancy", "no_identity": "without identity", "game_alone": "without both"}
    measured, controls, above, untouched = [], [], [], []
    ahead = {arm: [] for arm in without}
    for name in (name for name in kept.studies() if study_of(name) == "cross_domain"):
        results = kept.study(name)
        of = {(run["arm"], run["seed"]): Interval.of(run["kept"]["transferred"]) for run in results["runs"]}
        for run in of_arm(results, "dtn"):
            own, other, left = (Interval.of(run["kept"][key]) for key in ("transferred", "others", "untouched"))
            measured.append(f"{run['source']} as {run['target']}: {own:.0%}")
            told = [f"{other.value:.0%} of another image", f"{left:.0%} in the source left as it is"]
            above.append(own.low > other.high)
            untouched.append(own.low > left.high)
            for arm, words in without.items():
                if less := of.get((arm, run["seed"])):
                    told.append(f"{less:.0%} {words}")
                    ahead[arm].append(own.low > less.high)
            controls.append(", ".join(told))
    if not measured:
        raise NotKeptError("the study cross_domain has not been carried out")
    thanks = {arm: len(of) == len(above) and all(of) for arm, of in ahead.items()}
    owed = [words.removeprefix("without ") for arm, words in without.items() if thanks[arm]]
    more = f"more than in the source left as it is in {sum(untouched)} of {len(untouched)}"
    return Evidence(
        "what the source shows is seen in the result (95%): " + "; ".join(measured),
        "; ".join(controls),
        CONFIRMED if all([*above, *untouched, *thanks.values()]) else OPEN if any(above) else REFUTED,
        f"{'kept' if all(above) else 'kept in some runs' if any(above) else 'not kept'}, beside what another image "
        f"shows, {more}; clearly thanks to: {', '.join(owed) or 'none of these losses'}; faces were not made emoji",
    )


CLAIMS = (
    Claim("L1", "results", "some outputs are clear; clarity then stays the same with more epochs", AMOUNT,
          ("06", "cifar"), _clarity),
    Claim("L2", "discussion", "matching strides and shapes is the difficulty of adding layers",
          "`utils/fitting.py` works them out, tests/test_fitting.py", None,
          no_measure("a remark about the work, not about networks; what does not fit is refused here")),
    Claim("L summary 1", "of Goodfellow et al., arXiv:1406.2661", "a GAN draws novel images, but carries nothing from "
          "one domain into another", f"{EXPLAIN}: copies", ("09", "code-09"), _novel),
    Claim("L summary 2", "of Taigman et al., arXiv:1611.02200", "a generator of f(x), with f-constancy and identity on "
          "the target, carries images into another domain and keeps what they show", "study `cross_domain`",
          ("14", "kept"), _carried_over),
)  # fmt: skip
