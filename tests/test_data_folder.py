"""The reader of folders of pictures: every format and mode, and everything that can be wrong with a file."""

import errno
import io
import json
import os
import struct
import tracemalloc
import zipfile
import zlib

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from utils.data import load, pictures
from utils.data.folder import Folder
from utils.data.pictures import Pictures, Zip, decode
from utils.errors import InputError

SIZE = 8
RANDOM = np.random.default_rng(3)
RGB = RANDOM.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
ALPHA = RANDOM.integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
ALPHA[0, :2] = 0, 255


def _read(path, size=SIZE):
    """The images of a folder, read without preparing; all must be good."""
    source = Folder(path, size)
    arrays, failed = source.read(range(source.describe().count))
    assert failed == {}
    return arrays["images"]


def _load(path, size=SIZE, **settings):
    return load(path, size=size, data_dir=path.parent / "data", progress=False, **settings)


def _on_white(colour, alpha):
    """Alpha laid on white, computed in real numbers."""
    alpha = alpha[..., None] / 255
    return np.floor(colour * alpha + 255 * (1 - alpha) + 0.5)


def _save(folder, name="a.png", array=RGB, **settings):
    """Save an array, by default RGB, as a picture."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **settings)
    return path


def _colours(count):
    """A picture of that many colours, as (indices, palette)."""
    return RANDOM.integers(0, count, (SIZE, SIZE), dtype=np.uint8), RANDOM.integers(0, 256, (count, 3), dtype=np.uint8)


def _with_palette(indices, palette):
    image = Image.fromarray(indices).convert("L")
    image.putpalette(palette.tobytes())
    return image


# --- formats and modes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings"), [("a.png", {}), ("a.PNG", {}), ("a.bmp", {}), ("a.webp", {"lossless": True})]
)
def test_lossless_rgb_comes_through_bit_for_bit(tmp_path, name, settings):
    _save(tmp_path, name, **settings)
    assert np.array_equal(_read(tmp_path)[0], RGB)


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif"])
def test_grey_becomes_three_equal_channels(tmp_path, suffix):
    _save(tmp_path, f"a.{suffix}", GREY)
    assert np.array_equal(_read(tmp_path)[0], GREY[..., None].repeat(3, -1))


def test_one_bit_becomes_black_and_white(tmp_path):
    bits = GREY > 127
    _save(tmp_path, "a.png", bits)
    assert np.array_equal(_read(tmp_path)[0], np.where(bits, 255, 0)[..., None].repeat(3, -1))


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif"])
def test_a_palette_gives_its_colours(tmp_path, suffix):
    indices, palette = _colours(200)
    _with_palette(indices, palette).save(tmp_path / f"a.{suffix}")
    assert np.array_equal(_read(tmp_path)[0], palette[indices])


def test_the_first_frame_of_a_gif_is_taken(tmp_path):
    frames = [_with_palette(*_colours(50)) for _ in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert np.array_equal(_read(tmp_path)[0], np.asarray(frames[0].convert("RGB")))


def test_a_jpeg_is_what_pillow_decodes(tmp_path):
    path = _save(tmp_path, "a.jpg", quality=90)
    assert np.array_equal(_read(tmp_path)[0], np.asarray(Image.open(path)))


def test_a_picture_is_known_by_its_content_not_by_its_suffix(tmp_path):
    _save(tmp_path, "a.jpg", format="PNG")
    assert np.array_equal(_read(tmp_path)[0], RGB)


def test_cmyk_becomes_rgb(tmp_path):
    inks = np.zeros((SIZE, SIZE, 4), np.uint8)
    inks[:] = 30, 200, 90, 50
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.jpg", quality=95)
    expected = (255 - inks[0, 0, :3].astype(float)) * (255 - 50) / 255
    assert np.abs(_read(tmp_path)[0] - expected).max() <= 6


def test_sixteen_bits_of_grey_are_scaled_to_the_nearest_of_eight(tmp_path):
    wide = RANDOM.integers(0, 65536, (SIZE, SIZE), dtype=np.uint16)
    _save(tmp_path, "a.png", wide)
    assert np.array_equal(_read(tmp_path)[0], np.rint(wide / 257)[..., None].repeat(3, -1))


def test_sixteen_bits_of_colour_are_scaled_to_the_nearest_of_eight(tmp_path):
    wide = RANDOM.integers(0, 65536, (SIZE, SIZE, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), wide[..., ::-1])
    assert np.array_equal(_read(tmp_path)[0], np.rint(wide / 257))


def test_sixteen_bits_with_alpha_are_laid_on_white(tmp_path):
    wide = RANDOM.integers(0, 65536, (SIZE, SIZE, 4), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), wide[..., [2, 1, 0, 3]])
    narrow = np.rint(wide / 257)
    assert np.array_equal(_read(tmp_path)[0], _on_white(narrow[..., :3], narrow[..., 3]))


def test_a_transparent_value_of_sixteen_bits_becomes_white(tmp_path):
    wide = RANDOM.integers(0, 65536, (SIZE, SIZE), dtype=np.uint16)
    _save(tmp_path, "a.png", wide, transparency=int(wide[2, 3]))
    colours = RANDOM.integers(0, 65536, (SIZE, SIZE, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "b.png"), colours[..., ::-1])
    content = (tmp_path / "b.png").read_bytes()
    clear = b"tRNS" + colours[2, 3].astype(">u2").tobytes()
    chunk = struct.pack(">I", 6) + clear + struct.pack(">I", zlib.crc32(clear))
    place = content.index(b"IDAT") - 4
    (tmp_path / "b.png").write_bytes(content[:place] + chunk + content[place:])
    expected = np.stack([np.rint(wide / 257)[..., None].repeat(3, -1), np.rint(colours / 257)])
    expected[:, 2, 3] = 255
    assert np.array_equal(_read(tmp_path), expected)


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_alpha_is_laid_on_white(tmp_path, name):
    _save(tmp_path, name, np.dstack([RGB, ALPHA]), **({"lossless": True, "exact": True} if "webp" in name else {}))
    assert np.array_equal(_read(tmp_path)[0], _on_white(RGB, ALPHA))


def test_grey_with_alpha_is_laid_on_white(tmp_path):
    _save(tmp_path, "a.png", np.dstack([GREY, ALPHA]))
    assert np.array_equal(_read(tmp_path)[0], _on_white(GREY[..., None].repeat(3, -1), ALPHA))


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_a_transparent_colour_of_a_palette_becomes_white(tmp_path, suffix):
    indices, palette = _colours(50)
    transparent = int(indices[2, 3])
    _with_palette(indices, palette).save(tmp_path / f"a.{suffix}", transparency=transparent)
    palette[transparent] = 255
    assert np.array_equal(_read(tmp_path)[0], palette[indices])


def test_a_transparent_colour_of_an_rgb_png_becomes_white(tmp_path):
    _save(tmp_path, transparency=tuple(map(int, RGB[2, 3])))
    expected = RGB.copy()
    expected[2, 3] = 255
    assert np.array_equal(_read(tmp_path)[0], expected)


UPRIGHT = {  # what to do to the stored pixels, by value of the tag, from the description of EXIF
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: np.rot90(a, 2),
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("bits", [8, 16])
def test_the_orientation_of_exif_is_applied_before_the_square_is_cut(tmp_path, orientation, bits):
    stored = RANDOM.integers(0, 256, (SIZE, SIZE + 5), dtype=np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    _save(tmp_path, "a.png", stored if bits == 8 else stored.astype(np.uint16) * 257, exif=exif)
    upright = UPRIGHT[orientation](stored[..., None].repeat(3, -1))
    top, left = (upright.shape[0] - SIZE) // 2, (upright.shape[1] - SIZE) // 2
    assert np.array_equal(_read(tmp_path)[0], upright[top : top + SIZE, left : left + SIZE])


def test_a_turned_jpeg_is_upright(tmp_path):
    stored = np.zeros((32, 32, 3), np.uint8)
    stored[:16, :16] = 255, 0, 0
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned a quarter clockwise: red goes from top left to top right
    _save(tmp_path, "a.jpg", stored, exif=exif, quality=95, subsampling=0)
    image = _read(tmp_path, 32)[0]
    assert image[4, 27, 0] > 240 and image[4, 4, 0] < 15


def _exif_against_the_rules(orientation, tag):
    """EXIF with an orientation, and with a tag as some cameras write it: ExposureBias -2/0, or Make as a fraction."""
    first, bias = {ExifTags.Base.Orientation: (3, orientation)}, b""
    if tag == "Make":
        first = {ExifTags.Base.Make: (5, 38)} | first
    else:
        first[ExifTags.IFD.Exif] = (4, 38)
        bias = struct.pack("<HHHIII", 1, ExifTags.Base.ExposureBiasValue, 10, 1, 56, 0)
    entries = b"".join(struct.pack("<HHII", name, kind, 1, value) for name, (kind, value) in first.items())
    head = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(first))
    return head + entries + bytes(4) + bias + struct.pack("<ii", *((1, 3) if tag == "Make" else (-2, 0)))


@pytest.mark.parametrize("tag", ["Make", "ExposureBiasValue"])
def test_pictures_are_turned_whatever_a_camera_wrote_against_the_rules_of_exif(tmp_path, tag):
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :24, 0], stored[16:, :24, 1] = 255, 255
    for orientation in UPRIGHT:
        exif = _exif_against_the_rules(orientation, tag)
        _save(tmp_path, f"{orientation}.jpg", stored, exif=exif, quality=95, subsampling=0)
    for image, turn in zip(_read(tmp_path, 32), UPRIGHT.values()):
        upright = turn(stored)
        top, left = (upright.shape[0] - 32) // 2, (upright.shape[1] - 32) // 2
        assert np.abs(image.astype(int) - upright[top : top + 32, left : left + 32]).mean() < 8


def test_a_png_whose_exif_cannot_be_read_is_taken_as_it_is(tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", "\nexif\n  9\nno hex\n")
    _save(tmp_path, pnginfo=text)
    assert np.array_equal(_read(tmp_path)[0], RGB)


# --- crop and size ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(SIZE, 13), (13, SIZE), (SIZE, 14), (14, SIZE)])
def test_the_middle_square_is_cut_out_exactly(tmp_path, shape):
    big = RANDOM.integers(0, 256, (*shape, 3), dtype=np.uint8)
    _save(tmp_path, array=big)
    top, left = (shape[0] - SIZE) // 2, (shape[1] - SIZE) // 2
    assert np.array_equal(_read(tmp_path)[0], big[top : top + SIZE, left : left + SIZE])


def test_shrinking_averages_over_areas(tmp_path):
    big = RANDOM.integers(0, 256, (3 * SIZE, 3 * SIZE, 3), dtype=np.uint8)
    _save(tmp_path, array=big)
    assert np.abs(_read(tmp_path)[0] - big.reshape(SIZE, 3, SIZE, 3, 3).mean((1, 3))).max() <= 0.51


def test_a_big_jpeg_decoded_small_is_close_to_one_decoded_whole(tmp_path):
    tiles = RANDOM.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    big = cv2.resize(tiles, (1008, 752), interpolation=cv2.INTER_NEAREST)
    path = _save(tmp_path, "a.jpg", big, quality=95)
    whole = np.asarray(Image.open(path))[:, 128:880]
    expected = cv2.resize(whole, (64, 64), interpolation=cv2.INTER_AREA)
    error = _read(tmp_path, 64)[0].astype(float) - expected
    assert 10 * np.log10(255**2 / (error**2).mean()) > 40


def test_pictures_with_a_side_too_short_are_skipped_and_listed_with_their_size(tmp_path):
    for number in range(20):
        _save(tmp_path / "p", f"{number:02}.png")
    _save(tmp_path / "p", "03.png", np.zeros((SIZE - 1, 50, 3), np.uint8))
    dataset = _load(tmp_path / "p")
    assert len(dataset) == 19
    assert dataset.skipped == (f"03.png: smaller than 8x8 (50x{SIZE - 1})",)


# --- what is in the folder --------------------------------------------------------------------------------------------


def test_pictures_are_ordered_by_their_path_whatever_the_order_on_disk(tmp_path):
    names = ["b/2.png", "b/10.png", "a/9.png", "B/1.png", "a.png"]
    for grey, name in enumerate(names):
        _save(tmp_path, name, np.full((SIZE, SIZE), grey, np.uint8))
    assert Folder(tmp_path, SIZE).names == sorted(names)
    assert _read(tmp_path)[:, 0, 0, 0].tolist() == [names.index(name) for name in sorted(names)]


def test_two_or_more_sub_folders_are_classes(tmp_path):
    for name in ("p/dog/1.png", "p/cat/deep/2.png", "p/cat/1.png", "p/owl/1.png"):
        _save(tmp_path, name)
    dataset = _load(tmp_path / "p")
    assert dataset.label_names == ("cat", "dog", "owl")
    assert dataset.labels.tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize("names", [("1.png", "2.png"), ("cat/1.png", "cat/2.png"), ("cat/1.png", "dog/1.png", "1.png")])
def test_without_two_sub_folders_that_hold_everything_there_are_no_labels(tmp_path, names):
    for name in names:
        _save(tmp_path / "p", name)
    dataset = _load(tmp_path / "p")
    assert dataset.labels is None and dataset.label_names == ()


def test_pictures_beside_the_sub_folders_that_keep_them_from_being_classes_are_told(tmp_path):
    for name in ("cats/1.png", "dogs/1.png"):
        _save(tmp_path / "p", name)
    assert Folder(tmp_path / "p", SIZE).notes == ()
    _save(tmp_path / "p", "cover.png")
    told = "1 picture is in no sub-folder (cover.png), so the sub-folders cats, dogs are not taken for classes."
    assert Folder(tmp_path / "p", SIZE).notes == (told,) and told in _load(tmp_path / "p").notes
    for number in range(4):
        _save(tmp_path / "p", f"{number}.png")
        _save(tmp_path / "p", f"animals {number}/1.png")
    (told,) = Folder(tmp_path / "p", SIZE).notes
    assert told.startswith("5 pictures are in no sub-folder (0.png, 1.png, 2.png and 2 more), so the sub-folders ")
    assert told.endswith(" animals 0, animals 1, animals 2 and 3 more are not taken for classes.")
    for name in ("1.png", "2.png", "cats/1.png"):
        _save(tmp_path / "no classes", name)
    assert Folder(tmp_path / "no classes", SIZE).notes == ()


def test_hidden_files_other_files_and_pipes_are_left_out_and_listed(tmp_path):
    for name in ("a.png", ".hidden.png", ".thumbnails/b.png"):
        _save(tmp_path, name)
    (tmp_path / "readme.txt").write_text("hello")
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe")
    source = Folder(tmp_path, SIZE)
    assert source.names == ["a.png"]
    assert source.others == (
        ".thumbnails/: hidden",
        ".hidden.png: hidden",
        "pipe: not a regular file",
        "pipe.png: not a regular file",
        "readme.txt: text",
    )


def test_links_are_followed_but_a_loop_is_entered_once(tmp_path):
    _save(tmp_path / "elsewhere", "b.png")
    _save(tmp_path / "p", "a.png")
    (tmp_path / "p" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "p" / "loop").symlink_to(tmp_path / "p")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "p")
    assert Folder(tmp_path / "p", SIZE).names == ["a.png", "linked/b.png"]


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(InputError, match="holds no picture that can be read: 1 other file left out: 1 text"):
        Folder(tmp_path, SIZE)


def test_names_that_are_not_utf8_can_be_loaded_and_listed(tmp_path):
    for number in range(10):
        _save(tmp_path / "p", f"{number}.png")
    with open(os.fsencode(tmp_path / "p") + b"/\xff\xfe.png", "wb") as file:
        file.write(b"broken")
    dataset = _load(tmp_path / "p")
    assert len(dataset) == 10 and dataset.skipped == ("\ufffd\ufffd.png: not a picture",)


def test_a_changed_a_new_and_a_missing_picture_each_change_the_fingerprint(tmp_path):
    for number in range(3):
        _save(tmp_path / "p", f"{number}.png")
    prints = [_load(tmp_path / "p").fingerprint]
    changed = _save(tmp_path / "p", "1.png", 255 - RGB)
    os.utime(changed, (1, 1))
    prints.append(_load(tmp_path / "p").fingerprint)
    assert np.array_equal(_load(tmp_path / "p").images[1], 255 - RGB)
    _save(tmp_path / "p", "3.png")
    prints.append(_load(tmp_path / "p").fingerprint)
    (tmp_path / "p" / "0.png").unlink()
    prints.append(_load(tmp_path / "p").fingerprint)
    assert len(set(prints)) == 4


def test_the_same_pictures_in_another_folder_have_the_same_fingerprint(tmp_path):
    for folder in ("p", "q"):
        for number in range(3):
            _save(tmp_path / folder, f"{number}.png", RGB + np.uint8(number))
    assert _load(tmp_path / "p").fingerprint == _load(tmp_path / "q").fingerprint


# --- what is a picture is decided by the content ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jfif", "JPEG"), ("a.jpe", "JPEG"), ("a.JPG_large", "JPEG"), ("a", "PNG"), ("photo.png?w=80", "PNG"),
        ("a.mpo", "MPO"), ("b", "MPO"), ("a.tif", "TIFF"), ("a.tiff", "TIFF"), ("c", "TIFF"), ("a.avif", "AVIF"),
        ("d", "AVIF"), ("a.heic", "AVIF"), ("a.jp2", "JPEG2000"), ("e", "JPEG2000"), ("a.jpg", "AVIF"),
        ("a.ppm", "PPM"), ("f", "PPM"), ("g", "GIF"), ("h", "WEBP"), ("i", "BMP"),
    ],
)  # fmt: skip
def test_pictures_of_any_name_are_taken(tmp_path, name, kind):
    _save(tmp_path, name, np.full((16, 16, 3), (200, 40, 90), np.uint8), format=kind)
    assert np.abs(_read(tmp_path, 16)[0].astype(int) - (200, 40, 90)).max() <= 8


OTHERS = {  # files that are no picture, or none that can be read, by their beginnings
    "a.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
    "b.heif": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
    "c.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    "d.nef": (b"MM\0*\0\0\0\x08", "camera raw"),
    "e.cr3": (b"\0\0\0\x18ftypcrx \0\0\0\x01", "camera raw"),
    "f.svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">', "SVG"),
    "g.mp4": (b"\0\0\0\x20ftypisom\0\0\x02\0", "video"),
    "h.zip": (b"PK\x03\x04", "archive"),
    "i.md": ("Gruß an alle".encode(), "text"),
    "j.bin": (b"\0\1\2\3", "unknown"),
    "k": (b"", "empty"),
    "l.json": (b"{}", "text"),
}


def test_what_cannot_be_read_is_listed_with_what_it_is_and_what_to_do(tmp_path):
    _save(tmp_path)
    for name, (content, _) in OTHERS.items():
        (tmp_path / name).write_bytes(content)
    source = Folder(tmp_path, SIZE)
    assert source.names == ["a.png"]
    assert source.others == tuple(f"{name}: {kind}" for name, (_, kind) in sorted(OTHERS.items()))
    (note,) = source.notes
    assert note.startswith("1 picture, 12 other files left out: ")
    assert "2 HEIC (not readable here: convert them)" in note and "1 archive (unpack them)" in note


def test_a_heic_that_is_called_jpg_is_named_as_what_it_is(tmp_path):
    for number in range(8):
        _save(tmp_path / "p", f"{number}.png")
    (tmp_path / "p" / "IMG_1.JPG").write_bytes(OTHERS["a.heic"][0] + bytes(100))
    assert _load(tmp_path / "p").skipped == ("IMG_1.JPG: HEIC, not readable here: convert them",)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("name", ["a.tif", "a.avif"])
def test_the_orientation_is_applied_once_in_tiff_and_avif(tmp_path, orientation, name):
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :24, 0], stored[16:, :24, 1] = 255, 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    _save(tmp_path, name, stored, exif=exif)
    upright = UPRIGHT[orientation](stored)
    top, left = (upright.shape[0] - 32) // 2, (upright.shape[1] - 32) // 2
    difference = _read(tmp_path, 32)[0].astype(int) - upright[top : top + 32, left : left + 32]
    assert np.abs(difference).mean() < 8


def test_sixteen_bits_of_grey_are_scaled_in_tiff_and_pgm_too(tmp_path):
    wide = RANDOM.integers(0, 65536, (SIZE, SIZE), dtype=np.uint16)
    _save(tmp_path, "a.tif", wide)
    (tmp_path / "b.pgm").write_bytes(b"P5 8 8 65535\n" + wide.astype(">u2").tobytes())
    expected = np.rint(wide / 257)[..., None].repeat(3, -1)
    assert np.array_equal(_read(tmp_path), [expected, expected])


def _tiff(path, grey, bits, white_is_zero=False):
    """Save grey values as a TIFF of so many bits a value, uncompressed."""
    if bits == 16:
        pixels = grey.astype("<u2").tobytes()
    else:  # each value from its highest bit, one behind the other
        spread = (grey[..., None] >> np.arange(bits)[::-1]) & 1
        pixels = np.packbits(spread.reshape(len(grey), -1), axis=1).tobytes()
    height, width = grey.shape
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: int(not white_is_zero), 273: 8, 277: 1, 278: height}
    tags[279] = len(pixels)
    listed = b"".join(struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, tags[tag]) for tag in sorted(tags))
    head = b"II*\0" + struct.pack("<I", 8 + len(pixels))
    path.write_bytes(head + pixels + struct.pack("<H", len(tags)) + listed + bytes(4))


@pytest.mark.parametrize(("bits", "white_is_zero"), [(8, False), (8, True), (12, False), (16, False), (16, True)])
def test_grey_of_a_tiff_goes_from_what_it_calls_black_to_what_it_calls_white(tmp_path, bits, white_is_zero):
    most = 2**bits - 1
    grey = RANDOM.integers(0, most + 1, (SIZE, SIZE))
    grey[0, :2] = 0, most
    _tiff(tmp_path / "a.tif", grey, bits, white_is_zero)
    light = (most - grey if white_is_zero else grey) * 255 / most
    assert np.array_equal(_read(tmp_path)[0], np.rint(light)[..., None].repeat(3, -1))


def test_values_of_unknown_range_are_not_guessed(tmp_path):
    for number in range(8):
        _save(tmp_path / "p", f"{number}.png")
    _save(tmp_path / "p", "x.tif", RANDOM.normal(size=(SIZE, SIZE)).astype(np.float32))
    (skipped,) = _load(tmp_path / "p").skipped
    assert skipped.startswith("x.tif: 32 bits a value")


# --- more pixels than are decoded at once -----------------------------------------------------------------------------


@pytest.fixture
def limit(monkeypatch):
    """A limit that a picture of 600x400 pixels exceeds, by far more than Pillow's own would let pass."""
    monkeypatch.setattr("utils.data.pictures.LARGEST_PICTURE", 80_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 80_000)


