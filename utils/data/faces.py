"""The built-in faces: cartoon faces of which every attribute is known exactly, for machines without any dataset.

The parts are those of the avatar style "Avataaars" by Pablo Stanley, as DiceBear packages it. Every choice (which hair,
which mouth, which colours, which turn) is made here, from the seed, before anything is drawn. Then each part, once
rasterised, is put on the ones below it, and the whole is turned, scaled and placed.

Two kinds of attributes exclude each other by nature: glasses and sunglasses (a face wears one of the two, or none), and
a hat hides the hair, so that long_hair and the colours of hair are 0 under a hat. Colours of hair exclude each other,
and so do pale and dark skin. Eyes behind sunglasses have no box.
"""

import colorsys
import functools
import json
import math
import sys
from dataclasses import dataclass
from importlib.resources import files
from typing import ClassVar

import cv2
import numpy as np
import resvg_py

from utils.data.dataset import Description
from utils.data.drawn import ENCODING, Drawn, Factor, box_of, pick

# DiceBear checks styles by jsonschema, and that compiles a grammar of international addresses, of which a style has
# none, where Jupyter has brought one: most of a second for every process that imports this.
sys.modules.setdefault("rfc3987_syntax", None)  # meanwhile it is not installed
from dicebear import Avatar, Style  # noqa: E402

if sys.modules["rfc3987_syntax"] is None:
    del sys.modules["rfc3987_syntax"]

DRAWING_VERSION = 1  # raise it whenever a change of this file changes any image, attribute, caption or box

# --- what there is to choose from -------------------------------------------------------------------------------------
# Variants are left out that are unclear at 32x32 pixels, that show their colour only in part (tinted or shaved hair),
# or that belong to two attributes at once (a bun is long hair that looks short).

GLASSES = ("prescription01", "prescription02")
SUNGLASSES = ("sunglasses", "wayfarers")
SMILES = ("smile",)  # the style's other smiles cannot be told from a straight mouth inside a small beard
OTHER_MOUTHS = ("serious", "sad", "disbelief")
LONG_HAIR = (
    *("bob", "curly", "curvy", "longButNotTooLong"),
    *("miaWallace", "straight01", "straight02", "straightAndStrand"),
)
SHORT_HAIR = ("dreads01", "shaggy", "shortCurly", "shortFlat", "shortRound", "shortWaved", "theCaesarAndSidePart")
BEARDS = ("beardLight", "beardMedium", "beardMajestic")
HATS = ("hat", "turban", "winterHat02", "winterHat1", "winterHat03")
EYES = ("default", "happy", "side", "squint", "surprised", "closed", "wink")
EYEBROWS = ("defaultNatural", "flatNatural", "raisedExcitedNatural", "upDownNatural", "sadConcernedNatural")
CLOTHES = ("blazerAndShirt", "collarAndSweater", "hoodie", "overall", "shirtCrewNeck", "shirtScoopNeck", "shirtVNeck")

# Hair, skin and frames are a little stronger or lighter than the style's own, so that they can be told apart: any hair
# from any skin, and frames from the skin that they are worn on.
HAIR_COLOURS = {"black": "#1f1715", "brown": "#5a3318", "blond": "#ecc94b", "red": "#d6400f", "silver": "#dfe3e6"}
SKIN_COLOURS = {"pale": ("#ffdbb4",), "medium": ("#edb98a", "#d99a66"), "dark": ("#a86c43", "#935933")}
FRAME_COLOURS = {"pale": ("#262e33", "#25557c"), "medium": ("#262e33", "#1d3f5e"), "dark": ("#ffffff", "#ffe9a8")}
HAT_COLOURS = ("#3f7fe0", "#25a18e", "#7bd06a", "#b06be0", "#ff6fa5", "#65c9ff")  # none of them a colour of hair
CLOTHES_COLOURS = ("#262e33", "#5199e4", "#25557c", "#e6e6e6", "#929598", "#a7ffc4", "#ff488e", "#ff5c5c", "#ffffb1")

