"""Small archives in exactly the formats in which the real datasets are distributed, for tests without network.

Each function takes the folder of one dataset (`data/<name>/`), makes it, and writes there what `data_scripts/` would
leave, or what they would fetch. Images are uint8 (N, H, W, 3) RGB; files of pictures are given as encoded bytes.
"""

import io
import tarfile
import zipfile
from pathlib import Path

import lmdb
import numpy as np
from PIL import Image
from scipy.io import savemat

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CELEBA_ATTRIBUTES = (
    *("5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose"),
    *("Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses"),
    *("Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache"),
    *("Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks"),
    *("Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick"),
    *("Wearing_Necklace", "Wearing_Necktie", "Young"),
)


def encoded(image: np.ndarray, kind: str = "jpeg", **settings) -> bytes:
    """A picture file: "jpeg", "png" or "webp"."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **settings)
    return file.getvalue()


def planes(images: np.ndarray) -> np.ndarray:
    """Images as rows of the red plane, the green, the blue: uint8 (N, 3 * H * W)."""
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def write_cifar10(home: Path, images: np.ndarray, labels: np.ndarray, unpacked: bool = False) -> Path:
    """CIFAR-10's binary distribution, `cifar-10-binary.tar.gz` or its folder: six files of N / 6 records each."""
    home.mkdir(parents=True, exist_ok=True)
    records = np.concatenate([labels[:, None].astype(np.uint8), planes(images)], axis=1)
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    files = {name: part.tobytes() for name, part in zip(names, np.split(records, 6))}
    files["batches.meta.txt"] = ("\n".join(CIFAR10_CLASSES) + "\n\n").encode()
    folder, archive = home / "cifar-10-batches-bin", home / "cifar-10-binary.tar.gz"
    if unpacked:
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder.name}/{name}")
            member.size, member.mtime = len(content), 1_250_000_000
            tar.addfile(member, io.BytesIO(content))
    return archive


