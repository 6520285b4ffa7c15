"""Every claim of the sources: where it is tested here, what was measured, its control, and what that comes to.

`CLAIMS` is the table; each claim has a function that reads what is kept and decides by a rule that stands there, so a
verdict changes when the results do. Nothing that was measured is written down here. `as_markdown` makes CLAIMS.md.

To add a claim: one line in `CLAIMS`, and a function that gives `Evidence`; a result that is not there yet raises
`NotKeptError`, and the verdict is then "missing".
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.intervals import Interval, wilson
from utils.report.kept import Finding, Kept, NotKeptError, study_of

CONFIRMED, REFUTED, OPEN, MISSING = "confirmed at this size", "refuted", "open", "missing"
SOURCES = {
    "R": "R, the course report of 2021",
    "S": "S, the paper (arXiv:1511.06434) as its slides tell it",
    "L": "L, the lab report on SVHN",
    "A": "A, the assignment deck",
    "G": "G, the paper on regularised DCGANs and anime faces",
}
"""What the letters stand for."""
ZERO, ALIVE = 0.01, 0.1
"""A loss below the first has gone to zero, one above the second has come back; undecided is log 2 = 0.69."""
NAMES = {
    "faces": "built-in faces",
    "cifar10": "CIFAR-10",
    "house_numbers": "built-in house numbers",
    "celeba": "CelebA",
    "bedrooms": "bedrooms",
}
"""What studies were carried out on."""
SMALL = 1_000
"""Images up to which a set is small here; the report's small sets have tens of thousands."""
REPORTED = 80.6
"""Per cent of CIFAR-10 that R §2.2 quotes as the DCGAN's."""


@dataclass(frozen=True)
class Evidence:
    """What is known of a claim.

    Attributes:
        measured, control: in words, with the figures as they were kept; "–" for none.
        verdict: CONFIRMED, REFUTED, OPEN or MISSING.
        why: the verdict in a plain sentence.
    """

    measured: str
    control: str
    verdict: str
    why: str


@dataclass(frozen=True)
class Claim:
    """A claim of a source.

    Attributes:
        id: "R1a": its letter and number, and a letter more where a claim has several parts.
        place: in the source.
        says: what is claimed.
        tested: where it is tested here.
        cell: number of a notebook and id of the cell that shows it; None of what no notebook shows.
        evidence: reads what is kept.
    """

    id: str
    place: str
    says: str
    tested: str
    cell: tuple[str, str] | None
    evidence: Callable[[Kept], Evidence]


@dataclass(frozen=True)
class Row:
    """A claim with what is known of it.

    Attributes:
        claim: it.
        evidence: what is known.
        notebook: file of its notebook, where there is one.
    """

    claim: Claim
    evidence: Evidence
    notebook: Path | None

    def plain(self) -> dict:
        claim, evidence = self.claim, self.evidence
        return {
            "id": claim.id,
            "place": claim.place,
            "claim": claim.says,
            "tested": claim.tested,
            "measured": evidence.measured,
            "control": evidence.control,
            "verdict": evidence.verdict,
            "why": evidence.why,
            "notebook": self.notebook and self.notebook.name,
            "cell": claim.cell and claim.cell[1],
        }


def rows(kept: Kept | None = None) -> list[Row]:
    """All claims with what is known of them now."""
    kept, made = kept or Kept(), []
    for claim in CLAIMS:
        try:
            evidence = claim.evidence(kept)
        except NotKeptError as error:
            evidence = Evidence("–", "–", MISSING, f"not measured yet: {error}")
        made.append(Row(claim, evidence, _file(kept, claim)))
    return made


def as_markdown(made: Sequence[Row], home: str = "notebooks/") -> str:
    """CLAIMS.md: one table for each source, and how many claims have which verdict.

    Args:
        made: as `rows` gives them.
        home: where notebooks are, as seen from the file.
    """
    counted = ", ".join(f"{n} {verdict}" for verdict, n in verdict_counts(made).items())
    lines = [
        "# What is claimed, and what was measured",
        "",
        "<!-- Made by `./dcgan claims --out CLAIMS.md` from utils/report/claims.py and what is kept; do not edit. -->",
        "",
        f"Every claim of the five sources ({counted}). All of it is CPU-sized: few updates, narrow networks, few "
        "seeds; a verdict holds for that size and no further. Figures in brackets are the lowest and the highest of "
        "the seeds, or a 95% interval where it says so. `./dcgan claims --json` gives all of it to a program.",
    ]
    for letter, source in SOURCES.items():
        lines += ["", f"## {source}", "", "| | claim | tested by | measured | control | verdict | shown in |"]
        lines.append("|" + "---|" * 7)
        for row in made:
            if row.claim.id[0] == letter:
                lines.append(f"| {' | '.join(map(_escaped, _cells(row, home)))} |")
    return "\n".join(lines) + "\n"


def verdict_counts(made: Sequence[Row]) -> dict[str, int]:
    """How many claims have each verdict."""
    found = [row.evidence.verdict for row in made]
    return {verdict: found.count(verdict) for verdict in (CONFIRMED, REFUTED, OPEN, MISSING)}


def _cells(row: Row, home: str) -> list[str]:
    claim, evidence = row.claim, row.evidence
    link = "–"
    if row.notebook:
        link = f"[{row.notebook.stem}]({home}{row.notebook.name})" + (
            f", cell `{claim.cell[1]}`" if claim.cell[1] else ""
        )
    verdict = f"**{evidence.verdict}**: {evidence.why}"
    return [f"**{claim.id}**", f"{claim.says} ({claim.place})", claim.tested, evidence.measured, evidence.control,
            verdict, link]  # fmt: skip


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _file(kept: Kept, claim: Claim) -> Path | None:
    try:
        return kept.notebook(claim.cell[0]).file if claim.cell else None
    except NotKeptError:
        return None


# --- figures --------------------------------------------------------------------------------------------------------


def _of(results: dict, arm: str) -> list[dict]:
    runs = [run for run in results["runs"] if run["arm"] == arm]
    if not runs:
        raise NotKeptError(f"{results['study']} has no runs of the arm {arm}")
    return runs


