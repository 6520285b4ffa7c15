"""Passports of distances, kept records, and what `./dcgan compare` makes of them. Nothing here starts TensorFlow."""

import dataclasses
import json

import numpy as np
import pytest
from commands import said

from utils import config, pretrained
from utils.cli.compare import _in_words
from utils.config import preset, replace
from utils.errors import InputError
from utils.evaluation.comparison import orders, settings_that_differ, tables
from utils.evaluation.passport import Passport, differing
from utils.evaluation.records import for_card, kept, read_record
from utils.files import digest, write_json
from utils.networks import find_network
from utils.runs import Run
from utils.tables import card_text
from utils.viz import read_png, write_png

PASSPORT = Passport(
    space="classifier of x",
    weights="a" * 64,
    resizer="none",
    value_range="[0, 255] -> [-1, 1]",
    reference="x test",
    split="test",
    reference_fingerprint="b" * 64,
    encoding="unknown",
    dedup="off",
    seen=False,
    samples=(500, 500),
    latents_seed=0,
    true_seed=0,
    interval="95%",
    checkpoint="last",
    ema_decay=0.99,
    statistics="moving",
    versions={"keras": "1"},
)
FORBIDS = {  # another value of each entry that has to be the same
    "space": "EfficientNet",
    "weights": "c" * 64,
    "resizer": "OpenCV",
    "value_range": "[0, 1]",
    "reference": "x train",
    "split": "train",
    "reference_fingerprint": "d" * 64,
    "encoding": "JPEG, quality 95",
    "dedup": "near",
    "seen": True,
    "samples": (500, 2000),
    "latents_seed": 1,
    "true_seed": 1,
    "checkpoint": "best of 12",
}
SAID = {"interval": "90%", "ema_decay": 0.0, "statistics": "none", "versions": {"keras": "2"}}


def around(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "samples": [500, 500]}


def measured(kernel, **changes):
    passport = dataclasses.replace(PASSPORT, **changes)
    figures = {"space": passport.space, "fingerprint": passport.weights, "kernel": around(kernel)}
    return figures | {"frechet": around(kernel * 9), "floor": {"kernel": around(0.0)}, "passport": passport.plain()}


def record(name, kernel, others=(), **changes):
    """What `evaluate` keeps of a generator, as far as `compare` reads it."""
    experiment = config.to_dict(replace(preset("quick"), seed=len(name)))
    distance = measured(kernel, **changes)
    return {"name": name, "experiment": experiment, "distance": distance, "other_spaces": list(others)}


# --- passports --------------------------------------------------------------------------------------------------------


def test_a_passport_survives_its_record_and_one_of_another_version_is_none():
    plain = json.loads(json.dumps(PASSPORT.plain()))
    assert Passport.read(plain) == PASSPORT
    assert Passport.read(None) is None
    assert Passport.read({name: value for name, value in plain.items() if name != "encoding"}) is None
    assert Passport.read(plain | {"weather": "rain"}) is None


def test_every_entry_of_a_passport_forbids_a_comparison_or_is_said_beside_it():
    assert {f.name for f in dataclasses.fields(Passport)} == FORBIDS.keys() | SAID.keys()
    for changes, elsewhere in ((FORBIDS, True), (SAID, False)):
        for name, value in changes.items():
            other = dataclasses.replace(PASSPORT, **{name: value})
            assert differing([PASSPORT, other], said=not elsewhere) == {name: [getattr(PASSPORT, name), value]}
            assert differing([PASSPORT, other], said=elsewhere) == {}
    assert differing([PASSPORT] * 3) == {}


# --- comparisons ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FORBIDS.keys() - {"space", "weights"}))
def test_distances_with_different_passports_are_not_put_into_one_table_unless_told_to(name):
    pair = [record("a", 0.2), record("b", 0.5, **{name: FORBIDS[name]})]
    with pytest.raises(InputError, match=f"distances of a and b do not belong into one table.*\\({name}: .* and .*\\)"):
        tables(pair, ["a", "b"])
    (table,) = tables(pair, ["a", "b"], anyway=True)
    assert table.differs == {name: [getattr(PASSPORT, name), FORBIDS[name]]}
    assert orders([table]) == [], "nothing follows from figures that cannot be compared"


