"""What the doctor says of measurements, what is done then, and which networks are kept."""

import argparse
import dataclasses
import itertools
import json
import re
import shutil
import signal

import numpy as np
import pytest
from comparing import assert_same_contents
from light import Light

from benchmarks import doctor as benchmark
from utils import cli
from utils.cli.options import _spellings, read
from utils.cli.train import Train
from utils.config import from_dict, preset, presets, replace
from utils.data import Dataset, load_for
from utils.errors import InputError
from utils.evaluation import best
from utils.evaluation.distances import kernel_distance
from utils.evaluation.features import Extractor
from utils.files import read_object
from utils.models import load_network
from utils.networks import find_network
from utils.registries import LOSSES, PLAYERS
from utils.runs import Run
from utils.studies import results
from utils.training import checkpoint, loop, performance_summarizer, resume, train
from utils.training.copies import MOST_IMAGES, SIDE, Copies
from utils.training.doctor import DIVERSE, SIGNS, Diagnosis, End, _help, not_begun
from utils.training.losses import undecided_logit
from utils.training.players import build_players
from utils.training.summary import save_networks
from utils.training.watch import Watch, of_updates

IMAGES = np.random.default_rng(3).integers(0, 256, (24, 32, 32, 3), np.uint8)
NOISE = Dataset(name="noise", title="noise", images=IMAGES, fingerprint="f")


def row(update, **values):
    healthy = {"gap": 0.0, "true_batch": 0.8, "fake_batch": 0.2, "fake_moving": 0.2, "diversity": 0.5}
    healthy |= {"diversity_true": 0.5, "moved": 0.6, "largest": 4.0, "gradient": 20.0, "skipped": 0.0, "filled": 0.01}
    return {"update": update} | healthy | values


def said(experiment, rows):
    """What is said, by update."""
    diagnosis = Diagnosis(experiment)
    return {row["update"]: sentences for row in rows if (sentences := diagnosis.diagnose(row))}


# --- signs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "bad", "about", "at", "claim", "cure"),
    [
        ({}, {"moved": 0.01, "fake_batch": 0.001, "true_batch": 0.99}, {"moved": 0.03, "fake_batch": 0.001,
         "true_batch": 0.99}, 100, "have stopped changing", "leads, not proven: a smaller --discriminator-learning"),
        ({"learning_rate": 1e-6}, {"moved": 0.0, "fake_batch": 0.001, "true_batch": 0.99}, {"moved": 0.03,
         "fake_batch": 0.001, "true_batch": 0.99}, 100, "have stopped changing", "use a larger --learning-rate ("),
        ({}, {"moved": 1.6}, {"moved": 1.4}, 100, "other pictures every time", "use a smaller --learning-rate ("),
        ({}, {"largest": 301.0}, {"largest": 200.0}, 50, "grow without bound (largest loss 301", "--spectral-norm"),
        ({}, {"gradient": 1100.0}, {"gradient": 900.0}, 50, "gradient 1.1e+03", "use a smaller --learning-rate ("),
        ({"precision": "mixed_float16"}, {"filled": 0.12}, {"filled": 0.06}, 50, "reached 12% of its range",
         "use --precision float32 ("),
        ({"precision": "mixed_float16"}, {"skipped": 0.3}, {"skipped": 0.15}, 125, "30% of the last updates",
         "use --precision float32 ("),
    ],
)  # fmt: skip
def test_a_sign_is_said_once_with_its_evidence_and_its_cure_until_it_is_over(
    tiny, settings, bad, about, at, claim, cure
):
    """Bad from update 25 to 150, then about the limit, where it goes on, then healthy."""
    rows = [row(u, **(bad if u <= 150 else about if u <= 300 else {})) for u in range(25, 400, 25)]
    rows += [row(400, **about), row(425, **about)]  # and a failure begins at another value than it ends at
    sentences = said(replace(tiny, **settings), rows)
    assert sorted(sentences) == [at, 375]
    (warning,), (over,) = sentences[at], sentences[375]
    assert warning.startswith(f"Warning. Update {at}: ") and claim in warning and cure in warning
    assert over.startswith("Update 375: ") and "is over" in over


def test_what_moves_much_or_little_over_other_numbers_of_updates_is_no_sign(tiny):
    """Over 100 updates healthy samples move as far as unrelated pictures; over one update hardly at all."""
    known = {"fake_batch": 0.001, "true_batch": 0.99}
    assert said(tiny, [row(u, moved=1.7) for u in range(100, 1000, 100)]) == {}
    assert said(tiny, [row(u, moved=0.01, **known) for u in range(1, 200)]) == {}
    assert 75 + 1 in said(tiny, [row(u, moved=0.0005, **known) for u in range(1, 200)])


def test_signs_about_different_things_are_said_beside_each_other(tiny):
    rows = [row(u, diversity=0.5 if u == 25 else 0.01, largest=400.0) for u in (25, 50, 75)]
    diagnosis = Diagnosis(tiny, [*rows, {"update": 75, "copied": 0.5, "copied_true": 0.02}])
    assert {about: finding.sign.name for about, finding in diagnosis.findings.items()} == {
        "balance": "the collapse", "numbers": "the growth of the losses", "copies": "the copying",
    }  # fmt: skip
    assert not diagnosis.healthy and "nearly alike" in diagnosis.verdict and "copies of training" in diagnosis.verdict


