"""What tests of the studio need: run folders as a training leaves them, processes that hold one, servers."""

import contextlib
import json
import subprocess
import sys
import threading
import time

import numpy as np

from utils import config, viz
from utils.config import preset, replace
from utils.data.captions import grammar_for
from utils.data.faces import ATTRIBUTES
from utils.files import write_json
from utils.fitting import at_size
from utils.models import build_discriminator, build_generator, weights_digest
from utils.runs import PROJECT, Run, State
from utils.studio.offers import LOOPBACK
from utils.studio.server import application, listen, server_for
from utils.text_encoder import TextEncoder, build_text_network

NAMES = ("glasses", "hat", "beard")
SENTENCES = ("a smiling woman", "a man with glasses and a hat")


def make_run(root, told: str = "", data: str = "faces", status: str = "stopped") -> Run:
    """A run of the quick preset at 16x16 pixels, as narrow as can be, with weights that draw pictures that differ.

    With `told`, "attributes" or "text", it is told what to draw.
    """
    settings = {"name": data, "count": 64, "width": 0.0625, "batch_size": 8, "epochs": 4}
    if told:
        settings |= {"conditions": told, "condition_names": NAMES if told == "attributes" else SENTENCES}
    experiment = replace(at_size(preset("quick"), 16), **settings)
    run = Run.create(experiment, {"images": 64, "fingerprint": "0", "device": {"name": "CPU"}}, root)
    random = np.random.default_rng(0)
    run.models.mkdir()
    for name, build in (("generator", build_generator), ("discriminator", build_discriminator)):
        network = build(experiment.model)
        for weight in network.weights:  # as after training: larger than at the start, and no average is 0 or 1
            wide = len(weight.shape) > 1
            about = random.normal(0, np.prod(weight.shape[:-1]) ** -0.5 if wide else 0.1, weight.shape)
            weight.assign(about * (2 if name == "generator" and wide else 1) if wide else np.abs(about) + 0.5)
        network.save(run.model(name))
    if told == "attributes":
        np.save(run.conditions_file, random.integers(0, 2, (40, len(NAMES))).astype(np.uint8))
    if told == "text":
        words = grammar_for(ATTRIBUTES).vocabulary
        reads = build_text_network(len(words))
        encoder = TextEncoder(reads, {"vocabulary": list(words), "fingerprint": weights_digest(reads)})
        encoder.save(run.models)
        np.save(run.conditions_file, encoder(SENTENCES))
    steps = [
        {"update": u, "epoch": (u + 7) // 8, "loss_true": 0.7, "loss_fake": 1 / u, "loss_generator": 0.5 + u / 10}
        for u in range(1, 17)
    ]
    epochs = [{"epoch": e, "score_true": 0.5 + e / 10, "score_fake": 0.5 - e / 10, "diversity": 0.2} for e in (0, 1, 2)]
    for file, rows in ((run.steps_file, steps), (run.epochs_file, epochs)):
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for number in (0, 1, 2):
        viz.write_png(run.grid(number), random.integers(0, 256, (36, 36, 3), np.uint8))
    viz.write_png(run.true_grid, random.integers(0, 256, (36, 36, 3), np.uint8))
    run.log("Started.")
    run.save_state(State(status, update=16, epoch=2, seconds=8.0))
    return run


def give_record(run) -> dict:
    """What `evaluate` keeps of a run; it names folders of the user's."""
    figures = {"space": "pixels", "fingerprint": "0", "kernel": {"value": 1.5, "low": 1.25, "high": 1.75}}
    record = {
        "name": run.name,
        "generator": str(run.model("generator")),
        "experiment": config.to_dict(run.experiment),
        "samples": 500,
        "distance": figures | {"floor": figures, "passport": {"reference": f"{run.experiment.data.name} test"}},
        "other_spaces": [],
    }
    write_json(run.quality_file, record)
    return record


def give_report(run, *sections: str, title: str = "") -> None:
    """A report, as far as the studio reads it, with sections of these titles."""
    plain = {"title": title or run.name, "about": "", "sections": [{"title": t, "blocks": []} for t in sections]}
    write_json(run.folder / "report" / "report.json", plain)
    (run.folder / "report" / "report.html").write_text("<h1>Report</h1>")


def make_telling_run(home) -> Run:
    """A run of own pictures, both in a folder `home`; all of its records name folders in there."""
    run = make_run(home / "runs", data=str(home / "private" / "holiday"))
    run.log(f"Pictures were left out: {home / 'private'}.")
    back = {"from": 16, "to": 8, "step_sizes": 0.5, "why": f"{run.checkpoints} could not be read"}
    why = f"The disk of {home / 'private' / 'two words'} is full."
    run.save_state(State("stopped", update=16, epoch=2, seconds=8.0, why=why, rollbacks=[back]))
    give_record(run)
    give_report(run)
    return run


@contextlib.contextmanager
def serving(studio, hosts=LOOPBACK, token=None, port=0):
    """The port of a server in a thread."""
    opened = listen("127.0.0.1", port)
    server = server_for(application(studio, token, hosts), studio)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield opened.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(5)


@contextlib.contextmanager
def training(run):
    """A process that holds a run as a training does; it ends when it is told to."""
    run.save_state(State("running", update=8, epoch=1, seconds=8.0))
    code = (
        f"import sys, time; sys.path.insert(0, {str(PROJECT)!r}); from utils.runs import Run\n"
        f"with Run({str(run.folder)!r}).locked():\n    print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
