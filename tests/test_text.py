"""Names as a file system allows them, on their way into figures, films, logs, JSON, pages, terminals and file names."""

import html
import json
import os
import re
import subprocess
import unicodedata
import warnings

import imageio.v2 as imageio
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from utils import cli, notebook, viz
from utils.cli.text import label
from utils.cli.train import command_for
from utils.config import replace
from utils.data import load
from utils.data.catalogue import place_of
from utils.data.statistics import draw, statistics
from utils.errors import InputError
from utils.files import read_json, write_text
from utils.networks import find_network, with_data
from utils.runs import PROJECT, Run, dataset_name, dataset_slug, draw_curves, draw_film
from utils.text import NAME_BYTES, command, one_line, shorten, slug, telling_slug
from utils.training import resume

NAMES = {
    "formulas": b"Ba$$in $x_2$ \\$ \\frac{",
    "line breaks": b"a\nb\r\nc\x0bd",
    "terminal": b"\x1b[31mred\x1b]0;title\x07\x00".rstrip(b"\0"),
    "directions": "photo\u202egpj.exe\u2066\u200f".encode(),
    "no UTF-8": b"caf\xe9 \xff\xfe",
    "quotes": b'it\'s "so" `id` $(id) %s {0} [b]',
    "markup": b"<script>alert(1)<!-- &amp; <b>",
    "option": b"--help -rf",
    "long": ("é" * 127 + "x").encode(),
    "other scripts": "日本語の写真 عربى हिन्दी".encode(),
    "emoji": "🐱\u200d👓 cats".encode(),
}
"""Names of 1 to 255 bytes without "/" and NUL: all that Linux asks for."""
EVERYTHING = b"Ba$$in $x_2\n\x1b[31m\xff<b>'\"`id` " + "日本 é \u202e🐱".encode()


@pytest.fixture(params=NAMES.values(), ids=NAMES)
def name(request) -> str:
    return os.fsdecode(request.param)


def draw_pictures(folder, count: int = 24, seed: int = 0) -> None:
    """Write PNG files of noise; `folder` is made."""
    folder.mkdir(parents=True)
    for i, image in enumerate(np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)):
        Image.fromarray(image).save(folder / f"{i}.png")


def is_plain(text: str) -> bool:
    """Whether a terminal shows all of it, in as many lines as it has; and it can be written as UTF-8."""
    unseen = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    return unseen <= {"\n", "\u200d"}


# --- the functions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("my cats 2", "my cats 2", "my-cats-2"),
        ("a\nb\tc", "a\ufffdb\ufffdc", "a-b-c"),
        ("\x1b[31m", "\ufffd[31m", "31m"),
        ("x\u202ey\u2028z", "x\ufffdy\ufffdz", "x-y-z"),
        ("caf\udce9", "caf\ufffd", "caf"),
        ("日本語/の", "日本語/の", "日本語-の"),
        ("हिन्दी", "हिन्दी", "हिन्दी"),
        ("e\u0301", "e\u0301", "\u00e9"),
        ("\U0001f431\u200d\U0001f453", "\U0001f431\u200d\U0001f453", "\U0001f431-\U0001f453"),
        ("..-$/\\<", "..-$/\\<", ""),
        ("é" * 127, "é" * 127, "é" * (NAME_BYTES // 2)),
    ],
)
def test_text_becomes_one_line_and_a_part_of_a_path(text, line, part):
    assert one_line(text) == line and slug(text) == part
    assert one_line(line) == line and slug(part) == part


def test_a_long_text_keeps_its_beginning_and_its_end():
    assert shorten("abcdefghij", 10) == "abcdefghij"
    assert shorten("abcdefghijklm", 10) == "abcdef…klm"
    assert len(shorten("x" * 300, 50)) == 50