def write_svhn(
    home: Path, images: np.ndarray, digits: np.ndarray, split: str = "train", compressed: bool = True
) -> Path:
    """One of SVHN's MATLAB 5 files. `digits` are 0 to 9; the file says 10 for 0, as the real ones do."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"{split}_32x32.mat"
    labels = np.where(digits == 0, 10, digits).astype(np.uint8)[:, None]
    savemat(path, {"X": images.transpose(1, 2, 3, 0), "y": labels}, do_compression=compressed)
    return path


def write_celeba(
    home: Path, pictures: list[bytes], partition: list[int], attributes: np.ndarray, form: str = "zip"
) -> Path:
    """CelebA's aligned images with their two lists.

    Args:
        home: the folder to write to.
        pictures: JPEG files, 178x218, called 000001.jpg and on.
        partition: 0 (train), 1 (valid) or 2 (test) of each.
        attributes: (N, 40) of 0 and 1.
        form: "zip" (Google Drive's img_align_celeba.zip beside both .txt), "folder" (the same, unpacked) or "kaggle"
            (one archive.zip that holds everything, the lists as .csv).

    Returns:
        The zip, or the folder of images.
    """
    home.mkdir(parents=True, exist_ok=True)
    names = [f"{number:06d}.jpg" for number in range(1, len(pictures) + 1)]
    signs = 2 * np.asarray(attributes, int) - 1
    if form == "kaggle":
        table = ["image_id," + ",".join(CELEBA_ATTRIBUTES)]
        table += [f"{name}," + ",".join(map(str, row)) for name, row in zip(names, signs)]
        splits = ["image_id,partition", *(f"{name},{part}" for name, part in zip(names, partition))]
        with zipfile.ZipFile(home / "archive.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for name, picture in zip(names, pictures):
                file.writestr(f"img_align_celeba/img_align_celeba/{name}", picture)
            file.writestr("list_attr_celeba.csv", "\n".join(table) + "\n")
            file.writestr("list_eval_partition.csv", "\n".join(splits) + "\n")
        return home / "archive.zip"
    lines = [f"{name} " + " ".join(f"{sign:2d}" for sign in row) for name, row in zip(names, signs)]
    table = [str(len(names)), " ".join(CELEBA_ATTRIBUTES) + " ", *lines]
    (home / "list_attr_celeba.txt").write_text("\r\n".join(table) + "\r\n", newline="")
    splits = "".join(f"{name} {part}\r\n" for name, part in zip(names, partition))
    (home / "list_eval_partition.txt").write_text(splits, newline="")
    if form == "folder":
        (home / "img_align_celeba").mkdir()
        for name, picture in zip(names, pictures):
            (home / "img_align_celeba" / name).write_bytes(picture)
        return home / "img_align_celeba"
    with zipfile.ZipFile(home / "img_align_celeba.zip", "w", zipfile.ZIP_STORED) as file:
        file.writestr("img_align_celeba/", b"")
        for name, picture in zip(names, pictures):
            file.writestr(f"img_align_celeba/{name}", picture)
    return home / "img_align_celeba.zip"


def write_lsun(home: Path, pictures: dict[str, bytes], split: str = "train") -> Path:
    """One of LSUN's databases: 40 hexadecimal digits -> an encoded picture."""
    path = home / f"bedroom_{split}_lmdb"
    path.mkdir(parents=True)
    size = sum(map(len, pictures.values())) + 10_000 * len(pictures) + (1 << 20)
    with lmdb.open(str(path), map_size=size) as database, database.begin(write=True) as transaction:
        for key, picture in pictures.items():
            transaction.put(key.encode(), picture)
    return path


def write_lsun_sample(home: Path, pictures: dict[str, bytes], zipped: bool = False) -> Path:
    """Kaggle's 20% sample of LSUN: a tree of three levels, unpacked, or as archive.zip with its second, small tree."""
    home.mkdir(parents=True, exist_ok=True)
    paths = {f"data0/lsun/bedroom/{key[0]}/{key[1]}/{key[2]}/{key}.jpg": value for key, value in pictures.items()}
    if not zipped:
        for path, value in paths.items():
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            (home / path).write_bytes(value)
        return home / "data0/lsun/bedroom"
    with zipfile.ZipFile(home / "archive.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for path, value in paths.items():
            file.writestr(path, value)
        file.writestr(f"sample/{next(iter(paths))}", next(iter(paths.values())))
    return home / "archive.zip"


def write_anime(home: Path, pictures: dict[str, bytes], folder: str = "images") -> Path:
    """The unpacked anime faces, in `images/` (splcher) or `data/` (soumikrakshit)."""
    (home / folder).mkdir(parents=True)
    for name, picture in pictures.items():
        (home / folder / name).write_bytes(picture)
    return home / folder


def write_imagenet32(home: Path, images: np.ndarray, labels: np.ndarray, split: str = "train", files: int = 10) -> Path:
    """ImageNet's .npz files at 32x32: `files` files of about as many images each. Labels are 0 to 999, in the files 1
    to 1,000."""
    home.mkdir(parents=True, exist_ok=True)
    names = ["val_data.npz"] if split == "val" else [f"train_data_batch_{n}.npz" for n in range(1, files + 1)]
    parts = zip(names, np.array_split(planes(images), len(names)), np.array_split(labels + 1, len(names)))
    for name, data, numbers in parts:
        mean = {} if split == "val" else {"mean": planes(images).mean(axis=0)}
        np.savez(home / name, data=data, labels=numbers, **mean)
    return home


def write_paper_weights(home: Path, width: float = 1.0, latent_dim: int = 100, seed: int = 0) -> dict[str, np.ndarray]:
    """The 18 arrays of the paper's SVHN networks, of any width; by their files' names without what all have alike."""
    first, second, third = (round(width * maps) for maps in (64, 128, 256))
    units = third * 16
    shapes = {
        "discrim": (
            *((first, 3, 5, 5), (second, first, 5, 5), (second,), (second,)),
            *((third, second, 5, 5), (third,), (third,), (units, 1)),
        ),
        "gen": (
            *((latent_dim, units), (units,), (units,), (third, second, 5, 5), (second,), (second,)),
            *((second, first, 5, 5), (first,), (first,), (first, 3, 5, 5)),
        ),
    }
    random, arrays = np.random.default_rng(seed), {}
    home.mkdir(parents=True, exist_ok=True)
    for network, of_network in shapes.items():
        for number, shape in enumerate(of_network, start=1):
            gain = len(shape) == 1 and len(of_network[number - 2]) > 1  # what follows a gain is a shift
            array = (gain + 0.1 * random.standard_normal(shape)).astype(np.float32)
            np.save(home / f"200_{network}_params.jl_{number:02d}.npy", array)
            arrays[f"{network}_{number:02d}"] = array
    return arrays
