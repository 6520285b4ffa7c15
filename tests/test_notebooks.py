"""The notebooks, executed with real kernels; what their cells call; the commands `notebooks` and `lab`."""

import ast
import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import imageio.v2 as imageio
import nbformat
import numpy as np
import pytest
from commands import said
from genuine import write_svhn

from utils import cli, notebook, pretrained, viz
from utils.cli import notebooks
from utils.config import preset
from utils.data import load_for
from utils.errors import InputError
from utils.intervals import Interval
from utils.runs import PROJECT, Run

STEMS = sorted(path.stem for path in (PROJECT / "notebooks").glob("*.ipynb"))
REPORTED = ["01_cifar10", "02_svhn", "03_celeba", "04_lsun_bedroom"]  # of whose datasets long trainings are kept
OF_DATASETS = [*REPORTED, "04b_anime", "04c_imagenet32"]
ABOUT_TRAINING = ["00_first_steps", *OF_DATASETS]
AT_64 = {"03_celeba", "04_lsun_bedroom"}  # which train networks for that size, too
SHOWING_THE_ALGORITHM = ["00b_from_scratch", "17_clinic"]  # where layers and the update themselves are the subject
SOLUTIONS = sorted(path.stem for path in (PROJECT / "notebooks" / "solutions").glob("*.ipynb"))
REPORT32, REPORT64, QUICK = ("522,497", "1,466,115"), ("1,112,577", "1,728,387"), ("133,249", "472,195")
OTHERS = {"04b_anime": ("272,944", "1,504,480"), "04c_imagenet32": ("168,192", "378,752")}


def read(stem: str, folder: Path = PROJECT / "notebooks") -> nbformat.NotebookNode:
    return nbformat.read(folder / f"{stem}.ipynb", 4)


def code_of(book) -> dict[str, str]:
    """Source of the code cells by their ids; a cell that papermill injected is no part of the notebook."""
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    return {cell.id: cell.source for cell in cells if "injected-parameters" not in cell.metadata.get("tags", [])}


def outputs_of(book) -> list:
    return [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]


def printed(cell) -> str:
    """What a cell has printed."""
    return "".join(output.text for output in cell.outputs if output.get("name") == "stdout")


def text_of(book) -> str:
    """Everything that a notebook's cells have said, without colours."""
    texts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs_of(book)]
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(texts))


def of_kind(book, kind: str) -> list[str]:
    return [output.data[kind] for output in outputs_of(book) if kind in output.get("data", {})]


def pictures_of(book) -> list[np.ndarray]:
    """Everything that a notebook shows as a picture, in its order; a large one is a JPEG."""
    shown = [output.get("data", {}) for output in outputs_of(book)]
    shown = [data.get("image/png") or data.get("image/jpeg") for data in shown]
    return [imageio.imread(base64.b64decode(picture)) for picture in shown if picture]


def film_in(page: str) -> bytes:
    return base64.b64decode(re.search(r'src="data:video/mp4;base64,([^"]+)"', page)[1])


class Executed:
    """Notebooks, each executed once by the command, at the smallest scale, where no dataset has been fetched."""

    def __init__(self, home: Path):
        self.home = home

    def __call__(self, stem: str) -> nbformat.NotebookNode:
        out, runs = self.home / "out", self.home / "runs" / stem
        if not (out / f"{stem}.ipynb").exists():
            places = ["--out", out, "--runs-dir", runs, "--data-dir", self.home / "data"]
            assert cli.main(["notebooks", stem, "--scale", "smallest", *map(str, places)]) == 0
        return read(stem, out)

    def run_of(self, stem: str) -> Run:
        self(stem)
        return Run.find("last", self.home / "runs" / stem)


@pytest.fixture(scope="module")
def execute(tmp_path_factory) -> Executed:
    return Executed(tmp_path_factory.mktemp("notebooks"))


@pytest.fixture
def shown(monkeypatch) -> list:
    """What was displayed, outside of a notebook."""
    things = []
    monkeypatch.setattr(notebook, "display", lambda thing, raw=False: things.append(thing))
    monkeypatch.setattr(notebook, "clear_output", lambda wait=False: None)
    return things