def test_copying_is_told_at_once_goes_by_what_true_images_do_and_stops_nothing(tiny):
    shares = [(0.15, 0.0), (0.5, 0.4), (0.25, 0.0), (0.15, 0.0), (0.05, 0.0), (0.0, 0.0), (0.0, 0.0)]
    rows = [{"update": n, "copied": fake, "copied_true": true} for n, (fake, true) in enumerate(shares)]
    sentences = said(tiny, rows)
    assert sorted(sentences) == [2, 6]
    assert "25% lie nearer" in sentences[2][0] and "of true images 0%" in sentences[2][0]
    assert "use --augment colour translation cutout (" in sentences[2][0]
    assert "--augment" not in said(replace(tiny, augment=("cutout",)), rows)[2][0]
    assert Diagnosis(tiny, rows[:3]).healthy


def test_every_option_that_a_cure_names_is_one_of_train_and_what_is_typed_changes_settings_and_is_then_lacked_no_more():
    known = set(_spellings(Train))
    for cure in {cure for sign in SIGNS for cure in sign.cures}:
        options = re.findall(r"--\S+", cure.change)
        assert {option.replace("--no-", "--").replace(".no-", ".") for option in options} <= known, cure.change
        if cure.change.startswith("--") and cure.change != "--batch-norm on":  # which the preset has
            change = ["--join-batches", "--discriminator-updates", "joint"] if "join" in cure.change else []
            change += ["--loss", "saturating"] if "non_saturating" in cure.change else []
            typed = [*change, *cure.change.split()]
            cured = read(Train, typed, "train", Train.default(typed)).settings.experiment("quick")
            assert not cure.lacks(cured), cure.change


@pytest.mark.parametrize("name", list(presets()))
def test_what_is_named_as_a_cure_can_be_had(name):
    """In any preset, with any loss and any sign."""
    named = 0
    for changes in ({}, {"label_smoothing": 0.1}, *({"loss": loss} for loss in LOSSES)):
        try:
            experiment = replace(preset(name), **changes)
        except InputError:
            continue
        for sign in SIGNS:
            told = _help(sign, experiment)
            for cure in sign.cures:
                if cure.settings and cure.change in told:
                    assert not cure.lacks(replace(experiment, **cure.settings)), cure.change
                    named += 1
    assert named > 20


def test_settings_of_a_cure_are_what_its_words_set():
    for cure in {cure for sign in SIGNS for cure in sign.cures if cure.change.startswith("--")}:
        start = ["--preset", "lab32"] if cure.change == "--batch-norm on" else []
        start += ["--discriminator-updates", "joint", "--loss", "saturating"]
        if "relativistic" in cure.change:
            start = start[:2]
        before = read(Train, start, "train", Train.default(start)).settings.experiment("quick")
        typed = [*start, *cure.change.split()]
        after = read(Train, typed, "train", Train.default(typed)).settings.experiment("quick")
        assert after == replace(before, **cure.settings), cure.change


# --- slow beginnings --------------------------------------------------------------------------------------------------


def test_a_training_that_ends_alike_before_that_is_a_failure_hears_what_is_open_with_evidence_and_what_to_change():
    """The course of notebook 04, whose samples have a quarter of the true images' diversity at no update."""
    report = replace(preset("report64"), updates=320)
    course = [0.007, 0.028, 0.044, 0.034, 0.027, 0.088, 0.067, 0.072, 0.074, 0.075, 0.103, 0.094]
    rows = [row(25 * n, diversity=value, diversity_true=0.429) for n, value in enumerate(course, start=1)]
    assert said(report, rows) == {}
    diagnosis = Diagnosis(report, rows)
    evidence, change = diagnosis.verdict.split("; use ")
    assert evidence.startswith("Update 300: the samples are still nearly alike (diversity 0.094, true images 0.43)")
    assert evidence.endswith("as in many trainings whose samples differ later")
    assert change.startswith("more updates (enough in 24 of 29 such trainings) and --batch-norm on (helped in notebook")
    assert "leads, not proven: a smaller --learning-rate" in change
    assert diagnosis.healthy and not diagnosis.failed and not diagnosis.findings and not diagnosis.begun
    assert Diagnosis(report, rows[:3]).verdict is None, "so all begin"
    assert Diagnosis(report, [*rows, row(325, diversity=0.15, diversity_true=0.429)]).verdict is None
    later = Diagnosis(report, [*rows, *(row(u, diversity=0.08, diversity_true=0.429) for u in (500, 525))])
    assert later.failed and "has not begun to draw" in later.verdict and "differ later" not in later.verdict


@pytest.mark.parametrize(
    ("study", "arm", "seed"),
    [
        ("features-house_numbers", "base", 0),
        ("features-house_numbers", "rotation", 2),
        ("regularised-faces", "dcgan", 1),
    ],
)
def test_kept_courses_that_begin_more_slowly_than_notebook_04_and_differ_later_are_not_warned_of(study, arm, seed):
    (watch,) = (r["watch"] for r in results.load(study)["runs"] if (r["arm"], r["seed"]) == (arm, seed))
    shares = {r["update"]: r["diversity"] / r["diversity_true"] for r in watch}
    assert max(shares[update] for update in range(200, 325, 25)) < 0.18 and End.of(watch).diversity > 0.75
    assert said(preset("quick"), watch) == {}
    early = [Diagnosis(preset("quick"), [r for r in watch if r["update"] <= last]).verdict for last in (200, 400)]
    assert all("differ later" in verdict for verdict in early)
    assert Diagnosis(preset("quick"), watch).verdict is None


