"""Models with a name: what publishing keeps of a run."""

import errno
import json
import re
import shutil
from functools import partial

import keras
import numpy as np
import pytest

from utils import cli, lengths, pretrained, runtime
from utils.cli.publish import _unfit
from utils.config import differences, preset, replace
from utils.data import scale_back
from utils.data.conditions import GRID_COLUMNS
from utils.errors import InputError
from utils.intervals import Interval
from utils.models import load_network
from utils.presets import presets
from utils.runs import Run, State
from utils.sampling import Sampler, make_latent_samples
from utils.training.players import build_players
from utils.viz import grid, read_png


@pytest.fixture(params=["float32", "mixed_bfloat16"])
def run(request, tiny, tmp_path):
    """A run that ended before it learned anything."""
    experiment = replace(tiny, batch_norm="on", precision=request.param)
    environment = {"images": 24, "fingerprint": "0123456789abcdef", "device": {"name": "a CPU"}}
    environment |= dict.fromkeys(("python", "tensorflow", "keras", "numpy"), "1.0")
    run = Run.create(experiment, environment, tmp_path / "runs")
    runtime.start(request.param)
    try:
        networks = build_players(experiment)
        run.model("generator").parent.mkdir()
        for name in ("generator", "discriminator"):
            getattr(networks, name).save(run.model(name))
        run.save_state(State("finished", seconds=7))
        yield run
    finally:
        runtime.start()


