"""RDCGAN: the encoder, its recipe, what is kept of it, and the study of what it does."""

import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from commands import said
from comparing import killed_late
from light import leave_undrawn

from utils import pretrained
from utils.config import differences, preset, replace
from utils.data import Dataset
from utils.errors import InputError
from utils.evaluation.features import Extractor
from utils.explain.fixed import fixed_discriminator
from utils.features import svm
from utils.features.extract import Part, discriminator_features, joined
from utils.features.factors import by_majority, read_factors
from utils.files import digest
from utils.latent.inversion import invert
from utils.latent.reconstruction import reconstruct
from utils.models import build_encoder, load_network
from utils.runs import Run
from utils.sampling import Sampler
from utils.studies import regularised as study
from utils.studies.results import load as load_results
from utils.training import resume, train
from utils.training.batches import Batch
from utils.training.losses import judged_reconstruction, reconstruction, reconstruction_error
from utils.training.players import build_players
from utils.training.recipes import recipe_of
from utils.training.step import Update
from utils.training.view import View

TINY = replace(
    preset("regularised64"),
    image_size=16, latent_dim=6, count=24, batch_size=8, epochs=2, generator_steps=1, summary_samples=8,
    keep_models=True, watch_updates=0,
    generator={"start": 8, "start_filters": 4, "filters": (3,), "strides": (1,)},
    discriminator={"filters": (3, 4), "strides": (4, 2)},
)  # fmt: skip
IMAGES = np.random.default_rng(5).integers(0, 256, (24, 16, 16, 3), np.uint8)
DATASET = Dataset(name="faces", title="noise", images=IMAGES, fingerprint="0123456789abcdef")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        leave_undrawn(patch)
        return train(TINY, dataset=DATASET, runs_dir=tmp_path_factory.mktemp("runs"), progress=False)


def batch_of(experiment):
    training, side = experiment.training, experiment.model.image_size
    images = np.random.default_rng(1).integers(0, 256, (1, training.batch_size, side, side, 3), np.uint8)
    return Batch.of(experiment, 1, images)


# --- networks and recipe ----------------------------------------------------------------------------------------------


def test_the_released_networks_have_their_widths_and_the_encoder_all_but_the_first_normalisation():
    experiment = preset("regularised64")
    players = build_players(experiment)
    convolutions = [25 * a * b + b for a, b in ((3, 8), (8, 16), (16, 32), (32, 64))]
    assert players.discriminator.count_params() == sum(convolutions) + 4 * (8 + 16 + 32 + 64) + 1024 + 1 == 69_425
    encoder = players["encoder"].network
    assert encoder.count_params() == sum(convolutions) + 4 * (16 + 32 + 64) + 100 * 1024 + 100 == 170_868
    assert isinstance(encoder.layers[1], keras.layers.LeakyReLU) and encoder.output_shape == (None, 100)
    assert [layer.filters for layer in players.generator.layers if hasattr(layer, "filters")] == [32, 16, 8, 3]
    codes = np.asarray(encoder(np.random.default_rng(0).normal(0, 30, (4, 64, 64, 3)).astype(np.float32)))
    assert 0.1 < np.abs(codes).max() < 1


def test_an_encoder_has_weights_of_its_own_seed_and_no_dropout(tiny):
    one, same, other = (build_encoder(tiny.model, seed).get_weights() for seed in (1, 1, 2))
    assert all(map(np.array_equal, one, same)) and not np.array_equal(one[0], other[0])
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in build_encoder(tiny.model).layers)


def test_the_recipe_alone_says_whether_there_is_a_regulariser():
    players = [list(phase.terms) for phase in recipe_of(preset("regularised64"))]
    assert players == [["discriminator"], ["encoder"], ["generator"], ["encoder"], ["generator"]]
    on_other = replace(preset("quick64"), recipe="regularised")
    assert [list(phase.terms) for phase in recipe_of(on_other)] == [["discriminator"], ["encoder"], ["generator"]]
    assert set(differences(preset("quick64"), on_other)) == {"training.recipe"}
    together = replace(on_other, simultaneous=True)
    assert [list(phase.terms) for phase in recipe_of(together)] == [["encoder"], ["discriminator", "generator"]]


