"""What the commands of the latent space share: which generator, which judge, and where results go."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

from utils.cli.text import place_for, short, written
from utils.config import DataConfig
from utils.errors import InputError
from utils.files import expect_folder
from utils.tables import table
from utils.text import telling_slug

ABOUT = 60
"""Characters of a user's words in the name of a folder, at most."""


class Results:
    """The results of a command, which appear in their folder together, with a record of them, when they are told.

    Where the command fails before, an earlier result stays as it was. What it had beside the files of this one stays,
    too, so the record names its files: "files"; and those that stay: "earlier_files".

    Args:
        folder: where they go.
        name: of the command, and of the record without its suffix.
        about: what the record begins with.
    """

    def __init__(self, folder: Path, name: str, about: dict):
        self.folder, self._name, self.plain = folder, name, about
        self._record, self._writers, self._tables = folder / f"{name}.json", {}, []
        self._was_there = self._record.is_file()

    def picture(self, name: str, picture) -> None:
        """Keep a picture, uint8 (H, W, 3)."""
        from utils import viz

        self.files(lambda file: viz.write_png(file, picture), name)

    def figure(self, name: str, figure) -> None:
        """Keep a Matplotlib figure."""
        from utils.figure import write_figure

        self.files(lambda file: write_figure(file, figure), name)

    def latents(self, name: str, latents) -> str:
        """Keep latents, float (K, D), that `walk`, `arithmetic` and `directions` take.

        Returns:
            The SHA-256 of their file.
        """
        import numpy as np

        from utils.files import appears_whole

        content = io.BytesIO()
        np.save(content, latents)

        def write(file: Path) -> None:
            with appears_whole(file) as temporary:
                temporary.write_bytes(content.getvalue())

        self.files(write, name)
        return hashlib.sha256(content.getvalue()).hexdigest()

    def files(self, write: Callable[..., object], *names: str) -> None:
        """Keep files of these names, whose paths `write` will be given.

        Raises:
            InputError: as `expect_own`.
        """
        expect_own(self.folder, self._name, *names)
        self._writers[names] = write

    def table(self, heading: str, rows: list[dict]) -> None:
        """A table to be printed under a heading."""
        self._tables.append((heading, rows))

    def tell(self, as_json: bool, *notes: str) -> None:
        """Write the files and the record, and print it, or else the tables, the files and the notes."""
        from utils.files import appear_together, write_json

        self.plain["files"] = [name for names in self._writers for name in names]
        self.plain["earlier_files"] = sorted({*(_made(self._record) or ())} - {*self.plain["files"]})
        with appear_together(self.folder) as made:
            for names, write in self._writers.items():
                write(*(made / name for name in names))
            write_json(made / self._record.name, self.plain)
        files = [*(self.folder / name for name in self.plain["files"]), self._record]
        if as_json:
            print(json.dumps(self.plain | {"files": [str(file) for file in files]}, indent=2))
            return
        for heading, rows in self._tables:
            print(f"{heading}\n\n{table(rows)}\n")
        print("\n".join([written(files[0], self._was_there), *map(short, files[1:]), *notes]))


def expect_own(folder: Path, command: str, *names: str) -> None:
    """Refuse to replace files that a command does not know as its own, by the record that it left beside them.

    Raises:
        InputError: there is a file of one of these names that is not its own.
    """
    made = _made(folder / f"{command}.json")
    if others := [name for name in names if made is not None and name not in made and (folder / name).exists()]:
        raise InputError(
            f"{short(folder / others[0])} is there, and is not known as one that `./dcgan {command}` has made, which "
            "would replace it: choose another folder with --out."
        )


def _made(record: Path) -> list[str] | None:
    """Names of the files that a command has made, by its record; None where that is of a version that did not say."""
    from utils.files import read_object

    if not record.is_file():
        return []
    kept = read_object(record)
    return [*kept["files"], *kept.get("earlier_files", ())] if isinstance(kept.get("files"), list) else None


