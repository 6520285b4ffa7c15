"""Distances between features, on distributions of which the answer is known."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from utils.errors import InputError
from utils.evaluation import distances
from utils.evaluation.distances import (
    ENOUGH,
    frechet_at_infinity,
    frechet_distance,
    kernel_distance,
    nearest_neighbours,
)


def with_moments(random, count: int, mean: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Vectors of which the sample mean is `mean` and the sample covariance root·rootᵀ, exactly."""
    white = random.standard_normal((count, len(mean)))
    white -= white.mean(0)
    white = np.linalg.solve(np.linalg.cholesky(np.cov(white.T)), white.T).T
    return white @ root.T + mean


def test_kernel_distance_is_the_double_sum_over_all_pairs():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(12, 5)), random.normal(0.5, 2, (9, 5))

    def kernel(a, b):
        return (sum(p * q for p, q in zip(a, b)) / 5 + 1) ** 3

    own_x = [kernel(x[i], x[j]) for i in range(12) for j in range(12) if i != j]
    own_y = [kernel(y[i], y[j]) for i in range(9) for j in range(9) if i != j]
    cross = [kernel(a, b) for a in x for b in y]
    expected = np.mean(own_x) + np.mean(own_y) - 2 * np.mean(cross)
    estimate = kernel_distance(x.astype(np.float32).astype(np.float64), y)
    assert kernel_distance(x, y).value == pytest.approx(expected, rel=1e-12)
    assert estimate.value == pytest.approx(expected, rel=1e-5)


def test_kernel_distance_does_not_depend_on_how_many_rows_are_held_at_once(monkeypatch):
    random = np.random.default_rng(1)
    x, y = random.normal(size=(50, 4)), random.normal(size=(37, 4))
    whole = kernel_distance(x, y)
    monkeypatch.setattr(distances, "_ROWS", 7)
    parts = kernel_distance(x, y)
    assert (parts.value, parts.low) == pytest.approx((whole.value, whole.low), rel=1e-12)


def test_the_kernel_interval_is_the_jackknifes():
    """Leave every vector out and compute the distance anew."""
    random = np.random.default_rng(2)
    x, y = random.normal(size=(11, 3)), random.normal(0.3, 1, (8, 3))
    without_x = [kernel_distance(np.delete(x, i, 0), y).value for i in range(11)]
    without_y = [kernel_distance(x, np.delete(y, i, 0)).value for i in range(8)]
    error = np.sqrt(10 * np.var(without_x) + 7 * np.var(without_y))
    estimate = kernel_distance(x, y)
    assert estimate.high - estimate.value == pytest.approx(1.959964 * error, rel=1e-6)
    assert estimate.value - estimate.low == pytest.approx(1.959964 * error, rel=1e-6)


@pytest.mark.parametrize(("mean", "expected"), [(0.0, 0.0), (0.5, 1.625**2 + 3 * 0.25**2 + 3 * 0.5**2)])
def test_kernel_distance_has_no_bias_even_on_ten_samples(mean, expected):
    """For numbers the kernel is (ab + 1)³, so the distance is (Δm₃)² + 3 (Δm₂)² + 3 (Δm₁)² of the raw moments."""
    random = np.random.default_rng(3)
    values = [kernel_distance(random.normal(mean, 1, (10, 1)), random.normal(0, 1, (10, 1))).value for _ in range(1500)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - expected) < 4 * error
    assert error < 0.3  # the biased estimate, with the pairs of a vector and itself, is more than 2 too large


@pytest.mark.parametrize(("shift", "least", "most"), [(0.0, 0.95, 1.0), (0.2, 0.90, 0.99), (1.0, 0.90, 0.99)])
def test_kernel_intervals_cover_the_true_distance(shift, least, most):
    random = np.random.default_rng(4)

    def draw(count, mean):
        return np.maximum(random.standard_normal((count, 8)), -0.5) + mean

    truth = kernel_distance(draw(3000, shift), draw(3000, 0)).value if shift else 0
    estimates = [kernel_distance(draw(120, shift), draw(90, 0)) for _ in range(200)]
    assert least <= np.mean([e.low <= truth <= e.high for e in estimates]) <= most


def test_frechet_distance_of_two_normal_distributions_is_the_closed_form():
    """Covariances that commute: |μ₁ − μ₂|² + Σ (σ₁ − σ₂)²."""
    random = np.random.default_rng(5)
    deviations = np.array([1.0, 2.0, 0.5]), np.array([3.0, 0.1, 0.5])
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    x, y = (
        with_moments(random, 60, mean, turn * d)
        for mean, d in zip((np.zeros(3), np.array([1.0, -2.0, 0.0])), deviations)
    )
    assert frechet_distance(x, y).value == pytest.approx(5 + 2**2 + 1.9**2, rel=1e-9)


def test_frechet_distance_is_the_published_formula_with_a_matrix_root():
    random = np.random.default_rng(6)
    x = random.normal(size=(200, 6)) @ random.normal(size=(6, 6))
    y = random.normal(size=(150, 6)) @ random.normal(size=(6, 6)) + 0.3
    root = sqrtm(np.cov(x.T) @ np.cov(y.T)).real
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(np.cov(x.T) + np.cov(y.T) - 2 * root)
    assert frechet_distance(x, y).value == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(y, x).value == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_works_with_fewer_vectors_than_features():
    x = np.random.default_rng(7).normal(size=(50, 80))
    assert frechet_distance(x, x).value == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 2).value == pytest.approx(80 * 4, rel=1e-9)