def test_an_update_is_a_step_of_d_then_of_e_then_of_g_by_the_released_formulas(float64, eagerly):
    experiment = replace(TINY, reconstruction=0.5)
    players, expected, batch = build_players(experiment), build_players(experiment), batch_of(experiment)
    recorded = Update(players, experiment)(batch).read()

    true, (latents_d, latents_g) = 2.0 * batch.images[0] / 255 - 1, batch.latents
    encoder, generator, discriminator = (expected[n].network for n in ("encoder", "generator", "discriminator"))
    judge = keras.Sequential(discriminator.layers[:-1])
    found = {}

    def descend(network, loss):
        with tf.GradientTape() as tape:
            value = loss()
        gradients = tape.gradient(value, network.trainable_weights)
        keras.optimizers.Adam(2e-4, beta_1=0.5).apply_gradients(zip(gradients, network.trainable_weights))

    def score(images, label):
        logits = judge(images, training=True)
        return -tf.reduce_mean(tf.math.log(tf.sigmoid(logits if label else -logits)))

    def regulariser():
        again = generator(encoder(true, training=True), training=True)
        squares = tf.reduce_sum(tf.square(again - true), axis=[1, 2, 3])
        found["loss_encoder"], found["loss_reconstruction"] = score(again, 1), tf.reduce_mean(squares) / (16 * 16 * 3)
        return found["loss_encoder"] + 0.5 * tf.reduce_mean(squares)

    descend(discriminator, lambda: score(true, 1) + score(generator(latents_d, training=True), 0))
    descend(encoder, regulariser)
    descend(generator, lambda: score(generator(latents_g, training=True), 1) + regulariser())
    for name in ("discriminator", "encoder", "generator"):
        weights = zip(players[name].network.trainable_weights, expected[name].network.trainable_weights, strict=True)
        for a, b in weights:
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=2e-6, err_msg=name)
    for name, value in found.items():  # as in the generator's phase, the last
        assert recorded[name] == pytest.approx(float(value), rel=1e-4)


def test_the_generators_averages_are_of_latents_and_not_of_codes():
    players, batch = build_players(TINY), batch_of(TINY)
    view = View(players, TINY.training, images=tf.constant(batch.images[0]), draw_fake=None)
    before = [variable.numpy() for variable in players.generator.non_trainable_variables]
    assert view.reconstruction.shape == (8, 16, 16, 3)
    for a, b in zip(before, players.generator.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    moved = [v.numpy() for v in players["encoder"].network.non_trainable_variables]
    assert any(np.abs(values).max() not in (0.0, 1.0) for values in moved)


def test_what_is_descended_is_a_sum_over_pixels_and_what_is_recorded_their_mean():
    settings = replace(TINY, reconstruction=2.0).training
    view = View(build_players(TINY), settings, images=tf.constant(IMAGES[:8]), draw_fake=None)
    error = float(reconstruction_error(view))
    np.testing.assert_allclose(float(reconstruction(view)), 2 * 16 * 16 * 3 * error, rtol=1e-5)
    expected = np.mean((np.asarray(view.reconstruction) - (2.0 * IMAGES[:8] / 255 - 1)) ** 2)
    assert error == pytest.approx(expected, rel=1e-5) and 0.3 < float(judged_reconstruction(view)) < 1.5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": "regularised", "loss": "hinge"}, "leave --loss out"),
        ({"reconstruction": 0.5}, "add --recipe regularised"),
        ({"recipe": "regularised", "reconstruction": -1.0}, "reconstruction must be at least 0"),
    ],
)
def test_what_the_recipe_requires_is_said(tiny, changes, words):
    with pytest.raises(InputError) as refusal:
        replace(tiny, **changes)
    assert words in str(refusal.value)


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_a_training_with_an_encoder_goes_on_to_the_same_bits(run, tmp_path, undrawn):
    again = killed_late(run, tmp_path / "runs")
    (before,) = again.checkpoints.glob("*.npz")
    shutil.rmtree(again.model("encoder").parent)
    with np.load(before) as file:
        assert sum(name.startswith("encoder/") for name in file.files) == 10  # kernels, biases, one normalisation
    resume(again, dataset=DATASET, progress=False)
    for which in ("encoder", "generator", "discriminator"):
        weights = [load_network(each.model(which)).get_weights() for each in (run, again)]
        assert all(map(np.array_equal, *weights))
    assert run.steps_file.read_bytes() == again.steps_file.read_bytes()
    changed = [load_network(run.model("encoder", epoch)).get_weights()[0] for epoch in (1, 2)]
    assert not np.array_equal(*changed)


