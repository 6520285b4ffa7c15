import dataclasses
import json

import pytest

from utils import config
from utils.config import preset, presets, replace
from utils.errors import InputError


@pytest.mark.parametrize("name", presets())
def test_every_preset_survives_being_written_as_json(name):
    experiment = preset(name)
    assert config.from_dict(json.loads(json.dumps(config.to_dict(experiment)))) == experiment
    assert experiment.preset == name


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 0}, "epochs must be at least 1. Received: 0."),
        ({"batch_size": 9000}, "batch_size=9000, count=8000"),
        ({"image_size": 64}, "make images of 32 pixels, but image_size is 64"),
        ({"ema_decay": 1.0}, "ema_decay must lie in [0, 1). Received: 1.0."),
        ({"learning_rate": -1.0}, "learning_rate must be a number above 0. Received: -1.0."),
        ({"learning_rate": float("nan")}, "experiment.training.learning_rate should be a number. Received: nan."),
        ({"discriminator_updates": "separate", "join_batches": True}, "--discriminator-updates joint"),
        ({"discriminator_steps": 2}, "shared_latents"),
        ({"batch_norm": "moving"}, "leave one of the two off"),
        ({"generator": {"filters": (8, 8)}}, "generator.filters and generator.strides"),
        ({"discriminator": {"strides": (1, 2, 3, 2)}}, "do not divide image_size 32"),
        ({"generator": {"strides": (2, 2, 1), "output_stride": 2}}, "generator.output_stride must be 1"),
        ({"leaky_slope": -0.1}, "leaky_slope must be at least 0. Received: -0.1."),
        ({"penalty_every": 8}, "penalty_every is the time between penalties, of which there are none: add --r1"),
        ({"gradient_penalty": 1.0}, "gradient_penalty is the weight of the penalty of the wasserstein loss: add"),
        ({"gradient_penalty": 1.0, "r1": 1.0}, "of the wasserstein loss"),
        ({"batch_norm": "off", "batch_norm_parts": 2}, "batch_norm_parts is how batches are cut"),
        ({"mode_seeking": 1.0, "batch_size": 1}, "mode_seeking compares what is drawn of two latents"),
        ({"epoch": 3}, "No setting is called 'epoch'"),
        ({"generator": {"kernl": 5}}, "The generator has no setting kernl"),
        ({"r1": float("inf")}, "experiment.training.r1 should be a number. Received: inf."),
        ({"epochs": 2.5}, "experiment.training.epochs should be a whole number. Received: 2.5."),
        ({"batch_size": "8"}, "experiment.training.batch_size should be a whole number. Received: '8'."),
        ({"batch_norm": True}, "experiment.model.batch_norm should be one of off, on. Received: True."),
        ({"weights": "glorto"}, "experiment.model.weights should be one of glorot, normal. Received: 'glorto'."),
        ({"augment": ("colour", "sharpen")}, "experiment.training.augment should be a list, each one of colour, "),
        ({"loss": 3}, "experiment.training.loss should be one of non_saturating, saturating, "),
        ({"discriminator": {"dropout_at": "all"}}, "experiment.model.discriminator.dropout_at should be one of"),
        ({"discriminator": 3}, "experiment.model.discriminator should be a DiscriminatorConfig. Received: 3."),
        ({"tolerated": 90.0}, "tolerated is a share, so it must lie in [0, 1]. Received: 90.0."),
    ],
)
def test_settings_that_cannot_be_are_refused_with_one_sentence(changes, words):
    with pytest.raises(InputError) as refusal:
        replace(preset("quick"), **changes)
    assert words in str(refusal.value)


@pytest.mark.parametrize("loss", [{"r1": 1.0}, {"r2": 1.0}, {"loss": "one that somebody added"}])
def test_penalties_may_be_lazy_where_there_are_any_or_may_be(loss):
    assert replace(preset("quick"), penalty_every=8, **loss).training.penalty_every == 8


def test_whatever_can_be_put_together_can_be_read_back():
    for name in presets():
        assert config.from_dict(json.loads(json.dumps(config.to_dict(preset(name)), allow_nan=False))) == preset(name)
    listed = replace(preset("quick"), augment=["colour", "cutout"])
    assert listed == replace(preset("quick"), augment=("colour", "cutout"))
    with pytest.raises(InputError, match="experiment.data should be a DataConfig. Received: 'faces'"):
        config.Experiment(data="faces")


