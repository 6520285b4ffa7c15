"""Grad-CAM, guided backpropagation, filters and activations, against networks whose answer is known by construction."""

import json

import imageio.v2 as imageio
import keras
import numpy as np
import pytest
from keras import layers
from known_networks import finder, squares

from utils.config import preset, replace
from utils.data import scale
from utils.errors import InputError
from utils.explain import draw, gradcam
from utils.explain.activations import activations, first_filters, neighbour_correlation
from utils.explain.fixed import fixed_discriminator
from utils.explain.gradcam import enlarge, grad_cam, grad_cam_over_epochs
from utils.explain.guided import filter_saliency, score_saliency, selectivity, strongest
from utils.explain.sections.gradcam import draw_grad_cam_film
from utils.models import build_discriminator, build_generator, forward, load_network
from utils.runs import Run


@pytest.fixture(scope="module")
def normalised():
    """A small discriminator with batch normalisation, and images."""
    model = replace(preset("quick"), width=0.125).model
    return build_discriminator(model), np.random.default_rng(3).integers(0, 256, (12, 32, 32, 3), np.uint8)


@pytest.fixture
def deep():
    """A float64 discriminator of two convolutions with LeakyReLU."""
    keras.utils.set_random_seed(4)
    parts = [
        layers.Conv2D(3, 3, padding="same", dtype="float64", name="first"),
        layers.LeakyReLU(0.2, dtype="float64"),
        layers.Conv2D(4, 3, strides=2, padding="same", dtype="float64", name="second"),
        layers.LeakyReLU(0.2, dtype="float64"),
        layers.Flatten(dtype="float64"),
        layers.Dense(1, activation="sigmoid", dtype="float64"),
    ]
    return keras.Sequential([keras.Input((8, 8, 3), dtype="float64"), *parts])


# --- the fixed discriminator ------------------------------------------------------------------------------------------


def test_a_fixed_discriminator_gives_its_reference_images_the_logits_that_they_have_as_one_batch(normalised):
    discriminator, images = normalised
    before = [np.asarray(v) for v in discriminator.variables]
    expected = forward(discriminator.layers[:-1], scale(images), training=False, statistics="batch")
    fixed = fixed_discriminator(discriminator, images)
    np.testing.assert_allclose(fixed.logits(images), np.asarray(expected)[:, 0], rtol=1e-5, atol=1e-6)
    # one image alone is judged as among the others
    np.testing.assert_allclose(fixed.logits(images[5:6]), np.asarray(expected)[5], rtol=1e-5, atol=1e-6)
    assert all(np.array_equal(a, b) for a, b in zip(before, discriminator.variables, strict=True))


def test_without_reference_images_the_moving_averages_decide(normalised):
    discriminator, images = normalised
    expected = np.asarray(discriminator(scale(images)))[:, 0]
    np.testing.assert_allclose(
        1 / (1 + np.exp(-fixed_discriminator(discriminator).logits(images))), expected, rtol=1e-5
    )


def test_a_sigmoid_built_into_the_last_layer_is_left_out_too(deep):
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    scores = np.asarray(deep(scale(images).astype(np.float64)))[:, 0]
    np.testing.assert_allclose(fixed_discriminator(deep).logits(images), np.log(scores / (1 - scores)), rtol=1e-5)