BACKGROUND_HUES = (0.22, 0.92)  # greens to pinks as parts of the colour circle: no colour of hair or skin among them
BACKGROUND_SATURATION = (0.25, 0.75)
BACKGROUND_VALUE = (0.6, 1.0)
PLAIN_BACKGROUND = "#9fc9e8"

CHANCES = {  # of each attribute, where nothing else decides it
    "glasses": 0.30,
    "sunglasses": 0.15,
    "smiling": 0.50,
    "long_hair": 0.45,
    "beard": 0.30,
    "hat": 0.15,
}

CHOICES = {
    "independent": "every attribute is drawn by itself",
    "correlated": "long hair excludes a beard and mostly goes with a smile; silver hair mostly goes with glasses",
    "plain": "as independent, but one background and no variety of turn, scale and place",
}

# --- what is known about each face ------------------------------------------------------------------------------------

ATTRIBUTES = (
    *("glasses", "sunglasses", "smiling", "long_hair", "beard", "hat"),
    *(f"{colour}_hair" for colour in HAIR_COLOURS),
    *("pale_skin", "dark_skin"),
)
_LENGTHS = (("short ", ()), ("long ", ("long_hair",)))  # how an attribute tells the length of hair
BOXES = ("glasses", "sunglasses", "eyes", "mouth", "hair", "beard", "hat")

# --- how it is drawn --------------------------------------------------------------------------------------------------

CANVAS_PER_PIXEL = 3  # parts are rasterised at this multiple of the image's side,
LARGEST_CANVAS = 384  # but no larger than this, for the sake of memory
OVERSAMPLING = 2  # the turned face is sampled so many times per pixel and direction, then averaged


@dataclass(frozen=True)
class Look:
    """Everything that decides a face, at any size. Lengths are parts of the image's side; colours are "#rrggbb"."""

    glasses: str | None  # variants of the style; None: the face has no such part
    sunglasses: str | None
    mouth: str
    hair: str | None  # None: a hat is worn
    hat: str | None
    beard: str | None
    eyes: str
    eyebrows: str
    clothes: str
    hair_name: str  # a key of HAIR_COLOURS; a beard has this colour even if a hat hides the hair
    skin_name: str  # a key of SKIN_COLOURS
    skin_colour: str
    frame_colour: str
    hat_colour: str
    clothes_colour: str
    background: tuple[str, str]  # from one side of the image to the other,
    background_angle: float  # in this direction (degrees)
    turn: float  # degrees, clockwise
    scale: float
    right: float
    down: float
    flipped: bool


def draw_look(rng: np.random.Generator, choices: str = "independent") -> Look:
    """Choose a face. Whatever the choices, the same random numbers are taken in the same order."""
    chance = {name: rng.random() for name in CHANCES}
    hair_name = pick(rng, tuple(HAIR_COLOURS))
    skin_name = pick(rng, tuple(SKIN_COLOURS))

    likely = dict(CHANCES)
    long_hair = chance["long_hair"] < likely["long_hair"]
    if choices == "correlated":
        likely["beard"] = 0.0 if long_hair else CHANCES["beard"]
        likely["smiling"] = 0.8 if long_hair else 0.3
        likely["glasses"] = 0.8 if hair_name == "silver" else 0.2
    beard, smiling, glasses, hat = (chance[name] < likely[name] for name in ("beard", "smiling", "glasses", "hat"))
    # Faces without glasses wear sunglasses at the rate that makes the given share of all faces.
    sunglasses = not glasses and chance["sunglasses"] < likely["sunglasses"] / (1 - likely["glasses"])

    # A variant is drawn for each part, worn or not: what follows must not depend on what came before.
    parts = [pick(rng, variants) for variants in (GLASSES, SUNGLASSES, BEARDS, HATS, EYES, EYEBROWS, CLOTHES)]
    glasses_variant, sunglasses_variant, beard_variant, hat_variant, eyes, eyebrows, clothes = parts
    mouth = pick(rng, SMILES if smiling else OTHER_MOUTHS)
    hair = pick(rng, LONG_HAIR if long_hair else SHORT_HAIR)
    colours = [pick(rng, c) for c in (SKIN_COLOURS[skin_name], FRAME_COLOURS[skin_name], HAT_COLOURS, CLOTHES_COLOURS)]
    skin_colour, frame_colour, hat_colour, clothes_colour = colours
    background = (_background_colour(rng), _background_colour(rng))
    angle, turn, scale, right, down, flip = rng.uniform(
        (0, -7, 1.24, -0.03, 0.06, 0), (360, 7, 1.40, 0.03, 0.10, 1)
    ).tolist()
    if choices == "plain":
        background = (PLAIN_BACKGROUND, PLAIN_BACKGROUND)
        angle, turn, scale, right, down, flip = 0.0, 0.0, 1.3, 0.0, 0.08, 0.0

    return Look(
        glasses=glasses_variant if glasses else None,
        sunglasses=sunglasses_variant if sunglasses else None,
        mouth=mouth,
        hair=None if hat else hair,
        hat=hat_variant if hat else None,
        beard=beard_variant if beard else None,
        eyes=eyes,
        eyebrows=eyebrows,
        clothes=clothes,
        hair_name=hair_name,
        skin_name=skin_name,
        skin_colour=skin_colour,
        frame_colour=frame_colour,
        hat_colour=hat_colour,
        clothes_colour=clothes_colour,
        background=background,
        background_angle=angle,
        turn=turn,
        scale=scale,
        right=right,
        down=down,
        flipped=flip >= 0.5,
    )


