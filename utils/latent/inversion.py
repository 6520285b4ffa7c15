"""From a picture to the latents that draw it, so that one's own picture can be walked and edited.

Two ways. "gradient descent" is that of the paper on recovery: the squared difference to the picture is brought down,
and a latent that leaves the range of its distribution is drawn anew (stochastic clipping). It finds pictures that look
right, and hardly ever the latents: a DCGAN hardly changes along most directions (the singular values of its Jacobian
fall from tens to hundredths), and descent does not get anywhere along those. "least squares" (Levenberg and Marquardt)
takes such directions into account: with a hundred latents the whole Jacobian costs a hundred pictures. From samples it
recovers the latents themselves; so it is the default.

Latents stay where latents come from: uniform ones in [-1, 1], normal ones within the length that one of a thousand
exceeds. Outside, a generator draws more, but what it draws there has not been trained, and neither have its edits.

References:
    Lipton, Tripathi: Precise Recovery of Latent Vectors from Generative Adversarial Networks (arXiv:1702.04782);
    Marquardt, An Algorithm for Least-Squares Estimation of Nonlinear Parameters (1963).
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import optimize, stats
from tqdm.auto import tqdm

from utils import runtime
from utils.data import scale, scale_back
from utils.errors import InputError
from utils.intervals import Interval, told_mean, wilson
from utils.sampling import Sampler
from utils.streams import stream

POOL = 512
"""Samples that a start is chosen from: those nearest to the picture."""
STARTS = 2
"""At most so many, the next only where the last did not come near."""
NEAR = 2.0
"""Root mean square error, in [0, 255], that is near enough; rounding to whole levels alone makes 0.3."""
ITERATIONS = 30  # of least squares
STEPS, RATE = 300, 0.1  # of gradient descent, with Adam
RECOVERED = 0.05
"""Latents count as recovered when they are this near, as a part of their length."""
VERDICTS = ("cannot be drawn", "resembled", "drawn")
ENOUGH = 0.95
"""Share of what varies in a picture that must be drawn for it to count as drawn."""


@dataclass(frozen=True)
class Inversion:
    """Pictures, and the latents that come nearest to drawing them.

    Attributes:
        pictures: uint8 (P, S, S, 3).
        latents: float32 (P, D).
        drawn: uint8 (P, S, S, 3), what the generator draws from them.
        error: float (P,), root mean square difference of the two, in [0, 255].
        nearest: float (P,), that of the nearest of `POOL` random samples: what can be had without looking further.
        method: "least squares" or "gradient descent".
        names: of the pictures.
        encoded: uint8 (P, S, S, 3), what the generator draws from an encoder's codes alone; None without an encoder.
    """

    pictures: np.ndarray
    latents: np.ndarray
    drawn: np.ndarray
    error: np.ndarray
    nearest: np.ndarray
    method: str
    names: tuple[str, ...] = ()
    encoded: np.ndarray | None = None

    @property
    def encoder_error(self) -> np.ndarray | None:
        """As `error`, of what is drawn from an encoder's codes alone."""
        return None if self.encoded is None else _apart(self.encoded, self.pictures)

    @property
    def explained(self) -> np.ndarray:
        """Share of what varies within each picture that is drawn, float (P,): 1 for the same picture, 0 or less for one
        that is no nearer than a plain of the mean colour."""
        return _explained(self.pictures.astype(np.float32), self.drawn.astype(np.float32))

    @property
    def detail(self) -> np.ndarray:
        """The same of the details alone, float (P,): of what is left when each picture is taken off that is blurred by
        an eighth of its side. Light and shade can be had from a picture of anything; details cannot."""
        return _explained(*(_details(images.astype(np.float32)) for images in (self.pictures, self.drawn)))

    @property
    def verdicts(self) -> tuple[str, ...]:
        """One of `VERDICTS` for each picture: drawn if `ENOUGH` is explained, else not to be drawn if its details
        are no nearer than none would be."""
        shares = zip(self.explained, self.detail)
        return tuple(VERDICTS[2 if whole >= ENOUGH else int(detail > 0)] for whole, detail in shares)

    def table(self) -> list[dict]:
        """A row for each picture, in words."""
        names = self.names or tuple(map(str, range(len(self.pictures))))
        rows = zip(names, self.error, self.nearest, self.explained, self.detail, self.verdicts)
        return [
            {
                "picture": name,
                "difference, of 255": f"{error:.1f}",
                **({} if self.encoded is None else {"encoder alone": f"{self.encoder_error[row]:.1f}"}),
                f"nearest of {POOL} samples": f"{nearest:.1f}",
                "explained": f"{explained:.0%}",
                "of details": f"{detail:.0%}",
                "verdict": verdict,
            }
            for row, (name, error, nearest, explained, detail, verdict) in enumerate(rows)
        ]

    def plain(self) -> dict:
        """As plain values, for a record; the latents are in a file of their own."""
        return {
            "method": self.method,
            "pictures": [
                {
                    "name": self.names[row] if self.names else str(row),
                    "difference": float(self.error[row]),
                    **({} if self.encoded is None else {"encoder_alone": float(self.encoder_error[row])}),
                    "nearest_sample": float(self.nearest[row]),
                    "explained": float(self.explained[row]),
                    "detail": float(self.detail[row]),
                    "verdict": verdict,
                }
                for row, verdict in enumerate(self.verdicts)
            ],
        }


