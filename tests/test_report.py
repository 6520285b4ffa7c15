"""Reports as pages and PDFs, and the rubric that a run is checked against."""

import base64
import html
import html.parser
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from utils import cli, config, runtime
from utils.config import preset, replace
from utils.errors import InputError
from utils.evaluation.comparison import surroundings_that_differ
from utils.evaluation.pictures import draw_curves
from utils.figure import new_figure
from utils.files import digest, write_json
from utils.lengths import Length
from utils.models import build_discriminator, build_generator
from utils.report import document, of_networks, of_project, of_study
from utils.report.claims import rows
from utils.report.document import (
    Report,
    Stamp,
    code,
    expect_folder,
    in_few_bytes,
    listing,
    missing,
    table,
    text,
    without_repeats,
)
from utils.report.grade import CHECKS, NO, OWN_TEXT, TEACHER, UNKNOWN, YES, Graded, grade, read_rubric
from utils.report.kept import RESULTS, Kept
from utils.report.markdown import blocks_of, read_text
from utils.report.of_networks import made_of, report_of, side_by_side, subject_of
from utils.report.of_project import add_project
from utils.report.of_study import add_study, names_of
from utils.report.write import fingerprint, mark_of, page_of, write, write_pdf
from utils.runs import PROJECT, Run, State
from utils.sampling import Sampler
from utils.start import command
from utils.studies import results
from utils.training.summary import sheet
from utils.viz import grid, write_png

EVIL = '#panic("x") <script>alert(1)</script> #read("/etc/passwd") $x$ @y {{ 7*7 }} {% raw %} "\\ ]*_`'
STAMP = Stamp("run faces/0001-quick", 0, "ab" * 32, "0123456789ab")


