"""The benchmark of quality per minute: turns, what is kept, scores. Its contenders are tiny here, or train nothing."""

import argparse
import contextlib
import dataclasses
import itertools
import json
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

from benchmarks import contenders, drawn_by, kept, peers, quality_scores
from benchmarks.contenders import Clock, Peer, Recipe
from benchmarks.peers import Trainer
from benchmarks.quality_per_minute import Gone, Process, main, stops, take_turns, train
from utils.config import differences, preset, replace
from utils.data import scale_back
from utils.errors import InputError
from utils.evaluation.features import Extractor
from utils.evaluation.passport import Passport
from utils.intervals import Interval
from utils.models import build_discriminator, build_generator
from utils.runs import PROJECT
from utils.studies.courses import plot_courses
from utils.viz import read_png

SIDE = 32


class Timed:
    """A contender whose updates take so many seconds; it leaves after `updates` of them."""

    def __init__(self, seconds: float, updates: int = 10**6):
        self.each, self.left, self.seconds, self.asked = seconds, updates, 0.0, []

    def answer(self, asked):
        self.asked.append(asked["until"])
        while self.seconds < asked["until"]:
            if not self.left:
                raise Gone("no more")
            self.left -= 1
            self.seconds += self.each
        return {"seconds": self.seconds}


def test_contenders_take_turns_up_to_the_same_stops_and_stand_at_marks_within_an_update():
    quick, slow, gone = Timed(3), Timed(17), Timed(5, updates=5)
    order, marks, left = [], {}, []
    take_turns(
        {"quick": quick, "gone": gone, "slow": slow},
        marks=(1.0, 0.5),
        turn=20,
        at_mark=lambda name, minutes, state: marks.update({(name, minutes): state["seconds"]}),
        gone=lambda name, why: left.append((name, why)),
        tell=lambda name, state: order.append(name),
    )
    assert quick.asked == slow.asked == [20, 30, 40, 60]  # ends of turns, and the mark between two
    assert gone.asked == [20, 30] and left == [("gone", "no more")]  # and the others went on
    assert order == ["quick", "gone", "slow", "quick", "slow", "quick", "slow", "quick", "slow"]
    assert marks == {("quick", 0.5): 30, ("slow", 0.5): 34, ("quick", 1.0): 60, ("slow", 1.0): 68}


def test_stops_end_at_the_last_mark():
    assert stops((0.25, 1.5), turn=40) == [(15, 0.25), (40, None), (80, None), (90, 1.5)]


def test_the_clock_stands_still_while_samples_are_drawn(monkeypatch, tmp_path):
    now = [100.0]

    def passing(seconds, value=None):
        now[0] += seconds
        return value

    monkeypatch.setattr(contenders.time, "perf_counter", lambda: now[0])
    drawn = np.zeros((3, 2, 2, 3), np.float32)
    clock = Clock(Trainer(lambda: passing(2), lambda count: passing(1000, drawn[:count]), 1, {}))
    assert clock.answer({"until": 5})["seconds"] == 6
    state = clock.answer({"sample": str(tmp_path / "drawn.npy"), "count": 2})
    assert np.load(tmp_path / "drawn.npy").shape == (2, 2, 2, 3)
    now[0] += 50  # another's turn
    assert state["seconds"] == 6 and clock.answer({"until": 6})["updates"] == 3
    assert clock.answer({"until": 7}) | {"cpu_seconds": 0} == {
        "seconds": 8, "cpu_seconds": 0, "first_seconds": 2, "updates": 4
    }  # fmt: skip


