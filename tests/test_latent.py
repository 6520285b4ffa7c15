"""Walks through latents, and arithmetic with them, on a generator that is known by construction."""

import dataclasses
import json
from itertools import pairwise
from types import SimpleNamespace

import imageio.v2 as imageio
import numpy as np
import pytest
from known_latents import DIM, NAMES, brightness, judge, quarters, sampler

from utils import viz
from utils.data import scale_back
from utils.data.captions import GRAMMARS
from utils.errors import InputError
from utils.evaluation.features import Extractor
from utils.evaluation.judge import _of_classes
from utils.evaluation.names import names_for
from utils.explain.parts import Detections
from utils.files import digest
from utils.latent import figures, pictures
from utils.latent.arithmetic import (
    ARMS,
    Arm,
    Score,
    Scores,
    arithmetic,
    candidates,
    in_words,
    make_pool,
    one_for_each,
    score,
    table_of,
)
from utils.latent.directions import Direction, Effects
from utils.latent.inversion import Inversion, Recovery
from utils.latent.paths import along
from utils.latent.stops import find_stops
from utils.latent.terms import NeedsClassifier, Term, expected, parse, wishes
from utils.latent.trust import trust
from utils.latent.turn import Gauge, Turning, turn_gauge, turn_vector
from utils.latent.walk import KINDS, Paths, Smoothness, smoothness, walk
from utils.sampling import Sampler

SPACE = Extractor("brightness of the quarters", "0", {}, brightness)


@pytest.fixture(scope="module")
def pool():
    return make_pool(sampler(), judge(), 400)


def texts(figure):
    figure.canvas.draw_idle()  # nothing is rendered
    return " ".join(text.get_text() for text in figure.findobj(lambda o: hasattr(o, "get_text")))


# --- paths ------------------------------------------------------------------------------------------------------------


def test_a_straight_path_has_equal_steps_and_a_spherical_one_equal_angles_and_keeps_the_length():
    stops = np.random.default_rng(0).standard_normal((2, 50))
    stops *= 7 / np.linalg.norm(stops, axis=1, keepdims=True)
    places = np.linspace(0, 1, 9)
    straight = along(stops, places, "straight")
    np.testing.assert_allclose(straight, stops[0] + places[:, None] * (stops[1] - stops[0]), atol=1e-6)
    spherical = along(stops, places, "spherical")
    np.testing.assert_allclose(np.linalg.norm(spherical, axis=1), 7, rtol=1e-6)
    np.testing.assert_allclose(spherical[[0, -1]], stops, atol=1e-6)
    cosines = (spherical[1:] * spherical[:-1]).sum(1) / 49
    assert np.ptp(np.arccos(cosines)) < 1e-3 and np.linalg.norm(straight[4]) < 6


def test_a_closed_spline_goes_through_all_stops_and_on_without_a_corner():
    stops = np.random.default_rng(1).standard_normal((4, 30))
    fine = along(stops, np.arange(0, 4, 0.01), "spline", closed=True)
    np.testing.assert_allclose(fine[::100], stops, atol=1e-5)
    np.testing.assert_allclose(along(stops, np.array([4.0]), "spline", closed=True)[0], stops[0], atol=1e-5)
    steps = np.diff(np.concatenate([fine, fine[:2]]), axis=0)
    turns = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairwise(steps)]
    assert min(turns) > 0.995  # also where the film begins anew
    lengths = np.linalg.norm(stops, axis=1)
    assert np.linalg.norm(fine, axis=1).min() > lengths.min() - 1e-4
    assert np.linalg.norm(fine, axis=1).max() < lengths.max() + 1e-4


def test_a_path_through_uniform_latents_stays_in_their_cube():
    stops = np.sign(np.random.default_rng(2).standard_normal((5, 20)))
    places = np.arange(0, 5, 0.05)
    assert np.abs(along(stops, places, "spline", True, "normal")).max() > 1.05
    assert np.abs(along(stops, places, "spline", True, "uniform")).max() == 1