def test_a_printed_command_can_be_pasted_and_holds_nothing_for_the_terminal(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    typed = command("resume", tmp_path / name / "faces", "--data", name)
    assert is_plain(typed) and "\n" not in typed and typed.startswith("./dcgan resume ")
    echo = typed.replace("./dcgan", r"printf '%s\0'", 1)
    said = subprocess.run(["bash", "-c", os.fsencode(echo)], capture_output=True, check=True, cwd="/").stdout
    there = f"./{name}" if name.startswith("-") else name
    assert said.split(b"\0")[:-1] == [b"resume", os.fsencode(f"{there}/faces"), b"--data", os.fsencode(name)]


def test_figures_are_made_in_one_place():
    """Elsewhere their texts could be read as formulas."""
    sources = {path: path.read_text(encoding="utf-8") for path in (PROJECT / "utils").rglob("*.py")}
    assert [path.name for path, code in sources.items() if re.search(r"\bFigure\(\w|pyplot", code)] == []


# --- every name, into everything that is written and drawn ------------------------------------------------------------


@pytest.fixture
def texts(monkeypatch) -> list[str]:
    """All texts of the figures that are drawn, none of them read as a formula; a warning is an error."""
    seen, drawn = [], Figure.draw

    def draw_and_look(figure, renderer):
        drawn(figure, renderer)
        if figure._suptitle:
            seen.append(figure._suptitle.get_text())
            assert not figure._suptitle.get_parse_math()
        seen.extend(label.get_text() for axes in figure.axes for label in (*axes.get_yticklabels(), axes.xaxis.label))

    monkeypatch.setattr(Figure, "draw", draw_and_look)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # as Matplotlib gives
        yield seen


def test_a_name_is_drawn_and_written_as_it_is_in_one_line(name, texts, tiny, tmp_path, capsys):
    pictures = tmp_path / "pictures" / name
    draw_pictures(pictures / name, 3)  # its name is that of a class as well
    draw_pictures(pictures / "other", 2)
    (pictures / "other" / os.fsdecode(os.fsencode(name)[:200] + b".png")).write_bytes(b"no picture")
    dataset = load(pictures, data_dir=tmp_path / "data", progress=False)
    line = os.fsencode(name).decode("utf-8", "replace")
    line = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cf") and c != "\u200d" else c for c in line)
    assert dataset.title == line and set(dataset.label_names) == {line, "other"}
    draw(statistics(dataset), dataset, tmp_path / "statistics")
    assert f"{shorten(line, 50)}: 5 images of 32x32" in texts and shorten(line.replace("_", " "), 40) in texts

    experiment = replace(tiny, name=place_of(pictures))
    about = {"images": 5, "fingerprint": dataset.fingerprint, "device": {"name": "a device"}}
    run = Run.create(experiment, about | {"tensorflow": "2", "keras": "3"}, tmp_path / "runs")
    assert run.folder == tmp_path / "runs" / (slug(name) or "data") / "0001-report32"
    assert read_json(run.folder / "experiment.json")["data"]["name"] == str(pictures)
    assert Run(run.folder).experiment == experiment and Run.find("last", tmp_path / "runs") == run
    names = ("loss_true", "loss_fake", "loss_generator", "score_true", "score_fake")
    run.steps_file.write_text(json.dumps({"update": 1, "epoch": 1} | dict.fromkeys(names, 0.5)) + "\n")
    run.epochs_file.write_text('{"epoch": 0, "accuracy_true": 0.5, "accuracy_fake": 0.5}\n')
    viz.write_png(run.grid(0), np.full((66, 530, 3), 255, np.uint8))
    draw_curves(run)
    assert f"report32 on {shorten(line, 50)}, seed 0" in texts
    film, _ = draw_film(run, folder=tmp_path / "film")
    frame = imageio.mimread(film)[0]
    assert frame.shape == (98, 530, 3) and frame[:32].min() < 120 and frame[32:].min() > 200

    for skipped in dataset.skipped:
        run.log(f"Left out {skipped}.")
    log = (run.folder / "log.txt").read_text(encoding="utf-8").splitlines()
    assert len(log) == len(run.logged()) == 1 and re.fullmatch(r"[\d-]{10} [\d:]{8} Left out other/.*: .*\.", log[0])
    write_text(tmp_path / "page.html", name)
    assert cli.main(["show", str(run.folder)]) == 0
    assert cli.main(["film", str(tmp_path / name)]) == 2
    told = capsys.readouterr()
    assert is_plain(told.out + told.err) and told.err.count("\n") == 1
    (tmp_path / name).mkdir()
    (tmp_path / name / "generator.keras").touch()
    assert label(find_network(str(tmp_path / name / "generator.keras"), "generator")) == slug(f"{name}-generator")


def test_a_dataset_is_called_by_the_last_part_of_its_path():
    assert dataset_name("faces") == dataset_slug("faces") == "faces"
    assert dataset_name("/data/my cats.v2/") == "my cats.v2" and dataset_slug("/data/my cats.v2/") == "my-cats.v2"
    assert dataset_name("../x/a\nb.npz") == "a\ufffdb" and dataset_slug("../x/a\nb.npz") == "a-b"
    assert dataset_slug("/data/\x1b") == dataset_slug("/") == "data"


# --- one training, from a relative path with everything in it ---------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The home of a training by the command line from a relative path, what it said, and a notebook's account of it."""
    home = tmp_path_factory.mktemp("home")
    draw_pictures(home / os.fsdecode(EVERYTHING))
    (home / os.fsdecode(EVERYTHING) / "broken\nfile.png").write_bytes(b"")
    settings = ["--preset", "report32", "--epochs", "1", "--width", "0.0625", "--batch-size", "8"]
    places = ["--runs-dir", str(home / "runs"), "--data-dir", str(home / "data")]
    with pytest.MonkeyPatch.context() as changes:
        changes.chdir(home)
        changes.delattr(Run, "steps")  # a training never reads the whole record of its updates
        data = os.fsdecode(EVERYTHING)
        assert cli.main(["train", "--data", data, *settings, "--summary-samples", "8", *places]) == 0
    return home, Run.find("last", home / "runs")


def test_a_training_with_any_name_leaves_a_whole_run_that_notebooks_can_tell_of(trained, capsys, monkeypatch):
    home, run = trained
    assert run.folder == home / "runs" / "Ba-in-x_2-31m-b-id-日本-é-🐱" / "0001-report32"
    assert run.state.status == run.in_words() == "finished" and run.state.update == 3 and run.state.epoch == 1
    assert run.seconds == run.state.seconds > 0 and run.film.exists() and run.losses_plot.exists()
    lines = (run.folder / "log.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S", line) for line in lines)
    monkeypatch.setattr(notebook, "clear_output", lambda wait: None)
    notebook.tell(run)
    notebook.tell_runs({("an arm", 0): run})
    out = capsys.readouterr().out
    assert "Left out broken\ufffdfile.png: " in out and "Finished after 3 updates and " in out and is_plain(out)
    assert cli.main(["show", str(run.folder)]) == 0
    shown = capsys.readouterr().out
    assert "update 3, finished\n" in shown and f"\ncommand   {command_for(run.experiment)}\n" in shown
    again = ["train", "--data", run.experiment.data.name, "--width", "0.0625", "--data-dir", str(home / "data")]
    assert cli.main([*again, "--batch-size", "8", "--dry-run"]) == 0
    assert is_plain(shown + capsys.readouterr().out)


