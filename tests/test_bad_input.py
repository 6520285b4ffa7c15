"""Damaged and hostile files of every kind that is read: a sentence, or a picture that is left out with its reason.

`BAD` is the table of kept bad inputs: how each is made of a good one, by kind. Nothing but `InputError` may come out
of a reader, and nothing may take long or much memory.
"""

import importlib.util
import io
import json
import resource
import struct
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import genuine
import keras
import lmdb
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from utils import config
from utils.cluster import Cluster, find_cluster
from utils.config import preset
from utils.data.arrays import ArrayFile
from utils.data.captions import check_words
from utils.data.cifar10 import Cifar10
from utils.data.imagenet32 import ImageNet32
from utils.data.lsun import LsunBedroom
from utils.data.pictures import Pictures, Zip
from utils.data.svhn import Svhn
from utils.errors import InputError
from utils.explain.parts import read_boxes
from utils.latent.directions import read_directions
from utils.latent.stops import read_latents
from utils.models import load_network, weights_digest
from utils.pretrained import Pretrained
from utils.runs import PROJECT, Run, read_conditions
from utils.text_encoder import TextEncoder, build_text_network
from utils.training import checkpoint

SECONDS, BYTES = 5.0, 256 << 20
"""The longest that a reader may take for one bad input (milliseconds on a quiet machine), and by how much all of them
together may raise the most memory that this process has held."""
RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.integers(0, 256, (12, 32, 32, 3), np.uint8)
LIGHT = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

spec = importlib.util.spec_from_file_location("unpack", PROJECT / "data_scripts" / "unpack.py")
unpack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(unpack)


# --- good files -------------------------------------------------------------------------------------------------------


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.kron(IMAGES[0, :8, :8], np.ones((6, 6, 1), np.uint8))).save(file, kind)
    return file.getvalue()


def npy(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def zipped(names=("a.png", "b.png")) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, picture("PNG"))
    return file.getvalue()


def packed_oddly() -> bytes:
    """A zip whose members are said to be packed by LZMA."""
    good = bytearray(zipped())
    for header, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = good.find(header)
        while at >= 0:
            good[at + place] = 14
            at = good.find(header, at + 1)
    return bytes(good)


def tarred(*members: tarfile.TarInfo) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)) if member.isreg() else None)
    return file.getvalue()


def named(name: str, size: int = 0, **fields) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    for field, value in fields.items():
        setattr(member, field, value)
    return member


def network() -> bytes:
    def save(home: Path) -> Path:
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(home / "a.keras")
        return home / "a.keras"

    return written(save)


def written(save: Callable[[Path], Path]) -> bytes:
    """The file that a function writes into a folder."""
    with tempfile.TemporaryDirectory() as folder:
        return save(Path(folder)).read_bytes()


def checkpoint_file() -> bytes:
    return written(lambda home: checkpoint.save(home, 7, {"a/000": RANDOM.normal(size=(40, 5))}, {"seconds": 1.5}))


# --- how they are harmed ----------------------------------------------------------------------------------------------


