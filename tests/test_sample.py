"""`./dcgan sample` and `film`: which files they draw with, what they refuse, and that nothing is lost or left over."""

import errno
import json
import os
import shutil

import numpy as np
import pytest
from studio_runs import NAMES, make_run

from utils import cli, runtime, viz
from utils.files import digest, remove_unfinished
from utils.models import build_encoder, build_rotation_head, load_generator
from utils.runs import Run
from utils.sampling import Sampler
from utils.text_encoder import encoder_beside


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run each that is told nothing, attributes and texts, with networks that are not the generator beside it."""
    made = {told: make_run(tmp_path_factory.mktemp("runs"), told) for told in ("", "attributes", "text")}
    for name, build in (("encoder", build_encoder), ("rotation", build_rotation_head)):
        build(made[""].experiment.model).save(made[""].model(name))
    return made


@pytest.fixture
def sample(capsys):
    def told(*arguments):
        code = cli.main(["sample", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out if code == 0 else err

    return told


@pytest.fixture
def no_start(monkeypatch):
    monkeypatch.setattr(runtime, "start", lambda *_: pytest.fail("TensorFlow is started"))


@pytest.mark.parametrize(
    ("told", "network", "options"),
    [
        ("", "discriminator", ()),
        ("", "encoder", ()),
        ("", "rotation", ("--as", "files")),
        ("attributes", "discriminator", ()),
        ("attributes", "discriminator", ("--attributes", "hat=1", "--as", "files")),
        ("text", "discriminator", ()),
        ("text", "text_encoder", ()),
        ("text", "discriminator", ("--text", "a smiling woman")),
        ("text", "text_encoder", ("--text", "a smiling woman")),
    ],
)
def test_a_file_that_is_no_generator_is_refused_in_one_sentence(runs, sample, tmp_path, told, network, options):
    out = tmp_path / ("pictures" if "files" in options else "a.png")
    code, said = sample(runs[told].model(network), "-n", 4, "--out", out, *options)
    assert code == 2 and said.count("\n") == 1
    assert f"{network}.keras should be a generator, latents -> images. Received: {network}." in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", [("--label", "hat"), ("--attributes", "hat=1")])
def test_a_text_beside_another_wish_is_refused(runs, sample, no_start, option):
    code, said = sample(runs["text"].folder, "--text", "a smiling woman", *option)
    assert code == 2 and "--text says what is to be drawn: leave --label and --attributes out" in said


def test_numbers_of_a_model_of_texts_are_refused_without_advice_that_it_cannot_follow(runs, sample, no_start):
    code, said = sample(runs["text"].folder, "--numbers")
    assert code == 2 and "which take no model of texts: leave it out" in said and "--label" not in said


@pytest.mark.parametrize(("asked", "columns"), [((), 8), (("-n", 2), 2), (("-n", 11), 11)])
def test_of_each_text_as_many_pictures_are_drawn_as_were_asked_for(runs, sample, tmp_path, asked, columns):
    texts, out = ("a smiling woman", "a man with a hat"), tmp_path / "rows.png"
    assert sample(runs["text"].folder, "--text", *texts, "--out", out, *asked)[0] == 0
    generator = runs["text"].model("generator")
    vectors = encoder_beside(generator)(texts)
    sampler = Sampler.of(load_generator(generator), runs["text"].experiment, vectors)
    images = sampler.rows_of(vectors, sampler.make_latents(columns, 0))
    assert np.array_equal(viz.read_png(out), viz.grid(images, columns=columns, names=texts))


def test_what_numbers_are_drawn_on_is_what_walk_takes_by_them(runs, sample, tmp_path, monkeypatch):
    """Also where attributes are left open, which without numbers are as they occur."""
    known = np.load(runs["attributes"].conditions_file)
    assert len(np.unique(known[known[:, NAMES.index("hat")] == 1], axis=0)) > 1
    walked, out = [], tmp_path / "numbers.png"
    code, told = sample(runs["attributes"].folder, "-n", 6, "--numbers", "--attributes", "hat=1", "--out", out)
    assert code == 0 and "All pictures are as in the first of these, as walk takes it." in told
    monkeypatch.setattr("utils.latent.pictures.write_walk", lambda record, *_, **__: walked.append(record))
    stops = ["--through", *map(str, range(6)), "--attributes", "hat=1", "--frames", "12", "--out", str(tmp_path / "w")]
    assert cli.main(["walk", str(runs["attributes"].folder), *stops]) == 0
    at_stops = viz.grid(walked[0].images[:: len(walked[0].images) // 6], numbers=range(6)).astype(int)
    assert np.abs(at_stops - viz.read_png(out)).max() <= 1


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_single_files_take_the_places_of_all_earlier_ones(runs, sample, tmp_path):
    folder, place = tmp_path / "pictures", runs[""].folder
    assert sample(place, "-n", 5, "--as", "files", "--out", folder) == (0, f"5 pictures in {folder}\n")
    first = content(folder)
    code, said = sample(place, "-n", 3, "--seed", 7, "--as", "files", "--out", folder)
    assert code == 0 and said == f"3 pictures in {folder} (replaces what was there)\n"
    second = content(folder)
    assert sorted(second) == ["0000.png", "0001.png", "0002.png", "samples.json"]
    generator = runs[""].model("generator")
    about = {"generator": str(generator), "generator_sha256": digest(generator)}
    assert json.loads(second["samples.json"]) == about | {"pictures": 3, "seed": 7, "asked": None}
    assert not set(first.values()) & set(second.values())
    (folder / ".DS_Store").write_text("a system's own")
    assert sample(place, "-n", 5, "--as", "files", "--out", folder)[0] == 0
    assert content(folder) == first | {".DS_Store": b"a system's own"}


@pytest.mark.parametrize("name", ["0005.jpg", "holiday.png", "1.png", "00x1.png", "folder/0001.png"])
def test_a_folder_that_holds_anything_but_earlier_pictures_is_refused(runs, sample, no_start, tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    (tmp_path / "0000.png").write_text("drawn")
    (tmp_path / "samples.json").write_text('{"generator": "generator.keras", "pictures": 1}')
    code, said = sample(runs[""].folder, "-n", 3, "--as", "files", "--out", tmp_path)
    assert code == 2 and said.count("\n") == 1 and f"which holds {name.split('/')[0]}." in said
    assert (tmp_path / name).read_text() == "mine" and (tmp_path / "0000.png").read_text() == "drawn"


@pytest.mark.parametrize(
    ("record", "refused"),
    [
        (None, "0000.png, 0001.png"),
        ("no JSON", "0000.png, 0001.png, samples.json"),
        ('{"pictures": 2}', "0000.png, 0001.png, samples.json"),  # somebody's own description
        ('{"generator": "generator.keras", "pictures": "2"}', "0000.png, 0001.png, samples.json"),
        ('{"generator": "generator.keras", "pictures": 1}', "0001.png"),  # put beside the one that was drawn
    ],
)
def test_pictures_of_ones_own_are_not_taken_for_earlier_ones_by_their_names(
    runs, sample, no_start, tmp_path, record, refused
):
    for name in ("0000.png", "0001.png"):
        (tmp_path / name).write_text("mine")
    if record:
        (tmp_path / "samples.json").write_text(record)
    before = content(tmp_path)
    code, said = sample(runs[""].folder, "-n", 3, "--as", "files", "--out", tmp_path)
    assert code == 2 and said.count("\n") == 1 and f"which holds {refused}." in said
    assert content(tmp_path) == before


def test_single_files_that_cannot_all_be_written_leave_the_earlier_ones(runs, sample, tmp_path, monkeypatch):
    assert sample(runs[""].folder, "-n", 5, "--as", "files", "--out", tmp_path)[0] == 0
    before, write = content(tmp_path), viz.write_png

    def full(file, image):
        if file.name == "0002.png":
            raise OSError(errno.ENOSPC, "full", str(file))
        write(file, image)

    monkeypatch.setattr(viz, "write_png", full)
    assert sample(runs[""].folder, "-n", 4, "--seed", 7, "--as", "files", "--out", tmp_path)[0] == 2
    assert content(tmp_path) == before


@pytest.fixture
def drawable(runs, tmp_path):
    """A run with grids, and records of all that curves are drawn of."""
    run = Run(shutil.copytree(runs[""].folder, tmp_path / "faces" / "0001-quick"))
    names = ("loss_true", "loss_fake", "loss_generator", "score_true", "score_fake")
    run.steps_file.write_text(json.dumps({"update": 1, "epoch": 1} | dict.fromkeys(names, 0.5)) + "\n")
    scores = {"accuracy_true": 0.5, "accuracy_fake": 0.5}
    run.epochs_file.write_text("".join(json.dumps({"epoch": number} | scores) + "\n" for number in range(3)))
    return run


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (("film",), ("training.mp4", "training.gif", "losses.png")),
        (("sample", "-n", "2"), ("samples/2-seed-0.png",)),
        (("sample", "-n", "1", "--as", "files"), ("samples/1-seed-0/0000.png", "samples/1-seed-0/samples.json")),
    ],
)
def test_a_training_that_begins_in_the_run_sweeps_nothing_away_that_a_command_is_writing_there(
    drawable, monkeypatch, arguments, written
):
    swept, force = [], os.fsync

    def begin(handle):  # when a file is complete, and has not got its name
        remove_unfinished(drawable.written_by_training)
        swept.append(handle)
        force(handle)

    monkeypatch.setattr(os, "fsync", begin)
    before = {path for path in drawable.folder.rglob("*") if path.is_file()}
    assert cli.main([arguments[0], str(drawable.folder), *arguments[1:]]) == 0 and len(swept) >= len(written)
    there = {path for path in drawable.folder.rglob("*") if path.is_file()}
    assert there - before == {drawable.folder / name for name in written}


def test_of_a_run_without_grids_no_film_is_made_and_no_folder(drawable, tmp_path, capsys):
    shutil.rmtree(drawable.true_grid.parent)
    assert cli.main(["film", str(drawable.folder), "--out", str(tmp_path / "film")]) == 2
    assert "has no grids yet" in capsys.readouterr().err and not (tmp_path / "film").exists()


def test_the_help_of_film_counts_in_grids(capsys):
    with pytest.raises(SystemExit):
        cli.main(["film", "--help"])
    assert "Grids per second" in capsys.readouterr().out


def test_the_help_of_sample_says_that_a_grid_of_whole_rows_may_have_more_pictures_than_were_asked_for(capsys):
    with pytest.raises(SystemExit):
        cli.main(["sample", "--help"])
    assert "at least so many, in whole rows" in " ".join(capsys.readouterr().out.replace("│", " ").split())