def test_the_page_of_explain_shows_any_name_as_text(trained, capsys):
    home, run = trained
    (home / os.fsdecode(EVERYTHING) / "broken\nfile.png").unlink()
    options = ["--only", "filters", "--count", "4", "--out", str(home / "page"), "--data-dir", str(home / "data")]
    assert cli.main(["explain", str(run.folder), *options]) == 0
    page = (home / "page" / "index.html").read_text(encoding="utf-8")
    title = html.escape(one_line(os.fsdecode(EVERYTHING))).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    assert f"4 images of {title}, seed 0" in page
    assert "<b>" not in page and is_plain(page) and is_plain(capsys.readouterr().out)


def test_own_pictures_are_written_down_by_their_whole_path_and_may_be_moved(trained, tmp_path, capsys, monkeypatch):
    home, run = trained
    there, moved = home / os.fsdecode(EVERYTHING), home / "moved"
    assert run.experiment.data.name == str(there)
    monkeypatch.chdir(tmp_path)
    places = ["--runs-dir", str(home / "runs"), "--data-dir", str(home / "data")]
    there.rename(moved)
    for said in (
        ["resume", "last", "--epochs", "2"],
        ["evaluate", "last"],
        ["explain", "last"],
        ["publish", "last", "x"],
    ):
        assert cli.main([*said, *places]) == 2, said
        told = capsys.readouterr().err
        assert f"The pictures of {run.name} were in {home}/Ba$$in" in told and told.count("\n") == 1
        assert "`./dcgan resume " in told if "publish" in said else "say where they are now with --data." in told

    both = [str(run.folder), str(run.folder), "--no-distances", "--out", str(tmp_path / "both.png")]
    assert cli.main(["compare", *both, *places]) == 0, capsys.readouterr().err  # which looks at no pictures
    capsys.readouterr()

    other = tmp_path / "other"
    draw_pictures(other, seed=1)
    assert cli.main(["resume", "last", "--data", str(other), *places]) == 2
    assert f"The images of {other} are not those" in capsys.readouterr().err
    assert cli.main(["resume", "last", "--data", "faces", *places]) == 2
    assert "A run goes on under its own settings (data.name: " in capsys.readouterr().err
    assert run.experiment == Run(run.folder).experiment and run.experiment.data.name == str(there)

    network = find_network(str(run.folder), "generator")
    with pytest.raises(InputError, match="say where they are now with --data"):
        with_data(network, None, home / "data")
    same, images = with_data(network, moved, home / "data", progress=False)
    assert images is None and same.experiment == replace(run.experiment, name=str(moved))
    assert with_data(network, other, home / "data", progress=False) == (network, str(other))
    assert with_data(network, "faces", home / "data", progress=False) == (network, "faces")

    monkeypatch.chdir(home)
    assert cli.main(["resume", "last", "--data", "moved", "--epochs", "2", *places]) == 0
    now = Run(run.folder)
    assert now.experiment == replace(run.experiment, name=str(moved), epochs=2) and now.state.update == 6