def test_the_encoder_is_kept_beside_the_others_and_published_with_them(run, tmp_path):
    assert all(run.model("encoder", which).is_file() for which in (None, 0, 1))
    model = pretrained.publish(run, "with_one", DATASET, folder=tmp_path)
    published = load_network(model.model("encoder"))
    assert all(map(np.array_equal, published.get_weights(), load_network(run.model("encoder")).get_weights()))
    assert model.card["parameters"]["encoder"] == published.count_params()
    networks = {name: load_network(run.model(name)) for name in ("generator", "discriminator")}
    pretrained.keep("with_one", networks, run.experiment, {}, tmp_path)  # replaced by a model without one
    assert not model.model("encoder").exists()


def test_inversion_starts_from_the_code_and_a_perfect_encoder_needs_no_search():
    """A generator that writes its latents into the image, and the encoder that reads them."""
    sampler = Sampler(_writes, 12, "uniform")
    latents = sampler.make_latents(3, 1)
    found = invert_with(sampler, latents, lambda images: images.reshape(3, 12) / 0.9)
    assert found.encoder_error.max() < 1 < found.nearest.min() and found.error.max() < 1
    assert "encoder alone" in found.table()[0] and found.plain()["pictures"][0]["encoder_alone"] < 1
    np.testing.assert_allclose(found.latents, latents, atol=0.02)


class _Writer(keras.Layer):
    def call(self, latents):
        return 0.9 * keras.ops.reshape(latents, (-1, 2, 2, 3))


_writes = keras.Sequential([keras.Input((12,)), _Writer()])


def invert_with(sampler, latents, encode):
    pictures = np.rint((sampler.images(latents) + 1) * 127.5).astype(np.uint8)
    return invert(sampler, pictures, starts=1, progress=False, encode=encode)


def test_the_command_shows_what_the_encoder_alone_gives(run, capsys, tmp_path):
    code, out, err = said(capsys, "invert", run.folder, "--encoder", "--check", 1, "--out", tmp_path, "--json",
                          "--data-dir", tmp_path / "data")  # fmt: skip
    assert code == 0, err
    record = json.loads(out)
    assert record["recovery"]["samples"] == 1 and "encoder_alone" in record["true_images"]["pictures"][0]
    assert record["encoder_sha256"] == digest(run.model("encoder"))
    assert (tmp_path / "true.png").is_file() and (tmp_path / "samples.png").is_file()
    code, out, err = said(capsys, "invert", "faces", "--encoder", "--check", 1)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert "faces has no encoder beside its other networks: that takes training with --recipe regularised" in err


def test_reconstructions_are_compared_with_one_picture_for_all(run):
    generator, encoder = (load_network(run.model(name)) for name in ("generator", "encoder"))
    found = reconstruct(generator, encoder, IMAGES, IMAGES.mean(0), batch_size=7)
    whole = reconstruct(generator, encoder, IMAGES, IMAGES.mean(0)).drawn.astype(int)
    assert np.abs(found.drawn - whole).max() <= 1
    assert found.error == pytest.approx(np.sqrt(((whole - IMAGES) ** 2.0).mean()), rel=0.01)
    assert found.error_of_typical == pytest.approx(IMAGES.astype(float).std(0).mean(), rel=0.05)


