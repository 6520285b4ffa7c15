"""Finding parts, and removing one from a generator of which it is known by construction what draws it."""

import json

import keras
import numpy as np
import pytest
from keras import layers

from utils import viz
from utils.config import preset, replace
from utils.data import Dataset, scale_back
from utils.errors import InputError
from utils.explain import parts
from utils.explain.parts import Detections, detector_for, overlap_of, read_boxes, train_detector
from utils.explain.removal import hidden_convolution, remove_part
from utils.explain.sections import rounded
from utils.explain.sections.removal import draw_removal, readable
from utils.intervals import Interval
from utils.models import build_generator, load_network
from utils.sampling import Sampler, make_latent_samples
from utils.streams import stream

# --- a generator known by construction --------------------------------------------------------------------------------

MAPS, LATENTS = 8, 12
SQUARE = 3  # the map that draws the square, and nothing else


@pytest.fixture(scope="module")
def generator():
    """Latents -> 8x8 maps -> 16x16 images. Where latent 0 is positive, map SQUARE is on in the middle, and draws a
    bright square; the other maps are textures without any place of their own, and change the colours a little."""
    network = keras.Sequential(
        [
            keras.Input((LATENTS,)),
            layers.Dense(8 * 8 * MAPS),
            layers.Reshape((8, 8, MAPS)),
            layers.Conv2DTranspose(MAPS, 1, name="maps"),
            layers.ReLU(name="features"),
            layers.Conv2DTranspose(3, 2, strides=2, name="colours"),
            layers.Activation("tanh"),
        ]
    )
    random = np.random.default_rng(0)
    dense = np.zeros((LATENTS, 8, 8, MAPS))
    dense[1:] = random.normal(0, 0.3, (LATENTS - 1, 8, 8, MAPS))
    dense[..., SQUARE] = 0
    dense[0, 2:6, 2:6, SQUARE] = 5
    colours = np.zeros((2, 2, 3, MAPS))
    colours[:] = random.normal(0, 0.02, (3, MAPS))
    colours[..., SQUARE] = 1
    convolution = np.eye(MAPS)[None, None], np.zeros(MAPS)
    last = colours, np.full(3, -0.5)
    network.set_weights([dense.reshape(LATENTS, -1), np.zeros(8 * 8 * MAPS), *convolution, *last])
    return network


class SquareDetector:
    """Says that the square is shown where the middle is bright, and the ground always."""

    parts = ("ground", "square")

    def __call__(self, images):
        bright = images[:, 4:12, 4:12].mean((1, 2, 3)) > 90
        presence = np.stack([np.ones(len(images)), bright], 1).astype(np.float32)
        boxes = np.array([[0, 0, 16, 16], [4, 4, 12, 12]], np.int16)
        return Detections(presence, np.where(presence[..., None] >= 0.5, boxes, np.int16(-1)))

    def number(self, part):
        return self.parts.index(part)


@pytest.fixture(scope="module")
def record(generator):
    return remove_part(Sampler(generator, LATENTS), SquareDetector(), part="square", samples=200)


def test_the_regression_finds_the_map_that_draws_the_part(record):
    assert record.dropped[0] == SQUARE == np.argmax(record.weights)
    assert record.weights[SQUARE] > 10 * np.delete(record.weights, SQUARE).max()
    assert record.accuracy > 0.95
    assert record.layer == "features, 8 maps of 8x8"


def test_dropping_that_map_removes_the_square_from_every_sample_and_changes_nothing_else(record):
    first = record.droppings[0]
    assert first.maps == 1 and first.chosen.gone == 1.0 and first.chosen.kept == 1.0
    assert first.chosen.inside > 100 and first.chosen.outside == 0.0
    assert 70 <= record.measured <= 130 and record.gone(first) == Interval(1.0, pytest.approx(0.965, abs=0.012), 1.0)


def test_random_maps_leave_the_square_unless_its_own_map_is_among_them(generator):
    record = remove_part(Sampler(generator, LATENTS), SquareDetector(), part="square", samples=200, draws=32)
    gone = [change.gone for change in record.droppings[0].random]
    assert set(gone) == {0.0, 1.0} and 1 <= sum(gone) <= 11  # 4 are expected, of 32 draws of one map among 8
    by_chance = record.droppings[0].of_random("gone")
    assert by_chance.value == np.mean(gone) and 0 <= by_chance.low < by_chance.value < by_chance.high < 0.6