class Tags(html.parser.HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def report_in(folder, title="A report"):
    return Report(title, "made by a test", expect_folder(folder))


def everything(folder):
    report = report_in(folder, EVIL)
    picture = report.picture(np.full((6, 8, 3), 90, np.uint8), EVIL, EVIL, STAMP)
    rows = [{"a": 1, EVIL: EVIL}, {"a": 2.5, EVIL: "猫 😀"}]
    drawn = report.figure(drawing(4, 2, EVIL), EVIL, EVIL, STAMP)
    report.section(
        EVIL, text(EVIL), table(rows, EVIL, STAMP), picture, code(EVIL), listing([EVIL]), missing(EVIL), *drawn
    )
    return report


def drawing(width, height, heading="", parts=1):
    """A figure with samples in it, of 2x3 pixels."""
    figure = new_figure(width, height, heading)
    for part in figure.subfigures(parts, 1, squeeze=False).flat if parts > 1 else [figure]:
        axes = part.subplots()
        axes.imshow(np.arange(18, dtype=np.uint8).reshape(2, 3, 3))
        axes.set_title("猫 <b> $x")
    return figure


def test_the_same_report_gives_the_same_bytes_and_its_pdf_names_what_it_was_made_of(tmp_path):
    first, second = write(everything(tmp_path / "a")), write(everything(tmp_path / "b"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    _, pdf, plain = first
    assert pdf.read_bytes().startswith(b"%PDF-") and fingerprint(plain.read_text()).encode() in pdf.read_bytes()
    other = report_in(tmp_path / "c")
    other.section("x", text("y"))
    assert fingerprint(plain.read_text()).encode() not in write(other)[1].read_bytes()


def test_no_text_becomes_a_script_or_code_of_the_typesetter(tmp_path):
    page, pdf, _ = write(everything(tmp_path))  # `#panic` would be an error of the typesetter
    seen = Tags(page.read_text(encoding="utf-8"))
    assert not {"script", "iframe", "object", "link", "form"} & {tag for tag, _ in seen.tags}
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on")]
    assert seen.text.count('#panic("x") <script>alert(1)</script>') == 13  # each block, the contents, the two titles
    assert ("meta", "default-src 'none'; img-src data:; style-src 'unsafe-inline'") in [
        (tag, attributes.get("content")) for tag, attributes in seen.tags
    ]
    assert b"root:" not in pdf.read_bytes()


def test_a_page_needs_no_other_file_and_every_picture_of_it_has_its_caption_and_stamp(tmp_path):
    seen = Tags(write(everything(tmp_path))[0].read_text(encoding="utf-8"))
    picture, drawn = [attributes for tag, attributes in seen.tags if tag == "img"]
    svg = base64.b64decode(drawn["src"].removeprefix("data:image/svg+xml;base64,")).decode()
    assert html.escape(EVIL, quote=False) in svg and "<script" not in svg
    assert picture["src"].startswith("data:image/png;base64,") and picture["alt"].startswith("#panic")
    assert int(picture["width"]) == 480, "a small picture is enlarged by a whole factor"
    assert "run faces/0001-quick; seed 0; data abababababab; commit 0123456789ab" in seen.text


def test_a_wide_figure_is_drawn_narrower_and_its_section_stands_on_pages_that_lie_across(tmp_path):
    report = report_in(tmp_path)
    (wide,), (narrow,) = (report.figure(drawing(width, 3), "x", "What it shows.", STAMP) for width in (16, 8))
    assert (wide["across"], narrow["across"]) == (True, False)
    assert (wide["width"], wide["height"], narrow["width"]) == (13 * 96, 3 * 96, 8 * 96)
    for section in ((text("up"),), (wide,), (text("up again"), narrow)):
        report.section("s", *section)
    pages = re.findall(rb"/MediaBox ?\[0 0 (\d+)[.\d]* (\d+)", write(report)[1].read_bytes())
    assert pages == [(b"595", b"841"), (b"841", b"595"), (b"595", b"841")]


def test_a_figure_that_is_too_tall_for_a_page_is_shown_part_by_part_and_the_same_bytes_come_again(tmp_path):
    first, again = report_in(tmp_path / "a"), report_in(tmp_path / "b")
    shown = first.figure(drawing(12, 15, parts=2), "x", "What it shows.", STAMP)
    assert [block["caption"] for block in shown] == ["What it shows. Part 1 of 2.", "What it shows. Part 2 of 2."]
    assert all(block["width"] == 12 * 96 and 700 < block["height"] <= 15 * 96 / 2 for block in shown)
    assert shown == again.figure(drawing(12, 15, parts=2), "x", "What it shows.", STAMP)
    files = [[(each.folder / block["file"]).read_bytes() for block in shown] for each in (first, again)]
    assert files[0] == files[1] and all(svg.count(b"<image") == 1 for svg in files[0]), "a part holds no other"
    assert len(first.figure(drawing(12, 15), "x", "One part.", STAMP)) == 1


def test_pixels_in_a_drawing_are_its_own_and_letters_stay_letters(tmp_path):
    report = report_in(tmp_path)
    (block,) = report.figure(drawing(4, 2), "x", "y", STAMP)
    svg = (report.folder / block["file"]).read_text(encoding="utf-8")
    (kept,) = re.findall(r"data:image/png;base64,([^\"]+)", svg)
    with Image.open(io.BytesIO(base64.b64decode(kept))) as image:
        assert sorted(np.asarray(image).ravel().tolist()) == list(range(18))
    assert "猫 &lt;b&gt; $x" in svg


def test_pictures_take_few_bytes_and_enlarged_ones_lose_nothing(tmp_path):
    small = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8))
    large = small.resize((9 * 4, 6 * 4), Image.Resampling.NEAREST)
    assert np.array_equal(without_repeats(large), small) and without_repeats(small) is small
    content, suffix = in_few_bytes(small)
    assert suffix == ".png" and np.array_equal(Image.open(io.BytesIO(content)), small)
    ramp = np.linspace(0, 255, 600 * 400 * 3).reshape(400, 600, 3) + np.random.default_rng(1).normal(
        0, 2, (400, 600, 3)
    )
    photograph = ramp.clip(0, 255).astype(np.uint8)
    content, suffix = in_few_bytes(Image.fromarray(photograph))
    assert suffix == ".jpg" and len(content) < photograph.nbytes / 10
    assert np.abs(np.asarray(Image.open(io.BytesIO(content)), float) - photograph).mean() < 3
    noise = np.random.default_rng(2).integers(0, 256, (200, 200, 3), np.uint8)
    assert in_few_bytes(Image.fromarray(noise))[1] == ".jpg"
    block = report_in(tmp_path).picture(np.asarray(large), "x", "y", STAMP)
    assert (block["width"], block["height"], block["squares"]) == (9 * 53, 6 * 53, True)


def test_markdown_keeps_its_form_and_loses_its_markup_and_dangerous_links(tmp_path):
    words = """# Head <b>
A *b* **c** `d<e>` [good](https://a.b/?x=1&y="2") [bad](javascript:alert(1))
[file](file:///etc/passwd) <img src=x onerror=y>

- one
  - two
1. three

> said

```
#let x = <script>
```

| h | i |
|---|---|
| 1 | <u> |
"""
    report = report_in(tmp_path)
    blocks = blocks_of(words, tmp_path, report)
    kinds = [block["kind"] for block in blocks]
    assert kinds == ["heading", "text", "list", "list", "text", "code", "table"]
    links = [span["link"] for span in blocks[1]["spans"] if "link" in span]
    assert links == ["https://a.b/?x=1&y=%222%22"]
    assert {"text": "b", "emphasis": True} in blocks[1]["spans"] and {"text": "c", "strong": True} in blocks[1]["spans"]
    assert "<img src=x onerror=y>" in "".join(span["text"] for span in blocks[1]["spans"])
    assert blocks[2]["items"] == [[{"text": "one"}, {"text": "\n– "}, {"text": "two"}]] and blocks[3]["ordered"]
    assert blocks[5]["text"] == "#let x = <script>" and blocks[6]["rows"] == [["1", "<u>"]]
    report.section("own", *blocks)
    seen = Tags(write(report)[0].read_text(encoding="utf-8"))
    assert [a["href"] for tag, a in seen.tags if tag == "a" and "rel" in a] == ["https://a.b/?x=1&y=%222%22"]
    assert not {"script", "b", "u"} & {tag for tag, _ in seen.tags} and "img" not in {tag for tag, _ in seen.tags}


def test_nothing_of_a_text_is_lost_inside_lists_headings_and_tables(tmp_path):
    for name in "abc":
        write_png(tmp_path / f"{name}.png", np.full((4, 4, 3), 200, np.uint8))
    words = """
# Title ![first](a.png)

1. run this:

   ```
   ./dcgan train
   ./dcgan show last
   ```
   ![second](b.png)
2. | h |
   |---|
   | 1 |

| ![third](c.png) |
|---|
| 2 |
"""
    blocks = blocks_of(words, tmp_path, report_in(tmp_path / "out"))
    assert [block["kind"] for block in blocks] == [
        "heading", "picture", "list", "table", "picture", "table", "picture"
    ]  # fmt: skip
    lines = [{"text": line, "code": True} for line in ("./dcgan train", "./dcgan show last")]
    assert blocks[2]["items"][0][:5] == [{"text": "run this:"}, {"text": "\n"}, lines[0], {"text": "\n"}, lines[1]]
    assert blocks[3]["rows"] == [["1"]] and blocks[2]["items"][1] == []
    assert [block["caption"] for block in blocks if block["kind"] == "picture"] == ["first", "second", "third"]


def test_a_picture_that_cannot_be_shown_says_why(tmp_path, monkeypatch):
    def damaged(file):  # as Pillow does of a damaged AVIF
        raise RuntimeError("Failed to decode image: Truncated data")

    write_png(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    monkeypatch.setattr(document, "_MOST_PIXELS", 15)
    with pytest.raises(InputError, match="has 4x4 pixels: a report takes smaller pictures"):
        document.opened(tmp_path / "a.png")
    monkeypatch.setattr(document.Image, "open", damaged)
    with pytest.raises(InputError, match="a.png is not a picture that can be read"):
        document.opened(tmp_path / "a.png")


def test_a_text_shows_pictures_of_its_own_folder_only(tmp_path):
    home = tmp_path / "home"
    write_png(home / "a 猫.png", np.full((4, 4, 3), 200, np.uint8))
    write_png(tmp_path / "secret.png", np.zeros((4, 4, 3), np.uint8))
    (home / "link.png").symlink_to(tmp_path / "secret.png")
    (home / "no.png").write_text("no picture")
    places = ("a%20猫.png", "../secret.png", str(tmp_path / "secret.png"), "link.png", "no.png", "https://a.b/c.png")
    words = "\n\n".join(f"![what it shows]({place})" for place in places)
    shown = blocks_of(words, home, report_in(tmp_path / "out"))
    assert [block["kind"] for block in shown] == ["picture", *["missing"] * 5]
    assert shown[0]["caption"] == "what it shows"
    assert shown[4]["text"] == "no.png is not a picture that can be read.", "and not in whose folder"


def test_a_text_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "bytes.md").write_bytes(b"\xff\xfe\x00")
    for name, words in (("none.md", "There is no text"), ("bytes.md", "not a text in UTF-8")):
        with pytest.raises(InputError, match=words):
            read_text(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pictures/mine.png", b"mine"),
        ("report.pdf", b"%PDF-1.7 of my own"),
        ("report.html", b"<p>mine"),
        ("report.json", b"{}"),
        ("report.json", b'{"sales": [1, 2]}'),
        ("report.json", b"\xff"),
    ],
)
def test_a_report_never_replaces_what_is_not_a_reports(tmp_path, capsys, name, content):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    assert cli.main(["report", "faces", "--out", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and f"{tmp_path / name.split('/')[0]} is not a report's" in err
    assert [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()] == [content]


def test_a_report_replaces_an_earlier_one_of_which_perhaps_its_pdf_alone_was_kept(tmp_path):
    page, _, plain = write(everything(tmp_path))
    assert expect_folder(tmp_path) == tmp_path
    for file in (page, plain, *(tmp_path / "pictures").iterdir()):
        file.unlink()
    (tmp_path / "pictures").rmdir()
    assert expect_folder(tmp_path) == tmp_path


# --- runs, models, studies --------------------------------------------------------------------------------------------


def run_in(folder, name="faces", finished=True, commit="0123456789ab", networks=False):
    """A run of two epochs, as a training would leave it; unfinished it has one grid and no records."""
    from utils.training.board import Board

    experiment = replace(preset("report32"), width=0.0625, epochs=2, name=name)
    device = {"device": {"kind": "CPU", "name": "a CPU", "count": 2}}
    versions = dict.fromkeys(("python", "tensorflow", "keras", "numpy"), "1.0")
    known = {"images": 24, "fingerprint": "cd" * 32, "commit": commit}
    run = Run.create(experiment, versions | device | known, folder)
    np.save(run.latents_file, np.zeros((64, 100), np.float32))
    pictures = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), np.uint8)
    epochs = (0, 1, 2) if finished else (0,)
    for epoch in epochs:
        write_png(run.grid(epoch), grid(pictures))
    row = {"accuracy_true": 0.9, "accuracy_fake": 0.8, "score_true": 0.7, "score_fake": 0.3, "diversity": 0.2}
    run.epochs_file.write_text("".join(json.dumps({"epoch": epoch} | row) + "\n" for epoch in epochs))
    if finished:
        names = ("loss_true", "loss_fake", "loss_generator", "score_true", "score_fake")
        steps = [{"update": n, "epoch": 1 + (n > 3)} | dict.fromkeys(names, 1 / n) for n in range(1, 7)]
        run.steps_file.write_text("".join(json.dumps(step) + "\n" for step in steps))
        run.watch_file.write_text(json.dumps({"update": 6, "gap": 0.0, "diversity": 0.4, "diversity_true": 0.5}) + "\n")
        write_png(run.true_grid, grid(pictures))
    if networks:
        run.model("generator").parent.mkdir()
        for player, build in (("generator", build_generator), ("discriminator", build_discriminator)):
            network = build(experiment.model, 0)
            network.save(run.model(player))
            if player == "generator":
                write_png(run.grid(epochs[-1]), sheet(run, Sampler.of(network, experiment)))
    if finished:
        Board(run, Length("epoch", 3, 2, 1))  # writes what there is
    state = State("finished", 6, 2, 9.0) if finished else State("stopped", 0, 0, 0.0, "Stopped by Ctrl-C.")
    run.save_state(state)
    return run