# --- what is read off the features ------------------------------------------------------------------------------------


def test_encoders_have_features_like_discriminators_and_joined_they_stand_side_by_side():
    players, part = build_players(TINY), Part(DATASET, np.arange(24))
    fixed = fixed_discriminator(players["encoder"].network, outputs=6)
    with pytest.raises(InputError, match="to one score"):
        fixed_discriminator(players["encoder"].network)
    encoder = discriminator_features(fixed, part, "E")
    judge = discriminator_features(fixed_discriminator(players.discriminator), part, "D")
    both = joined("both", judge, encoder)
    assert both.card["features"] == 2 * encoder.card["features"] == 2 * (16 * 3 + 4 * 4)
    np.testing.assert_array_equal(both(IMAGES), np.concatenate([judge(IMAGES), encoder(IMAGES)], 1))
    assert len({each.fingerprint for each in (both, encoder, judge)}) == 3


def test_a_factor_that_is_in_the_features_is_read_and_one_that_is_not_is_guessed():
    random = np.random.default_rng(0)
    known, answers = random.integers(0, 3, (2, 200)), random.integers(0, 3, (2, 300))
    features = [np.eye(3)[of[0]] + random.normal(0, 0.1, (of.shape[1], 3)) for of in (known, answers)]
    train_features, test_features = (x.astype(np.float32) for x in features)
    found = read_factors(train_features, known, test_features, answers)
    first, second = found.right.mean(1)
    assert first == 1 and 0.23 < second < 0.43
    assert found.accuracy.value == pytest.approx((first + second) / 2) and found.strengths.shape == (2,)
    most = np.bincount(known[0]).argmax()
    assert by_majority(known, answers).right[0].mean() == np.mean(answers[0] == most)


def test_c_is_raised_until_every_factor_has_clearly_fallen_for_two_steps(monkeypatch):
    """Machines that look at one feature each, which is right in a known share of the images."""
    shares, tried = (0.6, 0.7, 0.9, 0.88, 0.5, 0.5, 0.9, 0.9, 0.9, 0.9), []
    known = np.arange(1_000) % 2
    wrong = np.arange(1_000)[:, None] % 100 >= 100 * np.array(shares)
    features = np.where(known[:, None] ^ wrong, 1, -1).astype(np.float32)

    def many(x, targets, strength, *others):
        tried.append(strength)
        weights = np.zeros((len(shares) + 1, 2))
        weights[len(tried) - 1] = -1, 1
        return weights

    monkeypatch.setattr("utils.features.factors.svm", SimpleNamespace(**vars(svm) | {"many": many}))
    found = read_factors(features, known[None], features, known[None])
    assert len(tried) == 6  # 0.88 is not clearly below 0.9 among 200 images
    assert found.strengths == [tried[2]] and found.right.mean() == pytest.approx(0.9)


# --- the study --------------------------------------------------------------------------------------------------------


def test_the_arms_differ_in_the_recipe_and_the_weight_alone():
    arms = {arm.name: arm.experiment for arm in study.regularised().arms}
    assert set(differences(arms["dcgan"], arms["rdcgan"])) == {"training.recipe"}
    assert set(differences(arms["rdcgan"], arms["weak"])) == {"training.reconstruction"}
    released = preset("regularised64")
    assert arms["rdcgan"].model.image_size == 32 and arms["rdcgan"].training.generator_steps == 2
    assert arms["rdcgan"].model.discriminator.filters == released.model.discriminator.filters[:3]
    assert arms["weak"].training.reconstruction == pytest.approx(64 * 0.00005 / 2)
    assert [study.regularised(scale=scale).name for scale in ("quick", "smallest")] == [
        "regularised-faces-quick", "regularised-faces-smallest"
    ]  # fmt: skip


