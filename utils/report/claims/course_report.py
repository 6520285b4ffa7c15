"""The claims of the course report of 2021 (R), and the evidence for each."""

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np

from utils.intervals import Interval, student
from utils.report.claims.claim import (
    AMOUNT,
    BN,
    CONFIRMED,
    EXPLAIN,
    LONG,
    LOSSES,
    OPEN,
    REFUTED,
    REPORTS,
    Claim,
    Evidence,
)
from utils.report.claims.reading import (
    NAMES,
    amounts_in,
    by_data,
    copies_found,
    copies_in_words,
    findings_starting,
    healthy_of,
    kernel_ends,
    long_trainings,
    of_arm,
    of_faces,
    on_datasets,
    span,
    updates_of,
)
from utils.report.kept import Kept, NotKeptError

ZERO, ALIVE = 0.01, 0.1
"""A loss below the first has gone to zero, one above the second has come back; undecided is log 2 = 0.69."""
BEDROOMS = 300_000
"""Of which the report says that they stop improving (Fig 13)."""
REPORTED = 80.6
"""Per cent of CIFAR-10 that R §2.2 quotes as the DCGAN's."""


def _late(run: dict, name: str, source: str = "watch") -> float:
    """The median of a record over the last quarter of a run."""
    from utils.training.doctor import at_the_end

    values = [row[name] for row in run[source]] if source == "watch" else run[source][name]
    return at_the_end([value for value in values if value is not None])


def _falls(run: dict) -> tuple[float, float] | None:
    """The update at which the generator's loss first is zero, and the highest that it is after; None if it never is."""
    loss, updates = np.array(run["curves"]["loss_generator"]), run["curves"]["update"]
    below = np.flatnonzero(loss < ZERO)
    return (updates[below[0]], float(loss[below[0] :].max())) if len(below) else None


def _loss_goes_to_zero(kept: Kept) -> Evidence:
    found, cured, studies = {}, {}, on_datasets(kept, "batch_normalisation")
    for name, results in studies.items():
        found[name] = [_falls(run) for run in of_arm(results, "moving")]
        cured[name] = [min(run["curves"]["loss_generator"]) for run in of_arm(results, "recipe")]
    fell = [fall for of in found.values() for fall in of if fall]
    count, last = sum(map(len, found.values())), max((fall[0] for fall in fell), default=np.nan)
    return Evidence(
        f"the report's batch normalisation (arm `moving`): below {ZERO} in {len(fell)} of {count} runs, by update "
        f"{last:.0f} of {updates_of(studies)}",
        "batch normalisation with the same statistics in both updates (arm `recipe`), lowest in the whole course: "
        + by_data({name: f"{min(low):.2g}" for name, low in cured.items()}),
        CONFIRMED if len(fell) == count else OPEN if fell else REFUTED,
        "the loss goes to zero in every run" if len(fell) == count else f"in {len(fell)} of {count} runs",
    )


def _never_recovers(kept: Kept) -> Evidence:
    stayed, texts, studies = [], {}, on_datasets(kept, "batch_normalisation")
    for name, results in studies.items():
        after = [fall[1] for run in of_arm(results, "moving") if (fall := _falls(run))]
        stayed += [high < ALIVE for high in after]
        back = [high for high in after if high >= ALIVE]
        texts[name] = f"stays below {ALIVE} in {len(after) - len(back)} of {len(after)} runs" + (
            f", comes back to {' and '.join(f'{high:.2g}' for high in back)}" if back else ""
        )
    return Evidence(
        by_data(texts),
        "–",
        CONFIRMED if stayed and all(stayed) else OPEN,
        "in no run does it go to zero, so there is nothing to recover from (R1a)"
        if not stayed
        else "it stays there in every run"
        if all(stayed)
        else f"true of {sum(stayed)} of {len(stayed)} runs; in the others it comes back within {updates_of(studies)} "
        "updates, with samples that are no better (R2a)",
    )


