import keras
import numpy as np
import pytest
from keras import layers

from utils.config import preset, presets, replace
from utils.errors import InputError
from utils.models import build_combined, build_discriminator, build_generator, forward, load_generator, load_network


def sizes(network):
    return [sum(int(np.prod(w.shape)) for w in layer.weights) for layer in network.layers if layer.weights]


def test_report32_has_the_reports_parameter_counts():
    model = preset("report32").model
    assert build_generator(model).count_params() == 1_466_115
    # The dropout layer's random state is not a parameter.
    assert build_discriminator(model).count_params() == 522_497


def test_lab32_has_the_lab_reports_parameter_counts_layer_by_layer():
    model = preset("lab32").model
    generator, discriminator = build_generator(model), build_discriminator(model)
    assert sizes(generator) == [1638400, 65536, 819200, 512, 409600, 512, 204800, 256, 4800]
    assert sum(int(np.prod(w.shape)) for w in generator.non_trainable_weights) == 33_408
    assert discriminator.count_params() == 627_713


@pytest.mark.parametrize(("name", "features"), [("paper_svhn", 7_168), ("paper_cifar", 28_672)])
def test_pooling_every_block_to_4x4_gives_the_papers_number_of_features(name, features):
    discriminator = build_discriminator(preset(name).model)
    blocks = [layer for layer in discriminator.layers if isinstance(layer, layers.Conv2D)]
    assert sum(16 * block.filters for block in blocks) == features


def test_paper64_grows_from_1024_maps_of_4x4_as_in_figure_1():
    generator = build_generator(preset("paper64").model)
    shapes = [
        layer.output.shape[1:]
        for layer in generator.layers
        if isinstance(layer, (layers.Reshape, layers.Conv2DTranspose))
    ]
    assert shapes == [(4, 4, 1024), (8, 8, 512), (16, 16, 256), (32, 32, 128), (64, 64, 3)]


def test_assignment64_has_no_dense_layer():
    model = preset("assignment64").model
    for network in (build_generator(model), build_discriminator(model)):
        assert not any(isinstance(layer, layers.Dense) for layer in network.layers)


@pytest.mark.parametrize("name", presets())
def test_every_preset_makes_images_of_its_size_and_scores_between_0_and_1(name):
    model = replace(preset(name), width=0.05).model
    generator, discriminator = build_generator(model), build_discriminator(model)
    images = np.asarray(generator(np.random.default_rng(0).standard_normal((2, model.latent_dim), np.float32) * 9))
    assert images.shape == (2, model.image_size, model.image_size, 3)
    assert np.abs(images).max() <= 1
    scores = np.asarray(discriminator(images))
    assert scores.shape == (2, 1) and 0 < scores.min() <= scores.max() < 1


@pytest.mark.parametrize("name", presets())
def test_batch_normalisation_off_builds_none_and_on_builds_some(name):
    def count(arm):
        networks = [build(replace(preset(name), width=0.05, batch_norm=arm).model)
                    for build in (build_generator, build_discriminator)]  # fmt: skip
        return sum(isinstance(layer, layers.BatchNormalization) for n in networks for layer in n.layers)

    assert count("off") == 0
    assert count("on") > 0


def test_the_generators_output_and_the_discriminators_input_layer_are_not_normalised():
    model = preset("paper64").model
    generator, discriminator = build_generator(model), build_discriminator(model)
    assert [type(layer).__name__ for layer in generator.layers[-2:]] == ["Conv2DTranspose", "Activation"]
    assert [type(layer).__name__ for layer in discriminator.layers[:3]] == ["Conv2D", "LeakyReLU", "Conv2D"]