def invert(
    sampler: Sampler,
    pictures: np.ndarray,
    method: str = "least squares",
    starts: int = STARTS,
    names: tuple[str, ...] = (),
    seed: int = 0,
    progress: bool = True,
    encode: Callable | None = None,
) -> Inversion:
    """Look for the latents that draw pictures. The same arguments give the same bits.

    Args:
        sampler: its generator is a Keras model.
        pictures: uint8 (P, S, S, 3) in [0, 255], of the generator's size.
        method: "least squares" or "gradient descent".
        starts: from how many samples to start at most; the nearest first. Gradient descent takes all of them at once.
        names: of the pictures.
        seed: of the samples that are started from, and of clipping.
        progress: whether to show a progress bar.
        encode: images float32 (N, S, S, 3) in [-1, 1] -> latents; what it gives is started from first.

    Raises:
        InputError: another method, or pictures of another size.
    """
    if method not in _METHODS:
        raise InputError(f"method must be one of {', '.join(_METHODS)}. Received: {method!r}.")
    side = sampler.generator.output_shape[1]
    if pictures.dtype != np.uint8 or pictures.shape[1:] != (side, side, 3) or not len(pictures):
        raise InputError(
            f"Pictures to invert are uint8 (P, {side}, {side}, 3), at least one. Received: {pictures.dtype} "
            f"{pictures.shape}."
        )
    pool = sampler.make_latents(POOL, stream(seed, "inversion: starts"))
    drawn = sampler.images(pool).reshape(POOL, -1)
    wanted = scale(pictures).reshape(len(pictures), -1)
    apart = _between(wanted, drawn)
    order = np.argsort(apart, axis=1, kind="stable")[:, :starts]
    begin, encoded = pool[order], None
    if encode is not None:
        codes = inside(np.asarray(encode(scale(pictures)), np.float32), sampler.latents).astype(np.float32)
        begin, encoded = np.concatenate([codes[:, None], begin], 1)[:, :starts], scale_back(sampler.images(codes))
    latents = _METHODS[method](sampler, wanted, begin, seed, progress)
    found = scale_back(sampler.images(latents))
    return Inversion(
        pictures=pictures,
        latents=latents,
        drawn=found,
        error=_apart(found, pictures),
        nearest=apart.min(1),
        method=method,
        names=tuple(names),
        encoded=encoded,
    )


@dataclass(frozen=True)
class Recovery:
    """Whether inversion finds what is there to be found: samples, of which the latents are known.

    Attributes:
        inversion: of the samples.
        known: float32 (P, D), their latents.
    """

    inversion: Inversion
    known: np.ndarray

    @property
    def distance(self) -> np.ndarray:
        """From the known latents, as a part of their length: float (P,). Two random latents are about 1.4 apart."""
        return np.linalg.norm(self.inversion.latents - self.known, axis=1) / np.linalg.norm(self.known, axis=1)

    @property
    def rate(self) -> Interval:
        """Share of samples whose latents were recovered."""
        return wilson(int((self.distance < RECOVERED).sum()), len(self.known))

    @property
    def error(self) -> Interval:
        """Mean difference between the pictures."""
        return told_mean(self.inversion.error)

    def row(self) -> dict:
        """In words."""
        return {
            "method": self.inversion.method,
            "samples": len(self.known),
            "latents recovered": f"{self.rate:.0%}",
            "distance of the latents": f"{told_mean(self.distance):.3f}",
            "difference of the pictures": f"{self.error:.1f}",
        }

    def plain(self) -> dict:
        """As plain values, for a record."""
        return {
            "method": self.inversion.method,
            "samples": len(self.known),
            "recovered": self.rate.plain(),
            "distance": told_mean(self.distance).plain(),
            "difference": self.error.plain(),
        }