def _cause(kept: Kept) -> Evidence:
    gaps, gradients, works = {}, {}, []
    for name, results in on_datasets(kept, "batch_normalisation").items():
        gaps[name] = f"{min(_late(run, 'gap') for run in of_arm(results, 'moving')):.2f}"
        of = {
            arm: np.mean([_late(run, "gradient_norm", "curves") for run in of_arm(results, arm)])
            for arm in ("off", "moving", "recipe")
        }
        gradients[name] = f"{of['moving']:.2g} (recipe: {of['recipe']:.0f}, without: {of['off']:.0f})"
        works.append(of["recipe"] >= of["off"])
    return Evidence(
        "gradient at the generator, last quarter: " + by_data(gradients) + ". The same fakes are scored differently in "
        "the two updates, by at least " + by_data(gaps),
        "batch normalisation in both networks, statistics of the batch in every pass, weights N(0, 0.02): gradients as "
        "large as without it (in brackets)",
        REFUTED if all(works) else OPEN,
        "gradients vanish because the loss is zero, and that is zero because the two updates judge by different "
        "statistics; batch normalisation as such keeps them large"
        if all(works)
        else "batch normalisation as such keeps gradients as large as they are without it on "
        f"{sum(works)} of {len(works)} datasets only",
    )


def _where(holds: Sequence[bool], sentence: str) -> str:
    """A sentence that is true of every dataset, or else on how many it is."""
    return sentence if all(holds) else f"on {sum(holds)} of {len(holds)} datasets {sentence}"


def _better_without(kept: Kept) -> Evidence:
    texts, holds, studies = {}, [], on_datasets(kept, "batch_normalisation")
    for name, results in studies.items():
        off, moving = kernel_ends(of_arm(results, "off")), kernel_ends(of_arm(results, "moving"))
        texts[name] = f"{span(off)} without, {span(moving)} with the report's"
        holds.append(max(off) < min(moving))
    return Evidence(
        f"kernel distance after {updates_of(studies)} updates: {by_data(texts)}",
        "two sets of true images: "
        + by_data({name: f"{of_arm(of, 'off')[0]['floor'][0]:.3f}" for name, of in studies.items()}),
        CONFIRMED if all(holds) else OPEN,
        _where(holds, "every run without is nearer than every run with the report's batch normalisation"),
    )


def _stable_without(kept: Kept) -> Evidence:
    studies = on_datasets(kept, "batch_normalisation")

    def healthy(arm: str) -> dict[str, tuple[int, int]]:
        return {name: healthy_of(of_arm(results, arm)) for name, results in studies.items() if arm in results["arms"]}

    def told(counts: dict[str, tuple[int, int]]) -> str:
        return by_data({name: f"{good} of {count}" for name, (good, count) in counts.items()})

    found, normal = healthy("off"), healthy("off_normal")
    if not found:
        raise NotKeptError("the study batch_normalisation has no runs without it")
    bad = [name for name, (good, count) in found.items() if 2 * good < count]
    weights = [name for name in bad if name in normal and normal[name][0] == normal[name][1]]
    return Evidence(
        f"samples that are not nearly alike at the end, runs without batch normalisation: {told(found)}",
        f"with working batch normalisation: {told(healthy('recipe'))}"
        + (f"; without, weights N(0, 0.02): {told(normal)}" if normal else ""),
        REFUTED if bad else CONFIRMED,
        "most runs without it draw nearly the same picture from every latent on "
        + " and ".join(NAMES[name] for name in bad)
        + (", which there hangs on the initial weights: with N(0, 0.02) none does" if weights else "")
        if bad
        else "it is, in these runs",
    )


def _better_than_working(kept: Kept) -> Evidence:
    texts, holds, studies = {}, [], on_datasets(kept, "batch_normalisation")
    for name, results in studies.items():
        off, recipe = kernel_ends(of_arm(results, "off")), kernel_ends(of_arm(results, "recipe"))
        texts[name] = f"{span(off)} without, {span(recipe)} with"
        holds.append(max(recipe) < min(off))
    plain, normalised = kept.distance("cifar10"), kept.distance("cifar10_recipe")
    return Evidence(
        f"kernel distance after {updates_of(studies)} updates: {by_data(texts)}",
        f"full width, CIFAR-10, {kept.card('cifar10')['updates']:,} updates, one run each, 95%: {plain:.3f} without, "
        f"{normalised:.3f} with",
        REFUTED if all(holds) else OPEN,
        _where(holds, "beside batch normalisation that works, pictures without it are worse in every run")
        + (", and at full width" if normalised.value < plain.value else ", though not at full width"),
    )


