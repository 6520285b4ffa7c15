"""The study of long trainings: what its arms are, that it keeps what it should, and no photograph."""

from types import SimpleNamespace

import imageio.v2 as imageio
import numpy as np
import pytest
from light import leave_undrawn
from test_notebooks import OF_DATASETS, code_of, read
from test_studies import shrunk

from utils import config, notebook, viz
from utils.config import preset
from utils.errors import InputError
from utils.evaluation import features
from utils.evaluation.distances import LEAST_SAMPLES
from utils.evaluation.features import Extractor
from utils.fitting import recommended
from utils.models import load_network
from utils.presets import SCALES
from utils.sampling import Sampler
from utils.studies import long_training as study
from utils.studies import results
from utils.studies.long_training import long_training
from utils.studies.moments import COLUMNS
from utils.studies.moments import moments as moments_of
from utils.studies.recipes import recipes
from utils.studies.study import WATCHED


def photographs(path, count, side):
    """An .npz of different pictures, none of which may be passed on."""
    np.savez(path, images=np.random.default_rng(3).integers(0, 256, (count, side, side, 3), np.uint8))
    return str(path)


# --- the arms ---------------------------------------------------------------------------------------------------------


def test_at_32_pixels_the_arms_are_the_reports_networks_the_cure_and_the_winner_of_the_recipes():
    plain, few, cured, best = (arm.experiment for arm in long_training("cifar10").arms)
    assert plain.model == preset("report32").model and plain.data.count is None
    changed = {name: new for name, (_, new) in config.differences(plain, cured).items()}
    assert changed == {"model.batch_norm": "on", "model.batch_norm_momentum": 0.9, "model.weights": "normal"}
    assert config.differences(plain, few) == {"data.count": (None, 1000)}
    winner = {arm.name: arm.experiment for arm in recipes("cifar10").arms}["faster_kernel_4_batch_32"]
    assert best.model == winner.model and best.training.learning_rate == 4e-4 and best.training.batch_size == 32
    assert [one.training.updates for one in (plain, few, cured, best)] == [4500, 4500, 4500, 45_000]


def test_at_64_pixels_the_reports_networks_are_halved_and_the_best_recipe_is_that_of_the_first_command():
    plain, *_, best = (arm.experiment for arm in long_training("faces", "quick").arms)
    assert plain.model == config.replace(preset("report64"), width=0.5).model
    assert best.model == recommended(64).model and best.training.updates == 5 * plain.training.updates == 4500


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("data", ["house_numbers", "celeba"])
def test_every_arm_keeps_as_many_moments_and_few_measurements_of_the_watch(data, scale):
    made = long_training(data, scale)
    assert made.seeds == (0,) and {arm.experiment.model.image_size for arm in made.arms} == {
        32 if data[0] == "h" else 64
    }
    for arm in made.arms:
        training = arm.experiment.training
        parts, rest = divmod(training.updates, training.summary_updates)
        assert (parts, rest) == ({"smallest": 3}.get(scale, 15), 0) and training.keep_models
        assert training.updates / training.watch_updates <= WATCHED


def test_of_own_pictures_enough_are_left_to_measure_against_and_few_are_augmented(tmp_path):
    large = long_training(photographs(tmp_path / "beds.npz", 400, 64), "quick")
    assert [arm.experiment.data.count for arm in large.arms] == [300, 150, 300, 300]
    assert {arm.experiment.model.image_size for arm in large.arms} == {64}
    assert large.name == "long_training-beds-quick" and large.arms[3].experiment.training.augment
    assert not large.arms[0].experiment.training.augment
    small = long_training(photographs(tmp_path / "small.npz", 100, 40), "smallest")
    assert {arm.experiment.model.image_size for arm in small.arms} == {32}
    with pytest.raises(InputError, match="takes 96 pictures, 80 of them to measure against. Received: .*which has 90"):
        long_training(photographs(tmp_path / "few.npz", 90, 32))