def _large():
    return cv2.resize(RANDOM.integers(0, 256, (4, 6, 3), dtype=np.uint8), (600, 400), interpolation=cv2.INTER_NEAREST)


@pytest.mark.parametrize(("name", "kind"), [("a.jpg", "JPEG"), ("a.mpo", "MPO"), ("a.jp2", "JPEG2000")])
def test_a_picture_of_too_many_pixels_is_decoded_smaller_where_its_format_can(tmp_path, limit, name, kind):
    large = _large()
    _save(tmp_path, name, large, format=kind)
    expected = cv2.resize(large[:, 100:500], (8, 8), interpolation=cv2.INTER_AREA)
    assert np.abs(_read(tmp_path)[0].astype(int) - expected).mean() < 8
    assert Image.MAX_IMAGE_PIXELS == 80_000  # what others in this process rely on


@pytest.mark.parametrize(
    ("name", "settings"),
    [("x.png", {}), ("x.webp", {}), ("x.tif", {}), ("x.avif", {}), ("x.bmp", {}), ("x.jpg", {"progressive": True})],
)
def test_where_it_cannot_the_picture_is_left_out_in_plain_words(tmp_path, limit, name, settings):
    for number in range(8):
        _save(tmp_path / "p", f"{number}.png")
    _save(tmp_path / "p", name, _large(), **settings)
    (skipped,) = _load(tmp_path / "p").skipped
    assert skipped.startswith(f"{name}: too large (0 million pixels; at most 0 million can be decoded: make it smaller")


