"""The commands of the latent space, on a user's own tiny generator."""

import json
from pathlib import Path

import numpy as np
import pytest
from known_latents import DIM, NAMES, entangled, judge
from PIL import Image

from utils import cli, viz
from utils.errors import InputError
from utils.evaluation.records import digest
from utils.latent.directions import read_directions
from utils.sampling import Sampler


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A user's own generator, of which nothing else is known."""
    file = tmp_path_factory.mktemp("model") / "generator.keras"
    entangled().save(file)
    return file


def said(capsys, *arguments):
    code = cli.main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_walk_writes_film_strip_and_record(capsys, monkeypatch, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    code, out, _ = said(capsys, "walk", model, "--from", "12", "--to", "40", "--frames", "8")
    folder = next(tmp_path.iterdir())
    assert code == 0 and folder.name.endswith("walk-12-40") and f"{folder.name}/walk.mp4" in out
    assert {file.name for file in folder.iterdir()} == {"walk.mp4", "walk.gif", "strip.png", "walk.json"}
    record = json.loads((folder / "walk.json").read_text())
    assert record["stops"] == ["12", "40"] and record["path"] == "spherical" and record["frames"] == 8
    assert (record["generator"], record["generator_sha256"]) == (str(model), digest(model))
    before = (folder / "strip.png").read_bytes()
    code, out, _ = said(capsys, "walk", model, "--from", "12", "--to", "40", "--frames", "8", "--json")
    assert json.loads(out)["frames"] == 8 and (folder / "strip.png").read_bytes() == before


def test_ones_own_picture_is_inverted_walked_and_added_to(capsys, monkeypatch, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    drawn = Sampler(entangled(), DIM).draw(1, 3)[0]
    Image.fromarray(drawn.repeat(4, 0).repeat(4, 1)).save(tmp_path / "me.png")
    code, out, _ = said(capsys, "invert", model, "me.png", "--out", "mine", "--check", "2")
    assert code == 0 and "drawn" in out and "mine/latents.npy:0 --to 12" in out
    record = json.loads((tmp_path / "mine" / "invert.json").read_text())
    assert record["generator_sha256"] == digest(model)
    assert record["pictures"][0]["verdict"] == "drawn" and record["recovery"]["samples"] == 2
    latents = np.load(tmp_path / "mine" / "latents.npy")
    assert np.array_equal(viz.read_png(tmp_path / "me.png")[::4, ::4], drawn) and latents.shape == (1, DIM)
    sample = Sampler(entangled(), DIM).make_latents(8)[7]
    code, *_ = said(capsys, "arithmetic", model, "me: mine/latents.npy", "+", "7", "-", "7", "--out", "sum")
    assert code == 0
    assert json.loads(Path("sum/arithmetic.json").read_text())["generator_sha256"] == digest(model)
    np.testing.assert_allclose(np.load("sum/latents.npy"), latents + sample - sample, atol=1e-5)
    assert (
        said(capsys, "walk", model, "--from", "mine/latents.npy:0", "--to", "7", "--frames", "4", "--out", "w")[0] == 0
    )


def test_directions_of_a_model_of_which_nothing_is_known_are_those_that_need_no_judge(
    capsys, monkeypatch, tmp_path, model
):
    monkeypatch.chdir(tmp_path)
    code, out, _ = said(capsys, "directions", model, "--out", "found")
    assert code == 0 and "cannot be measured" in out and "--classifier" in out
    record = json.loads((tmp_path / "found" / "directions.json").read_text())
    assert record["generator_sha256"] == digest(model)
    kinds = [direction["kind"] for direction in record["directions"]]
    assert kinds == ["SeFa"] * 6 + ["PCA"] * 6 + ["random"] * 3
    assert np.load("found/directions.npy").shape == (15, DIM)


def test_directions_and_their_names_stay_together_also_where_measuring_fails(capsys, monkeypatch, tmp_path, model):
    def measuring(*_, **__):
        raise InputError("Measuring failed.")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("utils.evaluation.names.names_for", lambda *where: NAMES)
    monkeypatch.setattr("utils.evaluation.judge.judge_for", lambda *_, **__: judge())
    command = ("directions", model, "--classifier", "quarters", "--samples", "8", "--out", "found")
    code, out, err = said(capsys, *command)
    assert code == 0 and "measured on the other half" in out, err
    files = [tmp_path / "found" / f"directions.{kind}" for kind in ("npy", "json")]
    before, names = [file.read_bytes() for file in files], [one.name for one in read_directions("found", DIM)]
    assert {*NAMES} < {*names}
    monkeypatch.setattr("utils.latent.directions.effects", measuring)
    code, _, err = said(capsys, *command, "--seed", "1")
    assert code == 2 and "Measuring failed" in err and [file.read_bytes() for file in files] == before

    np.save(files[0], np.load(files[0])[::-1])  # of another time
    with pytest.raises(
        InputError, match="damaged .directions.npy was not written together with directions.json.*again"
    ):
        read_directions("found", DIM)
    record = json.loads(before[1])
    del record["vectors_sha256"]
    files[1].write_text(json.dumps(record))
    assert [one.name for one in read_directions("found", DIM)] == names, "older records do not know their vectors"


def test_a_walk_through_more_stops_than_its_film_has_frames_for_is_refused_before_any_is_drawn(
    capsys, monkeypatch, tmp_path, model
):
    drawn = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("utils.latent.stops.find_stops", lambda *stops: drawn.append(stops))
    code, _, err = said(capsys, "walk", model, "--stops", "90000")
    assert code == 2 and "Received: 60 for 90,000 stops" in err and not drawn, err


def test_sample_draws_the_numbers_that_walk_and_arithmetic_go_by(capsys, monkeypatch, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    assert said(capsys, "sample", model, "-n", "9", "--numbers")[0] == 0
    (file,) = tmp_path.iterdir()
    assert file.name.endswith("9-seed-0-numbers.png")
    images = Sampler(entangled(), DIM).draw(9)
    assert np.array_equal(viz.read_png(file), viz.grid(images, numbers=range(9)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("walk MODEL --from 3", "--from and --to go together"),
        ("walk MODEL --through 1", "at least two stops"),
        ("walk MODEL --from 3 --to me", "by the number of a sample, such as 12"),
        ("walk MODEL --measure", "does not say what it was trained on: name the true images with --data"),
        ("arithmetic MODEL", "There is nothing to do"),
        ("arithmetic MODEL glasses", "--classifier"),
        ("arithmetic faces glases", "did you mean glasses"),
        ("arithmetic faces 3 - 5 --score", "terms in words"),
        ("arithmetic MODEL glasses: 3 9 -", "ends with a term"),
        ("arithmetic MODEL glasses - - hat", "Between two signs there must be a term"),
        ("arithmetic MODEL glasses -", "ends with a term"),
        ("arithmetic faces --turn --score", "Received beside it: --score."),
        ("arithmetic faces --turn --exemplars 3 --trials 60", "Received beside it: --exemplars, --trials."),
        ("arithmetic faces 3 - 5 --turn", "Received beside it: an expression."),
        ("arithmetic MODEL 3 - 5 --trials 60", "add it, or leave --trials out. Received: --trials 60."),
        ("arithmetic MODEL 3 - 5 --exemplars 4", "leave --exemplars out. Received: --exemplars 4, 3 - 5."),
        ("arithmetic faces --score --exemplars 4", "leave --exemplars out. Received: --exemplars 4, no expression."),
        ("arithmetic faces --score --trials 1", "--trials must be at least 2. Received: 1."),
        ("arithmetic faces hat --exemplars 0", "--exemplars must be at least 1. Received: 0."),
        ("arithmetic house_numbers --turn", "built-in faces only"),
        ("directions MODEL --samples 3", "--samples must be at least 4"),
        ("directions faces --classifier nothing", "There is no dataset 'nothing'"),
        ("invert MODEL", "Name at least one picture"),
        ("invert MODEL nothing.png", "There is no picture nothing.png"),
        ("sample MODEL --numbers --as files", "--numbers is for a grid"),
        *(
            (f"{command} MODEL --seed -1", "--seed must be at least 0. Received: -1.")
            for command in ("sample", "walk", "arithmetic", "directions", "evaluate", "invert", "explain", "features")
        ),
    ],
)
def test_wrong_uses_get_one_sentence_and_write_nothing(capsys, monkeypatch, tmp_path, model, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, out, err = said(capsys, *(str(model) if word == "MODEL" else word for word in arguments.split()))
    assert code == 2 and not out and words in err and err.count("\n") == 1, err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", ["--score", "glasses + hat", "--turn"])
def test_sums_in_words_need_a_dataset_of_which_something_is_known(capsys, monkeypatch, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("utils.evaluation.names.names_for", lambda *where: ())
    code, out, err = said(capsys, "arithmetic", "faces", arguments)
    assert code == 2 and not out and "Nothing is known about the images of faces" in err and "--classifier" in err, err


def test_a_picture_whose_decoder_fails_in_its_own_way_is_refused(capsys, monkeypatch, tmp_path, model):
    def damaged(*_, **__):  # as Pillow does of a damaged AVIF
        raise RuntimeError("Failed to decode image: Truncated data")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.avif").write_bytes(b"avif")
    monkeypatch.setattr("utils.data.pictures.decode", damaged)
    code, _, err = said(capsys, "invert", model, "damaged.avif")
    assert code == 2 and "damaged.avif should be a picture file, but cannot be read (RuntimeError)" in err, err
