"""The paper's released networks, against what Theano computes, written out in NumPy."""

import json

import genuine
import keras
import numpy as np
import pytest

from utils import cli, pretrained, runtime
from utils.config import preset, replace
from utils.errors import InputError
from utils.explain.fixed import fixed_discriminator
from utils.models import fix_statistics, forward, load_network
from utils.paper_weights import import_paper, read_networks
from utils.report import of_networks, of_project
from utils.report.document import Report, expect_folder
from utils.report.kept import Kept
from utils.report.of_networks import report_of, subject_of
from utils.sampling import Sampler, make_latent_samples

TINY = replace(preset("paper_svhn"), width=1 / 16, latent_dim=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("paper") / "weights"


@pytest.fixture(scope="module")
def arrays(folder):
    return genuine.write_paper_weights(folder, width=1 / 16, latent_dim=7)


@pytest.fixture(scope="module")
def model(folder, arrays):
    return import_paper(folder, "tiny_paper", TINY, folder.parent / "models")


# What Theano computes. Images and maps are (N, C, H, W).


def convolved(x, kernel):
    """A convolution, kernel turned, stride 2, 2 places of padding on each side: out[y] = sum of k[p] x[2y + 2 - p]."""
    side = x.shape[2] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    out = 0
    for p in range(5):
        for q in range(5):
            part = padded[:, :, 4 - p : 4 - p + 2 * side : 2, 4 - q : 4 - q + 2 * side : 2]
            out = out + np.einsum("nihw,oi->nohw", part, kernel[:, :, p, q])
    return out


def convolved_back(h, kernel):
    """The gradient of `convolved` with respect to its input: x[2y + 2 - p] gets k[p] h[y]."""
    side = h.shape[2]
    padded = np.zeros((len(h), kernel.shape[1], 2 * side + 4, 2 * side + 4))
    for p in range(5):
        for q in range(5):
            part = np.einsum("nihw,io->nohw", h, kernel[:, :, p, q])
            padded[:, :, 4 - p : 4 - p + 2 * side : 2, 4 - q : 4 - q + 2 * side : 2] += part
    return padded[:, :, 2:-2, 2:-2]


def normalised(x, gain, shift):
    axes = (0,) if x.ndim == 2 else (0, 2, 3)
    shape = (1, -1) if x.ndim == 2 else (1, -1, 1, 1)
    centred = x - x.mean(axes, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axes, keepdims=True) + 1e-8) * gain.reshape(shape) + shift.reshape(shape)


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def judged(x, arrays):
    """The maps of the discriminator, and the logits."""
    w = [arrays[f"discrim_{number:02d}"].astype(float) for number in range(1, 9)]
    maps = [leaky(convolved(x, w[0]))]
    maps.append(leaky(normalised(convolved(maps[-1], w[1]), w[2], w[3])))
    maps.append(leaky(normalised(convolved(maps[-1], w[4]), w[5], w[6])))
    return maps, maps[-1].reshape(len(x), -1) @ w[7]


def drawn(latents, arrays):
    """The maps of the generator, the images last."""
    w = [arrays[f"gen_{number:02d}"].astype(float) for number in range(1, 11)]
    first = np.maximum(normalised(latents @ w[0], w[1], w[2]), 0)
    maps = [first.reshape(len(latents), -1, 4, 4)]
    maps.append(np.maximum(normalised(convolved_back(maps[-1], w[3]), w[4], w[5]), 0))
    maps.append(np.maximum(normalised(convolved_back(maps[-1], w[6]), w[7], w[8]), 0))
    return [*maps, np.tanh(convolved_back(maps[-1], w[9]))]


def channels_first(x):
    return np.moveaxis(np.asarray(x), -1, 1)