# --- executed at the smallest scale -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("stem", STEMS)
def test_every_cell_runs_in_a_fresh_kernel_without_any_dataset(execute, stem):
    book = execute(stem)
    counts = [cell.execution_count for cell in book.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert {output.output_type for output in outputs_of(book)} <= {"display_data", "execute_result", "stream"}
    assert {o.name for o in outputs_of(book) if o.output_type == "stream"} <= {"stdout"}
    assert len(of_kind(book, "image/png")) >= 1
    assert len(nbformat.writes(book)) < 1_000_000
    assert list(book.metadata) == ["kernelspec"] and book.metadata.kernelspec.name == "python3"


@pytest.mark.slow
@pytest.mark.parametrize("stem", ABOUT_TRAINING)
def test_summaries_samplers_and_training_say_what_they_are_to_say(execute, stem):
    text = text_of(execute(stem))
    counts = {"00_first_steps": QUICK, "04_lsun_bedroom": REPORT64} | OTHERS
    assert re.findall(r"Total params: ([\d,]+)", text)[:2] == list(counts.get(stem, REPORT32))
    assert "scale_back gives every pixel back: True" in text
    assert "true samples: labels [1. 1. 1. 1.]" in text and "fake samples: labels [0. 0. 0. 0.]" in text
    assert re.search(r"Run folder: \w+/0001-\w+\nStarted on .*, 16 images of built-in", text)
    assert re.search(r"Epoch 1, update 2, .*\nFinished after 2 updates", text)


@pytest.mark.slow
@pytest.mark.parametrize("stem", ABOUT_TRAINING)
def test_pictures_and_a_film_that_plays_are_inside_the_page(execute, stem, tmp_path):
    book = execute(stem)
    live = nbformat.v4.new_notebook(
        cells=[cell for cell in book.cells if cell.id != "longer"]
    )  # that cell shows results
    pictures = pictures_of(live)
    assert len(pictures) >= 5  # some images, a true and a fake batch, curves, epochs side by side
    true, fake = (picture[2:66, 2:66].astype(float) for picture in pictures[1:3])  # the first sample of each batch
    assert true.std() > 20 and fake.std() < 5 and abs(fake.mean() - 127.5) < 5  # untrained, it draws an even grey
    films = {
        name: [p for p in of_kind(of, "text/html") if "<video" in p] for name, of in (("all", book), ("live", live))
    }
    assert len(films["live"]) == 1 and len(films["all"]) == 1 + (stem in REPORTED)
    (tmp_path / "film.mp4").write_bytes(film_in(films["live"][0]))
    frames = imageio.mimread(tmp_path / "film.mp4")
    assert len(frames) == 2 + 8  # epochs 0 and 1, and the last for two seconds more
    assert frames[0].shape[1] == 8 * (64 + 2) + 2


@pytest.mark.slow
@pytest.mark.parametrize("stem", ABOUT_TRAINING)
def test_a_banner_names_what_is_missing_its_script_and_the_stand_in(execute, stem):
    text, banners = text_of(execute(stem)), [p for p in of_kind(execute(stem), "text/html") if "has not been" in p]
    if stem == "00_first_steps":
        assert not banners
        return
    name = stem.split("_", 1)[1]
    stand_in = "built-in house numbers" if name == "svhn" else "built-in faces"
    assert len(banners) == 1 and f"bash data_scripts/get_{name}.sh" in banners[0] and stand_in in banners[0]
    size = 64 if name in ("lsun_bedroom", "anime") else 32
    assert f"on 16 {stand_in} of {size}x{size} pixels" in text


@pytest.mark.slow
def test_the_update_on_the_page_and_the_compiled_one_give_the_same_numbers(execute):
    (table,) = of_kind(execute("00b_from_scratch"), "text/html")[-1:]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", table)
    losses = [cell.split(" | ") for cell in cells if " | " in cell]
    differences = [float(cell) for cell in cells if re.fullmatch(r"\d\.\de[+-]\d\d", cell)]
    assert len(losses) == 15 and len(differences) == 10
    assert all(abs(float(ours) - float(theirs)) < 1e-4 for ours, theirs in losses)
    assert max(differences) < 1e-4


# --- as committed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stem", STEMS)
def test_a_committed_notebook_is_executed_small_and_the_same_on_every_machine(stem):
    book, content = read(stem), (PROJECT / "notebooks" / f"{stem}.ipynb").read_text(encoding="utf-8")
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert {output.output_type for output in outputs_of(book)} <= {"display_data", "execute_result", "stream"}
    assert len(of_kind(book, "image/png")) >= 1 and len(content) < 1_000_000
    assert list(book.metadata) == ["kernelspec"] and not any(set(cell.metadata) - {"tags"} for cell in book.cells)
    assert not re.findall(r"(?<![\w.:/])/(?:home|root|tmp|work|Users|mnt|opt|usr|var)/\S*|[A-Z]:\\\\", content)
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in cells) == 1
    assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in cells)