def sections_of(report):
    return {section.title: section.blocks for section in report.sections}


def lacking(report):
    return [block["text"] for section in report.sections for block in section.blocks if block["kind"] == "missing"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_in(tmp_path_factory.mktemp("runs"), networks=True)


@pytest.fixture(scope="module")
def reported(run, tmp_path_factory):
    """The folder of a report of the run, and the report."""
    report = Report("A run", made_of([subject_of(run.folder)]), tmp_path_factory.mktemp("report"))
    report.section(OWN_TEXT, text("three words here"))
    report_of([subject_of(run.folder)], report, lambda experiment: "./dcgan train")
    write(report)
    return report


def test_where_only_differences_of_logits_count_no_discriminator_is_called_right(tmp_path):
    run, found = run_in(tmp_path), []
    for loss in ("hinge", "relativistic"):
        run.save_experiment(replace(run.experiment, loss=loss, discriminator_updates="joint"))
        found.append(str(of_networks._abstract(subject_of(run.folder))))
    assert "is right about 90% of true and 80% of fake samples; the diversity of these is 0.2." in found[0]
    assert "At the end the diversity of the samples is 0.2." in found[1] and "right about" not in found[1]


def test_a_report_of_a_run_has_the_parts_of_a_course_report_and_stamps_every_figure(run, reported):
    there = sections_of(reported)
    assert list(there)[1:] == [
        "Abstract", "Data", "Networks", "Training", "Results", "Grad-CAM, and what the generator remembers", "Features",
        "Latent space", "Distances, with their passports", "Beside the course report and the paper", "Limits",
        "How to make it again",
    ]  # fmt: skip
    own = "run faces/0001-report32; seed 0; data cdcdcdcdcdcd; commit 0123456789ab"
    figures = [b for blocks in there.values() for b in blocks if b["kind"] in ("picture", "table")]
    assert len(figures) > 10 and {block["stamp"] for block in figures} == {own}
    words = there["Abstract"][0]["spans"][0]["text"]
    assert "report32, 32x32 pixels, trained on 24 images of built-in faces: 6 updates in 9 s on a CPU, seed 0." in words
    generator = there["Networks"][1]
    assert generator["rows"][-1][-1] == f"{build_generator(run.experiment.model, 0).count_params():,}"
    (row,) = [row for row in there["Beside the course report and the paper"][0]["rows"] if "learning rate" in row[0]]
    assert row == ["learning rate", "0.00002 in its text", "0.0002", "0.0002"]
    assert [b["across"] for b in there["Training"] if b["kind"] == "picture"][-1], "curves of three plots"
    for name in ("explain", "features", "arithmetic", "evaluate"):
        assert any(f"./dcgan {name} faces/0001-report32" in sentence for sentence in lacking(reported)), name


def test_frames_of_a_film_show_the_same_latents_at_every_summary(reported):
    frames = sections_of(reported)["Results"][1]
    with Image.open(reported.folder / frames["file"]) as picture:
        pixels = np.asarray(picture.convert("L"), float)
    rows = np.split(pixels, 3)
    away = np.abs(rows[0][:, 120:] - rows[1][:, 120:]).mean()
    assert away < 10 and rows[0][:, 120:].std() > 40, "noise as JPEG; other latents would be 85 away"


def test_a_run_whose_latents_are_gone_has_a_report_without_frames_that_says_so(tmp_path):
    run, report = run_in(tmp_path / "runs"), report_in(tmp_path / "out")
    run.latents_file.unlink()
    report_of([subject_of(run.folder)], report, lambda experiment: "./dcgan train")
    assert "the run has no latents.npy" in " ".join(lacking(report))


def test_a_run_that_was_stopped_before_its_first_epoch_has_a_report_that_says_so(tmp_path):
    odd = tmp_path / 'my <b>cats #panic("猫") 😀'
    run = run_in(tmp_path / "runs", str(odd), finished=False, commit=None)
    report = report_in(tmp_path / "out")
    report_of([subject_of(run.folder)], report, lambda experiment: "./dcgan train")
    page, pdf, plain = write(report)
    told = json.dumps(json.loads(plain.read_text(encoding="utf-8")), ensure_ascii=False)
    assert "This run is not finished, stopped (Stopped by Ctrl-C): all figures are of where it stands." in told
    assert "commit not recorded" in told and "own pictures: whoever shows them answers for them" in told
    assert 'my <b>cats #panic(\\"猫\\") 😀' in told
    lacks = " ".join(lacking(report))
    for words in ("no trained networks yet", "no picture of true images", "there are no curves", "one grid only"):
        assert words in lacks
    assert "b" not in {tag for tag, _ in Tags(page.read_text(encoding="utf-8")).tags} and pdf.is_file()


def test_a_model_without_its_run_has_a_report_from_its_card(tmp_path, monkeypatch):
    monkeypatch.setattr(of_networks, "_networks", lambda *_: [])  # drawn for a run above
    report = report_in(tmp_path)
    report_of([subject_of("faces")], report, lambda experiment: "./dcgan train --preset quick")
    there = sections_of(report)
    card = subject_of("faces").model.card
    assert f"{card['updates']:,} updates" in there["Abstract"][0]["spans"][0]["text"]
    assert there["Distances, with their passports"][0]["rows"][0][1].startswith("0.1356 (0.1227 to 0.1484)")
    assert "model without its run" in " ".join(lacking(report)) and "no passport" not in " ".join(lacking(report))


def test_a_card_that_an_earlier_version_measured_is_said_to_have_no_passport(tmp_path, monkeypatch, cards_of_before):
    monkeypatch.setattr(of_networks, "_networks", lambda *_: [])
    report = report_in(tmp_path)
    report_of([subject_of("faces")], report, lambda experiment: "./dcgan train --preset quick")
    assert sections_of(report)["Distances, with their passports"][0]["rows"][0][1].startswith("0.1356 (0.1227 to")
    assert "an earlier version measured it" in " ".join(lacking(report))


def test_several_are_set_side_by_side_with_what_differs(run, tmp_path):
    other = run_in(tmp_path / "runs", finished=False)
    other.save_experiment(config.replace(other.experiment, seed=7))
    report = report_in(tmp_path / "out")
    side_by_side([subject_of(run.folder), subject_of(other.folder)], report)
    (first,) = report.sections
    assert first.title == "Side by side" and ["training.seed", "0", "7"] in first.blocks[0]["rows"]
    assert [block["kind"] for block in first.blocks] == ["table", "missing", "picture"]  # only one has curves


def test_curves_of_runs_so_short_that_only_copies_were_looked_for_are_drawn(tmp_path):
    short = run_in(tmp_path)
    short.watch_file.write_text('{"update": 6, "copied": 0.0, "copied_true": 0.0}\n')
    *others, diversity, _ = draw_curves({"a": short, "b": short}).axes
    assert [len(axes.lines) for axes in others] == [4] * 4 and not diversity.lines


def test_what_trainings_were_made_of_is_compared_where_it_is_known():
    known = {"images": 3, "fingerprint": "ab" * 32, "commit": "1", "device": {"name": "x"}, "keras": "3"}
    assert surroundings_that_differ([known, known]) == {}
    found = surroundings_that_differ(
        [known, known | {"fingerprint": "ac" * 32, "commit": None, "device": {"name": "y"}}]
    )
    assert found == {
        "fingerprint": ["ab" * 6, "ac" * 6], "commit": ["1", "not recorded"], "device": ["x", "y"],
    }  # fmt: skip


def test_what_was_read_off_the_discriminator_is_told_beside_its_controls_and_with_its_margin(tmp_path):
    run = run_in(tmp_path)
    record = json.loads((RESULTS / "records" / "features_cifar-cifar10_recipe.json").read_text(encoding="utf-8"))
    subject = subject_of(str(run.folder))
    assert of_networks._features(subject)[0]["text"] == (
        "what a linear classifier reads off its discriminator was not measured; what ./dcgan features "
        "faces/0001-report32 --json prints is shown once kept as features.json in the run's folder."
    )
    write_json(run.folder / "features.json", record)
    shown, margin = of_networks._features(subject)
    assert [row[0] for row in shown["rows"][:2]] == [record["rows"][0]["name"], record["rows"][1]["name"]]
    assert "by +8.5 points (95%, over test images: +7.7 to +9.3)" in json.dumps(margin)
    write_json(run.folder / "features.json", record | {"margin": None})
    assert len(of_networks._features(subject)) == 1
    write_json(run.folder / "features.json", record | {"scale": "quick"})
    assert "from 50,000 labels of CIFAR-10, by protocols of their own" in json.dumps(of_networks._features(subject)[2])
    for interval in (record["margin"], *(row["accuracy"] for row in record["rows"])):
        del interval["low"], interval["high"]  # of few test images
    write_json(run.folder / "features.json", record)
    shown, margin = of_networks._features(subject)
    assert "by +8.5 points." in json.dumps(margin) and shown["rows"][0][shown["columns"].index("95%")] == ""


FOUND = {"claim": "it is so", "measured": "yes", "control": "no"}


def explanations(*findings, **known):
    """What `explain` keeps: a section with these findings, and one that found nothing."""
    sections = [
        {"name": "gradcam", "title": "Grad-CAM", "findings": list(findings), "missing": ""},
        {"name": "memory", "title": "Memory", "findings": [], "missing": "too few images"},
    ]
    return {"title": "t", "about": "64 images", **known, "sections": sections}


def with_weights(folder):
    """A run with files in place of networks, which nothing loads, and their digests as records keep them."""
    run = run_in(folder)
    run.models.mkdir()
    for player in ("generator", "discriminator"):
        run.model(player).write_text(player)
    return run, {f"{player}_sha256": digest(run.model(player)) for player in ("generator", "discriminator")}


def test_copies_that_were_looked_for_are_no_heat_maps(tmp_path):
    run, known = with_weights(tmp_path)
    kept = explanations(FOUND, **known)
    kept["sections"][0]["name"] = "memory"
    write_json(run.folder / "explain" / "explain.json", kept)
    asked = {"items": [{"check": "explained", "says": "?"}]}
    found = grade(Graded(subject_of(str(run.folder)), tmp_path, lambda *_: None), asked)
    assert [(each.answer, each.why) for each in found] == [(NO, "no heat maps were made, but memory")]


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_what_was_made_of_earlier_weights_is_missing_and_what_does_not_say_counts(tmp_path, player):
    run, known = with_weights(tmp_path)
    subject, report = subject_of(run.folder), report_in(tmp_path / "out")
    measured = json.loads((RESULTS / "records" / "features_cifar-cifar10_recipe.json").read_text(encoding="utf-8"))
    of_discriminator = {"discriminator_sha256": known["discriminator_sha256"]}

    def shown():
        blocks = (of_networks._explained(subject, report)[-1], of_networks._features(subject)[0])
        return [block.get("text", "a table") for block in blocks]

    def keep(known, of_discriminator):
        write_json(run.folder / "explain" / "explain.json", explanations(FOUND, **known))
        write_json(run.folder / "features.json", measured | of_discriminator)

    keep(known, of_discriminator)
    assert shown() == ["too few images", "a table"] and answers(run, report, "explained") == {"explained": YES}
    run.model(player).write_text("of a training that went on")
    lacks, table_or_not = shown()
    assert lacks == (
        "heat maps, their checks and the search for copies were made of earlier weights; ./dcgan explain "
        "faces/0001-report32 makes them."
    )
    assert ("was measured of earlier weights" in table_or_not) is (player == "discriminator")
    assert answers(run, report, "explained") == {"explained": NO}
    keep({}, {})
    assert shown() == ["too few images", "a table"] and answers(run, report, "explained") == {"explained": YES}


def test_walks_and_sums_of_earlier_weights_are_named_and_not_shown(tmp_path):
    run, known = with_weights(tmp_path)
    for name, about in {"walk": {"generator_sha256": known["generator_sha256"]}, "walk-before": {}}.items():
        write_json(run.folder / "latent" / name / "walk.json", about)
        write_png(run.folder / "latent" / name / "strip.png", np.zeros((4, 4, 3), np.uint8))

    def shown(out):
        blocks = of_networks._latent(subject_of(run.folder), report_in(tmp_path / out))
        return [block.get("file", block.get("text")) for block in blocks]

    assert [file.partition("-")[2] for file in shown("before")] == ["walk-strip.png", "walk-before-strip.png"]
    run.model("generator").write_text("of a training that went on")
    picture, lacks = shown("after")
    assert picture.endswith("walk-before-strip.png") and lacks == "made of earlier weights, and not shown: walk."


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        (["walk.mp4", "strip.png"], ["strip"]),
        ([], []),
        (None, ["smoothness", "strip"]),  # of an earlier version
        (5, ["smoothness", "strip"]),
        ([{}, "strip.png"], ["strip"]),
    ],
)
def test_of_a_walk_or_sum_only_the_files_are_shown_that_its_record_names(tmp_path, files, shown):
    run, known = with_weights(tmp_path)
    write_json(run.folder / "latent" / "walk" / "walk.json", known | ({} if files is None else {"files": files}))
    for name in ("smoothness", "strip"):
        write_png(run.folder / "latent" / "walk" / f"{name}.png", np.zeros((4, 4, 3), np.uint8))
    blocks = of_networks._latent(subject_of(run.folder), report_in(tmp_path / "out"))
    assert [block["file"].partition("walk-")[2].removesuffix(".png") for block in blocks if "file" in block] == shown


