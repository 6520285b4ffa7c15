"""The commands of the latent space, on a user's own tiny generator."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from commands import said
from keras import layers
from known_latents import DIM, NAMES, SIDE, brightness, entangled, judge, quarters, sampler
from PIL import Image

from utils import viz
from utils.cli.latent import folder_for, small_of
from utils.config import preset, replace
from utils.data import scale_back
from utils.errors import InputError
from utils.evaluation.features import Extractor
from utils.evaluation.judge import Judge
from utils.files import digest
from utils.latent.directions import read_directions
from utils.latent.walk import smoothness
from utils.report import of_networks
from utils.report.document import Report, Stamp, expect_folder
from utils.sampling import Sampler


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A user's own generator, of which nothing else is known."""
    file = tmp_path_factory.mktemp("model") / "generator.keras"
    entangled().save(file)
    return file


@pytest.fixture
def judged(monkeypatch):
    """A dataset "quarters" of which as much is known as `known_latents.judge` sees."""
    monkeypatch.setattr("utils.evaluation.names.names_for", lambda *where: NAMES)
    monkeypatch.setattr("utils.evaluation.names.are_of_classes", lambda *where: False)
    monkeypatch.setattr("utils.evaluation.judge.judge_for", lambda *_, **__: judge())


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
    monkeypatch.setattr("utils.evaluation.names.are_of_classes", lambda *where: False)
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