def test_what_may_differ_is_said_beside_the_table():
    (table,) = tables([record("a", 0.2), record("b", 0.5, ema_decay=0.0)], ["a", "b"])
    assert table.differs == {} and table.said == {"ema_decay": [0.99, 0.0]}
    assert [row["kernel"]["value"] for row in table.rows] == [0.2, 0.5]


def test_only_spaces_in_which_all_were_measured_make_tables():
    imagenet, third = {"space": "ImageNet", "weights": "e" * 64}, {"space": "third", "weights": "f" * 64}
    pair = [record("a", 0.2, [measured(2.0, **third), measured(1.0, **imagenet)])]
    pair += [record("b", 0.5, [measured(3.0, **imagenet)])]
    assert [table.space for table in tables(pair, ["a", "b"])] == ["classifier of x", "ImageNet"]
    strangers = [record("a", 0.2), record("b", 0.5, **imagenet)]
    with pytest.raises(InputError, match="space: classifier of x and ImageNet; weights: aaaaaaaaaaaa and eeeeeeeeeeee"):
        tables(strangers, ["a", "b"])
    (table,) = tables(strangers, ["a", "b"], anyway=True)
    assert table.space == "classifier of x / ImageNet" and table.differs.keys() == {"space", "weights"}


def test_spaces_that_order_generators_differently_are_found_and_intervals_that_overlap():
    imagenet = {"space": "ImageNet", "weights": "e" * 64}
    three = [
        record("a", 0.2, [measured(3.0, **imagenet)]),
        record("b", 0.5, [measured(1.0, **imagenet)]),
        record("c", 0.25, [measured(3.5, **imagenet)]),
    ]
    found = orders(tables(three, ["a", "b", "c"]))
    assert [(each.pair, each.agreed) for each in found] == [((0, 1), False), ((0, 2), True), ((1, 2), False)]
    assert found[0].nearer == {"classifier of x": 0, "ImageNet": 1}
    assert found[1].clear == {"classifier of x": False, "ImageNet": True}


def test_of_equal_distances_neither_is_called_nearer():
    imagenet = {"space": "ImageNet", "weights": "e" * 64}
    three = [record("a", 0.2), record("b", 0.2), record("c", 0.3)]
    assert [each.nearer["classifier of x"] for each in orders(tables(three, "abc"))] == [None, 0, 1]
    pair = [record("a", 0.2, [measured(1.0, **imagenet)]), record("b", 0.2, [measured(2.0, **imagenet)])]
    (found,) = orders(tables(pair, ["a", "b"]))
    assert found.nearer == {"classifier of x": None, "ImageNet": 0} and not found.agreed
    told = _in_words([found], ["a", "b"])
    assert "is neither in the features of the classifier of x, and a in the features of the ImageNet." in told


def test_spaces_disagree_only_where_each_is_sure():
    """Of two spaces that name different ones, one or both may do so by chance."""
    imagenet, told = {"space": "ImageNet", "weights": "e" * 64}, []
    for in_imagenet in ((1.0, 1.05), (1.0, 2.0)):  # intervals reach 0.1 to each side
        one, other = (record(name, k, [measured(i, **imagenet)]) for name, k, i in zip("ab", (0.5, 0.2), in_imagenet))
        (found,) = orders(tables([one, other], ["a", "b"]))
        assert not found.agreed
        told.append((found.contradicted, _in_words([found], ["a", "b"])))
    assert [contradicted for contradicted, _ in told] == [False, True]
    assert told[0][1].startswith("The spaces do not agree beyond chance on a and b: nearer to the true images is b in ")
    assert "and a in the features of the ImageNet (the intervals overlap). Neither is to be" in told[0][1]
    assert told[1][1].startswith("The spaces disagree on a and b") and "overlap" not in told[1][1]


