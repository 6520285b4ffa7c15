"""Looking for copies: the statistic against known answers, planted copies, and generators that copy or do not."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu

from utils import viz
from utils.config import replace
from utils.data import Dataset, scale, scale_back
from utils.errors import InputError
from utils.evaluation.copying import (
    CAUGHT,
    Copying,
    Nearest,
    chance_of_close,
    how_much_further,
    share_close,
    share_copied,
)
from utils.explain import memory
from utils.explain.memory import copying_generator, memorisation
from utils.explain.sections import memory as section_of
from utils.explain.sections.memory import draw_neighbours, readable
from utils.intervals import Interval
from utils.models import build_discriminator
from utils.sampling import Sampler, fake_samples_generator, make_latent_samples


def blobs(count, seed):
    """Smooth random pictures, all different: uint8 (count, 32, 32, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)
    return coarse.repeat(8, 1).repeat(8, 2)


def block_means(images):
    """A fixed feature space: mean colours of 4x4 blocks, float32 (N, 192)."""
    return images.reshape(len(images), 8, 4, 8, 4, 3).mean((2, 4), np.float32).reshape(len(images), -1)


def draws(images):
    """A generator that draws these images, one after the other, whatever the latents."""
    source = iter(scale(images))
    return lambda latents: np.stack([next(source) for _ in latents])


@pytest.fixture(scope="module")
def train_images():
    return blobs(300, seed=1)


@pytest.fixture(scope="module")
def held_out():
    return blobs(600, seed=2)


@pytest.fixture
def look(tiny, train_images, held_out):
    """Look for copies among what a generator draws."""
    discriminator = build_discriminator(tiny.model, seed=3)
    return lambda generator, **options: memorisation(
        Sampler(generator, getattr(generator, "input_shape", (None, 100))[-1]),
        discriminator,
        options.pop("train_images", train_images),
        options.pop("held_out", held_out),
        **{"extractor": block_means, "samples": 100, **options},
    )


# --- the statistics ---------------------------------------------------------------------------------------------------


def looked_up(pictures, train, beside):
    """The nearest rows of float (N, D) vectors in two sets, by brute force."""
    to_train, to_beside = cdist(pictures, train), cdist(pictures, beside)
    return Nearest(to_train.argmin(1), to_train.min(1), to_beside.argmin(1), to_beside.min(1))


