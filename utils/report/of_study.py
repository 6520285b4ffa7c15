"""The report of a study: what was asked, its arms, the answer, every run, the claims that it bears on."""

import importlib
import math
from collections.abc import Sequence

from utils.data.catalogue import find_entry
from utils.errors import InputError
from utils.presets import SCALES
from utils.report.claims import Row
from utils.report.document import Report, Stamp, code, listing, missing, table, text
from utils.report.kept import Kept, study_of
from utils.runs import dataset_name
from utils.studies import STUDIES
from utils.text import command

ARMS = 6
"""Arms whose curves are drawn over each other, at most: the first ones."""
_LOSSES = ("loss_generator", "loss_true", "loss_fake")


def names_of(asked: str, kept: Kept) -> list[str]:
    """The results that are meant by a study ("losses": on every dataset) or by a name of results ("losses-faces").

    Raises:
        InputError: there are none.
    """
    there = kept.studies()
    found = [name for name in there if asked in (name, study_of(name))]
    if not found:
        known = ", ".join(there) or "none"
        hint = f" `./dcgan study {asked}` carries it out." if asked in STUDIES else ""
        raise InputError(f"There are no results of a study {asked!r} in {kept.results}; there are: {known}.{hint}")
    return found


def stamp_of(name: str, results: dict) -> Stamp:
    """Where the figures of a study come from."""
    runs = results["runs"]

    def all_of(key: str, short: int | None = None) -> str:
        found = dict.fromkeys(str(run[key])[:short] for run in runs if run.get(key))
        return ", ".join(list(found)[:4]) + (" …" if len(found) > 4 else "")

    count = f"{len(runs)} run{'s' if len(runs) != 1 else ''}"
    seeds = ", ".join(str(seed) for seed in sorted({run["seed"] for run in runs}))
    data = all_of("fingerprint", 12) if "curves" in runs[0] else all_of("images_fingerprint", 12)
    return Stamp(f"kept results {name}, {count}", seeds, data, all_of("commit"))


def add_study(
    name: str, report: Report, kept: Kept, claims: Sequence[Row], short: bool = False, alone: bool = False
) -> None:
    """Add a study to a report.

    Args:
        name: of its results.
        report: what it is added to.
        kept: where the results are.
        claims: all claims, of which those that it bears on are shown; none in short.
        short: the answer, as one section.
        alone: whether the report has no other study, so that no heading needs its name.
    """
    results, study = kept.study(name), study_of(name)
    runs, stamp = results["runs"], stamp_of(name, results)
    if short:
        report.section(f"Study: {name}", *_answer(name, results, report, stamp))
        return
    seeds, of = sorted({run["seed"] for run in runs}), "" if alone else name
    arms = {arm: about for arm, about in results["arms"].items() if any(run["arm"] == arm for run in runs)}
    updates = sorted({run["updates"] for run in runs if "updates" in run})
    ends = " to ".join(f"{end:,}" for end in dict.fromkeys((*updates[:1], *updates[-1:])))
    length = f", {ends} updates each" if updates else ""
    said = f"{results['question']} {len(arms)} arms, {len(runs)} runs, seeds {', '.join(map(str, seeds))}{length}."
    report.section("Abstract", text(said), of=of)
    report.section("Arms", table([{"arm": arm, "what": about} for arm, about in arms.items()], stamp=stamp), of=of)
    report.section("Data", table(_data(runs), stamp=stamp), of=of)
    report.section("Answer", *_answer(name, results, report, stamp), of=of)
    report.section("Training", *_courses(name, results, list(arms), report, stamp), of=of)
    report.section("Samples", *_samples(results, list(arms), report, stamp), of=of)
    report.section("Every run", table(_every_run(runs), stamp=stamp, small=True), of=of)
    if rows := [row for row in claims if f"`{study}`" in row.claim.tested]:
        report.section("What it says about the sources' claims", claims_table(rows), of=of)
    report.section("Limits", listing(_limits(runs, seeds)), of=of)
    report.section("How to make it again", code(command_of(name, results.get("scale"))), of=of)


def command_of(name: str, scale: str | None = None) -> str:
    """The command that carries a study out again.

    Args:
        name: of its results.
        scale: that these were made at, as they say it; None of those that do not, where the end of the name tells it.
    """
    data, ending = _ends_of(name, scale)
    options = [*(("--data", data) if data else ()), *(("--scale", ending) if ending else ())]
    return command("study", study_of(name), *options, "--out", "notebooks/results")


def data_of(name: str, results: dict) -> set[str]:
    """What the runs of a study learnt from, in words.

    Args:
        name: of its results.
        results: these.
    """
    between = {run[side] for run in results["runs"] for side in ("source", "target") if side in run}
    return between or {data_in_words(_ends_of(name, results.get("scale"))[0])}


def data_in_words(name: str) -> str:
    """What to call a dataset, by its name, or by what results on it are called after."""
    entry = find_entry(name)
    return entry.title if entry else dataset_name(name)


def _ends_of(name: str, scale: str | None) -> tuple[str, str]:
    """The data and the scale in the name of results, as `study_name` writes them; "" of what is not in it."""
    scale = scale or next((each for each in SCALES if name.endswith(f"-{each}")), "report")
    ending = "" if scale == "report" else scale
    return name.removeprefix(study_of(name)).removesuffix(ending).strip("-"), ending


