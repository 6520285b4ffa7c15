"""Which combinations of exact attributes a generator misses."""

import json
from collections import Counter

import numpy as np
import pytest

from utils.config import preset, replace
from utils.data import Dataset, scale
from utils.data.catalogue import drawn_source
from utils.data.drawn import Factor, certain
from utils.data.faces import Faces
from utils.data.house_numbers import HouseNumbers
from utils.errors import InputError
from utils.evaluation import combinations, features
from utils.evaluation.combinations import combinations_of, compare_combinations, confusion, trained_on
from utils.evaluation.pictures import draw_combinations
from utils.intervals import wilson
from utils.sampling import Sampler
from utils.viz import read_png

FACES, NUMBERS = Faces(16, 60), HouseNumbers(16, 60)


def sure(source):
    """A judge that is never wrong, for `compare_combinations`; and the other fields, which say nothing here."""
    confusions = [np.eye(len(factor.values)) for factor in source.factors]
    nothing = wilson(0, 9)
    fields = dict.fromkeys(("wrong", "doubtful_true", "doubtful_fake"), nothing)
    return {"confusions": confusions, "title": "x", "wrong_of": {}, "judges": ("judge",), **fields}


@pytest.mark.parametrize("source", [FACES, NUMBERS], ids=["faces", "house_numbers"])
def test_what_is_known_without_drawing_is_what_is_drawn(source):
    names = source.describe().attribute_names
    for row in range(8):
        drawn, known = source.draw(row), source.known(row)
        assert [known[name] for name in names] == drawn["attributes"].tolist()
        if "labels" in drawn:
            assert [digit for digit in "0123456789" if known[digit]] == [str(drawn["labels"])]


@pytest.mark.parametrize("source", [FACES, NUMBERS], ids=["faces", "house_numbers"])
def test_every_image_has_one_value_of_each_factor_and_it_is_the_true_one(source):
    rows = [source.known(row) for row in range(source.count)]
    scores = {name: certain(np.array([row[name] for row in rows])) for name in rows[0]}
    named = [name for factor in source.factors for value in factor.values.values() for name in value]
    assert set(named) == set(scores), "every attribute and label is part of a factor"
    for factor in source.factors:
        of_factor = {name for value in factor.values.values() for name in value}
        values, _ = factor.read(scores)
        for row, value in zip(rows, values):
            true = {name for name in of_factor if row[name]}
            assert set(list(factor.values.values())[value]) == true


def test_a_factor_takes_the_likeliest_value_of_the_judges_answers_together():
    hair = Factor("hair", {"short red": ("red",), "long red": ("long", "red"), "hat": ("hat",)})
    logits = {"red": np.array([3.0, 3.0, -2.0]), "long": np.array([-1.0, 1.0, 4.0]), "hat": np.array([-4.0, 3.5, 3.0])}
    values, probability = hair.read(logits)
    assert values.tolist() == [0, 1, 2]
    one = np.exp([3.0, 2.0, -4.0])
    assert probability[0] == pytest.approx(one[0] / one.sum())


def test_the_training_set_is_counted_exactly_by_its_choices():
    experiment = replace(preset("quick"), name="faces", count=200, batch_size=8, choices="correlated", data_seed=5)
    source = drawn_source(experiment)
    assert (source.count, source.choices, source.seed, source.size) == (200, "correlated", 5, 32)
    counted = trained_on(source)
    assert counted.total() == 200
    long_hair = [place for place, value in enumerate(source.factors[0].values) if value.startswith("long")]
    assert not [places for places in counted if places[0] in long_hair and places[3] == 1], "long hair excludes a beard"
    with pytest.raises(InputError, match="Only of the built-in datasets everything is known. Received: .* cifar10"):
        drawn_source(replace(experiment, name="cifar10"))
    with pytest.raises(InputError, match="without repeats \\(--dedup exact\\) is not known exactly"):
        drawn_source(replace(experiment, dedup="exact"))


def test_missing_rare_and_frequent_combinations_are_told_from_chance():
    trained = Counter({(digit, 0, 0, 0, neighbours): 50 for digit in range(10) for neighbours in range(4)})
    shares = np.ones((10, 4))
    shares[0, 0], shares[1, 0], shares[2, 0] = 0, 0.1, 4
    drawn = np.random.default_rng(0).multinomial(8000, (shares / shares.sum()).ravel()).reshape(10, 4)
    fakes = Counter({(digit, 0, 0, 0, n): int(drawn[digit, n]) for digit in range(10) for n in range(4)})
    found = compare_combinations(NUMBERS, trained, fakes, **sure(NUMBERS))
    told = {each.verdict: each for each in found.combinations if each.verdict}
    assert {verdict: each.values[0] for verdict, each in told.items()} == {
        "missing": "0", "too few": "1", "too many": "2",
    }  # fmt: skip
    assert sum(bool(each.verdict) for each in found.combinations) == 3
    assert told["missing"].expected == pytest.approx(200) and told["missing"].share.low == 0
    assert told["too few"].share == wilson(int(drawn[1, 0]), 8000)
    expected = np.full((10, 4), 1 / 40)
    assert found.apart == pytest.approx(np.abs(drawn / 8000 - expected).sum() / 2)
    assert 0 < found.apart_if_perfect < found.apart
    rows = found.values
    assert found.missed() == [told["missing"], told["too few"]]
    assert sum(row["share"].value for row in rows if row["factor"] == "digit") == pytest.approx(1)
    assert [row["trained"] for row in rows if row["factor"] == "neighbours"] == pytest.approx([0.25] * 4)


