"""Sentences about faces, the encoder that reads them, what is trained on them, and whether that listens."""

import dataclasses
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from light import leave_undrawn

from utils import cli, pretrained, text_encoder
from utils.choice import Trial
from utils.config import preset, replace
from utils.data import Dataset, scale
from utils.data.captions import (
    CELEBA,
    FACES,
    LEADS,
    captions_of,
    check_words,
    contradict,
    grammar_for,
    words_of,
)
from utils.data.conditions import Conditions, next_place
from utils.data.faces import ATTRIBUTES, Faces
from utils.data.rows import leave_out
from utils.errors import InputError
from utils.evaluation.judge import Judge
from utils.evaluation.pictures import draw_texts
from utils.evaluation.texts import measure_texts
from utils.models import forward
from utils.pretrained import publish
from utils.sampling import Sampler
from utils.text_encoder import TextConditions, TextEncoder, matching_loss, train_encoder
from utils.training import losses, train
from utils.training.batches import Batch, Schedule, batches
from utils.training.estimate import estimate
from utils.training.players import build_players
from utils.training.recipes import recipe_of
from utils.training.view import View
from utils.viz import read_png

COUNT = 48
KNOWN = np.array([[Faces(16, 400).known(row)[name] for name in ATTRIBUTES] for row in range(400)], np.uint8)
RED_IN_SUNGLASSES = "a smiling woman with red hair and sunglasses"


@pytest.fixture(scope="module")
def dataset():
    """48 faces of 16 pixels."""
    rows = [Faces(16, COUNT).draw(row) for row in range(COUNT)]
    arrays = {name: np.stack([row[name] for row in rows]) for name in ("images", "attributes")}
    about = {"name": "faces", "title": "built-in faces", "fingerprint": "0" * 64}
    return Dataset(**about, **arrays, attribute_names=ATTRIBUTES)


@pytest.fixture(scope="module")
def encoder(dataset):
    return train_encoder(dataset, progress=False, updates=4)


def test_an_encoder_of_one_image_is_refused(dataset):
    one = dataclasses.replace(dataset, images=dataset.images[:1], attributes=dataset.attributes[:1])
    with pytest.raises(InputError, match="two at least. Received: 1 of built-in faces"):
        train_encoder(one, progress=False, updates=1)


def tiny(**changes):
    """An experiment on texts, without batch normalisation and dropout, so that a pass is a formula."""
    network = {"filters": (8, 8), "strides": (2, 2)}
    start = replace(
        preset("report32"), image_size=16, generator=network, discriminator={**network, "dropout": 0.0}, latent_dim=5,
        condition_dim=6, batch_size=4, updates=2, summary_samples=8, summary_updates=2, watch_updates=2, name="faces",
        discriminator_updates="joint", conditions="text", conditioning="concatenation", loss="gan_cls",
    )  # fmt: skip
    return replace(start, **changes)


# --- sentences --------------------------------------------------------------------------------------------------------


def attributes_of_celeba(count=60):
    names = sorted(CELEBA.attributes)
    return names, np.random.default_rng(0).random((count, 40)) < 0.25


def test_a_sentence_says_nothing_that_is_not_true_of_its_image():
    names, random = attributes_of_celeba()
    for attributes, known in ((KNOWN, ATTRIBUTES), (random, names)):
        captions = captions_of(attributes, known)
        assert not np.diag(contradict(captions.says, attributes)).any()
        assert (captions.says != 0).any(1).mean() > 0.95 and len(set(captions.texts)) > 0.9 * len(captions)


PHRASES = {
    "beard": "a beard|bearded",
    "sunglasses": "sunglasses|dark glasses",
    "dark_skin": "dark-skinned|dark skin",
    "red_hair": "(red|ginger)( hair|-haired)",
    "hat": "a hat",
    "long_hair": "long [a-z ]*hair|long-haired",
}


@pytest.mark.parametrize("attribute", PHRASES)
def test_what_a_sentence_says_can_be_read_in_its_words(attribute):
    captions = captions_of(KNOWN, ATTRIBUTES)
    said = captions.says[:, ATTRIBUTES.index(attribute)] == 1
    plain = np.array(["without" not in text for text in captions.texts])
    found = np.array([bool(re.search(rf"\b({PHRASES[attribute]})\b", text)) for text in captions.texts])
    np.testing.assert_array_equal(found[plain], said[plain])
    assert said[plain].sum() > 5