def test_the_pictures_are_those_of_a_generator_without_the_maps(generator, record):
    fresh = make_latent_samples(200, LATENTS, stream(0, "removal: fresh latents"))
    samples = scale_back(np.asarray(generator(fresh)))
    showing = SquareDetector()(samples).shown[:, 1]
    np.testing.assert_array_equal(record.pictures, samples[showing][:8])
    for dropping in record.droppings:
        without = keras.models.clone_model(generator)
        weights = generator.get_weights()
        weights[-2] = weights[-2].copy()
        weights[-2][..., record.dropped[: dropping.maps]] = 0  # what would read the maps
        without.set_weights(weights)
        expected = scale_back(np.asarray(without(fresh)))[showing][:8]
        assert np.abs(dropping.pictures.astype(int) - expected).max() <= 1


def test_boxes_drawn_by_hand_find_the_same_map_and_leave_open_what_only_a_detector_can_tell(generator, tmp_path):
    latents = make_latent_samples(60, LATENTS, 0)
    drawn = {str(i): [[4, 4, 12, 12]] if z > 0.3 else [] for i, z in enumerate(latents[:, 0])}
    (tmp_path / "boxes.json").write_text(json.dumps(drawn))
    boxes = read_boxes(tmp_path / "boxes.json", count=60, size=16)
    record = remove_part(Sampler(generator, LATENTS), boxes, part="square", samples=60)
    assert record.dropped[0] == SQUARE and record.boxes == record.measured == (latents[:, 0] > 0.3).sum()
    assert record.droppings[0].chosen.inside > 60 and record.droppings[0].chosen.outside == 0.0
    rows = json.loads(json.dumps(rounded(record.table()), allow_nan=False))
    assert rows[0]["gone"] is None and rows[0]["random_gone"] is None and rows[0]["inside"] > 60
    assert len(draw_removal(record, tmp_path)) == 2
    first = readable(record)[0]
    assert len(first) == 7 and first["gone"] == "– | –" and first["inside"].startswith(f"{rows[0]['inside']:.0f} | ")


def test_the_generator_is_left_as_it_was_and_the_same_seed_gives_the_same_record(generator):
    before = [weights.copy() for weights in generator.get_weights()]
    one, same = (
        remove_part(Sampler(generator, LATENTS), SquareDetector(), part="square", samples=60, seed=3) for _ in range(2)
    )
    assert one.table() == same.table() and np.array_equal(one.weights, same.weights)
    assert all(np.array_equal(a, b) for a, b in zip(before, generator.get_weights(), strict=True))


def test_drawing_writes_a_column_for_the_samples_each_number_of_maps_and_the_random_ones(record, tmp_path):
    pictures, effect = draw_removal(record, tmp_path)
    assert [pictures.name, effect.name] == ["removed_square.png", "removed_square_effect.png"]
    columns = len(record.droppings) + 2
    height, width, _ = viz.read_png(pictures).shape
    assert width == 98 * columns + 2 and height == 8 * 98 + 2 + 36
    assert effect.stat().st_size > 10_000


def test_the_default_layer_is_the_second_highest_that_does_not_make_the_image():
    report32 = build_generator(replace(preset("report32"), width=0.0625).model)
    layer = hidden_convolution(report32)
    assert (layer.number, layer.side, layer.maps) == (2, 16, 8)
    assert report32.layers[layer.stop - 1].name == layer.last
    assert isinstance(report32.layers[layer.stop - 1], layers.LeakyReLU)
    paper64 = hidden_convolution(build_generator(replace(preset("paper64"), width=0.0625).model))
    assert (paper64.number, paper64.side, paper64.maps) == (2, 16, 16)  # 256 maps of 16x16 at full width: Fig 1


def test_a_generator_without_convolutions_is_refused():
    dense = keras.Sequential([keras.Input((4,)), layers.Dense(48, "tanh"), layers.Reshape((4, 4, 3))])
    with pytest.raises(
        InputError, match="needs a generator with a convolution.*Received: Sequential of Dense, Reshape"
    ):
        remove_part(Sampler(dense, LATENTS), SquareDetector(), part="square")