def test_a_value_is_counted_whatever_else_a_sample_has_also_what_the_training_set_never_has_with_it():
    trained = Counter({(0, 0, 0, 0, 0): 50, (1, 0, 0, 0, 1): 50})
    fakes = Counter({(0, 0, 0, 0, 0): 30, (0, 0, 0, 0, 1): 20, (1, 0, 0, 0, 0): 50})  # 70 of 100 outside
    found = compare_combinations(NUMBERS, trained, fakes, **sure(NUMBERS))
    assert found.outside == wilson(70, 100)
    shares = {(row["factor"], row["value"]): row["share"] for row in found.values}
    assert shares["digit", "0"] == shares["digit", "1"] == wilson(50, 100)
    for factor in found.factors:
        of_it = [row for row in found.values if row["factor"] == factor]
        assert sum(row["share"].value for row in of_it) == pytest.approx(1)
        assert sum(row["trained"] for row in of_it) == pytest.approx(sum(row["expected"] for row in of_it)) == 1


def test_a_generator_like_the_training_set_has_no_verdict_in_19_of_20_cases_or_more():
    random = np.random.default_rng(1)
    trained = Counter({(digit, 0, 0, 0, n): 10 + 9 * n for digit in range(10) for n in range(4)})
    shares = np.array(list(trained.values())) / trained.total()
    wrong = 0
    for _ in range(20):
        fakes = Counter(dict(zip(trained, random.multinomial(1000, shares).tolist())))
        found = compare_combinations(NUMBERS, trained, fakes, **sure(NUMBERS))
        wrong += any(each.verdict for each in found.combinations)
    assert wrong <= 3
    rare = Counter(dict(zip(trained, [*random.multinomial(40, shares[:-1] / shares[:-1].sum()).tolist(), 0])))
    assert not compare_combinations(NUMBERS, trained, rare, **sure(NUMBERS)).with_verdict("missing"), "40 tell nothing"


def test_what_the_judge_confuses_is_expected_to_be_confused():
    exact, judged = np.array([0] * 80 + [1] * 20), np.array([0] * 60 + [1] * 40)
    errors = confusion(exact, judged, 3)
    np.testing.assert_allclose(errors, [[0.75, 0.25, 0], [0, 1, 0], [0, 0, 1]])
    trained = Counter({(3, 0, 0, 0, 0): 300, (3, 1, 0, 0, 0): 100})
    confusions = sure(NUMBERS)["confusions"]
    confusions[1] = confusion(exact, judged, 2)  # a dark digit is taken for a light one in one of four cases
    as_judged = Counter({(3, 0, 0, 0, 0): 2250, (3, 1, 0, 0, 0): 1750})
    found = compare_combinations(NUMBERS, trained, as_judged, **sure(NUMBERS) | {"confusions": confusions})
    assert {each.values[1]: each.expected for each in found.combinations} == pytest.approx(
        {"dark digit": 2250, "light digit": 1750}
    )
    assert found.apart == pytest.approx(0) and not [each for each in found.combinations if each.verdict]


def test_of_a_value_that_the_judge_never_gives_nothing_is_expected_and_nothing_is_missed(tmp_path):
    trained, exact = trained_on(NUMBERS), np.array([0] * 80 + [1] * 20)
    confusions = sure(NUMBERS)["confusions"]
    confusions[1] = confusion(exact, np.zeros_like(exact), 2)  # every light digit is taken for a dark one
    gone = next(places for places, _ in trained.most_common() if places[1] == 0)
    light = next(places for places, _ in trained.most_common() if places[1] == 1)
    fakes = Counter()
    for (digit, _, *others), number in trained.items():
        fakes[(digit, 0, *others)] += 100 * number
    del fakes[gone]
    fakes[light] = 50  # which no true image is taken for
    found = compare_combinations(NUMBERS, trained, fakes, **sure(NUMBERS) | {"confusions": confusions})
    unexpected = [each for each in found.combinations if each.values[1] == "light digit"]
    assert len(unexpected) > 1 and {each.expected for each in unexpected} == {0}
    assert [each.values[0] for each in found.missed()] == [str(gone[0])] and found.missed()[0].verdict == "missing"
    assert [each.seen for each in found.with_verdict("too many")] == [50]
    assert found.with_verdict("")[-1].seen == found.with_verdict("")[-1].expected == 0
    assert "light digit" in json.dumps(found.plain(), allow_nan=False)
    assert read_png(draw_combinations(tmp_path / "x.png", found, "a generator", NUMBERS)).std() > 20