def test_pictures_of_sections_that_found_nothing_were_left_by_an_earlier_call_and_are_not_shown(tmp_path):
    run, known = with_weights(tmp_path)
    write_json(run.folder / "explain" / "explain.json", explanations(FOUND, **known))
    for name in ("gradcam_true", "guided", "neighbours_fake"):
        write_png(run.folder / "explain" / f"{name}.png", np.zeros((4, 4, 3), np.uint8))
    blocks = of_networks._explained(subject_of(run.folder), report_in(tmp_path / "out"))
    assert [block["file"] for block in blocks if "file" in block] == ["pictures/001-gradcam_true.png"]


def test_explain_and_features_keep_the_digests_of_the_networks_that_they_looked_at(tmp_path, monkeypatch, capsys):
    run = run_in(tmp_path / "runs", networks=True)
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "images.npz", images=images)
    options = ["--data", str(tmp_path / "images.npz"), "--data-dir", str(tmp_path), "--only", "filters", "--count", "4"]
    assert cli.main(["explain", str(run.folder), *options]) == 0
    kept = json.loads((run.folder / "explain" / "explain.json").read_text(encoding="utf-8"))
    own = {f"{player}_sha256": digest(run.model(player)) for player in ("generator", "discriminator")}
    assert own.items() <= kept.items() and own["generator_sha256"] != own["discriminator_sha256"]
    capsys.readouterr()
    monkeypatch.setattr("utils.features.comparison.compare", lambda *_, **__: {"rows": []})
    assert cli.main(["features", str(run.folder), "--data", "house_numbers", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"rows": [], "discriminator_sha256": own["discriminator_sha256"]}


def test_compare_without_distances_measures_nothing(run, tmp_path, capsys):
    other = run_in(tmp_path / "runs", commit="ba9876543210")
    other.models.mkdir()
    other.model("generator").write_bytes(b"")  # not looked into
    other.save_experiment(config.replace(other.experiment, seed=7))
    asked = ["compare", str(run.folder), str(other.folder), "--no-distances", "--out", str(tmp_path / "out"), "--json"]
    assert cli.main(asked) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["settings"] == {"training.seed": [0, 7]} and found["spaces"] == found["orders"] == []
    assert found["surroundings"] == {"commit": ["0123456789ab", "ba9876543210"]} and len(found["files"]) == 2


def test_compare_without_distances_starts_tensorflow_in_silence(tmp_path):
    asked = command("utils", "compare", "faces", "house_numbers", "--no-distances", "--out", str(tmp_path))
    found = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert found.stderr == "" and "data.name" in found.stdout and len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def few(tmp_path):
    """The kept results of one study, four of its runs, in a folder of their own."""
    results = json.loads((RESULTS / "losses-faces.json").read_text(encoding="utf-8"))
    write_json(tmp_path / "kept" / "losses-faces.json", results | {"runs": results["runs"][:4]})
    return Kept(results=tmp_path / "kept")


def test_a_report_of_a_study_has_its_answer_and_every_run_of_it(few, tmp_path):
    report = report_in(tmp_path / "out")
    assert names_of("losses", few) == names_of("losses-faces", few) == ["losses-faces"]
    add_study("losses-faces", report, few, (), alone=True)
    there = sections_of(report)
    own = "kept results losses-faces, 4 runs; seed 0; data 67ae120c2a47, bf5e9df17bc1; commit not recorded"
    assert {b["stamp"] for blocks in there.values() for b in blocks if "stamp" in b} == {own}
    assert len(there["Every run"][0]["rows"]) == 4 and there["Answer"][0]["kind"] == "picture"
    assert there["How to make it again"][0]["text"] == "./dcgan study losses --data faces --out notebooks/results"
    with pytest.raises(InputError, match="no results of a study 'ladder' .*`./dcgan study ladder` carries it out"):
        names_of("ladder", few)


def test_a_study_without_its_pictures_names_the_one_that_is_missing_and_no_folder_above(few, tmp_path, monkeypatch):
    monkeypatch.setattr("utils.studies.losses.answer", lambda results: (results["pictures"] / "a.png").read_bytes())
    (block,) = of_study._answer("losses-faces", few.study("losses-faces"), report_in(tmp_path / "out"), STAMP)
    assert "'losses-faces/a.png'" in block["text"] and str(tmp_path) not in block["text"]


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"runs": []}', '{"runs": 5}'])
def test_results_of_a_study_that_are_damaged_are_refused_in_a_sentence(tmp_path, content):
    (tmp_path / "losses-faces.json").write_text(content)
    with pytest.raises(InputError, match="losses-faces.json"):
        Kept(results=tmp_path).study("losses-faces")
    with pytest.raises(InputError, match="losses-faces.json"):
        results.load("losses-faces", tmp_path)


