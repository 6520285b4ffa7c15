"""The study of the report's two amounts of images: what its arms share, and what it keeps and draws."""

from types import SimpleNamespace

import numpy as np
import pytest
from light import leave_undrawn
from test_long_training import photographs
from test_studies import shrunk

from utils import config
from utils.data import load_for
from utils.errors import InputError
from utils.evaluation import features
from utils.evaluation.features import Extractor
from utils.models import load_network
from utils.presets import SCALES, preset
from utils.studies import report_amounts as study
from utils.studies import results
from utils.studies.moments import moments
from utils.studies.report_amounts import report_amounts


def test_the_reports_amounts_have_equal_updates_and_equal_epochs_and_share_all_else():
    arms = {arm.name: arm.experiment for arm in report_amounts("faces").arms}
    assert list(arms) == ["1203", "19000", "300000", "1203-epochs", "19000-epochs", "1203-moved"]
    assert {arms[name].training.updates for name in ("1203", "19000", "300000")} == {28_125}  # 3 x 300,000 / 32
    assert arms["19000-epochs"].training.updates == 3 * 593 and arms["1203-epochs"].training.updates == 3 * 37
    for name, experiment in arms.items():
        assert experiment.data.count == int(name.split("-")[0])
        assert experiment.model == preset("quick32").model and experiment.training.learning_rate == 4e-4
        assert experiment.training.augment == (("colour", "translation") if name == "1203-moved" else ())
        changed = set(config.differences(arms["300000"], experiment)) - {"training.augment"}
        assert changed <= {"data.count", "training.updates", "training.summary_updates", "training.watch_updates"}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("data", ["faces", "cifar10", "celeba"])
def test_every_arm_is_measured_about_as_often_whatever_its_length(data, scale):
    for arm in report_amounts(data, scale).arms:
        training = arm.experiment.training
        moments, asked = training.updates // training.summary_updates, study.MOMENTS[scale]
        assert training.keep_models and (asked <= moments <= 1.5 * asked or training.summary_updates == 1)
        assert arm.experiment.data.count >= training.batch_size


