"""How well does a judge that learnt from true images judge fakes?

Nobody knows what a fake shows, so its errors cannot be counted there. What can be counted is how often it disagrees
with somebody who learnt something else: the detector of parts, which has learnt boxes, from worn pictures. Where the
two disagree at least one is wrong, so half the share of disagreement is the least that the two err on average.
"""

from dataclasses import dataclass

import numpy as np

from utils.errors import InputError
from utils.evaluation.judge import Judge
from utils.explain.parts import Detector
from utils.intervals import Interval, wilson
from utils.sampling import Sampler

SAMPLES, TRUE_IMAGES = 1_000, 1_000


@dataclass(frozen=True)
class Trust:
    """A judge and a detector, asked about the same part.

    Attributes:
        part: what they are asked about.
        judge_error, detector_error: share of true images that each gets wrong.
        true, fake: share of true images, and of samples, on which they disagree.
        fake_with: share of samples that show the part, as the judge says.
    """

    part: str
    judge_error: Interval
    detector_error: Interval
    true: Interval
    fake: Interval
    fake_with: Interval

    def row(self) -> dict:
        """In words."""
        return {
            "part": self.part,
            "judge wrong, true images": f"{self.judge_error:.1%}",
            "detector wrong": f"{self.detector_error:.1%}",
            "they disagree, true images": f"{self.true:.1%}",
            "samples": f"{self.fake:.1%}",
        }

    def plain(self) -> dict:
        """As plain values, for a record."""
        return {name: value.plain() if name != "part" else value for name, value in vars(self).items()}


def trust(
    sampler: Sampler,
    judge: Judge,
    detector: Detector,
    images: np.ndarray,
    attributes: np.ndarray,
    samples: int = SAMPLES,
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
        records.append(
            Trust(
                part=part,
                judge_error=_share(judged_true != truly),
                detector_error=_share(found_true != truly),
                true=_share(judged_true != found_true),
                fake=_share(judged_fake != found_fake),
                fake_with=_share(judged_fake),
            )
        )
    return records


def _shown(detector: Detector):
    return lambda images: detector(np.asarray(images)).shown


def _share(hits: np.ndarray) -> Interval:
    return wilson(int(hits.sum()), len(hits))
