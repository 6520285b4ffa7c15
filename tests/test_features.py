"""What a discriminator's features are, the classifiers on top of them, and the paper's two experiments."""

import dataclasses
import itertools
import json
import shutil
from pathlib import Path

import genuine
import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from sklearn.svm import LinearSVC
from test_paper_weights import TINY, convolved, judged, leaky
from threadpoolctl import ThreadpoolController

from utils import cli
from utils.cli.features import _in_words
from utils.config import DataConfig, preset, replace
from utils.data import Dataset, load, scale
from utils.data.cifar10 import Cifar10
from utils.errors import InputError
from utils.evaluation.features import Extractor
from utils.explain.fixed import fixed_discriminator
from utils.features import KINDS, comparison, controls, protocols, svm
from utils.features.extract import Part, discriminator_features, extract, largest_in_cells, width_of
from utils.features.factors import Reading
from utils.features.protocols import SVHN_STRENGTHS, Outcome
from utils.features.sizes import SIZES, expect_enough, parts
from utils.intervals import LEAST_CASES
from utils.models import build_discriminator, load_network
from utils.networks import TrainedNetwork
from utils.paper_weights import import_paper


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    return folder, genuine.write_paper_weights(folder / "weights", width=1 / 16, latent_dim=7)


@pytest.fixture(scope="module")
def model(arrays):
    """The paper's networks for SVHN at a sixteenth of their width, as imported."""
    return import_paper(arrays[0] / "weights", "tiny_paper", TINY, arrays[0] / "models")


@pytest.fixture
def network(model):
    return fixed_discriminator(load_network(model.model("discriminator")))


PIXELS = controls.pixels(32)


def part_of(images, labels=None, names=()):
    dataset = Dataset(
        name="some", title="some", images=images, fingerprint=str(images.sum()), labels=labels, label_names=names
    )
    return Part(dataset, np.arange(len(images)))


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


# --- features ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "width"), [("paper_cifar", 28_672), ("paper_svhn", 7_168)])
def test_the_papers_networks_have_as_many_features_as_the_paper_says(name, width):
    network = fixed_discriminator(build_discriminator(preset(name).model))
    assert width_of(network) == width == discriminator_features(network, part_of(noise(2)), name)(noise(1)).size


@pytest.mark.parametrize("side", [32, 16, 8, 7, 6, 4, 2, 1])
def test_a_cell_holds_the_largest_value_of_its_places_and_no_place_is_left_out(side):
    maps = np.random.default_rng(side).standard_normal((2, side, side, 3)).astype(np.float32)
    cells = min(4, side)
    expected = np.empty((2, cells, cells, 3))
    for row in range(cells):
        for column in range(cells):
            rows = slice(row * side // cells, int(np.ceil((row + 1) * side / cells)))
            columns = slice(column * side // cells, int(np.ceil((column + 1) * side / cells)))
            expected[:, row, column] = maps[:, rows, columns].max((1, 2))
    np.testing.assert_array_equal(largest_in_cells(maps), expected)


def test_features_are_those_of_the_authors_code(arrays, network):
    """Statistics of batches of 128 of the training images, averaged; three activations, pooled 4x4, 2x2, 1x1."""
    images = noise(150)
    given = discriminator_features(network, part_of(images), "tiny")(images[:5])
    x = np.moveaxis(scale(images), -1, 1).astype(float)
    of_batches = [judged(x[rows], arrays[1])[0] for rows in (slice(0, 128), slice(128, 150))]
    w = [arrays[1][f"discrim_{number:02d}"].astype(float) for number in range(1, 9)]
    maps, pooled = leaky(convolved(x[:5], w[0])), []
    for cell, (kernel, gain, shift), before in ((4, [None] * 3, 0), (2, w[1:4], 0), (1, w[4:7], 1)):
        if kernel is not None:
            inputs = [convolved(batch[before], kernel) for batch in of_batches]
            mean = np.mean([batch.mean((0, 2, 3)) for batch in inputs], 0).reshape(-1, 1, 1)
            variance = np.mean([batch.var((0, 2, 3)) for batch in inputs], 0).reshape(-1, 1, 1)
            normal = (convolved(maps, kernel) - mean) / np.sqrt(variance + 1e-8)
            maps = leaky(normal * gain.reshape(-1, 1, 1) + shift.reshape(-1, 1, 1))
        largest = maps.reshape(5, -1, 4, cell, 4, cell).max((3, 5))
        pooled.append(np.moveaxis(largest, 1, -1).reshape(5, -1))
    np.testing.assert_allclose(given, np.concatenate(pooled, 1), atol=5e-4, rtol=1e-3)


def test_features_of_an_image_do_not_depend_on_its_neighbours(network):
    features = discriminator_features(network, part_of(noise(40)), "tiny")
    images = noise(9, seed=1)
    alone, dark = features(images[:1])[0], features(np.concatenate([images[:1], np.zeros_like(images)]))[0]
    np.testing.assert_allclose(features(images)[0], alone, atol=1e-5)
    np.testing.assert_allclose(dark, alone, atol=1e-5)
    assert np.abs(features(images)[1] - alone).max() > 0.1


def test_features_are_made_once_a_batch_at_a_time_and_found_again(tmp_path):
    asked = []

    def values(images):
        asked.append(len(images))
        return images.reshape(len(images), -1)[:, :5].astype(np.float32)

    part = part_of(noise(300))
    extractor = Extractor("five pixels", "1", {"features": 5}, values)
    made = extract(extractor, part, tmp_path, progress=False)
    np.testing.assert_array_equal(made.values, part.dataset.images.reshape(300, -1)[:, :5])
    assert isinstance(made.values, np.memmap) and made.values.dtype == np.float32 and asked == [1, 128, 128, 44]
    again = extract(extractor, part, tmp_path, progress=False)
    assert len(asked) == 4 and again.folder == made.folder
    other = extract(Extractor("five pixels", "2", {"features": 5}, values), part, tmp_path, progress=False)
    backwards = extract(extractor, part.take(slice(None, None, -1)), tmp_path, progress=False)
    assert len({made.folder, other.folder, backwards.folder}) == 3
    np.testing.assert_array_equal(backwards.values, made.values[::-1])
    made.forget()
    assert not made.folder.exists() and other.folder.exists()


def test_features_that_the_disk_has_no_space_for_are_refused_before_they_are_made(tmp_path, monkeypatch):
    extractor = Extractor("wide", "1", {}, lambda images: np.zeros((len(images), 28_672), np.float32))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10**6}))
    with pytest.raises(InputError, match=r"300 images \(wide\) take 0.0 GB, but only 0.0 GB are free"):
        extract(extractor, part_of(noise(300)), tmp_path, progress=False)
    assert not list(tmp_path.rglob("*.npy"))