def test_a_run_is_read_with_its_controls_and_random_networks_once_for_all_arms(tmp_path, monkeypatch):
    monkeypatch.setitem(study.SIZES, "smallest", (8, 1, 1))
    monkeypatch.setitem(study.MEASURED, "smallest", (16, 8, 8))
    small, runs = study.regularised(scale="smallest"), {}
    for arm in small.arms[:2]:  # untrained networks will do
        runs[arm.name] = Run.create(arm.experiment, {}, tmp_path / "runs")
        runs[arm.name].model("generator").parent.mkdir()
        for name, player in build_players(arm.experiment).by_name.items():
            player.network.save(runs[arm.name].model(name))
    asked, first = [], {}
    monkeypatch.setattr("utils.features.factors.read_factors", lambda *a: asked.append(a) or by_majority(a[1], a[3]))

    def features(fixed, split, name):
        first[name] = next(layer for layer in fixed.layers if layer.weights).get_weights()[0]
        return discriminator_features(fixed, split, name)

    monkeypatch.setattr("utils.features.extract.discriminator_features", features)
    read = study.reader(small, "smallest", tmp_path / "data", progress=False)
    found = {name: read(run) for name, run in runs.items()}
    assert list(found["dcgan"]["trained"]) == ["D"] and list(found["rdcgan"]["random"]) == ["D", "E", "D and E"]
    assert found["dcgan"]["random"]["D"] is found["rdcgan"]["random"]["D"]
    assert (
        len(asked) == 1 + 1 + 1 + 2 + 2
    )  # D (untrained, the same in both), its random twin, pixels; E and both, twice
    first_of_d, first_of_e = first["random discriminator"], first["random encoder"]
    assert first_of_d.shape == first_of_e.shape and abs(np.corrcoef(first_of_d.ravel(), first_of_e.ravel())[0, 1]) < 0.2
    assert list(found["dcgan"]["pixels"]["by_factor"]) == ["hair", "skin", "eyes", "chin", "mouth"]
    true, fakes = study.reconstructions(runs["rdcgan"], 8, tmp_path / "data", progress=False)
    assert study.sheet_of(true, fakes).shape == (4 * 34 + 2, 8 * 34 + 2, 3)


def test_the_study_keeps_all_that_is_measured_of_a_run_and_a_sheet_of_reconstructions(tmp_path, monkeypatch, light):
    small = study.regularised(scale="smallest").only(["rdcgan"], [0])
    monkeypatch.setattr("utils.studies.measure.measure_for", lambda *a: lambda run: {"snapshots": ["stand-in"]})
    monkeypatch.setattr(study, "combinations", lambda run, scale, *places: {"are": 396})
    monkeypatch.setattr(study, "reader", lambda *a: lambda run: {"pixels": 0.5})
    options = {"data_dir": tmp_path / "data", "progress": False}
    _, file = study.carry_out(small, tmp_path / "runs", tmp_path / "kept", **options)
    (kept,) = load_results(small.name, file.parent)["runs"]
    assert (kept["snapshots"], kept["combinations"], kept["read"]) == (["stand-in"], {"are": 396}, {"pixels": 0.5})
    assert 20 < kept["reconstruction"]["error"] < 200
    picture = file.parent / small.name / kept["reconstruction"]["picture"]
    assert picture.is_file()

    def broken(run):
        raise InputError("not read")

    picture.unlink()
    monkeypatch.setattr(study, "reader", lambda *a: broken)
    with pytest.raises(InputError, match="not read"):
        study.carry_out(small, tmp_path / "runs", tmp_path / "kept", **options)
    assert not picture.exists(), "it is kept with the figures"