@pytest.mark.parametrize("study", ["recipes-faces", "regularised-faces", "features-house_numbers"])
def test_no_kept_course_that_ends_in_samples_that_differ_would_have_been_sent_back_for_its_slow_beginning(study):
    """Some have a quarter of true images' variety only after update 525, at which it is asked for: with smaller steps
    they would be slower still, and after three times the training would be given up."""
    slow = 0
    for run in results.load(study)["runs"]:
        if End.of(run["watch"]).diversity < DIVERSE:
            continue
        diagnosis = Diagnosis(from_dict(run["settings"]) if "settings" in run else preset("quick"))
        for measured in run["watch"]:
            diagnosis.diagnose(measured)
            begun = [finding.sign for finding in diagnosis.begun if finding.sign.shows is not_begun]
            slow += len(begun)
            assert not any(sign.rolls_back for sign in begun), (run["arm"], run["seed"])
    assert slow >= 2


# --- what is measured -------------------------------------------------------------------------------------------------


def test_samples_that_move_are_measured_against_how_much_true_images_differ(tiny):
    networks = build_players(tiny)
    watch = Watch(tiny, networks, IMAGES)
    assert "moved" not in watch.measure(25)
    assert watch.measure(50)["moved"] == 0
    memory = watch.memory
    networks.generator.layers[-2].bias.assign([50.0] * 3)  # every sample becomes white
    white = watch.measure(75)["moved"]
    true = watch._true.reshape(8, SIDE, 4, SIDE, 4, 3).mean((2, 4))
    grey_to_white = 1 / abs(true - true.mean(0)).mean()
    assert white == pytest.approx(grey_to_white, rel=0.02)
    again = Watch(tiny, networks, IMAGES)
    again.memory = memory
    assert again.measure(75)["moved"] == white


def test_records_of_updates_are_summed_up():
    steps = {
        "loss_true": [1.0, 2.0],
        "penalty_r1": [np.nan, -3.0],
        "score_true": [9.0, 9.0],
        "gradient_norm": [0.0, 4.0],
    }
    steps = {name: np.array(values) for name, values in steps.items()}
    assert of_updates(steps) == {"largest": 3.0, "gradient": 2.0, "skipped": 0.5}
    assert of_updates({"update": np.array([1])}) == {}


def test_logits_that_are_all_shifted_alike_are_no_growth_where_only_their_differences_count():
    def largest(shift, undecided, **others):
        steps = {"loss_true": [-2.0 - shift], "loss_fake": [1.0 + shift], "loss_generator": [-1.0 - shift]} | others
        return of_updates({name: np.array(values) for name, values in steps.items()}, undecided)["largest"]

    assert largest(0, None) == largest(400, None) == 1 and largest(400, 0.0) == 402
    assert largest(400, None, penalty_gradient=[7.0]) == 7
    joint = {name: np.array([500.0]) for name in ("loss_discriminator", "loss_generator")}
    assert undecided_logit("relativistic") is undecided_logit("wasserstein") is None
    assert of_updates(joint, None)["largest"] == 500


def test_a_generator_that_descends_squared_errors_has_steep_gradients_and_is_well(tiny):
    regularised = replace(tiny, recipe="regularised")
    steep, risen = ([row(25 * n, **{name: 1100.0}) for n in (1, 2, 3)] for name in ("gradient", "largest"))
    assert said(tiny, steep) and not said(regularised, steep)
    assert "largest loss 1.1e+03" in said(regularised, risen)[50][0]


@pytest.mark.parametrize("settings", [{"label_smoothing": 0.1}, {"label_noise": 0.05}])
def test_a_discriminator_that_is_sure_is_told_from_one_that_is_not_whatever_its_labels_are(tiny, settings):
    """Smoothed labels, and labels of which some are turned round, are all that it gives true images."""
    other, (given,) = replace(tiny, **settings), settings.values()
    for moved in (0.6, 0.0):
        sure, unsure = (
            [row(25 * n, true_batch=share * (1 - given), fake_batch=1e-6, moved=moved) for n in range(1, 6)]
            for share in (0.999, 0.9)
        )
        assert said(other, sure) and not said(other, unsure)


def test_a_victory_is_gone_back_for_also_where_samples_have_not_begun_to_differ(tiny):
    grey = {"diversity": 0.01}
    rows = [row(25 * n, **grey) for n in range(1, 24)]
    rows += [row(25 * n, **grey, true_batch=0.999, fake_batch=1e-6) for n in range(24, 30)]
    diagnosis, begun = Diagnosis(replace(tiny, on_collapse="rollback")), {}
    for each in rows:
        diagnosis.diagnose(each)
        for finding in diagnosis.begun:
            if finding.sign.rolls_back:
                begun[each["update"]] = finding.sign.name
    assert begun == {675: "the discriminator's victory"}


@pytest.mark.parametrize("loss", ["relativistic", "wasserstein", "least_squares"])
def test_what_goes_by_scores_is_said_under_losses_alone_that_make_logits_scores(tiny, loss):
    """Least squares have an undecided logit, but another one than 0: that two networks differ shows all the same."""
    other, sure = replace(tiny, loss=loss, discriminator_updates="joint"), {"true_batch": 1.0, "fake_batch": 1e-6}
    won, still = ([row(25 * n, **sure, moved=moved) for n in range(1, 6)] for moved in (0.6, 0.0))
    apart = [row(25 * n, gap=0.9) for n in (1, 2)]
    assert all(said(tiny, rows) for rows in (won, still, apart))
    assert [bool(said(other, rows)) for rows in (won, still, apart)] == [False, False, loss == "least_squares"]