def test_runs_of_the_same_images_on_two_devices_are_told_apart():
    run = {"curves": {}, "images": 1000, "fingerprint": "ab" * 32}
    runs = [run | {"device": device} for device in ("a CPU", "a GPU", "a CPU")]
    assert [(row["device"], row["runs"]) for row in of_study._data(runs)] == [("a CPU", 2), ("a GPU", 1)]


def test_the_projects_report_says_what_is_missing_where_nothing_is_kept(tmp_path):
    for name in ("results", "notebooks", "models"):
        (tmp_path / name).mkdir()
    bare, report = Kept(tmp_path / "results", tmp_path / "notebooks", tmp_path / "models"), report_in(tmp_path / "out")
    add_project(report, bare, rows(bare))
    lacks = " ".join(lacking(report))
    for words in (
        "no models in saved_models/pretrained/",
        "no kept results in results/",
        "there is no notebook 08 yet",
    ):
        assert words in lacks
    (beside,) = sections_of(report)["Beside the course report and the paper"]
    assert beside["rows"][0][1:3] == ["1,466,115 (Fig 5)", "1,466,115"]
    assert write(report)[1].read_bytes().startswith(b"%PDF-")


def test_what_the_projects_report_calls_its_limits_is_read_off_what_is_kept(few, tmp_path):
    kept = Kept()
    runs = [run for name in kept.studies() for run in kept.study(name)["runs"]]
    updates = [of["updates"] for of in (*runs, *kept.cards()) if of.get("updates")]
    told = " ".join(of_project._limits(kept))
    assert f", {min(updates):,} to {max(updates):,} updates, seeds of a study: 1 to 3." in told
    learnt, never = re.search(r"what was trained here learnt from (.*), nothing from (.*?)\.", told).groups()
    assert "CelebA" in learnt.split(", ") and {"SVHN", "LSUN bedrooms"} <= set(never.split(", "))
    one, other, *_ = of_project._limits(Kept(results=few.results, models=tmp_path / "none"))
    assert ", 1,000 updates, seeds of a study: 1." in one
    assert other.endswith("learnt from built-in faces, nothing from CelebA, LSUN bedrooms, SVHN, ImageNet 32x32.")


def test_the_commit_is_known_where_there_is_git():
    if not (PROJECT / ".git").exists():
        pytest.skip("this is no checkout")
    assert re.fullmatch(r"[0-9a-f]{12}(\+changes)?", runtime.commit())


