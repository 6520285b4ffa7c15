"""From which share of copies on does which test see them, and does the model that comes along copy (notebook 09)?"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from utils.errors import InputError
from utils.figure import new_figure
from utils.intervals import wilson
from utils.runs import dataset_slug
from utils.studies.results import seed_column
from utils.studies.study import Study, at_scale, study_name

SIZES = {
    "report": ((128, 1_000), 500, 4_000, 60),
    "quick": ((128, 1_000), 200, 1_000, 20),
    "smallest": ((40,), 40, 160, 3),
}
"""Numbers of training images, pictures that are asked about, held-out images, and draws, at each scale. With fewer than
16 draws no share is detectable (`audit.ENOUGH`)."""
MODELS = ("cifar10", "faces", "house_numbers")
"""Shipped models of 32 pixels, called by their datasets: the audit looks at their own samples, too."""
SIDE = 32
SPACES = {"pixels": "pixels", "discriminator": "discriminator's features", "fixed": "classifier's features"}
"""The feature spaces, and what figures and tables call them."""
COLOURS = ("C3", "C1", "C2", "C4", "C0", "C5")  # one for each test


@dataclass(frozen=True)
class Amount:
    """An arm: so many training images.

    Attributes:
        name: short ("128").
        about: what it is.
        count: how many.
        model: whether the model's own samples are asked about, too: this arm has the images that it was trained on.
    """

    name: str
    about: str
    count: int
    model: bool = False


@dataclass(frozen=True)
class CopiesStudy(Study):
    """A study whose arms are amounts of training images; nothing is trained but a classifier.

    Attributes:
        data: name of a dataset, or the path of own pictures.
        samples, held_out, draws: as in `SIZES`.
    """

    seeds: tuple[int, ...] = (0,)
    data: str = "faces"
    samples: int = 500
    held_out: int = 4_000
    draws: int = 60


def copies(data: str = "faces", scale: str = "report") -> CopiesStudy:
    """Copies are planted among pictures of a dataset; then the model that learnt from it is asked.

    Args:
        data: name of a dataset, or the path of own pictures.
        scale: one of `presets.SCALES`.
    """
    from utils import pretrained
    from utils.data.catalogue import find_entry

    amounts, samples, held_out, draws = at_scale(SIZES, scale)
    arms = [Amount(f"{count}", f"{count:,} training images", count) for count in amounts]
    model = pretrained.find(data) if data in MODELS else None
    if model is not None:
        every = model.experiment.data.count or find_entry(data).images
        count = every if scale == "report" else amounts[-1]
        part = "" if scale == "report" else ", of those that the model was trained on"
        arms.append(Amount("model", f"{count:,} training images{part}; samples of the model {data}, too", count, True))
    return CopiesStudy(
        study_name("copies", data, scale),
        "From which share of copies on does which test of memorisation see them, and how often does it err?",
        tuple(arms),
        scale=scale,
        data=str(data),
        samples=samples,
        held_out=held_out,
        draws=draws,
    )


def carry_out(
    study: CopiesStudy,
    home: str | Path | None = None,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> tuple[dict, Path]:
    """Plant copies in each space and count alarms; keep the counts, and a picture of some copies.

    Args:
        study, home, out, data_dir, progress: as for `train_study`.

    Returns:
        The record of each (arm, seed), and the file of the results.

    Raises:
        InputError: there is no such dataset, or it has too few images, or the results that are kept under the study's
            name are of others.
    """
    from utils import pretrained, runtime
    from utils.config import DataConfig
    from utils.data import load
    from utils.evaluation.features import extractor_for
    from utils.evaluation.held_out import unseen
    from utils.studies import results
    from utils.viz import grid

    runtime.start()
    _, folder = results.folders(home, out)
    images = results.images_expected(study, DataConfig(study.data), SIDE, folder, data_dir, progress)
    model = pretrained.find(study.data) if study.data in MODELS else None
    most = max(arm.count for arm in (study.whole or study).arms)
    places = {"data_dir": data_dir, "progress": progress}
    train = np.asarray(load(study.data, SIDE, most, **places).images)
    data = replace(model.experiment.data if model else DataConfig(study.data), name=study.data, count=most)
    apart = unseen(data, SIDE, study.held_out, **places)
    if apart is None or len(apart) < 4 * study.samples:
        there = 0 if apart is None else len(apart)
        raise InputError(
            f"The audit deals out at least {4 * study.samples:,} images of {study.data} that are not trained on. "
            f"Received: {there:,}."
        )
    pool = np.asarray(apart.images[: study.held_out])
    extractor = extractor_for(study.data, SIDE, **places)
    spaces = {"pixels": _flat, "discriminator": _of_discriminator(model, train), "fixed": extractor}
    spaces = {name: of for name, of in spaces.items() if of is not None}
    records = {}
    for arm in study.arms:
        for seed in study.seeds:
            trained, hosts = train[: arm.count], {}
            if arm.model:
                hosts["model"] = _samples(model, 2 * study.samples, seed)
            record, strip = audited(
                trained, pool, hosts, spaces, samples=study.samples, draws=study.draws, seed=seed, title=arm.name,
                progress=progress,
            )  # fmt: skip
            records[arm.name, seed] = {
                "images": f"{dataset_slug(study.data)}, {SIDE}x{SIDE}",
                "trained": arm.count,
                "space": extractor.name,
                **record,
                "versions": runtime.versions_of(runtime.environment()),
            }
            one = {(arm.name, seed): records[arm.name, seed]}  # at once: the next may be stopped
            pictures = {f"{arm.name}-{seed}.png": grid(strip, 6)}
            file = results.write(study, one, folder, images=images, pictures=pictures)
    return records, file


def audited(
    trained: np.ndarray,
    pool: np.ndarray,
    hosts: dict[str, np.ndarray],
    spaces: dict[str, Callable],
    *,
    samples: int,
    draws: int,
    seed: int = 0,
    title: str = "",
    progress: bool = True,
) -> tuple[dict, np.ndarray]:
    """Plant copies of training images among pictures, count each test's alarms, and ask it about the pictures alone.

    Args:
        trained: uint8 (T, S, S, 3), the training images.
        pool: uint8 (P, S, S, 3), held-out images, at least four times as many as `samples`.
        hosts: pictures that copies are planted among, by name ("model"), beside held-out images and blurred ones.
        spaces: functions uint8 (N, S, S, 3) -> (N, D), by name.
        samples, draws: pictures that are asked about, and how often.
        seed: of what is copied, and of the draws.
        title: what progress bars are called after.
        progress: whether to show them.

    Returns:
        The record, as plain values: "held_out", "samples", "draws", "level"; "alarms", for each space rows of host,
        kind of copies, dose, test, hits; "asked", for each space each test's p-value of the host "model", if there is
        one. And uint8 (24, S, S, 3): six images, and their copies of each kind.
    """
    from tqdm.auto import tqdm

    from utils.evaluation import audit
    from utils.streams import stream

    def bar(what: str) -> Callable:
        return lambda parts: tqdm(parts, what, disable=not progress, leave=False)

    random = stream(seed, "audit: copies")
    originals = trained[random.permutation(len(trained))[: max(100, samples // 5)]]
    planted = {kind: copy(originals, random) for kind, copy in audit.KINDS.items()}
    groups = ({"blurred": audit.blurred(pool[:samples])} | hosts, planted)
    alarms, asked = {}, {}
    for name, of in spaces.items():
        vectors = [{kind: of(images) for kind, images in group.items()} for group in groups]
        space = audit.look_up(of(trained), of(pool), *vectors, seed, bar(f"{title}, {name}: distances"))
        found = audit.dose_response(space, samples, draws, seed, bar(f"{title}, {name}: draws"))
        alarms[name] = [[one.host, one.kind, one.dose, one.test, one.hits] for one in found]
        if "model" in hosts:
            asked[name] = {test: float(f"{p:.3g}") for test, p in audit.ask(space, "model").items()}
    record = {
        "held_out": len(pool),
        "samples": samples,
        "draws": draws,
        "level": audit.LEVEL,
        "alarms": alarms,
        "asked": asked,
    }
    return record, np.stack([of[:6] for of in (originals, *planted.values())]).reshape(-1, *originals.shape[1:])


def detected(results: dict) -> list[dict]:
    """For each amount, space and kind of copies, the smallest share that each test sees nearly always.

    Returns:
        Rows of "images", "space", "copies", and for each test a share as text, as `_seen` gives it. The hosts are true
        images; of the arm "model" also the model's samples.
    """
    from utils.evaluation import audit

    rows = []
    for run in results["runs"]:
        for space, counts in run["alarms"].items():
            alarms = [audit.Alarms(*one, run["draws"]) for one in counts]
            for host in [name for name in ("true", "model") if any(one.host == name for one in alarms)]:
                for kind in audit.KINDS:
                    of = {test: audit.detectable(alarms, host, kind, test) for test in audit.TESTS}
                    rows.append(
                        {
                            "training images": f"{run['trained']:,}",
                            **seed_column(results, run),
                            "planted among": "true images" if host == "true" else "the model's samples",
                            "space": SPACES[space],
                            "copies": kind,
                            **{test: _seen([dose], run["draws"]) for test, dose in of.items()},
                        }
                    )
    return rows


def false_alarms(results: dict) -> list[dict]:
    """How often each test errs where nothing was planted: a row for each amount, space and host."""
    from utils.evaluation import audit

    words = {"true": "true images", "blurred": "true images, blurred", "model": "the model's samples"}
    words["alike"] = f"{audit.ALIKE} true images, again and again"
    rows = []
    for run in results["runs"]:
        for space, counts in run["alarms"].items():
            none = [audit.Alarms(*one, run["draws"]) for one in counts if not one[1]]
            for host in dict.fromkeys(one.host for one in none):
                of = {one.test: f"{one.rate:.0%}" for one in none if one.host == host}
                place = {"training images": f"{run['trained']:,}", **seed_column(results, run)}
                rows.append(place | {"space": SPACES[space], "pictures": words[host]} | of)
    return rows


def verdicts(results: dict) -> list[dict]:
    """What the tests say of the model's own samples, with what they would have seen.

    Returns:
        A row for each space and test: "p", its p-value; "says"; and for each kind of copies, among this model's own
        samples, the smallest share that the test would have seen nearly always.
    """
    from utils.evaluation import audit

    rows = []
    for run in results["runs"]:
        for space, values in run["asked"].items():
            alarms = [audit.Alarms(*one, run["draws"]) for one in run["alarms"][space]]
            for test, p in values.items():
                seen = {kind: audit.detectable(alarms, "model", kind, test) for kind in audit.KINDS}
                rows.append(
                    {
                        "space": SPACES[space],
                        "test": test,
                        "p": f"{p:.2g}",
                        "says": "copies" if p < run["level"] else "no sign of copies",
                        **{f"sees {kind}": _seen([dose], run["draws"]) for kind, dose in seen.items()},
                    }
                )
    return rows


def plot_copies(results: dict) -> Figure:
    """Draw power over dose: a row for each space, a column for each kind of copies, of the arm with most images."""
    from utils.evaluation import audit

    run = max(results["runs"], key=lambda run: run["trained"])
    kinds, doses = list(audit.KINDS), [dose for dose in audit.DOSES if dose]
    what = f"{run['images']}; copies of {run['trained']:,} training images among {run['samples']} pictures"
    figure = new_figure(13, 2.6 * len(run["alarms"]) + 0.9, f"{what}, {run['draws']} draws")
    grid = figure.subplots(len(run["alarms"]), len(kinds), squeeze=False, sharex=True, sharey=True)
    for row, (space, counts) in zip(grid, run["alarms"].items()):
        alarms = [audit.Alarms(*one, run["draws"]) for one in counts]
        for axes, kind in zip(row, kinds):
            for number, (test, colour) in enumerate(zip(audit.TESTS, COLOURS)):
                for host, style in (("true", "-"), ("model", ":")):
                    of = {one.dose: one.rate for one in alarms if (one.host, one.kind, one.test) == (host, kind, test)}
                    if not of:
                        continue
                    rates = [of[dose] for dose in doses]
                    places = np.arange(len(doses)) + 0.07 * (number - len(audit.TESTS) / 2)
                    values = np.array([rate.value for rate in rates])
                    ends = np.abs(np.array([(rate.low, rate.high) for rate in rates]).T - values)
                    bars = ends if host == "true" else None
                    label = test if host == "true" else None
                    axes.errorbar(
                        places, values, bars, fmt="o" + style, color=colour, markersize=3, linewidth=1, label=label
                    )
            axes.axhline(run["level"], color="grey", linewidth=0.7)
            axes.set_xticks(range(len(doses)), [_share(dose) for dose in doses])
            axes.set_title(f"{kind} copies, {SPACES[space]}", fontsize=10)
            axes.set_ylim(-0.04, 1.04)
            axes.grid(alpha=0.25)
        row[0].set_ylabel("power")
    for axes in grid[-1]:
        axes.set_xlabel("share of copies")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    dotted = grid[0, 0].plot([], [], "o:", color="black", markersize=3)
    ends = ([*handles, *dotted], [*labels, "among the model's samples"])
    figure.legend(*ends, loc="outside lower center", ncols=len(ends[0]), fontsize=9, frameon=False)
    return figure


def answer(results: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results."""
    return detected(results), plot_copies(results)


