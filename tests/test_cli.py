"""The command line and the launcher, as a user meets them: real processes, exit codes, what is on the screen."""

import dataclasses
import errno
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import imageio.v2 as imageio
import numpy as np
import pytest
from commands import said
from PIL import Image

from utils import choice, cli, config, lengths, pretrained, runs, runtime
from utils.cli.options import read, todays
from utils.cli.train import Resume, Train, _say_finished, command_for
from utils.config import DataConfig, Experiment, TrainingConfig, preset, presets, replace
from utils.data import Dataset
from utils.data.catalogue import is_own
from utils.errors import Interrupted
from utils.fitting import at_size
from utils.lengths import FEW_UPDATES, MOST_TIMES
from utils.parameters import encoder_parameters
from utils.runs import PROJECT, Run, State
from utils.studies import STUDIES
from utils.training import estimate, train
from utils.training.loop import expected_seconds
from utils.viz import write_png

LAUNCHER = PROJECT / "dcgan"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    images = np.random.default_rng(5).integers(0, 256, (16, 32, 32, 3), np.uint8)
    tiny = replace(preset("report32"), name="faces", width=0.0625, count=16, batch_size=8, epochs=1, summary_samples=8)
    dataset = Dataset(name="noise", title="noise", images=images, fingerprint="f")
    return train(tiny, dataset=dataset, runs_dir=tmp_path_factory.mktemp("runs"), progress=False)


@pytest.fixture(autouse=True)
def _short_trials(monkeypatch):
    monkeypatch.setattr(estimate, "TRIAL_UPDATES", 1)
    monkeypatch.setattr(estimate, "TRIAL_SECONDS", 0.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "There is no command 'trian'; choose one of train, resume"),
        (["train", "--recipe", "rotations"], "There is no recipe 'rotations'; choose one of dcgan, regularised"),
        (["train", "--preset", "big"], "There is no preset 'big'; choose one of quick64, quick32, quick, report32"),
        (["train", "--epochs", "0"], "epochs must be at least 1. Received: 0."),
        (["train", "--data", "cats"], "There is no dataset 'cats': choose one of faces, house_numbers, cifar10"),
        (["train", "--preset", "report32", "--data-dir", "nowhere"], "data_scripts/get_cifar10.sh"),
        (["train", "--image-size", "100"], "for images of 96 or 112 pixels"),
        (["train", "--image-size", "48", "--generator.start", "5"], "leave the networks' own options out"),
        (["train", "--generator.output", "conv"], "generator.output_stride must be 1; conv_transpose enlarges it."),
        (["train", "--leaky-slope=-1"], "leaky_slope must be at least 0. Received: -1.0."),
        (["train", "--penalty-every", "8"], "add --r1, --r2 or --loss wasserstein, or leave it out."),
        (
            ["train", "--summary-epochs", "2"],
            "--summary-epochs is for trainings that are counted in epochs, and this one is counted in updates: use "
            "--summary-updates.",
        ),
        (["train", "--preset", "quick", "--summary-updates", "2"], "counted in epochs: use --summary-epochs."),
        (["train", "--preset=quick", "--updates=9", "--summary-epochs=2"], "in updates: use --summary-updates."),
        (["train", "--preset=quick", "--minutes=1", "--summary-epochs=2"], "in updates: use --summary-updates."),
        (["train", "--epochs", "9", "--summary-updates", "2"], "counted in epochs: use --summary-epochs."),
        (["train", "--updates", "0"], "updates must be at least 1. Received: 0."),
        (["train", "--updates", "9", "--epochs", "2"], "--updates and --epochs both say how long to train"),
        (["train", "--minutes=1", "--updates", "9"], "--minutes and --updates both say how long to train"),
        (["train", "--minutes", "0"], "minutes must be a number above 0. Received: 0.0."),
        (
            ["train", "--conditions", "text", "--loss", "gan_cls", "--condition-names", "beard", "hat"],
            "--condition-names are those of labels or attributes",
        ),
        (["train", "--data", "anime", "--small", "enlarge"], "Received: --small enlarge with the dataset anime; leave"),
        (["datasets", "lsun_bedroom", "--prepare", "--small", "enlarge"], "your own pictures only"),
        (["datasets", "anime", "--show", "--small", "enlarge"], "or name the folder of its pictures."),
        (["dedup", "faces", "--small", "enlarge"], "--small enlarge with the dataset faces"),
        (["train", "--data=cifar10", "--choices=correlated"], "Received: --choices correlated with cifar10; leave it"),
        (["train", "--data", PROJECT, "--choices", "nonsense"], "says only what a built-in dataset is drawn from."),
        (["train", "--data", "svhn", "--tolerated", "0.5"], "--tolerated says only how many of a folder may be left"),
        (["resume", "0042"], "There is no run '0042'"),
        (["sample", "nothing.keras"], "There is no file nothing.keras"),
        (["train", "--checkpoint-seconds", "nan"], "checkpoint_seconds must be 0 or more. Received: nan."),
        (["train", "--checkpoint-seconds=-5"], "checkpoint_seconds must be 0 or more. Received: -5.0."),
        (["film", "last", "--fps", "0.001"], "fps must lie between 0.01 and 60. Received: 0.001."),
        (["walk", "faces", "--fps", "nan"], "fps must lie between 0.01 and 60. Received: nan."),
        (["train", "--batch-size", "1"], "take a batch_size of at least 2 for each of batch_norm_parts"),
        (["train", "--batch-norm-parts", "16"], "Received: batch_size=16, batch_norm_parts=16."),
        (["study", "ladder", "--seeds", "-1"], "--seeds must be at least 0. Received: -1."),
        (["publish", "0042", "my model"], "name must be made of letters, digits, - and _. Received: 'my model'."),
        (["publish", "0042", "last"], "name must be another than last, which means the newest run"),
        (
            ["show", "nothing"],
            "cifar10, cifar10_best, cifar10_recipe, faces, faces64, faces_attributes, faces_text, house_numbers, "
            "house_numbers_best",
        ),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_2(capsys, monkeypatch, tmp_path, arguments, words):
    monkeypatch.setenv("DCGAN_RUNS_DIR", str(tmp_path))
    code, out, err = said(capsys, *arguments)
    assert code == 2 and out == ""
    assert err.startswith("dcgan: ") and err.count("\n") == 1 and words in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "study nothing",
            f"STUDY must be one of {', '.join(sorted(STUDIES))}.",
        ),
        ("train --epoch 3", "There is no option --epoch, did you mean --epochs?"),
        ("train --generator.filter=3", "no option --generator.filter, did you mean --generator.filters"),
        ("sample -x", "There is no option -x."),
        ("train faces", "'faces' is one argument too many."),
        ("train --epochs x", "--epochs must be a whole number. Received: 'x'."),
        ("train --count=x", "--count must be a whole number. Received: 'x'."),
        ("train --learning_rate 1e", "--learning-rate must be a number. Received: '1e'."),
        ("study losses --seeds 1 x --data faces", "--seeds must be whole numbers. Received: '1 x'."),
        ("explain --only films", "--only must be one of gradcam, guided, checks, filters, features, memory, removal."),
        ("train --epochs", "--epochs needs a value."),
        ("publish last", "NAME must be given."),
    ],
)
def test_options_that_cannot_be_are_answered_in_one_sentence(capsys, monkeypatch, tmp_path, arguments, sentence):
    monkeypatch.setenv("DCGAN_RUNS_DIR", str(tmp_path))
    code, out, err = said(capsys, *arguments.split())
    assert code == 2 and out == "" and err.count("\n") == 1
    assert err.startswith("dcgan: ") and sentence in err
    assert err.endswith(f"`./dcgan {arguments.split()[0]} --help` explains all options.\n")


def help_of(capsys, *command) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_says_no_empty_defaults_and_names_its_sources_in_words(capsys, monkeypatch, tmp_path, command):
    monkeypatch.setenv("DCGAN_RUNS_DIR", str(tmp_path))
    text = " ".join(re.sub("[│|]", " ", help_of(capsys, command)).split())
    assert "usage: ./dcgan" in text and not re.search(r"\(default: (None)?\)|\b(P|PC|R|L|A|O) (§|Fig)", text)


def test_help_of_train_begins_with_the_fifteen_options_that_matter_most(capsys):
    text = help_of(capsys, "train")
    listed = re.findall(r"^\W? {1,2}--(\w[\w.-]+)", text, re.MULTILINE)
    first = "preset data count image-size minutes updates epochs batch-size learning-rate width seed precision dry-run"
    assert listed[:15] == [*first.split(), "runs-dir", "data-dir"]
    assert {"dedup", "beta-1", "checkpoint-seconds", "generator.filters", "discriminator.dropout"} <= set(listed[15:])
    assert "Train a DCGAN in a new run folder." in text and len(listed) == len(set(listed))


def test_bash_completes_commands_options_and_choices(capsys):
    with pytest.raises(SystemExit):
        cli.main(["completion", "bash"])
    script = capsys.readouterr().out
    expected = {"tr": "train", "resume --ep": "--epochs", "train --preset report": "report32 report64"}
    for typed, completed in expected.items():
        words = ["./dcgan", *typed.split()]
        ask = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _tyro_dcgan; echo ${{COMPREPLY[@]}}"
        answer = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True)
        assert answer.stdout.split() == completed.split(), answer.stderr
    with pytest.raises(SystemExit):
        cli.main(["completion", "zsh"])
    assert capsys.readouterr().out.startswith("#compdef dcgan\n")


