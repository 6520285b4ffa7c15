"""Diagrams: what is read off networks and recipes, and the files that are drawn."""

import keras
import numpy as np
import pytest
from keras import layers
from matplotlib.text import Text
from studio_runs import make_run

from utils import cli
from utils.cli.draw import _meant
from utils.config import preset, replace
from utils.diagrams.architecture import architecture, draw_architectures
from utils.diagrams.game import Way, game
from utils.diagrams.methods import draw_convolutions, draw_grad_cam, draw_guided, reach
from utils.errors import InputError
from utils.figure import write_figure
from utils.models import build_discriminator, build_generator, build_rotation_head
from utils.presets import R3GAN

REPORT = preset("report32")


def residual() -> keras.Model:
    latents, conditions = keras.Input((10,), name="latents"), keras.Input((3,), name="conditions")
    x = layers.Concatenate()([latents, conditions])
    x = layers.LeakyReLU(negative_slope=0.2)(layers.Reshape((4, 4, 2))(layers.Dense(32)(x)))
    y = layers.Conv2D(2, 3, padding="same", activation="relu")(x)
    return keras.Model([latents, conditions], [x + y, layers.Flatten()(y)], name="residual")


def test_the_reports_networks_are_read_off_as_its_figures_5_and_7_have_them():
    generator = architecture(build_generator(REPORT.model))
    assert generator.parameters == generator.trained == sum(b.parameters for b in generator.blocks) == 1_466_115
    shapes = [(100,), (4, 4, 256), (8, 8, 128), (16, 16, 128), (32, 32, 128), (32, 32, 3)]
    assert [block.shape for block in generator.blocks] == shapes
    assert [block.inputs for block in generator.blocks] == [(), (0,), (1,), (2,), (3,), (4,)]
    assert generator.blocks[1].layers == ("Dense", "Reshape", "LeakyReLU 0.2")
    assert generator.blocks[2].layers == ("Conv2DTranspose", "4×4, stride 2", "LeakyReLU 0.2")
    assert generator.blocks[5].layers == ("Conv2D", "3×3, stride 1", "tanh")
    discriminator = architecture(build_discriminator(REPORT.model))
    assert discriminator.parameters == 522_497
    assert [block.layers[0] for block in discriminator.blocks[-2:]] == ["Flatten", "Dense"]
    assert [block.parameters for block in discriminator.blocks] == [0, 1_792, 73_856, 147_584, 295_168, 0, 4_097]


def test_what_normalisation_does_not_train_is_counted_apart():
    record = architecture(build_generator(replace(preset("lab32"), width=1.0).model))
    assert record.parameters - record.trained == 33_408  # as the lab report prints


def test_a_functional_model_keeps_its_branches_and_several_inputs():
    record = architecture(residual())
    named = {block.layers[0]: place for place, block in enumerate(record.blocks)}
    inputs = {name: record.blocks[place].inputs for name, place in named.items()}
    assert inputs == {
        "latents": (),
        "conditions": (),
        "Concatenate": (named["latents"], named["conditions"]),
        "Dense": (named["Concatenate"],),
        "Conv2D": (named["Dense"],),
        "Add": (named["Dense"], named["Conv2D"]),
        "Flatten": (named["Conv2D"],),
    }
    assert record.blocks[named["Conv2D"]].layers == ("Conv2D", "3×3, stride 1", "relu")


def test_models_that_do_not_say_how_they_are_connected_are_refused():
    class Own(keras.Model):
        pass

    with pytest.raises(InputError, match="needs a Sequential or Functional model.*Received: mine of class Own"):
        architecture(Own(name="mine"))
    with pytest.raises(InputError, match="class Sequential, not built"):
        architecture(keras.Sequential([layers.Dense(1)]))


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_network_gives_the_same_bytes(tmp_path, suffix):
    files = [write_figure(tmp_path / f"{n}.{suffix}", draw_architectures([residual()], "a $name$")) for n in "ab"]
    first, second = (file.read_bytes() for file in files)
    assert first == second and len(first) > 5_000
    assert first.startswith(b"<?xml" if suffix == "svg" else b"\x89PNG")


def test_the_reports_update_has_three_steps_in_its_order():
    true, fake = Way("true images", ("discriminator",)), Way("latents", ("generator", "discriminator"))
    steps = game(tiny(REPORT))
    assert [(step.learns, [(term.name, term.ways, term.pushes) for term in step.terms]) for step in steps] == [
        (("discriminator",), [("loss_true", (true,), {"true": 1})]),
        (("discriminator",), [("loss_fake", (fake,), {"fake": -1})]),
        (("generator",), [("loss_generator", (fake,), {"fake": 1})]),
    ]
    formulas = ["mean -log D(true)", "mean -log(1 - D(fake))", "mean -log D(fake)"]
    assert [step.terms[0].formula for step in steps] == formulas
    assert not any(step.averages for step in steps)


def test_a_loss_of_pairs_and_lazy_penalties_are_seen_in_what_they_depend_on():
    discriminator, generator = game(tiny(replace(REPORT, **R3GAN)))
    pair, r1, r2 = discriminator.terms
    true, fake = Way("true images", ("discriminator",)), Way("latents", ("generator", "discriminator"))
    assert pair.ways == (true, fake) and pair.pushes == {"true": 1, "fake": -1} and pair.every == 1
    assert r1.ways == (true,) and r2.ways == (fake,) and r1.every == r2.every == 8
    assert generator.terms[0].ways == (true, fake) and generator.terms[0].pushes == {"true": -1, "fake": 1}