def test_the_estimated_share_of_copies_is_right_on_average_and_its_interval_covers_it():
    estimates, covered = [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        train, beside, fresh = (random.normal(size=(count, 6)) for count in (300, 200, 140))
        copies = train[random.choice(300, 60, replace=False)]
        share, z = share_copied(looked_up(np.concatenate([fresh, copies]), train, beside), 300, 200, seed)
        estimates.append(share.value)
        covered.append(share.low < 0.3 < share.high)
        assert z < 0
    assert np.mean(estimates) == pytest.approx(0.3, abs=0.03)
    assert np.mean(covered) > 0.85


def test_without_copies_z_is_about_standard_normal():
    random = np.random.default_rng(0)
    found = []
    for seed in range(200):
        train, beside, fresh = (random.normal(size=(count, 4)) for count in (120, 60, 80))
        found.append(share_copied(looked_up(fresh, train, beside), 120, 60, seed)[1])
    assert abs(np.mean(found)) < 0.25 and 0.85 < np.std(found) < 1.15
    assert np.sum(np.array(found) < CAUGHT) <= 2


def test_many_pictures_that_share_few_nearest_images_count_for_no_more_than_these():
    few = Nearest(np.repeat([0, 1, 2], 100), np.zeros(300), np.zeros(300, int), np.ones(300))
    many = Nearest(np.arange(300), np.zeros(300), np.zeros(300, int), np.ones(300))
    (of_few, z_few), (of_many, z_many) = (share_copied(nearest, 300, 300) for nearest in (few, many))
    assert of_few.value == of_many.value == 1.0
    assert of_few.low == pytest.approx(1 - 2 * 0.5615, abs=0.001)  # Wilson's upper end for 0 of 3
    assert of_many.low == pytest.approx(1 - 2 * 0.0126, abs=0.001)  # and for 0 of 300
    assert -2 < z_few < -1.5 and z_many < -12


def test_z_is_that_of_names_dealt_out_anew():
    random = np.random.default_rng(1)
    nearest = Nearest(
        random.integers(20, size=300), np.ones(300), random.integers(30, size=300), random.random(300) * 4
    )
    closest = np.where(nearest.beside_distances <= 1, 20 + nearest.beside_rows, nearest.rows)
    counts = np.bincount(closest, minlength=50)
    dealt = [random.permutation(counts)[20:].sum() for _ in range(4000)]
    z = share_copied(nearest, 20, 30)[1]
    assert z == pytest.approx((counts[20:].sum() - np.mean(dealt)) / np.std(dealt), abs=0.1)


def test_blurred_and_typical_pictures_are_nearer_but_no_copies():
    random = np.random.default_rng(2)
    train, beside, held_out, fresh = (random.normal(size=(count, 20)) for count in (400, 400, 300, 300))
    typical = 0.6 * fresh
    one, others = (looked_up(pictures, train, beside) for pictures in (typical, held_out))
    _, nearness = how_much_further(one.distances, others.distances)
    share, z = share_copied(one, 400, 400)
    assert nearness < -10
    assert abs(z) < 2.5 and share.low < 0 < share.high
    close, chance = (of(one.relative, others.relative) for of in (share_close, chance_of_close))
    found = Copying(share, z, close, chance, Interval(0.1, 0.0, 0.2), nearness)
    assert found.caught and found.verdict.startswith("nearer to training images than true images are")


def test_how_much_further_is_mann_and_whitneys_statistic():
    random = np.random.default_rng(0)
    distances, held_out = random.normal(1.0, 1, 150).round(1), random.normal(1.3, 1, 220).round(1)  # with ties
    further, z = how_much_further(distances, held_out)
    u = mannwhitneyu(distances, held_out).statistic
    assert further.value == pytest.approx(u / (150 * 220), abs=1e-12)
    assert z == pytest.approx((u - 150 * 220 / 2) / np.sqrt(150 * 220 * 371 / 12), abs=1e-9) and -5 < z < 0


def test_equal_distances_make_no_difference_and_smaller_or_larger_ones_all_of_it():
    distances = np.linspace(1, 2, 200)
    further, z = how_much_further(distances, distances)
    assert (further.value, z) == (0.5, 0.0) and further.low < 0.5 < further.high
    assert share_close(distances, distances).value == 0.01
    assert how_much_further(np.zeros(200), distances)[0] == Interval(0.0, 0.0, 0.0)
    assert how_much_further(np.zeros(200), distances)[1] < -17
    assert how_much_further(distances + 5, distances)[0] == Interval(1.0, 1.0, 1.0)
    assert share_close(np.zeros(200), distances) == Interval(1.0, pytest.approx(0.981, abs=1e-3), 1.0)
    assert share_close(distances + 5, distances) == Interval(0.0, 0.0, pytest.approx(0.019, abs=1e-3))


def test_a_few_copies_among_many_samples_show_in_the_share_that_is_close():
    random = np.random.default_rng(4)
    relative = np.concatenate([np.zeros(60), random.normal(0.5, 0.05, 940)])
    held_out = random.normal(0.5, 0.05, 1000)
    close, chance = share_close(relative, held_out), chance_of_close(relative, held_out)
    assert 0.06 <= close.value < 0.09 and 0.02 < close.low < close.value < close.high < 0.12
    none = Interval(0.0, -0.1, 0.1)
    assert Copying(none, 0.0, close, chance, none, 0.0).verdict == "copies"


def test_the_intervals_are_those_of_a_bootstrap_written_out():
    random = np.random.default_rng(0)
    distances, held_out = random.gamma(4, 1, 120), random.gamma(4, 1, 160)
    drawn = []
    for _ in range(1000):
        one, other = random.choice(distances, 120), random.choice(held_out, 160)
        drawn.append([np.mean(one[:, None] > other), np.mean(one <= np.sort(other)[1])])  # 2 of 160: over 1 in 100
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    further, close = how_much_further(distances, held_out)[0], share_close(distances, held_out)
    assert (further.low, further.high) == pytest.approx((low[0], high[0]), abs=0.01)
    assert (close.low, close.high) == pytest.approx((low[1], high[1]), abs=0.015)


def test_relative_distance_is_0_for_a_copy_and_halfway_between_the_sets_0_5():
    nearest = Nearest(np.zeros(4, int), np.array([0.0, 2, 3, 0]), np.zeros(4, int), np.array([5.0, 2, 1, 0]))
    assert nearest.relative.tolist() == [0.0, 0.5, 0.75, 0.5]  # the last is in both sets, which says nothing


# --- samples ----------------------------------------------------------------------------------------------------------


def test_a_generator_that_copies_is_caught_in_every_space_and_the_copied_images_are_named(look, train_images):
    known = [7, 250, 33]
    generator = copying_generator(train_images[known], latent_dim=16, seed=5)
    record = look(generator)
    latents = make_latent_samples(100, 16, seed=0)
    copied = np.array(known)[np.argmax(latents @ generator.get_weights()[0], axis=1)]
    assert set(copied) == set(known)
    for space in record.spaces.values():
        assert space.nearest["fake"].rows.tolist() == copied.tolist()
        assert not space.nearest["fake"].distances.any()  # exactly 0
        assert space.copying["fake"].caught and space.copying["fake"].copied.value == 1.0


def test_a_generator_of_new_pictures_of_the_same_kind_is_not_caught(look):
    record = look(draws(blobs(100, seed=9)))
    for space in record.spaces.values():
        found = space.copying["fake"]
        assert not found.caught and found.copied.low < 0 < found.copied.high


def test_copies_that_are_a_little_darker_and_noisy_are_found(look, train_images):
    darker = np.clip(train_images[:100].astype(int) - 6, 0, 255)
    noisy = np.clip(darker + np.random.default_rng(0).integers(-8, 9, darker.shape), 0, 255).astype(np.uint8)
    record = look(draws(noisy))
    for space in record.spaces.values():
        assert space.nearest["fake"].rows.tolist() == list(range(100)) and space.copying["fake"].caught


def test_both_controls_come_out_as_they_must(look):
    record = look(draws(blobs(100, seed=9)))
    for space in record.spaces.values():
        assert space.nearest["copies"].rows.tolist() == record.copied.tolist()
        assert space.copying["copies"].verdict == "copies" and space.copying["fresh"].verdict == "no sign of copies"
        assert space.copying["copies"].caught and not space.copying["fresh"].caught
    assert {group: len(images) for group, images in record.images.items()} == {
        "fake": 100, "held_out": 100, "copies": 100, "fresh": 100
    }  # fmt: skip
    assert record.beside == 400
    both = np.concatenate([record.images["held_out"], record.images["fresh"]])
    assert len(np.unique(both.reshape(200, -1), axis=0)) == 200  # no image is in both


def test_searching_in_parts_finds_what_a_full_table_of_distances_says(look, train_images, monkeypatch):
    monkeypatch.setattr(memory, "_PART", 64)
    record = look(draws(blobs(100, seed=9)))
    queries, references = (x.reshape(len(x), -1).astype(float) for x in (record.images["fake"], train_images))
    table = cdist(queries, references)
    nearest = record.spaces["pixels"].nearest["fake"]
    assert nearest.rows.tolist() == table.argmin(1).tolist()
    np.testing.assert_allclose(nearest.distances, table.min(1), rtol=1e-12)


def test_the_same_seed_gives_the_same_record_and_another_seed_another_choice(look):
    one, same, other = (look(draws(blobs(100, seed=9)), seed=seed) for seed in (1, 1, 2))
    assert one.table() == same.table()
    assert not np.array_equal(one.images["held_out"], other.images["held_out"])


def test_the_table_is_plain_json_with_a_row_for_each_space_and_group(look):
    record = look(draws(blobs(100, seed=9)))
    rows = record.table()
    assert len(json.loads(json.dumps(rows, allow_nan=False))) == 9
    shown = readable(record)
    assert len(shown) == 9 and len(shown[0]) == 10 and shown[0]["Z"] == f"{rows[0]['z']:+.1f}"
    assert shown[1]["close"] == f"{rows[1]['close']:.1%} [{rows[1]['close_low']:.1%}, {rows[1]['close_high']:.1%}]"
    assert [row["caught"] for row in rows if row["pictures"] == "copies of 100 training images"] == [True] * 3


def test_the_pictures_show_each_sample_beside_the_image_that_was_found(look, train_images, tmp_path):
    record = look(copying_generator(train_images[:4]))
    files = draw_neighbours(record, tmp_path, shown=3)
    assert [file.name for file in files] == ["neighbours_fake.png", "neighbours_held_out.png", "distances.png"]
    sheet = viz.read_png(files[0])
    tile = sheet[-98:-2]  # the last row: four pictures of 96 pixels, 2 apart, each a copy of the first
    columns = [tile[:, sheet.shape[1] - 98 * i : sheet.shape[1] - 98 * i + 96] for i in (4, 3, 2, 1)]
    assert all(np.array_equal(columns[0], column) for column in columns)
    assert len(np.unique(columns[0].reshape(-1, 3), axis=0)) > 4  # and no blank one
    assert files[2].stat().st_size > 10_000


def test_a_copying_generator_draws_nothing_but_its_images_bit_by_bit(train_images):
    images = train_images[:20]
    generator = copying_generator(images, latent_dim=100)
    assert isinstance(generator, keras.Sequential)
    drawn = scale_back(fake_samples_generator(generator, make_latent_samples(300, 100))[0])
    known = {image.tobytes() for image in images}
    assert {image.tobytes() for image in drawn} == known


# --- wrong uses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"samples": 99}, "at least 100 samples. Received: 99"),
        ({"train_images": np.zeros((0, 32, 32, 3), np.uint8)}, r"train_images must be at least 1 uint8 images"),
        ({"train_images": np.zeros((9, 16, 16, 3), np.uint8)}, r"\(N, 32, 32, 3\).*Received: uint8 \(9, 16, 16, 3\)"),
        ({"train_images": np.zeros((9, 32, 32, 3), np.float32)}, r"uint8 images in \[0, 255\].*Received: float32"),
        ({"held_out": np.zeros((399, 32, 32, 3), np.uint8)}, "held_out_images must be at least 400"),
    ],
)
def test_wrong_images_are_refused_in_one_sentence(look, options, sentence):
    with pytest.raises(InputError, match=sentence):
        look(draws(blobs(100, seed=9)), **options)