def test_two_spaces_of_one_name_are_two():
    other = {"weights": "e" * 64}
    pair = [record("a", 0.2, [measured(3.0, **other)]), record("b", 0.5, [measured(1.0, **other)])]
    made = tables(pair, ["a", "b"])
    assert [table.space for table in made] == ["classifier of x", "classifier of x (eeeeeeee)"]
    (found,) = orders(made)
    assert found.contradicted and list(found.nearer.values()) == [0, 1]


@pytest.mark.parametrize(
    ("changes", "curable"),
    [({"samples": (500, 2000), "resizer": "b"}, True), ({"samples": (9, 9), "split": "c"}, False)],
)
def test_measuring_anew_is_advised_only_where_it_helps(changes, curable):
    with pytest.raises(InputError, match="do not belong into one table") as refused:
        tables([record("a", 0.2), record("b", 0.5, **changes)], ["a", "b"])
    assert ("--measure" in str(refused.value)) is curable and "--anyway" in str(refused.value)


def test_settings_that_differ_are_those_of_every_pair():
    three = [record(name, 0.1) for name in ("a", "bb", "ccc")]
    assert settings_that_differ(three) == {"training.seed": [1, 2, 3]}
    assert settings_that_differ([*three, {"experiment": None}]) == {}


# --- records that are kept --------------------------------------------------------------------------------------------


@pytest.fixture
def runs(tmp_path):
    """Two runs with a grid, records of updates, something in place of a generator, and what was measured of it."""
    made = []
    for seed, kernel in ((0, 0.2), (3, 0.5)):
        run = Run.create(replace(preset("quick"), seed=seed), {"images": 24, "fingerprint": ""}, tmp_path / "runs")
        run.model("generator").parent.mkdir()
        run.model("generator").write_bytes(b"%d" % seed)
        write_png(run.grid(1), np.full((66, 66, 3), 80 * seed, np.uint8))
        run.epochs_file.write_text(json.dumps({"epoch": 1}) + "\n")
        names = ("loss_true", "loss_fake", "loss_generator", "score_true", "score_fake")
        rows = [{"update": u, "epoch": 1} | dict.fromkeys(names, u / 9) for u in range(1, 9)]
        run.steps_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        known = {"generator_sha256": digest(run.model("generator")), "experiment": config.to_dict(run.experiment)}
        write_json(run.quality_file, record(run.name, kernel) | known)
        made.append(run)
    return made


def test_a_run_keeps_what_was_measured_until_its_weights_change(runs):
    trained = find_network(str(runs[0].folder), "generator")
    assert kept(trained)["distance"]["kernel"]["value"] == 0.2
    runs[0].model("generator").write_bytes(b"trained on")
    assert kept(trained) is None
    runs[0].quality_file.unlink()
    assert kept(trained) is None


def test_the_card_of_a_model_is_a_record_with_a_passport_and_without(tmp_path, monkeypatch, cards_of_before):
    old = find_network("faces", "generator")
    assert kept(old)["distance"]["space"] == "classifier of the built-in faces, 13 attributes"
    assert kept(old)["other_spaces"] == [] and "passport" not in kept(old)["distance"]
    other = measured(1.0, space="ImageNet", weights="e" * 64)
    card = pretrained.find("faces").card | {"distance": for_card(record("new", 0.3, [other]))}
    monkeypatch.setattr(pretrained.Pretrained, "card", card)
    assert kept(old)["other_spaces"] == [other] and kept(old)["distance"] == measured(0.3)
    text = card_text(card | {"seconds of training": 621.0458931999965, "decay": 0.998})
    assert "seconds of training: 621\n" in text and "decay: 0.998\n" in text
    assert "measured in the features of: ImageNet" in text
    assert "500 samples, seed 0, of the last checkpoint, averaged with decay 0.99, against x test" in text
    assert "measured on" not in card_text(pretrained.Pretrained(old.file.parent).card | {"distance": {}})