def test_a_run_of_a_loss_that_is_not_there_any_more_is_diagnosed(tiny):
    assert said(replace(tiny, loss="planted A"), [row(25 * n, gap=0.9) for n in (1, 2)])


class Drawn:
    """A sampler that draws what it is given."""

    def __init__(self, images):
        self.images = images

    def draw(self, count, seed):
        return self.images[np.arange(count) % len(self.images)]


def test_copies_are_found_and_new_blurred_and_typical_pictures_are_none():
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (80, SIDE, SIDE, 3), np.uint8)
    images = small.repeat(4, 1).repeat(4, 2)
    noisy = np.clip(images[:40] + random.normal(0, 30, images[:40].shape), 0, 255).astype(np.uint8)
    typical = images.mean(0, keepdims=True).astype(np.uint8)
    mixed = (images[:40] // 2 + images[40:] // 2).astype(np.uint8)
    half = np.concatenate([noisy[:20], mixed[:20]])
    trained = np.concatenate([images, images[:60]])  # repeated images do not hide a copy
    for pictures, share in ((images, 1.0), (noisy, 1.0), (typical, 0.0), (mixed, 0.0), (half, 0.5)):
        measured = Copies(trained).measure(Drawn(pictures))
        assert measured == {"copied": pytest.approx(share, abs=0.04), "copied_true": 0.0}
    pairs = np.concatenate([images, np.clip(images.astype(int) + 3, 0, 255).astype(np.uint8)])
    assert Copies(pairs).measure(Drawn(images))["copied_true"] == 1.0  # each true image has a twin
    many = np.broadcast_to(images[:1], (MOST_IMAGES + 1, *images[0].shape))
    assert Copies(many).measure(Drawn(images)) is Copies(images[:2]).measure(Drawn(images)) is None


# --- what is done when training has failed ----------------------------------------------------------------------------


@pytest.fixture
def planted(monkeypatch, light):
    """Samples collapse from an update on as long as the step size is above the limit, which is given."""

    def plant(limit, since=5):
        def measure(watch, update):
            rate = float(watch._networks["generator"].optimizer.learning_rate)
            watch.memory = f"{update}"
            return row(update, diversity=0.01 if update >= since and rate > limit else 0.5)

        monkeypatch.setattr(Watch, "measure", measure)

    return plant


class Killed(BaseException):
    """The process is no more."""


def test_a_training_that_rolls_back_ends_with_the_same_bits_however_often_it_was_killed(
    tiny, planted, tmp_path, monkeypatch
):
    """Killed at updates, while checkpoints are written, and between the steps of going back."""
    planted(1e-4)
    experiment = replace(tiny, epochs=3, watch_updates=1, on_collapse="rollback", count=None)
    options = {"dataset": NOISE, "progress": False, "checkpoint_seconds": 0.0}
    whole = train(experiment, runs_dir=tmp_path / "whole", **options)
    (back,) = whole.state.rollbacks
    assert (back["from"], back["to"], back["step_sizes"]) == (6, 3, 0.5) and "nearly alike" in back["why"]
    steps, log = whole.steps(), (whole.folder / "log.txt").read_text()
    assert steps["update"].tolist() == list(range(1, 10)) and "Went back to update 3" in log
    assert np.nan_to_num(steps["step_sizes"], nan=1).tolist() == [1.0] * 3 + [0.5] * 6
    assert [r["update"] for r in whole.watch() if "gap" in r] == list(range(1, 10))

    left = [0]  # operations until it is killed

    def mortal(function):
        def call(*arguments, **named):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return function(*arguments, **named)

        return call

    monkeypatch.setattr(Light, "__call__", mortal(Light.__call__))
    monkeypatch.setattr(loop, "_cut", mortal(loop._cut))
    monkeypatch.setattr(checkpoint, "_files", mortal(checkpoint._files))  # after one is written, before others go
    monkeypatch.setattr(loop, "performance_summarizer", mortal(performance_summarizer))
    run, taken_up_at = None, []
    for left[0] in (
        14,  # the healthy checkpoint of update 3 is written, and not the other one
        16,  # it has gone back: the new checkpoint of update 3 is there beside those of the failed course
        10,  # these are gone, and one of three records is cut back
        12,  # the healthy checkpoint of update 6 is written, and not the other one
        0,
    ):
        try:
            run = resume(run, **options) if run else train(experiment, runs_dir=tmp_path / "killed", **options)
        except Killed:
            run = Run.find("last", tmp_path / "killed")
            taken_up_at.append(max(run.checkpoints.glob("*.npz")).stem[-1])
    assert "".join(taken_up_at) == "2535"
    assert_same_contents(whole, run)
    assert run.state.rollbacks == whole.state.rollbacks


def test_until_the_next_summary_its_networks_are_those_that_it_has_gone_back_to(tiny, planted, tmp_path, monkeypatch):
    """It fails after a summary that it goes back behind, and is killed twice: while it goes back, and after that."""
    planted(1e-4, since=6)
    experiment = replace(tiny, epochs=3, watch_updates=1, on_collapse="rollback", count=None)

    def killed_once(*of):
        monkeypatch.setattr(loop, "save_networks", save_networks)
        raise Killed

    def started(players, slowed, team=None):
        if slowed.training.learning_rate < experiment.training.learning_rate:
            raise Killed
        return Light(players, slowed)

    monkeypatch.setattr(loop, "save_networks", killed_once)
    monkeypatch.setattr(loop, "Update", started)
    with pytest.raises(Killed):
        train(experiment, dataset=NOISE, runs_dir=tmp_path, progress=False)
    run = Run.find("last", tmp_path)
    with pytest.raises(Killed):
        resume(run, dataset=NOISE, progress=False)
    (back,) = run.state.rollbacks
    assert (back["from"], back["to"], run.updates) == (7, 3, 3)
    with np.load(next(run.healthy.glob("*.npz"))) as healthy:
        for player in ("generator", "discriminator"):
            for i, variable in enumerate(load_network(run.model(player)).variables):
                assert np.array_equal(variable, healthy[f"{player}/{i:03d}"])


def test_the_bar_stands_where_the_training_does_also_after_it_went_back(tiny, planted, tmp_path, monkeypatch):
    planted(1e-4)
    places = []

    class Bar(loop.tqdm):
        def update(self, n=1):
            super().update(n)
            places.append((self.n, self.last_print_n))

    monkeypatch.setattr(loop, "tqdm", Bar)
    experiment = replace(tiny, epochs=3, watch_updates=1, on_collapse="rollback", count=None)
    run = train(experiment, dataset=NOISE, runs_dir=tmp_path)
    (back,) = run.state.rollbacks
    size = experiment.training.batch_size
    assert (back["to"] * size, back["from"] * size) == (24, 48) and places[-1][0] == 72
    at = [n for n, _ in places]
    assert any(after == 24 < before for before, after in itertools.pairwise(at))
    assert all(printed <= n for n, printed in places), "what was shown last lies ahead, so nothing is shown until then"


def test_networks_of_a_course_that_was_undone_are_not_offered(tiny, planted, tmp_path):
    planted(1e-4, since=6)
    experiment = replace(tiny, epochs=3, watch_updates=1, on_collapse="rollback", keep_models=True, count=None)
    run = train(experiment, dataset=NOISE, runs_dir=tmp_path, progress=False)
    shutil.copytree(run.model("generator", 3).parent, run.model("generator", 4).parent)
    with pytest.raises(InputError, match=r"--kept 4: choose from 0, 1, 2, 3\."):
        find_network(str(run.folder), "generator", kept="4")
    assert find_network(str(run.folder), "generator", kept="2").file == run.model("generator", 2)


def test_who_computes_is_still_written_down_after_it_went_back_to_where_others_did(tiny, light, tmp_path):
    by_two, alone = {"workers": 1, "devices": 2}, {"workers": 1, "devices": 1}
    experiment = replace(tiny, on_collapse="rollback", count=None)
    run = Run.create(experiment, {"images": len(IMAGES)}, tmp_path)
    with run.locked():
        training = loop._Training(run, NOISE, False, None)
        training.replicas = [{"update": 0} | by_two]
        training._checkpoint(healthy=True)
        training.update, training.replicas = 5, [*training.replicas, {"update": 3} | alone]  # alone from 3 on
        training._roll_back(loop._RollBack(5, "It has failed."))
        assert training.update == 0 and training.replicas == [{"update": 0} | by_two, {"update": 0} | alone]
        training._checkpoint(healthy=False)
        assert run.state.replicas == training.replicas


def test_a_training_that_fails_with_every_step_size_goes_back_three_times_and_stops(tiny, planted, tmp_path):
    planted(0.0)
    experiment = replace(tiny, epochs=3, watch_updates=1, on_collapse="rollback", count=None)
    with pytest.raises(InputError, match="It had gone back 3 times. Update 6: the samples have become nearly alike"):
        train(experiment, dataset=NOISE, runs_dir=tmp_path, progress=False)
    run = Run.find("last", tmp_path)
    assert [(back["from"], back["to"]) for back in run.state.rollbacks] == [(6, 3)] * 3
    assert [back["step_sizes"] for back in run.state.rollbacks] == [0.5, 0.25, 0.125]
    assert run.state.status == "failed" and run.state.update == 6
    resume(run, dataset=NOISE, progress=False)  # who wants to go on all the same can
    assert run.state.status == "finished" and len(run.state.rollbacks) == 3


def test_losses_that_are_not_finite_are_a_reason_to_go_back_too(tiny, undrawn, tmp_path, monkeypatch):
    read, often = loop.Record.read, []

    def broken(record):
        fails = record.update == 5 and len(often) < 1
        often.extend([1] * fails)
        return read(record) | ({"loss_true": float("nan")} if fails else {})

    monkeypatch.setattr(loop.Record, "read", broken)
    experiment = replace(tiny, on_collapse="rollback", discriminator_learning_rate=4e-4, learning_rate_decay=0.5)
    run = train(experiment, dataset=NOISE, runs_dir=tmp_path, progress=False)
    (back,) = run.state.rollbacks
    assert (back["from"], back["to"]) == (5, 3) and "no longer finite" in back["why"]
    with np.load(max(run.checkpoints.glob("*.npz"))) as file:
        rates = [file[f"{name}_optimizer/001"] for name in ("generator", "discriminator")]
    assert np.allclose(rates, [1e-4 * 0.5 ** (5 / 1000), 2e-4 * 0.5 ** (5 / 1000)], rtol=1e-5)


def test_the_time_that_a_training_takes_is_told_by_updates_after_it_went_back(
    tiny, light, tmp_path, monkeypatch, capsys
):
    """It fails between the update that the time is taken from and the one that it is told at, and passes both again."""
    fails_at, times = 2, [0]
    read = loop.Record.read

    def broken(record):
        fails = record.update == fails_at and not times[0]
        times[0] += fails
        return read(record) | ({"loss_generator": float("nan")} if fails else {})

    monkeypatch.setattr(loop.Record, "read", broken)
    monkeypatch.setattr(loop, "FORECAST_SECONDS", 0.0)
    monkeypatch.setattr(loop, "_READ_SECONDS", 0.0)
    experiment = replace(tiny, on_collapse="rollback", epochs=3, summary_epochs=3)
    run = train(experiment, dataset=NOISE, runs_dir=tmp_path, update_seconds=1e6)
    assert [(back["from"], back["to"]) for back in run.state.rollbacks] == [(fails_at, 0)]
    (sentence,) = re.findall(r"^9 updates of 8 images, about (.*)", capsys.readouterr().out, re.MULTILINE)
    assert not sentence.startswith("-")


def test_networks_that_are_not_finite_replace_none_and_are_not_drawn(tiny, light, tmp_path, monkeypatch):
    """At the update of a summary whose losses are finite still."""
    update = Light.__call__

    def broken(light, batch, stop=False):
        record = update(light, batch, stop)
        if batch.update == 6:
            light.players.generator.trainable_variables[0].assign_add([[float("nan")]])
        return record

    monkeypatch.setattr(Light, "__call__", broken)
    with pytest.raises(InputError, match="no longer finite at update 6, .* the checkpoint of update 3 is kept"):
        train(tiny, dataset=NOISE, runs_dir=tmp_path, progress=False)
    run = Run.find("last", tmp_path)
    assert [row["epoch"] for row in run.epochs()] == [0, 1] and not run.grid(2).exists()
    weights = load_network(run.model("generator")).weights
    assert all(np.isfinite(np.asarray(weight)).all() for weight in weights)


def test_a_training_that_is_to_stop_when_it_has_failed_says_why_and_can_go_on(tiny, planted, tmp_path):
    planted(0.0)
    experiment = replace(tiny, epochs=3, watch_updates=1, on_collapse="stop", count=None)
    with pytest.raises(InputError, match="The training has failed, so it stopped. Update 6: the samples have") as said:
        train(experiment, dataset=NOISE, runs_dir=tmp_path, progress=False)
    run = Run.find("last", tmp_path)
    assert str(said.value).endswith(f"Its networks are those of epoch {run.epochs()[-1]['epoch']}.")
    assert run.state.status == "failed" and run.state.update == checkpoint.latest(run.checkpoints) == 6
    resume(run, dataset=NOISE, progress=False)
    assert run.state.status == "finished"


def test_a_training_that_was_killed_on_its_way_to_say_that_it_has_failed_says_so_when_it_goes_on(
    tiny, planted, tmp_path, monkeypatch
):
    def killed(*_):
        raise Killed

    planted(0.0)
    experiment = replace(tiny, epochs=3, watch_updates=1, on_collapse="stop", count=None)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(loop._Training, "_fail", killed)
        train(experiment, dataset=NOISE, runs_dir=tmp_path, progress=False)
    run = Run.find("last", tmp_path)
    run.save_state(dataclasses.replace(run.state, status="running"))  # a process that is killed leaves it so
    assert run.state.update == 6
    with pytest.raises(InputError, match="The training has failed, so it stopped. Update 6: the samples have become"):
        resume(run, dataset=NOISE, progress=False)
    assert run.state.status == "failed" and run.steps()["update"].tolist() == [1, 2, 3, 4, 5, 6]
    with monkeypatch.context() as patched, pytest.raises(Killed):  # who was told goes on, and is killed soon
        patched.setattr(loop._Training, "_go_on", killed)
        resume(run, dataset=NOISE, progress=False)
    run.save_state(dataclasses.replace(run.state, status="running"))
    assert resume(run, dataset=NOISE, progress=False).state.status == "finished"
    with pytest.raises(InputError, match="on_collapse stop goes by what is measured.*watch_updates must be at least 1"):
        replace(experiment, watch_updates=0)


# --- which networks are kept ------------------------------------------------------------------------------------------


def test_the_best_networks_are_kept_beside_the_last_and_found_by_name(tiny, light, tmp_path, capsys):
    values = iter([0.1, 0.7, 0.3, 0.5])  # that of epoch 0 does not count

    def distance(sampler):
        return {"value": next(values), "samples": len(sampler.draw(2))}

    experiment = replace(tiny, epochs=3, keep="best", keep_models=True, count=None)
    run = train(experiment, dataset=NOISE, runs_dir=tmp_path, progress=False, distance=lambda experiment: distance)
    assert run.best == {"epoch": 2, "update": 6, "rollbacks": 0, "distance": {"value": 0.3, "samples": 2}}
    assert [record["distance"] for record in run.epochs()] == [0.1, 0.7, 0.3, 0.5]
    for network in ("generator", "discriminator"):
        weights, kept, last = (load_network(run.model(network, of)).get_weights() for of in ("best", 2, None))
        assert all(map(np.array_equal, weights, kept)) and not all(map(np.array_equal, weights, last))
    assert (
        find_network(run.folder, "generator", None, "best").file == run.folder / "models" / "best" / "generator.keras"
    )
    assert find_network(run.folder, "generator", None, "2").file == run.model("generator", 2)
    with pytest.raises(InputError, match=r"not kept its networks of --kept 9: choose from best, 0, 1, 2, 3\."):
        find_network(run.folder, "generator", None, "9")
    with pytest.raises(InputError, match="Only a run keeps networks beside its last"):
        find_network("faces", "generator", None, "best")
    with pytest.raises(InputError, match=r"pass distance=utils\.evaluation\.best\.distance_for"):
        resume(run, dataset=NOISE, progress=False)
    assert cli.main(["show", str(run.folder)]) == 0 and "best      epoch 2, distance 0.3000" in capsys.readouterr().out


def test_the_distance_is_the_kernel_distance_to_images_that_are_not_trained_on(tiny, tmp_path, monkeypatch):
    def extractor_for(name, size, **options):
        return Extractor("means", "f", {}, lambda images: images.mean((1, 2), dtype=np.float32))

    monkeypatch.setattr(best, "extractor_for", extractor_for)
    monkeypatch.setattr(best, "SAMPLES", 60)
    np.savez(tmp_path / "own.npz", images=np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3), np.uint8))
    with np.load(tmp_path / "own.npz") as file:
        images = file["images"]
    places = {"data_dir": tmp_path / "data", "progress": False}
    own = replace(tiny, name=str(tmp_path / "own.npz"), count=40)
    measured = best.distance_for(own, **places)(Drawn(images[:40]))
    trained = load_for(own, tmp_path / "data", False).images
    rest = np.stack([image for image in images if not (image == trained).all((1, 2, 3)).any()])
    expected = kernel_distance(images[np.arange(60) % 40].mean((1, 2)), rest.mean((1, 2)))
    assert measured["value"] == pytest.approx(expected.value, rel=1e-4) and measured["samples"] == 60 == len(rest)
    for count, left in ((None, 0), (60, 40)):
        with pytest.raises(InputError, match=f"at least 50 images that are not trained on.* {left} are left"):
            best.distance_for(replace(own, count=count), **places)