def attributes_of(look: Look) -> dict[str, bool]:
    """What is true of a face, by the names of ATTRIBUTES and in their order."""
    return {
        "glasses": look.glasses is not None,
        "sunglasses": look.sunglasses is not None,
        "smiling": look.mouth in SMILES,
        "long_hair": look.hair in LONG_HAIR,
        "beard": look.beard is not None,
        "hat": look.hat is not None,
        **{f"{colour}_hair": look.hair is not None and look.hair_name == colour for colour in HAIR_COLOURS},
        "pale_skin": look.skin_name == "pale",
        "dark_skin": look.skin_name == "dark",
    }


def caption_of(look: Look) -> str:
    """The attributes as a part of a sentence: "a smiling face with dark skin, glasses and long red hair"."""
    things = [
        f"{look.skin_name} skin" if look.skin_name != "medium" else "",
        "glasses" if look.glasses else "",
        "sunglasses" if look.sunglasses else "",
        "a beard" if look.beard else "",
        "a hat" if look.hat else f"{'long' if look.hair in LONG_HAIR else 'short'} {look.hair_name} hair",
    ]
    *others, last = [thing for thing in things if thing]
    listed = f"{', '.join(others)} and {last}" if others else last
    return f"a {'smiling ' if look.mouth in SMILES else ''}face with {listed}"