def test_a_card_is_of_its_generator_and_of_no_other_file_beside_it(capsys, tmp_path):
    """The samples in the folder are not those of another file either."""
    model = pretrained.find("faces64")
    files = {network: str(model.model(network)) for network in ("generator", "discriminator")}
    assert for_card(kept(find_network(files["generator"], "generator"))) == model.card["distance"]
    assert kept(find_network(files["discriminator"], "generator")) is None
    for network, drawn in (("generator", True), ("discriminator", False)):
        words = ("compare", files[network], "faces_attributes", "--no-distances", "--json", "--out", tmp_path / network)
        code, out, err = said(capsys, *words)
        assert code == 0 and bool(json.loads(out)["files"]) == drawn, err


def test_compare_shows_settings_distances_samples_and_curves_of_what_was_kept(capsys, runs, tmp_path):
    code, out, err = said(capsys, "compare", *(run.folder for run in runs), "--out", tmp_path / "out")
    assert code == 0, err
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "training.seed 0 3" in lines
    assert "kernel distance 0.2000 (0.1000 to 0.3000) 0.5000 (0.4000 to 0.6000) 0.0000 (-0.1000 to 0.1000)" in lines
    assert f"{runs[0].name} is nearer to the true images than {runs[1].name} in the only space in which all" in out
    samples, curves = sorted((tmp_path / "out").iterdir(), reverse=True)
    picture = read_png(samples)
    assert picture.shape == (66 + 32, 2 * 66 + 16, 3)
    assert (picture[-1, 0] == 0).all() and (picture[-1, -1] == 240).all()
    assert read_png(curves).std() > 10

    code, out, err = said(capsys, "compare", *(run.folder for run in runs), "--out", tmp_path / "out", "--json")
    compared = json.loads(out)
    assert code == 0 and compared["settings"] == {"training.seed": [0, 3]}
    assert compared["orders"][0]["nearer"] == {"classifier of x": 0} and len(compared["files"]) == 2


def test_a_generator_beside_itself_is_as_near(capsys, runs, tmp_path):
    same = [runs[0].folder] * 2
    code, out, err = said(capsys, "compare", *same, "--out", tmp_path)
    one, other = (f"{runs[0].name} ({number})" for number in (1, 2))
    assert code == 0 and f"{one} is as near to the true images as {other} in the only space in which all" in out, err
    assert "nearer" not in out and "overlap" not in out
    code, out, _ = said(capsys, "compare", *same, "--out", tmp_path, "--json")
    (order,) = json.loads(out)["orders"]
    assert code == 0 and order["nearer"] == {"classifier of x": None} and order["agreed"]


@pytest.mark.parametrize("first", [True, False])
def test_a_file_that_does_not_say_what_it_was_trained_on_is_compared_without_distances_or_by_its_record(
    capsys, runs, tmp_path, measures, first
):
    alone = tmp_path / "of me.keras"
    alone.write_bytes(b"a generator")
    both = [alone, runs[0].folder] if first else [runs[0].folder, alone]
    code, out, err = said(capsys, "compare", *both, "--out", tmp_path)
    assert code == 2 and out == "" and err.count("\n") == 1 and measures == []
    advice = f"`./dcgan evaluate '{alone}' --data NAME --out 'of me.json'` and name 'of me.json' in its place"
    assert f"{alone} does not say what it was trained on, so compare" in err and advice in err
    code, out, err = said(capsys, "compare", *both, "--no-distances", "--out", tmp_path)
    assert code == 0 and f"How {alone} came about is not known" in out, err


@pytest.fixture
def measures(monkeypatch):
    """What is measured anew, in place of measuring it: (name, samples, features, seed) of each."""
    asked = []

    def evaluate(trained, data, *, samples, features, seed, **_):
        asked.append((trained.title, samples, features, seed))
        known = {"generator_sha256": digest(trained.file), "experiment": config.to_dict(trained.experiment)}
        how = {"samples": samples, "features": features, "seed": seed}
        return record(trained.title, 0.9, samples=(samples, samples)) | known | how

    monkeypatch.setattr("utils.evaluation.evaluation.evaluate", evaluate)
    return asked


