"""The built-in house numbers: coloured street numbers of which everything is known exactly, for machines without any
dataset.

They are cut out as street number datasets cut theirs: one digit in the centre, which is the label, and often parts of
its neighbours at the borders. Every choice (digit, font, colours, stripes, shadow, turn, blur) is made from the seed,
before anything is drawn.
"""

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils.data.dataset import Description
from utils.data.drawn import ENCODING, Drawn, Factor, box_of, pick

DRAWING_VERSION = 1  # raise it whenever a change of this file changes any image, label, attribute, caption or box

# --- what there is to choose from -------------------------------------------------------------------------------------

# The fonts with digits among those that come with matplotlib, without those too thin to be read at 32x32 pixels.
FONTS = (
    *("DejaVuSans", "DejaVuSans-Oblique", "DejaVuSans-Bold", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Oblique", "DejaVuSansMono-Bold", "DejaVuSansMono-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSerif-Bold", "DejaVuSerif-BoldItalic"),
    *("STIXGeneralBol", "STIXGeneralBolIta", "cmb10", "cmss10"),
)

COLOURS = {  # RGB; the first ten are, in this order, those of the digits 0 to 9 in the choices "correlated"
    "red": (178, 58, 54),
    "white": (236, 234, 228),
    "blue": (62, 98, 172),
    "yellow": (220, 200, 94),
    "green": (70, 134, 82),
    "black": (34, 34, 38),
    "pink": (224, 152, 180),
    "orange": (216, 136, 62),
    "purple": (118, 76, 150),
    "brown": (110, 74, 48),
    "grey": (142, 144, 146),
}
JITTER = 12  # a colour differs from the one above by up to so much in each channel
LEAST_CONTRAST = 70  # of the brightness of digit and ground, out of 255

CHANCES = {"stripes": 0.35, "shadow": 0.35, "left_neighbour": 0.6, "right_neighbour": 0.6}

CHOICES = {
    "independent": "every attribute is drawn by itself",
    "correlated": "as independent, but four of five digits have a colour of their own (every 2 is blue, say)",
    "plain": "a white digit on even blue, in one font, upright, alone and sharp",
}

# --- what is known about each image -----------------------------------------------------------------------------------

LABELS = tuple("0123456789")
ATTRIBUTES = (*CHANCES, "light_digit")  # light_digit: the digit is brighter than its ground
BOXES = ("digit", "left_neighbour", "right_neighbour")

# --- how it is drawn --------------------------------------------------------------------------------------------------

OVERSAMPLING = 2  # the scene is drawn at so many times the image's side, then averaged
GLYPH_HEIGHT = 0.75  # of a digit as kept for drawing, in sides of the scene: no digit is drawn much higher
SHADOW_DEPTH = 0.6  # how much of the ground's light a shadow takes away
SHADOW_BLUR = 0.02  # standard deviation, in sides of the image


@dataclass(frozen=True)
class Sign:
    """Everything that decides an image, at any size. Lengths are parts of the image's side; colours RGB in [0, 255]."""

    digit: int
    left: int | None  # the neighbours, if there are any
    right: int | None
    font: str
    height: float  # of the digits
    pitch: float  # from the centre of one digit to that of the next
    x: float  # where the centre of the digit is
    y: float
    turn: float  # degrees, clockwise
    slant: float  # sideways per height
    digit_colour_name: str
    ground_colour_name: str
    digit_colour: tuple[float, ...]
    ground_colour: tuple[float, ...]
    gradient: tuple[float, ...]  # what is added to the ground at one side and taken away at the other, per channel
    gradient_angle: float  # degrees
    stripes: bool
    stripe_angle: float  # degrees
    stripe_count: float  # across the side
    stripe_phase: float  # in [0, 1)
    stripe_strength: float  # change of the ground's brightness
    shadow: bool
    shadow_right: float
    shadow_down: float
    blur: float  # standard deviation
    exposure: float  # factor on the whole image
    noise: float  # standard deviation, out of 255
    noise_seed: int


def draw_sign(rng: np.random.Generator, choices: str = "independent") -> Sign:
    """Choose a house number. Whatever the choices, the same random numbers are taken in the same order."""
    digit, left, right = rng.integers(0, 10, 3).tolist()
    has = {name: rng.random() < chance for name, chance in CHANCES.items()}
    font = pick(rng, FONTS)
    digit_colour_name = pick(rng, tuple(COLOURS))
    follows_digit = rng.random() < 0.8
    if choices == "correlated" and follows_digit:
        digit_colour_name = tuple(COLOURS)[digit]
    ground_colour_name = pick(rng, _grounds_for(digit_colour_name))
    if choices == "plain":
        has = dict.fromkeys(has, False)
        font, digit_colour_name, ground_colour_name = "DejaVuSans-Bold", "white", "blue"

    def colour(name: str) -> tuple[float, ...]:
        return tuple((np.array(COLOURS[name]) + rng.uniform(-JITTER, JITTER, 3)).tolist())

    height = rng.uniform(0.55, 0.72)
    # Wide fonts are condensed a little, so that a neighbour always shows.
    pitch = min(0.58, height * _advance(font) * rng.uniform(0.82, 1.02))
    light_digit = _brightness(COLOURS[digit_colour_name]) > _brightness(COLOURS[ground_colour_name])
    sign = {
        "digit": digit,
        "left": left if has["left_neighbour"] else None,
        "right": right if has["right_neighbour"] else None,
        "font": font,
        "height": height,
        "pitch": pitch,
        "x": rng.uniform(0.46, 0.54),
        "y": rng.uniform(0.46, 0.54),
        "turn": float(np.clip(rng.normal(0, 4), -10, 10)),
        "slant": float(np.clip(rng.normal(0, 0.08), -0.2, 0.2)),
        "digit_colour_name": digit_colour_name,
        "ground_colour_name": ground_colour_name,
        "digit_colour": colour(digit_colour_name),
        "ground_colour": colour(ground_colour_name),
        "gradient": tuple(rng.uniform(-22, 22, 3).tolist()),
        "gradient_angle": rng.uniform(0, 360),
        "stripes": has["stripes"],
        "stripe_angle": rng.uniform(0, 180),
        "stripe_count": rng.uniform(2.5, 6),
        "stripe_phase": rng.random(),
        # Stripes are darker than the ground behind a light digit and lighter behind a dark one, so that it stays
        # readable; but nothing lighter than white would show.
        "stripe_strength": rng.uniform(28, 50) * (-1 if light_digit or ground_colour_name == "white" else 1),
        "shadow": has["shadow"],
        "shadow_right": rng.uniform(0.03, 0.08) * (1 if rng.random() < 0.5 else -1),
        "shadow_down": rng.uniform(0.03, 0.08),
        "blur": 0.035 * rng.random() ** 2,
        "exposure": rng.uniform(0.75, 1.1),
        "noise": rng.uniform(1, 6),
        "noise_seed": int(rng.integers(2**32)),
    }
    if choices == "plain":
        plain = {"height": 0.65, "pitch": 0.55, "x": 0.5, "y": 0.5, "exposure": 1.0, "noise": 2.0}
        sign |= plain | dict.fromkeys(("turn", "slant", "blur"), 0.0) | {"gradient": (0.0, 0.0, 0.0)}
    return Sign(**sign)


def attributes_of(sign: Sign) -> dict[str, bool]:
    """What is true of a house number, by the names of ATTRIBUTES and in their order."""
    return {
        "stripes": sign.stripes,
        "shadow": sign.shadow,
        "left_neighbour": sign.left is not None,
        "right_neighbour": sign.right is not None,
        "light_digit": _brightness(sign.digit_colour) > _brightness(sign.ground_colour),
    }


def caption_of(sign: Sign) -> str:
    """The digit, its colours and what is around it: "a blue 7 with a shadow on a striped green ground"."""
    return (
        f"{'an' if sign.digit_colour_name[0] in 'aeiou' else 'a'} {sign.digit_colour_name} {sign.digit}"
        f"{' with a shadow' if sign.shadow else ''} on "
        f"{'a striped' if sign.stripes else 'an' if sign.ground_colour_name[0] in 'aeiou' else 'a'} "
        f"{sign.ground_colour_name} ground"
    )


def paint(sign: Sign, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Draw a house number.

    Args:
        sign: the house number.
        size: side of the image in pixels.

    Returns:
        uint8 (size, size, 3), RGB; and for each part of BOXES that there is, how much of each pixel its ink covers
        (before blur, without shadow), as float32 (size, size) in [0, 1].
    """
    side = size * OVERSAMPLING
    digits = {"digit": (sign.digit, 0), "left_neighbour": (sign.left, -1), "right_neighbour": (sign.right, 1)}
    inks = {part: _ink(sign, digit, step, side) for part, (digit, step) in digits.items() if digit is not None}
    ink = np.maximum.reduce(list(inks.values()))

    scene = _ground(sign, side)
    if sign.shadow:
        move = np.array([[1, 0, sign.shadow_right * side], [0, 1, sign.shadow_down * side]])
        shade = cv2.GaussianBlur(cv2.warpAffine(ink, move, (side, side)), (0, 0), SHADOW_BLUR * side)
        scene *= 1 - SHADOW_DEPTH * shade[..., None]
    scene += ink[..., None] * (np.array(sign.digit_colour, np.float32) - scene)
    if sign.blur > 0:
        scene = cv2.GaussianBlur(scene, (0, 0), sign.blur * side)

    image = cv2.resize(scene, (size, size), interpolation=cv2.INTER_AREA) * np.float32(sign.exposure)
    image += np.random.default_rng(sign.noise_seed).standard_normal(image.shape, np.float32) * np.float32(sign.noise)
    shown = {part: cv2.resize(ink, (size, size), interpolation=cv2.INTER_AREA) for part, ink in inks.items()}
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), shown


@dataclass(frozen=True)
class HouseNumbers(Drawn):
    """The built-in house numbers as a source of images. See `Drawn` for the settings, CHOICES for the sets of choices.

    Fields: labels int64 (the digit in the centre), attributes uint8 (5,), captions of up to 120 bytes, boxes int16
    (3, 4).
    """

    title: ClassVar[str] = "built-in house numbers"
    known_choices: ClassVar[dict[str, str]] = CHOICES
    factors: ClassVar[tuple[Factor, ...]] = (
        Factor("digit", {label: (label,) for label in LABELS}),
        Factor("contrast", {"dark digit": (), "light digit": ("light_digit",)}),
        Factor("ground", {"even": (), "striped": ("stripes",)}),
        Factor("light", {"no shadow": (), "shadow": ("shadow",)}),
        Factor(
            "neighbours",
            {
                "alone": (),
                "left": ("left_neighbour",),
                "right": ("right_neighbour",),
                "both": ("left_neighbour", "right_neighbour"),
            },
        ),
    )

    def describe(self) -> Description:
        return Description(
            title=self.heading,
            count=self.count,
            identity=self.identity(DRAWING_VERSION, "pillow", "matplotlib"),
            fields={
                "labels": ((), "int64"),
                "attributes": ((len(ATTRIBUTES),), "uint8"),
                "captions": ((), "S120"),
                "boxes": ((len(BOXES), 4), "int16"),
            },
            label_names=LABELS,
            attribute_names=ATTRIBUTES,
            box_names=BOXES,
            encoding=ENCODING,
        )

    def sign(self, row: int) -> Sign:
        """What the house number of one row is, without drawing it."""
        return draw_sign(self.generator(row), self.choices)

    def known(self, row: int) -> dict[str, bool]:
        sign = self.sign(row)
        return {label: sign.digit == int(label) for label in LABELS} | attributes_of(sign)

    def draw(self, row: int) -> dict[str, np.ndarray]:
        sign = self.sign(row)
        image, shown = paint(sign, self.size)
        absent = np.zeros((self.size, self.size), np.float32)
        return {
            "images": image,
            "labels": sign.digit,
            "attributes": np.array(list(attributes_of(sign).values()), np.uint8),
            "captions": caption_of(sign).encode(),
            "boxes": np.array([box_of(shown.get(part, absent)) for part in BOXES]),
        }


# --- digits, grounds and colours --------------------------------------------------------------------------------------


def _ink(sign: Sign, digit: int, step: int, side: int) -> np.ndarray:
    """One digit in its place: float32 (side, side) in [0, 1]. `step` counts the digits from the centre to the right."""
    glyph, advance = _glyph(sign.font, digit, side)
    tall = sign.height / GLYPH_HEIGHT
    wide = sign.pitch * side / advance
    angle = math.radians(sign.turn)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    slanted = turn @ np.array([[1, -sign.slant], [0, 1]])
    linear = slanted @ np.diag([wide, tall])
    centre = np.array([sign.x, sign.y]) * side + slanted @ np.array([step * sign.pitch * side, 0])
    glyph_centre = np.array(glyph.shape[::-1]) / 2
    # OpenCV counts from the centre of the first pixel, the lengths above from its corner.
    move = centre - linear @ glyph_centre + linear @ np.array([0.5, 0.5]) - 0.5
    return cv2.warpAffine(glyph, np.column_stack([linear, move]), (side, side), flags=cv2.INTER_LINEAR)


@functools.cache
def _glyph(font: str, digit: int, side: int) -> tuple[np.ndarray, float]:
    """A digit as float32 (h, w) in [0, 1], centred, and the width that a line of text gives it, in pixels.

    All digits of a font share one height and one width: that of 0 is GLYPH_HEIGHT * side.
    """
    face = _face(font, round(GLYPH_HEIGHT * side / _height(font)))
    advance = face.getlength("0")
    _, top, _, bottom = face.getbbox("0", anchor="ls")
    width, height = math.ceil(2 * advance), math.ceil(2 * (bottom - top))  # italics reach out of their own width
    image = Image.new("L", (width, height))
    # The pen starts where half the advance is left of the middle, and half the height of 0 below it.
    ImageDraw.Draw(image).text(
        ((width - advance) / 2, (height - top - bottom) / 2), str(digit), fill=255, font=face, anchor="ls"
    )
    return np.asarray(image, np.float32) / 255, advance


@functools.cache
def _height(font: str) -> float:
    """Height of 0 in units of the font's size."""
    _, top, _, bottom = _face(font, 1000).getbbox("0", anchor="ls")
    return (bottom - top) / 1000


@functools.cache
def _advance(font: str) -> float:
    """Width that a line of text gives a digit, in heights of 0."""
    return _face(font, 1000).getlength("0") / 1000 / _height(font)


def _face(font: str, size: int) -> ImageFont.FreeTypeFont:
    # The basic layout needs no library that some machines lack, and digits need no other.
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def _ground(sign: Sign, side: int) -> np.ndarray:
    """The ground with its gradient and stripes, as float32 (side, side, 3)."""
    ground = np.array(sign.ground_colour, np.float32) + _along(sign.gradient_angle, side)[..., None] * np.array(
        sign.gradient, np.float32
    )
    if sign.stripes:
        waves = np.sin(np.pi * (sign.stripe_count * _along(sign.stripe_angle, side) + 2 * sign.stripe_phase))
        ground += (np.clip(waves * 4, 0, 1) * np.float32(sign.stripe_strength))[..., None]
    return ground


def _along(angle: float, side: int) -> np.ndarray:
    """How far each pixel lies in a direction (degrees), float32 (side, side): from -1 to 1 across the image."""
    steps = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    right, down = np.float32(math.cos(math.radians(angle))), np.float32(math.sin(math.radians(angle)))
    return right * steps + down * steps[:, None]


def _brightness(colour: tuple[float, ...]) -> float:
    """Of an RGB colour, in [0, 255]."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


@functools.cache
def _grounds_for(digit_colour_name: str) -> tuple[str, ...]:
    """The colours of grounds that a digit can be read on. Black is none: no shadow would show on it."""
    bright = _brightness(COLOURS[digit_colour_name])
    return tuple(
        name
        for name, colour in COLOURS.items()
        if name != "black" and abs(_brightness(colour) - bright) >= LEAST_CONTRAST
    )