def recovery(
    sampler: Sampler,
    count: int = 16,
    method: str = "least squares",
    starts: int = STARTS,
    seed: int = 0,
    progress: bool = True,
    encode: Callable | None = None,
) -> Recovery:
    """Invert samples, and compare what is found with the latents that they were drawn from.

    Args:
        sampler: draws the samples.
        count: how many.
        method, starts, progress, encode: as for `invert`.
        seed: of the samples, and of the inversion.
    """
    known = sampler.make_latents(count, stream(seed, "inversion: samples"))
    pictures = scale_back(sampler.images(known))
    return Recovery(invert(sampler, pictures, method, starts, (), seed, progress, encode), known)


def inside(latents: np.ndarray, distribution: str) -> np.ndarray:
    """The nearest latents, float (N, D), that are where latents of a distribution come from (see above)."""
    if distribution == "uniform":
        return np.clip(latents, -1, 1)
    lengths = np.linalg.norm(latents, axis=1, keepdims=True)
    return latents * np.minimum(1, _longest(latents.shape[1]) / np.maximum(lengths, 1e-12))


# --- the two ways -----------------------------------------------------------------------------------------------------


def _least_squares(sampler: Sampler, wanted: np.ndarray, starts: np.ndarray, seed: int, progress: bool) -> np.ndarray:
    """One picture after the other, from the nearest start; from the next where it did not come near."""
    draw, jacobian = _compiled(sampler.generator)
    found = []
    for picture, begin in zip(tqdm(wanted, "Inverting", unit=" pictures", disable=not progress), starts):
        best, least = begin[0], np.inf
        for start in begin:
            latents, error = _marquardt(draw, jacobian, picture.astype(np.float64), start, sampler.latents)
            if error < least:
                best, least = latents, error
            if least < NEAR:
                break
        found.append(best)
    return np.stack(found)


def _marquardt(
    draw: Callable, jacobian: Callable, picture: np.ndarray, latents: np.ndarray, distribution: str
) -> tuple[np.ndarray, float]:
    """Levenberg and Marquardt's steps, of which each ends where latents come from: the linearised problem is solved
    with that condition, rather than brought back afterwards, which would lose most of a step. A step that does not
    help is tried again, shorter.

    Returns:
        The latents, and the root mean square error in [0, 255].
    """
    place, damping = latents.astype(np.float64), 1.0
    difference, matrix = draw(latents) - picture, jacobian(latents)
    for _ in range(ITERATIONS):
        squares, slope = matrix.T @ matrix + damping * np.eye(len(place)), matrix.T @ difference
        new_place = (_in_box if distribution == "uniform" else _in_ball)(squares, squares @ place - slope)
        new = draw(new_place.astype(np.float32)) - picture
        before, after = (difference**2).sum(), (new**2).sum()
        if after < before:
            place, difference, damping = new_place, new, max(damping / 5, 1e-5)
            if before - after < 1e-3 * before:
                break
            matrix = jacobian(place.astype(np.float32))
        elif damping > 1e6:
            break
        else:
            damping *= 5
    return place.astype(np.float32), float(np.sqrt(np.mean(difference**2)) * 127.5)