def claims_table(rows: Sequence[Row]) -> dict:
    """Claims as a table of a report."""
    return table(
        [
            {
                "": row.claim.id,
                "claim": f"{row.claim.says} ({row.claim.place})",
                "measured": row.evidence.measured.replace("`", "") + _shown_in(row),
                "control": row.evidence.control.replace("`", ""),
                "verdict": f"{row.evidence.verdict}: {row.evidence.why}".replace("`", ""),
            }
            for row in rows
        ],
        small=True,
    )


def _shown_in(row: Row) -> str:
    if row.notebook is None or row.evidence.measured == "–":
        return ""
    return f" [{row.notebook.stem}{row.heading and f', {row.heading}'}]"


def _data(runs: Sequence[dict]) -> list[dict]:
    """A row for each set of images that runs were trained on, or measured, on each device."""
    rows: dict[tuple, dict] = {}
    for run in runs:
        images = f"{run['images']:,}" if isinstance(run.get("images"), int) else str(run.get("images", ""))
        fingerprint = str(run.get("fingerprint" if "curves" in run else "images_fingerprint", ""))
        device = str(run.get("device", "not recorded"))
        new = {"images": images, "fingerprint": fingerprint[:16], "runs": 0, "device": device}
        rows.setdefault((images, fingerprint, device), new)["runs"] += 1
    return list(rows.values())


def _answer(name: str, results: dict, report: Report, stamp: Stamp) -> list[dict]:
    module = importlib.import_module(f"utils.studies.{study_of(name)}")
    try:
        rows, figure = module.answer(results)
    except (KeyError, IndexError, ValueError, FileNotFoundError) as error:  # of a study that is half carried out
        why = str(error).replace(f"{results['pictures'].parent}/", "")  # a report names no folders
        return [missing(f"the kept results do not answer the question yet ({type(error).__name__}: {why}).")]
    return [
        *report.figure(figure, name, f"{name}. {results['question']}", stamp),
        table(rows, "The same in numbers", stamp, small=len(rows[0]) > 5),
    ]


def _courses(name: str, results: dict, arms: list[str], report: Report, stamp: Stamp) -> list[dict]:
    from utils.studies.figures import Panel, plot_arms

    runs = results["runs"]
    able = [
        arm
        for arm in arms
        if all({*_LOSSES} <= run.get("curves", {}).keys() and run["watch"] for run in runs if run["arm"] == arm)
    ][:ARMS]
    same = [a for a in able if _updates_of(runs, a) == _updates_of(runs, able[0])]  # lines of one length
    if not same:
        return [missing("these results have no curves of training.")]
    panels = (
        Panel("generator's loss", "curves", ("loss_generator",), 0),
        Panel("discriminator's loss: true (dashed: fake)", "curves", ("loss_true", "loss_fake"), 0),
        Panel("diversity of the samples", "watch", ("diversity",), 0),
    )
    left = f" The first {len(same)} of {len(arms)} arms." if len(same) < len(arms) else ""
    caption = f"Curves over each other: a thin line for each seed, a thick one for their mean.{left}"
    return report.figure(plot_arms(results, same, panels), f"{name}-curves", caption, stamp)


def _updates_of(runs: Sequence[dict], arm: str) -> set:
    return {tuple(run["curves"]["update"]) for run in runs if run["arm"] == arm}


def _samples(results: dict, arms: list[str], report: Report, stamp: Stamp) -> list[dict]:
    from utils.studies.figures import plot_samples

    seeds = sorted({run["seed"] for run in results["runs"]})
    there = [arm for arm in arms if all((results["pictures"] / f"{arm}-{r['seed']}.png").is_file()
                                        for r in results["runs"] if r["arm"] == arm)]  # fmt: skip
    if not there:
        return [missing("no samples of single arms were kept.")]
    caption = f"Samples at the end of each run, the same latents in all arms; a row for each seed ({len(seeds)})."
    return report.figure(plot_samples(results, there), "samples", caption, stamp)


def _every_run(runs: Sequence[dict]) -> list[dict]:
    rows = []
    for run in runs:
        row = {"arm": run["arm"], "seed": str(run["seed"])}
        if "curves" in run:
            row |= {"run": run["run"], "updates": run["updates"], "seconds": f"{run['seconds'] or math.nan:.0f}"}
        if run.get("snapshots"):
            value, low, high = run["snapshots"][-1]["kernel"]
            row["kernel distance (95%)"] = f"{value:.3g} ({low:.3g} to {high:.3g})"
        if run.get("watch"):
            last = run["watch"][-1]
            row["diversity, of true images'"] = f"{last['diversity'] / last['diversity_true']:.2f}"
        row["data"] = str(run.get("fingerprint", ""))[:12]
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name, "") for name in names} for row in rows]


def _limits(runs: Sequence[dict], seeds: Sequence[int]) -> list[str]:
    few = "One seed" if len(seeds) == 1 else f"{len(seeds)} seeds"
    found = [f"{few}: differences within their spread are none."]
    if any("device" in run for run in runs):
        found.append("CPU-sized: narrow networks and few updates; what long trainings would give is not known.")
    if spaces := {run["space"] for run in runs if run.get("snapshots")}:
        found.append(
            f"Distances are measured in the features of the {' and the '.join(sorted(spaces))}: they cannot be "
            "compared with those of other datasets."
        )
    if not any(run.get("commit") for run in runs):
        found.append("With which commit it was carried out was not recorded.")
    return found