def test_sample_draws_a_grid_and_the_same_pictures_as_single_files(capsys, run, tmp_path):
    assert said(capsys, "sample", run.folder, "-n", 5, "--seed", 3, "--out", tmp_path / "grid.png")[0] == 0
    assert (
        said(capsys, "sample", run.folder, "-n", 5, "--seed", 3, "--as", "files", "--out", tmp_path / "files")[0] == 0
    )
    files = sorted((tmp_path / "files").iterdir())
    assert [f.name for f in files] == [*(f"{i:04d}.png" for i in range(5)), "samples.json"]
    sheet = np.asarray(Image.open(tmp_path / "grid.png"))
    first = np.asarray(Image.open(files[0]))
    assert first.shape == (32, 32, 3)
    np.testing.assert_array_equal(sheet[2:66:2, 2:66:2], first)
    # a model's file draws what its run draws
    assert said(capsys, "sample", run.model("generator"), "-n", 5, "--seed", 3, "--out", tmp_path / "b.png")[0] == 0
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "grid.png").read_bytes()


def test_what_is_written_here_is_named_after_its_model_and_replaces_nothing_without_a_word(
    capsys, run, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert said(capsys, "sample", "cifar10", "-n", 4)[1] == "cifar10-4-seed-0.png\n"
    assert said(capsys, "sample", "house_numbers", "-n", 4)[1] == "house_numbers-4-seed-0.png\n"
    again = said(capsys, "sample", "house_numbers", "-n", 4)[1]
    assert again == "house_numbers-4-seed-0.png (replaces what was there)\n"
    own = said(capsys, "sample", run.model("generator"), "-n", 4)[1]
    assert own == f"{run.folder.parent.name}-{run.folder.name}-4-seed-0.png\n"
    assert said(capsys, "film", run.folder, "--out", ".")[1].count("replaces") == 0
    assert said(capsys, "film", run.folder, "--out", ".")[1].count("replaces") == 3
    code, _, err = said(capsys, "publish", run.folder, "faces")
    assert code == 2 and "There is a model faces already" in err


def test_studies_are_listed_without_training(capsys):
    code, out, _ = said(capsys, "study", "--list", "--json")
    assert code == 0 and [row["study"] for row in json.loads(out)["rows"]] == list(STUDIES)
    code, out, err = said(capsys, "study")
    assert code == 2 and out == "" and "Choose from batch_normalisation, amount_of_data, report_amounts, losses" in err


@pytest.mark.parametrize("study", STUDIES)
def test_arms_are_not_listed_of_images_that_are_not_there(capsys, study):
    code, out, err = said(capsys, "study", study, "--list", "--data", "nowhere")
    assert code == 2 and out == "" and "There is no dataset 'nowhere': choose one of faces" in err


def test_evaluate_on_few_pictures_names_a_number_of_samples_that_works(capsys, run, tmp_path):
    np.savez(tmp_path / "few.npz", images=np.random.default_rng(0).integers(0, 256, (201, 32, 32, 3), np.uint8))
    code, _, err = said(
        capsys, "evaluate", run.model("generator"), "--data", tmp_path / "few.npz", "--data-dir", tmp_path
    )
    assert code == 2 and "has 201: use --samples 100." in err


def test_sample_refuses_an_out_that_does_not_fit(capsys, run, tmp_path):
    code, _, err = said(capsys, "sample", run.folder, "--out", tmp_path)
    assert code == 2 and "--out must be the name of a .png file for a grid" in err
    code, _, err = said(capsys, "sample", run.folder, "-n", 0)
    assert code == 2 and "-n must be at least 1. Received: 0." in err


def test_what_has_no_value_at_the_last_update_is_left_out_of_json(capsys, run, tmp_path):
    run = Run(shutil.copytree(run.folder, tmp_path / run.folder.name))
    first, *rest = run.steps_file.read_text().splitlines()
    lines = [json.dumps(json.loads(first) | {"penalty_r1": 0.5}), *rest]  # as of a penalty whose turn comes rarely
    run.steps_file.write_text("".join(f"{line}\n" for line in lines))

    def refused(constant):
        raise AssertionError(constant)

    code, out, _ = said(capsys, "show", run.folder, "--json")
    last = json.loads(out, parse_constant=refused)["last_update"]
    assert code == 0 and "loss_true" in last and "penalty_r1" not in last


def test_show_tells_settings_and_figures_as_recorded(capsys, run):
    code, out, _ = said(capsys, "show", run.folder, "--json")
    record = json.loads(out)
    assert code == 0 and record["updates"] == 2 and record["finished"] is True
    assert record["last_epoch"] == run.epochs()[-1]
    code, out, _ = said(capsys, "show", run.folder)
    assert "epoch 1 of 1, update 2, finished" in out and "model.width=0.0625" in out
    lines = dict(line.split(maxsplit=1) for line in out.splitlines()[1:6] if line)
    assert lines["preset"].startswith("report32, with ") and lines["command"] == command_for(run.experiment)


def test_show_says_how_to_go_on_unless_a_process_is_at_it(capsys, run, tmp_path):
    other = Run(shutil.copytree(run.folder, tmp_path / "runs" / "noise" / "0001-report32"))
    other.save_experiment(replace(run.experiment, epochs=2))
    other.save_state(State("running"))
    assert f"killed; go on with ./dcgan resume {other.folder}\n" in said(capsys, "show", other.folder)[1]
    with other.locked():
        assert said(capsys, "show", other.folder)[1].count("update 2 (saved: 0), running\n") == 1
    other.save_experiment(run.experiment)  # of one that was killed behind its last summary
    other.save_state(State("running", epoch=1, update=2))
    assert f"go on with ./dcgan resume {other.folder}\n" in said(capsys, "show", other.folder)[1]
    assert json.loads(said(capsys, "show", other.folder, "--json")[1])["finished"] is False


def test_show_tells_the_epoch_that_a_run_was_stopped_in_however_long_ago_its_last_summary_was(capsys, run, tmp_path):
    other = Run(shutil.copytree(run.folder, tmp_path / "runs" / "noise" / "0001-report32"))
    other.save_experiment(replace(run.experiment, epochs=20, summary_epochs=10))
    first, last = (json.loads(line) for line in other.steps_file.read_text().splitlines())
    steps = [first | {"update": update} for update in range(1, 19)] + [last | {"update": 19}]
    other.steps_file.write_text("".join(f"{json.dumps(row)}\n" for row in steps))
    other.epochs_file.write_text(json.dumps(other.epochs()[0]) + "\n")  # of the beginning
    other.save_state(State("stopped", update=19, epoch=9, why="by signal 2"))
    assert "stands    at epoch 9 of 20, update 19, stopped (by signal 2)" in said(capsys, "show", other.folder)[1]


def test_show_tells_the_card_of_a_model_with_a_name(capsys):
    card = pretrained.find("faces").card
    code, out, _ = said(capsys, "show", "faces", "--json")
    assert code == 0 and json.loads(out) == card
    code, out, _ = said(capsys, "show", "faces")
    assert code == 0 and out.startswith(f"{pretrained.find('faces').folder}\n\nname: faces\n")
    assert "command   ./dcgan train --preset quick --count 20000 --epochs 12\n" in out
    assert "needs a GPU, or a processor with bfloat16" in said(capsys, "show", "cifar10")[1]
    assert f"updates: {card['updates']}\n" in out and card["terms of the data"] in out
    assert f"with 95% interval: {card['distance']['kernel']['value']:.4f} (" in out
    assert f"between true images: {card['distance']['floor']['kernel']['value']:.4f} (" in out


def test_a_place_that_cannot_be_written_to_is_named_in_one_sentence(capsys, run, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = said(capsys, "sample", run.folder, "--out", tmp_path / "file" / "grid.png")
    assert code == 2 and err.count("\n") == 1 and str(tmp_path / "file") in err


def test_resume_shows_the_settings_of_the_run_and_help_without_one(capsys, run, tmp_path):
    for folder, width in ((run.folder.parents[1], "0.0625"), (tmp_path, "0.5")):
        with pytest.raises(SystemExit) as end:
            cli.main(["resume", "--help", "--runs-dir", str(folder)])
        text = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert end.value.code == 0 and f"four times as cheap. (default: {width})" in text


def test_resume_takes_the_settings_of_the_run_it_names_wherever_the_name_stands(capsys, run):
    for options in ([run.folder, "--width", 2.0], ["--width", 2.0, run.folder]):
        code, _, err = said(capsys, "resume", *options)
        assert code == 2 and "model.width: 0.0625 in the run, 2.0 asked for" in err


def test_many_more_epochs_get_fewer_summaries_unless_told_otherwise(run):
    def every(*options: str) -> int:
        return Resume.default([str(run.folder), *options]).settings.training.summary_epochs

    assert every() == every("--epochs", "50") == 1 and every("--epochs", "4000") == every("--epochs=4000") == 80
    options = [str(run.folder), "--epochs", "4000", "--summary-epochs", "7"]
    assert read(Resume, options, "resume", Resume.default(options)).settings.training.summary_epochs == 7


def test_summaries_of_a_run_are_counted_in_what_it_is_counted_in(capsys, run):
    code, _, err = said(capsys, "resume", run.folder, "--epochs", 2, "--summary-updates", 7)
    assert code == 2 and "counts epochs: say with --summary-epochs how many" in err and err.count("\n") == 1
    assert run.is_finished


@pytest.mark.parametrize("options", [["--averaging", "0.5"], ["--averaging=0.5"], ["--ema-decay", "0.5"]])
def test_an_option_is_known_by_its_earlier_name_too(capsys, run, options):
    code, _, err = said(capsys, "resume", run.folder, *options)
    assert code == 2 and "training.ema_decay: 0.0 in the run, 0.5 asked for" in err


@pytest.mark.parametrize(
    ("before", "today"),
    [
        (["--batch-norm", "moving", "--seed", "1"], ["--batch-norm", "on", "--statistics", "moving", "--seed", "1"]),
        (["--batch-norm=batch"], ["--batch-norm", "on", "--statistics", "batch"]),
        (["--batch_norm", "off"], ["--batch-norm", "off"]),
        (["--generator-loss=saturating"], ["--loss=saturating"]),
        (["--averaging", "0.9"], ["--ema-decay", "0.9"]),
        (["--augment", "colour,cutout", "--data", "a,b"], ["--augment", "colour", "cutout", "--data", "a,b"]),
        (["--augment=translation"], ["--augment", "translation"]),
        (["--augment", "colour", "cutout,noise", "-x", "a,b"], ["--augment", "colour", "cutout", "noise", "-x", "a,b"]),
        (["--augment=colour,", "cutout", "--seed", "1,2"], ["--augment", "colour", "cutout", "--seed", "1,2"]),
    ],
)
def test_options_by_the_names_of_any_version_become_todays(before, today):
    assert todays(before) == today


def test_film_and_curves_are_made_anew_from_what_the_folder_holds(capsys, run, tmp_path):
    before = {file: file.read_bytes() for file in (run.film, run.losses_plot)}
    code, out, _ = said(capsys, "film", run.folder, "--out", tmp_path, "--fps", 2)
    made = [tmp_path / name for name in ("training.mp4", "training.gif", "losses.png")]
    assert code == 0 and out.splitlines() == list(map(str, made)) and {*tmp_path.iterdir()} == {*made}
    assert made[2].read_bytes() == before[run.losses_plot]
    frames, slower = (imageio.mimread(file, memtest=False) for file in (run.film, made[0]))
    assert (len(frames), len(slower)) == (2 + 8, 2 + 4)  # the last one stays for two seconds
    assert all(np.abs(a.astype(int) - b).mean() < 4 for a, b in zip(frames, slower))
    assert {file: file.read_bytes() for file in before} == before


def test_frames_of_a_narrow_film_tell_their_number_whatever_the_pictures_are_called(run, tmp_path, monkeypatch):
    copied = Run(shutil.copytree(run.folder, tmp_path / "run"))
    copied.save_experiment(replace(run.experiment, name=str(tmp_path / "img_align_celeba_cropped_2023_faces")))
    for n in runs.filmed(copied):
        write_png(copied.grid(n), np.full((64, 330, 3), 128, np.uint8))  # as wide as a grid of few small pictures
    written = []
    monkeypatch.setattr(runs.viz, "write_film", lambda file, frames, fps: written.append([*frames]))
    runs.draw_film(copied)
    for frames in written:
        assert len({frame.tobytes() for frame in frames}) == len(frames) > 1  # by their numbers alone


def test_presets_as_json_has_the_golden_counts(capsys):
    code, out, _ = said(capsys, "presets", "--json")
    rows = {row["preset"]: row for row in json.loads(out)}
    counts = {name: (row["generator"], row["discriminator"]) for name, row in rows.items()}
    assert code == 0 and counts["report32"] == (1_466_115, 522_497) and counts["lab32"][1] == 627_713
    encoders = {name: row["encoder"] for name, row in rows.items() if row["encoder"]}
    assert encoders == {"regularised64": encoder_parameters(preset("regularised64").model)}


def test_datasets_tells_what_is_missing_and_how_to_get_it(capsys, tmp_path):
    code, out, _ = said(capsys, "datasets", "--json", "--data-dir", tmp_path)
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0 and rows["faces"]["present"] is True
    assert rows["cifar10"]["present"] is False and rows["faces"]["script"] is None
    assert rows["cifar10"]["script"] == f"bash data_scripts/get_cifar10.sh --data-dir {tmp_path}"
    out = said(capsys, "datasets", "--data-dir", tmp_path)[1]
    assert f"missing; to get it:\n{' ' * 15}bash data_scripts/get_cifar10.sh --data-dir {tmp_path}\n" in out


def test_a_dry_run_prints_the_resolved_experiment_and_costs_and_writes_nothing(capsys, tmp_path):
    places = ["--runs-dir", tmp_path / "runs", "--data-dir", tmp_path / "data"]
    settings = ["--count", 640, "--batch-size", 8, "--epochs", 3, "--width", 0.1]
    code, out, err = said(capsys, "train", *settings, "--dry-run", "--json", *places)
    assert code == 0, err
    record = json.loads(out)
    assert record["experiment"]["training"]["epochs"] == 3 and record["experiment"]["model"]["width"] == 0.1
    costs = record["estimate"]
    assert (costs["images"], costs["updates_per_epoch"], costs["updates"]) == (640, 80, 240)
    # An update of 8 images takes as long as the speed says, and summaries take a tenth of the time
    assert costs["seconds"] == pytest.approx(240 * 8 / costs["images_per_second"] / 0.9)
    assert costs["processors"] == os.cpu_count() and record["choice"] == {"minutes": None, "trial": None, "why": {}}
    assert shlex.split(record["command"])[-6:-2] == ["--batch-size", "8", "--epochs", "3"]
    assert costs["memory_bytes"] > costs["state_bytes"] > 0
    assert not list(tmp_path.iterdir())


def test_a_dry_run_by_workers_asks_for_them_as_the_training_would(capsys, monkeypatch):
    for variable in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(variable, raising=False)
    code, out, err = said(capsys, "train", "--strategy", "workers", "--dry-run")
    assert code == 2 and out == "" and "TF_CONFIG" in err and "launch" in err


def test_a_dry_run_says_the_useful_lines_first_and_how_many_images_there_may_be(capsys, tmp_path, pictures, speed):
    speed(0.05)
    options = ["--data", pictures, "--image-size", 28, "--width", 0.05, "--dry-run"]
    options += ["--data-dir", tmp_path / "data"]
    code, out, _ = said(capsys, "train", *options)
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == [
        "Size", "Networks", "Augment", "Length", "Expect",
        "What", "Images", "Memory", "Disk", "Command", "Nothing",
    ]  # fmt: skip
    assert "Augment   colour, translation: up to 71 images are few (below 5,000)\n" in out
    assert re.search(r"\nImages    up to 71; [\d,]+ updates of 32 images, 2 an epoch\n", out)
    assert said(capsys, "datasets", pictures, "--show", "--size", 28, "--data-dir", tmp_path / "data")[1].startswith(
        "pictures: 70 "
    )
    certain = said(capsys, "train", *options, "--epochs", 9)[1]
    assert (
        "Images    70; 18 updates of 32 images = 9 epochs of 2\nTime      about " in certain and "Length" not in certain
    )
    assert "Note: 9 updates are too few" in said(capsys, "train", *options, "--updates", 9)[1]
    large = said(capsys, "train", *options, "--image-size", 32, "--epochs", 9)[1]
    assert large.startswith("Note: 100% of the pictures are smaller than 32x32 and will be left out; --small enlarge")
    code, _, err = said(capsys, "train", *options, "--count", 72)  # as without --dry-run
    assert code == 2 and "count must be at most the 71 images of pictures. Received: 72." in err


@pytest.fixture
def pictures(tmp_path):
    """70 small grey PNG files, as sets of handwritten digits have them, and one that is broken."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(70):
        Image.fromarray(random.integers(0, 256, (28, 28), np.uint8)).save(folder / f"{number}.png")
    (folder / "broken.png").write_text("no picture")
    return folder


def resolved(*options):
    """The experiment that the options of `train` stand for; what has to be measured is not."""
    return read(Train, list(options), "train", Train.default(list(options)))._choose().experiment


@pytest.fixture
def speed(monkeypatch):
    """Machines whose speed is known: speed(seconds) sets what an update of 64x64 pixels takes, speed(seconds, wide) how
    many times as long one of wider networks, too; gives what was tried."""
    tried = []

    def set_to(seconds, wide=1):
        def try_updates(experiment, *_):
            tried.append(experiment)
            wider = wide if experiment.model.width == 1 or experiment.training.r1 else 1
            each = wider * seconds * (experiment.model.image_size / 64) ** 2
            return choice.Trial(each, 5, "a machine", 0.0, 2, 1, 1, 1)

        monkeypatch.setattr(estimate, "try_updates", try_updates)
        return tried

    return set_to


def own_pictures(folder, count, sides):
    """Grey pictures, of each of the sides in turn."""
    folder.mkdir()
    for number in range(count):
        side = sides[number % len(sides)]
        Image.new("L", (side, side + 9), number % 256).save(folder / f"{number:03}.png")
    return folder


def test_minutes_become_a_number_of_updates_that_the_same_command_repeats_without_a_clock(tmp_path, speed):
    pets = str(own_pictures(tmp_path / "pets", 100, [64, 90]))
    tried = speed(0.25)
    chosen = resolved("--data", pets)
    assert chosen.preset == "quick64" and chosen.training.updates == 4_300  # 20 min, a tenth for summaries: 4,320
    assert chosen.training.augment == ("colour", "translation") and chosen.training.batch_size == 16
    assert tried == [replace(chosen, updates=2_000, summary_updates=100)]  # once, for the size and for the length
    speed(0.5)
    assert resolved("--data", pets, "--minutes", "5").training.updates == 540
    del tried[:]
    shown = shlex.split(command_for(chosen))[2:]
    assert "--minutes" not in shown and resolved(*shown) == chosen and not tried


@pytest.mark.parametrize(
    ("sides", "seconds", "options", "size"),
    [
        ([200], 0.25, "", 64),  # at 128 it would be 1,000 updates
        ([200], 0.25, "--minutes 90", 128),
        ([200], 0.02, "", 128),  # a GPU
        ([200] * 9 + [100], 0.02, "", 128),  # a tenth may be too small
        ([200] * 8 + [100] * 2, 0.02, "", 64),
        ([100], 9.0, "", 32),  # 120 updates of 64 pixels
        ([40], 0.25, "", 32),
        ([40, 40, 30], 0.25, "", 32),
        ([30, 30, 40], 0.25, "", 28),
        ([28], 0.25, "", 28),
        ([28], 0.25, "--small enlarge", 32),
        ([200], 0.25, "--image-size 96", 96),
        ([200], 0.25, "--updates 50", 64),  # without knowing the time
    ],
)
def test_the_size_is_the_largest_that_the_pictures_and_the_time_allow(tmp_path, speed, sides, seconds, options, size):
    speed(seconds)
    pets = own_pictures(tmp_path / "pets", 40, sides)
    chosen = resolved("--data", str(pets), *options.split())
    assert chosen.model.image_size == size and chosen.preset == ("quick64" if size > 32 else "quick32")
    assert chosen.training.batch_size == (16 if size > 32 else 32)  # of 40 pictures


def test_much_time_is_spent_on_a_wider_discriminator_unless_options_say_otherwise(tmp_path, speed, capsys):
    pictures = tmp_path / "faces.npz"
    np.savez(pictures, images=np.zeros((2_000, 64, 64, 3), np.uint8))
    tried = speed(0.03)
    filters, penalty = {"discriminator": {"filters": (96, 192, 384, 768)}}, {"r1": 0.2, "penalty_every": 16}
    wide = {**filters, "discriminator_learning_rate": 4e-4 / 1.5, **penalty}

    def rates(*options):
        training = resolved("--data", str(pictures), *options).training
        assert bool(training.r1) == (training.discriminator_learning_rate == 4e-4 / 1.5)
        return training.learning_rate, training.discriminator_learning_rate

    chosen = resolved("--data", str(pictures))
    assert chosen.model == replace(preset("quick64"), **wide).model and rates() == (4e-4, 4e-4 / 1.5)
    assert (chosen.training.r1, chosen.training.penalty_every) == (0.2, 16)
    assert chosen.training.updates == 31_250  # 250 times the images; in the time 36,000
    assert [experiment.model.discriminator.filters[0] for experiment in tried[:2]] == [64, 96]
    assert resolved(*shlex.split(command_for(chosen))[2:]) == chosen
    for narrow in (["--minutes", "8"], ["--updates", "99999"], ["--preset", "quick64"]):  # 8 minutes are 14,000
        assert rates(*narrow) == (4e-4, None)
    # Who says how wide networks are, or how large steps, has said it: these belong together.
    assert resolved("--data", str(pictures), "--width", "0.125").model == replace(preset("quick64"), width=0.125).model
    assert rates("--width", "0.25") == rates("--generator.filters", "512", "256", "128") == (4e-4, None)
    assert rates("--learning-rate", "3e-4") == (3e-4, None)
    assert rates("--discriminator-learning-rate", "1e-4") == (4e-4, 1e-4)
    assert rates("--loss", "hinge") == (4e-4, None)
    for options in (["--r1", "1"], ["--r1", "1", "--penalty-every", "8"], ["--r2", "1"], ["--r1", "0"]):
        narrow = resolved("--data", str(pictures), "--preset", "quick64", *options)
        assert resolved("--data", str(pictures), *options).training.r1 == narrow.training.r1
        assert resolved("--data", str(pictures), *options).training.penalty_every == narrow.training.penalty_every
    assert rates("--discriminator.dropout", "0.2") == rates("--beta-1", "0.4") == (4e-4, 4e-4 / 1.5)
    first = resolved("--minutes", "20")  # of the first command's faces
    assert first == replace(preset("quick64"), **wide, updates=36_000, summary_updates=720)
    for options in (["--preset", "quick64"], ["--count", "999"]):
        assert resolved("--minutes", "20", *options).model == resolved(*options).model
    for options in (["--data", pictures], ["--minutes", "20"]):
        told = said(capsys, "train", *options, "--dry-run")[1]
        assert (
            "16 images an update, but its discriminator is 1.5 times as wide, with a learning rate as much smaller, "
            "and held back by R1 (--width 0.25 leaves all three): from 15,000 updates on" in told
        )
    told = said(capsys, "train", "--data", pictures, "--dry-run")[1]
    assert "give worse samples (notebook 06); 20 minutes are --updates 36000 in the command below\n" in told
    below = re.search(r"^Command +\./dcgan train (.*--updates) 31250\b(.*)", told, re.MULTILINE)
    more = resolved(*shlex.split(f"{below[1]} 36000{below[2]}"))
    # Of the networks that were timed.
    assert more == replace(chosen, updates=36_000, summary_updates=more.training.summary_updates)


def test_an_hour_at_32_pixels_trains_both_networks_twice_as_wide(tmp_path, speed, capsys):
    pictures = tmp_path / "things.npz"
    np.savez(pictures, images=np.zeros((9_000, 32, 32, 3), np.uint8))
    speed(0.2)  # at 64 pixels: an hour is some 65,000 updates at 32
    hour = ["--data", str(pictures), "--minutes", "60"]
    chosen = resolved(*hour)
    assert chosen.model == replace(preset("quick32"), width=1.0).model
    assert replace(chosen, width=0.5).model == resolved(*hour, "--width", "0.5").model == preset("quick32").model
    assert chosen.training.learning_rate == 4e-4 and chosen.training.discriminator_learning_rate is None
    assert resolved(*shlex.split(command_for(chosen))[2:]) == chosen
    assert resolved(*hour[:-1], "40").model == preset("quick32").model
    speed(0.2, wide=3)
    assert resolved(*hour).model == chosen.model and 20_000 <= resolved(*hour).training.updates < 24_000
    speed(0.2, wide=5)  # too few of its own
    assert resolved(*hour).model == preset("quick32").model and resolved(*hour).training.updates > 60_000
    faces = ["--data", "faces", "--count", "2000", "--minutes", "20"]
    speed(0.06, wide=1.5)
    assert resolved(*faces).training.r1 == 0.2
    speed(0.06, wide=2)
    assert resolved(*faces).model == preset("quick64").model and not resolved(*faces).training.r1
    told = said(capsys, "train", *hour, "--dry-run")[1]
    assert (
        "32 images an update, but both networks are twice as wide (--width 0.5 leaves them as they are): from 60,000 "
        "updates on, as many minutes give pictures that are as near or nearer" in told
    )


def test_the_printed_command_trains_a_wider_discriminator_at_any_size_and_what_to_expect_is_measured_up_to_64(
    tmp_path, speed, capsys
):
    pictures = tmp_path / "faces.npz"
    np.savez(pictures, images=np.zeros((2_000, 96, 96, 3), np.uint8))
    speed(0.01)
    chosen = resolved("--data", str(pictures), "--image-size", "96")
    assert chosen.model.discriminator.filters == (96, 192, 384, 768) and chosen.model.generator.start == 6
    assert resolved(*shlex.split(command_for(chosen))[2:]) == chosen
    for size, measured in (("96", False), ("64", True)):
        told = said(capsys, "train", "--data", pictures, "--image-size", size, "--dry-run")[1]
        assert re.search(r"^Expect +clear pictures", told, re.MULTILINE)
        assert ("by what was measured at 64x64 pixels and below" in told) is not measured


def test_few_images_are_not_gone_through_until_samples_get_worse(tmp_path, speed, capsys):
    np.savez(tmp_path / "faces.npz", images=np.zeros((1100, 64, 64, 3), np.uint8))
    speed(0.02)
    options = ["--data", str(tmp_path / "faces.npz")]
    assert resolved(*options).training.updates == 250 * (1100 // 16)
    assert resolved(*options, "--updates", "9999").training.updates == 9999
    assert resolved(*options, "--augment", "colour").training.updates == 54_000  # nobody knows that of these
    assert resolved(*options, "--minutes", "0.5").training.updates == 1300  # before it comes to that
    told = said(capsys, "train", *options, "--dry-run")[1]
    assert "Gone through more than 250 times, so few images" in told and "20 minutes are --updates 54000 in " in told


def test_of_few_images_the_search_for_copies_is_advised_with_what_it_takes(tmp_path, speed, capsys):
    from utils.explain.memory import LEAST_HELD_OUT

    speed(0.02)
    pets = str(own_pictures(tmp_path / "pets", 100, [64]))
    told = " ".join(said(capsys, "train", "--data", pets, "--dry-run")[1].split())
    page = " ".join((PROJECT / "README.md").read_text().replace("`", "").split())
    place = "put into FOLDER/test and the others into FOLDER/train, or are beyond --count, and it is trained anew, "
    place += "./dcgan explain last --only memory looks for"
    assert "of so few images some may be repeated" in told and "FOLDER/test" not in told  # there are not so many
    more = str(own_pictures(tmp_path / "more", LEAST_HELD_OUT + 32, [64]))
    told = " ".join(said(capsys, "train", "--data", more, "--dry-run")[1].split())
    assert f"once {LEAST_HELD_OUT} of them are {place}" in told
    assert f"once {LEAST_HELD_OUT} of the pictures are {place}" in page


def test_what_was_chosen_goes_back_when_samples_collapse_where_it_can(tmp_path, speed, monkeypatch):
    pets = str(own_pictures(tmp_path / "pets", 100, [64]))
    speed(1.0)

    def on_collapse(*options: str) -> str:
        return resolved("--data", pets, *options).training.on_collapse

    assert on_collapse() == on_collapse("--width", "0.1") == "rollback"
    assert on_collapse("--on-collapse", "warn") == "warn"
    assert on_collapse("--watch-updates", "0") == on_collapse("--watch-updates=0") == "warn"  # nothing would be seen
    assert on_collapse("--watch-updates", "25") == on_collapse("--watch-updates", "50") == "rollback"
    assert on_collapse("--preset", "quick64") == "warn"  # as it was made
    monkeypatch.setenv(
        "TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}})
    )
    assert on_collapse("--strategy", "workers", "--updates", "9") == "warn"  # several workers cannot


def test_every_choice_gives_way_to_its_option_and_a_preset_is_taken_as_it_is(tmp_path, speed):
    pets = str(own_pictures(tmp_path / "pets", 100, [64]))
    speed(1.0)
    asked = resolved("--data", pets, "--image-size", "32", "--batch-size=16", "--width", "0.1", "--augment", "cutout")
    assert (asked.model.image_size, asked.training.batch_size, asked.model.width) == (32, 16, 0.1)
    assert asked.training.augment == ("cutout",) and resolved("--data", pets, "--augment").training.augment == ()
    assert resolved("--data", pets, "--updates", "41").training.updates == 41
    assert resolved("--data", pets, "--epochs", "3").training.updates is None
    report = resolved("--data", pets, "--preset", "report64", "--batch-size", "64")
    assert report == replace(preset("report64"), name=pets, batch_size=64, updates=FEW_UPDATES)  # 500 times each
    assert resolved(*shlex.split(command_for(report))[2:]) == report
    for options in ([], ["--data", "faces"], ["--preset", "report32"]):  # as they were made
        assert resolved(*options) in (preset("quick64"), preset("report32"))
    assert resolved("--minutes", "2").training.updates == 100
    assert resolved("--image-size", "48").preset == "quick64" and resolved("--image-size=28").preset == "quick32"
    large = resolved("--image-size", "64", "--image-size=128").model
    assert (large.image_size, large.width, large.generator.start) == (128, 0.25, 4)
    assert resolved("--preset", "report32", "--image-size", "64").model == preset("report64").model


def test_options_of_the_networks_leave_the_other_choices_alone(tmp_path, speed):
    """Each of them, typed as it is anyway, changes nothing; what it changes is all that changes."""
    speed(1.0)
    few, small = (str(own_pictures(tmp_path / str(side), 12, [side])) for side in (64, 40))
    chosen = resolved("--data", few)
    assert chosen.training.augment == ("colour", "translation") and chosen.training.batch_size == 8
    for network in ("generator", "discriminator"):
        for name, value in vars(getattr(chosen.model, network)).items():
            if isinstance(value, bool):
                option = [f"--{network}.{'' if value else 'no-'}{name.replace('_', '-')}"]
            else:
                values = map(str, value if isinstance(value, tuple) else (value,))
                option = [f"--{network}.{name.replace('_', '-')}", *values]
            assert resolved("--data", few, *option) == chosen, option
    for pictures in (few, small):
        dropped = resolved("--data", pictures, "--discriminator.dropout", "0.2")
        assert dropped == replace(resolved("--data", pictures), discriminator={"dropout": 0.2})
    length = ["--data", few, "--updates", "99"]
    chosen, own = resolved(*length), resolved(*length, "--generator.start", "3", "--width", "0.1", "--image-size=48")
    assert (own.model.generator.start, own.model.width, own.model.image_size) == (3, 0.1, 48)
    assert own.training == chosen.training
    blocks = ["--generator.start", "8", "--generator.filters", "9", "8", "--generator.strides", "2", "2"]
    assert resolved(*length, *blocks).training == chosen.training


@pytest.mark.parametrize(
    ("options", "size", "augment"),
    [
        ("", "the pictures are", "few"),
        ("--discriminator.dropout 0.2", "the pictures are", "few"),
        ("--generator.start 4", "as asked for", "few"),
        ("--image-size 64", "as asked for", "few"),
        ("--augment noise", "the pictures are", "as asked for"),
        ("--augment", "the pictures are", "as asked for"),
        ("--augment=cutout --generator.kernel=4", "the pictures are", "as asked for"),
    ],
)
def test_only_what_was_asked_for_is_said_to_be(capsys, tmp_path, speed, options, size, augment):
    speed(0.02)
    pets = own_pictures(tmp_path / "pets", 40, [200])
    told = said(capsys, "train", "--data", pets, *options.split(), "--dry-run", "--data-dir", tmp_path / "data")[1]
    lines = dict(line.split(maxsplit=1) for line in told.splitlines() if " " in line)
    for name, reason, other in (("Size", size, "as asked for"), ("Augment", augment, "as asked for")):
        assert reason in lines[name] and (reason == other) == (other in lines[name])


@pytest.mark.parametrize(
    "options",
    [
        "",
        "--count 10",
        "--count 10 --updates 9",
        "--count 10 --discriminator.dropout 0.2",
        "--count 10 --image-size 32 --generator.start 2",
        "--count 5",
        "--count 10 --batch-size 16",
        "--conditions labels",
        "--conditions labels --updates 9",
    ],
)
def test_a_training_is_of_what_its_dry_run_shows_or_refused_with_the_same_sentence(
    capsys, tmp_path, speed, monkeypatch, options
):
    speed(0.25)
    trained = []
    monkeypatch.setattr("utils.training.train", lambda experiment, **_: trained.append(experiment))
    pets = own_pictures(tmp_path / "pets", 40, [64])
    asked = ["train", "--data", pets, *options.split(), "--data-dir", tmp_path / "data", "--runs-dir", tmp_path]
    code, _, err = said(capsys, *asked)
    of_dry_run = said(capsys, *asked, "--dry-run", "--json")
    assert code == of_dry_run[0]
    if code:
        assert code == 2 and err == of_dry_run[2] and err.count("\n") == 1 and not trained
    else:
        assert trained == [config.from_dict(json.loads(of_dry_run[1])["experiment"])]


def test_what_is_chosen_is_chosen_anew_where_fewer_images_can_be_used_than_there_seemed_to_be(
    capsys, tmp_path, speed, monkeypatch
):
    speed(0.02)
    trained, random = [], np.random.default_rng(0)
    monkeypatch.setattr("utils.training.train", lambda experiment, **_: trained.append(experiment))
    distinct = random.integers(0, 256, (60, 64, 64, 3), np.uint8)
    np.savez(tmp_path / "frames.npz", images=distinct[np.arange(1500) % 60])
    asked = ["train", "--data", tmp_path / "frames.npz", "--data-dir", tmp_path / "data", "--runs-dir", tmp_path]
    code, out, _ = said(capsys, *asked, "--dedup", "exact")
    assert code == 0 and "60 images are left to train on, so it is chosen anew" in out and "asked for" not in out
    (chosen,) = trained
    assert chosen.training.augment == ("colour", "translation") and not chosen.training.r1
    typed = re.findall(r"^Command +(.*)", out, re.M)
    assert len(typed) == 1 and "--augment" in typed[0]
    code, out, _ = said(capsys, *asked)  # nothing is left out: nothing is chosen anew
    assert code == 0 and "anew" not in out and trained[1].training.r1


def test_a_file_in_place_of_the_folder_of_runs_is_refused_before_anything_is_timed(tmp_path, speed, capsys):
    tried, pets = speed(0.25), own_pictures(tmp_path / "pets", 40, [64])
    (tmp_path / "file").touch()
    code, _, err = said(capsys, "train", "--data", pets, "--runs-dir", tmp_path / "file")
    assert code == 2 and "--runs-dir must be a folder" in err and not tried


def test_places_that_the_environment_tells_are_those_of_the_folder_where_it_was_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DCGAN_DATA_DIR", "d")
    monkeypatch.setenv("DCGAN_RUNS_DIR", "~/r")
    assert cli.main(["presets"]) == 0
    assert os.environ["DCGAN_DATA_DIR"] == str(tmp_path / "d")
    assert os.environ["DCGAN_RUNS_DIR"] == os.path.expanduser("~/r")


def test_the_load_of_a_machine_is_what_it_was_before_anything_was_timed(monkeypatch):
    estimate._load.cache_clear()
    loads = iter([(0.1, 0, 0), (2.0, 0, 0)])
    monkeypatch.setattr(os, "getloadavg", lambda: next(loads))
    assert estimate._load() == estimate._load()
    estimate._load.cache_clear()


def test_batches_are_made_to_fit_where_an_update_takes_several(tmp_path, speed, capsys):
    tried = speed(0.25)
    pets, steps = own_pictures(tmp_path / "pets", 70, [64]), ("--discriminator-steps", "5", "--no-shared-latents")
    assert resolved("--data", str(pets), *steps).training.batch_size == 8
    tried.clear()
    few = own_pictures(tmp_path / "few", 30, [64])
    code, _, err = said(capsys, "train", "--data", few, *steps, "--data-dir", tmp_path)
    assert code == 2 and "up to 30 images, fewer than one update takes: 8 (--batch-size), 5 times." in err
    assert not tried


def test_own_pictures_are_gone_through_no_more_often_with_a_preset_than_without(tmp_path, speed):
    speed(0.05)
    np.savez(tmp_path / "own.npz", images=np.random.default_rng(0).integers(0, 256, (300, 64, 64, 3), np.uint8))
    own = str(tmp_path / "own.npz")
    assert resolved("--preset", "quick64", "--data", own).training.updates == MOST_TIMES * (300 // 16)
    assert resolved("--preset", "quick64", "--data", own, "--augment", "translation").training.updates > 15_000


def test_the_command_that_is_printed_says_all_that_decides_the_bits(tmp_path, speed, capsys, monkeypatch):
    speed(0.05)
    pets = own_pictures(tmp_path / "pets", 100, [64])

    def typed(*options):
        out = said(capsys, "train", "--data", pets, *options, "--dry-run", "--json")[1]
        return json.loads(out)["command"]

    assert typed("--updates", 9, "--strategy", "mirrored").endswith(" --strategy mirrored")
    assert "--strategy" not in typed("--updates", 9) + typed("--minutes", 1)
    monkeypatch.setattr(runtime, "check_precision", lambda *_: None)
    bfloat16 = typed("--updates", 9, "--precision", "mixed_bfloat16", "--force-precision", "--data-dir", tmp_path)
    assert bfloat16.endswith(f" --data-dir {tmp_path} --force-precision")
    monkeypatch.setattr(runtime, "device", lambda: runtime.Device("GPU", "one of them", 2))
    assert typed("--minutes", 1).endswith(" --strategy one")  # updates were timed on one
    assert "--strategy" not in typed("--updates", 9)


def test_to_go_on_the_command_says_again_what_no_run_keeps(capsys, tmp_path, monkeypatch, run):
    def stopped(*_, **__):
        raise Interrupted(signal.SIGINT, run.folder, 5)

    monkeypatch.setattr("utils.training.resume", stopped)
    code, out, _ = said(capsys, "resume", run.folder, "--data-dir", tmp_path / "far", "--force-precision")
    assert code == 128 + signal.SIGINT
    assert out.splitlines()[-1].endswith(f" --data-dir {tmp_path}/far --force-precision")
    code, out, _ = said(capsys, "resume", run.folder)
    assert len(shlex.split(out.splitlines()[-1])) == 6  # Go on with: ./dcgan resume RUN


def test_too_few_pictures_and_a_folder_without_any_are_refused_before_anything_is_measured(capsys, tmp_path, speed):
    tried = speed(1.0)
    few = own_pictures(tmp_path / "few", 5, [64])
    code, out, err = said(capsys, "train", "--data", few, "--data-dir", tmp_path)
    assert code == 2 and out == "" and "There are up to 5 images, fewer than one update takes: 8" in err and not tried
    (tmp_path / "none").mkdir()
    code, _, err = said(capsys, "train", "--data", tmp_path / "none", "--data-dir", tmp_path)
    assert code == 2 and "holds no picture that can be read: it is empty" in err


def test_a_preset_refuses_too_few_own_pictures_and_a_recipe_that_is_none_before_anything_is_measured(
    capsys, tmp_path, speed
):
    tried, few = speed(1.0), own_pictures(tmp_path / "few", 5, [64])
    for dry in ((), ("--dry-run",)):
        code, out, err = said(capsys, "train", "--preset", "quick64", "--data", few, "--data-dir", tmp_path, *dry)
        assert code == 2 and out == "" and "up to 5 images, fewer than one update takes: 16 (--batch-size)." in err
    code, out, err = said(capsys, "train", "--recipe", "rotations", "--data-dir", tmp_path / "data")
    assert code == 2 and out == "" and "dcgan, regularised, rotation" in err and not (tmp_path / "data").exists()
    assert not tried


def test_runs_that_cannot_be_written_are_refused_with_the_option_that_says_where(capsys, tmp_path, monkeypatch):
    def full(path):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr("utils.cli.train.expect_writable", full)
    code, _, err = said(capsys, "train", "--runs-dir", tmp_path / "runs")
    assert code == 2
    assert err.endswith(f"written to {tmp_path}/runs: Read-only file system; choose another --runs-dir.\n")


def test_which_run_is_the_last_is_decided_once(tmp_path, run, monkeypatch):
    """Another training may write while TensorFlow starts."""
    one, other = (Run(shutil.copytree(run.folder, tmp_path / "faces" / name)) for name in ("0001-a", "0002-b"))
    other.save_state(dataclasses.replace(other.state, status="stopped"))
    options = ["last", "--runs-dir", str(tmp_path)]
    asked = read(Resume, options, "resume", Resume.default(options))
    one.save_state(dataclasses.replace(one.state, status="stopped"))
    assert Run.find("last", tmp_path).folder == one.folder
    taken = []
    monkeypatch.setattr("utils.training.resume", lambda run, **_: taken.append(run.folder) or run)
    monkeypatch.setattr("utils.cli.train._say_finished", lambda *_: None)
    asked.run()
    assert taken == [other.folder]


def test_digits_of_28_pixels_are_trained_on_and_the_end_says_what_is_next(capsys, tmp_path, pictures):
    options = ["--image-size", 28, "--updates", 3, "--width", 0.1, "--batch-size", 20, "--summary-samples", 8]
    places = ["--runs-dir", tmp_path / "my runs", "--data-dir", tmp_path / "data"]
    code, out, err = said(capsys, "train", "--data", pictures, *options, *places)
    assert code == 0, err
    run = Run.find("last", tmp_path / "my runs")
    assert run.experiment.model.generator.start == 7 and run.experiment.training.updates == 3
    assert run.steps()["update"].tolist() == [1, 2, 3] and [row["update"] for row in run.epochs()] == [0, 3]
    assert out.startswith("Size      28x28 pixels, as asked for\n")
    assert f"--updates 4000 --data-dir {tmp_path}/data  train on" in out
    assert "\nNote: 3 updates are too few" in out
    assert f"\nCommand   {command_for(run.experiment, '--data-dir', str(tmp_path / 'data'))}\n" in out
    assert f" --data-dir {tmp_path}/data\n" in out
    assert "Size      28x28 pixels, as asked for" in run.logged()
    assert f"./dcgan sample '{run.folder}' -n 100" in out
    assert "--image-size 64" not in out  # they are smaller
    for number in range(70):
        Image.new("RGB", (64, 64)).save(pictures / f"{number}.png")
    _say_finished(run, 1.0)
    assert f"./dcgan train --data {pictures} --image-size 64 " in capsys.readouterr().out
    moved = pictures.rename(tmp_path / "moved")
    _say_finished(run, 1.0)
    assert "--image-size 64" not in capsys.readouterr().out
    moved.rename(pictures)
    code, _, err = said(capsys, "publish", run.folder, "digits", *places)
    assert code == 2 and "have had 3 updates" in err and "--anyway" in err


def test_a_training_that_failed_does_not_just_say_done(capsys, run, monkeypatch):
    won = {
        "gap": 0.0,
        "true_batch": 1.0,
        "fake_batch": 0.0,
        "fake_moving": 0.0,
        "diversity": 0.4,
        "diversity_true": 0.5,
    }
    run.watch_file.write_text("".join(json.dumps({"update": u} | won) + "\n" for u in (25, 50, 75, 100)))
    monkeypatch.setattr(lengths, "FEW_UPDATES", 1)
    try:
        _say_finished(run, 3.0)
        out = capsys.readouterr().out
        assert "Done in 3 s, but the training has failed.\nUpdate 100: the discriminator has won" in out
        code, _, err = said(capsys, "publish", run.folder, "failed")
        assert code == 2 and "the discriminator has won" in err and "--anyway" in err
    finally:
        run.watch_file.write_text("")


def test_a_busy_machine_is_told_by_the_seconds_and_updates_of_the_process_that_tells_it(capsys, run, monkeypatch):
    monkeypatch.setitem(run.__dict__, "environment", run.environment | {"update_seconds": 10.0})
    expected = expected_seconds(run, 2, 2)
    monkeypatch.setattr(Run, "state", State("finished", 2, 1, 2 * expected))
    for seconds, before, busier in (
        (2.0, 0, False),
        (2 * expected, 0, True),
        (0.9 * expected, 1, True),  # for one of two updates
        (0.6 * expected, 1, False),
        (9.0, 2, False),  # for none
    ):
        _say_finished(run, seconds, before)
        assert ("had been expected, but the machine was busier" in capsys.readouterr().out) == busier
    monkeypatch.setattr(Run, "state", State("finished", 2, 1, expected))
    _say_finished(run, 2 * expected)  # most of them before the first update
    assert "had been expected" not in capsys.readouterr().out


def test_what_a_resumed_training_took_before_is_no_sign_of_a_busy_machine(capsys, run, monkeypatch):
    monkeypatch.setitem(run.__dict__, "environment", run.environment | {"update_seconds": 10.0})
    expected = expected_seconds(run, 1, 2)
    monkeypatch.setattr(Run, "state", State("finished", 2, 1, 1000 + expected))
    for before, busier in ((1000.0, False), (1000 - expected, True)):
        _say_finished(run, 5 * expected, 1, before)  # most of them to load, build and compile
        assert ("had been expected, but the machine was busier" in capsys.readouterr().out) == busier


def test_what_another_device_was_timed_for_is_no_expectation(capsys, run, monkeypatch):
    timed = run.environment | {"update_seconds": 10.0}
    monkeypatch.setitem(run.__dict__, "environment", timed)
    assert 20 < expected_seconds(run, 2, 2) < math.inf
    monkeypatch.setattr(
        Run, "state", dataclasses.replace(run.state, replicas=[{"update": 1, "workers": 2, "devices": 1}])
    )
    assert expected_seconds(run, 2, 2) == math.inf
    monkeypatch.setattr(Run, "state", State("finished", 2, 1, 9e9))
    monkeypatch.setitem(run.__dict__, "environment", timed | {"device": {"kind": "GPU", "name": "a fast one"}})
    assert expected_seconds(run, 2, 2) == math.inf
    _say_finished(run, 9e9)
    assert "had been expected" not in capsys.readouterr().out


def test_what_was_trained_under_launch_is_trained_on_under_launch(capsys, run, monkeypatch):
    monkeypatch.setattr("utils.cli.train.launched", lambda: ["launch", "--workers", "2"])
    _say_finished(run, 1.0)
    assert f"./dcgan launch --workers 2 resume {run.folder} --epochs " in capsys.readouterr().out


def test_to_train_on_is_not_advised_where_so_few_images_make_samples_worse(capsys, run, monkeypatch):
    each, goal = run.environment["images"] // run.experiment.training.batch_size, run.goal
    monkeypatch.setattr("utils.cli.train.MANY_UPDATES", 1)
    for most, advised in ((None, 2 * goal), (3 * goal, 2 * goal), (goal + 1, goal + 1), (goal, None)):
        in_updates = None if most is None else most * each
        monkeypatch.setattr("utils.cli.train.updates_before_worse", lambda *_, most=in_updates: most)
        _say_finished(run, 1.0)
        found = re.search(r"--epochs (\d+) +train on\n", capsys.readouterr().out)
        assert (found and int(found[1])) == advised


def test_bfloat16_is_refused_where_it_would_be_emulated_unless_forced(capsys, monkeypatch, run):
    old = "processor\t: 0\nflags\t\t: fpu avx2 avx512f\n"
    for cpu, has in (
        (old, False),
        (old.replace("avx512f", "avx512_bf16"), True),
        (old.replace("avx512f", "amx_bf16"), True),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", True),
        ("processor\t: 0\nFeatures\t: fp asimd\n", False),
        ("", None),
    ):
        assert runtime.has_bfloat16(cpu) is has
    runtime.check_precision("float32", cpu=old)
    runtime.check_precision("mixed_bfloat16", cpu=old, kind="GPU")
    runtime.check_precision("mixed_bfloat16", forced=True, cpu=old)
    monkeypatch.setattr(runtime, "has_bfloat16", lambda cpu=None: False)
    for more in ([], ["--dry-run"]):
        code, _, err = said(capsys, "train", "--precision", "mixed_bfloat16", *more)
        assert code == 2 and "6 times slower than float32 or worse" in err and "--force-precision" in err
    begun = replace(run.experiment, precision="mixed_bfloat16")
    monkeypatch.setattr(Run, "experiment", begun)
    code, _, err = said(capsys, "resume", run.folder)
    assert code == 2 and "--force-precision" in err


def test_the_presets_count_belongs_to_the_presets_own_data():
    parsed = Train.default(["--data", "somewhere"])
    assert parsed.settings.data.count is None
    assert Train.default(["--epochs", "3"]).settings.data.count == 8000 == preset("quick64").data.count


@pytest.mark.parametrize(
    "experiment",
    [
        *(preset(name) for name in presets()),
        *(pretrained.find(name).experiment for name in pretrained.names()),
        replace(preset("quick"), name="my pictures/it's $x", count=None, epochs=1000, summary_epochs=20),
        replace(preset("quick"), summary_epochs=3, epochs=60, generator={"kernel": 5, "bias": False}),
        replace(preset("paper64"), name="faces", count=777, discriminator={"norm": False, "filters": (1, 2, 3, 4)}),
        replace(preset("paper_svhn"), shared_latents=True, dedup="near"),
        at_size(preset("report32"), 48),
        replace(at_size(preset("quick"), 64), width=0.1, generator={"kernel": 5}),
        replace(at_size(preset("quick64"), 128), name="pets", count=None, updates=12_000, summary_updates=240),
        replace(preset("quick64"), updates=12_000, summary_updates=100, augment=("colour", "translation")),
        replace(preset("quick64"), epochs=3),
        replace(preset("quick64"), name="/tmp/pets", count=20, rules=1),
        replace(at_size(preset("quick64"), 32), conditions="attributes", condition_names=("hat", "long hair")),
        replace(at_size(preset("quick64"), 128), discriminator={"dropout": 0.2}, generator={"bias": True}),
        *(
            replace(
                preset("quick64"),
                image_size=2 * 2 * start,
                generator={"start": start, "filters": (64,), "strides": (2,)},
                discriminator={"filters": (32, 64), "strides": (2, 2)},
            )
            for start in (25, 32)  # the preset can be fitted to 128 pixels, and to 100 not
        ),
    ],
    ids=lambda experiment: f"{experiment.preset} {experiment.data.name}",
)
def test_the_command_that_is_shown_trains_the_same_experiment(experiment):
    program, train, *options = shlex.split(command_for(experiment))
    assert (program, train) == ("./dcgan", "train")
    if experiment.model.conditions == "text":  # its names are sentences about its first images
        experiment = replace(experiment, condition_names=())
    assert resolved(*options) == experiment
    if is_own(experiment.data.name):
        assert resolved(*options).data.rules == experiment.data.rules  # which equality passes over


def test_an_experiment_put_together_in_python_is_told_as_changes_of_the_first_commands_preset():
    made = Experiment(data=DataConfig(name="faces", count=64), training=TrainingConfig(epochs=1, batch_size=16))
    told = command_for(made)
    assert told.startswith("./dcgan train --preset quick64 ") and "custom" not in told
    assert dataclasses.replace(resolved(*shlex.split(told)[2:]), preset="custom") == made


# --- the launcher -----------------------------------------------------------------------------------------------------


def launcher(*arguments, home=PROJECT, **environment):
    settings = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment}
    return subprocess.run([home / "dcgan", *arguments], env=settings, capture_output=True, text=True, timeout=120)


@pytest.fixture
def project(tmp_path):
    """The launcher beside a requirements.txt that nothing can install, without a virtual environment."""
    shutil.copy(LAUNCHER, tmp_path / "dcgan")
    (tmp_path / "requirements.txt").write_text("a-package-that-does-not-exist==1\n")
    (tmp_path / "utils").symlink_to(PROJECT / "utils")
    return tmp_path


def fake_python(folder, version, works=True):
    """A python3 that claims a version; without `works` it has no venv module. Returns a PATH that finds it first."""
    folder.mkdir()
    script = folder / "python3"
    major_minor = version.replace(".", ", ")
    script.write_text(
        f"""#!/bin/sh
case "$*" in
  --version) echo "Python {version}" ;;
  *sys.version_info*) exec {sys.executable} -c "import sys; sys.exit(not (3, 10) <= ({major_minor}) <= (3, 13))" ;;
  *ensurepip*) exit {0 if works else 1} ;;
  *) exec {sys.executable} "$@" ;;