def _in_box(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The z in [-1, 1]^D with the least zᵀ matrix z / 2 - rightᵀ z."""
    root = np.linalg.cholesky(matrix)
    return optimize.lsq_linear(root.T, np.linalg.solve(root, right), (-1, 1), method="bvls").x


def _in_ball(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The z no longer than normal latents with the least zᵀ matrix z / 2 - rightᵀ z: (matrix + weight) z = right, with
    the least weight from 0 that makes it short enough."""
    values, vectors = np.linalg.eigh(matrix)
    turned, longest = vectors.T @ right, _longest(len(right))

    def too_long(weight: float) -> float:
        return float(np.linalg.norm(turned / (values + weight))) - longest

    weight = 0.0
    if too_long(0.0) > 0:
        weight = optimize.brentq(too_long, 0.0, np.linalg.norm(turned) / longest, xtol=1e-9)
    return vectors @ (turned / (values + weight))


@functools.lru_cache(maxsize=1)  # a check and the pictures after it are of one generator, and tracing takes a second
def _compiled(generator) -> tuple[Callable, Callable]:
    """What a generator draws from one latent vector (D,), float64 (M,), and its Jacobian there, float64 (M, D)."""
    runtime.import_tensorflow()
    import tensorflow as tf

    dim = generator.input_shape[-1]
    one = [tf.TensorSpec((dim,), tf.float32)]

    def draw(latents):
        return tf.reshape(generator(latents[None], training=False), [-1])

    def jacobian(latents):
        # Forwards, one column for each latent: there are far fewer latents than pixels.
        same = tf.repeat(latents[None], dim, 0)
        with tf.autodiff.ForwardAccumulator(same, tf.eye(dim)) as forwards:
            images = generator(same, training=False)
        return tf.transpose(tf.reshape(forwards.jvp(images), [dim, -1]))

    compiled = [tf.function(made, input_signature=one, autograph=False) for made in (draw, jacobian)]
    return tuple(lambda latents, call=call: call(latents).numpy().astype(np.float64) for call in compiled)


def _gradient_descent(
    sampler: Sampler, wanted: np.ndarray, starts: np.ndarray, seed: int, progress: bool
) -> np.ndarray:
    """All pictures at once, from all starts; of everything on the way the best is kept, since a latent that is drawn
    anew may lead away."""
    runtime.import_tensorflow()
    import keras
    import tensorflow as tf

    count, dim = starts.shape[1:]
    latents = tf.Variable(starts.reshape(-1, dim))
    targets = tf.constant(np.repeat(wanted, count, axis=0))
    optimiser = keras.optimizers.Adam(RATE)
    optimiser.build([latents])

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            images = sampler.generator(latents, training=False)
            errors = tf.reduce_mean((tf.reshape(images, targets.shape) - targets) ** 2, 1)
            total = tf.reduce_sum(errors)
        optimiser.apply(tape.gradient(total, [latents]), [latents])
        return errors

    random = stream(seed, "inversion: clipping")
    bound = 1.0 if sampler.latents == "uniform" else 3.0  # of normal latents, three of a thousand are further out
    best, least = latents.numpy(), np.full(len(targets), np.inf)
    for _ in tqdm(range(STEPS), "Inverting", unit=" steps", disable=not progress):
        before = latents.numpy()
        errors = step().numpy()
        better = errors < least
        best, least = np.where(better[:, None], before, best), np.where(better, errors, least)
        now = latents.numpy()
        # The same for every picture, so that what one gets does not depend on which others there are.
        anew = np.tile(np.clip(sampler.make_latents(count, random), -bound, bound), (len(wanted), 1))
        clipped = np.where(np.abs(now) > bound, anew, now)
        latents.assign(inside(clipped, sampler.latents).astype(np.float32))
    rows = least.reshape(-1, count).argmin(1)
    return best.reshape(-1, count, dim)[np.arange(len(wanted)), rows]


_METHODS = {"least squares": _least_squares, "gradient descent": _gradient_descent}


def _explained(wanted: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """1 - mean square of the difference / variance of what is wanted, by picture: float (P,)."""
    varies = ((wanted - wanted.mean((1, 2), keepdims=True)) ** 2).mean((1, 2, 3))
    return 1 - ((wanted - drawn) ** 2).mean((1, 2, 3)) / np.maximum(varies, 1)


def _details(images: np.ndarray) -> np.ndarray:
    blurred = [cv2.GaussianBlur(image, (0, 0), images.shape[1] / 8) for image in images]
    return images - np.stack(blurred)


def _longest(dim: int) -> float:
    """The length that one of a thousand N(0, 1) latents exceeds."""
    return float(np.sqrt(stats.chi2.ppf(0.999, dim)))


def _apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Root mean square differences of uint8 (P, S, S, 3) images, picture by picture: float64 (P,)."""
    return np.sqrt(np.mean((one.astype(float) - other) ** 2, axis=(1, 2, 3)))


def _between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Root mean square differences of all pairs of rows in [-1, 1], as differences in [0, 255]: float64 (N, M)."""
    squares = (one.astype(np.float64) ** 2).sum(1)[:, None] + (other.astype(np.float64) ** 2).sum(1)
    squares -= 2 * (one @ other.T).astype(np.float64)
    return np.sqrt(np.maximum(squares, 0) / one.shape[1]) * 127.5