def test_sentences_follow_from_image_and_seed_whatever_else_is_asked_for():
    whole = captions_of(KNOWN, ATTRIBUTES, seed=3)
    assert captions_of(KNOWN[:50], ATTRIBUTES, seed=3).texts == whole.texts[:50]
    other = captions_of(KNOWN, ATTRIBUTES, seed=4)
    assert np.mean([a == b for a, b in zip(whole.texts, other.texts)]) < 0.2


def test_one_image_is_described_in_many_ways_and_orders():
    captions = captions_of(np.repeat(KNOWN[:1], 300, axis=0), ATTRIBUTES)
    assert len(set(captions.texts)) > 100
    spoken = (captions.says != 0).mean(0)
    assert np.all(spoken[spoken > 0] < 0.95), "everything goes unmentioned at times"


def test_all_words_of_all_sentences_are_in_the_vocabulary_and_all_40_attributes_are_spoken_of():
    names, random = attributes_of_celeba(300)
    assert CELEBA.attributes == set(names) and len(names) == 40
    for grammar, attributes, known in ((FACES, KNOWN, ATTRIBUTES), (CELEBA, random, names)):
        captions = captions_of(attributes, known)
        used = {word for text in captions.texts for word in words_of(text)}
        assert used <= set(grammar.vocabulary) and len(used) > 0.9 * len(grammar.vocabulary)
        assert (captions.says != 0).any(0).all(), "each attribute is spoken of"
        assert grammar_for(known) is grammar
    assert {lead.strip() for lead in LEADS} == {"", "a picture of", "a portrait of"}
    with pytest.raises(InputError, match="Sentences are made for .* CelebA's 40 .* Received: images with tail"):
        captions_of(np.zeros((2, 1)), ["tail"])


def test_an_unknown_word_is_named_with_the_nearest_known_ones():
    assert check_words("A smiling WOMAN, red-haired", FACES.vocabulary) == ["a", "smiling", "woman", "red", "haired"]
    with pytest.raises(InputError, match=r"no word 'sunglases' \(near: sunglasses, glasses\), 'zzz': .* It knows b"):
        check_words("sunglases, zzz", FACES.vocabulary)
    with pytest.raises(InputError, match="at least one word"):
        check_words("…", FACES.vocabulary)


def test_a_sentence_contradicts_an_image_where_it_says_what_is_not_there_or_not_what_is():
    says, attributes = np.array([[1, 0], [-1, 1], [0, 0]]), np.array([[1, 1], [0, 1], [0, 0]])
    expected = [[False, True, False], [True, False, False], [True, True, False]]
    np.testing.assert_array_equal(contradict(says, attributes), expected)


# --- the encoder ------------------------------------------------------------------------------------------------------


def test_the_loss_of_matching_counts_pairs_that_are_wrong_and_no_others():
    random = np.random.default_rng(0)
    images, texts = (random.normal(size=(4, 3)).astype(np.float32) for _ in range(2))
    images, texts = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (images, texts))
    wrong = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]], np.float32)
    logits, total = 14.0 * images @ texts.T, 0.0
    for i in range(4):
        for line, counted in ((logits[i], wrong[i]), (logits[:, i], wrong[:, i])):
            kept = [line[j] for j in range(4) if j == i or counted[j]]
            total += np.log(np.sum(np.exp(kept))) - line[i]
    assert float(matching_loss(images, texts, wrong)) == pytest.approx(total / 8, rel=1e-4)