def test_a_list_in_place_of_a_tuple_is_the_same_setting():
    training, model = config.TrainingConfig(augment=["colour"]), config.ModelConfig(condition_names=["a"])
    assert training.augment == ("colour",) and model.condition_names == ("a",)
    blocks = {"filters": [8, 8, 8], "strides": [2, 2, 2]}
    listed = config.Experiment(
        data=config.DataConfig(without=["hat & beard"]),
        model=config.ModelConfig(generator=config.GeneratorConfig(**blocks)),
        training=training,
    )
    tuples = replace(
        config.Experiment(), without=("hat & beard",), augment=("colour",), generator={"filters": (8, 8, 8)}
    )
    assert listed == tuples and hash(listed) == hash(tuples)
    assert json.dumps(config.to_dict(listed)) == json.dumps(config.to_dict(tuples))
    with pytest.raises(InputError, match=r"training.epochs should be a whole number. Received: \[3\]."):
        config.Experiment(training=config.TrainingConfig(epochs=[3]))


def test_differences_name_the_changed_fields_and_no_others():
    changed = replace(preset("quick"), epochs=9, generator={"kernel": 6})
    assert config.differences(preset("quick"), changed) == {
        "training.epochs": (7, 9),
        "model.generator.kernel": (4, 6),
    }


def test_an_experiment_of_another_version_is_refused_by_its_odd_fields():
    values = config.to_dict(preset("quick"))
    values["training"]["momentum"] = values["training"]["beta_1"]
    with pytest.raises(InputError, match="unknown settings: momentum"):
        config.from_dict(values)


def test_a_setting_younger_than_the_file_has_its_default():
    values = config.to_dict(preset("quick"))
    del values["training"]["loss"], values["training"]["ema_decay"]
    assert config.from_dict(values) == config.replace(preset("quick"), ema_decay=0.0)


@pytest.mark.parametrize(
    ("old", "new", "value"), [("averaging", "ema_decay", 0.5), ("generator_loss", "loss", "saturating")]
)
def test_an_earlier_name_of_a_setting_is_read_in_files_and_in_changes(old, new, value):
    values = config.to_dict(preset("quick"))
    values["training"][old] = values["training"].pop(new)
    assert config.from_dict(values) == preset("quick")
    assert replace(preset("quick"), **{old: value}) == replace(preset("quick"), **{new: value}) != preset("quick")


def test_the_setting_that_said_both_whether_and_by_which_statistics_is_read_as_the_two():
    assert set(config.RENAMED) == {"averaging", "generator_loss"}
    values = config.to_dict(replace(preset("report32"), batch_norm="on", statistics="moving_judge"))
    del values["training"]["statistics"]
    for old, now in {"moving_judge": ("on", "moving_judge"), "batch": ("on", "batch"), "off": ("off", "batch")}.items():
        values["model"]["batch_norm"] = old
        read = config.from_dict(values)
        assert (read.model.batch_norm, read.training.statistics) == now
        assert replace(preset("report32"), batch_norm=old) == read


def test_old_experiments_read_own_pictures_by_the_old_rules_and_are_equal_to_new_ones():
    values = config.to_dict(preset("quick"))
    del values["data"]["rules"]
    old = config.from_dict(values)
    assert old.data.rules == 1 and preset("quick").data.rules == 2
    assert old == preset("quick") and config.differences(old, preset("quick")) == {}


@pytest.mark.parametrize(
    ("without", "setting", "value"),
    [
        ({}, "training.gradient_penalty", 5.0),
        ({}, "training.penalty_every", 8),
        ({}, "training.statistics", "moving_judge"),
        ({}, "model.condition_dim", 64),
        ({}, "model.conditioning", "concatenation"),
        ({}, "model.batch_norm_parts", 2),
        ({"generator": {"projection": "conv_transpose"}}, "model.generator.norm_start", "flat"),
        ({"discriminator": {"norm": False}, "batch_norm": "on"}, "model.discriminator.norm_first", True),
        ({"discriminator": {"norm": False}, "batch_norm": "on"}, "training.statistics", "moving_judge"),
        ({"discriminator": {"dropout": 0.0}}, "model.discriminator.dropout_at", "blocks"),
    ],
)
def test_what_meant_nothing_in_an_earlier_versions_experiment_is_left_out_and_in_a_new_one_refused(
    without, setting, value
):
    assert preset("report32").model.batch_norm == "off"
    plain = replace(preset("report32"), **without)
    values = config.to_dict(plain)
    section, *network, name = setting.split(".")
    home = values[section][network[0]] if network else values[section]
    home[name] = value
    assert config.from_dict(values) == plain
    with pytest.raises(InputError, match=f"^{'.'.join([*network, name])} is .*or leave it (out|off|at)"):
        replace(plain, **({network[0]: {name: value}} if network else {name: value}))


@pytest.mark.parametrize("name", presets())
def test_batch_normalisation_can_be_switched_off_in_every_preset_and_back_on(name):
    off = replace(preset(name), batch_norm="off")
    assert replace(off, batch_norm=preset(name).model.batch_norm) == preset(name)


def test_the_faithful_presets_take_the_papers_learning_rate_and_no_averaging():
    for name in ("report32", "report64", "paper64"):
        assert preset(name).training.learning_rate == 2e-4
        assert preset(name).training.ema_decay == 0.0


def test_experiments_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset("quick").training.epochs = 3