# --- the benchmark ----------------------------------------------------------------------------------------------------


def test_detections_and_false_alarms_are_counted_by_sign_and_in_all():
    def one(signs, found, again=0, not_finite=None, looked_for=benchmark.ALL):
        return {"signs": signs, "found": found, "again": again, "not finite": not_finite, "looked for": looked_for}

    gap, won, still = benchmark.GAP, benchmark.WON, benchmark.STILL
    rows = [
        one((gap,), {gap: 50}), one((gap,), {}), one((gap,), {won: 75}), one((still, won), {won: 200, gap: 25}, 2, 300),
        one((), {}), one((), {}, looked_for=(gap,)), one((), {won: 100}), one((), {}),
    ]  # fmt: skip
    figures = benchmark.judged(rows)
    assert (figures["detected"]["hits"], figures["detected"]["count"]) == (2, 4)
    assert figures["detected"]["value"] == 0.5 and figures["detected"]["low"] == pytest.approx(0.150, abs=1e-3)
    assert (figures["false_alarms"]["hits"], figures["false_alarms"]["count"]) == (1, 4)
    of_gap, of_still = figures["by_sign"][gap], figures["by_sign"][still]
    assert (of_gap["detected"]["hits"], of_gap["detected"]["count"], of_gap["at"]) == (1, 3, 50)
    assert (of_still["detected"]["hits"], of_still["by_this_sign"], of_still["at"]) == (1, 0, 200)
    assert figures["by_sign"][won]["false_alarms"]["hits"] == 1 and figures["by_sign"][won]["detected"] is None
    counts = [figures["by_sign"][sign]["false_alarms"]["count"] for sign in (gap, won)]
    assert counts == [4, 3]  # of the trainings of which it can be said
    assert figures["said_again"] == {"times": 2, "runs": 1} and figures["updates_before_not_finite"] == [275]
    assert set(benchmark.ALL) == {sign.name for sign in SIGNS} >= {s for case in benchmark.CASES for s in case.signs}