def test_the_discriminator_is_theanos_layer_by_layer(folder, arrays):
    images = np.random.default_rng(0).uniform(-1, 1, (6, 3, 32, 32)).astype(np.float32)
    _, discriminator = read_networks(folder, TINY)
    maps, logits = judged(images.astype(float), arrays)
    x, done = np.moveaxis(images, 1, -1), 0
    ends = [i + 1 for i, layer in enumerate(discriminator.layers) if isinstance(layer, keras.layers.LeakyReLU)]
    for end, expected in zip(ends, maps, strict=True):
        x, done = forward(discriminator.layers[done:end], x, statistics="batch"), end
        np.testing.assert_allclose(channels_first(x), expected, atol=2e-4, rtol=1e-4)
    np.testing.assert_allclose(forward(discriminator.layers[done:-1], x), logits, atol=2e-4, rtol=1e-4)
    score = forward(discriminator, np.moveaxis(images, 1, -1), statistics="batch")
    np.testing.assert_allclose(score, 1 / (1 + np.exp(-logits)), atol=1e-4)


def test_the_generator_is_theanos_layer_by_layer(folder, arrays):
    latents = make_latent_samples(6, 7)
    generator, _ = read_networks(folder, TINY)
    maps = drawn(latents.astype(float), arrays)
    x, done = latents, 0
    kinds = keras.layers.ReLU, keras.layers.Activation
    ends = [i + 1 for i, layer in enumerate(generator.layers) if isinstance(layer, kinds)]
    for end, expected in zip([ends[0] + 1, *ends[1:]], maps, strict=True):  # the first becomes a map behind it
        x, done = forward(generator.layers[done:end], x, statistics="batch"), end
        np.testing.assert_allclose(channels_first(x), expected, atol=2e-4, rtol=1e-4)


def test_fixed_statistics_are_means_over_batches_each_normalised_by_its_own(folder, arrays):
    images = np.random.default_rng(1).uniform(-1, 1, (10, 3, 32, 32)).astype(np.float32)
    batches = [images[:4], images[4:8], images[8:]]
    _, discriminator = read_networks(folder, TINY)
    fix_statistics(discriminator, [np.moveaxis(batch, 1, -1) for batch in batches])
    second, third = (layer for layer in discriminator.layers if isinstance(layer, keras.layers.BatchNormalization))
    for layer, number in ((second, 0), (third, 1)):
        kernel = arrays[("discrim_02", "discrim_05")[number]].astype(float)
        inputs = [convolved(judged(batch.astype(float), arrays)[0][number], kernel) for batch in batches]
        mean = np.mean([x.mean((0, 2, 3)) for x in inputs], 0)
        variance = np.mean([x.var((0, 2, 3)) for x in inputs], 0)
        np.testing.assert_allclose(layer.moving_mean, mean, atol=1e-4)
        np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-4)


def test_the_model_is_one_of_keras_own_layers_that_other_commands_take(model):
    generator, discriminator = (load_network(model.model(name)) for name in ("generator", "discriminator"))
    for network in (generator, discriminator):
        assert {type(layer).__module__.split(".")[0] for layer in network.layers} == {"keras"}
    assert [str(c) for c in fixed_discriminator(discriminator).convolutions] == [
        "convolution 1 (4 maps of 16x16)",
        "convolution 2 (8 maps of 8x8)",
        "convolution 3 (16 maps of 4x4)",
    ]
    sampler = Sampler.of(generator, model.experiment)
    one, many = sampler.draw(1, seed=3), sampler.draw(9, seed=3)
    assert one.shape == (1, 32, 32, 3) and np.abs(one[0].astype(int) - many[0]).max() <= 1 and many.std() > 5
    moving = [w for w in discriminator.weights if "moving" in w.path]
    assert all(np.abs(np.asarray(w)).max() > 0 for w in moving) and len(moving) == 4
    assert pretrained.find("tiny_paper", model.folder.parent).card["parameters"] == {
        "generator": generator.count_params(),
        "discriminator": discriminator.count_params(),
    }
    assert "MIT licence" in model.card["about"] and model.experiment == TINY