def test_published_networks_have_the_runs_weights_in_full_precision(run, noise_dataset, tmp_path):
    model = pretrained.publish(run, "some_name", noise_dataset, {"space": "x"}, "About it.", tmp_path / "named")
    for name in ("generator", "discriminator"):
        published, trained = load_network(model.model(name)), load_network(run.model(name))
        assert {layer.dtype_policy.name for layer in published.layers} == {"float32"}
        for ours, theirs in zip(published.get_weights(), trained.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert keras.config.dtype_policy().name == run.experiment.training.precision
    card = model.card
    assert card["name"] == "some_name" and card["about"] == "About it." and card["distance"] == {"space": "x"}
    assert card["data"] == "noise, 24 images, fingerprint 0123456789ab" and card["seconds of training"] == 7
    assert card["parameters"]["generator"] == load_network(run.model("generator")).count_params()
    assert ("training.precision" in card["changed settings"]) == (run.experiment.training.precision != "float32")
    assert model.experiment == run.experiment and pretrained.names(tmp_path / "named") == ["some_name"]
    assert read_png(model.samples).shape == grid(np.zeros((64, 32, 32, 3), np.uint8)).shape


@pytest.mark.parametrize("name", ["", "../up", "a b", "a/b"])
def test_a_name_that_is_no_folders_name_is_refused(run, noise_dataset, name, tmp_path):
    with pytest.raises(InputError, match="name must be made of letters, digits, - and _"):
        pretrained.publish(run, name, noise_dataset, folder=tmp_path / "named")
    assert not (tmp_path / "named").exists()


def test_a_run_without_networks_is_refused(run, noise_dataset, tmp_path):
    run.model("generator").unlink()
    with pytest.raises(InputError, match="has no networks yet"):
        pretrained.publish(run, "name", noise_dataset, folder=tmp_path / "named")


def test_a_card_tells_the_updates_of_its_networks_and_none_since(run, noise_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(lengths, "FEW_UPDATES", 5)
    run.steps_file.write_text("".join(f'{{"update": {n}, "epoch": {(n + 2) // 3}}}\n' for n in range(1, 9)))
    for summaries, updates in ((1, 0), (2, 3)):
        run.epochs_file.write_text("".join(f'{{"epoch": {number}}}\n' for number in range(summaries)))
        assert pretrained.publish(run, "early", noise_dataset, folder=tmp_path).card["updates"] == updates
        assert _unfit(run).startswith(f"its networks have had {updates} updates, too few")


def test_a_name_that_commands_take_for_something_else_is_refused():
    for name in (*presets(), "last"):
        with pytest.raises(InputError, match="name must be another than"):
            pretrained.check_name(name)


def test_publish_refuses_before_it_starts_tensorflow(run, tmp_path, monkeypatch, capsys):
    def refused(*arguments):
        assert cli.main(["publish", *arguments]) == 2
        return capsys.readouterr().err

    monkeypatch.setattr(runtime, "start", lambda *_: pytest.fail("TensorFlow is started"))
    assert "There is a model faces already" in refused("nothing", "faces")
    assert "its networks have had 0 updates" in refused(str(run.folder), "mine")
    with run.locked():
        run.save_state(State("running"))
        err = refused(str(run.folder), "mine", "--distance")
    assert "it is being trained, and its networks may be replaced" in err and err.count("\n") == 1
    run.model("generator").rename(tmp_path / "away.keras")
    assert "has no networks yet" in refused(str(run.folder), "mine", "--anyway")


@pytest.mark.parametrize("run", ["float32"], indirect=True)
def test_a_card_has_no_figures_of_a_network_that_a_training_has_replaced_since(
    run, noise_dataset, tmp_path, monkeypatch, capsys
):
    others = [build_players(replace(run.experiment, seed=1)).generator]

    def measured_for_card(*_):
        for other in others:
            other.save(run.model("generator"))
        return {"space": "x"}, {}

    monkeypatch.setattr("utils.cli.publish.measured_for_card", measured_for_card)
    monkeypatch.setattr("utils.data.load_for", lambda *_: noise_dataset)
    monkeypatch.setattr(pretrained, "publish", partial(pretrained.publish, folder=tmp_path / "named"))
    command = ["publish", str(run.folder), "mine", "--distance", "--anyway"]
    assert cli.main(command) == 2 and not (tmp_path / "named").exists()
    err = capsys.readouterr().err
    assert "has been trained on since its generator was measured" in err and err.count("\n") == 1
    others.clear()
    assert cli.main(command) == 0
    model = pretrained.find("mine", tmp_path / "named")
    assert model.card["distance"] == {"space": "x"}
    weights = [load_network(file).get_weights()[0] for file in (model.model("generator"), run.model("generator"))]
    np.testing.assert_array_equal(*weights)


@pytest.mark.parametrize(
    ("name", "file", "arguments"),
    [
        ("faces", "settings.json", ("show",)),
        ("faces", "card.json", ("show",)),
        ("faces", "card.json", ("compare", "cifar10", "--no-distances")),
        ("faces_attributes", "conditions.npy", ("sample",)),
        ("faces_text", "text_encoder.json", ("sample", "--text", "a hat")),
    ],
)
def test_a_damaged_file_of_a_model_is_told_in_one_sentence(name, file, arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(pretrained.find(name).folder, tmp_path / "damaged" / name)
    (tmp_path / "damaged" / name / file).write_bytes(b"{")
    shipped = pretrained.find
    monkeypatch.setattr(pretrained, "find", lambda asked: shipped(asked, tmp_path / "damaged") or shipped(asked))
    command, *options = arguments
    assert cli.main([command, name, *options]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and file in err


def test_a_copied_generator_whose_settings_stayed_behind_draws_from_the_conditions_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in ("generator.keras", "conditions.npy"):
        shutil.copy(pretrained.find("faces_attributes").folder / file, tmp_path)
    assert cli.main(["sample", "generator.keras", "-n", "4", "--out", "grid.png"]) == 0
    assert read_png(tmp_path / "grid.png").ndim == 3


def test_a_model_is_replaced_by_all_files_of_another_together_or_stays_as_it_is(
    run, noise_dataset, tmp_path, monkeypatch
):
    def content():
        return {file.name: file.read_bytes() for file in model.folder.iterdir()}

    model = pretrained.publish(run, "some_name", noise_dataset, folder=tmp_path)
    for name in ("encoder.keras", "directions.npy", "notes.txt"):
        (model.folder / name).write_text("of the earlier one")
    before = content()
    networks = {name: load_network(model.model(name)) for name in ("generator", "discriminator")}
    networks["generator"].set_weights([0 * weights for weights in networks["generator"].get_weights()])
    with monkeypatch.context() as patch:
        patch.setattr(pretrained, "write_json", unwritable)  # which comes last
        with pytest.raises(OSError, match="full"):
            pretrained.keep("some_name", networks, run.experiment, {"new": True}, tmp_path)
    assert content() == before
    pretrained.keep("some_name", networks, run.experiment, {"new": True}, tmp_path)
    after = content()
    assert before.keys() - after.keys() == {"encoder.keras", "directions.npy"} and not after.keys() - before.keys()
    assert json.loads(after["card.json"]) == {"new": True} and after["notes.txt"] == b"of the earlier one"
    assert not any(weights.any() for weights in load_network(model.model("generator")).get_weights())


def unwritable(*_):
    raise OSError(errno.ENOSPC, "full")


# --- the models that come with the project ----------------------------------------------------------------------------


CONDITIONAL = ["faces_attributes", "faces_text"]
OURS = [
    "cifar10",
    "cifar10_best",
    "cifar10_recipe",
    "faces",
    "faces64",
    "house_numbers",
    "house_numbers_best",
    *CONDITIONAL,
]  # others are the user's


def bytes_of(names) -> int:
    return sum(file.stat().st_size for name in names for file in pretrained.find(name).folder.iterdir())


def test_what_comes_with_the_project_is_small():
    assert set(OURS) <= set(pretrained.names())
    assert bytes_of(OURS) < 51e6 and bytes_of(CONDITIONAL) < 10e6


@pytest.mark.parametrize("name", OURS)
def test_what_a_model_says_of_itself_names_no_place_of_a_machine(name):
    for file in pretrained.find(name).folder.glob("*.json"):
        assert not re.search(r'"(/|~|[A-Z]:)[^"\n]*/', file.read_text(encoding="utf-8")), file


@pytest.mark.parametrize("name", OURS)
def test_a_models_card_is_complete_and_true(name):
    model = pretrained.find(name)
    card, experiment = model.card, model.experiment
    assert all(card[key] for key in card if key != "seed") and card["name"] == name and card["seed"] == 0
    images = int(re.search(r"([\d,]+) images", card["data"])[1].replace(",", ""))
    training, batch = experiment.training, experiment.training.batch_size
    assert card["updates"] == (training.updates or training.epochs * (images // batch))
    assert card["batch size"] == batch
    assert experiment.data.name == re.sub(r"(_best|_recipe|_attributes|_text|64)$", "", name)
    assert experiment.model.batch_norm == ("off" if name == "cifar10" else "on")
    changed = differences(preset(card["preset"]), experiment)
    plain = json.loads(json.dumps({key: value for key, (_, value) in changed.items()}))  # tuples are lists in a card
    assert card["changed settings"] == plain
    spaces = [card["distance"], *card["distance"]["other_spaces"]]
    assert len(spaces) == 2 and all(space["passport"]["weights"] == space["fingerprint"] for space in spaces)
    of_samples, floor = (Interval.of(d["kernel"]) for d in (card["distance"], card["distance"]["floor"]))
    assert (
        abs(floor.value) < 0.005 < of_samples.value < 1
        and floor.high < of_samples.low < of_samples.value < of_samples.high
    )


@pytest.mark.parametrize("name", OURS)
def test_a_models_networks_are_those_of_its_card_and_draw_its_samples(name):
    model = pretrained.find(name)
    networks = {network: load_network(model.model(network)) for network in ("generator", "discriminator")}
    assert {network: each.count_params() for network, each in networks.items()} == model.card["parameters"]
    settings, seed = model.experiment.model, model.experiment.training.samples_seed
    if settings.is_conditional:
        sampler = Sampler.of(networks["generator"], model.experiment, model.conditions)
        images, names = sampler.row_by_row(settings, sampler.make_latents(GRID_COLUMNS, seed))
        drawn = grid(images, names=names)
    else:
        latents = make_latent_samples(64, settings.latent_dim, seed, settings.latents)
        drawn = grid(scale_back(networks["generator"](latents, training=False).numpy()))
    kept = read_png(model.samples)
    # Another machine's arithmetic may round a pixel the other way, and no more.
    assert np.abs(drawn.astype(int) - kept).max() <= 1
    of_images = (None, settings.image_size, settings.image_size, 3)
    assert networks["generator"].output_shape == of_images == networks["discriminator"].inputs[0].shape


@pytest.mark.parametrize("name", OURS)
def test_a_models_card_is_shown_in_words(name, capsys):
    assert cli.main(["show", name]) == 0
    said, card = capsys.readouterr().out, pretrained.find(name).card
    assert card["about"] in said and f"updates: {card['updates']}\n" in said
    assert ("as the classifier of the built-in faces" in said and "variety: two fakes of one" in said) == (
        name in CONDITIONAL
    )
    assert ("never seen in training: in" in said) == (name == "faces_text")


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_conditional_model_draws_what_it_is_asked_for_more_often_than_by_chance(name):
    card = pretrained.find(name).card
    if name == "faces_text":
        agrees = {side: Interval.of(of) for side, of in card["texts"]["right"].items()}
        assert agrees["fake"].low > agrees["other"].high
    else:
        assert Interval.of(card["asked"]["right"]["fake"]).low > Interval.of(card["asked"]["by_chance"]).high
