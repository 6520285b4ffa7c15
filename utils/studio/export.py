"""The studio as static files that work from any web space: networks as ONNX graphs, run in the reader's browser."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from utils.errors import InputError
from utils.files import appear_together, appears_whole, expect_folder, names_in, write_json
from utils.studio import graphs
from utils.studio.networks import Networks
from utils.studio.offers import KINDS, PAGE, Offer, describe, may_show_true, plain_directions, plain_json, true_images
from utils.studio.packages import PACKAGES, package_file
from utils.studio.watching import Watched, for_others

RUNTIME = {
    "ort.wasm.bundle.min.js": "ort.wasm.bundle.min.mjs",  # of .mjs many web servers do not know that it is a script
    "ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
}
"""Files of onnxruntime-web that a page needs, processor only and one thread, and what they are called there."""
GRIDS = 60
"""Grids of a run that are copied, at most: spread evenly, with the first and the last."""
_EARLY = (
    (b'<html lang="en">', b'<html lang="en" data-form="export">'),
    (
        b"</head>",
        b"".join(
            b'<link rel="%b" href="vendor/%b">\n' % (how, name.encode())
            for how, name in zip((b"modulepreload", b'preload" as="fetch" crossorigin="anonymous'), RUNTIME)
        )
        + b"</head>",
    ),
)
"""What is put into the page so that it fetches the runtime at once, and need not ask first which form it has."""
_LICENCE = """\
ONNX Runtime Web {version}, Copyright (c) Microsoft Corporation. MIT License.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def export(
    folder: str | Path,
    offers: Sequence[Offer],
    data_dir: str | Path | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> int:
    """Write the studio into a folder, which then works from any web space.

    The samples of a graph are those of Python to 1/255, as `graphs.generator_graph` tests on some. True images are
    copied of built-in datasets only.

    Args:
        folder: new, empty, or an earlier export, which stays until all of the new one is there to replace it.
        offers: models and runs to put in.
        data_dir: where datasets and fetched packages are.
        say: is told what takes a while.

    Returns:
        How many bytes all files have.

    Raises:
        InputError: the folder holds something else, onnxruntime-web cannot be had, or nothing is offered.
    """
    home = Path(folder)
    if not offers:
        raise InputError("There is nothing to export: no model and no run.")
    expect_folder(home, "--export")
    if names_in(home) and not _is_export(home):
        raise InputError(f"{home} holds other files: choose a new or an empty folder for the export.")
    with appear_together(home, instead_of=("models", "runs")) as made:
        _write_all(made, offers, data_dir, say)
    return sum(file.stat().st_size for file in home.rglob("*") if file.is_file())


def _write_all(home: Path, offers: Sequence[Offer], data_dir: str | Path | None, say: Callable[[str], None]) -> None:
    say("the runtime for the browser (onnxruntime-web)")
    for name, there in RUNTIME.items():  # first, since it may not be had
        _write(home / "vendor" / name, package_file("onnxruntime-web", f"dist/{there}", data_dir))
    _write(home / "vendor" / "LICENSE.txt", _LICENCE.format(version=PACKAGES["onnxruntime-web"][0]).encode())
    for file in PAGE.iterdir():
        if file.suffix in KINDS:
            content = file.read_bytes()
            if file.name == "index.html":
                for plain, early in _EARLY:
                    content = content.replace(plain, early, 1)
            _write(home / file.name, content)
    listed = [offer.plain() for offer in offers]  # now: a training may save its first networks meanwhile
    for offer, about in zip(offers, listed):
        if about["draws"]:
            say(f"{offer.title}: networks")
            _write_model(home / "models" / offer.id, offer, data_dir)
        if offer.run is not None:
            say(f"{offer.title}: records")
            _write_run(home / "runs" / offer.id, offer)
    write_json(home / "studio.json", {"form": "export", "offers": listed})


def _is_export(home: Path) -> bool:
    # By the file that earlier versions wrote first, so that one that was interrupted counts, too. That there is a
    # `vendor/` says nothing: projects of PHP, Go and Ruby have one.
    script, as_it_was = next(iter(RUNTIME.items()))
    return any((home / "vendor" / name).is_file() for name in (script, as_it_was))


def _write_model(home: Path, offer: Offer, data_dir: str | Path | None) -> None:
    networks = Networks(offer)
    judges = offer.network("discriminator") is not None
    while True:  # all of one moment, also where a training saves others meanwhile
        sampler, directions = networks.sampler, networks.directions()
        discriminator = networks.discriminator if judges else None
        fixed = networks.fixed if judges else None
        control = networks.control if fixed is not None else None
        if networks.sampler is sampler and (not judges or networks.discriminator is discriminator):
            break
    _write(home / "generator.onnx", graphs.generator_graph(sampler))
    if judges:
        _write(home / "discriminator.onnx", graphs.discriminator_graph(discriminator, fixed))
    if fixed is not None:
        _write(home / "guided.onnx", graphs.guided_graph(fixed))
        _write(home / "random.onnx", graphs.discriminator_graph(discriminator, control))
        _write(home / "random_guided.onnx", graphs.guided_graph(control))
    shown = true_images(offer, data_dir) if may_show_true(offer, public=True) else None
    if shown is not None:
        _write(home / "true.bin", shown.packed())
    if offer.experiment.model.conditions == "text":
        _write(home / "text.onnx", graphs.text_graph(networks.encoder))
    _write(home / "directions.json", plain_json(plain_directions(directions)).encode())
    about = describe(offer, public=True)
    about |= {"judges": judges, "explains": fixed is not None, "true": shown is not None}
    _write(home / "model.json", plain_json(about).encode())


def _write_run(home: Path, offer: Offer) -> None:
    run = offer.run
    about = for_others(Watched(run).snapshot(), offer)
    if about["state"]["running"]:  # the page stays as it is
        about["state"] |= {"running": False, "left": None, "words": "still training when this page was made"}
    kept = about["grids"]
    if len(kept) > GRIDS:
        kept = [kept[place] for place in np.unique(np.linspace(0, len(kept) - 1, GRIDS).astype(int))]
    about |= {"grids": kept, "grid_names": {number: run.grid(number).name for number in kept}}
    for number in kept:
        _write(home / "grids" / run.grid(number).name, run.grid(number).read_bytes())
    if about["true_grid"]:
        _write(home / "grids" / "true.png", run.true_grid.read_bytes())
    if run.film.is_file():
        _write(home / "training.mp4", run.film.read_bytes())
    for name in (about["report"] or {"files": []})["files"]:
        _write(home / name, (run.folder / "report" / name).read_bytes())
    _write(home / "run.json", plain_json(about).encode())


def _write(file: Path, content: bytes) -> None:
    with appears_whole(file) as temporary:
        temporary.write_bytes(content)