def _some(kept: Kept, study: str, names: Iterable[str] = ("faces", "cifar10")) -> dict[str, dict]:
    """The results of a study on those datasets that it was carried out on."""
    found = {}
    for name in names:
        try:
            found[name] = kept.study(f"{study}-{name}")
        except NotKeptError:
            continue
    if not found:
        raise NotKeptError(f"the study {study} has not been carried out")
    return found


def _spread(values: Sequence[float], form: str = ".2g") -> str:
    mean, low, high = (float(end(values)) for end in (np.mean, np.min, np.max))
    written = [format(v, form) if abs(v) < 10 or form != ".2g" else f"{v:.0f}" for v in (mean, low, high)]
    return written[0] if written[1] == written[2] else f"{written[0]} ({written[1]} to {written[2]})"


def _updates(studies: dict[str, dict]) -> str:
    """How many updates the runs of studies have."""
    return " or ".join(f"{n:,}" for n in sorted({max(run["updates"] for run in of["runs"]) for of in studies.values()}))


def _ends(runs: Sequence[dict]) -> list[float]:
    """Kernel distances at the end of runs."""
    return [run["snapshots"][-1]["kernel"][0] for run in runs]


def _by_data(texts: dict[str, str]) -> str:
    return "; ".join(f"{NAMES[name]}: {text}" for name, text in texts.items())


def _late(run: dict, name: str, source: str = "watch") -> float:
    """The median of a record over the last quarter of a run."""
    from utils.training.doctor import at_the_end

    values = [row[name] for row in run[source]] if source == "watch" else run[source][name]
    return at_the_end([value for value in values if value is not None])


def _is_healthy(run: dict) -> bool:
    from utils.training.doctor import End

    return End.of(run["watch"]).is_healthy


def _healthy(runs: Sequence[dict]) -> tuple[int, int]:
    return sum(map(_is_healthy, runs)), len(runs)


def _interval(text: str) -> Interval:
    """An interval as a table of a notebook shows it: "35% (25% to 46%)"."""
    value, low, high = (float(number) for number in re.findall(r"[-+]?\d+\.?\d*", text)[:3])
    return Interval(value, low, high)


def _starting(findings: Sequence[Finding], start: str) -> list[Finding]:
    found = [finding for finding in findings if finding.claim.startswith(start)]
    if not found:
        raise NotKeptError(f"no finding begins with {start!r}")
    return found


def _never(what: str) -> Callable[[Kept], Evidence]:
    """Of a claim that nothing here tests."""
    return lambda kept: Evidence("–", "–", MISSING, what)


def _no_measure(what: str) -> Callable[[Kept], Evidence]:
    """Of a sentence that no measurement can decide."""
    return lambda kept: Evidence("–", "–", OPEN, what)


# --- R --------------------------------------------------------------------------------------------------------------


def _falls(run: dict) -> tuple[float, float] | None:
    """The update at which the generator's loss first is zero, and the highest that it is after; None if it never is."""
    loss, updates = np.array(run["curves"]["loss_generator"]), run["curves"]["update"]
    below = np.flatnonzero(loss < ZERO)
    return (updates[below[0]], float(loss[below[0] :].max())) if len(below) else None


def _loss_goes_to_zero(kept: Kept) -> Evidence:
    found, cured, studies = {}, {}, _some(kept, "batch_normalisation")
    for name, results in studies.items():
        found[name] = [_falls(run) for run in _of(results, "moving")]
        cured[name] = [min(run["curves"]["loss_generator"]) for run in _of(results, "recipe")]
    fell = [fall for of in found.values() for fall in of if fall]
    count, last = sum(map(len, found.values())), max((fall[0] for fall in fell), default=np.nan)
    return Evidence(
        f"the report's batch normalisation (arm `moving`): below {ZERO} in {len(fell)} of {count} runs, by update "
        f"{last:.0f} of {_updates(studies)}",
        "batch normalisation with the same statistics in both updates (arm `recipe`), lowest in the whole course: "
        + _by_data({name: f"{min(low):.2g}" for name, low in cured.items()}),
        CONFIRMED if len(fell) == count else OPEN if fell else REFUTED,
        "the loss goes to zero in every run" if len(fell) == count else f"in {len(fell)} of {count} runs",
    )


def _never_recovers(kept: Kept) -> Evidence:
    stayed, texts, studies = [], {}, _some(kept, "batch_normalisation")
    for name, results in studies.items():
        after = [fall[1] for run in _of(results, "moving") if (fall := _falls(run))]
        stayed += [high < ALIVE for high in after]
        back = [high for high in after if high >= ALIVE]
        texts[name] = f"stays below {ALIVE} in {len(after) - len(back)} of {len(after)} runs" + (
            f", comes back to {' and '.join(f'{high:.2g}' for high in back)}" if back else ""
        )
    return Evidence(
        _by_data(texts),
        "–",
        CONFIRMED if all(stayed) else OPEN,
        "it stays there in every run"
        if all(stayed)
        else f"true of {sum(stayed)} of {len(stayed)} runs; in the others it comes back within {_updates(studies)} "
        "updates, with samples that are no better (R2a)",
    )


def _cause(kept: Kept) -> Evidence:
    gaps, gradients, works = {}, {}, []
    for name, results in _some(kept, "batch_normalisation").items():
        gaps[name] = f"{min(_late(run, 'gap') for run in _of(results, 'moving')):.2f}"
        of = {
            arm: np.mean([_late(run, "gradient_norm", "curves") for run in _of(results, arm)])
            for arm in ("off", "moving", "recipe")
        }
        gradients[name] = f"{of['moving']:.2g} (recipe: {of['recipe']:.0f}, without: {of['off']:.0f})"
        works.append(of["recipe"] >= of["off"])
    return Evidence(
        "gradient at the generator, last quarter: "
        + _by_data(gradients)
        + ". The same fakes are scored differently in "
        "the two updates, by at least " + _by_data(gaps),
        "batch normalisation in both networks, statistics of the batch in every pass, weights N(0, 0.02): gradients as "
        "large as without it (in brackets)",
        REFUTED if all(works) else OPEN,
        "gradients vanish because the loss is zero, and that is zero because the two updates judge by different "
        "statistics; batch normalisation as such keeps them large",
    )