def harmed(good: bytes, flips: int = 4) -> dict[str, bytes]:
    """Cut off, turned around, overwritten: what disks and downloads do to any file."""
    random = np.random.default_rng(len(good))
    bad = {f"ends after {share:.0%}": good[: int(len(good) * share)] for share in (0.0, 0.05, 0.5, 0.95)}
    for number in range(flips):
        place = int(random.integers(len(good)))
        flipped = bytearray(good)
        flipped[place] ^= 1 << int(random.integers(8))
        bad[f"bit {number} flipped"] = bytes(flipped)
    start = len(good) // 3
    bad["zeros inside"] = good[:start] + bytes(min(512, len(good) // 3)) + good[start + min(512, len(good) // 3) :]
    bad["a web page"] = b"<!doctype html><html><title>Quota exceeded</title></html>" * 20
    bad["noise behind its beginning"] = good[:16] + random.bytes(2000)
    return bad


def huge_png() -> bytes:
    """A header that claims 4 gigapixels."""
    good = picture("PNG")
    return good[:16] + struct.pack(">II", 65_500, 65_500) + good[24:]


def huge_npy(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(100)


def npz_of(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def by_lzma(images: bytes) -> bytes:
    """An .npz whose member is packed so."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("images.npy", images)
    return file.getvalue()


def locked(good: bytes) -> bytes:
    """A zip whose members are said to have a password."""
    return good.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00")


def headed(text: str) -> bytes:
    """An .npy with this in place of a header."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text.encode() + b"\n" + bytes(100)


HEADERS = {
    "objects": npy(np.array([{}, {}], object), allow_pickle=True),
    "8 TB": huge_npy((10**9, 64, 64, 3)),
    "more than there can be": huge_npy((2**62, 64, 64, 3)),
    "less than nothing": huge_npy((-1, 32, 32, 3)),
    "version 9": b"\x93NUMPY\x09\x00" + npy(IMAGES)[8:],
    "header without end": b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + bytes(50),
    "bracket without end": headed("{'descr': '|u1', 'shape': (3, 4"),
    "lines set in": headed("\t\n  x\n y"),
    "9,000 brackets": headed("[" * 9000),
    "9,000 signs": headed("{'descr': '|u1', 'fortran_order': False, 'shape': (" + "-" * 9000 + "1,)}"),
}
HAT = {"attribute_names": np.array(["hat"])}
NUMBERS = {"images": IMAGES, "labels": np.arange(12)}
CONFIG = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 0}}
EXPERIMENT = json.loads(json.dumps(config.to_dict(preset("quick"))))


def with_setting(path: str, value) -> bytes:
    whole = json.loads(json.dumps(EXPERIMENT))
    *sections, name = path.split(".")
    place = whole
    for section in sections:
        place = place[section]
    place[name] = value
    return json.dumps(whole).encode()


NO_JSON = {
    "empty": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"a": "\xff"}',
    "a list": b"[]",
    "a number": b"3",
    "null": b"null",
}
NO_JSON |= {"nested": b"[" * 100_000, "many digits": b'{"a": ' + b"1" * 9000 + b"}", "nothing in it": b"{}"}

ENCODER = build_text_network(3)
ATTRIBUTES = config.replace(preset("quick"), conditions="attributes", condition_names=("hat", "beard", "smile")).model

PICTURES = [kind for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")
            if kind != "AVIF" or features.check("avif")]  # fmt: skip
BAD: dict[str, dict[str, bytes]] = {
    **{f"picture {kind}": harmed(picture(kind)) for kind in PICTURES},
    "picture that lies": {"4 gigapixels": huge_png(), "nothing": b"", "one byte": b"\x89", "PDF": b"%PDF-1.4 " * 30},
    ".npy": harmed(npy(IMAGES)) | HEADERS | {
        "floats": npy(IMAGES / 255.0),
        "one picture": npy(IMAGES[0]),
        "no picture": npy(IMAGES[:0]),
    },
    ".npz": harmed(npz(**NUMBERS)) | {
        "LZMA that ends in noise": by_lzma(npy(IMAGES))[:-9000] + RANDOM.bytes(8000) + by_lzma(npy(IMAGES))[-1000:],
        "no array": npz(), "no images": npz(a=IMAGES[0], b=IMAGES[0]),
        "objects": npz(images=IMAGES, label_names=np.array([{}], object)),
        "too many labels": npz(images=IMAGES, labels=np.arange(13)),
        "labels of 8 EB": npz_of(images=npy(IMAGES), labels=huge_npy((2**60,))),
        "labels of 64 GB": npz_of(images=npy(IMAGES), labels=huge_npy((2**36,))),
        "labels below 0": npz(images=IMAGES, labels=np.arange(12) - 1),
        "no arrays inside": npz_of(images=b"nothing", labels=b""),
        "a password": locked(npz_of(images=npy(IMAGES))),
        "names that are numbers": npz(images=IMAGES, label_names=np.arange(3)),
        "names without attributes": npz(images=IMAGES, attribute_names=np.array(["hat"])),
        "labels that int64 does not hold": npz(images=IMAGES, labels=np.full(12, 2**64 - 1, np.uint64)),
        "more pictures than it holds": npz_of(images=huge_npy((1000, 32, 32, 3))),
        "attributes of records": npz(images=IMAGES, attributes=np.zeros((12, 1), [("hat", "u1")]), **HAT),
        "complex attributes": npz(images=IMAGES, attributes=np.ones((12, 1), complex), **HAT),
        **{f"pictures with {name}": npz_of(images=header) for name, header in HEADERS.items()},
    },
    "CIFAR-10": harmed(written(lambda home: genuine.write_cifar10(home, IMAGES, np.arange(12)))) | {
        "nothing in it": tarred(named("else", 4)),
        "a link": tarred(*(named(f"cifar-10-batches-bin/{name}", type=tarfile.SYMTYPE, linkname="/etc/passwd")
                           for name in ("data_batch_1.bin", "batches.meta.txt"))),
        "names that lead out": tarred(named("../data_batch_1.bin", 4), named("/batches.meta.txt", 4)),
        "too large": tarred(named("cifar-10-batches-bin/data_batch_1.bin", 40_000)),
    },
    ".mat": harmed(written(lambda home: genuine.write_svhn(home, IMAGES, np.arange(12) % 10)), flips=8),
    "ImageNet-32": harmed(
        written(lambda home: genuine.write_imagenet32(home, IMAGES, np.arange(12), "val") / "val_data.npz"), flips=8
    ) | {"no labels": npz(data=genuine.planes(IMAGES)), "a row of 1 GB": npz_of(data=huge_npy((9, 2**30))),
         "more pictures than it holds": npz_of(data=huge_npy((12, 3072)), labels=npy(np.arange(12) + 1)),
         "without its beginning": npz(data=genuine.planes(IMAGES))[10:]},
    "latents": harmed(npy(np.ones((3, 4), np.float32))) | HEADERS | {
        "of another model": npy(np.ones((3, 5), np.float32)), "not finite": npy(np.full((3, 4), np.nan, np.float32)),
        "several arrays": npz(a=np.ones((3, 4), np.float32)),
    },
    "directions": harmed(npy(np.ones((1, 4), np.float32))) | HEADERS,
    "LMDB": {"nothing": b"", "noise": RANDOM.bytes(8192), "a web page": b"<html>" * 2000, "zeros": bytes(16384)},
    "zip": harmed(zipped(), flips=8) | {
        "a password": locked(zipped()), "without its beginning": zipped()[10:], "packed in an odd way": packed_oddly(),
    },
    "archive to unpack": harmed(zipped()) | {
        "a name that leads out": zipped(("../a.png", "b.png")), "a whole path": zipped(("/a.png", "b.png")),
        "a drive": zipped(("C:a.png", "b.png")), "without its beginning": zipped()[10:], "a password": locked(zipped()),
        "packed in an odd way": packed_oddly(), "a tar": tarred(named("a.png", 4)),
    },
    "checkpoint": harmed(checkpoint_file(), flips=30),
    "experiment.json": {name: content for name, content in NO_JSON.items() if name != "nothing in it"} | {
        f"{path} {value!r}": with_setting(path, value)
        for path, value in (
            ("training.epochs", "3"), ("training.epochs", None), ("training.epochs", 0), ("training.epochs", True),
            ("training.batch_size", 1.5), ("training.learning_rate", []), ("training.learning_rate", -1),
            ("training.augment", "colour"), ("training.augment", ["blur"]), ("training.loss", 7),
            ("training.recipe", None), ("training", []), ("training", None), ("model", "m"), ("model.generator", 3),
            ("model.generator.filters", [1, "2"]), ("model.generator.strides", [[2]]), ("model.generator.start", -4),
            ("model.image_size", 31), ("model.latents", "cauchy"), ("data.name", 5), ("data.count", "all"),
            ("data.without", [1]), ("preset", {}), ("model.condition_names", {"a": 1}),
        )
    },
    "state.json": NO_JSON | {"no status": b'{"update": 3}', "update in words": b'{"status": "running", "update": "3"}',
                             "no rollbacks": b'{"status": "running", "rollbacks": 1}'},
    "card.json": NO_JSON | {"a distance in words": json.dumps({
        "name": "a", "data": "a", "terms of the data": "", "parameters": {}, "distance": "far"}).encode()},
    "text_encoder.json": NO_JSON | {
        "no words": json.dumps({"fingerprint": weights_digest(ENCODER)}).encode(),
        "of another": json.dumps({"fingerprint": "0", "vocabulary": ["a"]}).encode(),
    },
    "conditions.npy": harmed(npy(np.eye(3, dtype=np.uint8))) | HEADERS | {
        "of another model": npy(np.eye(4, dtype=np.uint8)), "none": npy(np.empty((0, 3), np.uint8)),
        "one": npy(np.ones(3, np.uint8)), "not finite": npy(np.full((2, 3), np.nan, np.float32)),
        "words": npy(np.full((2, 3), "hat")), "several arrays": npz(a=np.eye(3, dtype=np.uint8)),
    },
    "steps.jsonl": {"no JSON": b'{"update": 1}\n{"upd\n', "a list": b"[]\n", "zeros": bytes(100) + b"\n",
                    "no UTF-8": b'{"a": "\xff"}\n', "nested": b"[" * 100_000 + b"\n"},
    ".keras": harmed(network(), flips=6),
    "boxes": NO_JSON | {
        "no number": b'{"a": []}', "beyond the last": b'{"99": []}', "not a number of ours": '{"²": []}'.encode(),
        "floats": b'{"0": [[0, 0, 1.5, 2]]}', "turned": b'{"0": [[4, 0, 1, 2]]}', "three": b'{"0": [[4, 0, 1]]}',
        "a number of 5,000 digits": b'{"' + b"1" * 5000 + b'": []}', "long": b'{"0": [' + b"[], " * 9999 + b"[]]}",
        "outside": b'{"0": [[0, 0, 1, 1000000]]}', "an object": b'{"0": {"0": 1}}', "true": b'{"0": [[true, 0, 1, 1]]}',
    },
    "TF_CONFIG": {name: NO_JSON[name] for name in ("no JSON", "a list", "a number", "null", "nested")} | {
        name: json.dumps(value).encode()
        for name, value in {
            "no task": {"cluster": CONFIG["cluster"]}, "a list for a cluster": {"cluster": [1], "task": {}},
            "no addresses": {"cluster": {"worker": []}, "task": CONFIG["task"]},
            "addresses that are numbers": {"cluster": {"worker": [1, 2]}, "task": CONFIG["task"]},
            "no port": {"cluster": {"worker": ["a", "b"]}, "task": CONFIG["task"]},
            "an address twice": {"cluster": {"worker": ["a:1", "a:1"]}, "task": CONFIG["task"]},
            "no such task": {"cluster": CONFIG["cluster"], "task": {"type": "worker", "index": 2}},
            "a task below 0": {"cluster": CONFIG["cluster"], "task": {"type": "worker", "index": -1}},
            "a task in words": {"cluster": CONFIG["cluster"], "task": {"type": "worker", "index": "0"}},
            "a parameter server": {"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}},
            "an address with a command": {"cluster": {"worker": ["$(rm x):1"]}, "task": CONFIG["task"]},
        }.items()
    },
}  # fmt: skip
BAD["settings.json"] = BAD["experiment.json"]  # that of a model with a name


# --- what reads them --------------------------------------------------------------------------------------------------


class _One(Pictures):
    size = 32

    def __init__(self, content: bytes):
        self.content = content

    def files(self, rows):
        yield "a", lambda: io.BytesIO(self.content)


def read_picture(file: Path) -> None:
    arrays, failed = _One(file.read_bytes()).read(range(1))
    assert arrays["images"].shape == (1, 32, 32, 3)
    if failed:
        raise InputError(failed[0])


def read_array(file: Path) -> None:
    source = ArrayFile(file, 32)
    source.unpack(file.parent)
    source.read(range(source.describe().count))


def read_cifar10(file: Path) -> None:
    source = Cifar10(32, file.parent.parent)
    source.unpack(file.parent)
    source.read(range(10))


def read_svhn(file: Path) -> None:
    source = Svhn(32, file.parent.parent)
    source.unpack(file.parent)
    source.read(range(source.count))


def read_imagenet32(file: Path) -> None:
    source = ImageNet32(32, file.parent.parent, "val")
    source.unpack(file.parent)
    source.read(range(source.count))


def read_kept_directions(file: Path) -> None:
    (file.parent / "directions.json").write_text(json.dumps({"directions": [{"kind": "pca", "name": "1"}]}))
    if not read_directions(file.parent, 4):
        raise InputError("None of these latents.")


def read_lsun(file: Path) -> None:
    LsunBedroom(32, file.parent.parent.parent).read(range(1))


def read_zip(file: Path) -> None:
    archive = Zip(file)
    for name in archive.names():
        archive.open(name)


def read_archive(file: Path) -> None:
    try:
        unpack.unpack(file, r"[ab]\.png=1-2", 1 << 20, file.parent / "notes", file.parent / "unpacked")
    except unpack.Trouble as trouble:
        raise InputError(str(trouble)) from trouble


def read_checkpoint(file: Path) -> None:
    said = []
    variables = {"a/000": SimpleNamespace(shape=(40, 5), assign=lambda value: None)}
    state = checkpoint.restore(file.parent, variables, said.append)
    if state is None:
        raise InputError(said[0])
    assert state == {"update": 7, "seconds": 1.5}


def read_run(file: Path) -> None:
    run = Run(file.parent)
    {"experiment.json": lambda: run.experiment, "state.json": lambda: run.state, "steps.jsonl": run.steps}[file.name]()
    run.steps(3)


def read_encoder(file: Path) -> None:
    ENCODER.save(file.with_suffix(".keras"))
    TextEncoder.load(file.parent)


def read_tf_config(file: Path) -> None:
    find_cluster({"TF_CONFIG": file.read_text(errors="surrogateescape")})


READERS = {
    ".npy": ("a.npy", read_array),
    ".npz": ("a.npz", read_array),
    "CIFAR-10": ("cifar10/cifar-10-binary.tar.gz", read_cifar10),
    ".mat": ("svhn/train_32x32.mat", read_svhn),
    "ImageNet-32": ("imagenet32/val_data.npz", read_imagenet32),
    "latents": ("latents.npy", lambda file: read_latents(file, 4)),
    "directions": ("directions.npy", read_kept_directions),
    "LMDB": ("lsun_bedroom/bedroom_train_lmdb/data.mdb", read_lsun),
    "zip": ("a.zip", read_zip),
    "archive to unpack": ("a.zip", read_archive),
    "checkpoint": ("update_00000007.npz", read_checkpoint),
    "experiment.json": ("experiment.json", read_run),
    "state.json": ("state.json", read_run),
    "steps.jsonl": ("steps.jsonl", read_run),
    "settings.json": ("settings.json", lambda file: Pretrained(file.parent).experiment),
    "card.json": ("card.json", lambda file: Pretrained(file.parent).card),
    "text_encoder.json": ("text_encoder.json", read_encoder),
    "conditions.npy": ("conditions.npy", lambda file: read_conditions(file, ATTRIBUTES)),
    ".keras": ("a.keras", load_network),
    "boxes": ("boxes.json", lambda file: read_boxes(file, 5, 32)),
    "TF_CONFIG": ("tf_config", read_tf_config),
}
BESIDE = {
    "CIFAR-10": ("cifar10/data_batch_?.bin",),  # one after another, as each is read to its end
    "directions": ("directions.json",),  # laid there by the readers above, as the next
    "text_encoder.json": ("text_encoder.keras",),
}
"""What may lie beside a bad input once it was read or refused, by kind."""
UNPACKED = {
    ".npz": ("images.npy",),
    ".mat": ("svhn/images.npy", "svhn/labels.npy"),
    "ImageNet-32": ("imagenet32/val_data.npy",),
    "archive to unpack": ("notes", "unpacked", "unpacked/[ab].png"),
}
"""What may lie beside one that was read. Of an archive that is refused nothing stays."""
HARMLESS = ("flipped", "zeros inside", "noise behind", "ends after 95%")
"""What may hit something that nobody reads, or pixels that carry no checksum: it may be read, too."""


def outcome(kind: str, content: bytes, folder: Path) -> str | None:
    """What a reader says of a bad input; None if it reads it."""
    name, read = READERS.get(kind, ("a.bin", read_picture))
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    try:
        read(file)
    except InputError as error:
        return str(error)
    return None


def strange(kind: str, folder: Path, read: bool) -> set[str]:
    """Files and folders that a bad input should not have brought into its folder."""
    name = Path(READERS.get(kind, ("a.bin",))[0])
    known = (*map(str, (name, *name.parents)), *BESIDE.get(kind, ()), *(UNPACKED.get(kind, ()) if read else ()))
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    return {path for path in there if not any(fnmatch(path, each) for each in known)}


def test_what_gets_out_of_the_place_to_unpack_to_is_seen(tmp_path):
    assert outcome("archive to unpack", zipped(), tmp_path) is None
    assert strange("archive to unpack", tmp_path, read=True) == set()
    assert "unpacked/a.png" in strange("archive to unpack", tmp_path, read=False)
    for name in ("b.png", ".unfinished-a", "unpacked/c.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "new").mkdir()
    assert strange("archive to unpack", tmp_path, read=True) == {"b.png", ".unfinished-a", "unpacked/c.png", "new"}


def test_there_are_bad_inputs_of_every_kind():
    counts = Counter({kind: len(each) for kind, each in BAD.items()})
    assert counts.total() >= 200 and min(counts.values()) >= 4
    assert {kind for kind in BAD if not kind.startswith("picture")} == READERS.keys()


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_input_is_told_in_a_sentence_in_no_time_and_leaves_its_folder_alone(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(Cifar10, "RECORDS", 2)
    for number, (name, content) in enumerate(BAD[kind].items()):
        folder, began, before = tmp_path / "inner" / str(number), time.process_time(), most_memory(anew=True)
        said = outcome(kind, content, folder)
        assert time.process_time() - began < SECONDS, name
        assert said is None or (said.strip() and len(said) < 2000), (name, said)
        assert said or any(each in name for each in HARMLESS), name
        assert not strange(kind, folder, read=said is None), name
        around = {path.relative_to(tmp_path).as_posix() for path in (*tmp_path.glob("*"), *tmp_path.glob("*/*"))}
        assert around == {"inner", *(f"inner/{each}" for each in range(number + 1))}, name
        assert most_memory() - before < BYTES, name


def most_memory(anew: bool = False) -> int:
    """Bytes of memory that this process had at most, or has had since it was last asked to count anew."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_the_most_memory_is_told_of_what_comes_after_it_was_counted_anew():
    np.ones(200_000_000, np.uint8)
    before = most_memory(anew=True)
    np.ones(50_000_000, np.uint8)
    assert 45_000_000 < most_memory() - before < 60_000_000


# --- anything at all --------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SETTINGS = [
    (section, name)
    for section, values in EXPERIMENT.items()
    if isinstance(values, dict)
    for name in values
    if not isinstance(values[name], dict)
]


WITHOUT_EFFECT = ("condition_dim", "conditioning", "gradient_penalty", "penalty_every")
"""Settings that mean nothing in `EXPERIMENT`, which are therefore read as their defaults, the values that they have."""


def near(value) -> list:
    """The value of a setting, and some beside it."""
    if isinstance(value, bool):
        return [value, not value]
    if isinstance(value, int):
        return [value, value - 1, value + 1]
    if isinstance(value, float):
        return [value, value / 2, value + 0.5]
    if isinstance(value, str):
        return [value, value[:-1]]
    return [value, 1] if value is None else [[*value], [*value, "colour"]]


def is_taken(section: str, name: str, value) -> bool:
    """Whether a value of a setting is taken, and then written as it is; else it is refused in a sentence."""
    changed = json.loads(json.dumps(EXPERIMENT))
    changed[section][name] = value
    try:
        experiment = config.from_dict(changed)
    except InputError:
        return False
    if name == "batch_norm" and value in config.STATISTICS:  # which statistics, as earlier versions wrote it
        value = "on"
    written = json.loads(json.dumps(config.to_dict(experiment)))[section][name]
    assert written == (EXPERIMENT[section][name] if name in WITHOUT_EFFECT else value), name
    return True


@LIGHT
@given(place=st.sampled_from(SETTINGS), value=JSON)
@example(place=("model", "batch_norm"), value=[])  # no name of a kind of statistics
@example(place=("training", "r1"), value=10**400)  # no float holds it
def test_any_value_of_a_setting_is_taken_and_written_as_it_is_or_refused(place, value):
    is_taken(*place, value)


def test_a_settings_own_value_is_taken_and_written_as_it_is_and_so_are_most_beside_it():
    beside = Counter()
    for section, name in SETTINGS:
        own, *others = near(EXPERIMENT[section][name])
        assert is_taken(section, name, own), name
        beside.update(is_taken(section, name, other) for other in others)
    assert beside[True] > beside[False] > 0


@LIGHT
@given(told=JSON | st.fixed_dictionaries({"cluster": JSON, "task": JSON}))
def test_any_tf_config_names_workers_or_is_refused(told):
    try:
        found = find_cluster({"TF_CONFIG": json.dumps(told)})
    except InputError:
        return
    assert found is None or (isinstance(found, Cluster) and 0 <= found.index < len(found.workers))


@LIGHT
@given(
    hosts=st.text("ab[]-,0129.", max_size=12), tasks=st.text("12(x),", max_size=8), index=st.text("019-", max_size=3)
)
def test_any_words_of_slurm_name_workers_or_are_refused(hosts, tasks, index):
    step = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": hosts, "SLURM_STEP_TASKS_PER_NODE": tasks}
    try:
        found = find_cluster(step | {"SLURM_PROCID": index})
    except InputError:
        return
    assert 0 <= found.index < len(found.workers)


STARTS = {
    ".npy": b"\x93NUMPY\x01\x00",
    ".mat": b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM",
    "CIFAR-10": b"\x1f\x8b\x08\x00",
    "LMDB": bytes(16) + b"\xde\xc0\xef\xbe",
    "picture PNG": b"\x89PNG\r\n\x1a\n",
    "picture JPEG": b"\xff\xd8\xff\xe0",
} | dict.fromkeys((".npz", "zip", "archive to unpack", "checkpoint", ".keras"), b"PK\x03\x04")
"""How files of a kind begin."""


@LIGHT
@given(content=st.binary(max_size=200), kind=st.sampled_from(sorted(STARTS)))
def test_any_bytes_behind_the_beginning_of_a_file_are_refused_in_a_sentence(content, kind, tmp_path_factory):
    assert outcome(kind, STARTS[kind] + content, tmp_path_factory.mktemp("any"))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A good file of every kind that has a check against being cut off, or none that a flipped bit could deceive."""

    def database(home: Path) -> Path:
        with lmdb.open(str(home / "a"), map_size=1 << 20) as opened, opened.begin(write=True) as transaction:
            for number in range(9):
                transaction.put(b"%03d" % number, picture("PNG"))
        return home / "a" / "data.mdb"

    return {
        "picture PNG": picture("PNG"), "picture JPEG": picture("JPEG"), ".npy": npy(IMAGES), ".npz": npz(**NUMBERS),
        "CIFAR-10": written(lambda home: genuine.write_cifar10(home, IMAGES, np.arange(12))),
        ".mat": written(lambda home: genuine.write_svhn(home, IMAGES, np.arange(12) % 10)),
        "zip": zipped(), "archive to unpack": zipped(), ".keras": network(), "LMDB": written(database),
    }  # fmt: skip


@LIGHT
@given(kind=st.integers(0, 9), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 8))
def test_a_file_cut_off_anywhere_or_with_any_bit_flipped_is_read_or_refused(
    kind, place, bit, good, tmp_path_factory, monkeypatch
):
    """Nothing but a sentence may come out. LMDB has no checksums: of it only what is cut off can be told."""
    monkeypatch.setattr(Cifar10, "RECORDS", 2)
    kind = sorted(good)[kind]
    harmed_at, whole = int(place * len(good[kind])), bytearray(good[kind])
    if bit == 8 or kind == "LMDB":
        del whole[harmed_at:]
    else:
        whole[harmed_at] ^= 1 << bit
    said = outcome(kind, bytes(whole), tmp_path_factory.mktemp("harmed"))
    assert said is None or (said.strip() and len(said) < 2000)


@LIGHT
@given(
    told=JSON | st.dictionaries(st.text("0123456789", max_size=4), st.lists(st.lists(st.integers(-9, 40), max_size=5)))
)
def test_any_boxes_lie_in_their_images_or_are_refused(told, tmp_path_factory):
    file = tmp_path_factory.mktemp("boxes") / "boxes.json"
    file.write_text(json.dumps(told))
    try:
        found = read_boxes(file, 5, 32)
    except InputError:
        return
    assert found and all(0 <= number < 5 for number in found)
    for boxes in found.values():
        assert boxes.shape[1:] == (4,) and (boxes >= 0).all() and (boxes <= 32).all()
        assert (boxes[:, :2] < boxes[:, 2:]).all()


@LIGHT
@given(text=st.text(max_size=60) | st.lists(st.sampled_from(["a", "smiling", "woman", "hat", "zebra"])).map(" ".join))
def test_any_text_has_words_that_are_known_or_is_refused(text):
    known, said = {"a", "smiling", "woman", "hat"}, None
    try:
        words = check_words(text, known)
    except InputError as error:
        said = str(error)
    assert words and set(words) <= known if said is None else "\n" not in said and len(said) < 2000


def test_a_text_of_a_megabyte_is_refused_in_no_time():
    began = time.process_time()
    with pytest.raises(InputError, match="The model has learnt no word 'w0'") as refused:
        check_words(" ".join(f"w{number}" for number in range(150_000)), [f"word{number}" for number in range(200)])
    assert time.process_time() - began < SECONDS and len(str(refused.value)) < 4000


@LIGHT
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_checkpoint_with_any_bit_flipped_gives_its_values_or_those_of_the_one_before(place, bit, tmp_path_factory):
    folder, values = tmp_path_factory.mktemp("flipped"), np.linspace(-1, 1, 60).reshape(20, 3)
    for update in (1, 2):
        path = checkpoint.save(folder, update, {"a": values * update}, {"seconds": float(update)})
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    taken, said = {}, []
    variable = SimpleNamespace(shape=(20, 3), assign=lambda value: taken.update(a=value))
    state = checkpoint.restore(folder, {"a": variable}, said.append)
    assert state == {"update": state["update"], "seconds": float(state["update"])}
    assert np.array_equal(taken["a"], values * state["update"])
    assert (state["update"] == 1) == bool(said)
