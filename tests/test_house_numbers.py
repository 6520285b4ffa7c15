"""The built-in house numbers: what is claimed about each of them is true of the picture."""

import itertools
import json
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from utils.data.drawn import SHOWN, box_of
from utils.data.house_numbers import (
    ATTRIBUTES,
    BOXES,
    CHANCES,
    COLOURS,
    FONTS,
    LABELS,
    HouseNumbers,
    attributes_of,
    caption_of,
    paint,
)
from utils.errors import InputError

PRINTED = ("DejaVuSans-Bold", "DejaVuSerif-Bold", "STIXGeneralBol")
SIGNS = 4000  # enough that chance correlations stay below 0.08 (five standard deviations)


@pytest.fixture(scope="module")
def drawn() -> dict[str, np.ndarray]:
    return HouseNumbers(32).read(range(1500))[0]


@pytest.fixture(scope="module")
def signs() -> list:
    source = HouseNumbers(32)
    return [source.sign(row) for row in range(SIGNS)]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


# --- which house number a row is --------------------------------------------------------------------------------------


def test_a_row_is_the_same_in_another_process_in_another_order_and_in_a_larger_set(drawn):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        elsewhere, failures = pool.submit(HouseNumbers(32, count=50_000).read, range(8, 16)).result()
    assert failures == {}
    backwards = [HouseNumbers(32).read(range(row, row + 1))[0] for row in reversed(range(8, 16))]
    assert elsewhere.keys() == drawn.keys()
    for name, values in elsewhere.items():
        assert np.array_equal(values, drawn[name][8:16]), name
        assert np.array_equal(values, np.concatenate([one[name] for one in backwards[::-1]])), name


def test_fields_have_the_promised_shapes_and_types(drawn):
    fields = HouseNumbers(32).describe().fields
    assert drawn["images"].shape == (1500, 32, 32, 3) and drawn["images"].dtype == np.uint8
    assert drawn.keys() - {"images"} == fields.keys()
    for name, (shape, dtype) in fields.items():
        assert drawn[name].shape == (1500, *shape) and drawn[name].dtype == np.dtype(dtype)


def test_the_same_number_has_the_same_label_and_place_at_twice_the_size(drawn):
    large = HouseNumbers(64).read(range(24))[0]
    for name in ("labels", "attributes", "captions"):
        assert np.array_equal(large[name], drawn[name][:24])
    halved = large["images"].reshape(24, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - drawn["images"][:24]).mean() < 6  # noise is drawn per pixel, and differs
    assert np.abs(large["boxes"] / 2 - drawn["boxes"][:24])[large["boxes"] >= 0].max() <= 2


def test_identity_tells_apart_all_settings():
    settings = [{}, {"count": 9}, {"seed": 1}, {"choices": "plain"}, {"size": 64}]
    identities = {json.dumps(HouseNumbers(**{"size": 32, **s}).describe().identity, sort_keys=True) for s in settings}
    assert len(identities) == len(settings)


def test_unknown_choices_are_refused_with_those_there_are():
    with pytest.raises(InputError, match="independent, correlated, plain"):
        HouseNumbers(32, choices="all")


@pytest.mark.parametrize("size", [16, 256])
def test_other_sizes_can_be_drawn(size):
    assert HouseNumbers(size).read(range(2))[0]["images"].shape == (2, size, size, 3)


# --- how often, and with what -----------------------------------------------------------------------------------------


def test_digits_and_attributes_come_as_often_as_they_should(signs):
    assert np.abs(np.bincount([sign.digit for sign in signs], minlength=10) / SIGNS - 0.1).max() < 0.025
    for name, chance in CHANCES.items():
        assert abs(np.mean([attributes_of(sign)[name] for sign in signs]) - chance) < 0.04, name


def test_independent_attributes_are_independent_of_each_other_and_of_the_digit(signs):
    columns = dict(zip(ATTRIBUTES, np.array([list(attributes_of(sign).values()) for sign in signs]).T, strict=True))
    columns |= {label: np.array([sign.digit == int(label) for sign in signs]) for label in LABELS}
    for a, b in itertools.combinations(columns, 2):
        if not (a in LABELS and b in LABELS):
            assert abs(correlation(columns[a], columns[b])) < 0.08, (a, b)


def test_correlated_digits_mostly_have_their_own_colour_and_independent_ones_do_not(signs):
    def share(some) -> float:
        return float(np.mean([sign.digit_colour_name == tuple(COLOURS)[sign.digit] for sign in some]))

    source = HouseNumbers(32, choices="correlated")
    assert 0.78 < share([source.sign(row) for row in range(1000)]) < 0.86
    assert 0.06 < share(signs) < 0.12


def test_plain_numbers_differ_in_digit_and_shades_alone():
    source = HouseNumbers(32, choices="plain")
    signs = [source.sign(row) for row in range(50)]
    assert len({sign.digit for sign in signs}) == 10
    assert {caption_of(sign) for sign in signs} == {f"a white {digit} on a blue ground" for digit in range(10)}
    assert len({(sign.font, sign.height, sign.x, sign.y, sign.turn, sign.left, sign.right) for sign in signs}) == 1