def test_randomising_changes_the_layers_from_the_place_named_and_gives_other_weights_than_training_began_with(
    normalised,
):
    discriminator, images = normalised
    fixed = fixed_discriminator(discriminator, images)
    random = fixed.randomised(seed=0, start=fixed.convolutions[2].start)
    for i, (old, new) in enumerate(zip(fixed.layers, random.layers)):
        if old.weights and not isinstance(old, layers.BatchNormalization):
            assert np.array_equal(old.kernel, new.kernel) == (i < fixed.convolutions[2].start)
    # with its own seed the last layer would come back as it was built
    assert np.asarray(random.layers[-1].kernel).std() == pytest.approx(0.02, rel=0.2)
    whole = fixed.randomised(0)  # the same draw, whatever else is random
    assert np.array_equal(random.layers[-1].kernel, whole.layers[-1].kernel)
    again, other = fixed.randomised(0, 0), fixed.randomised(1, 0)
    assert np.array_equal(again.logits(images), fixed.randomised(0, 0).logits(images))
    assert not np.allclose(again.logits(images), other.logits(images), rtol=1e-3)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (
            lambda: keras.Sequential([keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(1)]),
            "no convolution to look",
        ),
        (lambda: build_generator(replace(preset("quick"), width=0.05).model), "must be a Sequential model from square"),
        (
            lambda: keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(1, 8), layers.Flatten()]),
            "square RGB images",
        ),
        (
            lambda: keras.Sequential(
                [keras.Input((None, None, 3)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(), layers.Dense(1)]
            ),
            r"which says how large its images are. Received: Sequential from \(None, None, None, 3\)",
        ),
    ],
)
def test_a_model_that_is_no_discriminator_with_convolutions_is_refused(network, words):
    with pytest.raises(InputError, match=words):
        fixed_discriminator(network())


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((0, 16, 16, 3), np.uint8),
        np.zeros((2, 32, 32, 3), np.uint8),
        np.zeros((16, 16, 3), np.uint8),
        np.zeros((2, 16, 16, 3), np.float32),
    ],
    ids=["empty", "another size", "one picture", "scaled"],
)
def test_images_that_do_not_fit_are_refused_in_one_sentence_by_every_analysis(images):
    fixed = fixed_discriminator(finder(np.ones((4, 4))))
    for look in (
        fixed.logits,
        lambda i: grad_cam(fixed, i),
        lambda i: strongest(fixed, i),
        lambda i: score_saliency(fixed, i),
    ):
        with pytest.raises(InputError, match=r"uint8 images in \[0, 255\] of shape \(N, 16, 16, 3\), at least one"):
            look(images)


def test_a_layer_that_does_not_exist_is_refused_with_those_that_do(deep):
    fixed = fixed_discriminator(deep)
    with pytest.raises(InputError, match=r"no convolution 'third'; .*: 1 \(first\), 2 \(second\)\.$"):
        grad_cam(fixed, np.zeros((1, 8, 8, 3), np.uint8), "third")
    assert fixed.convolution("last") == fixed.convolution(2) == fixed.convolution("2") == fixed.convolution("second")


def test_a_convolution_over_the_whole_map_is_the_head_and_not_a_place_to_look_at():
    fixed = fixed_discriminator(build_discriminator(replace(preset("assignment64"), width=0.05).model))
    assert [c.side for c in fixed.convolutions] == [32, 16, 8, 4]


def test_a_score_is_of_true_or_of_fake():
    record = grad_cam(fixed_discriminator(finder(np.ones((4, 4)))), squares([(0, 0)]))
    with pytest.raises(InputError, match="must be 'true' or 'fake'. Received: 'cat'"):
        record.maps("cat")


# --- Grad-CAM ---------------------------------------------------------------------------------------------------------


def test_the_map_of_a_square_finder_is_its_activation_times_the_heads_weight():
    images = squares([(0, 0), (1, 3), (2, 2)])
    record = grad_cam(fixed_discriminator(finder(np.full((4, 4), 3.0))), images)
    expected = np.zeros((3, 4, 4))
    expected[[0, 1, 2], [0, 1, 2], [0, 3, 2]] = 3
    np.testing.assert_allclose(record.maps("true"), expected, atol=1e-6)
    np.testing.assert_allclose(record.weights, [[3, 0]] * 3, atol=1e-6)
    assert not record.maps("fake").any()
    np.testing.assert_allclose(record.logits, 3, rtol=1e-6)


def test_the_sign_decides_which_of_both_maps_a_square_is_on():
    record = grad_cam(fixed_discriminator(finder(np.full((4, 4), -2.0))), squares([(3, 1)]))
    assert not record.maps("true").any()
    assert record.maps("fake")[0, 3, 1] == pytest.approx(2) and record.maps("fake").sum() == pytest.approx(2)