def test_a_process_answers_lines_and_its_end_is_told_with_what_it_said_last(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho '{\"batch_size\": 3}'\nread line\necho '{\"updates\": 4}'\necho broken >&2\n")
    python.chmod(0o755)
    process = Process("torch", tmp_path / "train.npy", 0, str(python), tmp_path / "log.txt")
    assert process.facts == {"batch_size": 3} and process.answer({"until": 1}) == {"updates": 4}
    with pytest.raises(Gone, match="broken; .*log.txt has all"):
        process.answer({"until": 2})
    process.end()
    with pytest.raises(Gone, match="nowhere cannot be run"):
        Process("torch", tmp_path / "train.npy", 0, str(tmp_path / "nowhere"), tmp_path / "log.txt")


def test_a_contender_answers_line_by_line_and_ends_with_whoever_asks_also_in_the_middle_of_a_turn(tmp_path):
    script = """if True:
        import sys, time
        from benchmarks import contenders, peers

        contenders.build = lambda *_: peers.Trainer(lambda: time.sleep(0.01), None, 3, {"drawn_by": "nobody"})
        sys.exit(contenders.main())
    """
    np.save(tmp_path / "images.npy", np.zeros((1, 2, 2, 3), np.uint8))
    process = subprocess.Popen(
        [sys.executable, "-c", script, "first", "--images", str(tmp_path / "images.npy")],
        cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def ask(seconds):
        process.stdin.write(json.dumps({"until": seconds}) + "\n")
        process.stdin.flush()

    try:
        facts = json.loads(process.stdout.readline())
        assert (facts["batch_size"], facts["drawn_by"]) == (3, "nobody")
        for seconds in (0.02, 0.04):
            ask(seconds)
            answer = json.loads(process.stdout.readline())
            assert seconds <= answer["seconds"] < 1 and answer["updates"] >= 1
        ask(60)
        process.stdin.close()
        assert process.wait(5) == 0 and process.stdout.read() == ""
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _two_take_part():
    """Only a tiny network of ours takes part, and a peer that draws noise."""

    def noise(images, seed):
        random = np.random.default_rng(seed)
        drawn = random.uniform(-1, 1, (40, SIDE, SIDE, 3)).astype(np.float32)
        return Trainer(lambda: None, lambda count: drawn[:count], 16, {"drawn_by": "noise", "parameters": 0})

    tiny = {
        "width": 0.0625,
        "batch_size": 8,
        "shared_latents": True,
        "discriminator_updates": "joint",
        "ema_decay": 0.9,
    }
    taking_part = {"paper": Recipe("tiny", ("report32", "report32"), tiny), "tutorial": Peer("noise", noise)}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kept, "LEAST_IMAGES", 16)
        for name, some in {"RECIPES": ["paper"], "PEERS": ["tutorial"], "CONTENDERS": ["paper", "tutorial"]}.items():
            registry = getattr(contenders, name)  # the same object in all modules
            for key in list(registry):
                patched.delitem(registry, key)
            for key in some:
                patched.setitem(registry, key, taking_part[key])
        yield


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A session of the two on 300 pictures, and who started in it."""
    folder = tmp_path_factory.mktemp("quality")
    random = np.random.default_rng(0)
    colours = random.integers(0, 256, (300, 1, 1, 3))
    pictures = np.clip(colours + random.normal(0, 9, (300, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    np.save(folder / "colours.npy", pictures)
    started = []

    class Here:
        """What `Process` is, in this process."""

        def __init__(self, name, images, seed, python, log):
            started.append((name, seed))
            clock = Clock(contenders.build(name, np.load(images, mmap_mode="r"), seed))
            self.facts = {"batch_size": clock.trainer.batch_size, "start_seconds": 0.0, "versions": {}}
            self.facts |= clock.trainer.facts
            self.answer, self.end = clock.answer, lambda: None

    with _two_take_part():
        data = kept.set_apart(str(folder / "colours.npy"), SIDE, folder / "work", 40, data_dir=folder / "data")
        options = argparse.Namespace(minutes=[0.0005, 0.001], turn=0.02, samples=40, networks=True, torch_python=None)
        for _ in range(2):  # the second time all is there
            train(data, ["paper", "tutorial"], 0, options, start=Here)
    return data, started


@pytest.fixture
def work(session):
    """The session, in a test in which only the two take part; all others see the true contenders."""
    with _two_take_part():
        yield session


def test_images_set_apart_are_never_trained_on(work):
    data, _ = work
    train_rows, apart = (np.load(path).reshape(-1, SIDE * SIDE * 3) for path in (data.train, data.held_out))
    assert (len(train_rows), len(apart)) == (260, 40)
    assert len(np.unique(np.concatenate([train_rows, apart]), axis=0)) == 300


def test_a_session_keeps_samples_at_marks_and_is_taken_when_asked_again(work):
    data, started = work
    assert started == [("paper", 0), ("tutorial", 0)]
    ours, peer = data.results()
    assert (ours.name, peer.name) == ("paper", "tutorial")
    for result in (ours, peer):
        marks = result.record["marks"]
        assert [mark["minutes"] for mark in marks] == [0.0005, 0.001]
        assert all(mark["seconds"] >= mark["minutes"] * 60 and mark["updates"] >= 1 for mark in marks)
        for mark in marks:
            samples = np.load(result.samples(mark["minutes"]))  # a file for each mark, however near they are
            assert samples.shape == (40, SIDE, SIDE, 3) and samples.dtype == np.uint8
            assert result.samples(mark["minutes"]).with_suffix(".png").is_file()
        assert len(list(result.folder.glob("samples_*.npy"))) == len(marks)
    assert np.load(peer.samples(0.001)).std() > 60 > np.load(ours.samples(0.0005)).std()


def test_scores_compare_with_the_best_peer_above_the_floor_and_leave_out_spaces_that_are_not_there(
    work, monkeypatch, capsys
):
    from utils.evaluation import features

    looked_at = []

    def by_colour(images):
        looked_at.append(len(images))
        return images.mean((1, 2)).astype(np.float32)[:, [0, 1]] / 50

    def spaces(name, size, *, features, data_dir):
        if features == "imagenet":
            raise InputError("Its weights are not here.")
        return Extractor("mean colour", "c010", {}, by_colour)

    monkeypatch.setattr(features, "extractor_for", spaces)
    data, _ = work
    record = quality_scores.measure(data.folder.parent, quality_scores.Wanted())
    (space,) = record["sets"][0]["spaces"]
    passport = {f.name for f in dataclasses.fields(Passport)}
    assert passport & set(space) == {"interval", "latents_seed", "resizer", "samples", "value_range"}
    assert {"encoding", "split", "fingerprint"} < set(record["sets"][0]["data"])
    assert record["left_out"] == ["colours: space 'imagenet' is left out. Its weights are not here."]
    assert record["left_out"][0] in capsys.readouterr().err
    ours, peer = space["rows"][2:]
    assert (ours["contender"], peer["contender"], ours["minutes"]) == ("paper", "tutorial", 0.001)
    for part in quality_scores.DISTANCES:
        share = (ours[part]["value"] - space["floor"][part]["value"]) / (
            peer[part]["value"] - space["floor"][part]["value"]
        )
        assert ours["of_best_peer"][part] == pytest.approx(share) and part not in peer["of_best_peer"]
    words = quality_scores.in_words(record)
    assert "Its weights are not here." in words and "true images (the floor)" in words and "tiny" in words
    assert str(data.folder.parent.parent) not in json.dumps(record)  # where a file lay is nobody's business

    asked = len(looked_at)
    assert quality_scores.measure(data.folder.parent, quality_scores.Wanted()) == record  # all figures are kept
    assert len(looked_at) == asked
    monkeypatch.setattr(quality_scores, "INTERVAL", "99%, by another way")
    anew = quality_scores.measure(data.folder.parent, quality_scores.Wanted())
    assert anew["sets"][0]["spaces"][0]["interval"] == "99%, by another way" and len(looked_at) > asked

    drawn = quality_scores.draw_samples(data, quality_scores.Wanted(), data.folder.parent / "samples.png")
    shown = quality_scores.draw_distances(record, data.folder.parent / "distances.png")
    assert drawn.stat().st_size and shown.stat().st_size


def test_records_of_several_sessions_stand_in_one_table_and_one_figure(tmp_path, capsys):
    kept_records = sorted((PROJECT / "notebooks" / "results" / "records").glob("quality_per_minute*.json"))
    kept_records = [path for path in kept_records if "sets" in json.loads(path.read_text())]
    assert len(kept_records) == 3
    whole = quality_scores.together([json.loads(path.read_text()) for path in kept_records])
    assert [kept["data"]["title"] for kept in whole["sets"]] == ["CelebA", "built-in faces", "bedrooms", "CIFAR-10"]
    for kept_set in whole["sets"]:
        names = [space["name"] for space in kept_set["spaces"]]
        assert len({*names}) == len(names) == 2 + (kept_set["data"]["title"] == "CIFAR-10")  # two of its classifier
        for space in kept_set["spaces"]:  # every row of every session, told apart
            two = len(names) == 3 and "classifier" in space["name"]
            assert space["name"].endswith(f", weights {space['fingerprint'][:8]}") is two
            alone = [
                row
                for path in kept_records
                for one in json.loads(path.read_text())["sets"]
                if one["data"]["fingerprint"] == kept_set["data"]["fingerprint"]
                for of in one["spaces"]
                if of["fingerprint"] == space["fingerprint"]
                for row in of["rows"]
            ]
            told = [{part: value for part, value in row.items() if part != "session"} for row in space["rows"]]
            assert sorted(map(json.dumps, told)) == sorted(map(json.dumps, alone))
            places = [(row["session"], row["minutes"], row["contender"]) for row in space["rows"]]
            assert len(set(places)) == len(places)
    assert quality_scores.main([str(kept_records[0]), "--figure", str(tmp_path / "figure.png")]) == 0
    assert "mid_d" in capsys.readouterr().out and (tmp_path / "figure.png").stat().st_size
    words = quality_scores.in_words(whole)
    for kept_set in whole["sets"]:  # rows that differ in their session alone can be told apart, and it is named
        for session in {row["session"] for space in kept_set["spaces"] for row in space["rows"]}:
            assert f"session {session}: seed" in words and any(s["session"] == session for s in kept_set["sessions"])
    assert re.search(r"minutes +contender +updates +seeds +session ", words)
    mixed = json.loads(kept_records[0].read_text())
    mixed["sets"][0]["means_over_machines"] = ["first"]
    assert "Rows of first are means over" in quality_scores.in_words(quality_scores.together([mixed]))
    (last,) = (path for path in kept_records if "third_kind" in path.name)
    assert quality_scores.main([str(last)]) == 0
    assert "features of the EfficientNet-Lite0, trained on ImageNet:\n" in capsys.readouterr().out
    one, other = json.loads(last.read_text()), json.loads(last.read_text())
    for kept_set in (*one["sets"], *other["sets"]):
        kept_set["data"].pop("encoding")
    for kept_set in other["sets"]:
        kept_set["spaces"][1] |= {"resizer": "another", "interval": None}
    (tmp_path / "one.json").write_text(json.dumps(one))
    (tmp_path / "other.json").write_text(json.dumps(other))
    assert quality_scores.main([str(tmp_path / "one.json"), str(tmp_path / "other.json")]) == 0
    out, there = capsys.readouterr().out, json.loads(last.read_text())["sets"][0]["spaces"][1]["resizer"]
    assert f"ImageNet: Not all figures have the same resizer: {there}, another. Not on record in 2 of 2 " in out
    assert "2 of 2 sessions: encoding. Not on record in 1 of 2 sessions: interval.\n" in out
    assert out.count("Not all figures") == out.count("sessions: encoding.\n") == len(other["sets"])

    own = json.loads(kept_records[0].read_text())
    own["sets"][0]["spaces"][0]["rows"][0]["contender"] = "mine"
    nothing_of = '{"sets": [{"spaces": []}]}'
    for other in ("[1]", "[1", "{}", '{"sets": []}', '{"sets": [{"data": {}}]}', nothing_of, json.dumps(own)):
        (tmp_path / "other.json").write_text(other)
        assert quality_scores.main([str(tmp_path / "other.json")]) == 2
        assert "other.json" in capsys.readouterr().err


def test_labels_of_marks_have_room_beside_each_other():
    assert quality_scores._told_apart([5, 5, 10, 20, 40, 48, 56, 60, 60, 64]) == [5, 10, 20, 40, 60]


def test_what_was_kept_is_drawn_from_again_in_each_way_and_measured_once(work, monkeypatch, tmp_path, capsys):
    from utils.evaluation import features

    looked_at = []

    def by_colour(images):
        looked_at.append(len(images))
        return images.mean((1, 2)).astype(np.float32)[:, [0, 1]] / 50

    monkeypatch.setattr(features, "extractor_for", lambda *_, **__: Extractor("mean colour", "c010", {}, by_colour))
    data, _ = work
    shutil.copytree(data.folder.parent, tmp_path / "work")
    ours = kept.Data(tmp_path / "work" / data.folder.name).results()[0]
    assert {path.name for path in ours.networks(0.001).iterdir()} == {
        "averaged.keras",
        "discriminator.keras",
        "generator.keras",
    }
    asked_for = (tmp_path / "work", quality_scores.Wanted(minutes=[0.001]), tuple(drawn_by.WAYS))
    record = drawn_by.measure(*asked_for)
    (row,) = record["sets"][0]["rows"]  # the peer has kept no networks
    values = row["spaces"][0]["values"]
    assert (row["contender"], row["minutes"], list(values)) == ("paper", 0.001, list(drawn_by.WAYS))
    assert all(0 < score < 1 for score in row["judged"].values()) and len(row["judged"]) == 3
    for picture in ("drawn_by", "courses"):
        assert (tmp_path / "work" / f"{picture}-{data.folder.name}.png").is_file()
    words = drawn_by.in_words(record)
    assert "average, restated" in words and "images set apart" in words

    space, scores = plot_courses(record["sets"][0]).axes
    assert [float(line.get_ydata()[0]) for line in space.lines] == [
        values[way]["kernel"]["value"] for way in ("average", "generator", "average_restated", "generator_restated")
    ]
    for ways in (["average", "generator"], ["average_restated"]):  # of which some may have been measured alone
        row["spaces"][0]["values"] = {way: values[way] for way in ways}
        space, _ = plot_courses(record["sets"][0]).axes
        assert [float(line.get_ydata()[0]) for line in space.lines] == [values[way]["kernel"]["value"] for way in ways]
        assert [text.get_text() for text in space.figure.legends[0].get_texts()] == ["paper, seed 0"]
    assert "drawn by average, restated (dashed)" in space.get_title()
    row["spaces"][0]["values"] = values
    assert [float(line.get_ydata()[0]) for line in scores.lines] == [
        row["judged"][kind] for kind in ("set_apart", "drawn")
    ]

    few = drawn_by.Mark(ours, 0.001)
    few._batch = 4096  # more than were set apart
    assert all(0 < score < 1 for score in few.judged(kept.Data(tmp_path / "work" / data.folder.name)).values())

    mark = drawn_by.Mark(ours, 0.001)
    assert np.array_equal(mark.samples["average"], np.load(ours.samples(0.001)))  # those of the benchmark itself
    assert len(mark.samples) == len(drawn_by.WAYS)
    weights = [mark.networks[name].get_weights() for name in ("averaged", "generator")]
    assert not all(map(np.array_equal, *weights))
    asked = len(looked_at)
    assert drawn_by.measure(*asked_for) == record
    assert len(looked_at) == asked

    shutil.rmtree(ours.networks(0.001))
    assert drawn_by.main(["--work", str(tmp_path / "work"), "--minutes", "0.001"]) == 2
    assert "train with --networks first" in capsys.readouterr().err


def test_restated_statistics_are_those_of_the_maps_that_the_layer_sees():
    generator = build_generator(preset("quick32").model, 0)
    for layer in generator.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(layer.moving_mean + 3.0)
            layer.moving_variance.assign(layer.moving_variance * 7.0)
    latents = np.random.default_rng(0).uniform(-1, 1, (96, 100)).astype(np.float32)
    drawn_by.restated(generator, latents)
    # With the statistics of the whole batch, inference gives what a pass of training over that batch gives.
    assert np.allclose(generator(latents), generator(latents, training=True), atol=1e-4)


def test_a_share_of_the_best_peer_is_over_the_seeds_that_both_have():
    def run(seed, value):
        values = {part: Interval(value, value, value) for part in quality_scores.DISTANCES}
        return {"seed": seed, "updates": 1, "values": values}

    floor = {part: Interval(1.0, 1.0, 1.0) for part in quality_scores.DISTANCES}
    measured = {
        (1.0, "paper"): [run(0, 2.0)],
        (1.0, "torch"): [run(1, 3.0)],
        (5.0, "paper"): [run(0, 2.0), run(1, 6.0)],
        (5.0, "torch"): [run(2, 1.5)],  # the nearest, of a seed that nobody else has
        (5.0, "tutorial"): [run(1, 3.0), run(3, 99.0)],
    }
    ours = [row for row in quality_scores._rows(measured, floor) if not row["peer"]]
    for part in quality_scores.DISTANCES:
        assert [row["of_best_peer"][part] for row in ours] == [None, (6 - 1) / (3 - 1)]


def test_the_published_shares_are_over_the_seeds_that_both_have():
    record = json.loads((PROJECT / "notebooks/results/records/quality_per_minute.json").read_text())
    for space in (space for data in record["sets"] for space in data["spaces"]):
        for row in (row for row in space["rows"] if row["contender"] == "first"):
            peers = [other for other in space["rows"] if other["peer"] and other["minutes"] == row["minutes"]]
            for part, share in row["of_best_peer"].items():
                assert quality_scores._share(row, peers, part, space["floor"][part]["value"]) == pytest.approx(share)


@pytest.mark.parametrize(
    ("sessions", "listed"),
    [
        ([(0, ["first", "torch"]), (1, ["first", "torch"])], None),
        ([(0, ["first"]), (1, ["first"])], None),  # nobody stands beside it
        ([(0, ["first"]), (0, ["torch"])], [0, 0]),
        ([(0, ["first"]), (1, ["torch"])], [0, 1]),
        ([(0, ["first", "torch"]), (1, ["first"])], [1]),
    ],
)
def test_contenders_that_did_not_take_turns_are_told_whatever_their_seeds(sessions, listed):
    speed = {
        "contender": "first",
        "about": "any",
        "seed": 0,
        "batch_size": 1,
        "parameters": 1,
        "images_per_second": 1.0,
    }
    speed |= {"first_update_seconds": 1.0, "start_seconds": 1.0, "cores_used": 1.0}
    told = [
        {"seed": seed, "began": f"{hour}:00", "device": "any", "cores": 2, "contenders": names}
        for hour, (seed, names) in enumerate(sessions, 1)
    ]
    data = {"title": "tiny", "size": 32, "images": 9, "held_out": 9}
    kept = {"data": data, "speeds": [speed], "sessions": told, "spaces": []}
    words = quality_scores.in_words({"sets": [kept], "left_out": []})
    assert ("took turns" in words) == (listed is not None)
    assert [words.count(f"seed {seed}, ") for seed in (0, 1)] == [(listed or []).count(seed) for seed in (0, 1)]


@pytest.mark.parametrize(("floor", "drawn"), [(0.02, True), (0.011, True), (0.009, False), (-0.001, False)])
def test_a_floor_far_below_all_lines_is_named_and_not_drawn(floor, drawn, monkeypatch, tmp_path):
    from utils import figure

    monkeypatch.setattr(figure, "write_figure", lambda path, made: made)
    rows = [
        {"contender": "paper", "peer": False, "minutes": minutes, "seeds": [0], "kernel": {"value": value}}
        for minutes, value in ((1, 1.0), (5, 0.1))
    ]
    space = {"name": "colours", "floor": {"kernel": {"high": floor}}, "rows": rows}
    kept = {"data": {"title": "tiny", "size": 64}, "spaces": [space]}
    (axes,) = quality_scores.draw_distances({"sets": [kept]}, tmp_path / "unused.png").axes
    assert [line.get_linestyle() for line in axes.get_lines()] == ["-", ":"][: 1 + drawn]
    assert f"floor {max(floor, 0):.4f}" in axes.get_title()
    assert axes.get_ylim()[0] > 0.005  # the lines fill the figure


def test_another_recipe_under_a_kept_name_is_refused(work, monkeypatch):
    (ours, _), (tiny,) = work[0].results(), contenders.RECIPES.values()
    monkeypatch.setitem(contenders.CONTENDERS, "paper", None)  # only the recipe counts
    monkeypatch.setitem(contenders.RECIPES, "paper", Recipe("tiny", tiny.presets, {**tiny.settings, "r1": 1.0}))
    with pytest.raises(InputError, match="other settings than paper has now"):
        ours.is_whole([0.001], 40, work[0].about["fingerprint"])


def test_a_kept_result_of_other_data_or_of_a_preset_that_has_changed_since_is_refused(work, monkeypatch):
    from utils import presets

    ours, peer = work[0].results()
    fingerprint = work[0].about["fingerprint"]
    assert ours.is_whole([0.001], 40, fingerprint) and peer.is_whole([0.001], 40, fingerprint)
    both = [0.0005, 0.001]
    assert not ours.is_whole([*both, 0.002], 40, fingerprint, networks=True)
    assert not ours.is_whole(both, 41, fingerprint, networks=True)
    with pytest.raises(InputError, match="other data than tutorial has now"):
        peer.is_whole([0.001], 40, "f")
    about, experiment = presets._PRESETS["report32"]
    monkeypatch.setitem(presets._PRESETS, "report32", (about, replace(experiment, beta_1=0.4)))
    with pytest.raises(InputError, match="other settings than paper has now"):
        ours.is_whole([0.001], 40, fingerprint)


def test_no_mark_is_lost_unless_it_comes_again(work, tmp_path, capsys):
    shutil.copytree(work[0].folder, tmp_path / "colours")
    data = kept.Data(tmp_path / "colours")

    def files():
        return {file: file.read_bytes() for file in data.folder.rglob("*") if file.is_file()}

    before = files()
    fingerprint, (ours, _) = data.about["fingerprint"], data.results()
    for marks, samples, all_of_them in (([0.002], 40, "0.0005 0.001 0.002"), ([0.001], 41, "0.0005 0.001")):
        with pytest.raises(InputError, match=rf"would remove: ask for all of them \(--minutes {all_of_them}\)"):
            ours.is_whole(marks, samples, fingerprint, networks=True)

    class Dies:
        facts = {"batch_size": 8}

        def __init__(self, *_):
            pass

        def answer(self, asked):
            raise Gone("it died before its first mark")

        def end(self):
            pass

    options = argparse.Namespace(
        minutes=[0.0005, 0.001, 0.002], turn=0.02, samples=40, torch_python=None, networks=True
    )
    train(data, ["paper", "tutorial"], 0, options, start=Dies)
    assert "it died before its first mark" in capsys.readouterr().err and files() == before


def test_a_mark_whose_samples_are_gone_is_not_kept(work, tmp_path):
    shutil.copytree(work[0].folder, tmp_path / "colours")
    (ours, _), fingerprint = kept.Data(tmp_path / "colours").results(), work[0].about["fingerprint"]
    both = [0.0005, 0.001]
    assert ours.is_whole(both, 40, fingerprint)
    ours.samples(0.001).unlink()
    assert ours.is_whole([0.0005], 40, fingerprint) and not ours.is_whole(both, 40, fingerprint, networks=True)
    with pytest.raises(InputError, match=r"ask for all of them \(--minutes 0.0005 0.001\)"):
        ours.is_whole([0.001], 40, fingerprint, networks=True)


def test_networks_that_are_wanted_are_there_or_trained_for_and_none_are_lost(work, tmp_path):
    shutil.copytree(work[0].folder, tmp_path / "colours")
    (ours, peer), fingerprint = kept.Data(tmp_path / "colours").results(), work[0].about["fingerprint"]
    both = [0.0005, 0.001]
    for result in (ours, peer):  # whoever keeps none has none to lack
        assert result.is_whole(both, 40, fingerprint, networks=True)
    with pytest.raises(InputError, match=r"holds networks of 0.0005 0.001 minutes, .* add --networks"):
        ours.is_whole([*both, 0.002], 40, fingerprint)
    shutil.rmtree(ours.networks(0.001))
    assert not ours.is_whole(both, 40, fingerprint, networks=True) and ours.is_whole(both, 40, fingerprint)


def test_copies_of_images_set_apart_are_not_trained_on(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "LEAST_IMAGES", 16)
    pictures = np.random.default_rng(0).integers(0, 256, (300, SIDE, SIDE, 3), np.uint8)
    np.save(tmp_path / "twice.npy", np.concatenate([pictures, pictures[:60]]))
    data = kept.set_apart(str(tmp_path / "twice.npy"), SIDE, tmp_path / "work", 100, data_dir=tmp_path / "data")
    rest, apart = ({image.tobytes() for image in np.load(path)} for path in (data.train, data.held_out))
    assert len(rest | apart) == 300 and not rest & apart and len(np.load(data.held_out)) == 100
    assert data.about["images"] == len(np.load(data.train)) < 260


def test_means_over_minutes_of_several_machines_are_told(work, tmp_path):
    shutil.copytree(work[0].folder, tmp_path / "colours")
    data = kept.Data(tmp_path / "colours")
    for result in data.results():
        record = result.record
        record["session"] |= {"device": "a slower one", "began": "later"}
        shutil.copytree(result.folder, result.folder.with_name("1"))
        (result.folder.with_name("1") / "record.json").write_text(json.dumps(record))
    facts = quality_scores._facts(data, quality_scores.Wanted())
    assert facts["means_over_machines"] == ["paper", "tutorial"]
    words = quality_scores.in_words({"sets": [{"data": data.about, "spaces": [], **facts}], "left_out": []})
    assert "means over minutes of several machines" in words and "a slower one: paper, tutorial" in words
    assert quality_scores._facts(work[0], quality_scores.Wanted())["means_over_machines"] == []


def test_samples_that_were_removed_are_left_out_of_a_new_space_with_a_word(work, tmp_path, monkeypatch, capsys):
    from utils.evaluation import features

    def spaces(name, size, *, features, data_dir):
        return Extractor(features, features, {}, lambda images: images.mean((1, 2)).astype(np.float32)[:, [0, 1]])

    monkeypatch.setattr(features, "extractor_for", spaces)
    shutil.copytree(work[0].folder, tmp_path / "colours")
    quality_scores.measure(tmp_path, quality_scores.Wanted(spaces=["one"]))
    result = kept.Data(tmp_path / "colours").results()[0]
    result.samples(0.001).unlink()
    record = quality_scores.measure(tmp_path, quality_scores.Wanted(spaces=["one", "other"]))
    one, other = record["sets"][0]["spaces"]
    assert len(other["rows"]) == len(one["rows"]) - 1
    (said,) = record["left_out"]
    assert said == "colours, other: paper, seed 0, 0.001 minutes: its samples are no longer there."
    assert said in capsys.readouterr().err


def test_samples_that_were_removed_are_no_row_of_the_picture(work, tmp_path):
    shutil.copytree(work[0].folder, tmp_path / "colours")
    data, picture = kept.Data(tmp_path / "colours"), tmp_path / "samples.png"
    heights = []
    for _ in range(2):
        heights.append(quality_scores.draw_samples(data, quality_scores.Wanted(), picture) and len(read_png(picture)))
        for path in data.results()[len(heights) - 1].folder.glob("samples_*.npy"):
            path.unlink()
    assert heights[0] > heights[1] > 0
    assert quality_scores.draw_samples(data, quality_scores.Wanted(), tmp_path / "none.png") is None
    assert not (tmp_path / "none.png").exists()


def test_a_copy_of_a_result_beside_it_is_no_other_seed(tmp_path):
    for seed in ("0", "1", "0 (copy)", "1.old"):
        (tmp_path / "paper" / seed).mkdir(parents=True)
        (tmp_path / "paper" / seed / "record.json").touch()
    assert [result.seed for result in kept.Data(tmp_path).results()] == [0, 1]


def test_a_second_session_in_a_folder_is_refused_in_a_sentence(tmp_path, monkeypatch, capsys):
    from benchmarks import quality_per_minute

    monkeypatch.setattr(quality_per_minute, "check_possible", lambda *_: None)
    monkeypatch.setattr(quality_per_minute, "set_apart", lambda *_: pytest.fail("somebody writes"))
    work = tmp_path / "work"
    for command, asked in ((main, []), (main, ["--score"]), (drawn_by.main, [])):
        with kept.alone(work):
            assert command(["--work", str(work), *asked]) == 2
        said = capsys.readouterr().err
        assert said == f"Another session works in {work}: wait for its end, or name another --work folder.\n"


@pytest.mark.parametrize("command", [main, drawn_by.main])
def test_a_mistyped_folder_is_not_made_by_who_measures(tmp_path, capsys, command):
    asked = ["--score"] if command is main else []
    assert command(["--work", str(tmp_path / "wrok"), *asked]) == 2 and not (tmp_path / "wrok").exists()
    assert capsys.readouterr().err.startswith(f"There is no folder {tmp_path / 'wrok'}: --work names")


def test_what_would_be_lost_is_refused_before_anybody_trains(work, monkeypatch):
    from benchmarks import quality_per_minute

    monkeypatch.setattr(quality_per_minute, "check_possible", lambda *_: None)
    monkeypatch.setattr(quality_per_minute, "set_apart", lambda *_: work[0])
    monkeypatch.setattr(quality_per_minute, "train", lambda *_: pytest.fail("somebody trains"))
    asked = ["--minutes", "0.002", "--samples", "40", "--seeds", "1", "0"]  # seed 1 has nothing to lose
    assert main(["--work", str(work[0].folder.parent), *asked]) == 2


def test_the_reports_loop_is_known_by_the_settings_of_the_recipe_whose_networks_it_trains():
    for size in (32, 64):
        of = contenders.settings_of("report_loop", size)
        assert of == contenders.settings_of("report", size) and of["model"]["image_size"] == size
    assert contenders.settings_of("torch", 64) == {}


def test_seeds_give_their_mean_with_students_interval():
    one = Interval(1.0, 0.5, 1.5)
    assert quality_scores.over_seeds([one]) == one
    three = quality_scores.over_seeds([one, Interval(2.0, 0, 9), Interval(3.0, 0, 9)])
    assert (three.value, three.high - three.value) == pytest.approx((2.0, 4.302653 / 3**0.5), abs=1e-5)
    shares = quality_scores.over_seeds([Interval(0.4, 0.3, 0.5), Interval(0.6, 0.5, 0.7)], shares=True)
    assert (shares.value, shares.low, shares.high) == (0.5, 0, 1)


def test_the_reports_loop_goes_on_training_its_discriminator_once_it_is_frozen_for_the_generator():
    layers = keras.layers
    generator = keras.Sequential([keras.Input((4,)), layers.Dense(12, "tanh"), layers.Reshape((2, 2, 3))])
    discriminator = keras.Sequential([keras.Input((2, 2, 3)), layers.Flatten(), layers.Dense(1, "sigmoid")])
    update = peers.report_update(generator, discriminator, {"learning_rate": 0.01})
    true, latents = np.ones((8, 2, 2, 3), np.float32), np.ones((8, 4), np.float32)
    before = []
    for _ in range(3):
        update(true, latents)
        before.append([network.get_weights()[0].copy() for network in (generator, discriminator)])
    for one, other in itertools.pairwise(before):
        assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(one, other))


@pytest.mark.parametrize("size", [32, 64])
def test_the_tutorials_networks_fit_the_pictures_and_always_draw_the_same_latents(size):
    trainer = peers.tutorial(np.zeros((256, size, size, 3), np.uint8), seed=0, narrow=True)
    two, three = trainer.draw(2), trainer.draw(3)
    assert two.shape == (2, size, size, 3) and trainer.batch_size == 256
    np.testing.assert_allclose(two, three[:2], atol=1e-5)
    assert np.ptp(scale_back(two)) > 0


def test_recipes_of_all_names_make_experiments_of_both_sizes():
    for name in contenders.RECIPES:
        for size in (32, 64):
            experiment = contenders.experiment_for(name, size, seed=3)
            assert (experiment.model.image_size, experiment.training.seed) == (size, 3)


def test_the_cure_is_what_the_quick_preset_makes_of_the_reports_networks():
    cured = contenders.experiment_for("report_cured", 32)
    assert differences(preset("quick"), cured).keys() == {"preset", "data.name", "data.count", "training.epochs"}


@pytest.mark.parametrize(("size", "width", "batch"), [(32, 1.0, 32), (64, 0.5, 16)])
def test_twice_the_channels_are_all_that_the_wide_recipe_changes(size, width, batch):
    first, wide = (contenders.experiment_for(name, size) for name in ("first", "first_wide"))
    assert (wide.model.width, wide.training.batch_size) == (width, batch)
    assert replace(wide, width=first.model.width) == first
    of_first, of_wide = (contenders.settings_of(name, size) for name in ("first", "first_wide"))
    of_first["model"]["width"] = width  # by these a kept result is told from one of another width
    assert of_wide == of_first


@pytest.mark.parametrize("size", [32, 64])
def test_one_wider_network_is_all_that_the_recipes_of_either_change(size):
    first, both = (contenders.experiment_for(name, size) for name in ("first", "first_wide"))
    for name, part, other in (("wide_d", "discriminator", "generator"), ("wide_g", "generator", "discriminator")):
        wider = contenders.experiment_for(name, size)
        assert replace(wider, **{part: dataclasses.asdict(getattr(first.model, part))}) == first
        assert _shapes(part, wider.model) == _shapes(part, both.model) != _shapes(part, first.model)
        assert _shapes(other, wider.model) == _shapes(other, first.model)


def _shapes(part, model) -> list:
    network = {"generator": build_generator, "discriminator": build_discriminator}[part](model)
    return [tuple(weight.shape) for weight in network.weights]


def test_wrong_input_is_refused_in_a_sentence(tmp_path, capsys):
    for arguments, sentence in (
        (["--score"], "holds no such samples"),
        (["--minutes", "0"], "must be above 0"),
        (["--samples", "10"], "--samples must be at least 40"),
        (["--data", str(tmp_path / "none.npy")], "none.npy"),
        (["--score", "--size", "32", "--seeds", "1"], "--score measures, so it takes no --size, --seeds;"),
        (["--json"], "Without --score it trains, so it takes no --json;"),
    ):
        assert main(["--work", str(tmp_path), "--data-dir", str(tmp_path), *arguments]) == 2
        assert sentence in capsys.readouterr().err


def test_a_session_in_which_nobody_takes_part_and_a_folder_that_is_a_file_end_in_a_sentence(tmp_path, capsys):
    np.save(tmp_path / "own.npy", np.random.default_rng(0).integers(0, 256, (300, SIDE, SIDE, 3), np.uint8))
    (tmp_path / "file").touch()
    asked = ["--data", str(tmp_path / "own.npy"), "--data-dir", str(tmp_path / "data"), "--size", str(SIDE)]
    asked += ["--samples", "40", "--only", "torch", "--torch-python", str(tmp_path / "nowhere")]
    assert main(["--work", str(tmp_path / "work"), *asked]) == 2
    said = capsys.readouterr().err
    assert "nowhere cannot be run" in said and "Nothing was trained" in said and "To measure" not in said
    assert main(["--work", str(tmp_path / "file"), *asked]) == 2
    assert "choose another place" in capsys.readouterr().err.splitlines()[-1]


def test_what_cannot_be_done_is_refused_before_an_image_is_read_or_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kept, "load", lambda *_, **__: pytest.fail("images are read"))
    monkeypatch.setattr(quality_scores, "measure", lambda *_, **__: pytest.fail("samples are measured"))
    (tmp_path / "file").touch()
    for arguments, sentence in (
        (["--work", str(tmp_path / "file")], "Not a directory; choose another place"),
        (["--work", "/proc/work"], "Operation not permitted; choose another place"),
        (["--work", "/proc/work", "--score"], "no folder /proc/work: --work names the one that was trained in"),
        (["--data", "faces", "none.npy"], "There is no dataset 'none.npy'"),
        (["--count", "0"], "must be at least 1. Received: size=64, count=0."),
        (["--count", "3999"], "Received: faces with 3,999; use fewer --samples."),
        (["--samples", "39"], "--samples must be at least 40"),
        (["--seeds", "0", "-1"], "--seeds must be at least 0. Received: -1."),
    ):
        assert main(["--work", str(tmp_path / "work"), "--data-dir", str(tmp_path / "data"), *arguments]) == 2
        assert sentence in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