def test_captions_say_what_the_attributes_say_and_fit(signs):
    for sign in signs[:1000]:
        caption = caption_of(sign)
        article, colour, digit = re.match(r"(an?) (\w+) (\d)\b", caption).groups()
        assert (int(digit), colour) == (sign.digit, sign.digit_colour_name)
        assert (article == "an") == (colour == "orange")
        assert caption.endswith(f" {sign.ground_colour_name} ground")
        assert ("striped" in caption, "shadow" in caption) == (sign.stripes, sign.shadow)
        assert len(caption.encode()) <= 120


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_labels_are_the_digits_that_printed_ones_resemble_most(drawn):
    def even(images: np.ndarray) -> np.ndarray:
        """The middle columns (without most of the neighbours), as vectors without brightness and contrast."""
        vectors = images[:, :, 6:26].reshape(len(images), -1)
        vectors = vectors - vectors.mean(axis=1, keepdims=True)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    light = drawn["attributes"][:, ATTRIBUTES.index("light_digit")].astype(bool)
    grey = drawn["images"].astype(np.float32).mean(axis=-1)
    grey = np.where(light[:, None, None], grey, -grey)
    printed = np.stack([np.mean([print_digit(digit, font) for font in PRINTED], axis=0) for digit in LABELS])
    right = (even(grey) @ even(printed).T).argmax(axis=1) == drawn["labels"]
    assert right.mean() > 0.7  # chance: 0.1


def print_digit(digit: str, font: str) -> np.ndarray:
    """A digit in the middle of 32x32 pixels, drawn by nothing but Pillow."""
    face = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"), 28)
    image = Image.new("L", (32, 32))
    ImageDraw.Draw(image).text((16, 16), digit, fill=255, font=face, anchor="mm")
    return np.asarray(image, np.float32)


@pytest.mark.parametrize("font", FONTS)
def test_every_font_draws_ten_different_digits_of_one_height(font):
    sign = replace(HouseNumbers(32, choices="plain").sign(0), font=font, noise=0.0)
    shown = [paint(replace(sign, digit=digit), 32)[1]["digit"] for digit in range(10)]
    for a, b in itertools.combinations(shown, 2):
        assert np.abs(a - b).sum() > 5
    boxes = np.array([box_of(mask) for mask in shown])
    assert np.ptp(boxes[:, 1]) <= 2 and np.ptp(boxes[:, 3]) <= 2
    assert np.abs(boxes[:, [0, 2]].mean(axis=1) - 16).max() <= 3  # centred


def test_another_digit_changes_the_picture_in_the_box_of_the_digits_and_nowhere_else(signs):
    for sign in signs[:40]:
        sign = replace(sign, blur=0.0, shadow=False)  # both reach out of the box, by intent
        other = replace(sign, digit=(sign.digit + 1) % 10)
        (image, shown), (changed, also_shown) = paint(sign, 32), paint(other, 32)
        change = np.abs(image.astype(int) - changed).max(axis=-1)
        left, top, right, bottom = box_of(np.maximum(shown["digit"], also_shown["digit"]))
        inside = np.zeros((32, 32), bool)
        inside[top:bottom, left:right] = True
        assert change[~inside].max(initial=0) <= 255 * SHOWN + 1
        assert (change[inside] > 30).sum() >= 8


@pytest.mark.parametrize("change", [{"stripes": True}, {"shadow": True}, {"left": 8}, {"right": 8}])
def test_every_attribute_can_be_seen(signs, change):
    without = {"stripes": False, "shadow": False, "left": None, "right": None}
    for sign in signs[:40]:
        before, after = (paint(replace(sign, **settings), 32)[0] for settings in (without, without | change))
        assert (np.abs(before.astype(int) - after).max(axis=-1) > 12).sum() >= 15


def test_digits_stand_out_from_their_ground(signs):
    for sign in signs[:100]:
        sign = replace(sign, noise=0.0, blur=0.0, stripes=False, shadow=False, left=None, right=None)
        image, shown = paint(sign, 32)
        brightness = image @ np.array([0.299, 0.587, 0.114])
        assert abs(brightness[shown["digit"] > 0.9].mean() - brightness[shown["digit"] == 0].mean()) > 30


def test_boxes_lie_within_the_image_and_are_missing_only_with_their_part(drawn):
    attributes = dict(zip(ATTRIBUTES, drawn["attributes"].T.astype(bool), strict=True))
    for place, part in enumerate(BOXES):
        boxes = drawn["boxes"][:, place]
        there = attributes.get(part, np.ones(len(boxes), bool))
        left, top, right, bottom = boxes[there].T
        assert (left >= 0).all() and (top >= 0).all() and (right <= 32).all() and (bottom <= 32).all(), part
        assert (left < right).all() and (top < bottom).all(), part
        assert (boxes[~there] == -1).all(), part


def test_the_digit_is_in_the_middle_and_each_neighbour_on_its_side(drawn):
    centres = drawn["boxes"].reshape(-1, 3, 2, 2).mean(axis=2)  # (row, part, x and y)
    there = drawn["boxes"][:, :, 0] >= 0
    assert np.abs(centres[:, 0] - 16).max() < 5
    assert (centres[there[:, 1], 1, 0] < 8).all()
    assert (centres[there[:, 2], 2, 0] > 24).all()


def test_captions_and_labels_name_the_same_digit(drawn):
    assert [int(re.search(rb"\d", caption)[0]) for caption in drawn["captions"]] == drawn["labels"].tolist()