def test_latents_of_another_command_are_not_replaced_and_nothing_is_drawn(capsys, monkeypatch, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    viz.write_png("me.png", Sampler(entangled(), DIM).draw(1, 3)[0])
    assert said(capsys, "invert", model, "me.png", "--out", "mine")[0] == 0
    before = {file.name: file.read_bytes() for file in Path("mine").iterdir()}
    with monkeypatch.context() as patched:
        patched.setattr("utils.runtime.start", lambda *_: pytest.fail("TensorFlow is started"))
        code, out, err = said(capsys, "arithmetic", model, "me: mine/latents.npy:0", "-", "3", "--out", "mine")
        assert code == 2 and not out and err.count("\n") == 1
        assert "mine/latents.npy is there, and is not known as one that `./dcgan arithmetic` has made" in err, err
    assert {file.name: file.read_bytes() for file in Path("mine").iterdir()} == before
    assert said(capsys, "invert", model, "me.png", "--out", "mine")[0] == 0, "its own are replaced"
    monkeypatch.setattr("utils.latent.stops.find_stops", lambda *_: pytest.fail("something is drawn"))
    others = (("walk", (), "strip.png"), ("arithmetic", ("3",), "arithmetic.png"), ("directions", (), "directions.npy"))
    for command, terms, name in others:
        Path(name).write_text("mine")
        code, _, err = said(capsys, command, model, *terms, "--out", ".")
        assert code == 2 and f"{name} is there, and is not known" in err and Path(name).read_text() == "mine", err


def test_files_of_a_call_before_the_last_are_still_known_as_the_commands_own(capsys, tmp_path, model, judged):
    words = ("arithmetic", model, "one", "-", "without one", "--classifier", "quarters", "--out", tmp_path)
    for more in (["--score", "--trials", 2], [], [], ["--score", "--trials", 2]):
        assert said(capsys, *words, *more)[0] == 0
        record = json.loads((tmp_path / "arithmetic.json").read_text())
        assert record["earlier_files"] == ([] if more else ["score.png"])


def test_records_hold_what_is_needed_to_repeat_them(capsys, monkeypatch, tmp_path, model):
    def record_of(command, *options):
        code, _, err = said(capsys, command, model, *options, "--out", command)
        assert code == 0, err
        return json.loads(Path(command, f"{command}.json").read_text())

    monkeypatch.chdir(tmp_path)
    viz.write_png("me.png", Sampler(entangled(), DIM).draw(1, 3)[0])
    np.save("me.npy", np.zeros((3, DIM), np.float32))
    files = {str(tmp_path / "me.npy"): digest("me.npy")}
    walked = record_of("walk", "--from", "me.npy:1", "--to", "4", "--frames", "4", "--fps", "7")
    assert walked.items() >= {"fps": 7, "label": None, "attributes": None, "read_from": files}.items()
    inverted = record_of("invert", "me.png", "--starts", "3")
    assert inverted["starts"] == 3 and "encoder_sha256" not in inverted
    assert [picture["sha256"] for picture in inverted["pictures"]] == [digest("me.png")]
    directed = record_of("directions", "--sample", "me.npy:2")
    assert directed["sample"] == "me 2" and directed["read_from"] == files
    added = record_of("arithmetic", "me: me.npy:0", "+", "4")
    assert [concept["read_from"] for concept in added["concepts"]] == [files, {}]


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
        ("arithmetic faces glasses - glasses --score", "nothing is left of what the terms ask for: add a term"),
        ("directions MODEL --samples 3", "--samples must be at least 4"),
        ("directions MODEL --strength inf", "--strength above 0 and finite. Received: 128 and inf."),
        ("directions MODEL --strength nan", "--strength above 0 and finite. Received: 128 and nan."),
        (f"walk MODEL --from 3 --to {'9' * 5_000}", "Samples are numbered from 0 to 99,999"),
        (f"directions MODEL --sample me.npy:{'9' * 5_000}", "such as latents.npy or latents.npy:3"),
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
    monkeypatch.setattr("utils.evaluation.names.are_of_classes", lambda *where: False)
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            "walk MODEL --data faces",
            "about --measure, which compares walks with true images: add it, or leave them out.",
        ),
        ("walk MODEL --features imagenet --data x", "Received: --data x --features imagenet."),
        ("walk MODEL --from 1 --to 2 --stops 7", "leave it out, or name none. Received: --stops 7 beside 1, 2."),
        ("arithmetic MODEL a: 1 2 - b: 3 4 --classifier faces", "Received: --classifier faces, a: 1 2 - b: 3 4."),
        ("arithmetic faces beard - beard --score", "nothing is left of what the terms ask for: add a term"),
    ],
)
def test_what_an_option_would_do_nothing_about_is_refused_before_tensorflow_starts(
    capsys, monkeypatch, tmp_path, model, arguments, words
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("utils.runtime.start", lambda *_: pytest.fail("TensorFlow is started"))
    code, out, err = said(capsys, *(str(model) if word == "MODEL" else word for word in arguments.split()))
    assert code == 2 and not out and words in err and err.count("\n") == 1, err
    assert not list(tmp_path.iterdir())


def test_directions_are_shown_on_one_sample(capsys, monkeypatch, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    np.save("many.npy", np.zeros((3, DIM), np.float32))
    code, out, err = said(capsys, "directions", model, "--sample", "many.npy", "--out", "found")
    assert code == 2 and not out and "many.npy holds 3 latents: name a row of it, such as many.npy:0." in err
    assert said(capsys, "directions", model, "--sample", "many.npy:2", "--out", "found")[0] == 0


def smoothness_of_quarters(*_):
    true = scale_back(quarters(sampler().make_latents(60, 9)))
    return smoothness(sampler(), Extractor("quarters", "0", {}, brightness), true, pairs=3, steps=9)


@pytest.mark.parametrize("each", [600, 40])
def test_walks_are_compared_with_true_images_of_all_classes_and_with_as_many_as_there_are(
    capsys, monkeypatch, tmp_path, model, each
):
    """In a file they may be in the order of their classes."""
    monkeypatch.chdir(tmp_path)
    grey = np.repeat(np.array([10, 240], np.uint8), each)[:, None, None, None]
    np.savez("two.npz", images=np.broadcast_to(grey, (2 * each, SIDE, SIDE, 3)))
    seen = []

    def measured(sampler, extractor, true, *_, **__):
        seen.append(true)
        return smoothness_of_quarters()

    monkeypatch.setattr("utils.latent.walk.smoothness", measured)
    monkeypatch.setattr("utils.evaluation.judge.space_for", lambda *_, **__: None)
    code, _, err = said(capsys, "walk", model, "--measure", "--data", "two.npz", "--frames", "16", "--out", "w")
    assert code == 0, err
    dark = np.mean(seen[0] < 100)
    assert len(seen[0]) == min(1000, 2 * each) and 0.4 < dark < 0.6


LESS_AND_MORE = {
    "walk": ("--stops 2 --frames 4", "--measure", "smoothness.png"),
    "arithmetic": ("one - {without one} --classifier quarters", "--score --trials 2", "score.png"),
    "directions": ("", "--classifier quarters --samples 8", "attributes.png"),
    "invert": ("me.png", "--check 1", "true.png"),
}
"""A call of each command, what makes it more, and a picture that only the larger one makes."""


def words_of(text):
    return [word.strip("{}") for word in re.findall(r"{[^}]*}|\S+", text)]


@pytest.mark.parametrize("command", LESS_AND_MORE)
def test_a_report_shows_what_the_last_call_has_made_and_nothing_of_the_one_before(
    capsys, monkeypatch, tmp_path, model, judged, command
):
    monkeypatch.chdir(tmp_path)
    drawn = Sampler(entangled(), DIM).draw(1, 3)
    viz.write_png("me.png", drawn[0])
    monkeypatch.setattr("utils.cli.walk._measure", smoothness_of_quarters)
    monkeypatch.setattr("utils.cli.invert._unseen", lambda *_: drawn)
    less, more, left = LESS_AND_MORE[command]
    folder = tmp_path / "latent" / command
    run = SimpleNamespace(folder=tmp_path)
    subject = SimpleNamespace(title="a", run=run, trained=lambda player: model, stamp=Stamp("run a", 0, "", ""))

    def shown_after(*options):
        code, _, err = said(capsys, command, model, *options, "--out", folder)
        assert code == 0, err
        report = Report("A report", "made by a test", expect_folder(tmp_path / f"report{len(options)}"))
        record = json.loads((folder / f"{command}.json").read_text())
        captions = [block.get("caption") for block in of_networks._latent(subject, report)]
        return captions, record["files"]

    captions, files = shown_after(*words_of(less), *words_of(more))
    assert f"{command}: {Path(left).stem}." in captions
    assert {*files, f"{command}.json"} == {file.name for file in folder.iterdir()}
    captions, files = shown_after(*words_of(less))
    assert f"{command}: {Path(left).stem}." not in captions and (folder / left).is_file() and left not in files
    pictures = sorted(Path(name).stem for name in files if name.endswith(".png"))
    assert captions == [f"{command}: {name}." for name in pictures[:2]] and captions


@pytest.mark.parametrize(
    "arguments",
    ["walk --frames 10", "arithmetic 3 - 5", "arithmetic one --classifier quarters", "directions", "invert --check 1"],
)
def test_a_record_has_the_digest_of_the_network_that_was_loaded_though_a_training_has_written_another_since(
    capsys, monkeypatch, tmp_path, model, judged, arguments
):
    own, make = digest(model), Sampler.make_latents
    file = tmp_path / "generator.keras"
    file.write_bytes(model.read_bytes())

    def judge_for(*_, **__):  # a classifier may have to be trained first
        file.write_bytes(b"another")
        return judge()

    def make_latents(*given, **named):
        file.write_bytes(b"another")
        return make(*given, **named)

    monkeypatch.setattr("utils.evaluation.judge.judge_for", judge_for)
    monkeypatch.setattr(Sampler, "make_latents", make_latents)
    command, *options = arguments.split()
    code, _, err = said(capsys, command, file, *options, "--out", tmp_path / "made")
    assert code == 0, err
    (record,) = (tmp_path / "made").glob("*.json")
    assert json.loads(record.read_text())["generator_sha256"] == own != digest(file)


@pytest.mark.parametrize(
    ("arguments", "step"),
    [
        ("walk --stops 2 --frames 4", "utils.files.write_json"),
        ("arithmetic 3 - 5", "utils.files.write_json"),
        ("arithmetic one - {without one} --classifier quarters --score --trials 2", "utils.latent.arithmetic.score"),
        ("directions", "utils.files.write_json"),
        ("invert --check 1", "utils.files.write_json"),
    ],
)
def test_a_call_that_fails_leaves_an_earlier_result_whole_and_nothing_beside_it(
    capsys, monkeypatch, tmp_path, model, judged, arguments, step
):
    def failing(*_, **__):
        raise InputError("It fails.")

    drawn = Sampler(entangled(), DIM).draw(3, 3)
    monkeypatch.setattr("utils.cli.invert._unseen", lambda options, *_: drawn[options.seed : options.seed + 1])
    command, *options = words_of(arguments)
    assert said(capsys, command, model, *options, "--out", tmp_path / "made")[0] == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "made").iterdir()}
    monkeypatch.setattr(step, failing)
    code, _, err = said(capsys, command, model, *options, "--seed", 1, "--out", tmp_path / "made")
    assert code == 2 and "It fails." in err
    assert {file.name: file.read_bytes() for file in (tmp_path / "made").iterdir()} == before