def test_kept_courses_are_judged_once_each_by_what_was_measured_of_them():
    """Arms that are the beginning of others, or that studies share, are one training; of none is known how far its
    samples moved, what float16 held, or whether they were copies."""
    rows = list(benchmark.kept())
    assert len(rows) == 82 and sum(not row["signs"] for row in rows) == 45
    of = benchmark.judged(rows)["by_sign"]
    assert of[benchmark.COLLAPSE]["false_alarms"]["count"] == 45
    assert {sign for sign in benchmark.ALL if of[sign]["false_alarms"] is None} == {
        benchmark.STILL, benchmark.SWING, benchmark.GROWTH, *benchmark.OF_FLOAT16, benchmark.COPYING,
    }  # fmt: skip


def test_the_published_rates_of_the_doctor_are_those_of_its_published_trainings():
    record = read_object(results.RESULTS / "records" / "doctor.json")
    assert benchmark.judged(record["runs"]) == {
        name: value for name, value in record.items() if name not in ("made by", "device", "remark", "runs")
    }
    kept = [row for row in record["runs"] if row["case"].startswith(benchmark.KEPT)]
    assert kept == json.loads(json.dumps(list(benchmark.kept())))


def test_the_table_of_the_benchmark_has_detections_and_false_alarms_of_every_sign_with_intervals():
    gap, won = benchmark.GAP, benchmark.WON
    about = {"case": "a", "data": "faces", "seed": 0, "again": 0, "not finite": None, "looked for": benchmark.ALL}
    rows = [about | {"signs": (gap,), "found": found} for found in ({gap: 50}, {gap: 75}, {})]
    rows += [about | {"signs": (), "found": found} for found in ({won: 100}, {}, {}, {})]
    told = benchmark._tables(rows, benchmark.judged(rows))
    lines = {line.split("  ")[0]: re.split(r"  +", line) for line in told.split("\n\n")[1].splitlines()}
    assert [*lines][2:] == [*benchmark.ALL, "all"]
    for sign, found, false in ((gap, "2/3, 67% (21% to 94%)", "0/4, 0% (0% to 49%)"),
                               (won, "none planted", "1/4, 25% (5% to 70%)"),
                               ("all", "2/3, 67% (21% to 94%)", "1/4, 25% (5% to 70%)")):  # fmt: skip
        assert lines[sign][1] == found and lines[sign][-1] == false