def _better_without(kept: Kept) -> Evidence:
    texts, holds, studies = {}, [], _some(kept, "batch_normalisation")
    for name, results in studies.items():
        off, moving = _ends(_of(results, "off")), _ends(_of(results, "moving"))
        texts[name] = f"{_spread(off)} without, {_spread(moving)} with the report's"
        holds.append(max(off) < min(moving))
    return Evidence(
        f"kernel distance after {_updates(studies)} updates: {_by_data(texts)}",
        "two sets of true images: "
        + _by_data({name: f"{_of(of, 'off')[0]['floor'][0]:.3f}" for name, of in studies.items()}),
        CONFIRMED if all(holds) else OPEN,
        "every run without is nearer than every run with the report's batch normalisation",
    )


def _stable_without(kept: Kept) -> Evidence:
    studies = _some(kept, "batch_normalisation")

    def healthy(arm: str) -> dict[str, tuple[int, int]]:
        return {name: _healthy(_of(results, arm)) for name, results in studies.items() if arm in results["arms"]}

    def told(counts: dict[str, tuple[int, int]]) -> str:
        return _by_data({name: f"{good} of {count}" for name, (good, count) in counts.items()})

    found, normal = healthy("off"), healthy("off_normal")
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
    texts, holds, studies = {}, [], _some(kept, "batch_normalisation")
    for name, results in studies.items():
        off, recipe = _ends(_of(results, "off")), _ends(_of(results, "recipe"))
        texts[name] = f"{_spread(off)} without, {_spread(recipe)} with"
        holds.append(max(recipe) < min(off))
    plain, normalised = kept.distance("cifar10"), kept.distance("cifar10_recipe")
    return Evidence(
        f"kernel distance after {_updates(studies)} updates: {_by_data(texts)}",
        f"full width, CIFAR-10, {kept.card('cifar10')['updates']:,} updates, one run each, 95%: {plain:.3f} without, "
        f"{normalised:.3f} with",
        REFUTED if all(holds) else OPEN,
        "beside batch normalisation that works, pictures without it are worse in every run"
        + (", and at full width" if normalised.value < plain.value else ", though not at full width"),
    )


def _amounts(results: dict) -> list[int]:
    return sorted({int(run["arm"].split("-")[0]) for run in results["runs"]})


def _after_epochs(runs: Sequence[dict], epochs: int) -> list[float]:
    return [row["kernel"][0] for run in runs for row in run["snapshots"] if row["epoch"] == epochs]


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
    for name, results in _some(kept, "report_amounts", NAMES).items():
        *_, few, many = _amounts(results)
        found[name] = ((few, many), *(_of(results, arm)[0] for arm in (f"{few}-epochs", f"{few}", f"{many}")))
    return found


def _more_is_better(kept: Kept) -> Evidence:
    equal_epochs, equal_updates, holds, gone = {}, {}, [], []
    studies = _some(kept, "amount_of_data")
    for name, results in studies.items():
        few, *_, many = _amounts(results)
        most = _of(results, str(many))
        first, least = _after_epochs(most, 1), _after_epochs(_of(results, f"{few}-epochs"), 1)
        equal_epochs[name] = f"{_spread(first)} with {many:,} images, {_spread(least)} with {few:,}"
        of = {count: _ends(_of(results, str(count))) for count in (few, many)}
        equal_updates[name] = f"{_spread(of[many])} and {_spread(of[few])}"
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
        f"kernel distance after one epoch: {_by_data(equal_epochs)}; with the report's amounts, or their share, over "
        f"the second half of as many epochs: {_by_data(measured)}",
        f"at equal updates ({_updates(studies)}): {_by_data(equal_updates)}; with the report's amounts, over the "
        f"second half of as many updates: {_by_data(controls)}",
        CONFIRMED if all(holds) else OPEN,
        "at equal epochs many images are better"
        + (", because these are more updates: at first, equal updates leave no advantage" if all(gone) else "")
        + f"; over thousands of updates many are better in {sum(kept_up)} of {len(kept_up)} sets",
    )


def _stops_improving(kept: Kept) -> Evidence:
    from utils.studies.report_amounts import after_about_one

    texts, controls, clear, count = {}, {}, 0, 0
    for name, results in _some(kept, "amount_of_data").items():
        few, *_, many = _amounts(results)
        runs = _of(results, str(many))
        first = [next(row["kernel"] for row in run["snapshots"] if row["epoch"] == 1) for run in runs]
        last = [run["snapshots"][-1]["kernel"] for run in runs]
        better = sum(after[2] < before[1] for before, after in zip(first, last))  # their intervals do not overlap
        texts[name] = (
            f"{_spread([of[0] for of in first])} after the first epoch of {many:,} images, "
            f"{_spread([of[0] for of in last])} after the last; clearly better in {better} of {len(runs)} runs"
        )
        at = next(row["update"] for row in runs[0]["snapshots"] if row["epoch"] == 1)
        of_few = [row["kernel"][0] for run in _of(results, str(few)) for row in run["snapshots"] if row["update"] == at]
        controls[name] = f"{_spread(of_few)} and {_spread(_ends(_of(results, str(few))))}"
        clear, count = clear + better, count + len(runs)
    on_terms, of_few = {}, {}
    for name, ((few, many), short, long, most) in _reports_amounts(kept).items():
        first, later = after_about_one(most), _second_half(most)
        better = later[2] < first["kernel"][1]
        on_terms[name] = (
            f"{first['kernel'][0]:.2g} at epoch {first['epoch']:.2g} of {many:,} images, {_range(later)} over the "
            f"second half of {most['snapshots'][-1]['epoch']:.0f}{', clearly better' if better else ''}"
        )
        of_few[name] = f"with {few:,}, {after_about_one(short)['kernel'][0]:.2g} and {_range(_second_half(long))}"
        clear, count = clear + better, count + 1
    return Evidence(
        f"kernel distance: {_by_data(texts)}; with the report's amounts, or their share: {_by_data(on_terms)}",
        f"few images at the same updates: {_by_data(controls)}; of the report's amounts, from as early an epoch to as "
        f"many updates: {_by_data(of_few)}",
        REFUTED if clear == count else OPEN if clear else CONFIRMED,
        f"it goes on improving in {clear} of {count} runs, none of them on 300,000 bedrooms; few images flatten at the "
        "same updates, so an epoch is no unit of progress",
    )


def _crossings(runs: Iterable[dict]) -> list[int]:
    from utils.studies.losses import crossings, loss_curves

    return [len(crossings(*loss_curves(run))) for run in runs]