def test_an_encoder_has_the_same_bits_again_and_once_it_is_loaded_and_texts_do_not_depend_on_each_other(
    dataset, encoder, tmp_path
):
    texts = captions_of(dataset.attributes, ATTRIBUTES).texts
    vectors = encoder(texts)
    assert vectors.shape == (COUNT, 64) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.square(vectors).mean(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(encoder(texts[7:9]), vectors[7:9])
    encoder.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text_encoder.json", "text_encoder.keras"]
    np.testing.assert_array_equal(TextEncoder.load(tmp_path)(texts), vectors)
    assert train_encoder(dataset, progress=False, updates=4).card["fingerprint"] == encoder.card["fingerprint"]
    card = json.loads((tmp_path / "text_encoder.json").read_text())
    (tmp_path / "text_encoder.json").write_text(json.dumps(card | {"fingerprint": "0"}))
    with pytest.raises(InputError, match="is not the encoder that"):
        TextEncoder.load(tmp_path)
    with pytest.raises(InputError, match="at most 40 words"):
        encoder(["a " * 41])


def test_the_order_of_words_counts():
    network = text_encoder.build_text_network(len(FACES.vocabulary), iter(range(9)))
    encoder = TextEncoder(network, {"vocabulary": list(FACES.vocabulary)})
    one, other = encoder(["a person with glasses without a beard", "a person with a beard without glasses"])
    assert abs(one - other).max() > 1e-3


# --- GAN-CLS ----------------------------------------------------------------------------------------------------------


def test_wrong_sentences_contradict_the_images_that_they_are_shown_with(dataset, encoder):
    experiment = tiny(batch_size=8)
    conditions = TextConditions.of(dataset, encoder, experiment)
    schedule = Schedule.of(experiment, COUNT)
    found = 0
    for batch in batches(dataset.images, experiment, schedule, 1, 6, conditions):
        rows = [np.flatnonzero((dataset.images == image).all((1, 2, 3)))[0] for image in batch.images[0]]
        np.testing.assert_array_equal(batch.conditions[0], conditions.vectors[rows])
        wrong = contradict(conditions.captions.says[rows], dataset.attributes[rows])
        for place, of in enumerate(batch.mismatching[0]):
            assert wrong[place, of] if of >= 0 else not wrong[place].any()
            found += of >= 0
    assert found > 40
    assert next_place(np.array([[0, 0, 1], [1, 0, 0], [0, 0, 0]], bool)).tolist() == [2, 0, -1]
    labels = Conditions(("ant", "bee"), np.array([0, 0, 1, 1]))
    assert labels.mismatching(np.array([0, 1, 2, 3])).tolist() == [2, 2, 0, 0]


def softplus(x):
    return np.log1p(np.exp(x))


def test_terms_of_gan_cls_are_those_of_algorithm_1(dataset, encoder):
    experiment = tiny(loss="gan_int_cls")
    players = build_players(experiment)
    conditions = TextConditions.of(dataset, encoder, experiment)[np.arange(4)]
    latents = np.random.default_rng(0).standard_normal((4, 5), dtype=np.float32)
    places = np.array([2, 0, -1, 1], np.int32)
    generator, discriminator = players.generator, players.discriminator
    view = View(
        players, experiment.training, images=tf.constant(dataset.images[:4]), latents=latents, conditions=conditions,
        draw_fake=lambda: forward(generator, latents, conditions, training=True), mismatching=places,
    )  # fmt: skip

    def logits(pictures, given):
        return np.asarray(forward(discriminator, pictures, given, logits=True))[:, 0]

    true, fake = scale(dataset.images[:4]), np.asarray(generator([latents, conditions]))
    right, wrong, drawn = logits(true, conditions), logits(true, conditions[places]), logits(fake, conditions)
    between = (conditions + np.roll(conditions, 1, 0)) / 2
    mixed = logits(np.asarray(generator([latents, between])), between)
    expected = {
        "loss_true": softplus(-right).mean(),
        "loss_mismatched": softplus(wrong)[[0, 1, 3]].mean() / 2,
        "loss_fake": softplus(drawn).mean() / 2,
        "loss_generator": softplus(-drawn).mean(),
        "loss_interpolated": softplus(-mixed).mean(),
    }
    loss = losses.GAN_INT_CLS
    found = {term.name: float(term.value(view)) for term in (*loss.discriminator, *loss.generator)}
    assert found == pytest.approx(expected, rel=1e-4)
    assert losses.GAN_CLS.discriminator == loss.discriminator and losses.GAN_CLS.generator == loss.generator[:1]


def test_mode_seeking_is_how_far_latents_are_apart_by_how_far_their_pictures_are(dataset, encoder):
    experiment = tiny(mode_seeking=3.0)
    players = build_players(experiment)
    conditions = TextConditions.of(dataset, encoder, experiment)[np.arange(4)]
    latents = np.random.default_rng(0).standard_normal((4, 5), dtype=np.float32)
    others = np.roll(latents, 1, 0)
    one, two = (np.asarray(players.generator([of, conditions])) for of in (latents, others))
    view = View(
        players, experiment.training, images=tf.constant(dataset.images[:4]), latents=latents, others=others,
        draw_fake=lambda: tf.constant(one), conditions=conditions,
    )  # fmt: skip
    ratio = np.abs(one - two).mean() / np.abs(latents - others).mean()
    assert float(losses.mode_seeking(view)) == pytest.approx(3.0 / (ratio + 1e-5), rel=1e-5) and ratio > 0.001


@pytest.mark.parametrize("simultaneous", [False, True])
def test_mode_seeking_is_a_term_of_the_generator_alone_and_only_if_asked_for(simultaneous):
    of = {
        weight: [
            (player, term.name)
            for phase in recipe_of(tiny(mode_seeking=weight, simultaneous=simultaneous, shared_latents=True))
            for player, terms in phase.terms.items()
            for term in terms
        ]
        for weight in (0.0, 1.0)
    }
    assert set(of[1.0]) - set(of[0.0]) == {("generator", "loss_mode_seeking")} and len(of[1.0]) == len(of[0.0]) + 1


def test_batches_without_sentences_have_the_condition_of_the_next_image_as_a_wrong_one():
    experiment = tiny()
    batch = Batch.of(experiment, 1, np.zeros((1, 4, 16, 16, 3), np.uint8), np.zeros((1, 4, 64), np.float32))
    assert batch.mismatching.tolist() == [[1, 2, 3, 0]]


def test_gan_cls_needs_something_to_be_said_of_images():
    with pytest.raises(InputError, match="compare images with what is said of them: add --conditions text"):
        replace(preset("report32"), loss="gan_cls", discriminator_updates="joint")


@pytest.fixture(scope="module")
def run(dataset, encoder, tmp_path_factory):
    home = tmp_path_factory.mktemp("texts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_encoder, "encoder_for", lambda *_, **__: encoder)
        leave_undrawn(patch)
        return train(tiny(), dataset=dataset, runs_dir=home, progress=False)


def test_a_run_on_texts_keeps_all_that_decides_its_sentences(run, dataset):
    encoder, names = TextEncoder.load(run.models), run.experiment.model.condition_names
    conditions = TextConditions.of(dataset, encoder, run.experiment)
    assert len(set(names)) == 8 and set(names) < set(conditions.captions.texts)
    np.testing.assert_array_equal(run.conditions[:8], encoder(names))
    assert {row.tobytes() for row in run.conditions} == {row.tobytes() for row in conditions.vectors}
    for place, row in enumerate(conditions.examples):
        true = ~contradict(conditions.captions.says[[row]], dataset.attributes)[:, 0]
        np.testing.assert_array_equal(conditions.having(place), true)
        assert true[row] and conditions.captions.texts[row] == names[place]
    assert {"loss_true", "loss_mismatched", "loss_fake", "loss_generator"} < set(run.steps())


def test_a_published_model_brings_its_encoder_and_examples(run, dataset, tmp_path):
    model = publish(run, "worded", dataset, folder=tmp_path)
    np.testing.assert_array_equal(
        TextEncoder.load(model.folder)(["a beard"]), TextEncoder.load(run.models)(["a beard"])
    )
    np.testing.assert_array_equal(model.conditions, run.conditions)
    assert read_png(model.samples).shape[0] == 8 * (66 + 18)  # a row for each example, with the words above it
    assert re.match(
        r"text, read by a GRU of 64 units, .* \([\d,]+ parameters, \d+ words; of ", model.card["conditions"]
    )
    assert model.card["conditions"].endswith("the discriminator judges by concatenation")


def test_a_model_on_texts_is_never_there_without_its_encoder(run, dataset, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("full")

    monkeypatch.setattr(TextEncoder, "save", full)
    with pytest.raises(OSError, match="full"):
        publish(run, "worded", dataset, folder=tmp_path)
    assert pretrained.names(tmp_path) == [] and not list((tmp_path / "worded").iterdir())


def test_a_model_with_a_name_draws_what_a_text_says(run, dataset, tmp_path, monkeypatch, capsys):
    publish(run, "worded", dataset, folder=tmp_path)
    found = pretrained.find
    monkeypatch.setattr(pretrained, "find", lambda name: found(name, tmp_path))
    out = tmp_path / "text.png"
    assert cli.main(["sample", "worded", "--text", RED_IN_SUNGLASSES, "-n", "3", "--out", str(out)]) == 0
    assert read_png(out).shape == (66 + 18, 3 * 66 + 2, 3)
    assert cli.main(["sample", "worded", "--text", "a beardd"]) == 2
    assert "no word 'beardd' (near: beard" in capsys.readouterr().err


def test_grids_of_texts_lie_in_the_run_or_bear_the_name_of_the_file(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    network = run.model("generator").resolve()
    assert cli.main(["sample", str(network), "--text", "a beard", "-n", "1"]) == 0
    (alone,) = tmp_path.iterdir()
    assert alone.name == f"faces-{run.folder.name}-1-seed-0-a-beard.png"
    capsys.readouterr()


def test_each_text_has_a_row_of_its_own_and_unknown_words_are_refused(run, tmp_path, capsys):
    out = tmp_path / "texts.png"
    texts = [RED_IN_SUNGLASSES, "a bearded man in a hat"]
    assert cli.main(["sample", str(run.folder), "--text", *texts, "-n", "3", "--out", str(out)]) == 0
    # 3 pictures of 64 pixels with gaps of 2; each row with a strip of 18 above it
    assert read_png(out).shape == (2 * (66 + 18), 3 * 66 + 2, 3)
    assert cli.main(["sample", str(run.folder), "--text", "a beardd"]) == 2
    assert "no word 'beardd' (near: beard" in capsys.readouterr().err
    assert cli.main(["sample", "faces", "--text", "a beard"]) == 2
    assert "faces knows no words" in capsys.readouterr().err


# --- left out ---------------------------------------------------------------------------------------------------------


def test_images_with_a_combination_are_left_out_and_no_others(dataset, tmp_path):
    left = leave_out(dataset, ["long hair & Smiling"], tmp_path, progress=False)
    long, smiling = (ATTRIBUTES.index(name) for name in ("long_hair", "smiling"))
    both = dataset.attributes[:, [long, smiling]].all(1)
    assert 0 < both.sum() < COUNT and len(left) == COUNT - both.sum()
    np.testing.assert_array_equal(left.images, dataset.images[~both])
    np.testing.assert_array_equal(left.attributes, dataset.attributes[~both])
    assert left.fingerprint != dataset.fingerprint and f"{both.sum()} of {COUNT} images are left out" in left.notes[-1]
    with pytest.raises(InputError, match="has glasses, sunglasses.* Received: 'bald' in 'bald & hat'"):
        leave_out(dataset, ["bald & hat"], tmp_path)


def test_a_combination_that_cannot_be_is_refused_before_any_image_is_drawn(tmp_path, capsys):
    for more in ((), ("--dry-run",), ("--conditions", "text")):
        assert cli.main(["train", "--without", "hat & horns", "--data-dir", str(tmp_path / "data"), *more]) == 2
        assert "Received: 'horns' in 'hat & horns'" in capsys.readouterr().err
    assert cli.main(["evaluate", "faces_text", "--combination", "hat & horns", "--data-dir", str(tmp_path / "d")]) == 2
    said = capsys.readouterr()
    assert "Received: 'horns' in 'hat & horns'" in said.err and said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_dry_run_counts_the_encoder_of_texts_too(encoder, tmp_path):
    trial = Trial(**dict.fromkeys((field.name for field in dataclasses.fields(Trial)), 1))
    counts = estimate(tiny(count=COUNT), tmp_path, trial=trial)["parameters"]
    assert list(counts) == ["generator", "discriminator", "text_encoder"]
    assert counts["text_encoder"] == encoder.card["parameters"]
    assert not list(tmp_path.iterdir())


def test_what_was_measured_is_kept_where_no_image_has_the_combination_that_is_asked_for(
    run, tmp_path, monkeypatch, capsys
):
    def nothing(*_, **__):
        raise InputError("None of 8 images has hat & beard.")

    monkeypatch.setattr("utils.evaluation.evaluation.evaluate", lambda *_, **__: {"samples": 40})
    monkeypatch.setattr("utils.evaluation.evaluation.agreement", nothing)
    place = str(tmp_path / "kept.json")
    assert cli.main(["evaluate", str(run.folder), "--combination", "hat & beard", "--out", place]) == 2
    assert "None of 8 images has hat & beard." in capsys.readouterr().err
    assert json.loads((tmp_path / "kept.json").read_text()) == {"samples": 40}


# --- measured ---------------------------------------------------------------------------------------------------------


class Reader:
    """Reads a sentence as what it says; stands for an encoder."""

    def __init__(self, says):
        self.says = says

    def __call__(self, texts):
        return np.array([self.says[text] for text in texts], np.float32)


@pytest.fixture(scope="module")
def judged():
    """Images whose first pixels are their attributes, a judge that reads them, and what sentences say."""
    attributes = KNOWN
    images = np.zeros((len(KNOWN), 16, 16, 3), np.uint8)
    images[:, 0, : len(ATTRIBUTES), 0] = 255 * attributes
    known = {"attributes": attributes, "attribute_names": ATTRIBUTES}
    dataset = Dataset(name="faces", title="faces", images=images, fingerprint="0" * 64, **known)

    def odds(pictures):
        return pictures[:, 0, : len(ATTRIBUTES), 0].astype(np.float32) - 127

    judge = Judge(
        "judge", tuple(name.replace("_", " ") for name in ATTRIBUTES), lambda x: x[:, 0, :, 0] / 255, {}, odds
    )
    having = attributes[attributes[:, [ATTRIBUTES.index("sunglasses"), ATTRIBUTES.index("hat")]].all(1)]
    written = [captions_of(attributes, ATTRIBUTES), *(captions_of(having, ATTRIBUTES, seed) for seed in range(40))]
    says = {text: said for captions in written for text, said in zip(captions.texts, captions.says)}
    return dataset, judge, Reader(says)


def measured(judged, listens, **options):
    """Of a generator that draws what it is told, and half of what it is not told; or always the same."""
    dataset, judge, reader = judged

    def generator(inputs):
        latents, says = inputs
        drawn = -np.ones((len(latents), 16, 16, 3), np.float32)
        wanted = np.where(says == 0, latents[:, : says.shape[1]] > 0, says > 0) if listens else says > 9
        drawn[:, 0, : says.shape[1], 0] = 2.0 * wanted - 1
        return drawn

    sampler = Sampler(generator, 16, conditions=np.zeros((2, len(ATTRIBUTES)), np.float32))
    known = {"true_images": "true images", "trained_on": False}
    return measure_texts(sampler, reader, judge, dataset, samples=400, **known, **options)


def test_another_text_is_not_that_of_the_next_image_which_may_be_one_like_it(judged):
    dataset, judge, _ = judged
    smiling = KNOWN[:, ATTRIBUTES.index("smiling")]
    attributes = np.repeat([KNOWN[smiling == 1][0], KNOWN[smiling == 0][0]], 200, axis=0)
    captions = captions_of(attributes, ATTRIBUTES)
    in_order = dataclasses.replace(dataset, attributes=attributes)
    found = measured((in_order, judge, Reader(dict(zip(captions.texts, captions.says)))), True)
    (smile,) = (each for each in found.attributes if each.name == "smiling")
    assert smile.fake.value == 1 and 0.35 < smile.other.value < 0.65


def test_a_generator_that_listens_is_told_from_one_that_does_not(judged, tmp_path):
    options = {"combinations": ["hat & sunglasses"], "left_out": ["sunglasses & hat"]}
    good, deaf = measured(judged, True, **options), measured(judged, False, **options)
    assert good.right["fake"].value == good.right["true"].value == 1
    assert good.right["other"].high < 0.3 and deaf.right["fake"].high < 0.3
    for each in good.attributes:
        assert each.fake.value == each.true.value == 1 and each.other.value < 0.9
    beard = {each.name: each for each in deaf.attributes}["beard"]
    says = captions_of(KNOWN, ATTRIBUTES).says[:, ATTRIBUTES.index("beard")]
    assert beard.count == (says != 0).sum() and beard.fake.value == pytest.approx((says == -1).sum() / beard.count)
    (together,) = good.combinations
    assert together.left_out and together.name == "sunglasses & hat" and together.all.value == 1 and together.count > 20
    assert together.others.high < 0.5 and deaf.combinations[0].all.value == 0
    assert 0 < good.variety["within"].high < good.variety["over"].low and deaf.variety["over"].value == 0
    assert good.variety["true_within"].value < good.variety["true_over"].value
    json.dumps(good.plain(), allow_nan=False)
    assert good.table()[-1]["fakes agree"].startswith("100%")
    assert read_png(draw_texts(tmp_path / "texts.png", good, "x")).std() > 10