def test_a_part_that_is_hardly_ever_shown_is_refused(generator):
    with pytest.raises(
        InputError, match="Only [0-9] of the 10 samples looked at show square, and at least 10 are needed"
    ):
        remove_part(Sampler(generator, LATENTS), SquareDetector(), part="square", samples=10)


# --- boxes drawn by hand ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "usable", "words"),
    [
        (
            [0, 0, 16, 16],
            0,
            "Only 0 of the 60 samples looked at show square, and at least 10 .* leave some of the picture out",
        ),
        ([1, 1, 16, 16], 0, "8x8 maps, and leave others out, in only 0 of the 60 .* at least 10 .* is 2 pixels wide"),
        ([4, 4, 5, 5], 0, "8x8 maps, and leave others out, in only 0 of the 60 samples looked at"),
        ([4, 4, 5, 5], 4, "8x8 maps, and leave others out, in only 4 of the 60 samples looked at"),
    ],
    ids=["the whole picture", "all places but no edge", "no place", "too few hold places"],
)
def test_boxes_that_do_not_tell_places_apart_are_refused_in_one_sentence(generator, box, usable, words):
    boxes = {row: np.array([[4, 4, 12, 12] if row < usable else box], np.int16) for row in range(60)}
    with pytest.raises(InputError, match=words):
        remove_part(Sampler(generator, LATENTS), boxes, part="square", samples=60)


def test_boxes_around_whole_pictures_among_others_are_passed_over(generator):
    boxes = {row: np.array([[4, 4, 12, 12]], np.int16) for row in range(20)}
    whole = {row: np.array([[0, 0, 16, 16]], np.int16) for row in range(20, 30)}
    options = {"part": "square", "samples": 30, "draws": 2}
    record, without = (remove_part(Sampler(generator, LATENTS), of, **options) for of in (boxes | whole, boxes))
    assert record.measured == record.boxes == 20 and rounded(record.table()) == rounded(without.table())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no json", "cannot be read"),
        ("[]", "should be a JSON object"),
        ("{}", "at least one image"),
        ('{"x": []}', "number images from 0 to 9. Received: 'x'"),
        ('{"10": []}', "number images from 0 to 9. Received: '10'"),
        ('{"1": [], "01": [[1, 2, 3, 4]]}', "name each image once. Received: image 1 again, as '01'"),
        ('{"1": [1, 2, 3, 4]}', "image 1 a list of boxes"),
        ('{"1": [[1, 2, 3]]}', r"\[left, top, right, bottom\]"),
        ('{"1": [[1, 2, 3.5, 4]]}', "whole pixels"),
        ('{"1": [[5, 2, 3, 4]]}', "left < right"),
        ('{"1": [[0, 0, 33, 4]]}', "from 0 to 32"),
    ],
)
def test_a_malformed_file_of_boxes_is_refused_in_one_sentence(tmp_path, text, sentence):
    (tmp_path / "boxes.json").write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_boxes(tmp_path / "boxes.json", count=10, size=32)


def test_a_missing_file_of_boxes_and_boxes_for_samples_that_are_not_drawn_are_refused(tmp_path, generator):
    with pytest.raises(InputError, match="cannot be read"):
        read_boxes(tmp_path / "none.json", count=10, size=32)
    with pytest.raises(InputError, match="samples 0 to 19. Received: sample 20"):
        remove_part(Sampler(generator, LATENTS), {20: np.array([[0, 0, 4, 4]])}, part="square", samples=20)


# --- the detector -----------------------------------------------------------------------------------------------------


def squares(count, seed):
    """A dataset of pictures that show a bright square in three of four cases, and a dark bar in one of two."""
    random = np.random.default_rng(seed)
    images = random.integers(90, 130, (count, 32, 32, 3), np.uint8)
    boxes = np.full((count, 2, 4), -1, np.int16)
    for image, box in zip(images, boxes):
        left, top, side, shift = (
            random.integers(2, 9),
            random.integers(2, 9),
            random.integers(7, 12),
            random.integers(6),
        )
        if random.random() < 0.75:
            image[top : top + side, left : left + side] = 250
            box[0] = left, top, left + side, top + side
        if random.random() < 0.5:
            image[24 : 24 + 5, 4 + shift : 20 + shift] = 10
            box[1] = 4 + shift, 24, 20 + shift, 29
    return Dataset("squares", "squares", images, str(seed), boxes=boxes, box_names=("square", "bar"))