def _after_one_epoch(runs: Sequence[dict]) -> list[float]:
    return [row["kernel"][0] for run in runs for row in run["snapshots"] if row["epoch"] == 1]


def _second_half(run: dict) -> list[float]:
    """The median kernel distance of the networks kept in the second half of a run, the lowest and the highest."""
    from utils.studies.amount_of_data import second_half

    values = second_half(run)
    return [float(np.median(values)), min(values), max(values)]


def _range(values: Sequence[float]) -> str:
    return "{:.2g} ({:.2g} to {:.2g})".format(*values)


def _reports_amounts(kept: Kept) -> dict[str, tuple[tuple[int, int], dict, dict, dict]]:
    """Of the report's own comparison on each dataset: its two numbers of images, and the runs of few images with as
    many epochs as the many, of few with as many updates, and of many."""
    found = {}
    for name, results in on_datasets(kept, "report_amounts", NAMES).items():
        *_, few, many = amounts_in(results)
        found[name] = ((few, many), *(of_arm(results, arm)[0] for arm in (f"{few}-epochs", f"{few}", f"{many}")))
    return found


def _more_is_better(kept: Kept) -> Evidence:
    equal_epochs, equal_updates, holds, gone = {}, {}, [], []
    studies = on_datasets(kept, "amount_of_data")
    for name, results in studies.items():
        few, *_, many = amounts_in(results)
        most = of_arm(results, str(many))
        first, least = _after_one_epoch(most), _after_one_epoch(of_arm(results, f"{few}-epochs"))
        equal_epochs[name] = f"{span(first)} with {many:,} images, {span(least)} with {few:,}"
        of = {count: kernel_ends(of_arm(results, str(count))) for count in (few, many)}
        equal_updates[name] = f"{span(of[many])} and {span(of[few])}"
        holds.append(max(first) < min(least))
        gone.append(np.mean(of[many]) >= np.mean(of[few]))
    measured, controls, kept_up = {}, {}, []
    for name, ((few, many), *runs) in _reports_amounts(kept).items():
        epochs, updates, most = map(_second_half, runs)
        measured[name] = f"{_range(most)} with {many:,} images, {_range(epochs)} with {few:,}"
        controls[name] = f"{_range(most)} and {_range(updates)}"
        holds.append(most[0] < epochs[1])
        kept_up.append(most[0] < updates[1])
    return Evidence(
        f"kernel distance after one epoch: {by_data(equal_epochs)}; with the report's amounts, or their share, over "
        f"the second half of as many epochs: {by_data(measured)}",
        f"at equal updates ({updates_of(studies)}): {by_data(equal_updates)}; with the report's amounts, over the "
        f"second half of as many updates: {by_data(controls)}",
        CONFIRMED if all(holds) else OPEN,
        "at equal epochs many images are better"
        + ("" if all(holds) else f" in {sum(holds)} of {len(holds)} comparisons only")
        + (", because these are more updates: at first, equal updates leave no advantage" if all(gone) else "")
        + f"; over thousands of updates many are better in {sum(kept_up)} of {len(kept_up)} sets",
    )


