"""The claims of the paper, arXiv:1511.06434, as its slides tell it (S), and the evidence for each."""

import math
from dataclasses import dataclass

from utils.intervals import Interval, wilson
from utils.report.claims.claim import BN, CONFIRMED, EXPLAIN, LATENT, OPEN, REFUTED, Claim, Evidence
from utils.report.claims.reading import (
    REAL_SUMS,
    attributes_in,
    by_data,
    copies_found,
    copies_in_words,
    count_in_words,
    healthy_of,
    interval_in,
    interval_of_sums,
    is_healthy,
    of_arm,
    of_faces,
    on_datasets,
    updates_of,
)
from utils.report.kept import Kept, NotKeptError

GUIDED = ("batch", "recipe", "recipe_joined", "recipe_joint", "batch_slow", "batch_joined")
"""Arms of the study of batch normalisation that follow the paper's architecture; weights and batches are settings."""
UNGUIDED = ("d_plain", "d_spectral", "r3gan", "faster_r3gan", "faster_spectral_hinge")
"""Arms of the study of recipes whose discriminator has no batch normalisation."""
DRAWS = 10
"""Random sets of maps that are dropped beside each chosen one (`explain.removal.DRAWS`, which brings networks)."""
TURNS = "turn-faces64"
"""What `./dcgan arithmetic faces64 --turn --json` found, beside the results of studies."""


def _stable(kept: Kept) -> Evidence:
    from utils.studies.results import trainings

    texts, follow, break_ = [], [], []
    studies = on_datasets(kept, "batch_normalisation")
    for name, results in studies.items():
        runs = [run for run in trainings(results["runs"]) if run["arm"] in GUIDED]
        settings = len({run["arm"] for run in runs})
        texts.append(by_data({name: f"{sum(map(is_healthy, runs))} of {len(runs)} runs of {settings} settings"}))
        follow += runs
        break_ += of_arm(results, "off")
    changes = [run for run in trainings(kept.study("recipes-cifar10")["runs"]) if not run["arm"][0].isdigit()]
    guided = [run for run in changes if run["arm"] not in UNGUIDED]
    follow, break_ = follow + guided, break_ + [run for run in changes if run["arm"] in UNGUIDED]
    (good, count), (others, of_others) = healthy_of(follow), healthy_of(break_)
    ahead = wilson(good, count).low > wilson(others, of_others).high
    most = 2 * good > count
    return Evidence(
        f"healthy at the end: {'; '.join(texts)}; recipes on CIFAR-10: {healthy_of(guided)[0]} of {len(guided)}",
        f"discriminators without batch normalisation: {others} of {of_others}, beside {good} of {count}",
        CONFIRMED if most and ahead else OPEN if most else REFUTED,
        f"training is healthy in {'most' if most else 'few'} settings that follow them, "
        f"{'and' if ahead else 'but not'} more often than in those that do not, over {updates_of(studies)} updates "
        "and those of the recipes; what batch normalisation gains is in the pictures (R2c)",
    )


def _rows(record: dict, kind: str) -> list[dict]:
    """Rows of a kind in what `./dcgan features --json` printed."""
    return [row for row in record["rows"] if row["kind"] == kind]


def _ahead(record: dict) -> str:
    """By how much the features are ahead of those of random weights, in words."""
    margin = Interval.of(record["margin"])
    sure = "ahead" if margin.low > 0 else "not certainly ahead"
    points = [f"{100 * value:.1f}" for value in (margin.value, margin.low, margin.high)]
    return f"{sure} of random weights by {points[0]} points (95%, over test images: {points[1]} to {points[2]})"


def _features(kept: Kept) -> Evidence:
    from utils.features.protocols import PUBLISHED

    record = kept.record("features_cifar-cifar10_recipe")
    (own,), (pixels,) = _rows(record, "model"), _rows(record, "pixels")
    random = ", ".join(f"{row['accuracy']['value']:.1%}" for row in _rows(record, "random"))
    published = next(row for row in PUBLISHED["cifar"] if row.name.startswith("DCGAN"))
    labels = record["data"]["labels"]
    return Evidence(
        f"{record['model']}, trained on CIFAR-10 itself, {own['features']:,} features, all {labels:,} labels: "
        f"{Interval.of(own['accuracy']):.1%}",
        f"the same network with random weights: {random}; pixels: {pixels['accuracy']['value']:.1%}",
        OPEN,
        f"{published.value}% was reached with ImageNet-1k and 28,672 features, which was not repeated; what was "
        f"learned here is {_ahead(record)}",
    )