def test_a_run_made_before_goes_on_from_its_relative_path(trained, tmp_path, monkeypatch):
    """The last test of this file that uses the training: it makes its files those of an older version."""
    home, run = trained
    run = Run(run.folder)
    pictures = next(path for path in (home / "moved", home / os.fsdecode(EVERYTHING)) if path.exists())
    pictures.rename(home / "pics")
    run.save_experiment(replace(run.experiment, name="pics"))
    (run.folder / "state.json").unlink()
    updates = run.steps()["update"][-1]
    assert run.state.status == "finished" and run.state.update == updates
    assert run.seconds == round(run.seconds)  # the log has whole seconds
    monkeypatch.chdir(home)
    resume(run, data_dir=home / "data", progress=False)
    assert run.experiment.data.name == "pics" and run.state.status == "finished"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="were in pics, as seen from where it was started, where there is nothing now"):
        resume(run, data_dir=home / "data", progress=False)


@pytest.mark.parametrize("letter", ["a", "é", "犬"])
@pytest.mark.parametrize("length", [5, 60, NAME_BYTES])
def test_texts_that_differ_in_one_letter_anywhere_have_names_of_their_own(letter, length):
    for size in (1, 4, 26, 27, 40, 41, 61, 80, 81, 200):
        texts = [letter * size] + [letter * place + "x" + letter * (size - 1 - place) for place in range(size)]
        names = {telling_slug(text, length) for text in texts}
        assert len(names) == len(texts) and max(len(name.encode()) for name in names) <= NAME_BYTES + 7
    assert telling_slug("red hair", 60) == slug("red hair") == "red-hair"