# --- what does not belong to the pictures -----------------------------------------------------------------------------

OWN_FILES = {
    "runs/p/0001-quick/experiment.json": {"preset": "quick", "data": {}, "model": {}, "training": {}},
    "pretrained/mine/settings.json": {"preset": "quick", "data": {}, "model": {}, "training": {}},
    "statistics/p-train-32/statistics.json": {"fingerprint": "f", "mean_rgb": [1, 2, 3]},
    "duplicates/p-train-32-near/duplicates.json": {"fingerprint": "f", "groups": []},
    "explain/explain.json": {"title": "t", "about": "a", "sections": []},
}


@pytest.mark.parametrize("rules", [1, 2])
def test_what_this_project_wrote_below_the_pictures_is_no_picture(tmp_path, rules):
    _save(tmp_path, "a.png")
    before = Folder(tmp_path, SIZE, rules=rules).describe().identity
    for name, content in OWN_FILES.items():
        _save(tmp_path / name.rsplit("/", 1)[0], "grids/true.png")
        _save(tmp_path / name.rsplit("/", 1)[0], "samples.png")
        (tmp_path / name).write_text(json.dumps(content))
    source = Folder(tmp_path, SIZE, rules=rules)
    assert source.names == ["a.png"] and source.describe().identity == before
    assert source.others == tuple(f"{name.rsplit('/', 1)[0]}/: written by this project" for name in sorted(OWN_FILES))
    assert "5 folders left out: 5 written by this project" in source.notes[0]