def _stops_improving(kept: Kept) -> Evidence:
    from utils.studies.report_amounts import after_about_one

    texts, controls, clear, count = {}, {}, 0, 0
    for name, results in on_datasets(kept, "amount_of_data").items():
        few, *_, many = amounts_in(results)
        runs = of_arm(results, str(many))
        first = [next(row["kernel"] for row in run["snapshots"] if row["epoch"] == 1) for run in runs]
        last = [run["snapshots"][-1]["kernel"] for run in runs]
        better = sum(after[2] < before[1] for before, after in zip(first, last))  # their intervals do not overlap
        texts[name] = (
            f"{span([of[0] for of in first])} after the first epoch of {many:,} images, "
            f"{span([of[0] for of in last])} after the last; clearly better in {better} of {len(runs)} runs"
        )
        at = next(row["update"] for row in runs[0]["snapshots"] if row["epoch"] == 1)
        of_few = [
            row["kernel"][0] for run in of_arm(results, str(few)) for row in run["snapshots"] if row["update"] == at
        ]
        controls[name] = f"{span(of_few)} and {span(kernel_ends(of_arm(results, str(few))))}"
        clear, count = clear + better, count + len(runs)
    on_terms, of_few, terms = {}, {}, _reports_amounts(kept)
    for name, ((few, many), short, long, most) in terms.items():
        first, later = after_about_one(most), _second_half(most)
        better = later[2] < first["kernel"][1]
        on_terms[name] = (
            f"{first['kernel'][0]:.2g} at epoch {first['epoch']:.2g} of {many:,} images, {_range(later)} over the "
            f"second half of {most['snapshots'][-1]['epoch']:.0f}{', clearly better' if better else ''}"
        )
        of_few[name] = f"with {few:,}, {after_about_one(short)['kernel'][0]:.2g} and {_range(_second_half(long))}"
        clear, count = clear + better, count + 1
    bedrooms = terms["bedrooms"][0][1] if "bedrooms" in terms else 0
    return Evidence(
        f"kernel distance: {by_data(texts)}; with the report's amounts, or their share: {by_data(on_terms)}",
        f"few images at the same updates: {by_data(controls)}; of the report's amounts, from as early an epoch to as "
        f"many updates: {by_data(of_few)}",
        REFUTED if clear == count else OPEN if clear else CONFIRMED,
        f"it goes on improving in {clear} of {count} runs"
        + (f", none of them on {BEDROOMS:,} bedrooms" if bedrooms < BEDROOMS else "")
        + "; few images flatten at the same updates, so an epoch is no unit of progress",
    )


def _crossings(runs: Iterable[dict]) -> list[int]:
    from utils.studies.losses import crossings, loss_curves

    return [len(crossings(*loss_curves(run))) for run in runs]


def _losses_intersect(kept: Kept) -> Evidence:
    """On the report's terms, its networks on few images and on all, and over all kept trainings at equal updates of the
    studies of losses and of amounts."""
    from utils.studies.crossings import FEW
    from utils.studies.results import trainings

    terms = long_trainings(kept, "report_few", "report")
    few, all_images = ([runs[arm] for runs in terms.values()] for arm in ("report_few", "report"))
    words = [
        f"{NAMES.get(name, name)}: " + ", ".join(
            f"{n or 'none'} with {run['images']:,} images"
            for run in (runs["report_few"], runs["report"])
            for n in _crossings([run])
        )
        for name, runs in terms.items()
    ]  # fmt: skip
    studies = [kept.study("losses-faces"), *on_datasets(kept, "amount_of_data").values()]
    runs = trainings(run for results in studies for run in results["runs"])
    small = [run for run in runs if int(run["arm"].split("-")[0]) <= FEW]
    large = [run for run in runs if run not in small]
    crossed, many = (sum(n > 0 for n in _crossings(some)) for some in (few + small, all_images + large))
    normalised, others = (sum(n > 0 for n in _crossings(some)) for some in (small, large))
    return Evidence(
        f"how often the smoothed losses of the report's networks without batch normalisation cross in "
        f"{few[0]['updates']:,} updates: " + "; ".join(words),
        f"narrower networks with it: {normalised} of {len(small)} runs with up to {FEW:,} images cross, {others} of "
        f"{len(large)} with more",
        REFUTED
        if not crossed
        else CONFIRMED
        if crossed > len(few + small) / 2 and many < len(all_images + large) / 2
        else OPEN,
        f"on small sets the losses do not meet within {few[0]['updates']:,} updates; the report trained for longer"
        if not crossed
        else f"they meet in {crossed} of {len(few + small)} runs with few images"
        + (f", and in {many} of {len(all_images + large)} with many" if many else ", in none with many"),
    )