def test_what_was_changed_since_the_commit_is_told_but_for_notebooks_that_were_run(tmp_path, monkeypatch):
    files = {"utils/runtime.py": "a", "notebooks/00_a.ipynb": "{}", "notebooks/README.md": "b", "dcgan": "c"}
    for name, words in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(words)
    monkeypatch.setattr(runtime, "__file__", str(tmp_path / "utils" / "runtime.py"))
    assert runtime.commit() is None
    own = ("git", "-c", "user.name=a", "-c", "user.email=b", "-C", str(tmp_path))
    for step in (("init", "-q"), ("add", "."), ("commit", "-qm", "c")):
        subprocess.run((*own, *step), check=True)
    clean = runtime.commit()
    assert re.fullmatch(r"[0-9a-f]{12}", clean)
    for name, words in files.items():
        (tmp_path / name).write_text(f"{words} ")
        assert runtime.commit() == (clean if name.endswith(".ipynb") else f"{clean}+changes"), name
        (tmp_path / name).write_text(words)
    (tmp_path / "dcgan").unlink()
    assert runtime.commit() == f"{clean}+changes"


def test_an_interrupted_report_leaves_the_former_one_whole(run, tmp_path, monkeypatch, capsys):
    plain = b'{"title": "old", "about": "old", "sections": []}'
    former = {"report.json": plain, "pictures/001-old.png": b"old", "report.html": b"old"}
    for name, there in former.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(there)

    def interrupted(report):
        assert len(list((report.folder / "pictures").iterdir())) == 1
        raise KeyboardInterrupt

    def short(subjects, report, *_):
        report.section("x", report.picture(np.zeros((4, 4, 3), np.uint8), "new", "", None))

    monkeypatch.setattr("utils.report.of_networks.report_of", short)
    monkeypatch.setattr("utils.report.write.write", interrupted)
    assert cli.main(["report", str(run.folder), "--out", str(tmp_path)]) == 130
    assert {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == former
    monkeypatch.undo()
    monkeypatch.setattr("utils.report.of_networks.report_of", lambda _, report, *__: report.section("x", text("words")))
    assert cli.main(["report", str(run.folder), "--out", str(tmp_path)]) == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.html", "report.json", "report.pdf"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give names, or --study NAME, or --all. Received: none of these"),
        (["faces", "--all"], "Received: more than one of these"),
        (["--study", "nothing"], "There are no results of a study 'nothing'"),
        (["nobody"], "There is no run 'nobody'"),
        (["faces", "--text", "no.md"], "There is no text no.md"),
    ],
)
def test_report_answers_bad_input_in_one_sentence(capsys, arguments, words):
    assert cli.main(["report", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and words in err


# --- the rubric -------------------------------------------------------------------------------------------------------


def graded(run, reported):
    def as_before(_, report):
        report.sections += reported.sections[1:]
        shutil.copytree(reported.folder / "pictures", report.folder / "pictures")

    return Graded(subject_of(run.folder), reported.folder, as_before)


def answers(run, reported, *names):
    rubric = {"items": [{"check": name, "says": "?"} for name in names]}
    return {answer.item: answer.answer for answer in grade(graded(run, reported), rubric)}


def test_the_rubric_that_comes_along_uses_every_check_and_gives_the_teachers_part_no_mark(run, reported):
    rubric = read_rubric()
    assert {item["check"] for item in rubric["items"] if "check" in item} == CHECKS.keys()

    def remake(subject, report):
        report_of([subject], report, lambda experiment: "./dcgan train")

    anew = Graded(subject_of(run.folder), reported.folder, remake)
    found = grade(anew, {"items": [item for item in rubric["items"] if item.get("check") != "trained_on"]})
    told = {answer.item: answer.answer for answer in found}
    assert {name for name, answer in told.items() if answer == YES} == {
        "finished", "records_agree", "redrawn", "reproducible", "finite", "healthy", "report", "own_text",
    }  # fmt: skip
    assert {name for name, answer in told.items() if answer == NO} == {"distance", "control", "explained"}
    assert [a.why for a in found if a.answer == TEACHER] == [""] * sum("judge" in item for item in rubric["items"])


def test_a_figure_that_was_changed_by_hand_or_is_no_longer_the_runs_is_found(run, reported):
    file = reported.folder / "report.json"
    whole = file.read_text(encoding="utf-8")
    try:
        file.write_text(whole.replace("6 updates in 9 s", "9 updates in 9 s"), encoding="utf-8")
        assert answers(run, reported, "report") == {"report": NO}
        file.write_text(whole.replace("three words here", "other words"), encoding="utf-8")
        assert answers(run, reported, "report") == {"report": NO}, "the PDF was made of the first text"
    finally:
        file.write_text(whole, encoding="utf-8")
    assert answers(run, reported, "report") == {"report": YES}


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        ("records_agree", lambda run: run.steps_file.write_text(_without_line(run.steps_file, 2))),
        ("records_agree", lambda run: run.grid(1).unlink()),
        ("finite", lambda run: run.steps_file.write_text(run.steps_file.read_text().replace("0.5", "NaN"))),
        (
            "healthy",
            lambda run: run.watch_file.write_text(run.watch_file.read_text().replace('"gap": 0.0', '"gap": 0.9')),
        ),
        ("finished", lambda run: run.save_state(State("stopped", 6, 1))),
        ("finished", lambda run: run.epochs_file.write_text(_without_line(run.epochs_file, 2))),
        (
            "records_agree",
            lambda run: (
                run.steps_file.write_text(_without_line(run.steps_file, 5)),
                run.save_state(State("finished", 5, 2)),
                shutil.rmtree(run.board),
            ),
        ),
        (
            "reproducible",
            lambda run: write_json(run.folder / "environment.json", run.environment | {"commit": "a+changes"}),
        ),
    ],
)
def test_what_is_wrong_with_a_run_is_found(tmp_path, reported, check, spoil):
    whole = run_in(tmp_path)
    assert answers(whole, reported, check) == {check: YES}
    spoil(whole)
    assert answers(Run(whole.folder), reported, check) == {check: NO}


def test_a_run_that_was_killed_in_the_middle_of_a_line_can_be_checked(tmp_path):
    killed = run_in(tmp_path)
    for file in (killed.steps_file, killed.epochs_file, killed.watch_file):
        with file.open("a", encoding="utf-8") as record:
            record.write('{"update": 7, "lo')
    names = ("finite", "healthy", "records_agree")
    subject = Graded(subject_of(killed.folder), tmp_path, lambda *_: None)
    found = grade(subject, {"items": [{"check": name, "says": "?"} for name in names]})
    assert [(answer.item, answer.answer) for answer in found] == [(name, YES) for name in names]
    assert found[0].why == "6 updates looked at"


def test_weights_or_a_grid_that_are_not_the_runs_are_found(tmp_path, reported):
    whole = run_in(tmp_path, networks=True)
    assert answers(whole, reported, "redrawn") == {"redrawn": YES}
    other = build_generator(whole.experiment.model, 0)
    other.set_weights([weight + 0.1 for weight in other.get_weights()])
    other.save(whole.model("generator"))
    assert answers(whole, reported, "redrawn") == {"redrawn": NO}
    whole.model("generator").unlink()
    assert answers(whole, reported, "redrawn") == {"redrawn": NO}


@pytest.mark.parametrize(("file", "old", "new"), [("steps_file", "0.25,", "0.26,"), ("epochs_file", "0.9,", "0.91,")])
def test_records_that_were_changed_later_are_found(tmp_path, reported, file, old, new):
    whole = run_in(tmp_path)
    assert answers(whole, reported, "records_agree") == {"records_agree": YES}
    record = getattr(whole, file)
    record.write_text(record.read_text().replace(old, new, 1))
    assert answers(whole, reported, "records_agree") == {"records_agree": NO}