esac
"""
    )
    script.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_help_needs_no_set_up_and_names_every_command(project):
    answer = launcher("--help", home=project)
    assert answer.returncode == 0 and not (project / ".venv").exists()
    for command in [*cli.COMMANDS, "test"]:
        assert f"\n  {command:<10}" in answer.stdout


def test_a_python_that_tensorflow_does_not_support_is_named_with_the_mend(project):
    answer = launcher(
        "train", home=project, PATH=fake_python(project / "bin", "3.9"), DCGAN_PYTHON=str(project / "bin" / "python3")
    )
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1
    assert "needs Python 3.10 to 3.13; found Python 3.9" in answer.stderr and "DCGAN_PYTHON=" in answer.stderr


def test_a_missing_venv_module_is_named_with_the_mend(project):
    path = fake_python(project / "bin", "3.12", works=False)
    answer = launcher("train", home=project, PATH=path)
    assert answer.returncode == 2 and "no venv module" in answer.stderr and "python3-venv" in answer.stderr


@pytest.mark.slow
def test_no_network_at_set_up_is_said_in_one_sentence_and_tried_again_next_time(project):
    path = fake_python(project / "bin", "3.12")
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    answer = launcher("train", home=project, PATH=path, **nowhere)
    assert answer.returncode == 2
    assert "could not be downloaded; check the network" in answer.stderr.splitlines()[-1]
    assert not (project / ".venv" / "requirements.hash").exists(), "which alone says that nothing is to be set up"


def fake_uv(project):
    """A uv that makes an environment with a Python of its own and notes where it was called for what.

    Where `bin/<its command>.fails` is, it says the words in there and fails. Returns a PATH that finds it first, and a
    function that takes the notes.
    """
    path, notes = fake_python(project / "bin", "3.12"), project / "bin" / "notes"
    script = project / "bin" / "uv"
    script.write_text(
        f"""#!/bin/sh