@pytest.mark.parametrize(("shift", "least", "most"), [(0.0, 0.95, 1.0), (0.7, 0.88, 0.99)])
def test_frechet_intervals_cover_what_so_many_samples_give_on_average(shift, least, most):
    random = np.random.default_rng(8)
    estimates = [frechet_distance(random.normal(shift, 1, (80, 4)), random.normal(0, 1, (100, 4))) for _ in range(120)]
    average = np.mean([e.value for e in estimates])
    assert least <= np.mean([e.low <= average <= e.high for e in estimates]) <= most
    assert average > 4 * shift**2  # the bias that the documentation warns of


def test_the_extrapolation_is_a_line_over_parts_of_both_sets_followed_to_infinitely_many():
    random = np.random.default_rng(9)
    x, y = random.normal(size=(96, 3)), random.normal(0.3, 1.5, (100, 3))
    order = np.random.default_rng(0)
    mixed = [vectors[order.permutation(96)] for vectors in (x, y[:96])]

    def by_root(a, b):
        covariances = np.cov(a.T), np.cov(b.T)
        apart = np.sum((a.mean(0) - b.mean(0)) ** 2)
        return apart + np.trace(sum(covariances) - 2 * sqrtm(covariances[0] @ covariances[1]).real)

    sizes, values = np.array([96, 48, 24]), []
    for size in sizes:
        pairs = [[v[start : start + size] for v in mixed] for start in range(0, 96, size)]
        values.append(np.mean([by_root(*pair) for pair in pairs]))
    line = np.linalg.lstsq(np.stack([np.ones(3), 1 / sizes], 1), values, rcond=None)[0]
    assert frechet_at_infinity(x, y).value == pytest.approx(line[0], rel=1e-9)
    assert line[1] > 0 and line[0] < values[0], "the line falls towards infinitely many"


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_the_extrapolation_takes_away_the_bias_and_its_interval_covers_the_truth(shift):
    random = np.random.default_rng(10)
    sets = [(random.normal(shift, 1, (96, 6)), random.normal(size=(96, 6))) for _ in range(30)]
    found, plain = ([f(*pair) for pair in sets] for f in (frechet_at_infinity, frechet_distance))
    truth, extrapolated = 6 * shift**2, np.array([each.value for each in found])
    error = extrapolated.std() / np.sqrt(30)
    bias = np.mean([each.value for each in plain]) - truth
    assert bias > 4 * error, "without it the bias is plain"
    assert abs(extrapolated.mean() - truth) < max(3 * error, 0.1 * bias)
    assert 0.9 <= np.mean([each.low <= truth <= each.high for each in found]) <= 1


def test_too_few_samples_for_so_many_features_are_not_extrapolated():
    x = np.random.default_rng(11).normal(size=(ENOUGH * 5, 5))
    assert frechet_at_infinity(x, x + 1) is not None
    assert frechet_at_infinity(x[:-1], x + 1) is None


def test_neighbours_are_those_of_brute_force_also_across_parts_of_a_memory_map(tmp_path, monkeypatch):
    random = np.random.default_rng(9)
    references = random.integers(0, 256, (90, 4, 4, 3), np.uint8)
    queries = random.integers(0, 256, (13, 4, 4, 3), np.uint8)
    np.save(tmp_path / "references.npy", references)
    monkeypatch.setattr(distances, "_BYTES", 4 * 48 * 20)  # 20 references at a time, 10 in the last part
    found = nearest_neighbours(queries, np.load(tmp_path / "references.npy", mmap_mode="r"), k=12)
    apart = np.linalg.norm((queries[:, None].astype(float) - references[None]).reshape(13, 90, -1), axis=2)
    rows = np.argsort(apart, axis=1)[:, :12]
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, np.take_along_axis(apart, rows, 1), rtol=1e-12)
    assert found.rows.dtype == np.int64


def test_a_copy_is_at_distance_0_however_large_the_vectors():
    references = np.random.default_rng(10).normal(1000, 1, (500, 64)).astype(np.float32)
    found = nearest_neighbours(references[[3, 77, 499]], references)
    assert found.rows.tolist() == [[3], [77], [499]] and not found.distances.any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: kernel_distance(x, x[:, :2]), "Received: \\(50, 4\\) and \\(50, 2\\)"),
        (lambda x: kernel_distance(x[:2], x), "at least 3. Received: \\(2, 4\\)"),
        (lambda x: frechet_distance(x[:39], x), "at least 40. Received: \\(39, 4\\)"),
        (lambda x: kernel_distance(x, x * np.nan), "must be finite"),
        (lambda x: nearest_neighbours(x, x, 51), "Received: 51 of 50"),
        (lambda x: nearest_neighbours(x[:0], x), "there must be a query"),
        (lambda x: nearest_neighbours(x * np.nan, x), "must be finite"),
        (lambda x: nearest_neighbours(x, np.where(x > x.max() - 1e-9, np.inf, x)), "must be finite"),
        (lambda x: nearest_neighbours(x, x[:, :3]), "Received: \\(50, 4\\) and \\(50, 3\\)"),
    ],
)
def test_wrong_uses_are_refused_in_one_sentence(call, words):
    with pytest.raises(InputError, match=words):
        call(np.random.default_rng(0).normal(size=(50, 4)))