def _losses_tell(kept: Kept) -> Evidence:
    from utils.studies.losses import UPDATES_DONE, within_runs

    results = kept.study("losses-faces")
    crossed, found = sum(n > 0 for n in _crossings(results["runs"])), within_runs(results)
    generator, updates = (_over_runs(found[name]) for name in ("generator's loss", UPDATES_DONE))
    tells = generator.low > 0
    return Evidence(
        f"rank correlation of the generator's loss with the kernel distance within a run: {generator:+.2f} (95%, "
        f"{len(results['runs'])} trainings)",
        f"of the number of updates done: {updates:+.2f}",
        REFUTED if not crossed and not tells else OPEN,
        (
            f"the losses intersect in {crossed} of {len(results['runs'])} runs"
            if crossed
            else "there is no intersection to explain anything"
        )
        + (", and the loss may say" if tells else ", and the loss does not clearly say")
        + " when pictures stop improving",
    )


def _over_runs(correlations: list[float]) -> Interval:
    """The mean over trainings, with its interval; of moments that are all alike there is no correlation."""
    there = [value for value in correlations if math.isfinite(value)]
    if len(there) < 2:
        raise NotKeptError("there are not two trainings in which both change")
    return student(np.array(there), (-1, 1))


def _maps_show(kept: Kept) -> Evidence:
    found = of_faces(kept, "08").findings("code-14")
    random = findings_starting(found, "Grad-CAM shows what the network has learnt")[0]
    source = findings_starting(found, "Grad-CAM (eq. 2) tells where in true images the logit comes from")[0]
    parts = findings_starting(found, "Grad-CAM for true lies on the parts")[0]
    deletion = findings_starting(found, "What Grad-CAM marks makes true images true")[0]
    try:
        digits = kept.notebook("08").row("house-numbers", "32 built-in house numbers")
        drawn = f"; built-in house numbers: rank correlation with the contributions {digits[3]}"
        other = f"; house numbers, with another image's: {digits[4]}"
    except NotKeptError:
        drawn = other = ""
    area, place = (re.search(r"\[(-?[\d.]+), (-?[\d.]+)\]", each.measured) for each in (deletion, source))
    on_parts = re.search(r"on 0 of", parts.measured) is None
    matters = area is not None and float(area[2]) < 0
    # That nothing is clear refutes nothing. That the map is strong where the logit does not come from does.
    fails = place is not None and float(place[2]) < 0 and not matters and not on_parts
    told = (("lies on parts that an image shows", on_parts), ("marks what makes an image true", matters))
    shows = " and ".join(words for words, holds in told if holds)
    return Evidence(
        f"built-in faces: {source.measured}; on the parts that an image shows {parts.measured}; "
        f"{deletion.measured.split(';')[0]}; {random.measured}{drawn}",
        f"contributions: {source.control}; parts: {parts.control}; deletion: {deletion.control}; weights: "
        f"{random.control}{other}",
        REFUTED if fails else OPEN,
        "on this architecture the map "
        + (
            "is weak where the answer comes from, and does not clearly mark an image's parts, or what makes it true, "
            "better than another image's map does, so it cannot show that"
            if fails
            else shows or "does not clearly mark an image's parts, or what makes it true"
        )
        + "; on photographs of SVHN, with a network that learnt from them, it was not measured",
    )


def _does_not_memorise(kept: Kept) -> Evidence:
    """The generator, by the tests of copying; the discriminator, by what it makes of true images it has not seen."""
    measured, control = copies_in_words(kept)
    knows, alike, of_few, copies = [], [], True, copies_found(kept)
    for name, results in on_datasets(kept, "report_amounts", NAMES).items():
        *_, few, many = amounts_in(results)
        for count in (few, many):
            judged = of_arm(results, str(count))[0]["snapshots"][-1]["judged"]
            words = "{:.2f} and {:.2f}".format(judged["trained_on"], judged["held_out"])
            by_heart = judged["held_out"] < 0.5 < judged["trained_on"]
            (knows if by_heart else alike).append(f"{count:,} {NAMES[name]}: {words}")
            of_few = of_few and not (by_heart and count == many)
    return Evidence(
        f"{measured}; the discriminator's mean score of images trained on, and of other true ones: "
        + "; ".join(knows + alike),
        control,
        CONFIRMED if copies.are_excluded and not knows else OPEN,
        f"of the generator's samples there is {copies.sign}; "
        + (f"the discriminator knows its images by heart in {len(knows)} of {len(knows + alike)} runs"
           + (", of few images" if of_few else "")
           if knows else "nor does the discriminator know its images by heart")
        + "; neither comes from maps",
    )  # fmt: skip


