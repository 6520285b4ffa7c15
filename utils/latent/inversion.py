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

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats
from tqdm.auto import tqdm

from utils import runtime
from utils.data import scale, scale_back
from utils.errors import InputError
from utils.intervals import Interval, bootstrap_mean, wilson
from utils.sampling import Sampler
from utils.streams import stream

POOL = 512
"""Samples that a start is chosen from: those nearest to the picture."""
STARTS = 3
"""At most so many, the next only where the last did not come near."""
NEAR = 2.0
"""Root mean square error, in [0, 255], that is near enough; rounding to whole levels alone makes 0.3."""
ITERATIONS = 40  # of least squares
STEPS, RATE = 300, 0.1  # of gradient descent, with Adam
RECOVERED = 0.05
"""Latents count as recovered when they are this near, as a part of their length."""
VERDICTS = ("drawn", "resembled", "cannot be drawn")


@dataclass(frozen=True)
class Inversion:
    """Pictures, and the latents that come nearest to drawing them.

    Attributes:
        pictures: uint8 (P, S, S, 3).
        latents: float32 (P, D).
        drawn: uint8 (P, S, S, 3), what the generator draws from them.
        error: float (P,), root mean square difference of the two, in [0, 255].
        nearest: float (P,), that of the nearest of `POOL` random samples: what can be had without looking further.
        usual: median difference between a random sample and the nearest other one.
        method: "least squares" or "gradient descent".
        names: of the pictures.
    """

    pictures: np.ndarray
    latents: np.ndarray
    drawn: np.ndarray
    error: np.ndarray
    nearest: np.ndarray
    usual: float
    method: str
    names: tuple[str, ...] = ()

    @property
    def verdicts(self) -> tuple[str, ...]:
        """One of `VERDICTS` for each picture: whether what is drawn is nearer to it than a quarter of the way from one
        sample to the next, nearer than that way, or not even that."""
        return tuple(VERDICTS[int(np.searchsorted((0.25, 1), share, "right"))] for share in self.error / self.usual)

    def table(self) -> list[dict]:
        """A row for each picture, in words."""
        names = self.names or tuple(map(str, range(len(self.pictures))))
        rows = zip(names, self.error, self.nearest, self.verdicts)
        return [
            {
                "picture": name,
                "difference": f"{error:.1f}",
                "nearest sample": f"{nearest:.1f}",
                "from sample to sample": f"{self.usual:.1f}",
                "": verdict,
            }
            for name, error, nearest, verdict in rows
        ]

    def plain(self) -> dict:
        """As plain values, for a record; the latents are in a file of their own."""
        return {
            "method": self.method,
            "usual_difference": self.usual,
            "pictures": [
                {
                    "name": self.names[row] if self.names else str(row),
                    "difference": float(self.error[row]),
                    "nearest_sample": float(self.nearest[row]),
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
    latents = _METHODS[method](sampler, wanted, pool[order], seed, progress)
    found = scale_back(sampler.images(latents))
    among = _between(drawn, drawn)
    np.fill_diagonal(among, np.inf)
    return Inversion(
        pictures=pictures,
        latents=latents,
        drawn=found,
        error=np.sqrt(np.mean((found.astype(float) - pictures) ** 2, axis=(1, 2, 3))),
        nearest=apart.min(1),
        usual=float(np.median(among.min(1))),
        method=method,
        names=tuple(names),
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
        return bootstrap_mean(self.inversion.error)

    def row(self) -> dict:
        """In words."""
        return {
            "method": self.inversion.method,
            "samples": len(self.known),
            "latents recovered": f"{self.rate:.0%}",
            "distance of the latents": f"{bootstrap_mean(self.distance):.3f}",
            "difference of the pictures": f"{self.error:.1f}",
        }

    def plain(self) -> dict:
        """As plain values, for a record."""
        return {
            "method": self.inversion.method,
            "samples": len(self.known),
            "recovered": self.rate.plain(),
            "distance": bootstrap_mean(self.distance).plain(),
            "difference": self.error.plain(),
        }


def recovery(
    sampler: Sampler,
    count: int = 16,
    method: str = "least squares",
    starts: int = STARTS,
    seed: int = 0,
    progress: bool = True,
) -> Recovery:
    """Invert samples, and compare what is found with the latents that they were drawn from.

    Args:
        sampler: draws the samples.
        count: how many.
        method, starts, progress: as for `invert`.
        seed: of the samples, and of the inversion.
    """
    known = sampler.make_latents(count, stream(seed, "inversion: samples"))
    pictures = scale_back(sampler.images(known))
    return Recovery(invert(sampler, pictures, method, starts, seed=seed, progress=progress), known)


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
    """Levenberg and Marquardt's steps, each brought back to where latents come from; a step that does not help is
    tried again, shorter.

    Returns:
        The latents, and the root mean square error in [0, 255].
    """
    damping, difference, matrix = 1.0, draw(latents) - picture, jacobian(latents)
    for _ in range(ITERATIONS):
        squares, slope = matrix.T @ matrix, matrix.T @ difference
        step = np.linalg.solve(squares + damping * np.eye(len(latents)), slope)
        tried = inside((latents - step)[None], distribution)[0].astype(np.float32)
        new = draw(tried) - picture
        before, after = (difference**2).sum(), (new**2).sum()
        if after < before:
            latents, difference, damping = tried, new, max(damping / 5, 1e-5)
            if before - after < 1e-3 * before:
                break
            matrix = jacobian(latents)
        elif damping > 1e6:
            break
        else:
            damping *= 5
    return latents, float(np.sqrt(np.mean(difference**2)) * 127.5)


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
    """All pictures at once, from all starts; the best of each picture's ends is kept."""
    runtime.import_tensorflow()
    import keras
    import tensorflow as tf

    count, dim = starts.shape[1:]
    latents = tf.Variable(starts.reshape(-1, dim))
    targets = tf.constant(np.repeat(wanted, count, axis=0))
    optimiser = keras.optimizers.Adam(RATE)
    optimiser.build([latents])

    @tf.function(autograph=False)
    def errors():
        images = sampler.generator(latents, training=False)
        return tf.reduce_mean((tf.reshape(images, targets.shape) - targets) ** 2, 1)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(errors())
        optimiser.apply(tape.gradient(total, [latents]), [latents])

    random = stream(seed, "inversion: clipping")
    bound = 1.0 if sampler.latents == "uniform" else 3.0  # of normal latents, three of a thousand are further out
    for _ in tqdm(range(STEPS), "Inverting", unit=" steps", disable=not progress):
        step()
        now = latents.numpy()
        anew = np.clip(sampler.make_latents(len(now), random), -bound, bound)
        clipped = np.where(np.abs(now) > bound, anew, now)
        latents.assign(inside(clipped, sampler.latents).astype(np.float32))
    best = errors().numpy().reshape(-1, count).argmin(1)
    return latents.numpy().reshape(-1, count, dim)[np.arange(len(wanted)), best]


_METHODS = {"least squares": _least_squares, "gradient descent": _gradient_descent}


def _longest(dim: int) -> float:
    """The length that one of a thousand N(0, 1) latents exceeds."""
    return float(np.sqrt(stats.chi2.ppf(0.999, dim)))


def _between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Root mean square differences of all pairs of rows in [-1, 1], as differences in [0, 255]: float64 (N, M)."""
    squares = (one.astype(np.float64) ** 2).sum(1)[:, None] + (other.astype(np.float64) ** 2).sum(1)
    squares -= 2 * (one @ other.T).astype(np.float64)
    return np.sqrt(np.maximum(squares, 0) / one.shape[1]) * 127.5
