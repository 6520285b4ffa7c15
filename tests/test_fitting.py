"""Networks for other sizes, lengths in updates, and parameters counted without building."""

import math

import numpy as np
import pytest

from benchmarks.contenders import experiment_for
from utils.choice import Choice, Trial, choose_length
from utils.config import preset, presets, replace
from utils.errors import InputError
from utils.fitting import at_size, fitted, for_images, largest_size, recommended
from utils.lengths import (
    SUMMARIES,
    Length,
    seconds_of,
    share_beside,
    unit_of,
    updates_in,
    updates_per_epoch,
    with_few_summaries,
)
from utils.models import build_discriminator, build_encoder, build_generator, build_rotation_head
from utils.parameters import (
    discriminator_parameters,
    encoder_parameters,
    generator_parameters,
    network_parameters,
    rotation_parameters,
)
from utils.presets import FIRST, WIDE_32_FROM, WIDER_FROM


def test_the_reports_networks_fitted_to_64_pixels_are_its_networks_for_64():
    assert fitted(preset("report32").model, 64) == preset("report64").model
    assert fitted(preset("report64").model, 32) == preset("report32").model
    assert at_size(preset("quick"), 32) == preset("quick")


@pytest.mark.parametrize(
    ("name", "size", "start", "blocks", "halvings"),
    [
        ("quick", 28, 7, 2, 2),
        ("quick32", 28, 7, 1, 2),
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


def test_the_recipe_is_recommended_at_its_size_and_above_and_few_images_are_augmented_in_batches_they_fill():
    assert recommended(64) == preset("quick64") and recommended(32) == preset("quick32")
    assert recommended(28).preset == "quick32" and recommended(128).preset == "quick64"
    assert recommended(128).training == preset("quick64").training and recommended(128).model.image_size == 128
    assert recommended(64, 1_000) == preset("quick64") and recommended(32, 5_000) == preset("quick32")
    assert recommended(32, 4_999).training.augment == recommended(28, 40).training.augment == ("colour", "translation")
    few = recommended(64, 999)
    assert few.training.augment == ("colour", "translation") and replace(few, augment=()) == preset("quick64")
    assert [recommended(64, n).training.batch_size for n in (64, 31, 20, 8, 3)] == [16, 16, 16, 8, 8]


def test_any_networks_are_trained_as_so_many_images_want_it():
    report = preset("report32")
    assert for_images(report, 50) == replace(report, augment=("colour", "translation"), batch_size=32)
    assert for_images(report, 5_000) == for_images(report, None) == report


def test_much_time_makes_the_discriminator_wider_where_that_was_measured():
    wide = replace(
        preset("quick64"),
        discriminator={"filters": (96, 192, 384, 768)},
        discriminator_learning_rate=4e-4 / 1.5,
        r1=0.2,
        penalty_every=16,
    )
    assert recommended(64, 1_000, WIDER_FROM) == recommended(64, None, WIDER_FROM) == wide
    assert wide == experiment_for("mid_d_r1", 64)  # whose pictures are measured
    assert recommended(64, 1_000, WIDER_FROM - 1) == recommended(64, 1_000, None) == preset("quick64")
    other, wider = recommended(96), {"filters": (96, 192, 384, 768)}
    assert recommended(96, 9_000, WIDER_FROM).model == replace(other, discriminator=wider).model
    assert recommended(64, 999, WIDER_FROM) == recommended(64, 999)


def test_much_more_time_makes_both_networks_wider_at_32_pixels():
    wide = replace(preset("quick32"), width=1.0)
    assert recommended(32, 9_000, WIDE_32_FROM) == recommended(32, None, WIDE_32_FROM) == wide
    assert wide == experiment_for("first_wide", 32)  # whose pictures are measured
    assert recommended(32, 9_000, WIDE_32_FROM - 1) == recommended(32, 9_000) == preset("quick32")
    assert recommended(28, 9_000, WIDE_32_FROM).model.width == 1.0
    assert recommended(32, 4_999, WIDE_32_FROM) == recommended(32, 4_999)


def test_the_first_command_trains_the_papers_networks_at_a_quarter_of_their_width():
    experiment = preset(FIRST)
    assert experiment.model == replace(preset("paper64"), width=0.25).model
    assert experiment.data.name == "faces"
    assert experiment.training.updates == 2_000 and experiment.training.batch_size == 16
    hours = 89_000  # updates; up to there only the warm-up bounds the average, so it goes over a ninth of the training
    assert (1 + hours) / (10 + hours) < experiment.training.ema_decay < (1 + 2 * hours) / (10 + 2 * hours)


@pytest.mark.parametrize(("most", "size"), [(64, 64), (63, 56), (33, 32), (31, 28), (13, 12), (11, None)])
def test_the_largest_size_with_networks_is_found(most, size):
    assert largest_size(most) == size
    if size:
        assert recommended(size).model.image_size == size


@pytest.mark.parametrize("name", presets())
@pytest.mark.parametrize("changes", [{}, {"batch_norm": "batch", "width": 0.3}, {"batch_norm": "off"}])
def test_parameters_counted_from_settings_are_those_of_the_built_networks(name, changes):
    model = replace(preset(name), **{"width": 0.25} | changes).model if changes else preset(name).model
    assert build_generator(model).count_params() == generator_parameters(model)
    assert build_discriminator(model).count_params() == discriminator_parameters(model)
    if name == "regularised64":
        assert build_encoder(model).count_params() == encoder_parameters(model)
    assert build_rotation_head(model).count_params() == rotation_parameters(model)
    assert ("encoder" in network_parameters(preset(name))) == (name == "regularised64")


# --- how long ---------------------------------------------------------------------------------------------------------


def summaries(experiment, images) -> list[int]:
    """Updates after which there is a summary, as (update, its number)."""
    length = Length.of(experiment, updates_per_epoch(experiment, images))
    return [(u, n) for u in range(1, length.updates + 1) if (n := length.summary_after(u)) is not None]


def test_updates_are_exact_and_summaries_come_at_them_however_many_images_there_are():
    experiment = replace(preset("quick64"), updates=250)
    for images in (64, 300, 200_000):
        assert summaries(experiment, images) == [(100, 100), (200, 200), (250, 250)]


def test_a_training_by_epochs_has_its_summaries_at_ends_of_epochs():
    experiment = replace(preset("quick"), epochs=5, summary_epochs=2, count=None)
    assert summaries(experiment, 200) == [(6, 2), (12, 4), (15, 5)]


def test_whichever_of_epochs_and_updates_is_asked_for_counts():
    experiment = replace(preset("quick"), updates=50)
    assert unit_of(experiment.training) == "update" and unit_of(preset("quick").training) == "epoch"
    assert replace(experiment, epochs=3).training.updates is None
    assert replace(experiment, epochs=3, updates=60).training.updates == 60
    assert replace(experiment, seed=3).training.updates == 50


@pytest.mark.parametrize(("unit", "count", "every"), [("epochs", 1000, 20), ("updates", 12_001, 241)])
def test_a_long_training_has_some_dozens_of_summaries(unit, count, every):
    experiment = with_few_summaries(replace(preset("quick"), count=None, **{unit: count}))
    assert vars(experiment.training)[f"summary_{unit}"] == every
    assert SUMMARIES / 2 < math.ceil(count / every) <= SUMMARIES
    assert with_few_summaries(preset("quick")) == preset("quick") and with_few_summaries(preset(FIRST)) == preset(FIRST)


@pytest.mark.parametrize("between", [1, 10, 250])
@pytest.mark.parametrize("watched", [0, 1, 25])
def test_time_beside_updates_is_foreseen_however_often_there_are_summaries_and_measurements(between, watched):
    """A summary takes as long as five updates, a measurement as long as one."""
    updates, clock = 5_000, 0.0
    for update in range(1, updates + 1):
        clock += 1 + 5 * (update % between == 0) + bool(watched and update % watched == 0)
    beside = share_beside(between, watched)
    assert seconds_of(updates, 1.0, beside) == pytest.approx(max(clock, updates / 0.9))
    assert 0.89 * clock <= seconds_of(updates_in(clock / 60, 1.0, beside), 1.0, beside) <= clock * 1.001


def test_minutes_leave_time_for_the_summaries_and_measurements_that_are_asked_for():
    def chosen(**asked) -> Choice:
        trial = Trial(0.1, 5, "a machine", 0.0, 2, 1, 1, 1)
        return choose_length(replace(preset(FIRST), **asked), 10, lambda _: trial)

    def updates(**asked) -> int:
        return chosen(**asked).experiment.training.updates

    assert updates() == 5_400  # 600 s, of which a tenth goes beside
    assert updates(summary_updates=10, watch_updates=0) == 4_000  # two of three seconds are updates
    assert updates(summary_updates=10_000, watch_updates=1) == 2_900
    assert "some seconds at each summary, comes on top" in chosen(keep="best").why["Length"]


def test_a_size_that_networks_do_not_fit_is_refused_with_those_around_it():
    for size, there in ((600, "512 or 640"), (1000, "896 or 1024"), (10_000, "8192 or 10240")):
        with pytest.raises(InputError, match=f"made for images of {there} pixels"):
            at_size(preset("quick64"), size)


@pytest.mark.parametrize(
    ("minutes", "each", "updates"),
    [(20, 0.25, 4_300), (20, 0.0251, 43_000), (1, 10.0, 5), (0.1, 60.0, 1), (5, 0.3, 900)],
)
def test_minutes_hold_so_many_updates_rounded_down_to_two_digits(minutes, each, updates):
    assert updates_in(minutes, each) == updates
    assert updates == 1 or 0.89 * minutes * 60 <= seconds_of(updates, each) <= minutes * 60