def _few_labels(kept: Kept) -> Evidence:
    record = kept.record("features_svhn-paper_svhn")
    (own,), (pixels,) = _rows(record, "model"), _rows(record, "pixels")
    random = ", ".join(f"{1 - row['accuracy']['value']:.1%}" for row in _rows(record, "random"))
    each, labels = own["each"], record["data"]["labels"]
    return Evidence(
        f"the authors' own network on {record['data']['title']}, digits on coloured photographs: error "
        f"{1 - each['mean']:.1%} ± {each['spread']:.1%} over {each['draws']} draws of {labels:,} labels",
        f"the same network with random weights: {random}; pixels: {1 - pixels['accuracy']['value']:.1%}",
        OPEN,
        f"SVHN was not at hand, so neither of the two figures was repeated; what it learned is {_ahead(record)} on "
        "digits that it never saw",
    )


def _no_copies(kept: Kept) -> Evidence:
    found, settings = copies_found(kept), kept.card("faces")["changed settings"]
    seen_everywhere = not found.clean and found.caught == len(found.spaces)
    return Evidence(
        *copies_in_words(kept),
        CONFIRMED if found.are_excluded else REFUTED if seen_everywhere else OPEN,
        f"after {settings['training.epochs']} epochs of {settings['data.count']:,} built-in faces there is "
        f"{found.sign}; whether the small learning rate is the reason was not tested, nor bedrooms",
    )


@dataclass(frozen=True)
class _Dropped:
    """What dropping maps did to a part: how often it was gone, and with as many random maps; per cent."""

    part: str
    maps: str
    gone: Interval
    random: Interval


def _droppings(kept: Kept) -> list[_Dropped]:
    """The table of notebook 09, as it is written now or was before intervals had one column."""
    notebook = of_faces(kept, "09")
    try:
        table = notebook.table("code-07", "random_gone")
    except NotKeptError:
        table = notebook.table("code-07", "gone")
        return [
            _Dropped(row["part"], row["maps"], *map(interval_in, row["gone"].split(" | ")))
            for row in table
            if "–" not in row["gone"]
        ]

    def interval(row: dict, name: str) -> Interval:
        return Interval(*(100 * float(row[name + end]) for end in ("", "_low", "_high")))

    return [
        _Dropped(row["part"], f"{row['maps']} of {row['of']}", interval(row, "gone"), interval(row, "random_gone"))
        for row in table
    ]


def _removal(kept: Kept) -> Evidence:
    dropped = _droppings(kept)
    parts = list(dict.fromkeys(each.part for each in dropped))
    clear = [each for each in dropped if each.gone.low > _one_more(each.random)]
    removed = sorted({each.part for each in clear if each.gone.value > 50})
    most = max(clear, key=lambda each: each.gone.value, default=None)
    example = (
        f"; the most, {most.part} with {most.maps} maps dropped: gone in {most.gone.value:.0f}%, with random maps in "
        f"{most.random.value:.0f}%"
        if most
        else ""
    )
    return Evidence(
        "model `faces`: parts gone from more than half of the samples, clearly more often than with random maps: "
        f"{len(removed)} of {len(parts)}{example}",
        "as many random maps dropped (the 95% interval must lie above what one more random draw would reach)",
        CONFIRMED
        if 2 * len(removed) > len(parts)
        else OPEN
        if clear or any(each.gone.value > each.random.value for each in dropped)
        else REFUTED,
        (
            f"true of {', '.join(removed)}"
            if removed
            else "some maps draw more of a part than random ones do, but no part goes"
            if clear
            else "no part goes"
        )
        + " with the maps that a regression finds for it; this layer is narrow, the paper dropped 200 maps",
    )


def _one_more(random: Interval) -> float:
    """What one more random draw would reach: the maps that were chosen are one set, and the interval is of the mean of
    `DRAWS` of them (of percent, so it may be cut off at one end)."""
    return random.value + max(random.high - random.value, random.value - random.low) * math.sqrt(DRAWS + 1)


