"""Networks for other sizes, lengths in updates, and parameters counted without building."""

import math

import numpy as np
import pytest

from utils.config import preset, presets, replace
from utils.errors import InputError
from utils.fitting import at_size, fitted, recommended
from utils.lengths import OWN_UPDATES, SUMMARIES, for_updates, updates_per_epoch, with_few_summaries
from utils.models import build_discriminator, build_generator
from utils.parameters import discriminator_parameters, generator_parameters


def test_the_reports_networks_fitted_to_64_pixels_are_its_networks_for_64():
    assert fitted(preset("report32").model, 64) == preset("report64").model
    assert fitted(preset("report64").model, 32) == preset("report32").model
    assert at_size(preset("quick"), 32) == preset("quick")


@pytest.mark.parametrize(
    ("name", "size", "start", "blocks", "halvings"),
    [
        ("quick", 28, 7, 2, 2),
        ("quick", 48, 6, 3, 3),
        ("quick", 96, 6, 4, 4),
        ("quick", 128, 4, 5, 5),
        ("paper64", 48, 3, 3, 4),  # the layer that makes the image doubles the side, too
        ("paper64", 96, 6, 3, 4),
        ("paper64", 128, 4, 4, 5),
        ("lab32", 28, 7, 3, 2),
    ],
)
def test_a_size_decides_first_map_and_blocks(name, size, start, blocks, halvings):
    model = fitted(preset(name).model, size)
    assert (model.image_size, model.generator.start, len(model.generator.filters)) == (size, start, blocks)
    assert model.discriminator.strides.count(2) == halvings
    replace(preset(name), image_size=size, generator=model.generator, discriminator=model.discriminator)  # is accepted


def test_blocks_that_are_added_continue_the_channels():
    model = fitted(preset("paper64").model, 256)
    assert model.generator.filters == (512, 256, 128, 64, 32)
    assert model.discriminator.filters == (64, 128, 256, 512, 512, 512)


@pytest.mark.parametrize("name", presets())
@pytest.mark.parametrize("size", [28, 48, 96])
def test_fitted_networks_of_every_preset_make_and_take_images_of_that_size(name, size):
    model = fitted(replace(preset(name), width=0.03).model, size)
    generator, discriminator = build_generator(model), build_discriminator(model)
    images = np.asarray(generator(np.zeros((1, model.latent_dim), np.float32)))
    assert images.shape == (1, size, size, 3) and discriminator(images).shape == (1, 1)
    assert generator.count_params() == generator_parameters(model)
    assert discriminator.count_params() == discriminator_parameters(model)


@pytest.mark.parametrize("size", [3, 33, 50, 100, 500])
def test_a_size_that_cannot_be_is_refused_with_the_nearest_that_can(size):
    model = preset("quick").model
    with pytest.raises(InputError, match=rf"for images of .* pixels.*image_size={size}") as refusal:
        fitted(model, size)
    named = [int(word) for word in str(refusal.value).split(" pixels")[0].split() if word.isdigit()]
    for other in named:
        assert fitted(model, other).image_size == other
    assert 1 <= len(named) <= 2 and named == sorted(named)
    assert not [other for other in range(min(named) + 1, max(named)) if other != size and fits(model, other)]


def fits(model, size):
    try:
        return bool(fitted(model, size))
    except InputError:
        return False


def test_above_32_pixels_the_papers_networks_at_a_quarter_of_their_width_are_recommended():
    assert recommended(32) == preset("quick") and recommended(28).preset == "quick"
    for size in (64, 128):
        experiment = recommended(size)
        assert (experiment.preset, experiment.model.width, experiment.model.image_size) == ("paper64", 0.25, size)


@pytest.mark.parametrize("name", presets())
@pytest.mark.parametrize("changes", [{}, {"batch_norm": "batch", "width": 0.3}, {"batch_norm": "off"}])
def test_parameters_counted_from_settings_are_those_of_the_built_networks(name, changes):
    model = replace(preset(name), **{"width": 0.25} | changes).model if changes else preset(name).model
    assert build_generator(model).count_params() == generator_parameters(model)
    assert build_discriminator(model).count_params() == discriminator_parameters(model)


@pytest.mark.parametrize(("images", "updates"), [(300, 4000), (300, 1), (8000, 4000), (64, 77), (100_000, 3)])
def test_updates_are_rounded_up_to_whole_epochs(images, updates):
    experiment = for_updates(preset("quick"), images, updates)
    each, epochs = images // 64, experiment.training.epochs
    assert updates_per_epoch(experiment, images) == each
    assert each * epochs >= updates > each * (epochs - 1)


def test_a_thousand_short_epochs_have_some_dozens_of_summaries():
    experiment = with_few_summaries(for_updates(replace(preset("quick"), count=None), 300, OWN_UPDATES))
    epochs, every = experiment.training.epochs, experiment.training.summary_epochs
    assert epochs == 1000 and SUMMARIES / 2 < math.ceil(epochs / every) <= SUMMARIES
    assert with_few_summaries(preset("quick")) == preset("quick")