# --- what is kept -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def carried_out(tmp_path_factory):
    """One arm on photographs of 32 pixels: its run, its kept results, and where they are."""
    home = tmp_path_factory.mktemp("long")

    def missing():
        raise InputError("not installed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "classifier", lambda *_, **__: Extractor("pixels", "0", {}, shrunk))
        patch.setitem(features._ON_IMAGENET, "imagenet", missing)
        leave_undrawn(patch)
        made = long_training(photographs(home / "shots.npz", 120, 32), "smallest").only(["best_recipe"])
        runs, file = study.carry_out(made, home / "runs", home / "kept", data_dir=home / "data", progress=False)
    return SimpleNamespace(
        home=home, study=made, run=runs["best_recipe", 0], kept=results.load(file.stem, home / "kept")
    )


def test_of_photographs_generated_pictures_are_kept_alone_and_no_place_of_this_machine(carried_out):
    assert sorted(file.name for file in carried_out.kept["pictures"].iterdir()) == [
        "best_recipe-0-moments.jpg", "best_recipe-0.png", "film.mp4"
    ]  # fmt: skip
    assert str(carried_out.home) not in (carried_out.home / "kept" / f"{carried_out.study.name}.json").read_text()


def test_an_arm_whose_moments_were_not_kept_is_left_out_of_the_film(carried_out, tmp_path):
    (run,) = carried_out.kept["runs"]
    lost = carried_out.kept | {"runs": [run, run | {"arm": "report"}]}  # a process was killed before it kept them
    study.write_film(lost, tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").stat().st_size
    study.write_film(lost | {"pictures": tmp_path}, tmp_path / "none.mp4")
    assert not (tmp_path / "none.mp4").exists()


def test_true_images_that_the_project_has_drawn_are_kept_as_they_are(tmp_path):
    faces = long_training("faces", "smallest").arms[0].experiment
    study._keep_true(tmp_path / "true.png", faces, tmp_path / "data")
    kept = viz.read_png(tmp_path / "true.png")
    assert kept.shape == (64, COLUMNS * 64, 3) and kept.std() > 20


def test_moments_are_what_the_networks_drew_of_the_runs_first_latents(carried_out):
    run, (row,) = carried_out.run, carried_out.kept["runs"]
    moments = moments_of(carried_out.kept, row)
    assert moments.shape == (4, COLUMNS, 32, 32, 3) and [s["update"] for s in row["snapshots"]] == [0, 10, 20, 30]
    latents = np.load(run.latents_file)[:COLUMNS]
    for number, moment in zip((0, 10, 20, 30), moments):
        drawn = Sampler.of(load_network(run.model("generator", number)), run.experiment).images(latents)
        assert np.abs((drawn + 1) * 127.5 - moment).mean() < 4  # stored as JPEG


def test_the_distance_at_the_end_has_its_passport_and_is_that_of_the_last_moment(carried_out):
    (row,) = carried_out.kept["runs"]
    assert row["distance"]["kernel"]["value"] == pytest.approx(row["snapshots"][-1]["kernel"][0], rel=1e-3)
    passport = row["distance"]["passport"]
    assert passport["seen"] is False and passport["samples"] == [LEAST_SAMPLES] * 2 and passport["ema_decay"] == 0.99
    assert row["settings"]["training"]["updates"] == 30 and row["settings"]["data"]["name"] == "shots"


def test_table_series_figure_and_film_show_every_arm(carried_out):
    kept = carried_out.kept
    rows, figure = study.answer(kept)
    assert [(row["arm"], row["updates"], row["images seen"], row["seed"]) for row in rows] == [
        ("best_recipe", "30", "240", "0")
    ]
    figure.draw_without_rendering()
    assert "losses: best_recipe" in [axes.get_title() for axes in figure.axes]
    picture = study.series(kept, "best_recipe", count=3)
    assert picture.shape[0] == 32 + 3 * 98 + 2 and picture.shape[1] > COLUMNS * 98
    frames = imageio.mimread(kept["pictures"] / "film.mp4")
    assert len(frames) == 4 + 6 and frames[0].shape[1] == COLUMNS * 66 + 2  # the last stays for two seconds


def test_settings_and_passport_are_told(carried_out):
    best, distances = study.in_words(carried_out.kept).splitlines()
    assert best.startswith("best_recipe: quick32 with ") and "width 0.0625" in best and "name shots" in best
    assert f"{LEAST_SAMPLES} samples against {LEAST_SAMPLES} of shots" in distances and "jackknife" in distances
    assert "differ" not in distances


def test_the_authors_generator_stands_beside_without_a_training_and_without_a_distance(
    carried_out, tmp_path, monkeypatch
):
    run, out = carried_out.run, tmp_path / "kept"
    card = {"data": "SVHN, as the authors had it", "about": "released", "parameters": {}}
    model = SimpleNamespace(model=run.model, experiment=run.experiment, card=card)
    monkeypatch.setattr("utils.pretrained.find", lambda name: model if name == study.AUTHORS else None)
    study._keep_authors(carried_out.study, out)
    kept = results.load(carried_out.study.name, out)
    (row,) = study.by_arm(kept)
    assert (row["arm"], row["minutes"], row["distance"]) == ("authors_2015", "–", "not measured")
    assert study.series(kept, "authors_2015").shape[1] == 6 * 98 + 2


def test_signs_of_the_watch_are_told_from_when_to_when(monkeypatch):
    row = {
        "gap": 0.0,
        "fake_batch": 1e-6,
        "fake_moving": 1e-6,
        "true_batch": 0.999,
        "diversity": 0.4,
        "diversity_true": 0.45,
    }
    over = row | {"fake_batch": 0.3, "true_batch": 0.7}
    watch = [row | {"update": n} for n in range(25, 201, 25)] + [over | {"update": n} for n in range(225, 301, 25)]
    run = SimpleNamespace(experiment=preset("report32"), watch=lambda: watch)
    (sign,) = study.signs(run)
    assert sign["sign"] == "the discriminator's victory" and sign["from"] == 100 and 225 <= sign["to"] <= 300
    assert study._sign_in_words(sign | {"to": None}) == "the discriminator's victory from 100 on"


def test_the_longest_training_is_found_and_where_there_is_none_a_sentence_says_how_to_make_it(tmp_path, capsys):
    made = long_training("cifar10", "quick")
    results.write(made, {("report", 0): {}}, tmp_path)
    assert study.find("cifar10", tmp_path)["study"] == "long_training-cifar10-quick"
    results.write(long_training("cifar10"), {("report", 0): {}}, tmp_path)
    assert study.find("cifar10", tmp_path)["study"] == "long_training-cifar10" and study.find("svhn", tmp_path) is None
    assert notebook.open_longer("no_such", preset("quick")) is None
    said = capsys.readouterr().out
    assert said.startswith("No long training on no_such is kept yet.") and "--data no_such.npz --scale quick" in said


def test_the_cell_of_the_notebooks_shows_table_courses_each_arms_series_and_the_film(carried_out, monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "display", lambda thing, raw=False: shown.append(thing))
    monkeypatch.setattr(study, "find", lambda data: carried_out.kept if data == "shots" else None)
    names = {
        "kept": "shots",
        "experiment": None,
        "scale": "quick",
        "runs_dir": None,
        "data_dir": None,
        "play": notebook.play,
    }
    exec(code_of(read(OF_DATASETS[0]))["longer"], names)
    table, courses, series, film = shown
    assert "best_recipe" in table["text/plain"] and "not measured" not in table["text/plain"]
    assert imageio.imread(courses.data).shape[1] > imageio.imread(series.data).shape[1] > COLUMNS * 96
    assert "<video" in film._repr_html_()