def test_a_folder_with_a_file_of_such_a_name_that_says_something_else_is_the_users(tmp_path):
    for name, content in (("a", '{"microscope": 3}'), ("b", "not JSON"), ("c", "[1]"), ("d", "[" * 100_000)):
        _save(tmp_path / name)
        (tmp_path / name / "experiment.json").write_text(content)
    assert Folder(tmp_path, SIZE).names == ["a/a.png", "b/a.png", "c/a.png", "d/a.png"]


def test_pictures_in_a_run_can_be_asked_for(tmp_path):
    _save(tmp_path, "a.png")
    (tmp_path / "experiment.json").write_text(json.dumps(OWN_FILES["runs/p/0001-quick/experiment.json"]))
    assert Folder(tmp_path, SIZE).names == ["a.png"]


@pytest.mark.parametrize(
    "place",
    [
        "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.png", "#recycle/a.png", "@Recycle/a.png", "deep/$RECYCLE.BIN/a.png",
        "RECYCLER/a.png",
        "System Volume Information/a.png", ".Trash-1000/files/a.png", "lost+found/a.png", "__MACOSX/a.png",
        "@__thumb/a.png", "M4ROOT/THMBNL/a.png", "CANONMSC/a.png", "._a.png", "MVI_1.THM", "#snapshot/a.png",
    ],
)  # fmt: skip
def test_what_systems_cameras_and_network_disks_leave_behind_is_no_picture(tmp_path, place):
    _save(tmp_path, "a.png")
    path = tmp_path / place
    _save(path.parent, path.name, format="PNG")
    source = Folder(tmp_path, SIZE)
    assert source.names == ["a.png"] and len(source.others) == 1 and "left out: 1 " in source.notes[0]