def folder_for(trained, what: str, asked: Path | None, about: str = "", seed: int = 0) -> Path:
    """Where the results of a command go: as asked, else a folder of the run, or here, named after the model.

    Args:
        trained: the network.
        what: the command's results ("walk").
        asked: `--out`.
        about: what tells this result from others of the command, in the user's words.
        seed: likewise; 0 is not mentioned.
    """
    if asked is not None:
        expect_folder(asked)
        return asked
    name = "-".join(filter(None, (what, telling_slug(about, ABOUT), f"seed-{seed}" if seed else "")))
    return place_for(trained, f"latent/{name}", name)


def one_for_all(conditions):
    """Of conditions to draw from, float32 (K, C), the one that pictures are of which differ by their latents alone:
    float32 (1, C). What `sample --numbers` shows is so what `walk` goes by."""
    return conditions[:1]


def sampler_for(trained, conditions=None):
    """The sampler of a generator. TensorFlow is started here.

    Args:
        trained: the network.
        conditions: what a conditional one is asked for, float32 (K, C), where a command takes that; see `one_for_all`.

    Returns:
        The sampler; and which generator it has, as records begin: its file, and what this held when it was loaded.

    Raises:
        InputError: the file holds no generator, or a conditional one that is asked for nothing.
    """
    model = trained.experiment and trained.experiment.model
    if model and model.is_conditional and conditions is None:
        takes = {"labels": "walk` takes this one with --label", "attributes": "walk` takes this one with --attributes"}
        other = takes.get(model.conditions, "sample` takes this one with --text")
        raise InputError(
            f"{trained.title} is conditional, and this command is about latents alone: it takes models that were "
            f"trained without --conditions (`./dcgan {other})."
        )
    from utils import runtime

    runtime.start()
    from utils.models import load_with_digest
    from utils.networks import say_what_is_assumed
    from utils.sampling import Sampler

    generator, sha256 = load_with_digest(trained.file)
    one = None if conditions is None else one_for_all(conditions)
    of = {"generator": str(trained.file), "generator_sha256": sha256}
    sampler = Sampler.of(generator, trained.experiment, one)
    say_what_is_assumed(trained)
    return sampler, of


def encoder_for(trained, sampler):
    """The encoder beside a generator: images float32 (N, S, S, 3) in [-1, 1] -> latents, float32 (N, D).

    Raises:
        InputError: there is none, or it is another generator's.
    """
    from utils.models import load_network
    from utils.networks import encoder_beside

    file = encoder_beside(trained)
    encoder, generator = load_network(file), sampler.generator
    if encoder.input_shape != generator.output_shape or encoder.output_shape != generator.input_shape:
        raise InputError(
            f"{file} should be an encoder from images {generator.output_shape[1:]} to latents "
            f"{generator.input_shape[1:]}. Received: one from {encoder.input_shape[1:]} to {encoder.output_shape[1:]}."
        )
    return lambda images: encoder(images, training=False)


def known_to(trained, classifier: str | None) -> str:
    """The dataset whose classifier judges a generator's samples: the one that is named, or what it was trained on.

    Raises:
        InputError: nobody says which.
    """
    if classifier is None and trained.experiment is None:
        raise InputError(
            f"{trained.file} does not say what it was trained on: name a dataset whose attributes are known with "
            "--classifier."
        )
    return classifier or trained.experiment.data.name


def small_of(trained, dataset: str) -> str:
    """What becomes of small images where a dataset's classifier learns: the same as in the generator's training, if it
    was of that dataset."""
    from utils.data.catalogue import place_of

    of = trained.experiment.data if trained.experiment else DataConfig(dataset)
    return of.small if of.name == place_of(dataset, of.name) else DataConfig.small


def nothing_known(dataset: str, data_dir: Path | None) -> str:
    """Why there is no classifier of a dataset of which `names.names_for` knows no names, for the beginning of a
    sentence."""
    from utils.evaluation.held_out import source_there

    if "labels" in source_there(dataset, counts=(1,), data_dir=data_dir, tolerated=1.0).describe().fields:
        return f"The classes of {dataset} have no names: add label_names to it, name another dataset with --classifier"
    known = "name a dataset whose attributes are known with --classifier"
    return f"Nothing is known about the images of {dataset}: {known}"