@pytest.mark.parametrize("loss", ["gan_cls", "gan_int_cls"])
def test_a_loss_with_wrong_conditions_judges_true_images_and_is_given_the_conditions(loss):
    told = replace(
        tiny(REPORT), conditions="text", conditioning="concatenation", loss=loss, discriminator_updates="joint"
    )
    discriminator, generator = game(told)
    true, wrong, fake = discriminator.terms
    assert true.pushes == {"true": 1} and fake.pushes == {"fake": -1} and "wrong condition" in wrong.formula
    assert wrong.ways == true.ways == (Way("true images", ("discriminator",)),)
    assert all(term.conditional for term in (*discriminator.terms, *generator.terms))


def test_mode_seeking_leads_from_the_latents_through_the_generator():
    *_, (usual, sought) = (step.terms for step in game(replace(tiny(REPORT), mode_seeking=1.0)))
    assert (usual.name, sought.name) == ("loss_generator", "loss_mode_seeking")
    assert sought.ways == (Way("latents", ("generator",)),) and not sought.pushes
    told = replace(tiny(REPORT), conditions="text", conditioning="concatenation", loss="gan_cls", mode_seeking=1.0)
    assert game(told)[-1].terms[-1].conditional


def test_the_reports_two_statistics_are_told_apart():
    moving = replace(tiny(REPORT), batch_norm="on", discriminator_updates="joint", statistics="moving")
    assert [step.averages for step in game(moving)] == [("generator",), ("discriminator",)]


def test_a_kernel_that_the_stride_does_not_divide_sums_unevenly():
    seen, counts = reach(layers.Conv2DTranspose(7, 5, strides=2, padding="same"), 6)
    assert seen.sum() == 4 and set(counts[2:-2, 2:-2].ravel()) == {4, 6, 9}
    _, counts = reach(layers.Conv2DTranspose(7, 4, strides=2, padding="same"), 6)
    assert set(counts[2:-2, 2:-2].ravel()) == {4}
    seen, counts = reach(layers.Conv2D(7, 3, strides=2, padding="same"), 10)
    np.testing.assert_array_equal(np.argwhere(seen), [(i, j) for i in (4, 5, 6) for j in (4, 5, 6)])
    assert counts[1, 1] == 9 and counts.shape == (5, 5)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (layers.Conv2D(4, 3, strides=2), "all alike"),  # Keras' own padding, "valid"
        (layers.Conv2D(4, 5, strides=2), "all alike"),  # as in imported networks
        (layers.Conv2D(4, 3, strides=3, padding="same"), "all alike"),
        (layers.Conv2D(4, 11, strides=(2, 1), padding="same"), "all alike"),  # edges reach far
        (layers.Conv2D(4, 20, strides=4), "all alike"),  # larger than the picture was
        (layers.Conv2DTranspose(4, 6, strides=2), "all alike"),
        (layers.Conv2DTranspose(4, 5, strides=2), "4 to 9, a checkerboard"),
    ],
)
def test_any_convolution_with_a_stride_is_drawn_and_its_evenness_told_away_from_the_edge(layer, words):
    figure = draw_convolutions([keras.Sequential([keras.Input((64, 64, 3)), layer])])
    captions = [text.get_text() for text in figure.findobj(Text) if "products in each sum" in text.get_text()]
    assert len(captions) == 1 and words in captions[0]


def test_methods_are_drawn_for_any_preset(tmp_path):
    model = tiny(preset("assignment64")).model
    networks = [build_generator(model), build_discriminator(model)]
    for name, figure in [
        ("convolutions", draw_convolutions(networks)),
        ("gradcam", draw_grad_cam(networks[1])),
        ("guided", draw_guided()),
    ]:
        assert write_figure(tmp_path / f"{name}.svg", figure).stat().st_size > 10_000
    with pytest.raises(InputError, match="None of these networks has a convolution with a stride"):
        draw_convolutions([residual()])


def test_draw_writes_presets_and_models_and_says_what_is_wrong(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["draw", "report32", "--what", "update"]) == 0
    assert cli.main(["draw", "faces", "--out", "new/faces.png"]) == 0
    assert capsys.readouterr().out.split() == ["report32-update.svg", "new/faces.png"]
    assert b"<svg" in (tmp_path / "report32-update.svg").read_bytes()[:400]
    build_generator(tiny(REPORT).model).save(tmp_path / "mine.keras")
    for arguments, sentence in [
        (("report32", "--out", "a.pdf"), "--out must end in .svg or .png. Received: a.pdf."),
        (("nothing",), "There is no run 'nothing'"),
        (("mine.keras", "--what", "gradcam"), "Grad-CAM explains a discriminator, and mine.keras has none."),
        (("mine.keras", "--what", "update"), "Nothing says how mine.keras was trained"),
    ]:
        assert cli.main(["draw", *arguments]) == 2
        assert sentence in capsys.readouterr().err
    assert cli.main(["draw", "mine.keras"]) == 0 and len(list(tmp_path.glob("*mine-networks.svg"))) == 1


def test_guided_backpropagation_is_drawn_without_any_network(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DCGAN_RUNS_DIR", str(tmp_path / "none"))
    assert cli.main(["draw", "--what", "guided"]) == 0
    assert capsys.readouterr().out == "guided.svg\n" and (tmp_path / "guided.svg").is_file()


def test_all_players_of_a_run_are_drawn(tmp_path):
    run = make_run(tmp_path)
    build_rotation_head(run.experiment.model).save(run.model("rotation"))
    *_, networks = _meant(str(run.folder), None)
    assert [network.name for network in networks()] == ["generator", "discriminator", "rotation"]


def tiny(experiment):
    return replace(experiment, width=1 / 64)