def made_up(tmp_path):
    """Results of two seeds, of which all means are known."""

    def reading(value):
        return {"value": value, "low": value - 0.01, "high": value + 0.01, "by_factor": {"hair": value, "skin": value}}

    runs = []
    for arm, distance, missing, ahead in (("dcgan", 1.0, 10, 0.0), ("rdcgan", 2.0, 30, 0.1)):
        for seed in (0, 1):
            names = ("D",) if arm == "dcgan" else ("D", "E", "D and E")
            spaces = {
                "trained": {n: reading(0.7 + ahead + 0.02 * seed) for n in names},
                "random": {n: reading(0.6) for n in names},
            }
            run = {"arm": arm, "seed": seed, "read": spaces | {"pixels": reading(0.5), "majority": reading(0.4)}}
            run["snapshots"] = [{"update": 0, "kernel": [9.0, 8, 10]}, {"update": 4, "kernel": [distance + seed, 0, 9]}]
            run["combinations"] = {
                "are": 100,
                "missing": missing + seed,
                "too few": 1,
                "apart": 0.5,
                "apart_if_perfect": 0.1,
            }
            if arm == "rdcgan":
                run["reconstruction"] = {"error": 20.0, "typical": 60.0, "picture": f"encoded-1-{seed}.png"}
            runs.append(run)
    from utils.viz import write_png

    for name in ("dcgan-0", "rdcgan-0", "encoded-1-0"):
        write_png(tmp_path / f"{name}.png", np.zeros((36, 410, 3), np.uint8))
    return {"arms": {"dcgan": "", "rdcgan": ""}, "runs": runs, "pictures": tmp_path}


def test_tables_are_means_over_the_seeds_and_margins_are_paired(tmp_path):
    results = made_up(tmp_path)
    dcgan, rdcgan = study.by_arm(results)
    assert dcgan["distance"] == "1.5 (1 to 2)" and rdcgan["missing of 100"] == "30 (30 to 31)"
    assert dcgan["reconstruction"] == "no encoder" and rdcgan["reconstruction"] == "20; mean picture 60"
    assert rdcgan["reads from E"] == "81.0% (60.0%)" and dcgan["reads from E"] == "" and rdcgan.keys() == dcgan.keys()
    names = [row["features"] for row in study.readings(results)]
    assert names[:3] == ["guessing the most frequent", "pixels", "random weights, D"] and names[-1] == "rdcgan, D and E"
    rows = study.margins(results)
    assert [row["features"] for row in rows] == ["rdcgan, D", "rdcgan, E", "rdcgan, D and E"]
    assert rows[0]["ahead of dcgan's D"] == "+10.0" and rows[0]["ahead of random weights"] == "+21.0 (+20.0 to +22.0)"


def test_figures_are_drawn_from_the_records(tmp_path):
    results = made_up(tmp_path)
    courses, missing, read, *samples = study.answer(results)[1].axes
    assert [line.get_label() for line in courses.lines if not line.get_label().startswith("_")] == ["dcgan", "rdcgan"]
    assert sorted(missing.lines[1].get_xdata()) == [30, 31] and len(samples) == 2
    assert [label.get_text() for label in read.get_yticklabels()] == [
        "dcgan, D",
        "rdcgan, D",
        "rdcgan, E",
        "rdcgan, D and E",
    ]
    (axes,) = study.plot_reconstructions(results).axes
    assert [label.get_text() for label in axes.get_yticklabels()][1] == "G(E(true))"


def test_arms_that_are_kept_with_different_seeds_are_shown_by_the_first_of_each(tmp_path):
    results = made_up(tmp_path)
    results["runs"] = [run for run in results["runs"] if (run["arm"], run["seed"]) != ("rdcgan", 0)]
    (tmp_path / "rdcgan-0.png").rename(tmp_path / "rdcgan-1.png")
    *_, dcgan, rdcgan = study.plot_regularised(results).axes
    assert [axes.get_title("left") for axes in (dcgan, rdcgan)] == ["dcgan, seed 0", "rdcgan, seed 1"]


def test_extractors_that_are_joined_say_how_many_features_they_have_together():
    one = Extractor("one", "1", {"features": 2}, lambda images: np.zeros((len(images), 2), np.float32), size=16)
    assert joined("both", one, one).card == {"name": "both", "features": 4}
