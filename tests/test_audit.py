"""The audit of tests of copying: what is planted, what is looked up, what each test says, what is counted."""

import itertools
import json

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import hypergeom, mannwhitneyu
from test_studies import shrunk

from utils.errors import InputError
from utils.evaluation import audit, features
from utils.evaluation.audit import DOSES, KINDS, TESTS, Alarms, Asked, Pictures, dose_response, look_up
from utils.evaluation.features import Extractor
from utils.intervals import wilson
from utils.studies import copies as of_copies
from utils.studies import results
from utils.studies.copies import SPACES, audited, copies, detected, false_alarms, kinds_seen, plot_copies, verdicts
from utils.studies.memorisation import LONG, SHOWN, TRUSTED, TRUSTED_SPACES, carry_out, memorisation
from utils.studies.memorisation import verdicts as memorised
from utils.studies.results import RESULTS
from utils.viz import read_png

SAMPLES = 100


def vectors(count, seed):
    return np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def train():
    return vectors(300, 1)


@pytest.fixture(scope="module")
def space(train):
    pool = vectors(500, 2)
    planted = {"exact": train[:40], "near": train[:40] + 0.05 * vectors(40, 3)}
    return look_up(train, pool, {"blurred": 0.6 * pool[:SAMPLES], "model": 3 * vectors(200, 4)}, planted)


@pytest.fixture(scope="module")
def alarms(space):
    return {(a.host, a.kind, a.dose, a.test): a for a in dose_response(space, SAMPLES, draws=12)}


def test_what_is_looked_up_is_what_all_distances_say(space, train):
    pool = vectors(500, 2)
    apart = np.sort(cdist(pool, train), axis=1)
    assert np.array_equal(space.pool.rows, cdist(pool, train).argmin(1))
    np.testing.assert_allclose(space.pool.distances, apart[:, 0], rtol=1e-4)
    np.testing.assert_allclose(space.pool.second, apart[:, 1], rtol=1e-4)
    among = cdist(train, train)
    np.fill_diagonal(among, np.inf)
    known = np.isfinite(space.own)
    np.testing.assert_allclose(space.own[known], among.min(1)[known], rtol=1e-4)
    assert known[space.pool.rows].all() and np.isinf(np.diag(space.pool.to_pool)).all()
    assert space.copies["exact"].distances.max() < 0.01 and space.cells.max() == audit.CELLS - 1


@pytest.mark.parametrize("pool", [150, 300])
def test_a_pool_that_leaves_none_to_lie_beside_the_training_images_is_refused(train, pool):
    small = look_up(train, vectors(pool, 2), {"blurred": vectors(SAMPLES, 5)}, {"exact": train[:40]})
    with pytest.raises(InputError, match=f"more than 300: hold more images out, .*Received: {pool}."):
        dose_response(small, SAMPLES, draws=1)


def test_copies_keep_shape_and_type_and_are_what_their_names_say():
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    made = {kind: copy(images, np.random.default_rng(1)) for kind, copy in KINDS.items()}
    assert all(of.shape == images.shape and of.dtype == np.uint8 for of in made.values())
    assert np.array_equal(made["exact"], images) and not np.array_equal(made["cropped"], images)
    grey = np.full((4, 16, 16, 3), 100, np.uint8)
    assert np.array_equal(KINDS["cropped"](grey, np.random.default_rng(1)), grey)
    factors = KINDS["recoloured"](grey, np.random.default_rng(1)).reshape(4, -1, 3) / 100.0
    assert np.ptp(factors, axis=1).max() == 0 and 0.74 < factors.min() < factors.max() < 1.26
    assert audit.blurred(images).std() < 0.7 * images.std()


def test_p_values_are_those_of_scipy(space):
    rows = np.arange(100, 200)
    asked = Asked(
        space.pool.take(rows, np.arange(300, 500)), space.pool.take(rows + 100, np.arange(300, 500)), 200, space
    )
    exact = mannwhitneyu(asked.samples.distances, asked.held_out.distances, False, "less", method="asymptotic").pvalue
    assert audit.further(asked) == pytest.approx(exact, abs=1e-3)
    for found, total, marked, drawn in itertools.product((0, 1, 3), (60, 90), (10, 40), (5, 20)):
        assert audit._at_least(found, total, marked, drawn) == pytest.approx(
            hypergeom.sf(found - 1, total, marked, drawn), abs=1e-9
        )


def test_where_nothing_is_planted_tests_hardly_ever_alarm_and_a_fifth_of_copies_is_seen(alarms):
    assert all(alarms["true", "", 0.0, test].hits <= 2 for test in TESTS)
    for kind in ("exact", "near"):
        assert alarms["true", kind, 0.2, "ratio"].hits == 12 and alarms["true", kind, 0.2, "closest"].hits == 12
        rates = [alarms["true", kind, dose, "ratio"].hits for dose in DOSES[1:]]
        assert rates == sorted(rates)