def test_records_of_terms_that_are_not_there_in_every_update_agree_with_their_events(tmp_path, reported):
    from utils.training.board import Board

    whole = run_in(tmp_path)
    steps = [json.loads(line) for line in whole.steps_file.read_text().splitlines()]
    for step in steps:
        step |= {"penalty": step["update"] / 7} if step["update"] % 4 == 1 else {}  # a lazy term
        step |= {"step_sizes": 0.5} if step["update"] > 3 else {}  # as after a rollback
    whole.steps_file.write_text("".join(json.dumps(step) + "\n" for step in steps))
    Board(whole, Length("epoch", 3, 2, 1))
    assert answers(whole, reported, "records_agree") == {"records_agree": YES}
    whole.steps_file.write_text(whole.steps_file.read_text().replace('"step_sizes": 0.5', '"step_sizes": 1.0', 1))
    assert answers(whole, reported, "records_agree") == {"records_agree": NO}


def longer(run):
    """Adds an epoch to the records of a run that it never had."""
    steps, epochs = run.steps_file.read_text(), run.epochs_file.read_text()
    more = "".join(json.dumps({"update": n, "epoch": 3, "loss_true": 0.1}) + "\n" for n in (7, 8, 9))
    run.steps_file.write_text(steps + more)
    run.epochs_file.write_text(epochs + epochs.splitlines()[-1].replace('"epoch": 2', '"epoch": 3') + "\n")
    shutil.copy(run.grid(2), run.grid(3))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda run: shutil.rmtree(run.board),
        lambda run: [file.unlink() for file in run.board.iterdir()],
        longer,
        lambda run: run.steps_file.write_text(re.sub("}", ', "loss_more": 0.1}', run.steps_file.read_text())),
    ],
)
def test_of_records_that_no_events_have_it_cannot_be_told_whether_they_were_changed(tmp_path, reported, spoil):
    whole = run_in(tmp_path)
    spoil(whole)
    assert answers(whole, reported, "records_agree") == {"records_agree": UNKNOWN}


@pytest.mark.parametrize("when", ["it begins", "it is written"])
def test_events_for_tensorboard_that_cannot_be_written_are_no_reason_to_stop(tmp_path, monkeypatch, when):
    import tensorflow as tf

    from utils.training.board import Board

    whole, tried = run_in(tmp_path), []

    def full(*_, **__):
        tried.append(when)
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.summary, "create_file_writer" if when == "it begins" else "scalar", full)
    board = Board(whole, Length("epoch", 3, 2, 1))
    board.write_summary(whole.epochs()[-1])
    assert len(tried) == 1, "and what comes later is not tried"
    log = (whole.folder / "log.txt").read_text()
    assert log.count("Nothing more is written for TensorBoard (No space left on device)") == 1


def test_a_page_or_a_picture_of_a_report_that_was_changed_is_found(run, reported):
    for name in ("report.html", next(block["file"] for block in reported.sections[3].blocks if "file" in block)):
        file = reported.folder / name
        whole = file.read_bytes()
        try:
            file.write_bytes(whole.replace(b"<", b"< ", 1))
            assert answers(run, reported, "report") == {"report": NO}, name
        finally:
            file.write_bytes(whole)


def test_a_report_is_graded_alike_from_everywhere_and_wherever_its_run_was_copied(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(of_networks, "_networks", lambda *_: [])  # drawn for a run above
    home = tmp_path / "runs"
    run = run_in(home, finished=False)  # its report names every command
    monkeypatch.chdir(home)
    assert cli.main(["report", str(run.folder)]) == 0
    assert capsys.readouterr().out.endswith("\nThese commands find their runs with --runs-dir .\n")
    plain = (run.folder / "report" / "report.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in plain and plain.count("./dcgan resume faces/0001-report32") == 2
    copied = shutil.copytree(run.folder, tmp_path / "handed in" / "of alice")
    checks = [item for item in read_rubric()["items"] if item.get("check") != "trained_on"]
    write_json(tmp_path / "rubric.json", {"items": checks})
    found = []
    for here, folder in ((home, run.folder), (tmp_path, run.folder), (copied, copied), (tmp_path, copied)):
        monkeypatch.chdir(here)
        assert cli.main(["grade", str(folder), "--rubric", str(tmp_path / "rubric.json"), "--json"]) == 0
        items = json.loads(capsys.readouterr().out)["items"]
        found.append({item["item"]: item["answer"] for item in items})
    assert found == [found[0]] * 4 and found[0]["report"] == YES


def handed_in(run, folder, change=lambda plain: None):
    """A report with its author's text and one section of the run, consistent in all its files; `change` changes its
    JSON file before the others are made of it."""
    subject = subject_of(run.folder)
    report = Report("A title", made_of([subject]), folder, of=[subject.title])
    picture = report.picture(np.zeros((4, 4, 3), np.uint8), "drawn by hand", "What it shows.", None)
    report.section(OWN_TEXT, text("three words here"), picture)
    report.section("Results", text("as they are"))
    plain = report.plain()
    change(plain)
    write_json(folder / "report.json", plain)
    (folder / "report.html").write_text(page_of(folder), encoding="utf-8")
    write_pdf(folder)
    return Graded(subject, folder, lambda _, again: again.section("Results", text("as they are")))


def forged(title):
    return {"title": title, "blocks": [text("the best of all")]}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda plain: plain["sections"].append(forged("Prize")), "its section 'Prize' is none that"),
        (lambda plain: plain["sections"].insert(0, forged("Prize")), "its section 'Prize' is none that"),
        (lambda plain: plain["sections"].insert(1, forged(OWN_TEXT)), f'its section "{OWN_TEXT}" is none that'),
        (lambda plain: plain["sections"].insert(1, forged("Results")), "in another order, or twice"),
        (lambda plain: plain["sections"].pop(), "no section 'Results'"),
        (lambda plain: plain["sections"][0]["blocks"].append(table([{"a": 1}], "", STAMP)), "a figure with a stamp"),
        (lambda plain: plain.update(about="Made by ./dcgan report of the best of all."), "below its title"),
        (lambda plain: plain.update(of=[]), "no report of one run"),
    ],
)
def test_a_report_has_the_sections_of_its_run_and_one_of_its_authors_in_front(tmp_path, change, why):
    run, rubric = run_in(tmp_path), {"items": [{"check": "report", "says": "?"}]}
    (answer,) = grade(handed_in(run, tmp_path / "whole"), rubric)
    assert answer.answer == YES and answer.why == "1 sections, made again and compared"
    (answer,) = grade(handed_in(run, tmp_path / "forged", change), rubric)
    assert answer.answer == NO and why in answer.why


def test_what_a_system_leaves_among_the_pictures_is_no_part_of_a_report(tmp_path):
    whole = handed_in(run_in(tmp_path), tmp_path / "whole")
    for name in (".DS_Store", "._001-drawn by hand.svg"):
        (tmp_path / "whole" / "pictures" / name).write_bytes(b"\x00\x05\x16\x07\xff")
    (answer,) = grade(whole, {"items": [{"check": "report", "says": "?"}]})
    assert answer.answer == YES, answer.why


def test_a_picture_may_be_a_line(tmp_path):
    assert report_in(tmp_path).picture(np.zeros((1, 4000, 3), np.uint8), "x", "y", None)["height"] >= 1


