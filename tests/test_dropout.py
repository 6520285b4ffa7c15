"""The study of dropout: what its pairs share, and what is read off kept results."""

import json

import numpy as np
import pytest

from utils import config
from utils.presets import SCALES
from utils.studies.dropout import BY_HEART, WITHOUT, answer, by_pair, dropout, pairs
from utils.viz import write_png


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("data", ["faces", "cifar10"])
def test_trainings_of_a_pair_differ_in_dropout_alone_and_have_the_updates_of_all_others(data, scale):
    arms = {arm.name: arm.experiment for arm in dropout(data, scale).arms}
    assert list(arms) == [name + end for name in ("report", "recipe", "few") for end in ("", WITHOUT)]
    for name in ("report", "recipe", "few"):
        found = config.differences(arms[name], arms[name + WITHOUT])
        assert found == {"model.discriminator.dropout": (0.4, 0.0)}
    changed = config.differences(arms["report"], arms["recipe"])
    assert changed.keys() == {"model.batch_norm", "model.weights"}
    lengths = {
        experiment.training.epochs * (experiment.data.count // experiment.training.batch_size)
        for experiment in arms.values()
    }
    assert len(lengths) == 1 and arms["few"].data.count < arms["recipe"].data.count


def run(arm, seed, near, far, trained_on, held_out):
    spaces = [{"space": name, "kernel": {"value": value}} for name, value in (("one", near), ("other", far))]
    judged = {"trained_on": trained_on, "held_out": held_out}
    return {
        "arm": arm,
        "seed": seed,
        "updates": 4,
        "snapshots": [{"judged": {"trained_on": 0, "held_out": 1}}, {"judged": judged}],
        "distance": spaces[0] | {"other_spaces": spaces[1:]},
    }


@pytest.fixture
def kept(tmp_path):
    """Two pairs of one arm in another order of seeds, one of another, and two runs whose partners are missing."""
    runs = [
        run("recipe", 2, 0.5, 3.0, 0.7, 0.6),
        run("recipe", 0, 0.1, 1.0, 0.9, 0.5),
        run("recipe-without", 0, 0.2, 0.5, 0.9, 0.1),
        run("recipe-without", 2, 0.4, 2.0, 0.5, 0.5),
        run("recipe", 1, 9, 9, 0, 0),
        run("few", 0, 0.3, 0.3, 0.5, 0.5),
        run("few-without", 0, 0.3, 0.6, 0.5, 0.25),
        run("report-without", 0, 9, 9, 0, 0),
    ]
    for one in runs:
        write_png(tmp_path / f"{one['arm']}-{one['seed']}.png", np.zeros((8, 64, 3), np.uint8))
    return {"runs": runs, "arms": {"recipe": "the recipe, dropout of 0.4"}, "pictures": tmp_path}


def test_what_has_no_partner_is_left_out_and_seeds_are_paired(kept):
    found = pairs(kept)
    assert list(found) == ["recipe", "few"]
    assert found["recipe"]["kernel distance: one"] == [(0.1, 0.2), (0.5, 0.4)]
    assert found["recipe"]["kernel distance: other"] == [(1.0, 0.5), (3.0, 2.0)]
    np.testing.assert_allclose(found["recipe"][BY_HEART], [(0.4, 0.8), (0.1, 0.0)])
    np.testing.assert_allclose(found["few"][BY_HEART], [(0.0, 0.25)])


def test_a_table_says_in_how_many_pairs_it_is_lower_without(kept):
    rows = {(row["arm"], row["measured"]): row for row in by_pair(kept)}
    assert rows["recipe", "kernel distance: one"]["lower without"] == "1 of 2"
    assert rows["recipe", "kernel distance: other"]["lower without"] == "2 of 2"
    assert rows["recipe", "kernel distance: other"]["without"] == "1.250 (0.500 to 2.000)"
    assert rows["few", "kernel distance: one"]["lower without"] == "0 of 1", "equal is not lower"
    assert rows["few", BY_HEART]["with dropout"] == "0.000" and len(rows) == 6


def test_the_figure_joins_what_belongs_together(kept):
    rows, figure = answer(kept)
    assert json.loads(json.dumps(rows)) == rows
    panel = next(axes for part in figure.subfigs for axes in part.axes if axes.get_title() == "kernel distance: one")
    joined = [list(line.get_ydata()) for line in panel.lines if line.get_color() == "grey"]
    assert [0.1, 0.2] in joined and [0.5, 0.4] in joined and [0.3, 0.3] in joined
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["recipe", "few"]
