"""The claims of the paper on regularised DCGANs and anime faces (G), and the evidence for each."""

import numpy as np

from utils.intervals import Interval
from utils.report.claims.claim import CONFIRMED, OPEN, REFUTED, Claim, Evidence, never
from utils.report.claims.reading import is_healthy, kernel_ends, of_arm, span
from utils.report.kept import Kept, NotKeptError


def _rdcgan(kept: Kept) -> Evidence:
    results = kept.study("regularised-faces")
    plain = {run["seed"]: run["read"] for run in of_arm(results, "dcgan")}
    pairs = [(run["read"], plain[run["seed"]]) for run in of_arm(results, "rdcgan") if run["seed"] in plain]
    if not pairs:
        raise NotKeptError("regularised-faces has no seed with and without the encoder")

    def ahead(kind: str) -> list[float]:
        return [100 * (own[kind]["D and E"]["value"] - other[kind]["D"]["value"]) for own, other in pairs]

    trained, random = ahead("trained"), ahead("random")
    clear = min(trained) > max(0.0, *random)
    return Evidence(
        "built-in faces: discriminator and encoder of RDCGAN ahead of DCGAN's discriminator by "
        f"{span(trained, '+.1f')} points of accuracy, {len(pairs)} seeds",
        f"the same networks with random weights: {span(random, '+.1f')} points, for two networks have more features",
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
        runs = of_arm(results, arm)
        course = [[row["kernel"][0] for row in run["snapshots"] if row["update"]] for run in runs]
        worse[arm] = sum(of[-1] > 2 * min(of) or not is_healthy(run) for of, run in zip(course, runs))
        best = [min(of) for of in course]
        texts[arm] = f"{worse[arm]} of {len(runs)} (best {span(best)}, last {span(kernel_ends(runs))})"
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


CLAIMS = (
    Claim("G1", "§ results", "RDCGAN's features classify better than DCGAN's and others'", "study `regularised`",
          ("12", "margins"), _rdcgan),
    Claim("G2", "§ anime", "anime faces: the fake score is above the real one at pictures 1 and 5, equal at 10, below "
          "at 20 and 25", "notebook 04b, where the pictures have been fetched", ("04b", "scores"),
          never("no anime faces come with the project, and the scores of its faces say nothing of these")),
    Claim("G3", "outlook", "longer training sometimes collapses a subset of filters to an oscillating mode", "–", None,
          never("nothing here follows single filters over a training")),
    Claim("G4", "outlook", "some instability remains", "study `regularised`", ("12", "kept"), _instability),
    Claim("G algorithm 1", "algorithm 1", "text-conditional training with matching, mismatching and fake pairs",
          "loss `gan_cls`, tests/test_texts.py; `./dcgan evaluate`", ("14", "heard"), _text_conditional),
)  # fmt: skip