@pytest.fixture(scope="module")
def detector():
    return train_detector(squares(512, seed=1), squares(128, seed=2), progress=False)


def test_a_detector_learns_presence_and_boxes_from_exact_boxes(detector):
    assert detector.parts == ("square", "bar")
    for kind in ("test", "test_blurred"):
        for name, share in (("square", 0.75), ("bar", 0.5)):
            told = detector.card[kind][name]
            assert share - 0.12 < told["shown"] < share + 0.12
            assert told["accuracy"] > 0.95 and 0.55 < told["overlap"] <= 1
    test = squares(128, seed=2)
    detections = detector(test.images)
    assert np.mean(detections.shown == (test.boxes[..., 0] >= 0)) > 0.95
    assert (detections.boxes[~detections.shown] == -1).all() and (detections.boxes[detections.shown] >= 0).all()


def test_a_larger_picture_has_the_same_parts_in_larger_boxes(detector):
    images = squares(40, seed=3).images
    small, large = detector(images), detector(images.repeat(2, 1).repeat(2, 2))
    np.testing.assert_array_equal(small.presence, large.presence)
    shown = small.shown
    assert np.abs(large.boxes[shown] - 2 * small.boxes[shown]).max() <= 1


def test_training_a_detector_twice_gives_the_same_bits(detector):
    same = train_detector(squares(512, seed=1), squares(128, seed=2), progress=False)
    assert detector.card == same.card
    for a, b in zip(detector.network.get_weights(), same.network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_detector_is_trained_once_and_then_found_with_its_card(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "TEST_COUNT", 16)
    trained = detector_for("house_numbers", count=64, data_dir=tmp_path, progress=False)
    home = next((tmp_path / "features").iterdir())
    assert sorted(file.name for file in home.iterdir()) == ["card.json", "detector.keras"]
    assert load_network(home / "detector.keras").output_names  # loads in safe mode
    monkeypatch.setattr(parts, "train_detector", None)  # a second training would fail
    kept = detector_for("house_numbers", count=64, data_dir=tmp_path, progress=False)
    assert kept.card == trained.card and kept.parts == ("digit", "left_neighbour", "right_neighbour")
    images = squares(8, seed=5).images
    np.testing.assert_array_equal(kept(images).presence, trained(images).presence)
    np.testing.assert_array_equal(kept(images).boxes, trained(images).boxes)


def test_overlap_of_boxes_is_their_intersection_over_their_union():
    one = np.array([[0, 0, 4, 4], [0, 0, 2, 2], [1, 1, 3, 3], [0, 0, 4, 2]])
    other = np.array([[0, 0, 4, 4], [2, 2, 4, 4], [0, 0, 4, 4], [2, 0, 6, 2]])
    np.testing.assert_allclose(overlap_of(one, other), [1, 0, 4 / 16, 4 / 12])


def test_a_part_that_is_not_known_is_refused_with_those_that_are(detector):
    with pytest.raises(InputError, match="There is no part 'window'; choose one of square, bar"):
        detector.number("window")


def test_a_dataset_without_boxes_is_refused_and_told_what_to_do(tmp_path):
    with pytest.raises(InputError, match="built-in dataset .faces, house_numbers.; for 'cifar10' draw boxes yourself"):
        detector_for("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 32, 32, 3), np.float32), np.zeros((2, 32, 16, 3), np.uint8), np.zeros((0, 32, 32, 3), np.uint8)],
)
def test_images_that_a_detector_cannot_look_at_are_refused(detector, images):
    with pytest.raises(InputError, match="Received"):
        detector(images)


def test_a_found_record_shows_what_is_more_probable_than_not():
    detections = Detections(np.array([[0.49, 0.5]], np.float32), np.zeros((1, 2, 4), np.int16))
    assert detections.shown.tolist() == [[False, True]]