def test_nearness_is_taken_for_copying_and_copies_among_poor_samples_are_not_seen_by_it(alarms):
    assert alarms["blurred", "", 0.0, "further"].hits == alarms["blurred", "", 0.0, "C_T"].hits == 12
    assert alarms["blurred", "", 0.0, "ratio"].hits <= 1
    assert alarms["model", "exact", 0.2, "C_T"].hits == 0 and alarms["model", "exact", 0.2, "ratio"].hits == 12


def test_c_t_of_one_cell_is_the_test_in_the_whole_space(space):
    whole = audit.Space(space.own, np.zeros_like(space.cells), space.pool, {}, {})
    rows = np.arange(100, 200)
    asked = Asked(whole.pool.take(rows, rows + 200), whole.pool.take(rows + 100, rows + 200), 100, whole)
    assert audit.c_t(asked) == pytest.approx(audit.further(asked))


def test_a_share_is_detectable_from_where_power_stays_high():
    hits = {0.01: 60, 0.02: 10, 0.05: 60, 0.1: 60}
    alarms = [Alarms("true", "exact", dose, "ratio", count, 60) for dose, count in hits.items()]
    assert audit.detectable(alarms, "true", "exact", "ratio") == 0.05
    assert audit.detectable(alarms[:2], "true", "exact", "ratio") is None


@pytest.mark.parametrize("study", [copies, memorisation])
@pytest.mark.parametrize("scale", ["report", "quick"])
def test_copies_that_are_seen_in_every_draw_are_detectable(study, scale):
    draws = study("house_numbers", scale).draws
    assert wilson(draws, draws).low >= audit.ENOUGH


@pytest.mark.parametrize(("draws", "says"), [(10, "too few draws"), (20, "0.5%")])
def test_where_draws_are_too_few_to_tell_words_say_so(draws, says):
    planted = itertools.product(("true", "model"), KINDS, filter(None, DOSES), TESTS)
    alarms = [[*what, draws] for what in planted]
    run = {"trained": 9, "draws": draws, "level": 0.01, "alarms": {"pixels": alarms}}
    run["asked"] = {"pixels": dict.fromkeys(TESTS, 1.0)}
    kept = {"runs": [run]}
    assert {row[test] for row in detected(kept) for test in TESTS} == {says}
    assert {row[f"sees {kind}"] for row in verdicts(kept) for kind in KINDS} == {says}
    assert set(kinds_seen(run, TRUSTED, ("pixels",)).values()) == {says}


def test_pictures_of_copies_are_kept_with_the_figures_or_not_at_all(tmp_path, monkeypatch, pictures):
    monkeypatch.setattr(features, "extractor_for", lambda *_, **__: Extractor("pixels", "0", {}, shrunk))
    done = []

    def counted(*_, title, **__):
        if title == "model":
            raise InputError("no model")
        done.append(title)
        return {"draws": 3}, pictures[:24]

    monkeypatch.setattr(of_copies, "audited", counted)
    study = copies("house_numbers", "smallest")
    with pytest.raises(InputError, match="no model"):
        of_copies.carry_out(study, tmp_path, data_dir=tmp_path / "data", progress=False)
    there = {file.name for file in (tmp_path / "results").rglob("*") if file.is_file()}
    assert done == ["40"] and there == {".lock", f"{study.name}.json", "40-0.png"}  # what was done is kept whole
    of_copies.carry_out(study.only(["40"]), tmp_path, data_dir=tmp_path / "data", progress=False)
    kept = results.load(study.name, tmp_path / "results")
    assert kept["runs"][0]["draws"] == 3 and (kept["pictures"] / "40-0.png").is_file()


def test_planting_replaces_the_first_pictures_and_no_others():
    one, two = (Pictures(*(np.arange(4) + start for _ in range(5))) for start in (0, 10))
    assert one.with_copies(two, 1).rows.tolist() == [10, 1, 2, 3]
    assert one.with_copies(two, 0).distances.tolist() == [0, 1, 2, 3]


def test_the_kept_study_says_what_notebook_9_says():
    kept = results.load("copies-faces")
    rows = {(r["training images"], r["planted among"], r["space"], r["copies"]): r for r in detected(kept)}
    for count in ("128", "1,000", "20,000"):
        row = rows[count, "true images", "pixels", "exact"]
        assert (row["ratio"], row["closest"], row["C_T"]) == ("2%", "2%", "20%")
        assert all(rows[count, "true images", "pixels", "cropped"][test] == "–" for test in TESTS)
    assert rows["20,000", "the model's samples", "pixels", "recoloured"]["closest"] == "5%"
    blurred = [r for r in false_alarms(kept) if (r["space"], r["pictures"]) == ("pixels", "true images, blurred")]
    assert all(row["C_T"].startswith("100%") and row["ratio"].startswith("0%") for row in blurred)
    assert all(row["says"] == "no sign of copies" for row in verdicts(kept))
    assert plot_copies(kept).axes and json.loads((RESULTS / "copies-faces.json").read_text())["runs"][0]["draws"] == 60