def test_opposite_and_empty_stops_have_a_spherical_path_nevertheless():
    one = np.ones((1, 4))
    for stops in (np.concatenate([one, -one]), np.concatenate([one, 0 * one]), np.concatenate([one, one])):
        path = along(stops, np.linspace(0, 1, 5), "spherical")
        assert np.isfinite(path).all() and np.allclose(path[[0, -1]], stops)


# --- stops ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_the_number_of_a_sample_means_the_same_latents_however_many_are_drawn(distribution):
    stops = find_stops(sampler(distribution), ["7", "0", "40"], seed=3)
    assert np.array_equal(stops.latents, sampler(distribution).make_latents(64, 3)[[7, 0, 40]])
    assert stops.names == ("7", "0", "40")


def test_samples_are_drawn_once_however_many_numbers_there_are():
    drawn = []

    class Counting(Sampler):
        def make_latents(self, count, seed=0):
            drawn.append(count)
            return super().make_latents(count, seed)

    stops = find_stops(Counting(quarters, DIM), [*map(str, range(30)), "99", "4"], seed=2)
    assert drawn == [100]
    assert np.array_equal(stops.latents, sampler().make_latents(100, 2)[[*range(30), 99, 4]])


def test_latents_of_a_file_are_stops_as_a_whole_or_by_row(tmp_path):
    latents = np.random.default_rng(0).standard_normal((3, DIM))
    np.save(tmp_path / "me.npy", latents)
    stops = find_stops(sampler(), [f"{tmp_path}/me.npy", f"{tmp_path}/me.npy:2", "5"])
    np.testing.assert_allclose(stops.latents[:4], latents[[0, 1, 2, 2]], rtol=1e-6)
    assert stops.names == ("me 0", "me 1", "me 2", "me 2", "5")


