"""How well does a judge that learnt from true images judge fakes?

Nobody knows what a fake shows, so its errors cannot be counted there. What can be counted is how often it disagrees
with somebody who learnt something else: the detector of parts, which has learnt boxes, from worn pictures. Where the
two disagree at least one is wrong, so half the share of disagreement is the least that the two err on average. And
where the feature maps that draw a part were dropped (see `explain.removal`), both say how often it is gone: a judge
that goes by the part, and not by what comes with it, says so about as often as the detector does.
"""

from dataclasses import dataclass

import numpy as np

from utils.data import scale_back
from utils.errors import InputError
from utils.evaluation.judge import Judge
from utils.explain.parts import Detector
from utils.explain.removal import hidden_convolution, remove_part
from utils.intervals import Interval, wilson
from utils.models import forward
from utils.sampling import Sampler
from utils.streams import stream

SAMPLES, TRUE_IMAGES = 1_000, 1_000


@dataclass(frozen=True)
class Trust:
    """A judge and a detector, asked about the same part.

    Attributes:
        part: what they are asked about.
        judge_error, detector_error: share of true images that each gets wrong.
        true, fake: share of true images, and of samples, on which they disagree.
        fake_with: share of samples that show the part, as the judge says.
        removed: how many samples showed the part, as both said, before its maps were dropped; 0: not tried.
        judge_gone, detector_gone: in what share of these each says that it is gone; None: not tried.
    """

    part: str
    judge_error: Interval
    detector_error: Interval
    true: Interval
    fake: Interval
    fake_with: Interval
    removed: int = 0
    judge_gone: Interval | None = None
    detector_gone: Interval | None = None

    def row(self) -> dict:
        """In words."""
        return {
            "part": self.part,
            "judge wrong, true images": f"{self.judge_error:.1%}",
            "detector wrong": f"{self.detector_error:.1%}",
            "they disagree, true images": f"{self.true:.1%}",
            "samples": f"{self.fake:.1%}",
        }

    def removal_row(self) -> dict:
        """What both said of samples without the maps that draw the part, in words."""
        return {
            "part": self.part,
            "samples that showed it": self.removed,
            "gone, says the judge": f"{self.judge_gone:.0%}" if self.judge_gone else "not tried",
            "gone, says the detector": f"{self.detector_gone:.0%}" if self.detector_gone else "not tried",
        }

    def plain(self) -> dict:
        """As plain values, for a record."""
        return {
            name: value.plain() if isinstance(value, Interval) else value for name, value in vars(self).items()
        }  # fmt: skip


def trust(
    sampler: Sampler,
    judge: Judge,
    detector: Detector,
    images: np.ndarray,
    attributes: np.ndarray,
    samples: int = SAMPLES,
    remove: bool = True,
    seed: int = 0,
) -> list[Trust]:
    """Compare a judge with a detector of parts, on true images and on samples.

    Args:
        sampler: draws the samples.
        judge: what is asked about.
        detector: what it is compared with.
        images: uint8 (N, S, S, 3), true images that neither has learnt from.
        attributes: of these images, bool (N, K), in the order of `judge.names`.
        samples: how many fakes.
        remove: whether to try it on samples without the maps that draw the part, as well.
        seed: of the latents.

    Returns:
        One record for each part that both know.

    Raises:
        InputError: they know no part in common.
    """
    common = [part for part in detector.parts if part in judge.names]
    if not common:
        raise InputError(
            f"The judge and the detector know nothing in common: {', '.join(judge.names)}; {', '.join(detector.parts)}."
        )
    fakes = sampler.draw(samples, seed)
    judged, detected = ([look(pictures) for pictures in (images, fakes)] for look in (judge.shown, _shown(detector)))
    records = []
    for part in common:
        column, number = judge.number(part), detector.number(part)
        (judged_true, judged_fake), (found_true, found_fake) = (
            [shown[:, place] for shown in sets] for sets, place in ((judged, column), (detected, number))
        )
        truly = np.asarray(attributes)[:, column] > 0
        gone = _removal(sampler, judge, detector, part, samples, seed) if remove else {}
        records.append(
            Trust(
                part=part,
                judge_error=_share(judged_true != truly),
                detector_error=_share(found_true != truly),
                true=_share(judged_true != found_true),
                fake=_share(judged_fake != found_fake),
                fake_with=_share(judged_fake),
                **gone,
            )
        )
    return records


def _removal(sampler: Sampler, judge: Judge, detector: Detector, part: str, samples: int, seed: int) -> dict:
    """What both say of fresh samples whose maps of the part were dropped."""
    try:
        dropped = remove_part(sampler, detector, part=part, samples=samples, draws=1, seed=seed).dropped
    except InputError:  # samples hardly show the part
        return {}
    generator = sampler.generator
    hidden = hidden_convolution(generator)
    below, above = generator.layers[: hidden.stop], generator.layers[hidden.stop :]
    latents = sampler.make_latents(samples, stream(seed, "trust: latents"))
    features = np.concatenate([np.asarray(forward(below, latents[s : s + 256])) for s in range(0, samples, 256)])

    def say(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parts = (forward(above, features[start : start + 256]) for start in range(0, len(features), 256))
        pictures = scale_back(np.concatenate([np.asarray(part) for part in parts]))
        return judge.shown(pictures)[:, judge.number(part)], _shown(detector)(pictures)[:, detector.number(part)]

    rows = np.flatnonzero(np.logical_and(*say(features)))
    if not len(rows):
        return {}
    judged, found = say(np.where(np.isin(np.arange(hidden.maps), dropped), np.float32(0), features[rows]))
    return {"removed": len(rows), "judge_gone": _share(~judged), "detector_gone": _share(~found)}


def _shown(detector: Detector):
    return lambda images: detector(np.asarray(images)).shown


def _share(hits: np.ndarray) -> Interval:
    return wilson(int(hits.sum()), len(hits))