def test_grad_cam_averages_the_heads_places_and_the_contributions_add_up_to_the_logit():
    weights = np.arange(16).reshape(4, 4) - 4.0
    images = squares([(0, 0), (3, 3), (1, 0)])
    record = grad_cam(fixed_discriminator(finder(weights, bias=0.5)), images)
    np.testing.assert_allclose(record.logits, [-3.5, 11.5, 0.5], atol=1e-5)
    # The first square speaks for fake, by -4, and Grad-CAM says that it speaks for true, by the mean weight of 3.5.
    assert record.combination[0, 0, 0] == pytest.approx(3.5)
    assert record.contributions[0, 0, 0] == pytest.approx(-4)
    np.testing.assert_allclose(record.contributions.sum((1, 2)), record.logits - 0.5, atol=1e-5)


@pytest.mark.parametrize("layer", ["first", "second"])
def test_the_weights_of_any_convolution_are_those_of_finite_differences(deep, layer):
    fixed = fixed_discriminator(deep)
    images = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3), np.uint8)
    record = grad_cam(fixed, images, layer)
    convolution = fixed.convolution(layer)
    maps = np.asarray(forward(fixed.body(convolution), scale(images).astype(np.float64), training=False))
    step = 1e-6
    for k in range(convolution.maps):
        # eq. 1 is the derivative along a change of the whole map, divided by its number of places
        along = step * (np.arange(convolution.maps) == k)
        above, below = (
            np.asarray(forward(fixed.head(convolution), m, training=False)) for m in (maps + along, maps - along)
        )
        expected = (above - below)[:, 0] / (2 * step) / maps[0, ..., 0].size
        np.testing.assert_allclose(record.weights[:, k], expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(
        record.combination, np.einsum("nk,nhwk->nhw", record.weights, maps), rtol=1e-4, atol=1e-6
    )


def test_whole_batches_give_what_single_images_give(normalised):
    discriminator, images = normalised
    fixed = fixed_discriminator(discriminator, images)
    whole, parts, single = (
        grad_cam(fixed, i, 2, batch_size=b) for i, b in ((images, 128), (images, 5), (images[7:8], 1))
    )
    np.testing.assert_allclose(whole.combination, parts.combination, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(whole.combination[7:8], single.combination, rtol=1e-4, atol=1e-7)


def test_the_strongest_place_of_either_map_has_heat_1_and_an_empty_map_none():
    record = grad_cam(fixed_discriminator(finder(np.full((4, 4), 3.0))), squares([(1, 2)]))
    assert record.heat("true").shape == (1, 16, 16) and record.heat("true").max() == pytest.approx(1, abs=1e-6)
    assert not record.heat("fake").any()
    heat = record.heat("true")[0]
    assert heat[4:8, 8:12].mean() > 5 * heat.mean()


def test_enlarging_keeps_places_where_they_are():
    maps = np.zeros((1, 4, 4), np.float32)
    maps[0, 0, 3] = 1
    large = enlarge(maps, 16)[0]
    np.testing.assert_allclose(large, large.T[::-1, ::-1], atol=1e-6)  # symmetric about the corner's diagonal
    assert large[0, 15] == 1 and large[8:, :8].max() == 0


def test_a_run_that_keeps_its_models_gives_a_record_for_every_epoch_and_others_a_sentence(
    tiny, noise_images, tmp_path, monkeypatch
):
    run = Run.create(tiny, {}, tmp_path)
    networks = {epoch: build_discriminator(tiny.model, seed=epoch) for epoch in (0, 1, 3)}
    for epoch, network in networks.items():
        run.model("discriminator", epoch).parent.mkdir(parents=True)
        network.save(run.model("discriminator", epoch))
    run.epochs_file.write_text("".join(json.dumps({"epoch": epoch}) + "\n" for epoch in range(4)))

    read = []
    monkeypatch.setattr(gradcam, "load_network", lambda path: read.append(path.parent.name) or load_network(path))
    records = grad_cam_over_epochs(run, noise_images[:3], layer=1)
    for number, (epoch, record) in enumerate(records, 1):
        assert len(read) == number  # one network and one record at a time, so that nothing grows with the epochs
        expected = grad_cam(fixed_discriminator(networks[epoch]), noise_images[:3], 1).combination
        np.testing.assert_allclose(record.combination, expected, rtol=1e-5, atol=1e-9)
    assert read == ["epoch_0000", "epoch_0001", "epoch_0003"]

    read.clear()
    film, gif = draw_grad_cam_film(grad_cam_over_epochs(run, noise_images[:3], layer=1), tmp_path / "film", shown=2)
    assert len(imageio.mimread(gif)) >= 3 and film.stat().st_size > 1000
    assert len(read) == 3  # both files in one pass

    for epoch in networks:
        run.model("discriminator", epoch).unlink()
    with pytest.raises(InputError, match="has kept no models of its epochs; train with --keep-models"):
        grad_cam_over_epochs(run, noise_images[:3])


# --- guided backpropagation -------------------------------------------------------------------------------------------


def test_where_nothing_is_negative_guided_backpropagation_is_the_plain_gradient_by_finite_differences(deep):
    deep.set_weights([np.abs(w) for w in deep.get_weights()])
    fixed = fixed_discriminator(deep)
    images = np.random.default_rng(2).integers(160, 256, (2, 8, 8, 3), np.uint8)  # positive once scaled
    scaled = scale(images).astype(np.float64)

    step = 1e-5
    moves = step * np.eye(8 * 8 * 3).reshape(-1, 8, 8, 3)
    above, below = (
        np.asarray(forward(fixed.layers, (scaled[:, None] + m).reshape(-1, 8, 8, 3), training=False))
        for m in (moves, -moves)
    )
    expected = ((above - below) / (2 * step)).reshape(scaled.shape)
    np.testing.assert_allclose(score_saliency(fixed, images), expected, rtol=1e-5)
    np.testing.assert_allclose(score_saliency(fixed, images, guided=False), expected, rtol=1e-5)


@pytest.mark.parametrize("built_in", [False, True], ids=["a layer of its own", "built into the convolution"])
def test_a_gradient_passes_only_where_forward_and_backward_are_positive_computed_by_hand(built_in):
    """Three 1x1 filters, a = red, b = -red, c = green; the logit is 2a + 3b - 5c after LeakyReLU of slope 0.2."""
    slope = lambda x: keras.activations.leaky_relu(x, 0.2)  # noqa: E731
    convolution = layers.Conv2D(3, 1, use_bias=False, activation="leaky_relu" if built_in else None)
    rectifier = [] if built_in else [layers.LeakyReLU(0.2)]
    head = [layers.Flatten(), layers.Dense(1, use_bias=False), layers.Activation("sigmoid")]
    network = keras.Sequential([keras.Input((2, 2, 3)), convolution, *rectifier, *head])
    kernel = np.array([[1, -1, 0], [0, 0, 1], [0, 0, 0]], np.float32).reshape(1, 1, 3, 3)
    network.set_weights([kernel, np.tile([2, 3, -5], 4).reshape(-1, 1)])
    image = np.full((1, 2, 2, 3), 255, np.uint8)
    image[0, 1] = 0  # the lower row is -1 once scaled
    fixed = fixed_discriminator(network)
    assert float(slope(-1.0)) == pytest.approx(-0.2)

    # Upper row: a is on and its gradient positive, so red gets 2; b is off; c is on, but its gradient is negative.
    # Lower row: a and c are off; b is on with gradient 3, which its filter turns into -3 for red.
    guided = score_saliency(fixed, image)[0]
    np.testing.assert_allclose(guided[0, 0], [2, 0, 0], atol=1e-6)
    np.testing.assert_allclose(guided[1, 0], [-3, 0, 0], atol=1e-6)
    plain = score_saliency(fixed, image, guided=False)[0]
    np.testing.assert_allclose(plain[0, 0], [2 - 0.2 * 3, -5, 0], atol=1e-6)
    np.testing.assert_allclose(plain[1, 0], [0.2 * 2 - 3, 0.2 * -5, 0], atol=1e-6)
    # For fake all gradients turn round: only c passes, in the upper row.
    fake = score_saliency(fixed, image, "fake")[0]
    np.testing.assert_allclose(fake[0, 0], [0, 5, 0], atol=1e-6)
    np.testing.assert_allclose(fake[1, 0], [0, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    "rectifier",
    [
        lambda: {"activation": layers.LeakyReLU(0.2)},
        lambda: {"activation": layers.PReLU(keras.initializers.Constant(0.2))},
        lambda: {"activation": layers.Activation("leaky_relu")},
        lambda: {"activation": "relu6"},
        lambda: layers.PReLU(keras.initializers.Constant(0.2)),
        lambda: layers.Activation(layers.LeakyReLU(0.2)),
        lambda: layers.Activation(keras.activations.relu6),
    ],
)
def test_every_kind_of_rectifier_has_the_rule_wherever_it_is(rectifier):
    """As a layer, or built into the convolution by name, as a function or as a layer. The logit is red - green."""
    made = rectifier()
    own, after = (made, []) if isinstance(made, dict) else ({}, [made])
    convolution = layers.Conv2D(2, 1, use_bias=False, **own)
    network = keras.Sequential(
        [keras.Input((2, 2, 3)), convolution, *after, layers.Flatten(), layers.Dense(1, use_bias=False)]
    )
    convolution.kernel.assign(np.array([[1, 0], [0, 1], [0, 0]], np.float32).reshape(1, 1, 3, 2))
    network.layers[-1].kernel.assign(np.tile([1, -1], 4).reshape(-1, 1))
    image = np.full((1, 2, 2, 3), 255, np.uint8)
    fixed = fixed_discriminator(network)
    np.testing.assert_allclose(fixed.logits(image), np.asarray(network(scale(image)))[:, 0])
    assert fixed.convolution(1).stop == 2  # its block ends behind the rectifier
    np.testing.assert_allclose(score_saliency(fixed, image, guided=False)[0, 0, 0], [1, -1, 0])
    np.testing.assert_allclose(score_saliency(fixed, image)[0, 0, 0], [1, 0, 0])


def test_the_strongest_images_are_those_of_a_search_over_everything_at_once(normalised, tmp_path):
    discriminator, images = normalised
    np.save(tmp_path / "images.npy", images)
    fixed = fixed_discriminator(discriminator, images)
    found = strongest(fixed, np.load(tmp_path / "images.npy", mmap_mode="r"), layer=3, top=4, batch_size=5)
    maps = np.asarray(forward(fixed.body(fixed.convolution(3)), scale(images), training=False))
    largest = maps.max((1, 2))
    for k in range(maps.shape[-1]):
        expected = np.argsort(-largest[:, k], kind="stable")[:4]
        np.testing.assert_array_equal(found.rows[k], expected)
        np.testing.assert_allclose(found.responses[k], largest[expected, k], rtol=1e-5)
        row, column = found.places[k, 0]
        assert maps[expected[0], row, column, k] == largest[expected[0], k]
    assert found.searched == 12


def test_among_equal_images_the_first_is_the_strongest():
    found = strongest(fixed_discriminator(finder(np.ones((4, 4)))), squares([(1, 1)] * 6), top=3, batch_size=2)
    np.testing.assert_array_equal(found.rows[0], [0, 1, 2])


def test_a_filters_saliency_is_its_kernel_at_its_strongest_place_and_nothing_elsewhere():
    images = squares([(0, 1), (2, 3)])
    fixed = fixed_discriminator(finder(np.ones((4, 4))))
    found = strongest(fixed, images)
    record = filter_saliency(fixed, images, found, [0, 1])
    assert record.places[0].tolist() == [[0, 1], [2, 3]]
    expected = np.zeros((16, 16, 3))
    expected[8:12, 12:16] = 1 / 48
    np.testing.assert_allclose(record.saliency[0, 1], expected, atol=1e-7)
    assert not record.saliency[1].any()  # a dead filter explains nothing
    with pytest.raises(InputError, match="have numbers from 0 to 1; .* Received: \\[2\\]"):
        filter_saliency(fixed, images, found, [2])


def test_a_filter_that_prefers_an_attribute_is_told_from_one_that_does_not():
    random = np.random.default_rng(0)
    attributes = (random.random((400, 3)) < 0.3).astype(np.uint8)
    having = np.flatnonzero(attributes[:, 1])[:20]
    found = strongest(fixed_discriminator(finder(np.ones((4, 4)))), squares([(0, 0)] * 400), top=20)
    found.rows[0], found.rows[1] = having, random.choice(400, 20, replace=False)
    found.responses[1] = 1
    record = selectivity(found, attributes, ("a", "b", "c"))
    assert record.selective.tolist() == [True, False] and record.best[0] == 1
    # all 20 have it: the chance of that is the product of drawing one after the other
    count = attributes[:, 1].sum()
    assert record.p_values[0, 1] == pytest.approx(np.prod((count - np.arange(20)) / (400 - np.arange(20))), rel=1e-6)
    assert record.telling
    with pytest.raises(InputError, match="those of the 400 searched images"):
        selectivity(found, attributes[:5], ("a", "b", "c"))


@pytest.mark.parametrize(("count", "telling"), [(12, False), (50, False), (55, False), (100, True)])
def test_a_preference_is_told_only_where_there_are_images_enough_to_find_one(count, telling):
    """At most 50 strongest images: of 50 they are all that there are, and any filter's share is that of all."""
    found = strongest(fixed_discriminator(finder(np.ones((4, 4)))), squares([(0, 0)] * count), top=50)
    attributes = (np.arange(count) % 2)[:, None].astype(np.uint8)
    record = selectivity(found, attributes, ("odd",))
    assert record.telling == telling and (record.least <= record.p_values).all()
    if count <= 50:
        assert (record.p_values == 1).all()


# --- filters and activations ------------------------------------------------------------------------------------------


def test_activations_are_what_the_layers_give_one_after_the_other(normalised):
    discriminator, images = normalised
    record = activations(fixed_discriminator(discriminator), images[0])
    expected, x = [], scale(images[:1])
    for layer in discriminator.layers:
        x = layer(x, training=False)
        if isinstance(layer, layers.LeakyReLU):
            expected.append(np.asarray(x)[0])
    assert len(record.maps) == len(expected) == 4
    for maps, wanted in zip(record.maps, expected):
        np.testing.assert_allclose(maps, wanted, rtol=1e-4, atol=1e-6)


def test_first_filters_are_the_kernels_and_smooth_ones_are_told_from_random_ones(normalised):
    discriminator, _ = normalised
    filters = first_filters(fixed_discriminator(discriminator))
    np.testing.assert_array_equal(filters.trained[2], np.asarray(discriminator.layers[0].kernel)[..., 2])
    assert filters.random.shape == filters.trained.shape and not np.allclose(filters.random, filters.trained)
    edges = np.broadcast_to(np.linspace(-1, 1, 5)[:, None, None], (40, 5, 5, 3))
    assert neighbour_correlation(edges) > 0.8
    assert abs(neighbour_correlation(np.random.default_rng(0).standard_normal((200, 5, 5, 3)))) < 0.03


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_an_overlay_leaves_what_has_no_heat_and_colours_go_from_blue_to_red():
    images = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 3), np.uint8)
    heat = np.zeros((1, 4, 4))
    heat[0, 0, 0] = 1
    laid = draw.overlay(images, heat)
    np.testing.assert_array_equal(laid[0].reshape(-1, 3)[1:], images[0].reshape(-1, 3)[1:])
    assert not np.array_equal(laid[0, 0, 0], images[0, 0, 0])
    (red, _, blue), (low_red, _, low_blue) = (
        draw.colour(np.array([[[0.95]]]))[0, 0, 0],
        draw.colour(np.array([[[0.1]]]))[0, 0, 0],
    )
    assert red > 150 > 50 > blue and low_blue > 100 > low_red


def test_zero_is_grey_and_the_largest_magnitude_black_or_white():
    assert draw.around_grey(np.array([-2.0, 0, 1, 2])).tolist() == [0, 128, 191, 255]
    assert draw.around_grey(np.zeros((2, 2))).tolist() == [[128, 128], [128, 128]]