def test_what_is_no_latents_of_the_generator_is_refused_and_nothing_is_unpickled(tmp_path):
    np.save(tmp_path / "long.npy", np.zeros((2, DIM + 1)))
    np.save(tmp_path / "nan.npy", np.full((2, DIM), np.nan))
    np.save(tmp_path / "code.npy", np.array([SimpleNamespace()], object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("no array")
    for word, reason in (
        ("long.npy", r"float \(K, 6\); were they made with another model\? Received: float64 \(2, 7\)"),
        ("nan.npy", "finite"),
        ("code.npy", "cannot be read"),
        ("text.npy", "cannot be read"),
        ("none.npy", "There is no file"),
    ):
        with pytest.raises(InputError, match=reason):
            find_stops(sampler(), [str(tmp_path / word)])
    for word, reason in (("100000", "from 0 to 99,999"), ("-1", "named by the number"), ("x", "Received: 'x'")):
        with pytest.raises(InputError, match=reason):
            find_stops(sampler(), [word])


def test_files_that_latents_were_read_from_are_known_by_their_digests(tmp_path):
    np.save(tmp_path / "me.npy", np.zeros((3, DIM), np.float32))
    files = {str(tmp_path / "me.npy"): digest(tmp_path / "me.npy")}
    assert find_stops(sampler(), ["5", f"{tmp_path}/me.npy:2"]).files == files
    assert not find_stops(sampler(), ["5"]).files
    first, second = arithmetic(sampler(), f"me: {tmp_path}/me.npy + 5").plain()["concepts"]
    assert first["read_from"] == files and not second["read_from"]


def test_numbers_of_more_digits_than_python_reads_are_refused(tmp_path):
    np.save(tmp_path / "me.npy", np.zeros((3, DIM), np.float32))
    many = "9" * 5_000
    for word, reason in ((many, "to 99,999. Received: 9+…9+"), (f"{tmp_path}/me.npy:{many}", "Received: .*…9+'")):
        with pytest.raises(InputError, match=reason) as refused:
            find_stops(sampler(), ["3", word])
        assert len(str(refused.value)) < 300


def test_a_grid_draws_numbers_into_the_corners_and_leaves_the_rest():
    images = np.zeros((12, 32, 32, 3), np.uint8)
    plain, numbered = viz.grid(images, 4), viz.grid(images, 4, numbers=range(12))
    assert plain.shape == numbered.shape
    changed = (plain != numbered).any(2)
    assert changed[2:16, 2:14].any() and changed[2 + 2 * 66 :, 2 + 3 * 66 :][:16, :22].any()
    places = np.argwhere(changed) - 2
    assert (places % 66).max() < 24  # out of 64
    corners = [numbered[2 + 66 * (i // 4) :, 2 + 66 * (i % 4) :][:16, :20] for i in range(12)]
    assert len({corner.tobytes() for corner in corners}) == 12
    with pytest.raises(ValueError, match="zip"):
        viz.grid(images, 4, numbers=range(3))


# --- walks ------------------------------------------------------------------------------------------------------------


def test_the_film_of_a_closed_walk_passes_every_stop_in_turn_and_its_end_joins_its_beginning():
    stops = sampler().make_latents(3, 1)
    record = walk(sampler(), stops, frames=32, names=("a", "b", "c"))
    assert record.kind == "spline" and record.closed and len(record.film) == 33  # as many for each of three legs
    np.testing.assert_allclose(record.latents[::11], stops, atol=1e-5)
    assert np.array_equal(record.images, scale_back(quarters(record.latents)))
    around = np.concatenate([record.latents, record.latents[:1]])
    steps = np.linalg.norm(np.diff(around, axis=0), axis=1)
    assert steps[-1] < 1.5 * np.median(steps)
    assert record.leg(2, 4).tolist() == [22, 26, 29, 0]


def test_the_film_of_an_open_walk_goes_there_and_back_without_a_frame_twice_in_a_row():
    record = walk(sampler("uniform"), sampler("uniform").make_latents(2), frames=60)
    assert record.kind == "straight" and not record.closed and len(record.images) == 31 and len(record.film) == 60
    assert np.array_equal(record.film[1:31], record.film[:-31:-1][:30][::1][:30])
    assert record.leg(0, 10).tolist()[0] == 0 and record.leg(0, 10).tolist()[-1] == 30
    assert walk(sampler(), sampler().make_latents(2)).kind == "spherical"
    for stops, frames in ((1, 60), (3, 5)):
        with pytest.raises(InputError, match="two stops|twice as many frames"):
            walk(sampler(), sampler().make_latents(stops), frames)


def test_strip_and_film_show_the_pictures_of_the_walk(tmp_path):
    record = walk(sampler(), sampler().make_latents(3), frames=12, names=("3", "14", "15"))
    strip = pictures.walk_strip(record)
    assert strip.dtype == np.uint8 and strip.shape[0] == 3 * (96 + 2) + 2
    tile = strip[2 : 2 + 96, -98 * 5 : -98 * 4 - 2]
    assert np.array_equal(tile[::12, ::12], record.images[0])
    pictures.write_walk(record, tmp_path / "walk.gif", fps=10)
    film = np.stack(imageio.mimread(tmp_path / "walk.gif", memtest=False))[..., :3]
    assert film.shape == (12, 256, 256, 3)
    assert np.abs(film[:, 16::32, 16::32].astype(int) - record.film).max() <= 4  # a palette


def stepwise(latents):
    """A generator that remembers pictures, and draws one or the other: it has no way between two."""
    return quarters(np.sign(np.asarray(latents)) * 9)


def test_even_walks_have_equal_steps_and_a_generator_that_jumps_is_told_by_its_largest_step():
    true = scale_back(quarters(sampler().make_latents(200, 9)))

    def even_generator(latents):
        return np.asarray(latents, np.float32)[:, :3, None, None].repeat(8, 2).repeat(8, 3).transpose(0, 2, 3, 1)

    even = smoothness(Sampler(even_generator, DIM, "uniform"), SPACE, true, pairs=8, steps=12)
    assert even.paths["straight"].largest.high < 1.25  # rounding to whole levels
    assert even.paths["straight"].detour.value == pytest.approx(1, abs=0.05)
    jumps = smoothness(Sampler(stepwise, DIM, "uniform"), SPACE, true, pairs=16, steps=12)
    assert jumps.paths["straight"].largest.low > 3
    assert jumps.paths["fading"].largest.high < 1.2 and jumps.paths["true"].largest.low > 3
    np.testing.assert_allclose(even.paths["straight"].steps, even.paths["fading"].steps, atol=0.02)
    with pytest.raises(InputError, match="must differ .*Received: 200, of each of which there is a copy"):
        smoothness(sampler(), SPACE, np.zeros_like(true))


def test_fading_leaves_the_true_images_where_a_walk_over_them_stays():
    corners = stepwise(sampler().make_latents(300, 9))
    corners *= np.random.default_rng(0).uniform(0.95, 1, (300, 1, 1, 1))  # so that no true image is another's copy
    corners = scale_back(corners)
    record = smoothness(Sampler(stepwise, DIM), SPACE, corners, "corners", pairs=12, steps=12)
    ends, further = record.away("straight")
    assert further.high < 1 < 10 < record.away("fading")[1].low
    assert record.away("true")[0].value == 0 and ends.value == record.away("fading")[0].value
    plain = json.loads(json.dumps(record.plain()["paths"]["true"]["largest"]))
    assert plain["low"] <= plain["value"] <= plain["high"] and record.true == "300 corners"


def test_of_a_generator_that_draws_one_picture_nothing_is_said_of_steps_that_are_not_there():
    true = scale_back(quarters(sampler().make_latents(60, 9)))
    same = Sampler(lambda latents: quarters(np.ones_like(latents)), DIM)
    record = smoothness(same, SPACE, true, pairs=3, steps=9)
    plain, rows = json.loads(json.dumps(record.plain(), allow_nan=False))["paths"], record.table()
    assert all(plain[kind].keys() == {"ends", "middle"} and plain[kind]["middle"]["value"] == 0 for kind in plain)
    assert [row["length / distance of the ends"] for row in rows] == ["–"] * 4
    figures.smoothness_figure(record, "one picture")


def test_the_same_seed_gives_the_same_smoothness_and_its_figure_names_the_controls():
    true = scale_back(quarters(sampler().make_latents(60, 9)))
    one, other = (smoothness(sampler(), SPACE, true, pairs=3, steps=9, seed=4) for _ in range(2))
    assert one.plain() == other.plain() and len(one.table()) == 4
    said = texts(figures.smoothness_figure(one, "quarters"))
    assert "fading, pixel by pixel" in said and "3 walks between random latents, 9 steps each" in said


# --- what a user writes -----------------------------------------------------------------------------------------------


def test_shares_that_are_kept_have_intervals_within_what_a_share_can_be():
    kept = np.r_[np.ones(63), 12 / 13][:, None].repeat(3, 1)
    degrees, none = kept - 1, np.zeros((0, 2, 2, 3))
    record = Turning(3, np.zeros(4), none, none, (-1.0, 0.0, 1.0), degrees, degrees, kept, kept.copy(), none)
    for intervals in (record.at(record.kept), record.at(record.random_kept)):
        assert all(interval.low < interval.value < interval.high <= 1 for interval in intervals)
    assert record.at(record.degrees)[0].high > 0  # degrees are no share


def test_terms_are_read_by_number_by_file_and_in_words():
    known = ("glasses", "long hair", "no beard", "male", "beard style")
    text = "glasses: 3, 9 14 - 5 + me: a/b.npy:3 − woman without glasses – long_hair"
    assert parse(text, known) == (
        Term(1, "glasses", ("3", "9", "14")),
        Term(-1, "5", ("5",)),
        Term(1, "me", ("a/b.npy:3",)),
        Term(-1, "woman without glasses", wanted=(("male", False), ("glasses", False))),
        Term(-1, "long_hair", wanted=(("long hair", True),)),
    )
    assert parse(["a: 1", "-", "b: 2"]) == (Term(1, "a", ("1",)), Term(-1, "b", ("2",)))
    assert parse("- man with a beard and long hair", known)[0].wanted == (
        ("male", True),
        ("no beard", False),
        ("long hair", True),
    )


def test_a_name_that_begins_with_a_number_is_looked_for_before_a_sample_is():
    known = ("5_o_Clock_Shadow", "Male", "Eyeglasses")
    terms = parse("5 o Clock Shadow - 5 o clock shadow man without glasses + 5, 3 - 5 o Clock Shadow: 5 3", known)
    assert [term.wanted for term in terms] == [
        (("5_o_Clock_Shadow", True),),
        (("5_o_Clock_Shadow", True), ("Male", True), ("Eyeglasses", False)),
        (),
        (),
    ]
    assert [term.stops for term in terms] == [(), (), ("5", "3"), ("5", "3")]
    with pytest.raises(NeedsClassifier):  # by which commands find out that names are needed
        parse("5 o Clock Shadow")
    with pytest.raises(InputError, match="is called '5', nor are all words of '5 o Clock' numbers of samples or files"):
        parse("5 o Clock", known)


def test_what_a_sum_should_show_follows_from_its_terms():
    known = ("smiling", "male", "hat")
    assert expected(parse("smiling woman - woman + man", known)) == {"smiling": True, "male": True}
    assert expected(parse("hat - without hat + without hat", known)) == {"hat": True}
    assert expected(parse("smiling - hat", known)) == {"smiling": True, "hat": False}
    assert expected(parse("without hat + smiling + male", known)) == {"hat": False, "smiling": True, "male": True}
    assert expected(parse("without hat + smiling", known)) == {"hat": False, "smiling": True}


@pytest.mark.parametrize("grammar", GRAMMARS, ids=["faces", "celeba"])
def test_every_attribute_can_be_asked_for_by_its_own_name(grammar):
    names = sorted(name.replace("_", " ") for name in grammar.attributes)  # of CelebA "No Beard", "5 o Clock Shadow"
    for name, expression in zip(names, one_for_each(SimpleNamespace(names=names)), strict=True):
        assert expected(parse(in_words(expression), names)) == expected(expression) == {name: True}


def test_names_are_told_apart_by_case_and_may_have_many_words_commas_and_colons():
    letters = ("A", "a", "B")
    assert wishes(["A"], letters) == (("A", True),) and wishes(["a"], letters) == (("a", True),)
    assert wishes(["without", "b"], letters) == (("B", False),)
    names = ("black and gold garden spider", "cats, dogs", "Kite: black", "big - small")
    for name in names[:3]:
        assert parse(name, names) == (Term(1, name, wanted=((name, True),)),)
        assert parse(f"without {name}" if ":" not in name else name, names)[0].wanted[0][0] == name
    for name, terms in zip(names, one_for_each(SimpleNamespace(names=names)), strict=True):
        assert expected(terms) == {name: True} and [term.sign for term in terms] == [1, -1, 1]


def test_a_file_of_latents_may_lie_in_a_folder_whose_name_has_spaces(tmp_path):
    file = tmp_path / "my runs" / "0001" / "latents.npy"
    file.parent.mkdir(parents=True)
    latents = np.random.default_rng(0).standard_normal((2, DIM)).astype(np.float32)
    np.save(file, latents)
    terms = parse(f"me: {file}:1 - 5 + {file}:0 + both: {file} + list: 3 {tmp_path}/a.npy")
    assert [term.stops for term in terms] == [
        (f"{file}:1",), ("5",), (f"{file}:0",), (str(file),), ("3", f"{tmp_path}/a.npy")
    ]  # fmt: skip
    assert [term.name for term in terms] == ["me", "5", f"{file}:0", "both", "list"]
    assert np.array_equal(find_stops(sampler(), terms[2].stops).latents, latents[:1])
    many = " ".join(f"{number}.npy" for number in range(99))  # longer than the name of a file may be
    assert len(parse(f"many: {many}")[0].stops) == 99


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "ends with a term"),
        ("glasses -", "ends with a term"),
        ("glasses - - hat", "Between two signs"),
        ("glases", "'glases', did you mean glasses"),
        ("red", "No attribute is called 'red'. There are glasses, hat"),
        ("hat with hat", "twice"),
        ("a face", "names no attribute"),
    ],
)
def test_words_that_mean_nothing_are_named(text, reason):
    with pytest.raises(InputError, match=reason):
        parse(text, ("glasses", "hat"))
    if text == "red":
        with pytest.raises(InputError, match="no classifier of any for this model"):
            parse(text)


# --- arithmetic -------------------------------------------------------------------------------------------------------


def test_the_result_is_the_sum_of_the_means_with_noise_of_a_quarter_around_it():
    latents = sampler().make_latents(10)
    drawn = []

    def watched(z):
        drawn.append(np.asarray(z))
        return quarters(z)

    record = arithmetic(Sampler(watched, DIM), "a: 3 9 - b: 2 + c: 5")
    result = latents[[3, 9]].mean(0) - latents[2] + latents[5]
    np.testing.assert_allclose(record.latents, result, rtol=1e-5)
    noise = drawn[-1] - record.latents
    assert noise.shape == (9, DIM) and not noise[4].any() and 0.2 < np.abs(noise).max() <= 0.25
    assert np.array_equal(record.image, scale_back(quarters(record.latents[None]))[0])
    images = scale_back(quarters(latents)).astype(float)
    pixels = np.clip(np.rint(images[[3, 9]].mean(0) - images[2] + images[5]), 0, 255)
    assert np.array_equal(record.pixels, pixels.astype(np.uint8))
    assert record.expression == "a − b + c" and record.concepts[0].names == ("3", "9") and record.seen == {}
    assert pictures.arithmetic_sheet(record).shape[2] == 3


def test_concepts_in_words_take_the_samples_that_the_judge_is_surest_of(pool):
    record = arithmetic(sampler(), "one two - without one + three without four", judge(), pool, exemplars=2)
    shown = [judge().shown(concept.images) for concept in record.concepts]
    assert shown[0][:, :2].all() and not shown[1][:, 0].any() and (shown[2][:, 2:] == [True, False]).all()
    rows = candidates(judge(), pool, Term(1, "", wanted=(("three", True), ("four", False))))
    least = np.minimum(pool.log_odds[:, 2], -pool.log_odds[:, 3])
    assert rows[0] == least.argmax() and len(rows) == (least > 0).sum()
    assert record.concepts[2].names == tuple(map(str, rows[:2]))
    assert record.seen["one"].tolist()[-2] and json.dumps(record.plain())
    with pytest.raises(InputError, match=r"500 exemplars of 'one' are needed, and the judge sees \d+ among 400"):
        arithmetic(sampler(), "one", judge(), pool, exemplars=500)


def test_terms_that_want_the_same_have_exemplars_of_their_own_while_there_are_enough(pool):
    rows = [*map(str, candidates(judge(), pool, Term(1, "", wanted=(("one", True),))))]
    same = arithmetic(sampler(), "one - one + one", judge(), pool)
    assert [concept.names for concept in same.concepts] == [tuple(rows[i : i + 3]) for i in (0, 3, 6)]
    most = len(rows) // 2 + 1
    few = arithmetic(sampler(), "one - one", judge(), pool, exemplars=most)
    assert [concept.names for concept in few.concepts] == [tuple(rows[:most])] * 2
    apart = arithmetic(sampler(), "one - without one + 5", judge(), pool)
    assert apart.concepts[0].names == tuple(rows[:3]) and apart.concepts[2].names == ("5",)


@pytest.fixture(scope="module")
def scores(pool):
    return score(sampler(), judge(), pool, counts=(1, 10), trials=25, progress=False)


def test_more_exemplars_work_more_often_and_random_directions_do_not(scores):
    one, ten, by_chance = scores.has(1, "latents"), scores.has(10, "latents"), scores.has(10, "random")
    assert ten.value > 0.95 and one.high < ten.low and by_chance.high < 0.4
    assert scores.has(10, "base").value < 0.05  # what is asked for is not there before
    assert scores.kept(10, "latents").value < 0.95  # exemplars bring along what else they have
    assert scores.length(1, "latents") == pytest.approx(3**0.5, rel=0.1)
    assert scores.length(1, "usual length") == pytest.approx(1, rel=1e-5)
    assert scores.counts == (1, 10) and len(scores.table()) == 10 and not scores.missing


def test_scores_repeat_with_the_seed_and_become_plain_values(scores, pool):
    again = score(sampler(), judge(), pool, counts=(1, 10), trials=25, progress=False)
    record = json.dumps(scores.plain())
    assert json.dumps(again.plain()) == record and table_of(json.loads(record)) == scores.table()
    base = scores.table()[4]
    assert base == base | {"exemplars": 1, "": ARMS["base"], "others kept": "", "away from samples": ""}
    assert base["has it"] == f"{scores.has(1, 'base'):.0%}" and float(base["length"]) == pytest.approx(1, abs=0.2)
    assert scores.plain()["expressions"][2]["expected"] == {"three": True}
    said = texts(figures.scores_figure(scores, "quarters"))
    assert "4 expressions, 25 trials each" in said and "random direction" in said and "three" in said


def test_an_expression_without_enough_exemplars_is_left_out_with_the_reason(pool):
    few = score(sampler(), judge(), pool, ["one - without one", "one two three four - without one without two without "
                                           "three without four"], (30,), 3, progress=False)  # fmt: skip
    assert len(few.scores) == 1 and "30 samples that show 'one two three four' are needed" in few.missing[0]
    with pytest.raises(InputError, match="terms in words"):
        score(sampler(), judge(), pool, ["3 - 4"], progress=False)
    of_classes = dataclasses.replace(judge(), exclusive=True)
    with pytest.raises(InputError, match="one class, and the sum is to show one and three: .* such as 'one' - 'three'"):
        score(sampler(), of_classes, pool, ["one - two + three"], progress=False)
    assert score(sampler(), of_classes, pool, ["one - two"], counts=(1,), trials=2, progress=False).scores


def test_a_score_says_among_how_many_samples_exemplars_were_drawn_which_trials_share_where_these_are_few(pool):
    rare = type(pool)(pool.latents, pool.images, np.where(np.arange(400)[:, None] < 12, pool.log_odds, -1))
    rare.log_odds[:12, 0] = 1
    found = score(
        sampler(), judge(), rare, ["one - without one", "without one - without four"], (10,), 3, progress=False
    )
    assert [each["candidates"] for each in found.plain()["expressions"]] == [12, 388]
    assert found.candidates == 12


# --- the judge --------------------------------------------------------------------------------------------------------


def test_log_odds_of_classes_are_those_of_each_class_against_all_others():
    logits = np.array([[2.0, 0.0, -1.0], [300.0, 0.0, 0.0]], np.float32)
    shares = np.exp(logits[0]) / np.exp(logits[0]).sum()
    np.testing.assert_allclose(_of_classes(logits)[0], np.log(shares / (1 - shares)), rtol=1e-5)
    assert np.isfinite(_of_classes(logits)).all() and (_of_classes(logits)[1] > 0).tolist() == [True, False, False]


def test_attributes_and_classes_have_names_in_words():
    assert names_for("faces")[3:7] == ("long hair", "beard", "hat", "black hair")
    assert names_for("house_numbers")[3] == "digit 3"


def test_a_judge_and_a_detector_disagree_as_often_as_one_of_them_is_wrong():
    images = scale_back(quarters(sampler().make_latents(400, 8)))
    attributes = judge().shown(images)

    class Detector:
        """Knows two quarters, and is wrong about the first where the second is bright."""

        parts = ("one", "two", "nose")

        def __call__(self, pictures):
            shown = judge().shown(pictures)[:, :2]
            found = np.stack([shown[:, 0] ^ shown[:, 1], shown[:, 1], shown[:, 1]], 1)
            return Detections(found.astype(np.float32), np.zeros((len(pictures), 3, 4), np.int16))

        def number(self, part):
            return self.parts.index(part)

    one, two = trust(sampler(), judge(), Detector(), images, attributes, samples=400)
    assert one.part == "one" and one.judge_error.value == 0 == two.detector_error.value
    assert one.detector_error.value == one.true.value == attributes[:, 1].mean()
    assert one.fake.value == judge().shown(sampler().draw(400))[:, 1].mean() and two.fake.value == 0
    assert json.loads(json.dumps(one.plain()))["fake"] == one.fake.plain()


# --- the turn vector --------------------------------------------------------------------------------------------------


def test_the_turn_vector_turns_as_far_as_its_exemplars_are_apart_and_random_ones_do_not():
    gauge = Gauge(0.0, 1.0, lambda images: 7 * brightness(images)[:, 3])  # quarter four stands for the turn
    record = turn_vector(sampler(), gauge, judge(), exemplars=16, pool=400, samples=100)
    assert abs(record.vector[3]) == np.abs(record.vector).max() and record.vector[3] > 3
    assert record.slope.low > 4
    assert 0 < record.random_slope.high < 0.8 * record.slope.low  # a random one is mostly along other quarters
    assert not record.degrees[:, 2].any() and (record.kept[:, 2] == 1).all()
    assert len(record.table()) == 5 and json.dumps(record.plain())
    assert pictures.turning_sheet(record).dtype == np.uint8
    assert "16 exemplars a side" in texts(figures.turning_figure([record], "quarters"))


def test_random_vectors_are_told_to_turn_as_far_as_they_do_whichever_way():
    """Where there is one latent, a random vector of that length is the turn vector or its opposite: it turns as far."""
    one = Sampler(lambda latents: quarters(np.repeat(latents, 4, 1)), 1)
    gauge = Gauge(0.0, 1.0, lambda images: 7 * brightness(images)[:, 3])
    record = turn_vector(one, gauge, exemplars=4, pool=200, samples=100)
    assert record.random_slope.value == pytest.approx(record.slope.value, rel=0.01)
    assert all(row["random"]["value"] >= 0 for row in record.plain()["strengths"])


def test_the_turn_of_faces_can_be_read_off_their_pixels(tmp_path):
    gauge = turn_gauge(16, tmp_path, progress=False, count=250)
    assert 3.4 < gauge.spread < 4.7 and gauge.error < 0.9 * gauge.spread  # uniform in ±7: 4.04
    assert gauge(np.zeros((2, 64, 64, 3), np.uint8)).shape == (2,)


def test_names_are_those_of_the_judge():
    assert judge().number("three") == 2
    with pytest.raises(InputError, match="choose one of one, two, three, four"):
        judge().number("five")
    assert judge().names == NAMES


# --- of few values ----------------------------------------------------------------------------------------------------


def measured_on(cases):
    """What the commands measure by a bootstrap, on so many values: the cells of tables, and the values of records."""
    random = np.random.default_rng(cases)
    latents, several = random.standard_normal((cases, DIM), np.float32), random.random(cases)
    drawn = scale_back(quarters(latents))
    recovery = Recovery(Inversion(drawn, latents + 0.1, drawn, several, several, "least squares"), latents)
    (row, plain) = recovery.row(), recovery.plain()
    yield row["distance of the latents"], plain["distance"]
    yield row["difference of the pictures"], plain["difference"]
    arm = Arm(several > 0.5, several, several + 1, 1.0)
    scores = Scores("judge", (Score("one", {"one": True}, {1: dict.fromkeys(ARMS, arm)}, 20),))
    (row, *_), plain = scores.table(), scores.plain()["all"]["1"]["latents"]
    yield row["others kept"], plain["kept"]
    yield row["away from samples"], plain["away"]
    figures.scores_figure(scores, "quarters").canvas.draw_idle()
    paths = Paths(random.random((cases, 9)), several + 1, random.random((cases, 10)), drawn[:1].repeat(10, 0))
    walks = Smoothness("quarters", "true images", 1.0, dict.fromkeys(KINDS, paths))
    (row, *_), plain = walks.table(), walks.plain()["paths"]["straight"]
    yield from zip(list(row.values())[1:], plain.values(), strict=True)
    figures.smoothness_figure(walks, "quarters").canvas.draw_idle()
    changes = random.integers(-1, 2, (1, cases, 4)).astype(np.int8)
    found = Effects("judge", NAMES, (Direction("regression", "one", latents[0], {}),), 3.0, changes)
    (row,), plain = found.table(), found.plain()["kinds"]["regression"]
    yield row["gain"], plain["gain"]
    yield row["leakage"], plain["leakage"]


@pytest.mark.parametrize("cases", [2, 7, 8])
def test_no_interval_is_told_of_a_bootstrap_of_fewer_than_eight_values(cases):
    found = list(measured_on(cases))
    assert len(found) == 10
    for cell, plain in found:
        assert (" to " in cell, plain.keys() == {"value", "low", "high"}) == (cases >= 8, cases >= 8), (cell, plain)
        assert "nan" not in cell and json.dumps(plain, allow_nan=False)