def test_by_the_old_rules_only_six_suffixes_and_what_is_hidden_count(tmp_path):
    for name in ("a.png", "@eaDir/a.png", "b.tif", ".c.png"):
        _save(tmp_path, name)
    old = Folder(tmp_path, SIZE, rules=1)
    assert old.names == ["@eaDir/a.png", "a.png"] and old.describe().identity["version"] == 1
    assert Folder(tmp_path, SIZE).names == ["a.png", "b.tif"]


# --- splits -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pets(tmp_path):
    """A folder with splits and classes; one class is not in every split."""
    for name in (
        "training/cat/1.png", "training/dog/1.png", "training/owl/1.png",
        "Test/dog/2.png", "Test/owl/2.png", "val/3.png",
    ):  # fmt: skip
        _save(tmp_path / "pets", name)
    return tmp_path / "pets"


def test_folders_called_train_and_test_are_splits_and_classes_lie_in_them(pets):
    dataset = _load(pets)
    assert len(dataset) == 3 and dataset.label_names == ("cat", "dog", "owl") and dataset.labels.tolist() == [0, 1, 2]
    test = _load(pets, split="test")
    assert test.label_names == dataset.label_names and test.labels.tolist() == [1, 2] and test.split == "test"
    for split, dataset_of in (("train", dataset), ("test", test)):  # known before any picture is read
        assert Folder(pets, SIZE, split).labels.tolist() == dataset_of.labels.tolist()
    valid = _load(pets, split="valid")
    assert len(valid) == 1 and valid.labels is None
    assert len(_load(pets, split="all")) == 6
    assert "train 3, test 2, valid 1" in dataset.notes[0]
    assert len({_load(pets, split=split).fingerprint for split in ("train", "test", "all")}) == 3