def test_a_discriminator_for_another_size_is_refused(tiny, train_images, held_out):
    small = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten()])
    small.add(keras.layers.Dense(1, "sigmoid"))
    with pytest.raises(InputError, match=r"\(N, 16, 16, 3\)"):
        memorisation(
            Sampler(draws(train_images), 100), small, train_images, held_out, extractor=block_means, samples=100
        )


@pytest.mark.parametrize(
    ("data", "count", "most", "asked_for"),
    [
        ("faces", 20_000, 100, 100),
        ("faces", None, 100, 100),
        ("faces", 150, 20_000, 150),
        ("faces", None, 20_000, 10_000),  # as many as are drawn where nobody says how many: no others were trained on
        ("somebody's pictures", 20_000, 100, 20_000),
        ("somebody's pictures", None, 100, None),
    ],
)
def test_where_few_training_images_are_looked_among_only_these_are_drawn(
    tiny, monkeypatch, tmp_path, data, count, most, asked_for
):
    """Of drawn images the first hundred are the same however many there are; of a folder's a sample is not."""
    asked, images = [], Dataset(data, data, np.zeros((200, 8, 8, 3), np.uint8), "none")

    def load(data, size, data_dir):
        asked.append((data.count, size))
        return images

    monkeypatch.setattr(section_of, "load_of", load)
    subject = SimpleNamespace(most=most, data_dir=tmp_path, run=None)
    assert len(section_of._trained_on(replace(tiny, name=data, count=count), subject)) == min(200, most)
    assert asked == [(asked_for, tiny.model.image_size)]


