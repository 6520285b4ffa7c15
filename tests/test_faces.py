"""The built-in faces: what is claimed about each of them is true of the picture."""

import io
import itertools
import json
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib.resources import files
from multiprocessing import get_context

import numpy as np
import pytest
import resvg_py
from dicebear import Avatar, Style
from PIL import Image

from utils.data import faces
from utils.data.drawn import SHOWN, box_of
from utils.data.faces import ATTRIBUTES, BOXES, CHANCES, CHOICES, HAIR_COLOURS, Faces, attributes_of, caption_of, paint
from utils.errors import InputError

LOOKS = 4000  # enough that chance correlations stay below 0.08 (five standard deviations)


@pytest.fixture(scope="module")
def drawn() -> dict[str, np.ndarray]:
    return Faces(32).read(range(120))[0]


def drawn_attributes(choices: str) -> dict[str, np.ndarray]:
    """Attributes of many faces, without drawing them: each bool (LOOKS,)."""
    source = Faces(32, choices=choices)
    rows = np.array([list(attributes_of(source.look(row)).values()) for row in range(LOOKS)])
    return dict(zip(ATTRIBUTES, rows.T, strict=True))


@pytest.fixture(scope="module")
def independent() -> dict[str, np.ndarray]:
    return drawn_attributes("independent")


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


# --- which face a row is ----------------------------------------------------------------------------------------------


def test_a_row_is_the_same_in_another_process_in_another_order_and_in_a_larger_set(drawn):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        elsewhere, failures = pool.submit(Faces(32, count=50_000).read, range(8, 16)).result()
    assert failures == {}
    assert same(elsewhere, {name: values[8:16] for name, values in drawn.items()})
    backwards = [Faces(32).read(range(row, row + 1))[0] for row in reversed(range(8, 16))]
    assert same(elsewhere, {name: np.concatenate([one[name] for one in backwards[::-1]]) for name in elsewhere})


def test_fields_have_the_promised_shapes_and_types(drawn):
    fields = Faces(32).describe().fields
    assert drawn["images"].shape == (120, 32, 32, 3) and drawn["images"].dtype == np.uint8
    assert drawn.keys() - {"images"} == fields.keys()
    for name, (shape, dtype) in fields.items():
        assert drawn[name].shape == (120, *shape) and drawn[name].dtype == np.dtype(dtype)


def test_rows_seeds_and_choices_give_different_faces(drawn):
    assert len({image.tobytes() for image in drawn["images"]}) == 120
    assert not np.array_equal(Faces(32, seed=1).read(range(8))[0]["images"], drawn["images"][:8])
    assert not np.array_equal(Faces(32, choices="plain").read(range(8))[0]["images"], drawn["images"][:8])


def test_the_same_face_has_the_same_attributes_and_place_at_twice_the_size(drawn):
    large = Faces(64).read(range(24))[0]
    assert np.array_equal(large["attributes"], drawn["attributes"][:24])
    assert np.array_equal(large["captions"], drawn["captions"][:24])
    halved = large["images"].reshape(24, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    assert np.abs(halved - drawn["images"][:24]).mean() < 4
    assert np.abs(large["boxes"] / 2 - drawn["boxes"][:24])[large["boxes"] >= 0].max() <= 2


def test_identity_tells_apart_all_settings():
    settings = [{}, {"count": 9}, {"seed": 1}, {"choices": "plain"}, {"size": 64}]
    identities = {json.dumps(Faces(**{"size": 32, **s}).describe().identity, sort_keys=True) for s in settings}
    assert len(identities) == len(settings)


@pytest.mark.parametrize(
    "wrong", [{"size": 33}, {"size": 8}, {"size": 264}, {"count": 0}, {"seed": -1}, {"choices": "all"}]
)
def test_wrong_settings_are_refused_with_what_was_received(wrong):
    with pytest.raises(InputError, match=re.escape(repr(next(iter(wrong.values()))))):
        Faces(**{"size": 32, **wrong})


@pytest.mark.parametrize("size", [16, 128, 256])
def test_other_sizes_can_be_drawn(size):
    assert Faces(size).read(range(2))[0]["images"].shape == (2, size, size, 3)


# --- how often, and with what -----------------------------------------------------------------------------------------


def test_attributes_come_as_often_as_they_should(independent):
    bare = 1 - CHANCES["hat"]  # no hat hides the hair
    expected = CHANCES | {"long_hair": CHANCES["long_hair"] * bare, "pale_skin": 1 / 3, "dark_skin": 1 / 3}
    expected |= {f"{colour}_hair": bare / len(HAIR_COLOURS) for colour in HAIR_COLOURS}
    assert expected.keys() == set(ATTRIBUTES)
    for name, share in expected.items():
        assert abs(independent[name].mean() - share) < 0.04, name


def exclude_each_other(a: str, b: str) -> bool:
    kinds = [{"glasses", "sunglasses"}, {"pale_skin", "dark_skin"}, {f"{colour}_hair" for colour in HAIR_COLOURS}]
    hidden_by_hat = {"long_hair", *kinds[2]}
    return any({a, b} <= kind for kind in kinds) or any({a, b} == {"hat", hidden} for hidden in hidden_by_hat)


def test_independent_attributes_are_independent_where_hats_do_not_hide_them(independent):
    bare = ~independent["hat"]
    for a, b in itertools.combinations(ATTRIBUTES, 2):
        if not exclude_each_other(a, b):
            rows = slice(None) if "hat" in (a, b) else bare
            assert abs(correlation(independent[a][rows], independent[b][rows])) < 0.08, (a, b)


def test_attributes_that_exclude_each_other_never_meet(independent):
    for a, b in itertools.combinations(ATTRIBUTES, 2):
        if exclude_each_other(a, b):
            assert not (independent[a] & independent[b]).any(), (a, b)


def test_correlated_choices_are_correlated_as_described():
    values = drawn_attributes("correlated")
    assert not (values["long_hair"] & values["beard"]).any()
    assert correlation(values["long_hair"], values["smiling"]) > 0.3
    assert correlation(values["silver_hair"], values["glasses"]) > 0.3
    assert abs(correlation(values["dark_skin"], values["smiling"])) < 0.08


def test_plain_faces_stand_still_before_one_background():
    source = Faces(32, choices="plain")
    looks = [source.look(row) for row in range(50)]
    assert len({(k.background, k.turn, k.scale, k.right, k.down, k.flipped) for k in looks}) == 1
    assert len({caption_of(k) for k in looks}) > 25
    assert set(CHOICES) == {"independent", "correlated", "plain"}


# --- captions ---------------------------------------------------------------------------------------------------------


def test_captions_say_what_the_attributes_say_and_fit():
    source = Faces(32)
    for row in range(1000):
        look = source.look(row)
        caption = caption_of(look)
        words = {name: name.replace("_", " ") for name in ATTRIBUTES} | {"long_hair": r"long \w+ hair"}
        said = {name: bool(re.search(rf"\b{pattern}\b", caption)) for name, pattern in words.items()}
        assert said == attributes_of(look), caption
        assert len(caption.encode()) <= 120


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_pictures_agree_with_the_library_drawing_the_same_face_as_a_whole():
    style = Style(json.loads((files("dicebear_styles") / "avataaars.json").read_text(encoding="utf-8")))
    source = Faces(64)
    for row in range(50):
        look = source.look(row)
        svg = str(Avatar(style, library_options(look)))
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=3 * 64, skip_system_fonts=True))
        whole = np.asarray(Image.open(io.BytesIO(png)).convert("RGB").resize((64, 64), Image.Resampling.BOX), float)
        difference = np.abs(whole - paint(look, 64)[0])
        assert difference.mean() < 1.5, row
        assert (difference.max(axis=-1) > 60).mean() < 0.01, row  # edges may differ, parts may not