def test_the_model_is_compared_and_reported_although_nothing_is_known_of_its_training(
    model, tmp_path, monkeypatch, capsys
):
    shipped = pretrained.find
    monkeypatch.setattr(pretrained, "find", lambda name: shipped(name, model.folder.parent) or shipped(name))
    options = ("--no-distances", "--json", "--out", str(tmp_path))
    assert cli.main(["compare", "tiny_paper", "house_numbers", *options]) == 0
    around = json.loads(capsys.readouterr().out)["surroundings"]
    assert {name: values[0] for name, values in around.items()} == dict.fromkeys(around, "not recorded")
    assert around.keys() >= {"images", "fingerprint", "device", "keras"}
    assert cli.main(["show", "tiny_paper"]) == 0
    monkeypatch.setattr(of_networks, "_networks", lambda *_: [])  # drawn in tests of reports
    report = Report("A report", "made by a test", expect_folder(tmp_path / "report"))
    report_of([subject_of("tiny_paper")], report, lambda experiment: "./dcgan train")
    told = {section.title: json.dumps(section.blocks, default=str) for section in report.sections}
    assert "as the authors had it" in told["Abstract"] and "updates" not in told["Abstract"]
    assert "were not trained here" in told["How to make it again"]
    rows = of_project._models(report, Kept(models=model.folder.parent))[0]["rows"]
    assert rows[0][0] == "tiny_paper" and "not recorded" in rows[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda file: file.unlink(),
            r"200_discrim_params.jl_05.npy is missing: `bash data_scripts/get_pap",
        ),
        (
            lambda file: np.save(file, np.zeros((16, 8, 5, 3), np.float32)),
            r"jl_05.npy should be float32 \(16, 8, 5, 5\). Received: float32 \(16, 8, 5, 3\)",
        ),
        (lambda file: np.save(file, np.zeros((16, 8, 5, 5))), r"Received: float64 \(16, 8, 5, 5\)"),
        (lambda file: np.save(file, np.full((16, 8, 5, 5), np.nan, np.float32)), "holds values that are no numbers"),
        (lambda file: file.write_bytes(b"<html>"), "cannot be read as an array of NumPy"),
        (lambda file: np.save(file, np.array([{}], object)), "cannot be read as an array of NumPy"),
        (
            lambda file: np.savez(file.open("wb"), np.zeros(3)),
            r"cannot be read as an array of NumPy \(it is an archive",
        ),
    ],
)
def test_an_array_that_is_not_what_it_should_be_is_named(tmp_path, change, words):
    genuine.write_paper_weights(tmp_path, width=1 / 16, latent_dim=7)
    change(tmp_path / "200_discrim_params.jl_05.npy")
    with pytest.raises(InputError, match=words):
        import_paper(tmp_path, "name", TINY, tmp_path / "models")
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "name"], "There is no folder nowhere; `bash data_scripts/get_paper_weights.sh` fetches one"),
        (["nowhere", "../name"], "name must be made of letters, digits, - and _."),
        (["nowhere", "faces"], "There is a model faces already: choose another name, or add --anyway"),
        (["nowhere", "paper_svhn"], "name must be another than that of a preset"),
    ],
)
def test_the_command_refuses_in_one_sentence_before_tensorflow_is_started(capsys, monkeypatch, arguments, words):
    monkeypatch.setattr(runtime, "start", lambda *_: pytest.fail("TensorFlow is started"))
    assert cli.main(["import-paper", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and words in err


def test_the_command_says_how_to_go_on(capsys, monkeypatch, tmp_path, arrays, folder):
    made = []
    monkeypatch.setattr(
        "utils.paper_weights.import_paper", lambda *given: made.append(given) or pretrained.find("faces")
    )
    assert cli.main(["import-paper", str(folder), "my_paper"]) == 0
    assert made == [(folder, "my_paper")] and "./dcgan sample my_paper" in capsys.readouterr().out