@pytest.mark.parametrize("stem", ABOUT_TRAINING)
def test_a_committed_notebook_names_its_run_and_shows_no_real_picture(stem):
    text, trainings = text_of(read(stem)), 1 + (stem in AT_64)
    run = r"Run folder: saved_models/\w+/\d{4}-\w+\nStarted on .*, \d+ images of built-in (?:faces|house numbers)\.$"
    assert len(re.findall(run, text, re.M)) == text.count("Run folder:") == text.count("Started on ") == trainings


@pytest.mark.parametrize("stem", [stem for stem in STEMS if stem not in SHOWING_THE_ALGORITHM])
def test_a_notebook_defines_no_function_and_is_short(stem):
    code = "\n".join(code_of(read(stem)).values())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    assert not [node for node in ast.walk(ast.parse(code)) if isinstance(node, kinds)]
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 90


def test_the_notebooks_of_datasets_have_the_same_code_apart_from_their_parameters():
    codes = [code_of(read(stem)) for stem in ABOUT_TRAINING]
    parameters = [code.pop("parameters") for code in codes]
    longer = {stem: code.pop("longer", None) for stem, code in zip(ABOUT_TRAINING, codes)}
    second = {stem: code.pop("second", None) for stem, code in zip(ABOUT_TRAINING, codes)}
    own = {stem: {code.pop(name, None) for name in ("scores", "features")} for stem, code in zip(ABOUT_TRAINING, codes)}
    assert codes == [codes[0]] * len(codes)
    assert len(set(parameters)) == len(parameters)
    assert {stem for stem, code in longer.items() if code} == {*REPORTED} and len(set(longer.values()) - {None}) == 1
    assert {stem for stem, codes in own.items() if codes != {None}} == {"04b_anime", "04c_imagenet32"}
    assert {stem for stem, code in second.items() if code} == AT_64 and len({second[stem] for stem in AT_64}) == 1


def test_notebooks_of_datasets_show_the_long_trainings_of_their_own_pictures():
    shown = {}
    for stem in REPORTED:
        parameters = {}
        exec(code_of(read(stem))["parameters"], parameters)
        shown[stem] = parameters["kept"]
        text = next(cell.source for cell in read(stem).cells if cell.id == "longer-text")
        assert f"`./dcgan study long_training --data {parameters['kept']}" in text
    assert shown == dict(zip(REPORTED, ("cifar10", "house_numbers", "celeba", "bedrooms")))


@pytest.mark.parametrize("stem", STEMS)
def test_every_notebook_takes_the_same_parameters(stem):
    cell = next(cell for cell in read(stem).cells if "parameters" in cell.metadata.get("tags", []))
    values = {}
    exec(cell.source, values)
    assert values["scale"] == "quick" and isinstance(values["seed"], int)
    assert values["data"] is values["runs_dir"] is values["data_dir"] is None


@pytest.mark.parametrize("stem", STEMS)
def test_a_notebook_asks_for_a_prediction_and_ends_in_exercises_a_summary_and_where_to_read_on(stem):
    prose = "\n".join(cell.source for cell in read(stem).cells if cell.cell_type == "markdown")
    parts = [
        r"\*\*Question",
        r"\*\*(Predict|Before you)",
        r"^## Exercises",
        r"^## (Summary|The answer)",
        r"(?i)read on",
    ]
    assert [part for part in parts if not re.search(part, prose, re.M)] == []
    exercises = re.findall(r"^\d\. ", prose.split("## Exercises")[1].split("## Summary")[0], re.M)
    assert 2 <= len(exercises) <= 5
    assert (PROJECT / "notebooks" / "README.md").read_text(encoding="utf-8").count(f"({stem}.ipynb)") >= 1