def _arithmetic(kept: Kept) -> Evidence:
    """The claim is about photographs of faces, so that they decide; the built-in faces stand beside them."""
    own, random = ({n: interval_of_sums(kept, REAL_SUMS, n, arm) for n in (3, 10)} for arm in ("latents", "random"))
    drawn = {n: (count_in_words(kept, n, "latents"), count_in_words(kept, n, "random direction")) for n in (3, 10)}
    clear = {n: own[n].low > random[n].high for n in own}
    return Evidence(
        f"CelebA at 64 pixels, {attributes_in(kept)} attributes: the sum has what it should in {own[3]:.0%} of trials "
        f"with 3 exemplars, {own[10]:.0%} with 10 (95%); `faces64`: {drawn[3][0]} and {drawn[10][0]}",
        f"random vectors as long: {random[3]:.0%} and {random[10]:.0%}; `faces64`: {drawn[3][1]} and {drawn[10][1]}",
        CONFIRMED if clear[3] else OPEN if clear[10] or own[3].value > random[3].value else REFUTED,
        f"on real faces three exemplars, as in the paper, are {'' if clear[3] else 'not '}clearly ahead of a random "
        "vector" + (", though most sums fail" if own[3].high < 0.5 else ""),
    )


def _walks(kept: Kept) -> Evidence:
    table = {row["path"]: row for row in kept.notebook("13").table("smooth", "path")}
    step, middle = "largest step / mean step", "further in the middle"
    walk, fade, jumps = (table[name] for name in ("straight walk", "fading, pixel by pixel", "nearest true images"))
    steps, faded_steps, jumped_steps = (interval_in(path[step]) for path in (walk, fade, jumps))
    away, faded_away = (interval_in(path[middle]) for path in (walk, fade))
    even, near = steps.high < jumped_steps.low, away.low <= 0
    smoother, leaves = faded_steps.high < steps.low, faded_away.low > 0
    return Evidence(
        f"model `faces64`: largest step {walk[step]} times the mean; half-way {walk[middle]} further from true images "
        "than the ends (95%)",
        f"a fade: {fade[step]} and {fade[middle]}; from true image to true image: {jumps[step]}",
        CONFIRMED if even and away.high < faded_away.low else OPEN,
        f"walks {'do not' if even else 'may'} jump as true images do, and pass pictures "
        f"{'as near to true ones as' if near else 'further from true ones than'} their ends; a fade is "
        f"{'' if smoother else 'not clearly '}smoother {'but' if smoother and leaves else 'and'} "
        f"{'leaves' if leaves else 'does not clearly leave'} them",
    )


def _turns(kept: Kept) -> Evidence:
    found = kept.record(TURNS)["turn"]
    most = max(found["vectors"], key=lambda vector: vector["exemplars"])
    slope, random = Interval.of(most["slope"]), Interval.of(most["random_slope"])
    back, forth = most["strengths"][0], most["strengths"][-1]
    others = f"; of what else is seen in them {Interval.of(forth['kept']):.0%} stays" if "kept" in forth else ""
    return Evidence(
        f"model `faces64`: a vector from {most['exemplars']} samples a side turns {most['samples']} others by "
        f"{Interval.of(back['degrees']):+.1f} to {Interval.of(forth['degrees']):+.1f} degrees (95%){others}",
        f"random vectors as long: {Interval.of(forth['random']):.1f} degrees, either way"
        + (f", and {Interval.of(forth['random_kept']):.0%} stays" if "random_kept" in forth else ""),
        CONFIRMED if slope.low > max(0.0, random.high) else OPEN,
        f"tilts of the head, as a regression reads them that errs by {found['gauge_error']:.1f} degrees; the paper's "
        "turn out of the plane",
    )


CLAIMS = (
    Claim("S1", "§3", "the architectural constraints make training stable in most settings",
          f"{BN}, study `recipes`", ("10", "cifar"), _stable),
    Claim("S2", "§5.1", "features of a DCGAN trained on ImageNet-1k and an L2-SVM reach 82.8% on CIFAR-10",
          "`./dcgan features --scale report`, study `features`", ("11", "cifar"), _features),
    Claim("S3", "§5.2", "with 1,000 labels of SVHN they reach 22.48% error, a supervised CNN 28.87%",
          "`./dcgan features --protocol svhn`", ("11", "svhn"), _few_labels),
    Claim("S4", "§4.1", "memorisation is unlikely: small learning rate, minibatches", f"{EXPLAIN}: copies",
          ("09", "code-09"), _no_copies),
    Claim("S5", "§6.3.1", "filters learned to draw specific objects, which can be removed", f"{EXPLAIN}: removal",
          ("09", "code-07"), _removal),
    Claim("S6", "§6.3.2", "vector arithmetic with three exemplars edits meaning", LATENT, ("13", "count"),
          _arithmetic),
    Claim("S7", "§6.1", "walking in the latent space changes smoothly", "`./dcgan walk`", ("13", "smooth"), _walks),
    Claim("S8", "§6.3.2", "a vector turns faces", "`./dcgan arithmetic --turn`", ("13", "turn"), _turns),
)  # fmt: skip