def test_normal_weights_have_the_papers_spread_and_zero_biases():
    model = replace(preset("report32"), weights="normal", batch_norm="on").model
    generator = build_generator(model)
    kernel = np.asarray(generator.layers[0].kernel)
    assert abs(kernel.mean()) < 2e-4 and abs(kernel.std() - 0.02) < 2e-4  # 409,600 draws
    assert not np.asarray(generator.layers[0].bias).any()
    gains = np.concatenate([np.asarray(n.gamma) for n in generator.layers if isinstance(n, layers.BatchNormalization)])
    assert abs(gains.mean() - 1) < 0.004 and 0.015 < gains.std() < 0.025  # 640 draws


def test_the_seed_decides_the_weights_and_the_networks_do_not_share_them():
    model = preset("quick").model
    one, same, other = (build_generator(model, seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), same.get_weights(), strict=True))
    assert not np.array_equal(one.layers[0].kernel, other.layers[0].kernel)


def test_the_combined_model_is_the_discriminator_after_the_generator_with_shared_weights():
    model = preset("report32").model
    generator, discriminator = build_generator(model), build_discriminator(model)
    combined = build_combined(generator, discriminator)
    assert isinstance(combined, keras.Sequential)
    latents = np.random.default_rng(0).standard_normal((3, 100), np.float32)
    before = np.asarray(combined(latents))
    np.testing.assert_allclose(before, discriminator(generator(latents)), rtol=1e-5)
    generator.layers[0].kernel.assign(generator.layers[0].kernel * 50)
    assert not np.allclose(before, combined(latents), rtol=1e-4, atol=0)


def test_forward_gives_what_the_model_gives_and_the_batch_mode_normalises_without_remembering():
    model = preset("quick").model
    discriminator = build_discriminator(model)
    images = np.random.default_rng(0).uniform(-1, 1, (6, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        forward(discriminator, images, training=False, statistics="moving"), discriminator(images)
    )
    states = [np.asarray(v) for v in discriminator.non_trainable_variables]

    by_batch = np.asarray(forward(discriminator.layers, images, training=False, statistics="batch"))
    assert all(np.array_equal(a, b) for a, b in zip(states, discriminator.non_trainable_variables, strict=True))
    without_dropout = [layer for layer in discriminator.layers if not isinstance(layer, layers.Dropout)]
    np.testing.assert_allclose(by_batch, forward(without_dropout, images, training=True, statistics="batch"), rtol=1e-5)
    assert any(not np.array_equal(a, b) for a, b in zip(states, discriminator.non_trainable_variables))


def test_a_file_that_is_no_network_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "generator.keras"
    path.write_bytes(b"PK not a model")
    with pytest.raises(InputError, match="should be a network saved as .keras"):
        load_network(path)


def test_a_network_that_brings_code_is_refused(tmp_path):
    path = tmp_path / "evil.keras"
    keras.Sequential([keras.Input((2,)), layers.Lambda(lambda x: x)]).save(path)
    with pytest.raises(InputError, match="(?i)lambda"):
        load_network(path)


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 4), (8, 12, 3), (12, 8, 3)])
def test_a_generator_of_other_than_square_rgb_images_is_refused_in_one_sentence(tmp_path, shape):
    path = tmp_path / "generator.keras"
    keras.Sequential([keras.Input((4,)), layers.Dense(int(np.prod(shape))), layers.Reshape(shape)]).save(path)
    with pytest.raises(InputError, match="should draw square RGB images of one size.*Received: one of") as refused:
        load_generator(path)
    assert str(refused.value).endswith(f"{shape}.")


def test_batch_statistics_in_bfloat16_are_computed_in_float32_as_the_layer_does():
    layer = keras.layers.BatchNormalization(dtype="mixed_bfloat16")
    x = keras.ops.cast(np.random.default_rng(0).normal(3, 2, (16, 4, 4, 5)), "bfloat16")
    expected = layer(x, training=True)
    found = forward([layer], x, training=False, statistics="batch")
    assert found.dtype == expected.dtype == "bfloat16"
    np.testing.assert_allclose(np.float32(found), np.float32(expected), rtol=0.01, atol=0.01)