def kinds_seen(record: dict, tests: tuple[str, ...], spaces: tuple[str, ...]) -> dict[str, str]:
    """For each kind of copies the smallest share, among the host "model", that one of some tests sees nearly always, as
    `_seen` gives it.

    Args:
        record: as `audited` gives it.
        tests: some of `audit.TESTS`.
        spaces: some of `SPACES`, those in which the tests are asked.
    """
    from utils.evaluation import audit

    seen = {}
    for kind in audit.KINDS:
        shares = []
        for space in spaces:
            alarms = [audit.Alarms(*one, record["draws"]) for one in record["alarms"][space]]
            shares += [audit.detectable(alarms, "model", kind, test) for test in tests]
        seen[f"sees {kind}"] = _seen(shares, record["draws"])
    return seen


def _samples(model, count: int, seed: int) -> np.ndarray:
    """What a shipped model draws."""
    from utils.models import load_network
    from utils.sampling import Sampler

    return Sampler.of(load_network(model.model("generator")), model.experiment).draw(count, seed)


def _of_discriminator(model, train: np.ndarray) -> Callable | None:
    """Features of a shipped model's discriminator; None without a model."""
    from utils.explain.memory import last_convolution
    from utils.models import load_network

    return model and last_convolution(load_network(model.model("discriminator")), train)


def _seen(doses: Iterable[float | None], draws: int) -> str:
    """The smallest share that is seen; "–" where none is, "too few draws" where being seen in all would not tell."""
    from utils.evaluation import audit

    if wilson(draws, draws).low < audit.ENOUGH:
        return "too few draws"
    seen = [dose for dose in doses if dose is not None]
    return _share(min(seen)) if seen else "–"


def _share(dose: float) -> str:
    return f"{dose:.1%}".replace(".0%", "%")


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)
