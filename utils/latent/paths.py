"""Paths through latents: plain NumPy and SciPy.

A generator has only seen latents of its distribution. N(0, 1) in many dimensions lies on a shell, so halfway between
two latents is a place that no latent comes near; paths for "normal" therefore have a spherical kind, and the spline
keeps the lengths. For "uniform" all that is between two latents lies inside the cube, so the straight path is the
natural one (the paper's), and the spline is cut off at its sides.

References:
    Radford, Metz, Chintala (arXiv:1511.06434), §6.1 (straight); Shoemake, Animating rotation with quaternion curves
    (SIGGRAPH 1985), for spherical interpolation; White, Sampling Generative Networks (arXiv:1609.04468), §2.1.
"""

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from utils.errors import InputError

PATHS = ("straight", "spherical", "spline")
"""Kinds of path. The first two go from each stop to the next, the last smoothly through all of them."""


def usual_path(stops: int, distribution: str = "normal") -> str:
    """The kind of path that is taken where none is asked for."""
    if stops > 2:
        return "spline"
    return "straight" if distribution == "uniform" else "spherical"


def legs(stops: int, closed: bool) -> int:
    """Of how many pieces, from stop to stop, a path is made."""
    return stops if closed else stops - 1


def expect_frames(frames: int, stops: int) -> None:
    """Find out whether a film has frames enough to pass so many stops, there and back.

    Raises:
        InputError: it has fewer than two for each.
    """
    if frames < 2 * stops:
        raise InputError(
            "A film has at least twice as many frames as stops: ask for more frames, or for fewer stops. "
            f"Received: {frames:,} for {stops:,} stops."
        )


def along(
    stops: np.ndarray, places: np.ndarray, kind: str = "spherical", closed: bool = False, distribution: str = "normal"
) -> np.ndarray:
    """Latents on a path.

    Args:
        stops: float (K, D), latents that the path leads through, at least two; a closed spline needs three.
        places: float (T,), where on the path: i is stop i, i + 0.5 halfway (on the path) to the next. On a closed path
            K is stop 0 again.
        kind: one of `PATHS`.
        closed: whether the path goes back from the last stop to the first.
        distribution: of the generator's latents, "normal" or "uniform".

    Returns:
        float32 (T, D).

    Raises:
        InputError: another kind, or too few stops.
    """
    if kind not in PATHS:
        raise InputError(f"A path is one of {', '.join(PATHS)}. Received: {kind!r}.")
    least = 3 if closed and kind == "spline" else 2
    if stops.ndim != 2 or len(stops) < least:
        raise InputError(
            f"A {'closed ' * closed}{kind} path leads through at least {least} latents (K, D). Received: {stops.shape}."
        )
    stops, places = np.asarray(stops, np.float64), np.asarray(places, np.float64)
    if closed:
        stops, places = np.concatenate([stops, stops[:1]]), places % len(stops)
    if kind == "spline":
        latents = CubicSpline(np.arange(len(stops)), stops, bc_type="periodic" if closed else "natural")(places)
        if distribution == "uniform":
            latents = np.clip(latents, -1, 1)
        else:
            lengths = _lengths(np.linalg.norm(stops, axis=1), places, closed)
            latents *= (lengths / np.maximum(np.linalg.norm(latents, axis=1), 1e-12))[:, None]
    else:
        first = np.clip(places.astype(int), 0, len(stops) - 2)
        between = _straight if kind == "straight" else _spherical
        latents = between(stops[first], stops[first + 1], (places - first)[:, None])
    return latents.astype(np.float32)


def _lengths(of_stops: np.ndarray, places: np.ndarray, closed: bool) -> np.ndarray:
    """Lengths between those of the stops, without a corner, and never beyond those of two neighbours."""
    at = np.arange(len(of_stops))
    if closed:  # the last stop is the first again; two more on either side let the end meet the beginning
        at = np.arange(-2, len(of_stops) + 2)
        of_stops = of_stops[at % (len(of_stops) - 1)]
    return PchipInterpolator(at, of_stops)(places)


def _straight(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> np.ndarray:
    return (1 - share) * start + share * end


def _spherical(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Turn from one direction to the other at an even rate, while the length goes evenly from one to the other; where
    the two have no angle between them, or are opposite, it is the straight path."""
    lengths = [np.linalg.norm(latents, axis=1, keepdims=True) for latents in (start, end)]
    cosine = (start * end).sum(1, keepdims=True) / np.maximum(lengths[0] * lengths[1], 1e-12)
    angle = np.arccos(np.clip(cosine, -1, 1))
    sine = np.sin(angle)
    turns = (sine > 1e-6) & (lengths[0] > 0) & (lengths[1] > 0)
    safe, sides = np.where(turns, sine, 1), [np.maximum(length, 1e-12) for length in lengths]
    direction = np.sin((1 - share) * angle) / safe * start / sides[0] + np.sin(share * angle) / safe * end / sides[1]
    return np.where(turns, direction * _straight(*lengths, share), _straight(start, end, share))