def test_a_split_that_is_not_there_is_refused_with_those_that_are(pets, tmp_path):
    with pytest.raises(InputError, match="are train, test, valid and all. Received: split='val'"):
        _load(pets, split="val")
    _save(tmp_path / "plain")
    with pytest.raises(InputError, match=r"are train and all \(it has no folders train/.*Received: split='test'"):
        _load(tmp_path / "plain", split="test")


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["train/1.png", "car/1.png", "tram/1.png"], ["car", "train", "tram"]),
        (["test/1.png", "valid/1.png"], ["test", "valid"]),
        (["train/cat/1.png", "train/dog/1.png"], ["cat", "dog"]),
        (["train/cat/1.png", "train/dog/1.png", "test/1.png", "more/1.png", "1.png"], ["cat", "dog"]),
    ],
)
def test_splits_are_told_from_classes_of_such_names(tmp_path, names, classes):
    for name in names:
        _save(tmp_path, name)
    assert Folder(tmp_path, SIZE).classes == classes


def test_by_the_old_rules_splits_are_classes(pets):
    assert _load(pets, rules=1).label_names == ("Test", "training", "val")


# --- broken files -----------------------------------------------------------------------------------------------------


def chunk(kind, content):
    """A part of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width, height, data):
    """A PNG by hand, with any size in its header."""

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def _cut(name, keep=0.6, **settings):
    def make(folder):
        big = RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        path = _save(folder, name, big, **settings)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])

    return make


def _cut_wide(folder):
    path = folder / "x.png"
    cv2.imwrite(str(path), RANDOM.integers(0, 65536, (64, 64, 3), dtype=np.uint16))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


BROKEN = {  # how to break a picture called x, and what is said of it
    "empty": (lambda folder: (folder / "x.jpg").write_bytes(b""), "not a picture"),
    "text": (lambda folder: (folder / "x.png").write_text("<html>404</html>"), "not a picture"),
    "dangling link": (lambda folder: (folder / "x.png").symlink_to("nowhere"), "No such file"),
    "jpeg cut": (_cut("x.jpg"), "truncated"),
    "png cut": (_cut("x.png"), "truncated"),
    "webp cut": (_cut("x.webp"), "decode"),
    "bmp cut": (_cut("x.bmp"), "truncated"),
    "gif cut": (_cut("x.gif"), "truncated"),
    "16-bit png cut": (_cut_wide, "truncated"),
    "png bad data": (lambda folder: (folder / "x.png").write_bytes(_png(64, 64, b"too little")), "truncated"),
    "bomb": (lambda folder: (folder / "x.png").write_bytes(_png(60_000, 60_000, b"")), "3,600 million pixels"),
    "not quite a bomb": (lambda folder: (folder / "x.png").write_bytes(_png(10_000, 10_000, b"")), "at most 89"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_picture_is_skipped_and_listed_with_the_reason_and_the_others_stay(tmp_path, kind):
    spoil, reason = BROKEN[kind]
    for number in range(6):
        _save(tmp_path / "p", f"{number}.png", RGB + np.uint8(number))
    _save(tmp_path / "p", "z.png", 255 - RGB)
    spoil(tmp_path / "p")
    dataset = _load(tmp_path / "p")
    assert len(dataset) == 7
    assert np.array_equal(dataset.images[6], 255 - RGB)
    (skipped,) = dataset.skipped
    assert skipped.startswith("x.") and reason in skipped


OF_A_PLACE = (errno.EACCES, errno.EIO, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ECONNRESET, errno.ENODEV, errno.ENOMEM)


@pytest.mark.parametrize(
    ("number", "passes"), [*((number, True) for number in OF_A_PLACE), (errno.EINVAL, False), (errno.ENOENT, False)]
)
def test_what_the_system_says_of_a_place_ends_the_reading_and_leaves_no_picture_out(number, passes):
    def fails():
        raise OSError(number, os.strerror(number), "/disk/x.png")

    class OnADisk(Pictures):
        size = 8

        def files(self, rows):
            return iter([("x.png", fails)] * len(rows))

    if passes:
        with pytest.raises(InputError, match=rf"x.png cannot be read \({os.strerror(number)}\): mend that"):
            OnADisk().read(range(1))
    else:  # as a decoder says of a damaged file
        assert "x.png: cannot be decoded" in OnADisk().read(range(1))[1][0]


@pytest.mark.parametrize(("number", "raised"), [(errno.EIO, OSError), (errno.EINVAL, InputError)])
def test_a_disk_that_fails_does_not_make_a_zip_a_damaged_one(tmp_path, monkeypatch, number, raised):
    def fails(*_):
        raise OSError(number, os.strerror(number))

    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("x.png", b"")
    monkeypatch.setattr(zipfile.ZipFile, "read", fails)
    with pytest.raises(raised, match="Input/output" if raised is OSError else "x.png in .* is damaged"):
        Zip(tmp_path / "x.zip").open("x.png")


def test_more_than_the_tolerated_share_is_an_error_with_examples_and_a_list_of_all(tmp_path):
    for number in range(50):
        _save(tmp_path / "p", f"{number:02}.png")
    for number in range(10):
        (tmp_path / "p" / f"{number:02}.png").write_text("broken")
    with pytest.raises(
        InputError, match="10 or more of the 50 pictures.*00.png: not a picture; 01.png.*--small enlarge"
    ) as refused:
        _load(tmp_path / "p", tolerated=0.1)
    (listed,) = (tmp_path / "data").rglob("left_out.txt")
    assert str(listed) in str(refused.value)
    assert listed.read_text().splitlines() == [f"{number:02}.png: not a picture" for number in range(10)]
    assert len(_load(tmp_path / "p", tolerated=0.2)) == 40


@pytest.mark.parametrize("small", [3, 9, 26])
def test_a_tenth_a_third_or_most_of_the_pictures_may_be_too_small_and_all_of_them_are_named(tmp_path, small):
    for number in range(30):
        _save(tmp_path / "p", f"{number:02}.png", RGB if number >= small else RGB[:7])
    dataset = _load(tmp_path / "p")
    assert len(dataset) == 30 - small
    assert dataset.skipped == tuple(f"{number:02}.png: smaller than 8x8 (8x7)" for number in range(small))
    remarks = " ".join(dataset.remarks("log.txt"))
    assert f"{small} of 30 pictures left out: 00.png: smaller than 8x8 (8x7); 01.png" in remarks
    assert ("All that was left out is listed in log.txt." in remarks) == (small > 3)


@pytest.mark.parametrize("rules", [1, 2])
def test_a_count_that_so_many_can_no_longer_be_used_for_gives_all_that_can(tmp_path, rules):
    for number in range(20):
        _save(tmp_path / "p", f"{number:02}.png", RGB if number else RGB[:7])
    (tmp_path / "p" / "20.png").write_text("broken")
    assert len(_load(tmp_path / "p", count=20, rules=rules)) == 19
    some = _load(tmp_path / "p", count=10, rules=rules)
    assert len(some) == 10 and "2 of 21 pictures left out: " in " ".join(some.remarks("log.txt"))


def test_nothing_but_pictures_that_are_too_small_is_refused_with_the_cure_and_enlarged_on_request(tmp_path):
    small = RANDOM.integers(50, 200, (12, 5, 6, 3), dtype=np.uint8)
    for number, picture in enumerate(small):
        _save(tmp_path / "p", f"{number:02}.png", picture)
    with pytest.raises(InputError, match="None of the 12 pictures.*--small enlarge"):
        _load(tmp_path / "p")
    np.save(tmp_path / "same.npy", small)
    enlarged, array = _load(tmp_path / "p", small="enlarge"), _load(tmp_path / "same.npy")
    assert np.array_equal(enlarged.images, array.images) and enlarged.skipped == ()
    assert array.notes[0] == "Its images of 6x5 are enlarged to 8x8."
    assert _load(tmp_path / "same.npy", size=5).notes == ()


def test_a_few_broken_pictures_are_no_error_in_a_small_folder_but_all_of_them_are(tmp_path):
    _save(tmp_path / "p", "good.png")
    for number in range(3):
        (tmp_path / "p" / f"{number}.png").write_text("broken")
    assert len(_load(tmp_path / "p")) == 1
    (tmp_path / "p" / "good.png").unlink()
    with pytest.raises(InputError, match="None of the 3 pictures of p can be used"):
        _load(tmp_path / "p")


def test_a_class_of_which_no_picture_can_be_used_stays_one_and_is_told(tmp_path):
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png", "owl/1.png"):
        _save(tmp_path / "p", name)
    for names, told in (
        ((), ""),
        (("cat/2.png", "dog/1.png"), ""),
        (("dog/2.png",), "No picture of the class dog can be used: nothing can be learned of it."),
        (("owl/1.png",), "No picture of the classes dog, owl can be used: nothing can be learned of them."),
    ):
        for name in names:
            (tmp_path / "p" / name).write_text("broken")
        dataset = _load(tmp_path / "p")
        assert dataset.label_names == ("cat", "dog", "owl")  # as is asked before a picture is read
        assert "".join(note for note in dataset.notes if "learned" in note) == told
    assert dataset.labels.tolist() == [0] and told in dataset.remarks("log.txt")


def _of_separate_scans(width: int, height: int) -> bytes:
    """A small JPEG of many pixels whose three components lie in a scan each: grey, all coefficients 0."""

    def segment(marker: int, content: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content

    one_code = bytes([1] + [0] * 15) + b"\0"  # one code of one bit: no difference, or the end of a block
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"".join(bytes([part, 0x11, 0]) for part in (1, 2, 3))
    head = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC0, frame)
    head += segment(0xC4, b"\x00" + one_code) + segment(0xC4, b"\x10" + one_code)
    blocks = -(-width // 8) * -(-height // 8)
    scans = (segment(0xDA, bytes([1, part, 0, 0, 0x3F, 0])) + bytes(-(-2 * blocks // 8)) for part in (1, 2, 3))
    return b"\xff\xd8" + head + b"".join(scans) + b"\xff\xd9"


def test_a_jpeg_of_several_scans_is_refused_by_the_pixels_that_it_claims():
    """However small it is to become, libjpeg holds all of it: 25 MB of these would take 13 GB."""
    small = decode(io.BytesIO(_of_separate_scans(64, 48)), 16, True)
    assert small.shape == (16, 16, 3) and small.std() == 0
    with pytest.raises(InputError, match="too large .100 million pixels"):
        decode(io.BytesIO(_of_separate_scans(10_000, 10_000)), 16, True)
    for options in ({}, {"progressive": True}, {"optimize": True}, {"subsampling": 0}, {"quality": 5}):
        for mode in ("RGB", "L", "CMYK"):
            file = io.BytesIO()
            Image.new(mode, (90, 70)).save(file, "JPEG", **options)
            with Image.open(file) as image:
                assert pictures._has_one_scan(image) and image.load()


def test_a_disk_that_goes_while_pictures_are_read_leaves_none_out(tmp_path):
    for number in range(3):
        _save(tmp_path / "there", f"{number}.png", RGB)
    (tmp_path / "there" / "9.png").symlink_to("nowhere.png")  # it leads nowhere from the start: it is left out
    folder = Folder(tmp_path / "there", SIZE)
    (tmp_path / "there").rename(tmp_path / "gone")
    with pytest.raises(InputError, match="0.png cannot be read .it was there a moment ago.: mend that"):
        folder.read(range(3))
    (tmp_path / "gone").rename(tmp_path / "there")
    assert len(_load(tmp_path / "there")) == 3


@pytest.mark.parametrize(("mode", "values"), [("RGBA", 4), ("RGB", 3)])
def test_a_large_picture_of_16_bits_takes_little_more_memory_than_it_has_pixels(mode, values):
    picture = RANDOM.integers(0, 65_536, (500, 500, values), dtype=np.uint16)
    _, encoded = cv2.imencode(".png", picture)
    tracemalloc.start()
    small = decode(io.BytesIO(encoded.tobytes()), 16)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 25 * picture.shape[0] * picture.shape[1], f"{most / 250_000:.0f} bytes a pixel"
    assert small.shape == (16, 16, 3)


def test_a_tiff_of_a_kind_that_cannot_be_read_says_what_to_do(tmp_path):
    for number in range(12):
        _save(tmp_path / "p", f"{number}.png", RGB)
    _, encoded = cv2.imencode(".tif", np.full((SIZE, SIZE, 3), 0.5, np.float32))
    (tmp_path / "p" / "x.tif").write_bytes(encoded.tobytes())
    (skipped,) = _load(tmp_path / "p").skipped
    assert skipped.startswith("x.tif: ") and "8 bits" in skipped and "not a picture" not in skipped


@pytest.mark.parametrize("depth", [2, 4])
def test_the_transparent_grey_of_a_png_of_few_bits_is_white(depth):
    grey, each = 2, 8 // depth
    line = bytes([0]) + bytes([sum(grey << depth * place for place in range(each))] * (SIZE // each))
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIZE, SIZE, depth, 0, 0, 0, 0))
    opaque = content + chunk(b"IDAT", zlib.compress(line * SIZE)) + chunk(b"IEND", b"")
    clear = content + chunk(b"tRNS", struct.pack(">H", grey)) + opaque[len(content) :]
    assert (decode(io.BytesIO(clear), SIZE) == 255).all()
    assert (decode(io.BytesIO(opaque), SIZE) == grey * 255 // (2**depth - 1)).all()


def test_a_folder_test_that_holds_nothing_apart_is_told(tmp_path):
    for name in ("cats", "dogs", "test"):
        _save(tmp_path / name, "a.png", RGB)
    (note,) = Folder(tmp_path, SIZE).describe().notes
    assert note.startswith("test is a folder like all others here: to hold its pictures apart, put those to train on")