def test_what_was_kept_is_measured_again_where_other_samples_or_spaces_are_asked_for(capsys, runs, tmp_path, measures):
    places = [*(run.folder for run in runs), "--out", tmp_path / "out"]
    for run, samples in zip(runs, (500, 5000)):
        old = json.loads(run.quality_file.read_text()) | {"samples": samples, "features": "auto"}
        old["distance"]["passport"]["samples"] = [samples, samples]
        write_json(run.quality_file, old)
    code, _, err = said(capsys, "compare", *places, "--samples", 5000)
    assert code == 0 and measures == [(runs[0].name, 5000, "auto", 0)], err
    code, *_ = said(capsys, "compare", *places, "--features", "imagenet")
    assert code == 0 and measures[1:] == [(run.name, 5000, "imagenet", 0) for run in runs], "as the first that was kept"


def test_a_card_that_has_the_spaces_asked_for_is_not_measured_again(capsys, tmp_path, monkeypatch, measures):
    """A card does not say what was asked for; what auto means is known of the classifiers that are there."""
    models = ("faces64", "faces_attributes")
    how = ("--out", tmp_path / "out", "--data-dir", tmp_path)
    for features in ("auto", "faces"):
        code, out, err = said(capsys, "compare", *models, "--features", features, *how)
        assert code == 0 and "features of the classifier of the built-in faces, 13 attributes" in out, err
        assert measures == []
    code, *_ = said(capsys, "compare", *models, "--features", "auto,house_numbers", *how)
    assert code == 0 and measures == [(name, 2000, "auto,house_numbers", 0) for name in models]
    measures.clear()
    other = pretrained.find("faces64").card | {"distance": for_card(record("faces64", 0.3, samples=(2000, 2000)))}
    monkeypatch.setattr(pretrained.Pretrained, "card", other)
    code, *_ = said(capsys, "compare", *models, "--features", "auto", *how)
    assert code == 0 and measures == [(name, 2000, "auto", 0) for name in models], "in the space of other weights"


def test_measuring_again_loses_nothing_that_is_known_of_the_same_weights(capsys, runs, tmp_path, measures):
    first, second = runs
    old = json.loads(first.quality_file.read_text()) | {"samples": 500, "asked": {"kind": "labels"}}
    write_json(first.quality_file, old)
    write_json(second.quality_file, json.loads(second.quality_file.read_text()) | {"samples": 5000})
    before = second.quality_file.read_bytes()
    code, _, err = said(capsys, "compare", first.folder, second.folder, "--measure", "--out", tmp_path / "out")
    assert code == 0 and len(measures) == 2
    now = json.loads(first.quality_file.read_text())
    assert now["asked"] == {"kind": "labels"} and now["samples"] == 2000 and now["distance"]["kernel"]["value"] == 0.9
    assert second.quality_file.read_bytes() == before
    assert err.count("quality.json") == 1 and "replaces what was there" in err
    spaces = [measured(1.0, space="ImageNet", weights="e" * 64)]  # more of these, of fewer samples
    write_json(first.quality_file, now | {"samples": 500, "other_spaces": spaces})
    before = first.quality_file.read_bytes()
    code, *_ = said(capsys, "compare", first.folder, second.folder, "--measure", "--out", tmp_path / "out")
    assert code == 0 and len(measures) == 4 and first.quality_file.read_bytes() == before