def _long(kept: Kept) -> dict[str, dict]:
    """The runs of each long training by arm, by the name of its data."""
    found = {}
    for name in (name for name in kept.studies() if study_of(name) == "long_training"):
        runs = {run["arm"]: run for run in kept.study(name)["runs"] if "settings" in run}
        found[next(iter(runs.values()))["settings"]["data"]["name"]] = runs
    if not found:
        raise NotKeptError("the study long_training has not been carried out")
    return found


def _losses_intersect(kept: Kept) -> Evidence:
    """On the report's terms, its networks on few images and on all, and over all kept runs at equal updates of the
    studies of losses and of amounts."""
    terms = _long(kept)
    few, all_images = ([runs[arm] for runs in terms.values()] for arm in ("report_few", "report"))
    words = [
        f"{NAMES[name]}: " + ", ".join(
            f"{n or 'none'} with {run['images']:,} images"
            for run in (runs["report_few"], runs["report"])
            for n in _crossings([run])
        )
        for name, runs in terms.items()
    ]  # fmt: skip
    runs = list(kept.study("losses-faces")["runs"])
    for results in _some(kept, "amount_of_data").values():
        runs += [run for run in results["runs"] if not run["arm"].endswith("-epochs")]
    small = [run for run in runs if int(run["arm"].split("-")[0]) <= SMALL]
    large = [run for run in runs if run not in small]
    crossed, many = (sum(n > 0 for n in _crossings(some)) for some in (few + small, all_images + large))
    normalised, others = (sum(n > 0 for n in _crossings(some)) for some in (small, large))
    return Evidence(
        f"how often the smoothed losses of the report's networks without batch normalisation cross in "
        f"{few[0]['updates']:,} updates: " + "; ".join(words),
        f"narrower networks with it: {normalised} of {len(small)} runs with up to {SMALL:,} images cross, {others} of "
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
    from utils.studies.losses import correlations

    found = {row["what is read"]: row["within a run"] for row in correlations(kept.study("losses-faces"))}
    generator, updates = found["generator's loss"], found["updates done (negative)"]
    low, high = _interval(generator).low, _interval(generator).high
    return Evidence(
        f"rank correlation of the generator's loss with the kernel distance within a run: {generator}",
        f"of the number of updates done: {updates}",
        REFUTED if low < 0 < high else OPEN,
        "there is no intersection to explain anything, and the loss does not say when pictures stop improving",
    )


def _maps_show(kept: Kept) -> Evidence:
    found = kept.notebook("08").findings("code-14")
    random = _starting(found, "Grad-CAM shows what the network has learnt")[0]
    parts = _starting(found, "Grad-CAM for true lies on the parts")[0]
    deletion = _starting(found, "What Grad-CAM marks makes true images true")[0]
    try:
        digits = kept.notebook("08").row("house-numbers", "32 built-in house numbers")
        drawn = f"; built-in house numbers: rank correlation with the contributions {digits[3]}"
        other = f"; house numbers, with another image's: {digits[4]}"
    except NotKeptError:
        drawn = other = ""
    area = re.search(r"\[(-?[\d.]+), (-?[\d.]+)\]", deletion.measured)
    fails = area is not None and float(area[2]) >= 0 and re.search(r"on 0 of", parts.measured) is not None
    return Evidence(
        f"built-in faces: on the parts that an image shows {parts.measured}; {deletion.measured.split(';')[0]}; "
        f"{random.measured}{drawn}",
        f"parts: {parts.control}; deletion: {deletion.control}; weights: {random.control}{other}",
        REFUTED if fails else OPEN,
        "on this architecture the map does not lie on what makes an image true, so it cannot show that; on "
        "photographs of SVHN, with a network that learnt from them, it was not measured",
    )


def _copies(kept: Kept) -> tuple[list[Finding], int, int]:
    """The findings on copies: spaces without a sign of them, and spaces where planted ones are caught."""
    found = _starting(
        kept.notebook("09").findings("code-09"), "Report: the maps show that the network does not memorise"
    )
    clean = sum(finding.measured.startswith("no sign of copies") for finding in found)
    caught = sum(finding.control.split(": copied ")[1].startswith("100%") for finding in found)
    return found, clean, caught


def _copies_in_words(kept: Kept) -> tuple[str, str]:
    found, clean, caught = _copies(kept)
    shares = ", ".join(re.search(r"copied (-?\d+% \(.*?\))", finding.measured)[1] for finding in found)
    faces = kept.card("faces")
    about = f"model `faces`, {faces['updates']:,} updates"
    asked, power = _audit(kept)
    return (
        f"{about}: no sign of copies in {clean} of {len(found)} feature spaces (share copied, 95%: {shares}){asked}",
        f"copies that were planted are found in {caught} of {len(found)}{power}",
    )


def _audit(kept: Kept) -> tuple[str, str]:
    """What other tests of notebook 09 say of the model, and from which share on they would have seen copies; in words,
    "" where they were not made."""
    try:
        tests = kept.notebook("09").table("verdict", "sees exact")
    except NotKeptError:
        return "", ""
    clean = sum(row["says"] == "no sign of copies" for row in tests)
    seen = [row["sees exact"] for row in tests if row["sees exact"] != "–"]
    power = (
        f"exact ones from {min(seen, key=_number)} on by {len(seen)} of {len(tests)} tests" if seen else "by no test"
    )
    return f"; none in {clean} of {len(tests)} tests of an audit", f"; in the audit {power}"


def _number(text: str) -> float:
    return float(re.search(r"[\d.]+", text)[0])


def _does_not_memorise(kept: Kept) -> Evidence:
    """The generator, by the tests of copying; the discriminator, by what it makes of true images it has not seen."""
    measured, control = _copies_in_words(kept)
    knows, alike = [], []
    for name, results in _some(kept, "report_amounts", NAMES).items():
        for count in _amounts(results)[-2:]:
            judged = _of(results, str(count))[0]["snapshots"][-1]["judged"]
            words = "{:.2f} and {:.2f}".format(judged["trained_on"], judged["held_out"])
            by_heart = judged["held_out"] < 0.5 < judged["trained_on"]
            (knows if by_heart else alike).append(f"{count:,} {NAMES[name]}: {words}")
    return Evidence(
        f"{measured}; the discriminator's mean score of images trained on, and of other true ones: "
        + "; ".join(knows + alike),
        control,
        OPEN if knows else CONFIRMED,
        "the generator's samples are no copies; "
        + (f"the discriminator knows its images by heart in {len(knows)} of {len(knows + alike)} runs, of few images"
           if knows else "nor does the discriminator know its images by heart")
        + "; neither comes from maps",
    )  # fmt: skip


def _filters(kept: Kept) -> Evidence:
    found = _starting(kept.notebook("08").findings("code-14"), "Paper §6.2 and Fig 5")[0]
    trained, random = (int(re.search(r"(\d+) of \d+ filters", text)[1]) for text in (found.measured, found.control))
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
    for name, runs in _long(kept).items():
        images.append(runs["best_recipe"]["images"])
        for space in runs["best_recipe"]["distance"]["other_spaces"]:
            if "ImageNet" in space["space"]:
                words[name] = f"{Interval.of(space['kernel']):.2f}"
                floors[name] = f"{space['floor']['kernel']['value']:.2f}"
    if not words:
        raise NotKeptError("no long training was measured in the features of ImageNet, which all datasets share")
    return Evidence(
        "kernel distance of the best recipe's samples in the features of a network that knows ImageNet (95%): "
        + _by_data(words),
        f"between true images: {_by_data(floors)}",
        OPEN,
        f"32 and 64 pixels, {min(images):,} to {max(images):,} images: datasets differ in more than what they show, "
        "LSUN itself was not at hand, and no single space is to be believed",
    )


def _textures_repeat(kept: Kept) -> Evidence:
    """Whether the samples of every dataset share more of their fine detail than true images do."""
    measured, true, more, best = {}, {}, [], {}
    for name, runs in _long(kept).items():
        fake, held_out = (runs["report"]["fixed_pattern"][key] for key in ("fake", "held_out"))
        measured[name] = f"{fake[0]:.1%} ({fake[1]:.1%} to {fake[2]:.1%})"
        true[name] = f"{held_out[0]:.1%}"
        best[name] = f"{runs['best_recipe']['fixed_pattern']['fake'][0]:.1%}"
        more.append(fake[1] > held_out[2])
    return Evidence(
        "what all samples of the report's networks have in common of their fine detail (95%): " + _by_data(measured),
        f"true images: {_by_data(true)}; the best recipe's samples: {_by_data(best)}",
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
    return Evidence(
        f"networks whose discriminators have none draw well, too: `faces64` is {kept.distance('faces64'):.3f} from "
        f"true images, `cifar10` with 0.4 is {kept.distance('cifar10'):.3f} (each on its own scale)",
        "no pair of trainings differs in dropout alone",
        MISSING,
        "needs an arm with and one without dropout",
    )


# --- S --------------------------------------------------------------------------------------------------------------

GUIDED = ("batch", "recipe", "recipe_joined", "recipe_joint", "batch_slow", "batch_joined")
"""Arms of the study of batch normalisation that follow the paper's architecture; weights and batches are settings."""
UNGUIDED = ("d_plain", "d_spectral", "r3gan", "faster_r3gan", "faster_spectral_hinge")
"""Arms of the study of recipes whose discriminator has no batch normalisation."""


def _stable(kept: Kept) -> Evidence:
    texts, follow, break_ = [], [], []
    studies = _some(kept, "batch_normalisation")
    for name, results in studies.items():
        runs = [run for run in results["runs"] if run["arm"] in GUIDED]
        settings = len({run["arm"] for run in runs})
        texts.append(_by_data({name: f"{sum(map(_is_healthy, runs))} of {len(runs)} runs of {settings} settings"}))
        follow += runs
        break_ += _of(results, "off")
    changes = [run for run in kept.study("recipes-cifar10")["runs"] if not run["arm"][0].isdigit()]
    guided = [run for run in changes if run["arm"] not in UNGUIDED]
    follow, break_ = follow + guided, break_ + [run for run in changes if run["arm"] in UNGUIDED]
    (good, count), (others, of_others) = _healthy(follow), _healthy(break_)
    ahead = wilson(good, count).low > wilson(others, of_others).high
    most = 2 * good > count
    return Evidence(
        f"healthy at the end: {'; '.join(texts)}; recipes on CIFAR-10: {_healthy(guided)[0]} of {len(guided)}",
        f"discriminators without batch normalisation: {others} of {of_others}, beside {good} of {count}",
        CONFIRMED if most and ahead else OPEN if most else REFUTED,
        f"training is healthy in {'most' if most else 'few'} settings that follow them, but "
        f"{'more often' if ahead else 'not more often'} than in those that do not, over {_updates(studies)} updates "
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
    return f"{sure} of random weights by {points[0]} points (95%: {points[1]} to {points[2]})"


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
    found, clean, caught = _copies(kept)
    good = clean == caught == len(found)
    settings = kept.card("faces")["changed settings"]
    return Evidence(
        *_copies_in_words(kept),
        CONFIRMED if good else REFUTED if caught == len(found) and not clean else OPEN,
        f"after {settings['training.epochs']} epochs of {settings['data.count']:,} built-in faces there is "
        f"{'no' if good else 'a'} sign of copies; whether the small learning rate is the reason was not tested, nor "
        "bedrooms",
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
    notebook = kept.notebook("09")
    try:
        table = notebook.table("code-07", "random_gone")
    except NotKeptError:
        table = notebook.table("code-07", "gone")
        return [
            _Dropped(row["part"], row["maps"], *map(_interval, row["gone"].split(" | ")))
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
    clear = [each for each in dropped if each.gone.low > each.random.high]
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
        "as many random maps dropped (95% intervals must not overlap)",
        CONFIRMED if 2 * len(removed) > len(parts) else OPEN if clear else REFUTED,
        f"true of {', '.join(removed)}"
        if removed
        else ("some maps draw more of a part than random ones do, but no part goes" if clear else "no part goes")
        + " with the maps that a regression finds for it; this layer is narrow, the paper dropped 200 maps",
    )


def _counted(kept: Kept, exemplars: int, what: str) -> str:
    table = kept.notebook("13").table("count", "has it")
    for row in table:
        if row["exemplars"] == str(exemplars) and row[""] == what:
            return row["has it"]
    raise NotKeptError(f"notebook 13 has no count of {exemplars} exemplars")


def _arithmetic(kept: Kept) -> Evidence:
    """The claim is about photographs of faces, so that they decide; the built-in faces stand beside them."""
    own, random = ({n: _sums(kept, REAL_SUMS, n, arm) for n in (3, 10)} for arm in ("latents", "random"))
    drawn = {n: (_counted(kept, n, "latents"), _counted(kept, n, "random direction")) for n in (3, 10)}
    clear = {n: own[n].low > random[n].high for n in own}
    return Evidence(
        f"CelebA at 64 pixels, {_attributes(kept)} attributes: the sum has what it should in {own[3]:.0%} of trials "
        f"with 3 exemplars, {own[10]:.0%} with 10 (95%); `faces64`: {drawn[3][0]} and {drawn[10][0]}",
        f"random vectors as long: {random[3]:.0%} and {random[10]:.0%}; `faces64`: {drawn[3][1]} and {drawn[10][1]}",
        CONFIRMED if clear[3] else OPEN if clear[10] else REFUTED,
        f"on real faces three exemplars, as in the paper, are {'' if clear[3] else 'not '}clearly ahead of a random "
        "vector" + (", though most sums fail" if own[3].high < 0.5 else ""),
    )


def _walks(kept: Kept) -> Evidence:
    table = {row["path"]: row for row in kept.notebook("13").table("smooth", "path")}
    step, middle = "largest step / mean step", "further in the middle"
    walk, fade, jumps = (table[name] for name in ("straight walk", "fading, pixel by pixel", "nearest true images"))
    holds = (
        _interval(walk[step]).high < _interval(jumps[step]).low
        and _interval(walk[middle]).high < _interval(fade[middle]).low
    )
    return Evidence(
        f"model `faces64`: largest step {walk[step]} times the mean; half-way {walk[middle]} further from true images "
        "than the ends (95%)",
        f"a fade: {fade[step]} and {fade[middle]}; from true image to true image: {jumps[step]}",
        CONFIRMED if holds else OPEN,
        "walks do not jump as true images do, and pass pictures as near to true ones as their ends; a fade is smoother "
        "but leaves them",
    )


TURNS = "turn-faces64"
"""What `./dcgan arithmetic faces64 --turn --json` found, beside the results of studies."""
REAL_SUMS, DECKS_SUM = "arithmetic-celeba-attributes", "arithmetic-celeba-deck"
"""What `./dcgan arithmetic RUN --score --json` found of a run on CelebA, for each attribute and for the deck's sum."""


def _turns(kept: Kept) -> Evidence:
    found = kept.record(TURNS)["turn"]
    most = max(found["vectors"], key=lambda vector: vector["exemplars"])
    slope, random = Interval.of(most["slope"]), Interval.of(most["random_slope"])
    back, forth = most["strengths"][0], most["strengths"][-1]
    others = f"; of what else is seen in them {Interval.of(forth['kept']):.0%} stays" if "kept" in forth else ""
    return Evidence(
        f"model `faces64`: a vector from {most['exemplars']} samples a side turns {most['samples']} others by "
        f"{Interval.of(back['degrees']):+.1f} to {Interval.of(forth['degrees']):+.1f} degrees (95%){others}",
        f"a random vector as long: {Interval.of(forth['random']):+.1f} degrees"
        + (f", and {Interval.of(forth['random_kept']):.0%} stays" if "random_kept" in forth else ""),
        CONFIRMED if slope.low > max(0.0, random.high) else OPEN,
        f"tilts of the head, as a regression reads them that errs by {found['gauge_error']:.1f} degrees; the paper's "
        "turn out of the plane",
    )


# --- L, A, G --------------------------------------------------------------------------------------------------------


def _clarity(kept: Kept) -> Evidence:
    halves, words = {}, []
    for name, results in _some(kept, "amount_of_data").items():
        runs = [run for run in results["runs"] if not run["arm"].endswith("-epochs")]
        middle = [run["snapshots"][len(run["snapshots"]) // 2] for run in runs]
        half, last = [row["kernel"][0] for row in middle], _ends(runs)
        halves[name] = f"{_spread(half)} half-way, {_spread(last)} after {runs[0]['updates']:,} updates"
        gained = sum(run["snapshots"][-1]["kernel"][2] < row["kernel"][1] for run, row in zip(runs, middle))
        words.append(f"{gained} of {len(runs)} runs on {NAMES[name]}")
    return Evidence(
        "other networks, kernel distance: " + _by_data(halves),
        "–",
        OPEN,
        f"clearly better in the second half are {' and '.join(words)}; `lab32` on SVHN for 50 epochs was not trained",
    )


def _novel(kept: Kept) -> Evidence:
    found, clean, caught = _copies(kept)
    good = clean == caught == len(found)
    return Evidence(
        *_copies_in_words(kept),
        CONFIRMED if good else OPEN,
        f"{'no' if good else 'a'} sign of copies; that a generator of latents alone carries nothing over is so by its "
        "construction, and was not measured",
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
        for run in _of(results, "dtn"):
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


def _not_from_overfitting(kept: Kept) -> Evidence:
    texts, copied = {}, []
    for name, results in _some(kept, "amount_of_data").items():
        many = _amounts(results)[-1]
        ratios = [run["nearest"]["fake"] / run["nearest"]["held_out"] for run in _of(results, str(many))]
        texts[name] = f"{_spread(ratios)}, {many:,} images"
        copied.append(min(ratios) < 1)
    return Evidence(
        "distance of samples to the nearest training image, as a share of held-out images': " + _by_data(texts),
        "; ".join(_copies_in_words(kept)),
        OPEN if any(copied) else CONFIRMED,
        "the ratio is above 1 on every dataset"
        if not any(copied)
        else "below 1 samples are nearer than held-out images, but so are the grey ones of hardly trained networks: "
        "there the ratio does not decide",
    )


def _three_exemplars(kept: Kept) -> Evidence:
    one, three = (_sums(kept, REAL_SUMS, n, "latents") for n in (1, 3))
    random = [_sums(kept, REAL_SUMS, n, "random") for n in (1, 3)]
    drawn = {n: _counted(kept, n, "latents") for n in (1, 3)}
    return Evidence(
        f"CelebA at 64 pixels, {_attributes(kept)} attributes: the sum has what it should in {one:.0%} of trials "
        f"with 1 exemplar, {three:.0%} with 3 (95%); `faces64`: {drawn[1]} and {drawn[3]}",
        f"random vectors as long: {random[0]:.0%} and {random[1]:.0%}",
        REFUTED if three.high < 0.5 else CONFIRMED if three.low > max(0.5, one.high) else OPEN,
        ("most sums fail with three, which on CelebA are " if three.high < 0.5 else "on CelebA three are ")
        + ("" if three.low > one.high else "not clearly ")
        + "better than one",
    )


def _men_and_glasses(kept: Kept) -> Evidence:
    record = kept.record(DECKS_SUM)
    expected = _what(record["score"]["expressions"][0]["expected"])
    has = {arm: [_sums(kept, DECKS_SUM, n, arm) for n in (3, 10)] for arm in ("latents", "random", "pixels")}
    shown = {arm: " and ".join(f"{of:.0%}" for of in each) for arm, each in has.items()}
    clear = [own.low > random.high for own, random in zip(has["latents"], has["random"])]
    return Evidence(
        f"CelebA at 64 pixels, {record['expression']}: {expected} in {shown['latents']} of trials with 3 and 10 "
        "exemplars (95%), as a classifier of true faces sees it",
        f"random vectors as long: {shown['random']}; sums of pixels: {shown['pixels']}",
        CONFIRMED if clear[0] else OPEN if clear[1] else REFUTED,
        f"with three exemplars {'' if clear[0] else 'not '}clearly more often than along a random vector, with ten "
        f"{'clearly' if clear[1] else 'neither'}; the deck shows one picture",
    )


def _sums(kept: Kept, record: str, exemplars: int, arm: str) -> Interval:
    """How often sums of a kept record have what they should."""
    return Interval.of(kept.record(record)["score"]["all"][str(exemplars)][arm]["has"])


def _attributes(kept: Kept) -> int:
    return len(kept.record(REAL_SUMS)["score"]["expressions"])


def _what(expected: dict[str, bool]) -> str:
    """Attributes in words."""
    return " and ".join(f"{'' if there else 'not '}{name.lower()}" for name, there in expected.items())


def _rdcgan(kept: Kept) -> Evidence:
    results = kept.study("regularised-faces")
    plain = {run["seed"]: run["read"] for run in _of(results, "dcgan")}
    pairs = [(run["read"], plain[run["seed"]]) for run in _of(results, "rdcgan") if run["seed"] in plain]
    if not pairs:
        raise NotKeptError("regularised-faces has no seed with and without the encoder")

    def ahead(kind: str) -> list[float]:
        return [100 * (own[kind]["D and E"]["value"] - other[kind]["D"]["value"]) for own, other in pairs]

    trained, random = ahead("trained"), ahead("random")
    clear = min(trained) > max(0.0, *random)
    return Evidence(
        "built-in faces: discriminator and encoder of RDCGAN ahead of DCGAN's discriminator by "
        f"{_spread(trained, '+.1f')} points of accuracy, {len(pairs)} seeds",
        f"the same networks with random weights: {_spread(random, '+.1f')} points, for two networks have more features",
        CONFIRMED if clear else REFUTED if np.mean(trained) <= np.mean(random) else OPEN,
        "more than the larger number of features explains, in every seed"
        if clear
        else "no more than the larger number of features explains"
        if np.mean(trained) <= np.mean(random)
        else "ahead on average, but not in every seed of what the number of features explains; others' were not "
        "compared",
    )


def _instability(kept: Kept) -> Evidence:
    results = kept.study("regularised-faces")
    worse, texts = {}, {}
    for arm in ("rdcgan", "dcgan"):
        runs = _of(results, arm)
        course = [[row["kernel"][0] for row in run["snapshots"] if row["update"]] for run in runs]
        worse[arm] = sum(of[-1] > 2 * min(of) or not _is_healthy(run) for of, run in zip(course, runs))
        best = [min(of) for of in course]
        texts[arm] = f"{worse[arm]} of {len(runs)} (best {_spread(best)}, last {_spread(_ends(runs))})"
    return Evidence(
        f"built-in faces, RDCGAN: runs that end unhealthy, or twice as far as they once were: {texts['rdcgan']}",
        f"the same without the encoder: {texts['dcgan']}",
        CONFIRMED if worse["rdcgan"] else OPEN,
        "some remains" if worse["rdcgan"] else "none was seen in these few runs",
    )


def _text_conditional(kept: Kept) -> Evidence:
    for card in kept.cards():
        if "texts" not in card:
            continue
        texts = card["texts"]
        fake, other, true = (Interval.of(texts["right"][name]) for name in ("fake", "other", "true"))
        clear = fake.low > other.high
        return Evidence(
            f"model `{card['name']}`: fakes agree with all that their sentence says in {fake:.0%} of "
            f"{texts['samples']:,} (95%), as the {texts['judge']} sees it",
            f"with another's sentence: {other:.0%}; true images with their own: {true:.0%}",
            CONFIRMED if clear else OPEN if fake.value > other.value else REFUTED,
            f"it draws what it is told {'clearly' if clear else 'not clearly'} more often than chance; whether "
            "mismatching pairs are what does it was not tested",
        )
    raise NotKeptError("no model on texts comes with the project")


# --- the table ------------------------------------------------------------------------------------------------------

_REPORTS = "study `report_amounts`"
_BN, _AMOUNT, _LOSSES = "study `batch_normalisation`", "study `amount_of_data`", "study `losses`"
_LONG = "study `long_training`"
_EXPLAIN, _LATENT = "`./dcgan explain`", "`./dcgan arithmetic --score`"
CLAIMS = (
    Claim("R1a", "§5.1", "with batch normalisation the generator's loss goes quickly to zero, on every dataset", _BN,
          ("05", "seeds"), _loss_goes_to_zero),
    Claim("R1b", "§5.1", "and does not recover", _BN, ("05", "seeds"), _never_recovers),
    Claim("R1c", "§5.1", "perhaps because batch normalisation makes values small and gradients vanish", _BN,
          ("05", "chain"), _cause),
    Claim("R2a", "§4.1, 5.7", "without batch normalisation pictures are better than with the report's", _BN,
          ("05", "seeds"), _better_without),
    Claim("R2b", "§4.1, 5.7", "without batch normalisation training is stable", _BN, ("05", "seeds"), _stable_without),
    Claim("R2c", "§4.1, 5.7", "so a DCGAN is better without batch normalisation", f"{_BN}; models `cifar10`, "
          "`cifar10_recipe`", ("05", "cifar"), _better_than_working),
    Claim("R3a", "§5.2", "with many images pictures are good from epoch 1, with few they start blurred",
          f"{_AMOUNT}, {_REPORTS}", ("06", "reports-faces"), _more_is_better),
    Claim("R3b", "§5.2", "so with much data a DCGAN may stop improving after the first epochs",
          f"{_AMOUNT}, {_REPORTS}", ("06", "reports-faces"), _stops_improving),
    Claim("R4a", "§5.3", "on small sets the two losses intersect, on large sets they do not in early epochs",
          f"{_LONG}, {_LOSSES}", ("07", "terms"), _losses_intersect),
    Claim("R4b", "§5.3", "that may explain why pictures stop improving", _LOSSES, ("07", "correlations"), _losses_tell),
    Claim("R5", "§5.4", "CelebA and LSUN give the best pictures", _LONG, ("03", "longer"), _best_pictures),
    Claim("R6a", "§5.5", "Grad-CAM shows that the discriminator looks at the digits", _EXPLAIN, ("08", "code-14"),
          _maps_show),
    Claim("R6b", "§5.5", "so it learned meaningful patterns and does not memorise", f"{_EXPLAIN}, {_REPORTS}",
          ("06", "heart"), _does_not_memorise),
    Claim("R7", "§5.6", "many filters of the last convolution respond to beds", _EXPLAIN, ("08", "code-14"), _filters),
    Claim("R8", "§5.7", "noise textures repeat across samples on all datasets", _LONG, ("01", "longer"),
          _textures_repeat),
    Claim("R9", "§2.2", "the DCGAN's accuracy on CIFAR-10 is 80.6%, its error on SVHN 22.48%",
          "the paper's Tables 1 and 2", None, _quoted),
    Claim("R10", "§5.8", "dropout of 0.4 in the discriminator was needed for good results", "–", None, _dropout),
    Claim("S1", "§3", "the architectural constraints make training stable in most settings",
          f"{_BN}, study `recipes`", ("10", "cifar"), _stable),
    Claim("S2", "§5.1", "features of a DCGAN trained on ImageNet-1k and an L2-SVM reach 82.8% on CIFAR-10",
          "`./dcgan features --scale report`, study `features`", ("11", "cifar"), _features),
    Claim("S3", "§5.2", "with 1,000 labels of SVHN they reach 22.48% error, a supervised CNN 28.87%",
          "`./dcgan features --protocol svhn`", ("11", "svhn"), _few_labels),
    Claim("S4", "§4.1", "memorisation is unlikely: small learning rate, minibatches", f"{_EXPLAIN}: copies",
          ("09", "code-09"), _no_copies),
    Claim("S5", "§6.3.1", "filters learned to draw specific objects, which can be removed", f"{_EXPLAIN}: removal",
          ("09", "code-07"), _removal),
    Claim("S6", "§6.3.2", "vector arithmetic with three exemplars edits meaning", _LATENT, ("13", "count"),
          _arithmetic),
    Claim("S7", "§6.1", "walking in the latent space changes smoothly", "`./dcgan walk`", ("13", "smooth"), _walks),
    Claim("S8", "§6.3.2", "a vector turns faces", "`./dcgan arithmetic --turn`", ("13", "turn"), _turns),
    Claim("L1", "results", "some outputs are clear; clarity then stays the same with more epochs", _AMOUNT,
          ("06", "cifar"), _clarity),
    Claim("L2", "discussion", "matching strides and shapes is the difficulty of adding layers",
          "`utils/fitting.py` works them out, tests/test_fitting.py", None,
          _no_measure("a remark about the work, not about networks; what does not fit is refused here")),
    Claim("L summary 1", "of Goodfellow et al., arXiv:1406.2661", "a GAN draws novel images, but carries nothing from "
          "one domain into another", f"{_EXPLAIN}: copies", ("09", "code-09"), _novel),
    Claim("L summary 2", "of Taigman et al., arXiv:1611.02200", "a generator of f(x), with f-constancy and identity on "
          "the target, carries images into another domain and keeps what they show", "study `cross_domain`",
          ("14", "kept"), _carried_over),
    Claim("A1", "results", "results after one epoch and at the end show that quality does not come from overfitting",
          f"{_AMOUNT}, {_EXPLAIN}: copies", ("06", "faces"), _not_from_overfitting),
    Claim("A2", "data", "de-duplication keeps the generator from memorising", "–", None,
          _never("`--dedup` leaves repeats out, and tests/test_dedup.py shows that it finds them; no training was "
                 "compared with and without")),
    Claim("A3", "results", "memorising is unlikely at so small a learning rate", "–", None,
          _never("copies were looked for at one learning rate only (S4)")),
    Claim("A4", "results", "visual under-fitting: noise textures repeat", _LONG, ("01", "longer"), _textures_repeat),
    Claim("A5", "latents", "one exemplar makes arithmetic unstable, three are stable", _LATENT, ("13", "count"),
          _three_exemplars),
    Claim("A6", "own result", "men without glasses + people with glasses - people without glasses", _LATENT,
          ("13", "real"), _men_and_glasses),
    Claim("A7", "outlook", "stability, audio and the latent space need further work", "–", None,
          _no_measure("a wish, not a claim")),
    Claim("G1", "§ results", "RDCGAN's features classify better than DCGAN's and others'", "study `regularised`",
          ("12", "margins"), _rdcgan),
    Claim("G2", "§ anime", "anime faces: the fake score is above the real one at pictures 1 and 5, equal at 10, below "
          "at 20 and 25", "notebook 04b, where the pictures have been fetched", ("04b", "scores"),
          _never("no anime faces come with the project, and the scores of its faces say nothing of these")),
    Claim("G3", "outlook", "longer training sometimes collapses a subset of filters to an oscillating mode", "–", None,
          _never("nothing here follows single filters over a training")),
    Claim("G4", "outlook", "some instability remains", "study `regularised`", ("12", "kept"), _instability),
    Claim("G algorithm 1", "algorithm 1", "text-conditional training with matching, mismatching and fake pairs",
          "loss `gan_cls`, tests/test_texts.py; `./dcgan evaluate`", ("14", "heard"), _text_conditional),
)  # fmt: skip