# --- classifiers ------------------------------------------------------------------------------------------------------


def problem(count, width, classes, seed=0):
    """Overlapping classes; features of a mean far from 0 and of different sizes, as those of a network."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = random.standard_normal((classes, width))
    x = 1 + 0.5 * centres[labels] + 2 * random.standard_normal((count, width))
    return (x * random.uniform(0.2, 1, width)).astype(np.float32), labels


def objective(weights, bias, x, labels, strength):
    """What is minimised, added up over the classes."""
    y = np.where(labels[:, None] == np.arange(weights.shape[1]), 1, -1)
    short = np.maximum(0, 1 - y * (x.astype(float) @ weights + bias))
    return 0.5 * (np.square(weights).sum() + np.square(bias).sum()) + strength * np.square(short).sum()


@pytest.mark.parametrize(("count", "width", "classes"), [(40, 200, 4), (200, 30, 4), (40, 200, 2)])
@pytest.mark.parametrize("strength", SVHN_STRENGTHS[1::4])
def test_the_machine_for_few_images_is_that_of_scikit_learn(count, width, classes, strength):
    x, labels = problem(count, width, classes)
    x[classes] = x[0]  # equal images of one class
    ours = svm.few(x, labels, strength, classes)
    theirs = LinearSVC(C=strength, dual=True, random_state=0).fit(x, labels)
    weights, bias = theirs.coef_.T, theirs.intercept_
    if classes == 2:
        weights, bias = np.concatenate([-weights, weights], 1), np.concatenate([-bias, bias])
    np.testing.assert_allclose(ours.weights, weights, atol=1e-4 * np.abs(weights).max())
    np.testing.assert_allclose(ours.bias, bias, atol=1e-4 * np.abs(weights).max())
    assert (ours.predict(x) == theirs.predict(x)).all()


@pytest.mark.parametrize(("count", "width"), [(300, 60), (60, 300)])
@pytest.mark.parametrize("strength", [1e-4, 1e-2])
def test_the_machine_for_many_images_agrees_with_that_of_scikit_learn(count, width, strength, monkeypatch):
    monkeypatch.setattr(svm, "PIECE_BYTES", 4 * width * 32)  # read in pieces of 32 images
    x, labels = problem(count, width, 3)
    fresh, _ = problem(1000, width, 3, seed=1)
    ours = svm.fitted(x, labels, strength, 3)
    theirs = LinearSVC(C=strength, dual=False, tol=1e-8, max_iter=10_000).fit(x, labels)
    best = objective(theirs.coef_.T, theirs.intercept_, x, labels, strength)
    assert best * (1 - 1e-6) <= objective(ours.weights, ours.bias, x, labels, strength) <= best * 1.001
    assert np.mean(ours.predict(fresh) == theirs.predict(fresh)) >= 0.99


def test_a_target_of_0_leaves_an_image_out():
    x, labels = problem(90, 20, 3)
    targets = np.where(labels[:, None] == np.arange(3), 1, -1).astype(np.int8)
    targets[60:] = 0
    weights, alone = svm.many(x, targets, 1e-2), svm.many(x[:60], targets[:60], 1e-2)
    np.testing.assert_allclose(weights, alone, atol=2e-3 * np.abs(alone).max())


def test_the_change_of_variables_can_be_undone_and_shortens_the_descent(monkeypatch):
    x, labels = problem(400, 100, 3)
    x += 20 * np.random.default_rng(0).standard_normal((400, 1)).astype(np.float32)  # one direction outdoes all others
    bend, weights = svm.Bend.of(x), np.random.default_rng(1).standard_normal((101, 3))
    np.testing.assert_allclose(bend.stretch(bend.stretch(weights, 0.1), 0.1, back=True), weights, atol=1e-9)
    np.testing.assert_allclose(bend.directions.T @ bend.directions, np.eye(50), atol=1e-9)
    passes = []
    monkeypatch.setattr(svm, "pieces", lambda features: passes.append(1) or [slice(0, len(features))])
    svm.fitted(x, labels, 0.1, 3)
    bent = len(passes)
    monkeypatch.setattr(svm.Bend, "stretch", lambda self, variables, strength, back=False: variables)
    svm.fitted(x, labels, 0.1, 3)
    assert bent < (len(passes) - bent) / 2


def test_scipys_blas_takes_the_steps_on_one_thread_and_numpys_keeps_its_own(monkeypatch):
    def threads(scipys: bool) -> set[int]:
        blas = [library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"]
        return {library.num_threads for library in blas if svm._is_scipys(Path(library.filepath)) == scipys}

    before, during, minimize = [threads(True), threads(False)], [], svm.minimize
    if not before[0]:
        pytest.skip("SciPy was built on a BLAS that it shares")
    monkeypatch.setattr(
        svm,
        "minimize",
        lambda *args, **kwargs: during.append([threads(True), threads(False)]) or minimize(*args, **kwargs),
    )
    x, labels = problem(60, 20, 3)
    svm.fitted(x, labels, 0.1, 3)
    assert during == [[{1}, before[1]]]
    assert [threads(True), threads(False)] == before


def test_cross_validation_chooses_what_is_best_for_images_that_a_machine_has_not_seen():
    x, labels = problem(3000, 60, 3)
    (x, fresh), (labels, answers) = np.split(x, [300]), np.split(labels, [300])
    tried = [strength / svm.total_variance(x) for strength in svm.STRENGTHS]
    accuracy = {c: np.mean(svm.fitted(x, labels, c, 3).predict(fresh) == answers) for c in tried}
    chosen = svm.choose_strength(x, labels, 3)
    assert min(accuracy.values()) < max(accuracy.values()) - 0.04
    assert accuracy[chosen] > max(accuracy.values()) - 0.02
    assert svm.choose_strength(2 * x, labels, 3) == pytest.approx(chosen / 4, rel=1e-3)
    # One feature for each image: whoever is judged by images it has seen is always right, others are by chance.
    names, random = np.eye(240, dtype=np.float32), np.random.default_rng(0).permutation(labels)
    assert svm.choose_strength(names, random, 3) == pytest.approx(svm.STRENGTHS[0] / (1 - 1 / 240))


@pytest.mark.parametrize("broken", ["nothing", "the same", "no number", "infinite"])
def test_features_of_a_broken_network_are_refused_in_a_sentence(broken):
    x, labels = problem(60, 20, 3)
    x = x.copy()
    if broken in ("nothing", "the same"):
        x[:] = 0.0 if broken == "nothing" else 0.1
    else:
        x[7, 3] = np.nan if broken == "no number" else np.inf
    with pytest.raises(InputError, match="finite, and not the same of all images. Received: those of 60 images"):
        svm.choose_strength(x, labels, 3)


# --- controls ---------------------------------------------------------------------------------------------------------


def test_codes_of_k_means_are_triangles_of_whitened_patches_added_up_in_quarters(monkeypatch):
    images = noise(30)
    mean, whitening = (
        np.linspace(-0.1, 0.1, 108).astype(np.float32),
        np.random.default_rng(1).normal(0, 0.3, (108, 108)),
    )
    centres = np.random.default_rng(2).standard_normal((4, 108)).astype(np.float32)
    given = np.asarray(controls._triangles(images[:2], mean, whitening.astype(np.float32), centres))
    codes = np.zeros((2, 27, 27, 4))
    for number in range(2):
        for row in range(27):
            for column in range(27):
                patch = images[number, row : row + 6, column : column + 6].reshape(-1).astype(float)
                patch = (patch - patch.mean()) / np.sqrt(patch.var(ddof=1) + 10)
                distance = np.linalg.norm((patch - mean) @ whitening - centres, axis=1)
                codes[number, row, column] = np.maximum(0, distance.mean() - distance)
    quarters = [
        codes[:, a, b].sum((1, 2)) for b in (slice(0, 14), slice(14, 27)) for a in (slice(0, 14), slice(14, 27))
    ]
    np.testing.assert_allclose(given, np.concatenate(quarters, 1), rtol=1e-3, atol=1e-2)


def test_k_means_looks_at_few_images_at_a_time_also_when_it_finds_its_scale(monkeypatch):
    """1,000 images at once have 4.7 GB of distances to 1,600 centroids."""
    looked, triangles = [], controls._triangles
    monkeypatch.setattr(controls, "_triangles", lambda images, *a: looked.append(len(images)) or triangles(images, *a))
    part = part_of(noise(40))
    assert controls.k_means(part, 3, 100)(part.images()).shape == (40, 12)
    assert sum(looked) == 2 * 40 and max(looked) == controls.AT_ONCE


def test_k_means_gives_four_standardised_features_for_each_centroid_and_the_same_again():
    part = part_of(noise(30))
    one, same, other = (controls.k_means(part, 5, 400, seed)(part.images()) for seed in (0, 0, 1))
    assert one.shape == (30, 20) and np.abs(one.mean(0)).max() < 1e-3 and 0.3 < one.std() < 1.1
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("count", [60, 200], ids=["few", "more than values in an image"])
def test_principal_components_are_uncorrelated_and_partly_whitened(count):
    images = noise(count)[:, :8, :8] // 8 + np.linspace(0, 200, count).astype(np.uint8)[:, None, None, None]
    part = part_of(images)
    values = controls.principal_components(part, 10, 8)(images).astype(float)
    covariance = np.cov(values, rowvar=False, ddof=0)
    variances = np.linalg.svd((f := scale(images).reshape(count, -1)) - f.mean(0))[1][:10] ** 2 / count
    np.testing.assert_allclose(np.diag(covariance), variances / (variances + f.var(0).mean()), rtol=2e-3)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-4
    assert controls.principal_components(part, 28_672, 8).card["features"] == min(count - 1, 8 * 8 * 3)  # all there are


def test_the_same_architecture_learns_with_labels_and_leaves_the_discriminator_alone(network):
    labels = np.arange(60) % 2
    part = part_of((noise(60) // 4 + 150 * labels[:, None, None, None]).astype(np.uint8), labels)
    before = [w.copy() for layer in network.layers for w in layer.get_weights()]
    classifier = controls.train_with_labels(network, part, 2, 12, 1e-3, np.random.default_rng(0))
    assert np.mean(controls.predictions(classifier, part) == labels) > 0.9
    after = [w for layer in network.layers for w in layer.get_weights()]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_fixed_statistics_are_of_batches_as_mixed_as_those_of_training_however_rows_are_sorted(network, monkeypatch):
    labels = np.repeat([0, 1], 256)
    images = (255 * labels[:, None, None, None] * np.ones((1, 32, 32, 3))).astype(np.uint8)
    part, seen = part_of(images, labels), []
    monkeypatch.setattr(controls, "fix_statistics", lambda layers, batches: seen.extend(map(np.asarray, batches)))
    controls.train_with_labels(network, part, 2, 1, 1e-3, np.random.default_rng(0))
    assert sum(map(len, seen)) == 512
    assert all(-0.5 < batch.mean() < 0.5 for batch in seen if len(batch) >= 64)  # black is -1, white 1


def test_a_discriminator_with_a_hidden_dense_layer_learns_with_labels_too():
    hidden = [layers.Flatten(), layers.Dense(8), layers.LeakyReLU(), layers.Dense(1)]
    deep = keras.Sequential([keras.Input((32, 32, 3)), layers.Conv2D(4, 3, strides=4), layers.LeakyReLU(), *hidden])
    labels = np.arange(20) % 2
    part, random = part_of(noise(20), labels), np.random.default_rng(0)
    classifier = controls.train_with_labels(fixed_discriminator(deep), part, 3, 2, 1e-3, random)
    assert classifier(scale(noise(20))).shape == (20, 3)


# --- the experiments --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """SVHN and CIFAR-10 in the genuine form, small; the classes differ a little in colour, among noise."""
    home, random = tmp_path_factory.mktemp("data"), np.random.default_rng(3)
    colours = random.integers(40, 200, (10, 3))

    def pictures(count):
        labels = np.arange(count) % 10
        images = colours[labels][:, None, None, :] + random.integers(-40, 56, (count, 32, 32, 3))
        return images.astype(np.uint8), labels

    genuine.write_svhn(home / "svhn", *pictures(300))
    genuine.write_svhn(home / "svhn", *pictures(60), "test")
    genuine.write_cifar10(home / "cifar10", *pictures(240), unpacked=True)
    return home


@pytest.fixture
def measured(capsys, monkeypatch, model, data_dir):
    """Runs the command on the tiny network; gives what it prints, or its record."""
    monkeypatch.setattr(Cifar10, "RECORDS", 40)

    def run(*options, as_json=True):
        file = str(model.model("discriminator"))
        words = ["features", file, "--scale", "smallest", "--data-dir", str(data_dir), *options]
        code = cli.main([*words, *(["--json"] if as_json else [])])
        out, err = capsys.readouterr()
        assert code == 0, err
        return json.loads(out) if as_json else out

    return run


def test_svhn_with_its_two_files_gives_the_papers_figure_in_one_line(measured, monkeypatch):
    widths = []  # of principal components, which take seconds at this size
    monkeypatch.setattr(controls, "principal_components", lambda _, width, size: widths.append(width) or PIXELS)
    record = measured("--labels", "40", "--without", "supervised", "imagenet")
    assert record["protocol"] == "svhn" and record["data"]["title"] == "SVHN"
    assert (record["data"]["train"], record["data"]["validation"], record["data"]["test"]) == (240, 60, 60)
    assert record["data"]["labels"] == 40 and not record["data"]["test_set_apart"]
    rows = {row["kind"]: row for row in record["rows"]}
    assert list(rows) == ["model", "random", "pixels", "components", "k_means"] and widths == [448]
    assert rows["model"]["features"] == rows["random"]["features"] == 448 and rows["pixels"]["features"] == 3072
    for row in rows.values():
        assert row["strength"] in SVHN_STRENGTHS and row["each"]["draws"] == 2
        assert row["accuracy"]["low"] <= row["accuracy"]["value"] <= row["accuracy"]["high"]
        assert row["accuracy"]["value"] == pytest.approx(row["each"]["mean"])
    assert rows["pixels"]["accuracy"]["value"] > 0.5
    ahead = rows["model"]["accuracy"]["value"] - rows["random"]["accuracy"]["value"]
    assert record["margin"]["value"] == pytest.approx(ahead) and record["margin"]["low"] <= ahead
    published = {row["name"]: row["value"] for row in record["published"]}
    assert published["DCGAN + L2-SVM"] == 22.48 and published["KNN"] == 77.93 and len(published) == 9


def test_the_table_marks_what_is_published_and_what_was_measured_and_on_what(measured):
    text = measured("--labels", "40", "--without", "components", "k_means", "supervised", "imagenet", as_json=False)
    rows = [line for line in text.splitlines() if line.endswith(("measured", "published, SVHN"))]
    assert len(rows) == 12 and "22.48" in rows[-2] and rows[-2].endswith("published, SVHN")
    assert "240 images to learn from (4 of each class), 60 for validation, 60 to be judged by;" in text
    assert "ahead of the same network with random weights by" in text and "not to be set beside" in text


def test_cifar_gives_an_interval_a_row_and_is_not_measured_twice(measured, monkeypatch):
    monkeypatch.setattr(protocols, "FEW", 5)
    monkeypatch.setattr(comparison, "FEW", 5)
    monkeypatch.setattr(controls, "RATES", (1e-3,))
    without = ("--without", "pixels", "components", "imagenet")
    record = measured("--data", "cifar10", *without)
    rows = {row["kind"]: row for row in record["rows"]}
    assert list(rows) == ["model", "random", "k_means", "supervised"] and record["protocol"] == "cifar"
    assert record["data"]["train"] == 200 and record["data"]["test"] == 40 and record["data"]["labels"] == 200
    assert rows["k_means"]["accuracy"]["value"] > 0.3 and rows["k_means"]["few"]["draws"] == 1
    assert rows["supervised"]["features"] is None and rows["supervised"]["strength"] is None
    monkeypatch.setattr(protocols.svm, "choose_strength", None)  # whoever asks for it fails
    assert measured("--data", "cifar10", *without) == record


@pytest.mark.parametrize(("labels", "draws"), [("8", None), ("10", 1), ("12", 3)])
def test_classes_of_just_as_many_as_the_second_column_draws_are_drawn_once(
    measured, monkeypatch, tmp_path, labels, draws
):
    """There is one draw of all that there is, so it has no spread."""
    monkeypatch.setattr(protocols, "FEW", 5)
    monkeypatch.setattr(comparison, "FEW", 5)
    monkeypatch.setitem(SIZES, "smallest", dataclasses.replace(SIZES["smallest"], few_draws=3))
    np.savez(tmp_path / "two.npz", images=noise(60), labels=np.arange(60) % 2)
    (row,) = measured("--data", str(tmp_path / "two.npz"), "--labels", labels, "--without", *KINDS)["rows"]
    few = row.get("few", {"draws": None, "spread": None})
    assert few["draws"] == draws and (few["spread"] is None) == (draws != 3)


@pytest.mark.parametrize(("labels", "draws"), [(5, (1, 1)), (4, (10, 100))])
def test_all_labels_of_all_classes_are_drawn_once_for_the_papers_figure_too(tmp_path, labels, draws):
    part = part_of(noise(20), np.arange(20) % 4)
    split = protocols.Split(part, part, part, labels, 4)
    assert comparison._Bench(split, "svhn", SIZES["report"], 0, tmp_path, progress=False).draws == draws


@pytest.mark.parametrize(("protocol", "title", "labels"), [("cifar", "CIFAR-10", 50_000), ("svhn", "SVHN", 1_000)])
def test_published_rows_stand_beside_what_was_measured_on_as_many_labels_alone(protocol, title, labels):
    def cautious(**changes):
        data = {"title": title, "train": 60_000, "validation": 0, "test": 10_000, "labels": labels, "classes": 10}
        data |= {"test_seen": False, "test_set_apart": False} | changes
        published = [{"name": "x", "about": "", "value": 1.0, "few": 1.0, "spread": 1.0, "measured_on": title}]
        record = {"protocol": protocol, "scale": "report", "seed": 0, "data": data, "rows": [], "published": published}
        text = _in_words(record | {"margin": None, "missing": {}})
        told = f"The published rows are from {labels:,} labels of {title}, by protocols of their own; not to be set"
        assert (told in text) == ("not to be set beside" in text)
        return told in text

    assert not cautious() and cautious(labels=labels // 2) and cautious(title="other")


@pytest.mark.parametrize("protocol", ["cifar", "svhn"])
def test_what_is_drawn_once_has_no_spread_and_of_several_it_is_that_of_a_sample(protocol):
    name, column, form = {"cifar": ("few", "400 a class", ".1f"), "svhn": ("each", "error %", ".2f")}[protocol]

    def shown(*accuracies):
        row = comparison._row(Outcome(np.ones(4), 1.0, **{name: np.array(accuracies)}), 0)
        record = {"protocol": protocol, "rows": [row | {"name": "some", "features": 1}], "published": []}
        (line,) = comparison.as_table(record)
        return row[name], line

    kept, line = shown(0.5)
    assert kept == {"mean": 0.5, "spread": None, "draws": 1} and line["±"] == "" and line[column]
    kept, line = shown(0.5, 0.6, 0.7)
    assert kept["spread"] == pytest.approx(1.96 * 0.1) and line["±"] == f"{19.6:{form}}"


@pytest.mark.parametrize(("images", "judged"), [(24, LEAST_CASES - 1), (27, LEAST_CASES)])
@pytest.mark.parametrize("protocol", ["cifar", "svhn"])
def test_an_interval_is_told_of_test_images_enough_and_no_reader_misses_its_ends(
    measured, tmp_path, protocol, images, judged
):
    np.savez(tmp_path / "two.npz", images=noise(images), labels=np.arange(images) % 2)
    without = ("--without", "pixels", "components", "k_means", "imagenet", "supervised")
    options = ("--protocol", protocol, "--labels", "6" if protocol == "cifar" else "4")
    record = measured("--data", str(tmp_path / "two.npz"), *options, *without)
    assert record["data"]["test"] == judged
    found, told = [*(row["accuracy"] for row in record["rows"]), record["margin"]], judged >= LEAST_CASES
    assert len(found) == 3 and all({"low", "high"} <= each.keys() if told else "low" not in each for each in found)
    assert [bool(row["95%"]) for row in comparison.as_table(record)[:2]] == [told, told]
    text = _in_words(record)
    assert ("points (95%, over test images: " in text) == told and ("points." in text) != told and "nan" not in text


@pytest.mark.parametrize("judged", [LEAST_CASES - 1, LEAST_CASES])
def test_how_well_factors_are_read_of_few_images_is_told_without_ends(judged):
    right = np.random.default_rng(0).random((3, judged)) < 0.5
    accuracy = Reading(right, np.zeros(3)).accuracy
    assert accuracy.value == pytest.approx(right.mean()) and accuracy.is_alone == (judged < LEAST_CASES)


def test_six_labels_leave_one_image_to_choose_a_step_size_by(measured, monkeypatch, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "two.npz", images=images, labels=np.arange(60) % 2)
    monkeypatch.setattr(controls, "RATES", (1e-3,))
    others = ("random", "pixels", "components", "k_means", "imagenet")
    record = measured("--data", str(tmp_path / "two.npz"), "--labels", "6", "--without", *others)
    assert [row["kind"] for row in record["rows"]] == ["model", "supervised"]


def test_draws_are_the_same_for_all_features_and_never_leave_the_training_part(monkeypatch, tmp_path):
    labels = np.arange(200) % 4
    whole = part_of(noise(200), labels)
    split = protocols.Split(whole.take(slice(0, 120)), whole.take(slice(160, 200)), whole.take(slice(120, 160)), 5, 4)
    seen = []

    def few(x, y, strength, classes):
        seen.append((x[:, 0].astype(int).tolist(), y.tolist(), strength))
        return svm.Machine(np.zeros((x.shape[1], classes), np.float32), np.arange(classes, dtype=np.float32))

    monkeypatch.setattr(svm, "few", few)
    for factor in (1, 2):
        outcome = protocols.svhn(split, lambda part: factor * part.rows[:, None].astype(np.float32), 0, 3, 6)
    one, other = seen[: 7 * 3 + 6], seen[7 * 3 + 6 :]
    assert [(np.array(rows) * 2).tolist() for rows, *_ in one] == [rows for rows, *_ in other]
    for rows, answers, _ in one:
        assert len(set(rows)) == 20 and max(rows) < 120 and (np.bincount(answers) == 5).all()
    assert len({tuple(rows) for rows, *_ in one}) == 27  # each draw is another, also for another C
    assert [c for *_, c in one] == [*np.repeat(SVHN_STRENGTHS, 3), *[SVHN_STRENGTHS[0]] * 6]
    assert outcome.right.mean() == 0.25 and len(outcome.each) == 6  # always the last class
    again = Outcome.of(json.loads(json.dumps(outcome.plain())))
    assert again.right.tolist() == outcome.right.tolist() and again.strength == outcome.strength


# --- which images -----------------------------------------------------------------------------------------------------


def pictures_in(part):
    return [image.tobytes() for image in part.images()]


def split_of(data, protocol="cifar", labels=None, home=None, scale="smallest"):
    return comparison.split_for(data, 32, protocol, labels, SIZES[scale], data_dir=home, progress=False)


@pytest.fixture
def repeated(tmp_path):
    """200 pictures of two classes in a file of a user: 130 different ones, of which 70 are there twice."""
    images, labels = np.concatenate([noise(130), noise(130)[:70]]), np.arange(130) % 2
    np.savez(tmp_path / "repeated.npz", images=images, labels=np.concatenate([labels, labels[:70]]))
    return str(tmp_path / "repeated.npz")


@pytest.mark.parametrize("scale", ["smallest", "report"])
@pytest.mark.parametrize(("protocol", "labels"), [("cifar", None), ("cifar", 20), ("svhn", 20)])
def test_no_picture_that_is_judged_has_an_exact_copy_among_those_to_learn_from(
    repeated, tmp_path, protocol, labels, scale
):
    for data in (DataConfig(repeated), DataConfig(repeated, count=100), DataConfig(repeated, dedup="exact")):
        split = split_of(data, protocol, labels, tmp_path / "data", scale)
        learned = pictures_in(split.train) + (pictures_in(split.validation) if split.validation else [])
        assert len(split.test) > 10 and not set(pictures_in(split.test)) & set(learned)


def test_copies_in_a_folder_of_test_pictures_are_not_judged(tmp_path):
    for split, count in (("train", 24), ("test", 10)):
        for number, picture in enumerate(noise(count, seed=len(split))):
            file = tmp_path / "pets" / split / ("cat", "dog")[number % 2] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(file)
    for number in range(4):
        folder = ("cat", "dog")[number % 2]
        shutil.copy(tmp_path / "pets/train" / folder / f"{number}.png", tmp_path / "pets/test" / folder / "copy.png")
    for most in ("smallest", "report"):
        split = split_of(DataConfig(str(tmp_path / "pets")), home=tmp_path / "data", scale=most)
        assert set(pictures_in(split.test)) == {picture.tobytes() for picture in noise(10, seed=4)}
        assert len(split.train) == 24


def test_what_a_training_without_repeats_left_out_is_not_learned_from_either(repeated, tmp_path):
    split = split_of(DataConfig(repeated, dedup="exact"), home=tmp_path / "data")
    assert len(split.train) + len(split.test) == 130
    assert len(set(pictures_in(split.train) + pictures_in(split.test))) == 130


def test_pictures_of_which_all_that_are_set_apart_are_copies_cannot_be_judged(tmp_path):
    np.savez(tmp_path / "one.npz", images=np.repeat(noise(2), 20, axis=0), labels=np.arange(40) // 20)
    with pytest.raises(InputError, match="All 12 images of one that were set apart .* are exact copies of others to"):
        split_of(DataConfig(str(tmp_path / "one.npz")), home=tmp_path / "data")


@pytest.mark.parametrize(("count", "learned", "judged"), [(100, 100, 30), (150, 150, 45), (170, 119, 51)])
def test_images_behind_those_to_learn_from_judge_where_they_are_enough(tmp_path, count, learned, judged):
    np.savez(tmp_path / "mine.npz", images=noise(200), labels=np.arange(200) % 2)
    split = split_of(DataConfig(str(tmp_path / "mine.npz"), count=count), home=tmp_path / "data")
    first = {image.tobytes() for image in load(tmp_path / "mine.npz", 32, count, data_dir=tmp_path / "data").images}
    there = set(pictures_in(split.test))
    assert len(split.train) == learned and set(pictures_in(split.train)) <= first and len(there) == judged
    assert not there & first if learned == count else there <= first - set(pictures_in(split.train))


def test_the_test_file_of_a_dataset_of_the_catalogue_stays_as_it_was_published(data_dir):
    split, test = split_of(DataConfig("svhn"), "svhn", 20, data_dir), load("svhn", 32, split="test", data_dir=data_dir)
    np.testing.assert_array_equal(split.test.images(), test.images)


@pytest.mark.parametrize(
    ("trained_on", "count", "seen", "words"),
    [
        ("mine", None, True, "(set apart from the same images, which the network has seen, without labels)"),
        ("mine", 150, False, "45 to be judged by;"),
        ("svhn", None, False, "(set apart from the same images)"),
        (None, None, "unknown", "(set apart from the same images)"),
    ],
)
def test_a_record_says_whether_the_network_has_seen_what_judges_it(model, tmp_path, trained_on, count, seen, words):
    np.savez(tmp_path / "mine.npz", images=noise(200), labels=np.arange(200) % 2)
    data = DataConfig(str(tmp_path / "mine.npz"), count=count)
    name = data.name if trained_on == "mine" else trained_on
    experiment = trained_on and replace(TINY, name=name, count=count)
    network = TrainedNetwork("tiny", model.model("discriminator"), tmp_path, experiment=experiment)
    how = {"labels": 6, "scale": "smallest", "without": tuple(KINDS), "data_dir": tmp_path / "data"}
    record = comparison.compare(network, data, "svhn", progress=False, **how)
    assert record["data"]["test_seen"] == seen and record["data"]["test_set_apart"] == (count is None)
    assert words in _in_words(record)


# --- wrong uses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--data", "{known}"],
            "known has no labels (its attributes are no classes), which a classifier learns",
        ),
        (["--data", "{plain}"], "plain has no labels, which a classifier learns from: name a dataset that has"),
        (["--data", "{dates}"], "number these from 0 without gaps, or name them in label_names. Received"),
        (
            ["--data", "{alike}"],
            "A classifier tells two classes apart, or more. Received: 20 images of alike, all labelled 0;",
        ),
        (
            ["--data", "{alike}", "--protocol", "svhn", "--labels", "4"],
            "Received: 20 images of alike, all labelled 0; add",
        ),
        (["--data", "{small}"], "This model looks at images of 32x32 pixels, and those of small are smaller"),
        (["--labels", "400"], "--labels 400 asks for 40 images of each class, and there are only"),
        (["--labels", "9"], "--labels must be at least 10, one of each class. Received: 9."),
        (["--data", "cifar10", "--labels", "500"], "to draw from in CIFAR-10: ask for at most"),
        (["--without", "kmeans"], "--without must be one of random, pixels, components, k_means, imagenet, supervised"),
    ],
)
def test_wrong_uses_get_one_sentence(capsys, monkeypatch, tmp_path, model, data_dir, options, words):
    monkeypatch.setattr(Cifar10, "RECORDS", 40)
    np.savez(tmp_path / "plain.npz", images=noise(20))
    np.savez(tmp_path / "small.npz", images=noise(20)[:, :16, :16], labels=np.arange(20) % 2)
    known = {"attributes": np.ones((20, 1), np.uint8), "attribute_names": np.array(["Smiling"])}
    np.savez(tmp_path / "known.npz", images=noise(20), **known)
    np.savez(tmp_path / "dates.npz", images=noise(20), labels=20240101 + np.arange(20))
    np.savez(tmp_path / "alike.npz", images=noise(20), labels=np.zeros(20, int))
    files = {name: tmp_path / f"{name}.npz" for name in ("plain", "small", "known", "dates", "alike")}
    options = [option.format(**files) for option in options]
    file = str(model.model("discriminator"))
    assert cli.main(["features", file, "--scale", "smallest", "--data-dir", str(data_dir), *options]) == 2
    out, err = capsys.readouterr()
    assert out == "" and words in err.splitlines()[-1] and err.splitlines()[-1].startswith("dcgan: ")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--labels", "29"], "--labels must be at least 30, 3 of each class, for cross-validation. Received: 29."),
        (["--labels", "0"], "--labels must be at least 30, 3 of each class, for cross-validation. Received: 0."),
        (["--labels", "9", "--protocol", "svhn"], "--labels must be at least 10, one of each class. Received: 9."),
        (["--labels", "20010"], "asks for 2,001 images of each class, and there are only 20,000 of all 10 classes"),
        (["--labels", "9000", "--protocol", "svhn"], "900 images of each class, and there are only 8,000 of all"),
        (["--data", "faces"], "built-in faces has no labels (its attributes are no classes), which a classifier"),
    ],
)
def test_labels_that_cannot_be_had_are_refused_before_a_picture_is_drawn(capsys, tmp_path, options, words):
    assert cli.main(["features", "house_numbers", "--data-dir", str(tmp_path), *options]) == 2
    assert words in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("protocol", "least"), [("cifar", 3), ("svhn", 1)])
def test_labels_of_classes_without_names_are_refused_too_before_any_image_is_read(tmp_path, protocol, least):
    np.savez(tmp_path / "two.npz", images=noise(60), labels=np.arange(60) % 2)
    data, home = DataConfig(str(tmp_path / "two.npz")), tmp_path / "data"
    for labels in range(-1, least):
        with pytest.raises(InputError, match=f"--labels must be at least {least}, .*Received: {labels}"):
            split_of(data, protocol, labels, home)
    assert not home.exists()
    expect_enough(data, protocol, least, SIZES["smallest"], home)
    with pytest.raises(InputError, match=f"--labels must be at least {2 * least}, .*Received: {2 * least - 1}"):
        split_of(data, protocol, 2 * least - 1, home)  # once it is known how many classes there are


def test_cross_validation_without_enough_of_a_class_is_refused_in_words_of_its_own(tmp_path):
    np.savez(tmp_path / "rare.npz", images=noise(60), labels=(np.arange(60) < 2).astype(int))
    with pytest.raises(InputError, match="^Cross-validation takes 3 images of each class. Received: [0-2] of class 1,"):
        split_of(DataConfig(str(tmp_path / "rare.npz")), home=tmp_path / "data")


@pytest.mark.parametrize(("protocol", "labels"), [("cifar", None), ("svhn", 4)])
def test_images_of_one_class_among_those_to_learn_from_leave_nothing_to_tell_apart(tmp_path, protocol, labels):
    np.savez(tmp_path / "rare.npz", images=noise(200), labels=(np.arange(200) == 199).astype(int))
    with pytest.raises(InputError, match="Received: 40 images of rare, all labelled 0; add images of other classes"):
        split_of(DataConfig(str(tmp_path / "rare.npz"), count=40), protocol, labels, tmp_path / "data")


def test_parts_are_what_they_were_and_never_more_than_there_are():
    report, quick = SIZES["report"], SIZES["quick"]
    assert parts(73_257, True, "svhn", None, report) == (0, 10_000, 63_257)  # as in the authors' code
    assert parts(50_000, True, "cifar", None, report) == (0, 0, 50_000)
    assert parts(50_000, True, "cifar", None, quick) == (0, 0, 10_000)
    assert parts(50_000, True, "cifar", 40_000, quick) == (0, 0, 50_000)
    assert parts(73_257, True, "svhn", 1_000, quick) == (0, 2_000, 8_000)
    for images, known, protocol in itertools.product((9, 10, 777), (True, False), ("svhn", "cifar")):
        test, validation, train = parts(images, known, protocol, None, report)
        assert test + validation + train == images and (test == 0) == known


def test_every_kind_of_control_can_be_left_out_by_its_name(measured):
    record = measured("--labels", "20", "--without", *KINDS)
    assert [row["kind"] for row in record["rows"]] == ["model"] and record["margin"] is None
    assert record["left_out"] == list(KINDS) and record["missing"] == {}