@pytest.mark.parametrize("shape", [(SIDE, SIDE, 1), (SIDE, SIDE + 4, 3)])
@pytest.mark.parametrize(
    "arguments", ["walk --frames 10", "arithmetic 3 - 5", "directions", "invert --check 1", "sample -n 2"]
)
def test_a_generator_of_pictures_that_are_not_square_or_not_in_colour_is_refused_in_one_sentence(
    capsys, monkeypatch, tmp_path, shape, arguments
):
    monkeypatch.chdir(tmp_path)
    parts = [keras.Input((DIM,)), layers.Dense(8), layers.ReLU(), layers.Dense(int(np.prod(shape)))]
    keras.Sequential([*parts, layers.Reshape(shape)]).save("odd.keras")
    command, *options = arguments.split()
    code, out, err = said(capsys, command, "odd.keras", *options)
    assert code == 2 and not out and err.count("\n") == 1
    assert (
        "should draw square RGB images of one size, (S, S, 3), which is all that is looked at here. Received: " in err
    )
    assert [file.name for file in tmp_path.iterdir()] == ["odd.keras"]


def test_own_classes_of_few_pictures_have_directions_that_need_no_judge(capsys, monkeypatch, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", images=np.zeros((8, 16, 16, 3), np.uint8), labels=np.arange(8) % 2,
             label_names=np.array(["cat", "dog"]))  # fmt: skip
    monkeypatch.setattr("utils.cli.directions.known_to", lambda trained, classifier: classifier or "mine.npz")
    code, out, err = said(capsys, "directions", model, "--out", "found", "--data-dir", tmp_path)
    assert code == 0 and "cannot be measured: There is no classifier of mine.npz" in out, err
    record = json.loads(Path("found/directions.json").read_text())
    assert {one["kind"] for one in record["directions"]} == {"SeFa", "PCA", "random"}
    options = ("--classifier", "mine.npz", "--data-dir", tmp_path, "--out", "other")
    code, out, err = said(capsys, "directions", model, *options)
    assert code == 2 and not out and "fewer than 200 images; name another dataset" in err and "--classifier" in err
    assert not Path("other").exists()