def test_a_smaller_set_is_compared_with_the_same_share_of_it(tmp_path):
    def amounts(data):
        return [int(arm.name) for arm in report_amounts(data).arms if arm.name.isdecimal()]

    assert amounts("cifar10") == [200, 3166, 50_000]  # its test images are measured against
    own = photographs(tmp_path / "beds.npz", 3200, 8)
    assert amounts(own) == [152, 2400]  # 19/300 of them; a quarter is measured against; 19/300 of 152 are too few
    longest = report_amounts(own).arms[1].experiment.training
    assert longest.updates == 134 * (2400 // 32)  # whole epochs, at least 10,000 updates
    with pytest.raises(InputError, match="Amounts are compared of 128 images or more.*few.npz has 70, with others"):
        report_amounts(photographs(tmp_path / "few.npz", 150, 8))


@pytest.fixture(scope="module")
def carried_out(tmp_path_factory):
    """One arm of each kind on photographs at the smallest scale: the runs and what is kept of them."""
    home = tmp_path_factory.mktemp("amounts")

    def missing():
        raise InputError("not installed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "classifier", lambda *_, **__: Extractor("pixels", "0", {}, shrunk))
        patch.setitem(features._ON_IMAGENET, "imagenet", missing)
        leave_undrawn(patch)
        made = report_amounts(photographs(home / "shots.npz", 360, 32), "smallest")
        made = made.only(["16", "256", "16-epochs", "16-moved"])
        runs, file = study.carry_out(made, home / "runs", home / "kept", data_dir=home / "data", progress=False)
    return SimpleNamespace(runs=runs, kept=results.load(file.stem, home / "kept"), text=file.read_text(), home=home)


@pytest.mark.slow
def test_a_run_of_equal_epochs_is_the_beginning_of_that_of_equal_updates(carried_out):
    short, long = (carried_out.runs[arm, 0].steps() for arm in ("16-epochs", "16"))
    assert len(short["update"]) == 2 and len(long["update"]) == 32
    for name in ("loss_true", "loss_fake", "loss_generator"):
        np.testing.assert_array_equal(short[name], long[name][:2])


def test_every_arms_moments_are_kept_with_epochs_counted_by_the_images(carried_out):
    assert {run["arm"]: [row["epoch"] for row in run["snapshots"]] for run in carried_out.kept["runs"]} == {
        "16": [0, 8, 16],  # 2 updates go through 16 images
        "256": [0, 0.5, 1],
        "16-epochs": [0, 0.5, 1],
        "16-moved": [0, 8, 16],
    }
    for run in carried_out.kept["runs"]:
        assert moments(carried_out.kept, run).shape == (len(run["snapshots"]), 5, 32, 32, 3)
    assert {file.suffix for file in carried_out.kept["pictures"].iterdir()} == {".png", ".jpg"}
    assert str(carried_out.home) not in carried_out.text


def test_rows_stand_at_equal_updates_and_at_equal_epochs(carried_out):
    rows, figure = study.answer(carried_out.kept)
    assert [(row["images"], row["compared at"], row["updates"], row["epochs"]) for row in rows] == [
        (16, "equal updates", "32", "16"), (16, "equal epochs", "2", "1"),
        (16, "equal updates, augmented", "32", "16"), (256, "equal updates", "32", "1"),
    ]  # fmt: skip
    assert len(figure.axes) == 4
    titles = [axes.get_title().split(":")[0] for axes in study.plot_as_fig_13(carried_out.kept).axes]
    assert titles == [
        "epoch 1.0, update 2", "epoch 1.0, update 2", "epoch 16, update 32", "", "", "epoch 16, update 32",
        "epoch 1.0, update 32", "epoch 1.0, update 32", "epoch 1.0, update 32",
    ]  # fmt: skip
    (first, *_) = study.by_space(carried_out.kept)
    assert list(first) == ["arm", "updates", "pixels", "fixed pattern"] and first["arm"] == "16"


def test_a_course_is_read_whole():
    def run(arm, images, distances):
        judged = {"trained_on": 0.9, "held_out": 0.1}
        rows = [
            {"epoch": n / 2, "update": 10 * n, "kernel": [d, d - 0.01, d + 0.01], "judged": judged}
            for n, d in enumerate(distances)
        ]
        return {"arm": arm, "images": images, "updates": 10 * (len(distances) - 1), "seconds": 90, "snapshots": rows}

    kept = {"runs": [run("400", 400, (9, 3, 1.5, 0.5, 0.8, 0.2, 4)), run("90", 90, (9, 5, 6, 7.5, 8, 8.5))]}
    few, many = study.by_course(kept)  # of an odd number of networks the one in the middle is in the second half
    assert few["images"] == 90 and few["second half"] == "8.000 (7.500 to 8.500)"
    assert many["after an epoch"] == "1.500 (epoch 1)" and many["least"] == "0.200 (update 50)"
    assert many["second half"] == "0.800 (0.200 to 4.000)" and many["at the end"] == "4.000"
    assert many["minutes"] == "1.5" and many["score, others'"] == "0.90, 0.10"


def test_the_discriminator_judges_images_it_has_seen_and_as_many_it_has_not(carried_out):
    kept = next(run for run in carried_out.kept["runs"] if run["arm"] == "256")
    run = carried_out.runs["256", 0]
    seen = load_for(run.experiment, carried_out.home / "data", progress=False).images
    with np.load(carried_out.home / "shots.npz") as file:
        everything = {image.tobytes() for image in file["images"]}
    assert len(everything - {image.tobytes() for image in np.asarray(seen)}) == 104
    network = load_network(run.model("discriminator"))
    score = float(np.mean(network(np.asarray(seen[:80], np.float32) / 127.5 - 1, training=True)))  # of 80 others
    assert kept["snapshots"][-1]["judged"]["trained_on"] == pytest.approx(score, rel=1e-3)
    assert kept["snapshots"][-1]["judged"]["held_out"] != kept["snapshots"][-1]["judged"]["trained_on"]
    panels = study.plot_by_heart(carried_out.kept).axes
    assert [axes.get_title() for axes in panels] == ["16 images", "16 images, augmented", "256 images"]
    line = panels[2].get_lines()[1]
    assert list(line.get_ydata()) == [row["judged"]["held_out"] for row in kept["snapshots"]]