def test_a_copy_of_a_notebook_beside_it_is_not_taken_for_it(tmp_path):
    for name in ("08_discriminator_eyes-Copy1", "08_discriminator_eyes", "08_discriminator_eyes (1)"):
        (tmp_path / f"{name}.ipynb").write_text("{}")
    assert Kept(notebooks=tmp_path).notebook("08").file.name == "08_discriminator_eyes.ipynb"


def test_a_pdf_that_is_not_what_its_report_gives_is_found_though_it_has_the_mark(tmp_path):
    def answer():
        (found,) = grade(whole, {"items": [{"check": "report", "says": "?"}]})
        return found.answer

    run = run_in(tmp_path)
    whole = handed_in(run, tmp_path / "whole")
    handed_in(run, tmp_path / "better", lambda plain: plain["sections"][1].update(forged("Results")))
    pdf, better = (tmp_path / name / "report.pdf" for name in ("whole", "better"))
    own = pdf.read_bytes()
    assert answer() == YES
    pdf.write_bytes(better.read_bytes() + f"% {mark_of(tmp_path / 'whole')}".encode())
    assert answer() == NO
    pdf.write_bytes(own.replace(b"Typst 0.", b"Typst 9."))
    assert answer() == UNKNOWN, "another version may set it in another way"


@pytest.mark.parametrize(("words", "found"), [("three words here", NO), ("three words 猫 here", UNKNOWN)])
def test_a_pdf_with_letters_that_other_fonts_set_here_is_not_called_changed(tmp_path, monkeypatch, words, found):
    def own_words(plain):
        plain["sections"][0]["blocks"][0]["text"] = words

    whole = handed_in(run_in(tmp_path), tmp_path / "whole", own_words)
    monkeypatch.setattr("utils.report.grade.pdf_of", lambda folder: (folder / "report.pdf").read_bytes() + b" ")
    (answer,) = grade(whole, {"items": [{"check": "report", "says": "?"}]})
    assert answer.answer == found, answer.why


def test_a_page_cannot_show_another_picture_than_the_runs_by_naming_another_place(tmp_path):
    def remake(_, report):
        report.section("Results", report.picture(np.zeros((4, 4, 3), np.uint8), "samples", "What it shows.", STAMP))

    subject, folder, rubric = subject_of(run_in(tmp_path).folder), tmp_path / "out", [{"check": "report", "says": "?"}]
    report = Report("A title", made_of([subject]), folder, of=[subject.title])
    remake(subject, report)
    write(report)
    (answer,) = grade(Graded(subject, folder, remake), {"items": rubric})
    assert answer.answer == YES
    (folder / "pictures").rename(folder / "true")
    write_png(folder / "pictures" / "001-samples.png", np.full((4, 4, 3), 200, np.uint8))
    file = folder / "report.json"
    file.write_text(file.read_text(encoding="utf-8").replace("pictures/001", "true/001"), encoding="utf-8")
    (folder / "report.html").write_text(page_of(folder), encoding="utf-8")
    write_pdf(folder)
    (answer,) = grade(Graded(subject, folder, remake), {"items": rubric})
    assert answer.answer == NO and "'Results' is not what the run gives" in answer.why


@pytest.mark.parametrize(
    ("words", "answer", "count"),
    [
        ("", NO, "0 words"),
        ("![a](no.png)", NO, "0 words"),
        ("# One\n\n- two\n- *three* four\n\n> five", YES, "5 words"),
    ],
)
def test_a_text_of_the_author_has_words_wherever_they_stand(tmp_path, words, answer, count):
    report = report_in(tmp_path / "out")
    report.section(OWN_TEXT, *blocks_of(words, tmp_path, report))
    write_json(report.folder / "report.json", report.plain())
    rubric = {"items": [{"check": "own_text", "says": "?"}]}
    (found,) = grade(Graded(subject_of(run_in(tmp_path).folder), report.folder, lambda *_: None), rubric)
    assert found.answer == answer and found.why.startswith(count)


@pytest.mark.parametrize(
    ("name", "content", "fails"),
    [
        ("report/report.json", b"{}", {"report", "own_text"}),
        ("report/report.json", b"[]", {"report", "own_text"}),
        ("report/report.json", b"\xff", {"report", "own_text"}),
        ("report/report.json", b"[" * 100_000, {"report", "own_text"}),
        ("report/report.json", b'{"title": "", "about": "", "sections": [{"title": 5, "blocks": []}]}',
         {"report", "own_text"}),
        ("report/report.html", b"\xff\xfe", {"report"}),
        ("report/report.html", None, {"report"}),
        ("report/pictures/001-drawn-by-hand.png", None, {"report"}),
        ("explain/explain.json", b"[]", {"explained"}),
        ("explain/explain.json", b"5", {"explained"}),
        ("explain/explain.json", b"\xff", {"explained"}),
        ("explain/explain.json", b'{"about": "", "sections": {"a": 1}}', {"explained"}),
        ("explain/explain.json", json.dumps(explanations({"claim": "c", "measured": "m"})).encode(), {"explained"}),
        ("epochs.jsonl", b'{"epoch": "one"}\n', {"records_agree"}),
    ],
)  # fmt: skip
def test_what_is_damaged_in_a_hand_in_is_no_and_the_rest_is_checked(tmp_path, name, content, fails):
    run, known = with_weights(tmp_path)
    write_json(run.folder / "explain" / "explain.json", explanations(FOUND, **known))
    whole = handed_in(run, run.folder / "report")
    names = ("report", "own_text", "explained", "records_agree", "finite")
    rubric = {"items": [{"check": name, "says": "?"} for name in names]}
    assert {answer.answer for answer in grade(whole, rubric)} == {YES}
    (run.folder / name).unlink() if content is None else (run.folder / name).write_bytes(content)
    found = {answer.item: answer for answer in grade(whole, rubric)}
    assert {item for item, answer in found.items() if answer.answer == NO} == fails
    assert {answer.answer for item, answer in found.items() if item not in fails} == {YES}
    if content is not None and name.endswith(".json"):
        assert all("cannot be read" in found[item].why for item in fails)


@pytest.mark.parametrize("content", ["[]", '{"data": 5, "rows": []}', '{"sections": 1, "margin": {}}'])
def test_a_report_of_a_run_with_damaged_analyses_says_that_they_cannot_be_read(tmp_path, content):
    run, _ = with_weights(tmp_path)
    (run.folder / "explain").mkdir()
    for name in ("explain/explain.json", "features.json"):
        (run.folder / name).write_text(content, encoding="utf-8")
    subject = subject_of(run.folder)
    for (block,) in (of_networks._explained(subject, report_in(tmp_path / "out")), of_networks._features(subject)):
        assert block["kind"] == "missing" and "cannot be read from" in block["text"]


def _without_line(file, number):
    lines = file.read_text().splitlines(keepends=True)
    return "".join(lines[:number] + lines[number + 1 :])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read"),
        ("[]", 'a list of "items"'),
        ("[" * 100_000, "nested too deeply"),
        ('{"items": [{"check": ["finite"], "says": "?"}]}', "no check .'finite'.; choose from finished"),
        ('{"items": [{"check": "charm", "says": "?"}]}', "no check 'charm'; choose from finished"),
        ('{"items": [{"check": "finite", "judge": "x", "says": "?"}]}', 'either "check" or "judge"'),
    ],
)
def test_a_rubric_that_is_none_is_refused(tmp_path, content, words):
    (tmp_path / "rubric.json").write_text(content)
    with pytest.raises(InputError, match=words):
        read_rubric(tmp_path / "rubric.json")