def test_what_was_measured_otherwise_and_cannot_be_again_is_refused_before_anything_is_measured(
    capsys, runs, tmp_path, measures
):
    """A file holds figures alone; and what is kept of two may not belong together, whatever is measured of a third."""
    small, large = tmp_path / "small.json", tmp_path / "large.json"
    for file, samples in ((small, 500), (large, 2000)):
        how = {"samples": samples, "features": "auto"}
        write_json(file, record(file.stem, 0.2, samples=(samples, samples)) | how)
    code, out, err = said(capsys, "compare", small, runs[0].folder, "--samples", 2000)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert f"What {small} holds was measured on 500 samples with --features auto, and a file cannot be measured" in err
    runs[0].quality_file.unlink()
    code, out, err = said(capsys, "compare", small, large, runs[0].folder)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert "distances of small and large do not belong into one table" in err and "samples: 500, 500 and 2000" in err
    assert measures == []


def test_what_measuring_cannot_make_comparable_is_refused_before_it(capsys, runs, tmp_path, measures):
    """Other true images, another size, or another network of a training: minutes would be measured for nothing."""
    first, second = runs
    for run in runs:
        run.quality_file.unlink()
    best = first.folder / "models" / "best" / "generator.keras"
    best.parent.mkdir(parents=True)
    best.write_bytes(b"the best")
    other = replace(preset("quick"), name="house_numbers")
    house_numbers = Run.create(other, {"images": 24, "fingerprint": ""}, tmp_path / "runs")
    house_numbers.model("generator").parent.mkdir()
    house_numbers.model("generator").write_bytes(b"of others")
    for name, words in ((best, "checkpoint: last and best of 1"), (house_numbers.folder, "images: faces and house_")):
        code, out, err = said(capsys, "compare", second.folder, name, "--out", tmp_path / "out")
        assert code == 2 and out == "" and err.count("\n") == 1 and measures == []
        assert words in err and "--measure" not in err and "--anyway" in err
    code, *_ = said(capsys, "compare", second.folder, best, "--anyway", "--out", tmp_path / "out")
    assert code == 0 and len(measures) == 2


def test_a_place_that_cannot_be_written_is_found_before_anything_is_measured(
    capsys, runs, tmp_path, measures, monkeypatch
):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.chdir(tmp_path)
    for command in ("compare", "evaluate"):
        monkeypatch.setattr(f"utils.cli.{command}.expect_writable", refused)
    for words, place in (
        (("compare", *(run.folder for run in runs), "--measure"), tmp_path),
        (("evaluate", runs[0].folder), runs[0].quality_file),
    ):
        code, out, err = said(capsys, *words)
        assert code == 2 and out == "" and err.count("\n") == 1 and str(place) in err and measures == []


def test_a_record_is_known_by_being_a_file_whatever_it_is_called(capsys, tmp_path):
    for name, kernel in (("kept", 0.2), ("other.txt", 0.5)):
        write_json(tmp_path / name, record(name, kernel))
    code, out, err = said(capsys, "compare", tmp_path / "kept", tmp_path / "other.txt")
    assert code == 0 and "kept is nearer to the true images than other.txt in the only space in which all" in out, err


def test_the_samples_of_kept_networks_are_those_of_their_summary(capsys, runs, tmp_path):
    run = runs[0]
    network = run.model("generator", 7)
    network.parent.mkdir()
    network.write_bytes(b"of epoch 7")
    write_png(run.grid(7), np.full((66, 66, 3), 100, np.uint8))
    code, _, err = said(capsys, "compare", network, run.folder, "--no-distances", "--out", tmp_path / "out")
    assert code == 0, err
    picture = read_png(next((tmp_path / "out").glob("*-samples.png")))
    assert (picture[-1, 0] == 100).all() and (picture[-1, -1] == 0).all()


def test_of_a_card_it_is_known_on_how_many_samples_it_was_measured(monkeypatch):
    card = pretrained.find("faces").card | {"distance": for_card(record("new", 0.3, samples=(5000, 5000)))}
    monkeypatch.setattr(pretrained.Pretrained, "card", card)
    found = kept(find_network("faces", "generator"))
    assert (found["samples"], found["seed"]) == (5000, 0)


