import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from utils.config import preset, replace
from utils.errors import InputError
from utils.files import appears_whole, remove_unfinished
from utils.runs import Run, dataset_slug

ENVIRONMENT = {"images": 3, "fingerprint": "f"}


def test_runs_are_numbered_and_none_overwrites_another_even_when_many_start_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: Run.create(preset("quick"), ENVIRONMENT, tmp_path), range(16)))
    assert sorted(run.folder.name for run in runs) == [f"{i:04d}-quick" for i in range(1, 17)]
    assert {run.folder.parent.name for run in runs} == {"faces"}


def test_a_run_is_found_by_path_by_name_and_as_the_last(tmp_path):
    first = Run.create(preset("quick"), ENVIRONMENT, tmp_path)
    first.log("older")
    second = Run.create(replace(preset("report32"), epochs=7), ENVIRONMENT, tmp_path)
    (tmp_path / "cifar10" / "0001-report32" / "log.txt").write_text("newer")
    assert Run.find(first.folder).experiment == preset("quick")
    assert Run.find("cifar10/0001-report32", tmp_path).experiment.training.epochs == 7
    assert Run.find("last", tmp_path).folder == second.folder
    with pytest.raises(InputError, match="faces/0001-quick"):
        Run.find("0009", tmp_path)


def test_a_line_that_is_only_half_written_is_not_read(tmp_path):
    run = Run.create(preset("quick"), ENVIRONMENT, tmp_path)
    run.steps_file.write_text('{"update": 1, "loss_true": 0.5}\n{"update": 2, "lo')
    assert {name: values.tolist() for name, values in run.steps().items()} == {"update": [1], "loss_true": [0.5]}


def test_a_folder_in_use_is_not_trained_in_twice(tmp_path):
    run = Run.create(preset("quick"), ENVIRONMENT, tmp_path)
    with run.locked(), pytest.raises(InputError, match="Another process is training"), run.locked():
        pass
    with run.locked():  # and is free again afterwards
        pass


@pytest.mark.parametrize(
    ("name", "slug"), [("faces", "faces"), ("/data/my cats/", "my-cats"), ("../x/pictures.npz", "pictures")]
)
def test_a_dataset_gives_its_runs_folder_a_plain_name(name, slug):
    assert dataset_slug(name) == slug


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "record.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), appears_whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and [f.name for f in tmp_path.iterdir()] == ["record.json"]
    with appears_whole(path) as temporary:
        temporary.write_text(json.dumps({"new": 1}))
        assert path.read_text() == "old"
    assert json.loads(path.read_text()) == {"new": 1} and [f.name for f in tmp_path.iterdir()] == ["record.json"]


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    writing = appears_whole(tmp_path / "grids" / "epoch_0001.png")
    writing.__enter__().write_bytes(b"half")  # and never leaves the block, as if it had been killed
    (tmp_path / "grids" / "epoch_0000.png").write_bytes(b"whole")
    (tmp_path / ".lock").touch()
    assert len(list((tmp_path / "grids").iterdir())) == 2
    remove_unfinished(tmp_path)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == [
        ".lock",
        "grids",
        "grids/epoch_0000.png",
    ]