@pytest.mark.parametrize(("fingerprint", "refused"), [("none", False), (None, False), ("another", True)])
def test_copies_of_pictures_that_have_changed_since_the_training_are_not_looked_for(
    tiny, monkeypatch, tmp_path, fingerprint, refused
):
    images = Dataset("own", "own", np.zeros((20, 8, 8, 3), np.uint8), "none")
    monkeypatch.setattr(section_of, "load_of", lambda *_: images)
    run = SimpleNamespace(folder=tmp_path, environment={"fingerprint": fingerprint} if fingerprint else {})
    subject = SimpleNamespace(most=None, data_dir=tmp_path, run=run)
    experiment = replace(tiny, name="somebody's pictures", count=None)
    if refused:
        with pytest.raises(InputError, match="are not those that .* was trained on, so nobody knows which of them"):
            section_of._trained_on(experiment, subject)
    else:
        assert len(section_of._trained_on(experiment, subject)) == 20


def test_the_chance_of_close_pictures_is_that_of_names_dealt_out_anew():
    """Of exchangeable distances: how often as many are close, by dealing, and whether 1,000 beside 100 are copies."""
    random = np.random.default_rng(3)
    for held_out, samples, close in ((100, 60, 3), (250, 400, 8), (101, 30, 1)):
        dealt = random.random((20_000, held_out + samples))
        marks = np.sort(dealt[:, :held_out], 1)[:, -(-held_out // 100) - 1]
        often = np.mean((dealt[:, held_out:] <= marks[:, None]).sum(1) >= close)
        true, relative = np.linspace(0.4, 0.6, held_out), np.full(samples, 0.7)
        relative[:close] = 0.1
        assert chance_of_close(relative, true) == pytest.approx(often, abs=0.012)
    for repeats in (0.03, 0.08):  # exact copies among the true images: ties at 0 of both
        relative, true = (np.where(random.random(1000) < repeats, 0, random.random(1000)) for _ in range(2))
        assert chance_of_close(relative, true) > 0.01
    true = np.linspace(1, 2, 100)
    assert chance_of_close(true[:50] + 5, true) == 1.0 and chance_of_close(np.zeros(1000), true) < 1e-100


def test_few_held_out_images_make_no_copyist_of_a_generator_that_draws_as_they_are():
    random, caught, by_bootstrap = np.random.default_rng(4), 0, 0
    for _ in range(120):
        relative, held_out = random.random(1000), random.random(100)
        close, chance = share_close(relative, held_out), chance_of_close(relative, held_out)
        found = Copying(Interval(0.0, -0.1, 0.1), 0.0, close, chance, Interval(0.5, 0.4, 0.6), 0.0)
        caught, by_bootstrap = caught + found.caught, by_bootstrap + (close.low > 0.02)
    assert by_bootstrap >= 2 and caught <= 1  # 5% by the bootstrap alone
    relative[:80] = 0.0
    close, chance = share_close(relative, held_out), chance_of_close(relative, held_out)
    assert Copying(Interval(0.0, -0.1, 0.1), 0.0, close, chance, Interval(0.5, 0.4, 0.6), 0.0).verdict == "copies"