def test_compare_refuses_what_cannot_be_compared_and_says_so_in_the_table_when_told_to(capsys, tmp_path):
    files = [tmp_path / f"{name}.json" for name in "ab"]
    write_json(files[0], record("a", 0.2))
    write_json(files[1], record("b", 0.5, samples=(500, 2000), encoding="JPEG, quality 95"))
    code, out, err = said(capsys, "compare", *files)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert "(encoding: unknown and JPEG, quality 95; samples: 500, 500 and 500, 2000): compare them all the same" in err
    write_json(tmp_path / "c.json", record("c", 0.5, samples=(500, 2000)))
    code, out, err = said(capsys, "compare", files[0], tmp_path / "c.json")
    assert code == 2 and out == "" and err.count("\n") == 1
    assert "anew in the same way with `./dcgan evaluate --out FILE`, or compare" in err and "--measure" not in err
    code, out, _ = said(capsys, "compare", *files, "--anyway")
    assert code == 0 and "CAUTION: measured in different ways" in out
    assert "encoding: unknown (a); JPEG, quality 95 (b)" in out and "nearer to the true images cannot be said" in out


def test_compare_shows_cards_of_an_earlier_version_only_when_told_to(capsys, tmp_path, monkeypatch, cards_of_before):
    monkeypatch.chdir(tmp_path)  # where pictures go unless told
    places = ("--data-dir", tmp_path)
    code, _, err = said(capsys, "compare", "cifar10", "cifar10_recipe", *places)
    assert code == 2 and "cifar10 has no kept distance with a passport, and cannot be measured here" in err
    code, out, _ = said(capsys, "compare", "cifar10", "cifar10_recipe", "--anyway", "--out", tmp_path, *places)
    assert code == 0 and "passport: no passport (cifar10); no passport (cifar10_recipe)" in out
    assert "model.batch_norm" in out and (tmp_path / "cifar10-and-cifar10_recipe-samples.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.json"], "at least two generators. Received: 1"),
        (["a.json", "b.json"], "a.json is not what `./dcgan evaluate --out FILE` writes"),
        (["a.json", "faces", "--measure"], "a file of figures cannot be measured again. Received: a.json; leave"),
        (["faces", "b.json", "--measure", "--anyway"], "cannot be measured again. Received: b.json; leave --measure"),
        (["faces", "nobody"], "There is no run 'nobody'"),
        (["faces", "house_numbers", "--samples", "10"], "--samples must be at least 40. Received: 10."),
        (["faces", "house_numbers", "--samples", "0"], "--samples must be at least 40. Received: 0."),
        (
            ["faces", "house_numbers", "--no-distances", "--samples", "90"],
            "--samples and --features have nothing to do",
        ),
        (["faces", "house_numbers", "--no-distances", "--features", "faces"], "--no-distances shows none, so that"),
        (["faces", "house_numbers", "--out", "a.json"], "--out must be a folder. Received: a.json, which is a file."),
    ],
)
def test_compare_answers_bad_input_in_one_sentence(capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text('{"distance": 3}')
    code, out, err = said(capsys, "compare", *arguments)
    assert code == 2 and out == "" and err.count("\n") == 1 and words in err


def test_a_record_that_is_none_is_refused(tmp_path):
    texts = ["[]", "{", '{"distance": {"kernel": 1}, "other_spaces": []}', "3", "[" * 100_000]
    for without in ("fingerprint", "space", "floor"):
        broken = record("x", 0.2)
        del broken["distance"][without]
        texts.append(json.dumps(broken))
    for place, value in (("kernel", "small"), ("frechet", "small"), ("kernel", 10**400)):
        broken = record("x", 0.2)
        broken["distance"][place]["value"] = value
        texts.append(json.dumps(broken))
    for name in ("passport", "fingerprint"):
        texts.append(json.dumps(record("x", 0.2, [measured(0.3) | {name: ["none"]}])))
    for text in texts:
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(InputError, match="is not what"):
            read_record(tmp_path / "x.json")
