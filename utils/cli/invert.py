"""`./dcgan invert`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from utils.cli.latent import Results, encoder_for, expect_own, folder_for, sampler_for
from utils.cli.places import DataDir, Json, LatentOut, RunsDir
from utils.errors import InputError
from utils.text import command, from_here, one_line


@dataclass(frozen=True)
class Invert:
    """Look for the latents that draw a picture of yours, so that it can be walked and edited.

    Some seconds a picture. What a generator cannot draw is reported as such.
    """

    name: Annotated[Positional[str], arg(metavar="RUN|MODEL")]
    """A run, a .keras file of a generator, a model that comes with the project, or "last" for the newest run."""
    pictures: Annotated[Positional[tuple[Path, ...]], arg(metavar="PICTURE…")] = ()
    """Picture files, cropped to the centre square and brought to the generator's size."""
    check: int = 0
    """Also invert so many samples, whose latents are known, and count how often they are recovered; and so many true
    images that it was not trained on, where there are such."""
    method: Literal["least-squares", "gradient-descent"] = "least-squares"
    """How to look: Levenberg and Marquardt's steps, or gradient descent with stochastic clipping (arXiv:1702.04782)."""
    starts: int = 2
    """From how many samples to start at most, the nearest first."""
    encoder: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Start first from what the encoder says that was trained with the generator (--recipe regularised), and show what
    that alone gives."""
    seed: int = 0
    """Seed of the samples that are started from."""
    out: LatentOut = None
    json: Json = False
    runs_dir: RunsDir = None
    data_dir: DataDir = None

    def run(self) -> None:
        _invert(self)


def _invert(options: Invert) -> None:
    if not options.pictures and options.check < 1:
        raise InputError("Name at least one picture, or --check how well it works on 8 samples.")
    if options.starts < 1 or options.check < 0:
        raise InputError(
            f"--starts must be at least 1, --check at least 0. Received: {options.starts}, {options.check}."
        )
    from utils.latent.stops import title_of
    from utils.networks import encoder_beside, find_network

    trained = find_network(options.name, "generator", options.runs_dir)
    if options.encoder:
        encoder_beside(trained)  # refuses before TensorFlow is there
    about = "-".join(title_of(str(path)) for path in options.pictures)
    folder = folder_for(trained, "inverted", options.out, about, options.seed)
    expect_own(folder, "invert", *["pictures.png", "latents.npy"] * bool(options.pictures))
    for path in options.pictures:
        if not path.is_file():
            raise InputError(f"There is no picture {path}.")
    sampler, of = sampler_for(trained)

    import numpy as np

    from utils.files import digest
    from utils.latent import pictures
    from utils.latent.inversion import invert, recovery

    how = {"method": options.method.replace("-", " "), "starts": options.starts}
    how |= {"seed": options.seed, "progress": not options.json}
    how |= {"encode": encoder_for(trained, sampler) if options.encoder else None}
    of |= {"encoder_sha256": digest(encoder_beside(trained))} if options.encoder else {}
    results = Results(folder, "invert", of | {"seed": options.seed, "starts": options.starts})
    notes = []
    if options.pictures:
        images = np.stack([_read(path, sampler.generator.output_shape[1]) for path in options.pictures])
        record = invert(sampler, images, names=tuple(one_line(path.name) for path in options.pictures), **how)
        results.picture("pictures.png", pictures.inversion_sheet(record))
        results.latents("latents.npy", record.latents)
        results.plain |= record.plain()
        for told, path in zip(results.plain["pictures"], options.pictures):
            told["sha256"] = digest(path)
        results.table("What the generator draws instead", record.table())
        first = f"{from_here(folder / 'latents.npy')}:0"
        where = trained.run.folder if trained.run else options.name  # "last" may be another by then
        notes.append(f"Walk on: {command('walk', where, '--from', first, '--to', '12')}")
    if options.check:
        found = recovery(sampler, options.check, **how)
        results.plain["recovery"] = found.plain()
        results.table("Samples, whose latents are known", [found.row()])
        if options.encoder:
            results.picture("samples.png", pictures.inversion_sheet(found.inversion))
        if (apart := _unseen(options, trained, sampler)) is not None:
            names = tuple(f"true {number}" for number in range(len(apart)))
            true = invert(sampler, apart, names=names, **how)
            results.picture("true.png", pictures.inversion_sheet(true))
            results.plain["true_images"] = true.plain()
            results.table("True images that it was not trained on", true.table())
    results.tell(options.json, *notes)


def _read(path: Path, size: int):
    """A picture file as the generator would draw it: uint8 (size, size, 3)."""
    from utils.data.pictures import decode

    try:
        with path.open("rb") as file:
            return decode(file, size, enlarge=True)
    except InputError as error:
        raise InputError(f"{path} is no picture that can be used: {error}.") from error
    except MemoryError:
        raise
    except Exception as error:  # decoders raise anything, of a damaged AVIF also RuntimeError
        raise InputError(f"{path} should be a picture file, but cannot be read ({type(error).__name__}).") from error


def _unseen(options: Invert, trained, sampler):
    """True images that the model was not trained on, if they can be had."""
    import numpy as np

    from utils.evaluation.held_out import unseen

    if trained.experiment is None:
        return None
    size = sampler.generator.output_shape[1]
    places = {"data_dir": options.data_dir, "progress": not options.json}
    try:
        apart = unseen(trained.experiment.data, size, options.check, **places)
    except InputError:  # they were not fetched, or have moved
        return None
    return None if apart is None else np.asarray(apart.images[: options.check])