@pytest.mark.parametrize("stem", SOLUTIONS)
def test_solutions_hold_and_say_what_is_kept_of_them_and_are_linked_both_ways(stem, capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    book = read(stem, PROJECT / "notebooks" / "solutions")
    of = re.search(r"\(\.\./(\w+)\.ipynb\)", book.cells[0].source)[1]
    assert f"(solutions/{stem}.ipynb)" in "".join(cell.source for cell in read(of).cells)
    values, said = {}, {}
    for name, source in code_of(book).items():
        exec(source, values)  # their claims are assertions
        said[name] = capsys.readouterr().out
    assert any(said.values())
    assert said == {cell.id: printed(cell) for cell in book.cells if cell.cell_type == "code"}  # of what is kept now


@pytest.mark.parametrize("place", ["notebooks", "."])
def test_the_first_lines_find_the_project_however_jupyter_was_started(place):
    lines = code_of(read("00_first_steps"))["imports"].split("import utils")[0]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = f"{lines}import utils.config; print(utils.config.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT / place, env=environment, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()).resolve() == PROJECT / "utils" / "config.py"


# --- what the cells call ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "images", "updates", "batch"),
    [
        (("quick", "faces"), 8_000, 7 * 125, 64),
        (("quick", "faces", "report"), 10_000, 50 * 78, 128),
        (("report32", "faces"), 2_800, 5 * 175, 16),
        (("report32", "celeba", "report"), 10_000, 50 * 78, 128),
        (("report64", "lsun_bedroom"), 512, 5 * 64, 8),
        (("quick64", "faces"), 2_880, 5 * 180, 16),
        (("paper_cifar", "imagenet32"), 1_280, 5 * 80, 16),
        (("quick32", "imagenet32"), 4_800, 10 * 150, 32),
        (("report64", "lsun_bedroom", "report"), 10_000, 50 * 78, 128),  # the stand-in has no 303,125 to draw
        (("paper64", "faces", "smallest"), 16, 2, 8),
    ],
)
def test_the_scale_decides_images_batches_and_epochs_and_never_the_networks(
    shown, capsys, tmp_path, arguments, images, updates, batch
):
    experiment = notebook.plan(*arguments, seed=5, data_dir=tmp_path)
    training = experiment.training
    assert (experiment.data.count or 10_000) == images and training.batch_size == batch and training.seed == 5
    assert training.epochs * (images // batch) == updates
    assert experiment.model == preset(arguments[0]).model
    assert f"on {images:,} built-in faces" in capsys.readouterr().out


def test_the_reports_bedrooms_are_as_many_as_kaggles_sample_holds():
    assert notebook._changes("report64", "lsun_bedroom", "report")["count"] == 303_125


def test_a_dataset_that_is_there_is_taken_and_gets_no_banner(shown, capsys, tmp_path):
    random = np.random.default_rng(0)
    write_svhn(tmp_path / "svhn", random.integers(0, 256, (70, 32, 32, 3), np.uint8), random.integers(0, 10, 70))
    experiment = notebook.plan("report32", "svhn", data_dir=tmp_path)
    assert experiment.data.name == "svhn" and experiment.data.count is None and not shown
    assert "report32 on 70 SVHN of 32x32 pixels" in capsys.readouterr().out


def test_own_pictures_may_be_fewer_than_the_scale_takes(shown, capsys, tmp_path):
    np.savez(tmp_path / "own.npz", images=np.zeros((70, 32, 32, 3), np.uint8))
    experiment = notebook.plan("report32", tmp_path / "own.npz", data_dir=tmp_path)
    assert experiment.data.count is None and experiment.training.batch_size == 16
    assert len(notebook.open_data(experiment, tmp_path)) == 70


def test_wrong_parameters_get_one_sentence(shown, tmp_path):
    with pytest.raises(InputError, match="scale must be one of quick, report, smallest.*Received: scale='big'"):
        notebook.plan("report32", "faces", "big")
    with pytest.raises(InputError, match="There is no dataset 'cats'"):
        notebook.plan("report32", "cats", data_dir=tmp_path)


def test_a_film_is_compressed_until_it_fits_and_keeps_size_and_frames(shown, tmp_path):
    frames = [np.random.default_rng(i).integers(0, 256, (96, 160, 3), np.uint8) for i in range(12)]
    viz.write_film(tmp_path / "noise.mp4", frames)
    size = (tmp_path / "noise.mp4").stat().st_size
    notebook.play(tmp_path / "noise.mp4", limit=size)
    notebook.play(tmp_path / "noise.mp4", limit=size // 3)
    whole, small = (film_in(video._repr_html_()) for video in shown)
    assert whole == (tmp_path / "noise.mp4").read_bytes() and size // 20 < len(small) <= size // 3
    (tmp_path / "small.mp4").write_bytes(small)
    before, after = (imageio.mimread(tmp_path / name) for name in ("noise.mp4", "small.mp4"))
    assert len(before) == len(after) and before[0].shape == after[0].shape
    with pytest.raises(InputError, match="does not fit into 100 bytes"):
        notebook.play(tmp_path / "noise.mp4", limit=100)


@pytest.fixture
def run(execute) -> Run:
    return execute.run_of("00_first_steps")


def test_a_picture_is_shown_as_it_is_and_a_large_one_smaller_and_as_a_jpeg(shown):
    small = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    notebook.show_picture(small)
    notebook.show_picture(np.random.default_rng(0).integers(0, 256, (300, 1200, 3), np.uint8), limit=60_000)
    as_it_is, smaller = shown
    assert as_it_is.format == "png" and np.array_equal(imageio.imread(as_it_is.data), small)
    assert smaller.format == "jpeg" and imageio.imread(smaller.data).shape == (250, 1000, 3)
    assert 10_000 < len(smaller.data) < 150_000


def test_epochs_side_by_side_are_corners_of_the_grids_unchanged(shown, run):
    notebook.show_epochs(run, count=2, tiles=4)
    sheet = imageio.imread(shown[0].data)
    first, last = (viz.read_png(run.grid(epoch))[:266, :266] for epoch in (0, 1))
    np.testing.assert_array_equal(sheet[32:298, :266], first)
    np.testing.assert_array_equal(sheet[32:298, 280:546], last)


def test_a_plot_is_shown_smaller_and_looks_the_same(shown, run):
    notebook.show_plot(run.losses_plot)
    plot, before = imageio.imread(shown[0].data)[..., :3], viz.read_png(run.losses_plot)
    assert 3_000 < len(shown[0].data) < 0.6 * run.losses_plot.stat().st_size
    assert np.abs(plot.astype(int) - before).mean() < 1


def test_a_model_that_ships_is_drawn_from_with_its_card_and_a_missing_one_is_said_to_be_missing(
    shown, execute, run, tmp_path, capsys
):
    dataset = load_for(run.experiment, execute.home / "data")
    pretrained.publish(run, "tiny", dataset, about="A model for this test.", folder=tmp_path)
    notebook.show_shipped("tiny", seed=3, count=4, folder=tmp_path)
    out = capsys.readouterr().out
    assert "about: A model for this test." in out and "updates: 2" in out and "seed 3" in out
    assert imageio.imread(shown[0].data).shape == (68, 8 * 66 + 2, 3)
    notebook.show_shipped("nothing", folder=tmp_path)
    assert "There is no model nothing in" in capsys.readouterr().out and len(shown) == 1


def test_a_finding_holds_where_intervals_are_apart_and_is_open_where_they_overlap():
    low, middle, high = Interval(0.1, 0.0, 0.2), Interval(0.25, 0.15, 0.35), Interval(0.9, 0.8, 1.0)
    verdicts = [notebook.finding("it is more", *pair)["verdict"] for pair in ((high, low), (low, high), (middle, low))]
    assert verdicts == ["holds", "does not hold", "open"]
    assert notebook.finding("it is more", high, low)["measured"] == "90% (80% to 100%)"


def test_what_stays_of_a_training_is_its_folder_and_its_log_without_times(shown, run, capsys):
    notebook.tell(run)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Run folder: faces/{run.folder.name}"
    assert lines[1].startswith("Started on ") and lines[-1].startswith("Finished after 2 updates")
    assert [line.split(",")[0] for line in lines[2:-1]] == ["Epoch 0", "Epoch 1"]


# --- the commands -----------------------------------------------------------------------------------------------------


def make_notebook(path: Path, *sources: str) -> None:
    cells = [nbformat.v4.new_markdown_cell("# A small one"), *map(nbformat.v4.new_code_cell, sources)]
    cells[1].metadata = {"tags": ["parameters"]}
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)


def test_a_cell_that_fails_is_named_and_the_notebook_up_to_there_is_kept(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    make_notebook(tmp_path / "10_broken.ipynb", "seed = 0", "print(seed + 1)", "1 / 0", "print('never')")
    code, _, err = said(capsys, "notebooks", "broken", "--seed", 41, "--out", tmp_path / "{out}")
    sentence = err.splitlines()[-1]
    assert code == 2 and sentence.startswith("dcgan: 10_broken.ipynb failed in cell [4] (1 / 0): ZeroDivisionError: ")
    assert [path.name for path in (tmp_path / "{out}").iterdir()] == ["10_broken-failed.ipynb"]
    assert sentence.endswith(
        "division by zero; the notebook up to there is " + str(tmp_path / "{out}/10_broken-failed.ipynb.")
    )
    kept = read("10_broken-failed", tmp_path / "{out}")
    assert text_of(kept).startswith("42\n") and "never" not in text_of(kept)


def test_a_notebook_is_run_as_it_is_unless_told_otherwise_and_stays_untouched(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    (tmp_path / "path").mkdir()
    for folder in (tmp_path, tmp_path / "path"):  # neither enters the kernel
        for module in ("cv2", "utils"):
            (folder / f"{module}.py").write_text("raise SystemExit('a module of the user')")
    make_notebook(tmp_path / "11_fine.ipynb", "seed = 7", "import cv2, os, utils; print(seed, os.getcwd())")
    before = (tmp_path / "11_fine.ipynb").read_bytes()
    assert said(capsys, "notebooks", "11", "--runs-dir", tmp_path / "runs", "--out", tmp_path / "out")[0] == 0
    book = read("11_fine", tmp_path / "out")
    assert text_of(book).strip() == f"7 {tmp_path}" and (tmp_path / "11_fine.ipynb").read_bytes() == before
    assert f'runs_dir = "{tmp_path / "runs"}"' in book.cells[2].source


@pytest.mark.parametrize("name", ["first_steps", "00", "00_first_steps", "00_first_steps.ipynb"])
def test_a_notebook_is_found_by_number_name_or_both(capsys, name):
    code, out, _ = said(capsys, "notebooks", name, "--list", "--json")
    rows = json.loads(out)
    assert code == 0 and [row["notebook"] for row in rows] == ["00_first_steps"]
    assert rows[0]["about"].startswith("First steps")


def test_the_list_has_every_notebook_and_an_unknown_name_is_answered_with_those_there_are(capsys):
    code, out, _ = said(capsys, "notebooks", "--list")
    assert code == 0 and [line.split()[0] for line in out.splitlines()[2:]] == STEMS
    code, out, err = said(capsys, "notebooks", "first_step")
    assert code == 2 and out == "" and err.count("\n") == 1
    assert "There is no notebook 'first_step'; choose one of 00_first_steps, 00b_from_scratch" in err


def test_pictures_that_are_not_there_are_refused_before_anything_runs(capsys, tmp_path):
    code, out, err = said(capsys, "notebooks", "--data", "cats", "--out", tmp_path)
    assert (
        code == 2 and out == "" and err.startswith("dcgan: There is no dataset 'cats'") and not list(tmp_path.iterdir())
    )


def answered(address: str, until: float):
    """What a server answers, as soon as it does: Jupyter says where it is before it listens there."""
    while True:
        try:
            return urllib.request.urlopen(address, timeout=60)
        except urllib.error.URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


@pytest.mark.slow
def test_lab_serves_the_project_and_opens_the_notebook_asked_for(tmp_path):
    settings = {"JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    settings |= {"JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "utils", "lab", "cifar10", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, cwd=PROJECT, env=os.environ | settings, stderr=subprocess.PIPE) as server:
        try:
            until = time.monotonic() + 100
            while not (found := list((tmp_path / "runtime").glob("jpserver-*.json"))):
                assert server.poll() is None and time.monotonic() < until, server.stderr.read()
                time.sleep(0.2)
            about = json.loads(found[0].read_text())
            assert about["pid"] == server.pid and Path(about["root_dir"]) == PROJECT
            assert about["hostname"] == "localhost" and len(about["token"]) >= 32
            address = f"{about['url']}lab?token={about['token']}"
            with answered(address.replace("/lab?", "/api/contents/notebooks?"), until) as answer:
                assert set(STEMS) <= {Path(row["name"]).stem for row in json.load(answer)["content"]}
            with answered(address.replace("/lab?", "/api/kernelspecs?"), until) as answer:
                assert json.load(answer)["kernelspecs"]["python3"]["spec"]["argv"][1] == "-I"
        finally:
            server.send_signal(signal.SIGTERM)
            server.stderr.read()
        assert server.wait(60) == 0


def test_lab_without_jupyter_says_what_to_do(capsys, monkeypatch):
    monkeypatch.setattr(notebooks.importlib.util, "find_spec", lambda name: None)
    code, _, err = said(capsys, "lab")
    assert code == 2 and err.count("\n") == 1 and "Jupyter Lab is not installed" in err and "./dcgan lab" in err