def library_options(look: faces.Look) -> dict:
    accessory = look.glasses or look.sunglasses
    return {
        "seed": "",
        "topVariant": look.hair or look.hat,
        "topProbability": 100,
        "hairColor": HAIR_COLOURS[look.hair_name],
        "hatColor": look.hat_colour,
        "facialHairVariant": look.beard or "beardLight",
        "facialHairProbability": 100 if look.beard else 0,
        "facialHairColor": HAIR_COLOURS[look.hair_name],
        "accessoriesVariant": accessory or "round",
        "accessoriesProbability": 100 if accessory else 0,
        "accessoriesColor": look.frame_colour,
        "mouthVariant": look.mouth,
        "eyesVariant": look.eyes,
        "eyebrowsVariant": look.eyebrows,
        "clothesVariant": look.clothes,
        "clothesColor": look.clothes_colour,
        "skinColor": look.skin_colour,
        "backgroundColor": list(look.background),
        "backgroundColorFill": "linear",
        "backgroundColorOrder": "fixed",
        "backgroundColorAngle": look.background_angle,
        "scale": look.scale,
        "rotate": look.turn,
        "translateX": 100 * look.right,
        "translateY": 100 * look.down,
        "flip": "horizontal" if look.flipped else "none",
    }


@pytest.mark.parametrize("part", ["glasses", "sunglasses", "beard", "hair", "hat"])
def test_leaving_out_a_part_changes_the_picture_in_its_box_and_nowhere_else(part):
    source = Faces(32)
    rows = [row for row in range(200) if attributes_or_hair(source.look(row))[part]][:12]
    assert len(rows) == 12
    for row in rows:
        look = source.look(row)
        image, shown = paint(look, 32)
        without, _ = paint(replace(look, **{part: None}), 32)
        change = np.abs(image.astype(int) - without).max(axis=-1)
        left, top, right, bottom = box_of(shown[part])
        inside = np.zeros((32, 32), bool)
        inside[top:bottom, left:right] = True
        assert change[~inside].max(initial=0) <= 255 * SHOWN + 1
        assert (change[inside] > 20).sum() >= 8


def attributes_or_hair(look: faces.Look) -> dict[str, bool]:
    return attributes_of(look) | {"hair": look.hair is not None}


def test_a_smile_changes_the_mouth_alone():
    source = Faces(32)
    for row in range(12):
        smiling, serious = (paint(replace(source.look(row), mouth=mouth), 32) for mouth in ("smile", "serious"))
        change = np.abs(smiling[0].astype(int) - serious[0]).max(axis=-1)
        assert change.max() > 30
        assert not change[np.maximum(smiling[1]["mouth"], serious[1]["mouth"]) == 0].any()


def test_parts_hide_what_is_below_them():
    source = Faces(32)
    for row in range(60):
        shown = paint(source.look(row), 32)[1]
        assert sum(shown.values()).max() < 1.001, row


def test_boxes_lie_within_the_image_and_are_missing_only_with_their_part(drawn):
    attributes = dict(zip(ATTRIBUTES, drawn["attributes"].T.astype(bool), strict=True))
    everywhere = np.ones(len(drawn["boxes"]), bool)
    present = {"eyes": ~attributes["sunglasses"], "mouth": everywhere, "hair": ~attributes["hat"]}
    for place, part in enumerate(BOXES):
        boxes = drawn["boxes"][:, place]
        there = present[part] if part in present else attributes[part]
        left, top, right, bottom = boxes[there].T
        assert (left >= 0).all() and (top >= 0).all() and (right <= 32).all() and (bottom <= 32).all(), part
        assert (left < right).all() and (top < bottom).all(), part
        assert (boxes[~there] == -1).all(), part