echo "$(pwd -P): $*" >>'{notes}'
if [ -f "{project}/bin/$1.fails" ]; then
  cat "{project}/bin/$1.fails" >&2
  exit 1
fi
if [ "$1" = venv ]; then
  for environment; do :; done # the last argument
  case "$*" in *--clear*) rm -r "$environment" ;; esac
  mkdir -p "$environment/bin"
  printf '#!/bin/sh\\necho "$(pwd -P): $*"\\n' >"$environment/bin/python"
  chmod +x "$environment/bin/python"
fi
"""
    )
    script.chmod(0o755)

    def taken():
        lines = notes.read_text().splitlines() if notes.exists() else []
        notes.unlink(missing_ok=True)
        return lines

    return path, taken


def calls_of_uv(project, how="--allow-existing"):
    """What a set-up calls uv for: from the launcher's folder, where no settings of the user's folder are read."""
    environment = project / ".venv"
    python = project / "bin" / "python3"  # by its path: to uv "python3" is a version, of which it may have others
    return [
        f"{project}: venv --quiet {how} --python {python} {environment}",
        f"{project}: pip install --python {environment}/bin/python -r {project}/requirements.txt",
    ]


def test_uv_sets_up_where_it_is_there_and_again_only_for_other_requirements(project):
    path, taken = fake_uv(project)
    requirements, kept = project / "requirements.txt", project / ".venv" / "requirements.hash"
    for text in (requirements.read_text(), "another-package==2\n"):
        requirements.write_text(text)
        for calls in (calls_of_uv(project), []):
            answer = launcher("train", "--name", "two words", home=project, PATH=path)
            assert answer.returncode == 0, answer.stderr
            assert answer.stdout == f"{os.getcwd()}: -I {project}/utils/start.py utils train --name two words\n"
            assert taken() == calls
            assert ("Set up after " in answer.stderr) == bool(calls)
        summed = subprocess.run(["cksum"], input=text, capture_output=True, text=True, check=True).stdout
        assert kept.read_text() == summed


def test_of_several_calls_at_once_one_sets_up_and_the_others_wait_for_it(project):
    """Whatever the first of them comes to: where it fails, the next one tries."""
    path, taken = fake_uv(project)
    goes, said = project / "bin" / "goes", [project / "bin" / f"said {number}" for number in range(3)]
    goes.touch()
    with (project / "bin" / "uv").open("a") as uv:  # its first installation takes until the test lets it go, and fails
        uv.write(
            f"[ $1 = pip ] || exit 0\nwhile [ -f '{goes}' ]; do sleep 0.05; done\n! mkdir '{project}/failed' 2>&1\n"
        )
    settings, calls = {"env": {"PATH": path, "HOME": "/"}, "stdout": subprocess.DEVNULL}, []
    for file in said:
        with file.open("w") as written:
            calls.append(subprocess.Popen([project / "dcgan", "train"], stderr=written, **settings))
    until = time.monotonic() + 30
    while sum("waiting for it" in file.read_text() for file in said) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    goes.unlink()
    assert sorted(call.wait(60) for call in calls) == [0, 0, 2]
    assert taken() == calls_of_uv(project) * 2, "one after the other, and no third time"
    waited = f"Another ./dcgan is setting up {project / '.venv'}; waiting for it…\n"
    told = [file.read_text() for file in said]
    assert sum(err.startswith(waited) for err in told) == 2 and sum("Set up after" in err for err in told) == 1


def linked(environment, version, python):
    """Make an environment for a version of Python of what the false uv has set up, with the links that `venv` makes."""
    own = environment / "bin" / "python"
    own.rename(python)
    own.symlink_to("python3")
    own.with_name("python3").symlink_to(python)
    (environment / "pyvenv.cfg").write_text(f"version = {version}.1\n")
    (environment / "lib" / f"python{version}").mkdir(parents=True)


@pytest.mark.parametrize("harm", ["it is gone", "it is another version", "it is another version, and there are others"])
def test_an_environment_whose_python_has_gone_is_made_anew(project, harm):
    """After an upgrade of the system, or where the project was copied to another machine."""
    path, taken = fake_uv(project)
    environment, python = project / ".venv", project / "bin" / "python3.12"
    assert launcher("train", home=project, PATH=path).returncode == 0
    linked(environment, "3.12", python)
    if harm == "it is gone":
        python.unlink()
    else:
        (environment / "lib" / "python3.12").rename(environment / "lib" / "python3.11")
    if harm.endswith("others"):
        (project / "requirements.txt").write_text("another-package==2\n")
    taken()
    for calls in (calls_of_uv(project, "--clear"), []):
        answer = launcher("train", home=project, PATH=path)
        assert answer.returncode == 0, answer.stderr
        assert taken() == calls
        told = f"The Python that {environment} was made with is not there any more, so it is made anew.\n"
        assert answer.stderr.startswith(told) == bool(calls)
        assert not (environment / "lib").exists()


@pytest.mark.parametrize("name", ["python3.12", "python3", "python"])
def test_an_environment_whose_python_is_there_is_kept(project, name):
    path, taken = fake_uv(project)
    assert launcher("train", home=project, PATH=path).returncode == 0
    (project / "elsewhere").mkdir()
    linked(project / ".venv", "3.12", project / "elsewhere" / name)
    taken()
    answer = launcher("train", home=project, PATH=path)
    assert (answer.returncode, answer.stderr, taken()) == (0, "", [])


def test_a_folder_that_is_no_environment_is_never_cleared(project):
    path, taken = fake_uv(project)
    mine = project / ".venv" / "mine"
    mine.mkdir(parents=True)
    answer = launcher("train", home=project, PATH=path)
    assert answer.returncode == 0 and taken() == calls_of_uv(project) and mine.exists()


@pytest.mark.parametrize(
    ("command", "words", "sentence"),
    [
        ("venv", "error: Permission denied", "the set-up failed as shown above; remove {} and try again."),
        ("pip", "error: Failed to build `a-package==1`", "the set-up failed as shown above; remove {} and try again."),
        ("pip", "error: No space left on device (os error 28)", "the disk is full; about 4 GB are needed in {}."),
        (
            "pip",
            "error: Failed to fetch: `https://pypi.org/simple/numpy/`\n  Caused by: dns error",
            "the packages could not be downloaded; check the network (and proxy), then try again.",
        ),
    ],
)
def test_a_uv_that_fails_is_explained_and_tried_again_next_time(project, command, words, sentence):
    path, taken = fake_uv(project)
    fails = project / "bin" / f"{command}.fails"
    fails.write_text(f"{words}\n")
    logs = project / "logs"
    logs.mkdir()
    calls = calls_of_uv(project)
    for _ in range(2):
        answer = launcher("train", home=project, PATH=path, TMPDIR=str(logs))
        assert (answer.returncode, answer.stdout) == (2, "")
        assert answer.stderr.splitlines()[-1] == f"dcgan: {sentence.format(project / '.venv')}"
        assert words in answer.stderr or "disk" in sentence
        assert taken() == calls[: 1 if command == "venv" else 2]
        assert not (project / ".venv" / "requirements.hash").exists() and not list(logs.iterdir())
    fails.unlink()
    answer = launcher("train", home=project, PATH=path, TMPDIR=str(logs))
    assert answer.returncode == 0 and taken() == calls
    assert (project / ".venv" / "requirements.hash").exists() and not list(logs.iterdir())


def test_an_environment_that_a_failed_set_up_has_touched_is_not_taken_for_that_of_before(project):
    """Requirements that change and change back: what was installed in between may be anything."""
    path, taken = fake_uv(project)
    requirements, fails = project / "requirements.txt", project / "bin" / "pip.fails"
    before = requirements.read_text()
    assert launcher("train", home=project, PATH=path).returncode == 0
    requirements.write_text("another-package==2\n")
    fails.write_text("error: stopped half-way\n")
    assert launcher("train", home=project, PATH=path).returncode == 2
    fails.unlink()
    requirements.write_text(before)
    taken()
    assert launcher("train", home=project, PATH=path).returncode == 0
    assert taken() == calls_of_uv(project)