def test_the_benchmark_trains_what_is_not_there_yet_and_judges_it(light, tmp_path, capsys, monkeypatch):
    np.savez(tmp_path / "own.npz", images=np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8))
    arms = ["the recipe", "copies of 64 images"]
    monkeypatch.chdir(tmp_path)  # own pictures are known again by a path as it is typed
    options = ["--scale", "smallest", "--only", *arms, "--data", "own.npz"]
    options += ["--runs-dir", str(tmp_path / "runs"), "--data-dir", str(tmp_path / "data"), "--no-kept", "--json"]
    benchmark.main(options)
    first = json.loads(capsys.readouterr().out)
    assert [(r["case"], r["updates"], r["not finite"]) for r in first["runs"]] == [
        ("copies of 64 images", 2, None), ("the recipe", 8, None),
    ]  # fmt: skip
    assert PLAYERS["generator"] == "utils.models:build_generator"
    monkeypatch.setattr("utils.training.train", None)  # nothing is trained again
    benchmark.main([*options, "--sheet", str(tmp_path / "sheet.png")])
    assert json.loads(capsys.readouterr().out) == first and (tmp_path / "sheet.png").stat().st_size > 10_000


@pytest.fixture
def recipe_of(tmp_path, capsys):
    """Runs the benchmark on one case with images of that name; gives its exit code, its runs and what else it said."""
    np.savez(tmp_path / "own.npz", images=np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8))
    places = ["--runs-dir", str(tmp_path / "runs"), "--data-dir", str(tmp_path / "data")]

    def run(name):
        asked = ["--scale", "smallest", "--only", "the recipe", "--data", str(tmp_path / name), "--no-kept", "--json"]
        code = benchmark.main([*asked, *places])
        out, err = capsys.readouterr()
        return code, [] if code else json.loads(out)["runs"], err

    return run


