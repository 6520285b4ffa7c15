"""What the commands of the latent space share: which generator, which judge, and where results go."""

import json
from pathlib import Path

from utils.cli.text import place_for, short, written
from utils.errors import InputError
from utils.files import expect_folder
from utils.tables import table
from utils.text import shorten, slug


class Results:
    """The results of a command, each written to its folder as it is made, and told at the end.

    Args:
        folder: where they go.
        name: of the record, without its suffix; it is written last.
        trained: the generator that they are of; the record begins with its file and what this held.
        about: what comes next in the record.
    """

    def __init__(self, folder: Path, name: str, trained, about: dict):
        from utils.evaluation.records import digest

        of = {"generator": str(trained.file), "generator_sha256": digest(trained.file)}
        self.folder, self._record, self.plain = folder, folder / f"{name}.json", of | about
        self._was_there, self._files, self._tables = self._record.is_file(), [], []

    def picture(self, name: str, picture) -> None:
        """Write a picture, uint8 (H, W, 3)."""
        from utils import viz

        viz.write_png(self.file(name), picture)

    def figure(self, name: str, figure) -> None:
        """Write a Matplotlib figure."""
        from utils.figure import write_figure

        write_figure(self.file(name), figure)

    def latents(self, name: str, latents) -> None:
        """Write latents, float (K, D), that `walk`, `arithmetic` and `directions` take."""
        import numpy as np

        from utils.files import appears_whole

        with appears_whole(self.file(name)) as temporary:
            np.save(temporary, latents)

    def file(self, name: str) -> Path:
        """A file of the folder that somebody else writes."""
        self._files.append(self.folder / name)
        return self._files[-1]

    def table(self, heading: str, rows: list[dict]) -> None:
        """A table to be printed under a heading."""
        self._tables.append((heading, rows))

    def tell(self, as_json: bool, *notes: str) -> None:
        """Write the record, and print it, or else the tables, the files and the notes."""
        from utils.files import write_json

        write_json(self._record, self.plain)
        files = [*self._files, self._record]
        if as_json:
            print(json.dumps(self.plain | {"files": [str(file) for file in files]}, indent=2))
            return
        for heading, rows in self._tables:
            print(f"{heading}\n\n{table(rows)}\n")
        print("\n".join([written(files[0], self._was_there), *map(short, files[1:]), *notes]))


def folder_for(trained, what: str, asked: Path | None, about: str = "") -> Path:
    """Where the results of a command go: as asked, else a folder of the run, or here, named after the model.

    Args:
        trained: the network.
        what: the command's results ("walk").
        asked: `--out`.
        about: what tells this result from others of the command, in the user's words.
    """
    if asked is not None:
        expect_folder(asked)
        return asked
    name = "-".join(part for part in (what, slug(shorten(about, 60))) if part)
    return place_for(trained, f"latent/{name}", name)


def sampler_for(trained, conditions=None):
    """The sampler of a generator. TensorFlow is started here.

    Args:
        trained: the network.
        conditions: what a conditional one is asked for, float32 (K, C), where a command takes that; the first row
            counts, so that pictures differ by their latents alone.

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
    from utils.models import load_generator
    from utils.sampling import Sampler

    return Sampler.of(load_generator(trained.file), trained.experiment, None if conditions is None else conditions[:1])


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