def paint(look: Look, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Draw a face.

    Args:
        look: the face.
        size: side of the image in pixels.

    Returns:
        uint8 (size, size, 3), RGB; and for each part of BOXES that the face has, how much of each pixel it colours, as
        float32 (size, size) in [0, 1].
    """
    side = min(CANVAS_PER_PIXEL * size, LARGEST_CANVAS)
    light = np.zeros((side, side, 3), np.float32)  # colour that the parts so far send to the eye
    clear = np.ones((side, side), np.float32)  # share of what lies below them that still shines through
    shown = {}
    for part, component, variant, colour in reversed(_parts(look)):  # from the top one down
        layer = _layer(component, variant, colour, side)
        clear_here = clear[layer.place]
        if part in BOXES and not (part == "eyes" and look.sunglasses):  # dark lenses let too little through to count
            shown[part] = np.zeros((side, side), np.float32)
            shown[part][layer.place] = clear_here * (1 - layer.clear)
        light[layer.place] += layer.light * clear_here[..., None]
        clear_here *= layer.clear

    place = functools.partial(_place, pose=_pose(look, side, size), size=size)
    image = place(light) + place(clear, outside=1)[..., None] * _background(look, size)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), {part: place(mask) for part, mask in shown.items()}


@dataclass(frozen=True)
class Faces(Drawn):
    """The built-in faces as a source of images. See `Drawn` for the settings, CHOICES for the sets of choices.

    Fields: attributes uint8 (13,), captions of up to 120 bytes, boxes int16 (7, 4).
    """

    title: ClassVar[str] = "built-in faces"
    known_choices: ClassVar[dict[str, str]] = CHOICES
    factors: ClassVar[tuple[Factor, ...]] = (
        Factor(
            "hair",
            {f"{length}{colour} hair": (*on, f"{colour}_hair") for colour in HAIR_COLOURS for length, on in _LENGTHS}
            | {"hat": ("hat",)},
        ),
        Factor("skin", {"pale": ("pale_skin",), "medium": (), "dark": ("dark_skin",)}),
        Factor("eyes", {"bare eyes": (), "glasses": ("glasses",), "sunglasses": ("sunglasses",)}),
        Factor("chin", {"no beard": (), "beard": ("beard",)}),
        Factor("mouth", {"serious": (), "smiling": ("smiling",)}),
    )

    def describe(self) -> Description:
        return Description(
            title=self.heading,
            count=self.count,
            identity=self.identity(DRAWING_VERSION, "dicebear-core", "dicebear-styles", "resvg-py"),
            fields={
                "attributes": ((len(ATTRIBUTES),), "uint8"),
                "captions": ((), "S120"),
                "boxes": ((len(BOXES), 4), "int16"),
            },
            attribute_names=ATTRIBUTES,
            box_names=BOXES,
            encoding=ENCODING,
        )

    def look(self, row: int) -> Look:
        """What the face of one row is, without drawing it."""
        return draw_look(self.generator(row), self.choices)

    def known(self, row: int) -> dict[str, bool]:
        return attributes_of(self.look(row))

    def draw(self, row: int) -> dict[str, np.ndarray]:
        look = self.look(row)
        image, shown = paint(look, self.size)
        absent = np.zeros((self.size, self.size), np.float32)
        return {
            "images": image,
            "attributes": np.array(list(attributes_of(look).values()), np.uint8),
            "captions": caption_of(look).encode(),
            "boxes": np.array([box_of(shown.get(part, absent)) for part in BOXES]),
        }


# --- parts and where they go ------------------------------------------------------------------------------------------


def _parts(look: Look) -> list[tuple[str, str, str, str]]:
    """The parts of a face from the lowest to the topmost: our name, the style's component, variant and colour."""
    hair_colour = HAIR_COLOURS[look.hair_name]
    parts = [
        ("body", "body", "", look.skin_colour),
        ("clothes", "clothes", look.clothes, look.clothes_colour),
        ("mouth", "mouth", look.mouth, ""),
        ("nose", "nose", "default", ""),
        ("eyes", "eyes", look.eyes, ""),
        ("eyebrows", "eyebrows", look.eyebrows, ""),
        ("hair", "top", look.hair, hair_colour),
        ("hat", "top", look.hat, look.hat_colour),
        ("beard", "facialHair", look.beard, hair_colour),
        ("glasses", "accessories", look.glasses, look.frame_colour),
        ("sunglasses", "accessories", look.sunglasses, look.frame_colour),
    ]
    return [part for part in parts if part[2] is not None]


@dataclass(frozen=True)
class _Layer:
    """One part on the canvas: the colour that is seen = light + clear * the colour below it."""

    place: tuple[slice, slice]  # rows and columns of the canvas
    light: np.ndarray  # float32 (h, w, 3) in [0, 255]
    clear: np.ndarray  # float32 (h, w) in [0, 1]


@functools.cache
def _layer(component: str, variant: str, colour: str, side: int) -> _Layer:
    """Rasterise one part on a canvas of side x side pixels; each process does it once."""
    options = {"seed": "", "size": side}  # no part is left to DiceBear's own chance, so its seed changes nothing
    if component != "body":
        options[f"{component}Probability"] = 100
    if colour:
        options[f"{_colour_of(component, variant)}Color"] = colour
    svg = str(Avatar(_style(component, variant), options))
    # Rather than from its alpha, the layer is made from what it looks like on black and on white: this holds for the
    # lenses of sunglasses too, which are blended with what is below them.
    on_black, on_white = (_rasterise(svg, ground, side) for ground in ("#000000", "#ffffff"))
    clear = (on_white - on_black).mean(axis=-1) / np.float32(255)
    left, top, width, height = cv2.boundingRect((clear < 1).view(np.uint8))
    place = (slice(top, top + height), slice(left, left + width))
    return _Layer(place, on_black[place].copy(), clear[place].copy())


@functools.cache
def _style(component: str, variant: str) -> Style:
    """Avataaars with nothing on its canvas but one variant of one component.

    The component "body" is all that is no component of the style: head and neck. What is not needed is taken out of the
    definition because DiceBear checks all of it, which takes a second for the whole style.
    """
    definition = _definition()
    if component == "body":
        elements = [element for element in definition["canvas"]["elements"] if element["type"] != "component"]
        components = {}
    else:
        elements = [element for element in definition["canvas"]["elements"] if element["name"] == component]
        whole = definition["components"][component]
        components = {component: {**whole, "variants": {variant: whole["variants"][variant]}}}
    return Style({**definition, "canvas": {**definition["canvas"], "elements": elements}, "components": components})


@functools.cache
def _definition() -> dict:
    """The style as DiceBear defines it."""
    return json.loads((files("dicebear_styles") / "avataaars.json").read_text(encoding="utf-8"))


def _colour_of(component: str, variant: str) -> str:
    """The style's name of the colour that a part is painted with."""
    if component == "body":
        return "skin"
    if component == "top":
        return "hat" if variant in HATS else "hair"
    return component


def _rasterise(svg: str, ground: str, side: int) -> np.ndarray:
    """An SVG on a ground of one colour, as float32 (side, side, 3) in [0, 255], RGB."""
    png = resvg_py.svg_to_bytes(svg_string=svg, background=ground, width=side, skip_system_fonts=True)
    image = cv2.imdecode(np.frombuffer(bytes(png), np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.float32)


def _pose(look: Look, side: int, size: int) -> np.ndarray:
    """The map from the canvas to the image before its pixels are averaged, float64 (2, 3).

    The order is DiceBear's: scale about the centre, flip, turn about the centre, move.
    """
    samples = size * OVERSAMPLING
    angle = math.radians(look.turn)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = turn @ np.diag([-1.0 if look.flipped else 1.0, 1.0]) * (look.scale * samples / side)
    centre = np.array([0.5 + look.right, 0.5 + look.down]) * samples - linear @ np.array([side / 2, side / 2])
    # OpenCV counts from the centre of the first pixel, the lengths above from its corner.
    return np.column_stack([linear, centre + linear @ np.array([0.5, 0.5]) - 0.5])


def _place(canvas: np.ndarray, pose: np.ndarray, size: int, outside: float = 0) -> np.ndarray:
    """Turn, scale and move what is on the canvas, and average it to size x size pixels; `outside` lies around it."""
    samples = (size * OVERSAMPLING,) * 2
    moved = cv2.warpAffine(canvas, pose, samples, flags=cv2.INTER_LINEAR, borderValue=(outside,) * 4)
    return cv2.resize(moved, (size, size), interpolation=cv2.INTER_AREA)


def _background_colour(rng: np.random.Generator) -> str:
    bounds = (BACKGROUND_HUES, BACKGROUND_SATURATION, BACKGROUND_VALUE)
    red, green, blue = colorsys.hsv_to_rgb(*(rng.uniform(*bound) for bound in bounds))
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _background(look: Look, size: int) -> np.ndarray:
    """The gradient behind the face, as float32 (size, size, 3)."""
    angle = math.radians(look.background_angle)
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    along = np.clip(0.5 + math.cos(angle) * steps + math.sin(angle) * steps[:, None], 0, 1)[..., None]
    start, end = (np.frombuffer(bytes.fromhex(colour[1:]), np.uint8).astype(np.float32) for colour in look.background)
    return start + along * (end - start)