def test_a_training_that_is_refused_is_not_judged_by_another_of_its_case(light, recipe_of):
    assert recipe_of("own.npz")[0] == 0
    code, runs, said = recipe_of("none.npz")
    assert (code, runs) == (2, []) and "none.npz" in said and "Traceback" not in said


def test_numbers_that_are_not_finite_are_an_outcome_and_are_not_trained_again(light, recipe_of, monkeypatch):
    read = loop.Record.read
    broken = {"loss_generator": float("nan")}
    monkeypatch.setattr(loop.Record, "read", lambda record: read(record) | (broken if record.update == 5 else {}))
    code, (run,), _ = recipe_of("own.npz")
    assert code == 0 and run["not finite"] == 5
    monkeypatch.setattr("utils.training.train", None)
    monkeypatch.setattr("utils.training.resume", None)
    assert recipe_of("own.npz")[:2] == (0, [run])


def test_a_training_that_something_else_has_stopped_is_no_outcome_and_goes_on_the_next_time(
    light, recipe_of, monkeypatch
):
    def full(*_, **__):
        raise InputError("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(Light, "__call__", full)
        code, runs, said = recipe_of("own.npz")
        assert (code, runs) == (2, []) and "The disk is full." in said
    code, (run,), _ = recipe_of("own.npz")
    assert (code, run["updates"], run["not finite"]) == (0, 8, None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_training_ends_in_a_sentence_and_the_same_command_goes_on(
    light, recipe_of, monkeypatch, number
):
    read = loop.Record.read

    def signalled(record):
        if record.update == 3:
            signal.raise_signal(number)
        return read(record)

    with monkeypatch.context() as patched:
        patched.setattr(loop.Record, "read", signalled)
        code, runs, said = recipe_of("own.npz")
    assert (code, runs) == (128 + number, []) and "Traceback" not in said
    assert re.search(
        r"^Stopped\. What was trained is kept in .*/runs; the same command goes on from there\.$", said, re.M
    )
    code, (run,), _ = recipe_of("own.npz")
    assert (code, run["updates"]) == (0, 8)


def test_a_training_that_is_asked_for_twice_is_judged_once():
    options = argparse.Namespace(
        seeds=[1, 0, 1], data=["faces", "faces:32", "faces"], scale="smallest", only=["the recipe"]
    )
    asked = [(place, experiment.training.seed) for _, place, experiment in benchmark.experiments(options)]
    assert asked == [("faces", 1), ("faces", 0)]
    options.data = ["64", ":64"]  # a folder may be called so
    assert [place for _, place, _ in benchmark.experiments(options)] == ["64", ":64"] * 2


def test_ctrl_c_between_trainings_ends_in_the_same_sentence(recipe_of, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "trained", stop)
    code, runs, said = recipe_of("own.npz")
    assert (code, runs) == (130, []) and said.endswith("the same command goes on from there.\n")