def test_a_judge_learns_from_small_pictures_as_the_generator_did(tmp_path, monkeypatch):
    (tmp_path / "pets").mkdir()
    monkeypatch.chdir(tmp_path)
    own = replace(preset("quick"), name=str(tmp_path / "pets"), small="enlarge")
    for dataset, small in ((tmp_path / "pets", "enlarge"), ("pets", "enlarge"), ("faces", "leave_out")):
        assert small_of(SimpleNamespace(experiment=own), str(dataset)) == small
    assert small_of(SimpleNamespace(experiment=None), "faces") == "leave_out"


@pytest.mark.parametrize(("command", "how"), [("arithmetic", ("--score",)), ("directions", ())])
def test_the_judge_of_a_run_takes_small_pictures_as_the_run_did(
    capsys, monkeypatch, tmp_path, model, judged, command, how
):
    taken = []
    monkeypatch.setattr(f"utils.cli.{command}.small_of", lambda trained, dataset: f"as {dataset}")
    monkeypatch.setattr("utils.evaluation.judge.judge_for", lambda *_, small, **__: taken.append(small) or judge())
    options = ("--classifier", "quarters", *how, "--out", tmp_path)
    said(capsys, command, model, *options)
    assert taken == ["as quarters"]


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_of_a_judge_of_one_attribute_nothing_is_told_about_others(capsys, monkeypatch, tmp_path, model):
    alone = Judge("one quarter", NAMES[:1], brightness, {}, lambda images: 10 * brightness(images)[:, :1])
    monkeypatch.setattr("utils.evaluation.names.names_for", lambda *where: NAMES[:1])
    monkeypatch.setattr("utils.evaluation.names.are_of_classes", lambda *where: False)
    monkeypatch.setattr("utils.evaluation.judge.judge_for", lambda *_, **__: alone)
    command = ("directions", model, "--classifier", "quarters", "--samples", "16", "--out", tmp_path)
    code, out, err = said(capsys, *command)
    assert code == 0 and "nan" not in out + err, err
    record = json.loads((tmp_path / "directions.json").read_text())
    assert {"gain", "samples"} == record["effects"]["kinds"]["regression"].keys()
    assert {"strength", "has", "moved"} == record["strength"][0]["strengths"][0].keys()
    assert len(read_directions(tmp_path, DIM)) == len(record["directions"])


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({}, "Nothing is known about the images of mine.npz: name a dataset whose attributes are known with"),
        ({"labels": np.arange(8) % 2}, "The classes of mine.npz have no names: add label_names to it"),
    ],
)
def test_a_classifier_of_which_nothing_is_known_is_refused_and_not_ignored(
    capsys, monkeypatch, tmp_path, model, labels, words
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("utils.runtime.start", lambda *_: pytest.fail("TensorFlow is started"))
    np.savez("mine.npz", images=np.zeros((8, 16, 16, 3), np.uint8), **labels)
    for command in (["directions", model], ["arithmetic", model, "glasses"]):
        code, out, err = said(capsys, *command, "--classifier", "mine.npz", "--data-dir", tmp_path, "--out", "found")
        assert code == 2 and not out and words in err and err.count("\n") == 1, err
    assert not Path("found").exists()


DIFFERENT = {
    "walk": [
        "--from a/latents.npy:0 --to 1", "--from a/latents.npy:1 --to 1", "--from b/latents.npy:0 --to 1",
        "--from a/latents.npy --to 1", "--from 1 --to 1", "--from 1 --to 1 --seed 7",
        f"--through {' '.join(map(str, range(40)))} --frames 90",
        f"--through {' '.join(map(str, [*range(20), 99, *range(21, 40)]))} --frames 90",
    ],
    "arithmetic": [
        "3 - 5", "3 + 5", "- 3 + 5", "- 3 - 5", "3", "5", "a: 1 2 - 5", "a: 7 8 - 5", "a: x.npy:1 - 5",
        "3 - 5 --seed 7",
        f"{' - '.join(map(str, range(40)))}",
        f"{' - '.join(map(str, range(20)))} + {' - '.join(map(str, range(20, 40)))}",
    ],
    "invert": ["a/me.png", "b/me.png", "a/me.png b/me.png", "a/you.png", "--check 1", "--check 1 --seed 7"],
}  # fmt: skip


@pytest.mark.parametrize("command", DIFFERENT)
def test_different_results_have_folders_of_their_own_by_default(capsys, monkeypatch, tmp_path, model, command):
    places = []

    def found(*asked):
        places.append(folder_for(*asked).name)
        raise InputError("That is all.")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"utils.cli.{command}.folder_for", found)
    for options in DIFFERENT[command]:
        assert "That is all." in said(capsys, command, model, *options.split())[2]
    assert len({*places}) == len(places) == len(DIFFERENT[command]), places
    first = {"walk": "walk-a-latents-0-1", "arithmetic": "arithmetic-3-minus-5", "invert": "inverted-a-me"}[command]
    assert places[0].endswith(f"-{first}")