def _filters(kept: Kept) -> Evidence:
    found = findings_starting(of_faces(kept, "08").findings("code-14"), "Paper §6.2 and Fig 5")[0]
    counts = [re.search(r"(\d+) of \d+ filters", text) for text in (found.measured, found.control)]
    if not all(counts):
        raise NotKeptError(f"of the filters' preferences notebook 08 says: {found.measured}")
    trained, random = (int(count[1]) for count in counts)
    return Evidence(
        f"built-in faces, last convolution: {found.measured}",
        found.control,
        OPEN,
        "many prefer something, and no fewer of a network that has learnt nothing, so it is no sign of learning; beds "
        "were not tested"
        if random >= trained
        else "more than of a network that has learnt nothing; beds were not tested",
    )


def _best_pictures(kept: Kept) -> Evidence:
    """The one space that all datasets share; it is not enough to decide."""
    words, floors, images = {}, {}, []
    for name, runs in long_trainings(kept, "best_recipe").items():
        images.append(runs["best_recipe"]["images"])
        for space in runs["best_recipe"]["distance"]["other_spaces"]:
            if "ImageNet" in space["space"]:
                words[name] = f"{Interval.of(space['kernel']):.2f}"
                floors[name] = f"{space['floor']['kernel']['value']:.2f}"
    if not words:
        raise NotKeptError("no long training was measured in the features of ImageNet, which all datasets share")
    return Evidence(
        "kernel distance of the best recipe's samples in the features of a network that knows ImageNet (95%): "
        + by_data(words),
        f"between true images: {by_data(floors)}",
        OPEN,
        f"32 and 64 pixels, {min(images):,} to {max(images):,} images: datasets differ in more than what they show, "
        "LSUN itself was not at hand, and no single space is to be believed",
    )


def textures_repeat(kept: Kept) -> Evidence:
    """Whether the samples of every dataset share more of their fine detail than true images do."""
    measured, true, more, best = {}, {}, [], {}
    for name, runs in long_trainings(kept, "report", "best_recipe").items():
        fake, held_out = (runs["report"]["fixed_pattern"][key] for key in ("fake", "held_out"))
        measured[name] = f"{fake[0]:.1%} ({fake[1]:.1%} to {fake[2]:.1%})"
        true[name] = f"{held_out[0]:.1%}"
        best[name] = f"{runs['best_recipe']['fixed_pattern']['fake'][0]:.1%}"
        more.append(fake[1] > held_out[2])
    return Evidence(
        "what all samples of the report's networks have in common of their fine detail (95%): " + by_data(measured),
        f"true images: {by_data(true)}; the best recipe's samples: {by_data(best)}",
        CONFIRMED if all(more) else OPEN if any(more) else REFUTED,
        f"on {sum(more)} of {len(more)} datasets clearly more of the texture is the same in all samples than in true "
        "images",
    )


def _quoted(kept: Kept) -> Evidence:
    from utils.features.protocols import PUBLISHED

    whose = next(row.name for row in PUBLISHED["cifar"] if row.value == REPORTED)
    own = {name: next(row.value for row in PUBLISHED[name] if row.name.startswith("DCGAN")) for name in PUBLISHED}
    return Evidence(
        f"the paper's Table 1 has {REPORTED}% for {whose}, {own['cifar']}% for the DCGAN; Table 2 {own['svhn']}% error "
        "on SVHN",
        "–",
        REFUTED if not whose.startswith("DCGAN") else CONFIRMED,
        "the figure for CIFAR-10 is another row's, the one for SVHN is right; read in the paper, not measured",
    )


