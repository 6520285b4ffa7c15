"""Which network a name means: a model's, a run's, or a file."""

import shutil

import pytest

from utils import config, pretrained
from utils.config import preset, replace
from utils.errors import InputError
from utils.files import write_json
from utils.networks import find_network, say_what_is_assumed
from utils.runs import Run


@pytest.fixture
def run(tmp_path):
    run = Run.create(replace(preset("quick"), latents="uniform"), {}, tmp_path / "runs")
    for network in ("generator", "discriminator"):
        for epoch in (None, 3):
            run.model(network, epoch).parent.mkdir(parents=True, exist_ok=True)
            run.model(network, epoch).write_bytes(b"")
    return run


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_a_run_gives_its_network_its_folder_and_its_settings(run, network, tmp_path):
    trained = find_network("last", network, tmp_path / "runs")
    assert trained.file == run.model(network) and trained.home == trained.run.folder == run.folder
    assert trained.title == "faces/0001-quick" and trained.experiment == run.experiment


@pytest.mark.parametrize("epoch", [None, 3])
def test_a_file_of_a_run_also_one_kept_at_an_epoch_knows_how_it_was_trained(run, epoch, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained = find_network(str(run.model("generator", epoch)), "generator")
    assert trained.run == run and trained.experiment.model.latents == "uniform" and trained.home == tmp_path


def test_a_model_that_comes_with_the_project_is_found_by_its_name_and_by_its_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    shipped = pretrained.find("faces")
    for name in ("faces", str(shipped.model("generator"))):
        trained = find_network(name, "generator")
        assert trained.file == shipped.model("generator") and trained.run is None and trained.home == tmp_path
        assert trained.experiment == config.from_dict(config.to_dict(shipped.experiment))


def test_a_folder_named_like_a_model_is_not_passed_over_in_silence(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "house_numbers").mkdir()
    for _ in range(2):
        assert find_network("house_numbers", "generator").file.is_relative_to(pretrained.SHIPPED)
    assert capsys.readouterr().err == (
        "Note: house_numbers means the model that comes with the project; "
        "for the folder house_numbers here write ./house_numbers.\n"
    )


def test_a_file_that_belongs_to_nothing_is_taken_as_it_is(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "alone.keras").write_bytes(b"")
    write_json(tmp_path / "models" / "other.json", {})
    trained = find_network(str(tmp_path / "models" / "alone.keras"), "discriminator")
    assert trained.run is None and trained.experiment is None


def test_that_nothing_is_known_of_a_generators_latents_is_said_until_its_settings_lie_beside_it(run, tmp_path, capsys):
    """A copied generator, which would draw other pictures than in its run without a word."""
    alone = shutil.copy(run.model("generator"), tmp_path / "alone.keras")
    for _ in range(2):
        say_what_is_assumed(find_network(str(alone), "generator"))
    note = f"Note: {alone} does not say how it was trained, so its latents are drawn from N(0, 1). "
    said = capsys.readouterr().err
    assert said.startswith(note) and said.count("\n") == 1 and said.endswith("settings.json of its model.\n")
    shutil.copy(run.folder / "experiment.json", tmp_path / "settings.json")
    trained = find_network(str(alone), "generator")
    say_what_is_assumed(trained)
    assert trained.experiment.model.latents == "uniform"
    assert capsys.readouterr().err == ""


def test_what_does_not_exist_is_answered_with_what_does(run, tmp_path):
    with pytest.raises(InputError, match="There is no file .*none.keras"):
        find_network(str(tmp_path / "none.keras"), "generator")
    with pytest.raises(InputError, match="There is no run 'cats'.*faces/0001-quick.*Models that come with .*: .*faces"):
        find_network("cats", "generator", tmp_path / "runs")
    run.model("generator").unlink()
    with pytest.raises(InputError, match=f"has no generator yet; go on with `./dcgan resume {run.folder}`"):
        find_network("last", "generator", tmp_path / "runs")