def drawn(source):
    """All of a source, in this process."""
    about, (arrays, _) = source.describe(), source.read(range(source.count))
    arrays.pop("captions"), arrays.pop("boxes")
    return Dataset(about.title, about.title, fingerprint="", attribute_names=about.attribute_names, **arrays)


def test_a_conditional_generator_is_asked_for_all_that_it_was_trained_on(tmp_path, monkeypatch):
    """One that draws what it is asked for misses nothing, though its model keeps the conditions of few images."""
    source = Faces(16, 400)
    known = [source.known(row) for row in range(source.count)]
    names = tuple(known[0])
    wanted = np.array([[each[name] for name in names] for each in known], np.uint8)
    apart = Dataset(
        "true", "true", np.zeros((60, 16, 16, 3), np.uint8), "", attributes=wanted[:60], attribute_names=names
    )
    apart.images[:, 0, 0, 0] = np.arange(60)
    drawn = []  # what each fake was asked for, in the order of drawing

    class Judge:
        name = "judge"

        def __init__(self, *_, **__):
            pass

        def answers(self, images):
            asked = np.concatenate(drawn)[-len(images) :] if drawn else wanted[images[:, 0, 0, 0]]
            return 6.0 * asked - 3

    class Draws:
        def __call__(self, inputs, training=None):
            drawn.append(np.asarray(inputs[1]))
            return np.zeros((len(inputs[0]), 16, 16, 3), np.float32)

    monkeypatch.setattr(combinations, "held_out", lambda *_, **__: apart)
    monkeypatch.setattr(features, "classifier", Judge)
    experiment = replace(
        preset("report32"), name="faces", count=400, image_size=16, generator={"start": 2},
        conditions="attributes", condition_names=names,
    )  # fmt: skip
    sampler = Sampler(Draws(), 100, conditions=wanted[:20])
    found = combinations_of(sampler, experiment, samples=4000, data_dir=tmp_path, progress=False)
    assert {each.verdict for each in found.combinations} == {""}
    assert found.apart < 1.5 * found.apart_if_perfect


def test_a_generator_on_texts_is_not_counted(tmp_path):
    experiment = replace(preset("report32"), name="faces", conditions="text")
    with pytest.raises(InputError, match="A generator on texts draws what it is told"):
        combinations_of(Sampler(None, 100), experiment, data_dir=tmp_path)


def test_a_generator_that_draws_no_sunglasses_is_found_out(tmp_path, monkeypatch):
    """With a judge that knows the pictures by heart, and errs on one true image in forty."""
    apart, mine = (drawn(Faces(16, count, split=split)) for count, split in ((400, "test"), (300, "train")))
    monkeypatch.setattr(combinations, "held_out", lambda *_, **__: apart)
    known = {image.tobytes(): facts for each in (apart, mine) for image, facts in zip(each.images, each.attributes)}
    for image in apart.images[::40]:
        known[image.tobytes()] = 1 - known[image.tobytes()]
    bare = mine.images[mine.attributes[:, mine.attribute_names.index("sunglasses")] == 0]

    class Judge:
        name = "judge"

        def __init__(self, *_, **__):
            pass

        def answers(self, images):
            return np.stack([6.0 * known[image.tobytes()] - 3 for image in images])

    monkeypatch.setattr(features, "classifier", Judge)
    experiment = replace(preset("report32"), name="faces", count=300, image_size=16, generator={"start": 2})
    sampler = Sampler(lambda latents: scale(bare[np.arange(len(latents)) % len(bare)]), 100)
    found = combinations_of(sampler, experiment, samples=2000, data_dir=tmp_path, progress=False)
    eyes = {row["value"]: row for row in found.values if row["factor"] == "eyes"}
    assert eyes["sunglasses"]["share"].value == 0 and 0.1 < eyes["sunglasses"]["trained"] < 0.2
    assert found.wrong.value == pytest.approx(1 / 40) and found.trained == 300 and found.samples == 2000
    missing = found.with_verdict("missing")
    assert missing and all("sunglasses" in each.values for each in missing)
    assert json.loads(json.dumps(found.plain()))["combinations"][0]["share"].keys() == {"value", "low", "high"}

    picture = read_png(draw_combinations(tmp_path / "x.png", found, "a generator", drawn_source(experiment)))
    assert picture.shape[1] > 1000 and picture.std() > 20