def _dropout(kept: Kept) -> Evidence:
    from utils.studies.dropout import BY_HEART, pairs

    told, by_heart, needed = {}, {}, []
    for name, results in on_datasets(kept, "dropout").items():
        for arm, measured in pairs(results).items():
            by_heart[f"{NAMES[name]}, {arm}"] = _both(measured.pop(BY_HEART), "+.2f")
            told[f"{NAMES[name]}, {arm}"] = "; ".join(
                f"{space.partition(': ')[2]} {_both(values)}" for space, values in measured.items()
            )
            needed += [all(without > with_it for with_it, without in values) for values in measured.values()]
    return Evidence(
        "kernel distance with dropout of 0.4 and without, of seeds in pairs: " + by_data(told),
        f"{BY_HEART} (what dropout is to lower), with and without: {by_data(by_heart)}",
        CONFIRMED if all(needed) else OPEN if any(needed) else REFUTED,
        f"in {sum(needed)} of {len(needed)} comparisons of networks in a feature space every seed is nearer with it; "
        "short trainings all",
    )


def _both(values: Sequence[tuple[float, float]], form: str = ".2g") -> str:
    return " and ".join(span(side, form) for side in zip(*values))


CLAIMS = (
    Claim("R1a", "§5.1", "with batch normalisation the generator's loss goes quickly to zero, on every dataset", BN,
          ("05", "seeds"), _loss_goes_to_zero),
    Claim("R1b", "§5.1", "and does not recover", BN, ("05", "seeds"), _never_recovers),
    Claim("R1c", "§5.1", "perhaps because batch normalisation makes values small and gradients vanish", BN,
          ("05", "chain"), _cause),
    Claim("R2a", "§4.1, 5.7", "without batch normalisation pictures are better than with the report's", BN,
          ("05", "seeds"), _better_without),
    Claim("R2b", "§4.1, 5.7", "without batch normalisation training is stable", BN, ("05", "seeds"), _stable_without),
    Claim("R2c", "§4.1, 5.7", "so a DCGAN is better without batch normalisation", f"{BN}; models `cifar10`, "
          "`cifar10_recipe`", ("05", "cifar"), _better_than_working),
    Claim("R3a", "§5.2", "with many images pictures are good from epoch 1, with few they start blurred",
          f"{AMOUNT}, {REPORTS}", ("06", "reports-faces"), _more_is_better),
    Claim("R3b", "§5.2", "so with much data a DCGAN may stop improving after the first epochs",
          f"{AMOUNT}, {REPORTS}", ("06", "reports-faces"), _stops_improving),
    Claim("R4a", "§5.3", "on small sets the two losses intersect, on large sets they do not in early epochs",
          f"{LONG}, {LOSSES}", ("07", "terms"), _losses_intersect),
    Claim("R4b", "§5.3", "that may explain why pictures stop improving", LOSSES, ("07", "correlations"), _losses_tell),
    Claim("R5", "§5.4", "CelebA and LSUN give the best pictures", LONG, ("03", "longer"), _best_pictures),
    Claim("R6a", "§5.5", "Grad-CAM shows that the discriminator looks at the digits", EXPLAIN, ("08", "code-14"),
          _maps_show),
    Claim("R6b", "§5.5", "so it learned meaningful patterns and does not memorise", f"{EXPLAIN}, {REPORTS}",
          ("06", "heart"), _does_not_memorise),
    Claim("R7", "§5.6", "many filters of the last convolution respond to beds", EXPLAIN, ("08", "code-14"), _filters),
    Claim("R8", "§5.7", "noise textures repeat across samples on all datasets", LONG, ("01", "longer"),
          textures_repeat),
    Claim("R9", "§2.2", "the DCGAN's accuracy on CIFAR-10 is 80.6%, its error on SVHN 22.48%",
          "the paper's Tables 1 and 2", None, _quoted),
    Claim("R10", "§5.8", "dropout of 0.4 in the discriminator was needed for good results",
          "study `dropout`", None, _dropout),
)  # fmt: skip