def test_arms_are_amounts_and_the_last_one_has_the_model():
    assert [(arm.count, arm.model) for arm in copies("faces").arms] == [(128, False), (1_000, False), (20_000, True)]
    assert [arm.count for arm in copies("cifar10").arms] == [128, 1_000, 50_000]  # its model learnt from all of them
    assert not any(arm.model for arm in copies("somebody's pictures").arms)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(7).integers(0, 256, (400, 8, 8, 3), np.uint8)


@pytest.mark.parametrize(("copied", "says"), [(1.0, True), (0.0, False)])
def test_a_generator_is_called_a_copyist_by_the_trusted_tests_if_it_is_one(pictures, copied, says):
    trained, pool, fresh = pictures[:100], pictures[100:260], pictures[260:]
    fake = np.where(np.arange(80)[:, None, None, None] < 80 * copied, trained[:80], fresh[:80])
    spaces = {"pixels": lambda images: images.reshape(len(images), -1)}
    record, strip = audited(trained, pool, {"model": fake}, spaces, samples=40, draws=16, progress=False)
    assert all((record["asked"]["pixels"][test] < record["level"]) == says for test in TRUSTED)
    assert strip.shape == (24, 8, 8, 3) and strip[:6].tolist() == strip[6:12].tolist()  # six images, and exact copies
    seen = kinds_seen(record, TRUSTED, tuple(spaces))["sees exact"]
    assert seen == ("0.5%" if says else "20%")  # among fresh pictures; among copies there is nothing to add


@pytest.mark.parametrize("space", ["pixels", "discriminator", "fixed"])
def test_a_verdict_is_told_with_what_would_have_been_seen_in_the_spaces_that_it_is_of(space):
    """In one space copies are seen, and the others are blind."""
    alarms = {
        of: [["model", "exact", dose, test, 20 * (of == space)] for dose in DOSES if dose for test in TRUSTED]
        for of in SPACES
    }
    run = {
        "arm": "a", "seed": 0, "images": 9, "updates": 9, "snapshots": [{"kernel": [0.1, 0.0, 0.2]}],
        "asked": [{of: dict.fromkeys(TRUSTED, 1e-9 if of == space else 1.0) for of in SPACES}],
        "near": {"pixels": {"fake": 0.0, "held_out": 0.0}}, "audit": {"alarms": alarms, "draws": 20, "level": 0.01},
    }  # fmt: skip
    (row,) = memorised({"runs": [run]})
    assert (row["says"] != "no sign of copies") == (row["sees exact"] != "–") == (space in TRUSTED_SPACES)


def test_the_audited_runs_are_of_several_amounts_and_the_smallest_are_trained_for_too_long():
    of = {arm.name: arm.experiment for arm in memorisation("house_numbers").arms}
    assert [of[name].data.count for name in of] == [128, 1_000, 5_000, 20_000, *LONG]
    assert {e.training.updates for e in of.values()} == {2_000, 10_000}
    assert {name for name, e in of.items() if e.training.updates == 10_000} == {f"{count}-long" for count in LONG}
    assert all(e.training.keep_models and e.training.summary_updates * 5 == e.training.updates for e in of.values())
    assert {e.model.image_size for e in of.values()} == {32}


def test_every_kept_generator_is_asked_and_each_arm_has_a_picture_of_its_nearest_samples(tmp_path, monkeypatch, light):
    monkeypatch.setattr(features, "classifier", lambda *_, **__: Extractor("pixels", "0", {}, shrunk))
    monkeypatch.setattr("utils.studies.measure.measure_for", lambda *_: lambda run: {"snapshots": []})
    study = memorisation("house_numbers", "smallest")
    places = {"data_dir": tmp_path / "data", "progress": False}
    runs, file = carry_out(study, tmp_path / "runs", tmp_path / "kept", **places)
    (kept,) = results.load(study.name, file.parent)["runs"]
    assert [row["update"] for row in kept["asked"]] == [1, 2] and list(runs) == [("40", 0)]
    pictures = sorted(file.name for file in (tmp_path / "kept" / study.name).iterdir())
    assert pictures == ["40-0-nearest.png", "40-0.png"]
    assert read_png(tmp_path / "kept" / study.name / pictures[0]).shape == (2 * 66 + 2, SHOWN * 66 + 2, 3)


def test_seeds_that_do_not_fit_into_32_bits_are_seeds_too(train):
    pool, planted = vectors(500, 2), {"exact": train[:40]}
    known = {seed: look_up(train, pool, {}, planted, seed) for seed in (1, 2**32, 2**32 + 1)}
    assert np.array_equal(known[1].cells, known[2**32 + 1].cells)
    assert not np.array_equal(known[1].cells, known[2**32].cells)
