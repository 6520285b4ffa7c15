"""The studio without a browser: networks as graphs, the server, the export's files."""

import dataclasses
import http.client
import io
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image
from studio_runs import (
    NAMES,
    SENTENCES,
    give_record,
    give_report,
    make_run,
    make_telling_run,
    serving,
    training,
)

from utils import cli, config, start
from utils.config import preset, replace
from utils.data import scale, scale_back
from utils.data.pictures import FORMATS, decode
from utils.errors import InputError
from utils.evaluation.held_out import unseen
from utils.explain.gradcam import grad_cam
from utils.explain.guided import score_saliency
from utils.files import digest, write_json
from utils.models import forward, load_network
from utils.pretrained import Pretrained
from utils.registries import LOSSES
from utils.report.grade import OWN_TEXT
from utils.runs import Run, State
from utils.studio import export, graphs, offers, packages, server, watching
from utils.studio.networks import Networks
from utils.studio.server import BODY, UPLOAD, Studio, application, listen, read_picture
from utils.text_encoder import WORDS
from utils.training.losses import gives_probability, undecided_logit

ASKS = {"X-Studio": "1"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs: plain, and told what to draw."""
    root = tmp_path_factory.mktemp("runs")
    return root, make_run(root), make_run(root, "attributes")


@pytest.fixture(scope="module")
def plain(runs):
    return Networks(offers.find_offers([str(runs[1].folder)])[0])


@pytest.fixture(scope="module")
def conditional(runs):
    return Networks(offers.find_offers([str(runs[2].folder)])[0])


@pytest.fixture(scope="module")
def port(runs):
    with serving(Studio([str(run.folder) for run in runs[1:]])) as number:
        yield number


def ask(port, method, path, body=None, headers=ASKS):
    """Status, headers and body; the path goes out as it is written."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def key_of(run):
    return offers.find_offers([str(run.folder)])[0].id


def refused(port, method, path, body=None, headers=ASKS):
    status, _, content = ask(port, method, path, body, headers)
    return status, json.loads(content)["error"]


def run_graph(content, **inputs):
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, inputs)


# --- graphs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "conditional"])
def test_a_generators_graph_draws_what_python_draws_to_one_level_of_255(kind, request):
    sampler = request.getfixturevalue(kind).sampler
    content = graphs.generator_graph(sampler)
    latents, conditions = sampler.inputs(32, 7)
    (drawn,) = run_graph(content, latents=latents, **({} if conditions is None else {"conditions": conditions}))
    wanted = scale_back(sampler.images(latents, conditions))
    assert abs(scale_back(drawn).astype(int) - wanted).max() <= 1 and wanted.std() > 20
    weights = sum(np.prod(weight.shape) for weight in sampler.generator.weights)
    assert len(content) < 2.6 * weights + 20_000  # of 4 bytes for each


def test_half_precision_is_given_up_where_it_would_change_pictures(plain, monkeypatch):
    monkeypatch.setattr(graphs, "difference", lambda model, sampler: 2)
    kinds = {
        weight.data_type for weight in onnx.load_from_string(graphs.generator_graph(plain.sampler)).graph.initializer
    }
    assert onnx.TensorProto.FLOAT in kinds and onnx.TensorProto.FLOAT16 not in kinds


def test_a_discriminators_graph_gives_logits_and_maps_as_explain_does(plain):
    images = plain.draw(plain.sampler.make_latents(4, 1))
    logits, combination, contributions = run_graph(
        graphs.discriminator_graph(plain.discriminator, plain.fixed), images=scale(images)
    )
    record = grad_cam(plain.fixed, images)
    np.testing.assert_allclose(logits[:, 0], record.logits, atol=1e-4)
    np.testing.assert_allclose(combination, record.combination, atol=1e-4)
    np.testing.assert_allclose(contributions, record.contributions, atol=1e-4)
    bias = plain.discriminator.layers[-2].bias.numpy()[0]
    np.testing.assert_allclose(contributions.sum((1, 2)), record.logits - bias, atol=1e-3)


def test_guided_backpropagation_in_a_graph_is_that_of_explain_not_the_plain_gradient(plain):
    image = plain.draw(plain.sampler.make_latents(1, 2))
    (saliency,) = run_graph(graphs.guided_graph(plain.fixed), images=scale(image))
    np.testing.assert_allclose(saliency, score_saliency(plain.fixed, image), atol=1e-5)
    assert abs(saliency - score_saliency(plain.fixed, image, guided=False)).max() > 1e-3


def test_a_conditional_discriminators_graph_judges_by_what_it_is_told(conditional):
    latents, conditions = conditional.sampler.inputs(3, 4)
    images = conditional.draw(latents, conditions)
    content = graphs.discriminator_graph(conditional.discriminator, conditional.fixed)
    (logits,) = run_graph(content, images=scale(images), conditions=conditions)
    wanted = forward(conditional.discriminator, scale(images), conditions, logits=True)
    np.testing.assert_allclose(logits, wanted, atol=1e-4)
    (other,) = run_graph(content, images=scale(images), conditions=1 - conditions)
    assert abs(logits - other).max() > 1e-4


@pytest.mark.parametrize("told", ["", "attributes"])
def test_networks_that_were_trained_in_half_precision_draw_and_judge_in_full_in_both_forms(tmp_path, told):
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        run = make_run(tmp_path, told)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    networks = Networks(offers.find_offers([str(run.folder)])[0])
    sampler, discriminator = networks.sampler, networks.discriminator
    for player, network in (("generator", sampler.generator), ("discriminator", discriminator)):
        trained = load_network(run.model(player))
        assert "float16" in {layer.compute_dtype for layer in trained.layers}
        assert {layer.compute_dtype for layer in network.layers} == {"float32"}
        assert all(map(np.array_equal, trained.get_weights(), network.get_weights()))
    latents, conditions = sampler.inputs(4, 7)
    given = {} if conditions is None else {"conditions": conditions}
    (drawn,) = run_graph(graphs.generator_graph(sampler), latents=latents, **given)
    images = networks.draw(latents, conditions)
    assert abs(scale_back(drawn).astype(int) - images).max() <= 1
    logits, *_ = run_graph(graphs.discriminator_graph(discriminator, networks.fixed), images=scale(images), **given)
    np.testing.assert_allclose(logits[:, 0], networks.judge(images, conditions), atol=1e-4)


def test_a_texts_graph_reads_words_as_the_encoder_does_and_words_that_it_does_not_know_get_a_sentence(tmp_path):
    run = make_run(tmp_path, "text")
    networks = Networks(offers.find_offers([str(run.folder)])[0])
    text = "a bearded man with glasses and a hat"
    wanted = networks.condition(text)
    known = offers.describe(networks.offer)["conditions"]
    assert known["names"] == list(SENTENCES) and known["words"] == WORDS
    numbers = [known["vocabulary"].index(word) + 1 for word in text.split()]
    words = np.array([[0] * (WORDS - len(numbers)) + numbers], np.float32)
    (read,) = run_graph(graphs.text_graph(networks.encoder), words=words)
    np.testing.assert_allclose(read[0], wanted, atol=1e-5)
    assert abs(np.square(wanted).mean() - 1) < 1e-3
    with serving(Studio([str(run.folder)])) as port:
        address = f"/models/{networks.offer.id}/condition"
        np.testing.assert_array_equal(np.frombuffer(ask(port, "POST", address, f"text={text}")[2], "<f4"), wanted)
        status, sentence = refused(port, "POST", address, "text=a zebra with glasses")
        assert status == 400 and "no word 'zebra'" in sentence and "\n" not in sentence


# --- what is offered --------------------------------------------------------------------------------------------------


def test_ids_are_safe_in_addresses_and_differ_whatever_runs_are_called(tmp_path):
    for name in ("wéird <b> name", "weird -b- name", "名前"):
        run = make_run(tmp_path, data=str(tmp_path / "pictures" / name))
        assert run.folder.is_dir()
    found = offers.find_offers([str(run.folder) for run in Run.all(tmp_path)])
    ids = [offer.id for offer in found]
    assert len(ids) == len(set(ids)) == 3 and all(one.isascii() and not set(one) & set("<>/ %") for one in ids)


def test_an_id_stays_that_of_its_run_whichever_was_heard_of_last_and_whatever_script_names_are_in(tmp_path):
    quick = replace(preset("quick"), count=64)
    runs = [Run.create(replace(quick, name=str(tmp_path / name)), {}, tmp_path) for name in ("Котики", "Собаки")]
    ids = []
    for run in runs:
        run.save_state(State("stopped", update=8))  # it is listed first now
        found = [offer for offer in offers.find_offers(runs_dir=tmp_path) if offer.run]
        assert found[0].folder == run.folder
        ids.append({offer.folder: offer.id for offer in found})
    assert ids[0] == ids[1] == {run.folder: key_of(run) for run in runs}


def test_an_id_that_another_run_would_have_too_is_neithers(tmp_path):
    quick = replace(preset("quick"), count=64)
    folders = [str(Run.create(quick, {}, tmp_path / name).folder) for name in ("one", "two")]
    ids = {offer.id for offer in offers.find_offers(folders)}
    assert len(ids) == 2 and ids == {offer.id for offer in offers.find_offers(folders[::-1])}
    assert offers.find_offers(folders[:1])[0].id == "faces-0001-quick" not in ids


def test_everything_is_offered_where_nothing_is_named_and_true_images_of_built_in_sets_only(runs, tmp_path):
    found = {offer.title: offer for offer in offers.find_offers(runs_dir=runs[0])}
    assert {"faces64", "cifar10", runs[1].name, runs[2].name} <= found.keys()
    assert next(iter(found)) == "faces64"  # with true images to show, and the largest pictures
    assert offers.may_show_true(found["faces64"], public=True)
    assert not offers.may_show_true(found["cifar10"], public=True) and offers.may_show_true(found["cifar10"], False)


def test_what_a_conditional_discriminator_is_told_of_a_true_image_is_what_is_known_of_it(
    conditional, tmp_path, monkeypatch
):
    monkeypatch.setattr(offers, "TRUE_IMAGES", 24)
    shown = offers.true_images(conditional.offer, tmp_path)
    apart = unseen(conditional.offer.experiment.data, 16, offers.TRUE_IMAGES, data_dir=tmp_path)
    np.testing.assert_array_equal(shown.images, apart.images[: offers.TRUE_IMAGES])
    places = [apart.attribute_names.index(name) for name in NAMES]
    np.testing.assert_array_equal(shown.conditions, apart.attributes[: offers.TRUE_IMAGES, places])
    assert 0 < shown.conditions.mean() < 1
    packed = shown.packed()
    told = np.frombuffer(packed[shown.images.size :], "<f4")
    np.testing.assert_array_equal(told.reshape(-1, len(NAMES)), shown.conditions)


def test_directions_of_the_shipped_faces_are_named_and_of_length_one():
    for name in ("faces", "faces64"):
        known = Networks(offers.find_offers([name])[0]).directions()
        assert {"beard", "hat", "glasses"} <= {one.name for one in known if one.kind == "regression"}
        assert {one.kind for one in known} == {"regression", "conditional", "SeFa", "PCA"}
        np.testing.assert_allclose([np.linalg.norm(one.vector) for one in known], 1, atol=1e-5)


def test_directions_that_are_older_than_the_generator_are_not_shown(tmp_path):
    networks = Networks(offers.find_offers([str(make_run(tmp_path).folder)])[0])
    folder = networks.offer.folder / "latent" / "directions"
    folder.mkdir(parents=True)
    np.save(folder / "directions.npy", np.eye(networks.sampler.latent_dim, dtype=np.float32)[:1])
    (folder / "directions.json").write_text(json.dumps({"directions": [{"kind": "regression", "name": "beard"}]}))
    assert [one.name for one in networks.directions()] == ["beard"]
    os.utime(folder / "directions.npy", (1, 1))
    assert {one.kind for one in networks.directions()} == {"SeFa", "PCA", "random"}


DAMAGED = {
    "names": lambda folder: (folder / "directions.json").write_text("{"),
    "vectors": lambda folder: (folder / "directions.npy").write_bytes(b"no array"),
    "of two calls": lambda folder: np.save(folder / "directions.npy", np.load(folder / "directions.npy")[::-1]),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_directions_are_left_out_and_those_that_need_no_judge_are_shown(tmp_path, what):
    networks = Networks(offers.find_offers([str(make_run(tmp_path).folder)])[0])
    folder = networks.offer.folder / "latent" / "directions"
    folder.mkdir(parents=True)
    np.save(folder / "directions.npy", np.eye(networks.sampler.latent_dim, dtype=np.float32)[:2])
    names = [{"kind": "regression", "name": name} for name in ("beard", "hat")]
    write_json(folder / "directions.json", {"directions": names, "vectors_sha256": digest(folder / "directions.npy")})
    assert [one.name for one in networks.directions()] == ["beard", "hat"]
    DAMAGED[what](folder)
    assert {one.kind for one in networks.directions()} == {"SeFa", "PCA", "random"}


# --- the server -------------------------------------------------------------------------------------------------------


def test_the_server_draws_judges_and_explains_as_python_does(port, plain):
    latents = plain.sampler.make_latents(5, 3)
    status, headers, content = ask(port, "POST", f"/models/{plain.offer.id}/draw", latents.tobytes())
    images = np.frombuffer(content, np.uint8).reshape(5, 16, 16, 3)
    assert status == 200 and headers["x-size"] == "16"
    np.testing.assert_array_equal(images, scale_back(plain.sampler.images(latents)))
    _, _, content = ask(port, "POST", f"/models/{plain.offer.id}/judge?count=5", content)
    np.testing.assert_allclose(np.frombuffer(content, "<f4"), plain.fixed.logits(images), atol=1e-4)
    for method, shape in {"gradcam": "4,4", "contributions": "4,4", "occlusion": "8,8", "guided": "16,16,3"}.items():
        address = f"/models/{plain.offer.id}/explain?method={method}&weights="
        status, headers, trained = ask(port, "POST", f"{address}trained", images[0].tobytes())
        _, _, control = ask(port, "POST", f"{address}random", images[0].tobytes())
        assert status == 200 and headers["x-shape"].count(",") == shape.count(",") and trained != control
        np.testing.assert_array_equal(np.frombuffer(trained, "<f4"), plain.explain(images[0], method).ravel())


def test_a_conditional_model_draws_what_is_asked_for_and_says_what_can_be(port, conditional):
    about = json.loads(ask(port, "GET", f"/models/{conditional.offer.id}/model.json")[2])
    assert about["conditions"]["names"] == list(NAMES) and not about["explains"] and about["judges"]
    latents, conditions = conditional.sampler.inputs(3, 0)
    rows = np.concatenate([latents, conditions], 1).astype("<f4")
    _, _, content = ask(port, "POST", f"/models/{conditional.offer.id}/draw", rows.tobytes())
    wanted = scale_back(conditional.sampler.images(latents, conditions))
    np.testing.assert_array_equal(np.frombuffer(content, np.uint8).reshape(wanted.shape), wanted)
    body = wanted.tobytes() + conditions.astype("<f4").tobytes()
    assert ask(port, "POST", f"/models/{conditional.offer.id}/judge?count=3", body)[0] == 200
    status, sentence = refused(
        port, "POST", f"/models/{conditional.offer.id}/explain?method=guided", wanted[0].tobytes()
    )
    assert status == 400 and "conditional" in sentence.lower()


def test_twenty_visitors_at_once_all_get_their_own_pictures(port, plain):
    def visit(seed):
        latents = plain.sampler.make_latents(4, seed)
        status, _, content = ask(port, "POST", f"/models/{plain.offer.id}/draw", latents.tobytes())
        return status, content, scale_back(plain.sampler.images(latents)).tobytes()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(visit, range(20)))
    assert all(status == 200 and got == wanted for status, got, wanted in answers)
    assert len({got for _, got, _ in answers}) == 20


@pytest.mark.parametrize(
    "body", [b"", b"123", np.zeros((257, 100), "<f4").tobytes(), np.full((1, 100), np.nan, "<f4").tobytes()]
)
def test_latents_that_are_none_get_a_sentence(port, plain, body):
    status, sentence = refused(port, "POST", f"/models/{plain.offer.id}/draw", body)
    assert status == 400 and sentence.endswith((".", "bytes.")) and "Traceback" not in sentence


@pytest.mark.parametrize("count", ["many", "-1", "1.5", "9" * 5000, ""])
def test_how_many_pictures_there_are_is_a_number_or_gets_a_sentence(port, plain, count):
    status, sentence = refused(port, "POST", f"/models/{plain.offer.id}/judge?count={count}", b"0" * 768)
    assert status == 400 and f"'{count[:9]}" in sentence and len(sentence) < 150


def png(width, height):
    """A small file that claims to be a picture of any size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("page.html", b"<html><script>alert(1)</script></html>", "not a picture"),
        ("empty.png", b"", "not a picture"),
        ("bomb.png", png(20_000, 20_000), "too large (20000x20000 pixels; at most 25 million"),
        ("lesser.png", png(5001, 5000), "too large (5001x5000 pixels; at most 25 million"),
        ("cut.png", png(64, 64), "cannot be decoded"),
        ("huge.jpg", b"\xff\xd8\xff" + b"\0" * UPLOAD, "larger than 25 MB"),
        ("photo.heic", b"\0\0\0\x18ftypheic" + b"\0" * 60, "HEIC, not readable here: convert them"),
    ],
)
def test_a_bad_upload_gets_one_sentence(port, plain, name, content, said):
    status, sentence = refused(port, "POST", f"/models/{plain.offer.id}/picture?name={name}", content)
    assert status == 400 and said in sentence and sentence.startswith(name) and "\n" not in sentence


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_not_decoded_smaller_is_refused_by_its_header_if_it_has_too_many_pixels(kind, monkeypatch):
    monkeypatch.setattr(server, "PIXELS", 400)
    for side, fits in ((20, True), (21, kind == "JPEG")):
        file = io.BytesIO()
        Image.new("RGB", (side, side), "red").save(file, kind)
        with monkeypatch.context() as patch:
            if fits:
                assert read_picture("a", file.getvalue(), 16)[0].shape == (16, 16, 3)
            else:
                patch.setattr(server, "decode", lambda *_, **__: pytest.fail("it is decoded"))
                with pytest.raises(InputError, match="^a: too large .21x21 pixels; .*make it smaller"):
                    read_picture("a", file.getvalue(), 16)


def test_of_pictures_that_come_at_once_one_is_decoded_at_a_time(monkeypatch):
    at_once, most = [], []

    def slowly(*_, **__):
        at_once.append(1)
        most.append(len(at_once))
        time.sleep(0.02)
        at_once.pop()
        return np.zeros((16, 16, 3), np.uint8)

    monkeypatch.setattr(server, "decode", slowly)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: read_picture("a.png", png(16, 16), 16), range(8)))
    assert most == [1] * 8


def test_a_script_in_a_file_name_is_text_and_a_body_without_end_is_cut_off(port, plain):
    address = f"/models/{plain.offer.id}/picture?name="
    status, headers, content = ask(port, "POST", f"{address}%3Cscript%3Ealert(1)%3C/script%3E%0a.png", b"GIF")
    assert status == 400 and headers["content-type"] == "application/json" and b"\n" not in content
    assert (
        headers["x-content-type-options"] == "nosniff" and "'unsafe-inline'" not in headers["content-security-policy"]
    )
    assert refused(port, "POST", address, b"", ASKS | {"Content-Length": str(BODY + 1)})[0] == 413


def test_a_body_that_does_not_say_its_length_is_cut_off_where_it_becomes_too_long(port, plain, monkeypatch):
    address = f"/models/{plain.offer.id}/picture?name=a.png"
    monkeypatch.setattr(server, "BODY", 1000)
    for parts, wanted in ((2, 400), (3, 413)):
        assert refused(port, "POST", address, (b"0" * 500 for _ in range(parts)))[0] == wanted  # in chunks


def test_a_text_that_is_too_long_to_ask_for_is_refused_before_it_is_read(port, conditional, monkeypatch):
    monkeypatch.setattr(server, "parse_qs", lambda _: pytest.fail("it is read"))
    address = f"/models/{conditional.offer.id}/condition"
    status, sentence = refused(port, "POST", address, "text=" + "a" * server.TEXT)
    assert status == 413 and sentence == "That is too long: ask in fewer words."


def test_an_upload_is_cropped_as_for_training_and_of_a_film_the_first_picture_is_taken(port, plain):
    frames = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (40, 60, 3), np.uint8)) for i in range(2)]
    still, film = io.BytesIO(), io.BytesIO()
    frames[0].save(still, "PNG")
    frames[0].save(film, "GIF", save_all=True, append_images=frames[1:])
    address = f"/models/{plain.offer.id}/picture?name=a.png"
    status, headers, content = ask(port, "POST", address, still.getvalue())
    assert status == 200 and headers.get("x-note", "") == ""
    assert content == decode(io.BytesIO(still.getvalue()), 16).tobytes()
    _, headers, content = ask(port, "POST", address, film.getvalue())
    assert "first picture" in headers["x-note"] and content == decode(io.BytesIO(film.getvalue()), 16).tobytes()
    for cut in range(1, 60):  # in its second picture
        short = film.getvalue()[:-cut]
        status, headers, content = ask(port, "POST", address, short)
        assert status == 200 and content == decode(io.BytesIO(short), 16).tobytes()


@pytest.mark.parametrize(
    "path",
    [
        "/../server.py", "/%2e%2e/server.py", "/..%2fserver.py", "/..%5cserver.py", "/offers.py", "/page/app.js",
        "/runs/{id}/grids/../experiment.json", "/runs/{id}/grids/..%2fexperiment.json", "/runs/{id}/experiment.json",
        "/runs/{id}/grids/%2fetc%2fpasswd", "/runs/..%2f..%2fetc/run.json", "/models/..%2f{id}/model.json",
        "//etc/passwd",
    ],
)  # fmt: skip
def test_no_path_leaves_what_is_served(port, plain, path):
    status, _, content = ask(port, "GET", path.format(id=plain.offer.id))
    assert status == 404 and b"import" not in content and b"root:" not in content


def test_the_page_and_grids_are_served_under_a_policy_that_allows_this_origin_only(port, plain):
    for name, kind in {"": "text/html", "app.js": "text/javascript", "studio.css": "text/css"}.items():
        status, headers, _ = ask(port, "GET", f"/{name}")
        assert status == 200 and headers["content-type"].startswith(kind)
        assert "default-src 'none'" in headers["content-security-policy"]
    grid = ask(port, "GET", f"/runs/{plain.offer.id}/grids/epoch_0002.png")
    assert grid[0] == 200 and grid[2] == plain.offer.run.grid(2).read_bytes()


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8123", "a{b.evil.com:8123", "evil`x.com:8123", "evil.com:65536", "evil.com:",
        "evil.com:abc", "evil.com@127.0.0.1", "127.0.0.1@evil.com", "127.0.0.1.evil.com", "[::1", "",
    ],
)  # fmt: skip
def test_other_names_of_this_machine_are_refused_also_those_that_cannot_be_read(port, host):
    status, sentence = refused(port, "GET", "/studio.json", headers={"Host": host})
    assert status == 403 and "by that name" in sentence


@pytest.mark.parametrize("host", ["127.0.0.1", "LocalHost", "localhost:8123", "[::1]:8123"])
def test_names_of_this_machine_are_answered_with_any_port(port, host):
    assert ask(port, "GET", "/studio.json", headers={"Host": host})[0] == 200


def test_requests_of_other_pages_are_refused(port, plain):
    assert ask(port, "POST", f"/runs/{plain.offer.id}/stop", b"", headers={})[0] == 403
    assert ask(port, "DELETE", "/studio.json")[0] == 405


def test_with_a_token_nothing_is_answered_without_it_and_the_address_keeps_none(runs):
    with serving(Studio([str(runs[1].folder)], public=True), (), "a-long-token") as port:
        assert ask(port, "GET", "/")[0] == 401 and ask(port, "GET", "/?token=wrong")[0] == 401
        status, headers, _ = ask(port, "GET", "/?token=a-long-token")
        assert status == 303 and headers["location"] == "/"
        elsewhere = ask(port, "GET", "//evil.example/?token=a-long-token")[1]["location"]
        assert elsewhere == "/evil.example/"  # of this server: two slashes would name another
        assert "HttpOnly" in headers["set-cookie"] and "SameSite=lax" in headers["set-cookie"]  # links lead here, too
        cookie = headers["set-cookie"].split(";")[0]
        assert json.loads(ask(port, "GET", "/studio.json", headers={"Cookie": cookie})[2])["form"] == "server"
        with serving(Studio([str(runs[1].folder)], public=True), (), "another-token") as other:
            theirs = ask(other, "GET", "/?token=another-token")[1]["set-cookie"].split(";")[0]
            both = {"Cookie": f"{cookie}; {theirs}"}  # a browser sends a machine's cookies to each of its ports
            assert cookie.split("=")[0] != theirs.split("=")[0]
            assert {ask(one, "GET", "/studio.json", headers=both)[0] for one in (port, other)} == {200}


def test_the_address_that_is_printed_lets_in_whatever_is_in_the_token(runs, monkeypatch, capsys):
    token, names = "course+2024 &#%/я", [str(runs[1].folder)]
    monkeypatch.setattr(server, "server_for", lambda *_: SimpleNamespace(run=lambda sockets: sockets[0].close()))
    assert cli.main(["studio", *names, "--host", "127.0.0.2", "--port", "0", "--token", token]) == 0
    _, slash, query = capsys.readouterr().out.splitlines()[0].rpartition("/")
    assert query == "?token=course%2B2024%20%26%23%25%2F%D1%8F"
    with serving(Studio(names, public=True), (), token) as port:
        status, headers, _ = ask(port, "GET", slash + query)
        assert status == 303
        cookie = headers["set-cookie"].split(";")[0]
        assert ask(port, "GET", "/studio.json", headers={"Cookie": cookie})[0] == 200
        assert ask(port, "GET", "/studio.json", headers={"Cookie": f"{cookie}x"})[0] == 401


def test_who_opens_an_address_without_the_token_reads_a_sentence_and_not_json(runs):
    with serving(Studio([str(runs[1].folder)], public=True), (), "a-long-token") as port:
        status, headers, content = ask(port, "GET", "/", headers={"Sec-Fetch-Mode": "navigate"})
    assert status == 401 and headers["content-type"].startswith("text/html")
    assert b"asks for the token" in content and b"{" not in content


def test_others_see_neither_where_own_pictures_lie_nor_true_images_nor_a_report_of_them(tmp_path):
    run = make_telling_run(tmp_path)
    offer = offers.find_offers([str(run.folder)])[0]
    there = {}
    for public in (False, True):
        with serving(Studio([str(run.folder)], public=public)) as port:
            seen = (
                ask(port, "GET", f"/runs/{offer.id}/run.json")[2],
                ask(port, "GET", f"/models/{offer.id}/model.json")[2],
            )
            files = [f"/runs/{offer.id}/{name}" for name in ("grids/true.png", "report.html", "grids/epoch_0001.png")]
            there[public] = ([b"private" in text for text in seen], [ask(port, "GET", file)[0] for file in files])
            assert (json.loads(seen[0])["report"] is None) == public and b"holiday" in seen[0]
            assert public == ("may not" in ask(port, "POST", f"/runs/{offer.id}/report", b"")[2].decode())
    assert there == {False: ([True, True], [200, 200, 200]), True: ([False, False], [404, 404, 200])}


def test_no_answer_to_others_names_a_folder_of_this_machine(tmp_path, monkeypatch):
    run, broken = make_telling_run(tmp_path), make_run(tmp_path / "runs")
    (broken.folder / "experiment.json").write_text("{")
    complain = f"import sys; sys.exit(print('dcgan: {run.folder} is full.', file=sys.stderr) or 2)"
    monkeypatch.setattr(start, "command", lambda *_: [sys.executable, "-I", "-c", complain])
    studio = Studio([str(run.folder), str(broken.folder)], public=True)
    studio.trainings.go_on(run)
    while studio.trainings.about(run)["starting"]:
        time.sleep(0.02)
    answers = {}

    def note(port, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, path, body, ASKS)
        answer = connection.getresponse()
        streamed = answer.status == 200 and path.endswith("/events")
        content = b"".join(answer.readline() for _ in range(4)) if streamed else answer.read()
        answers[method, path] = (answer.status, content)
        assert str(tmp_path).encode() not in content and str(tmp_path) not in str(answer.getheaders()), path
        assert b"private" not in content and answer.status < 500, path
        connection.close()

    with serving(studio, ()) as port:
        for route in application(studio, None, ())._inner.routes:  # whatever there is to ask for
            for key in (key_of(run), "faces-0001-quick"):
                for name in ("app.js", "epoch_0001.png", "true.png", "report.html", "experiment.json"):
                    path = re.sub(r"{(\w+)[^}]*}", lambda place: {"key": key, "name": name}[place[1]], route.path)
                    for method in route.methods - {"HEAD"}:
                        if (method, path) not in answers:
                            note(port, method, path, b"" if method == "POST" else None)
        run.model("generator").write_bytes(b"damaged")
        note(port, "POST", f"/models/{key_of(run)}/draw", np.zeros((1, 100), "<f4").tobytes())
        assert answers["POST", f"/models/{key_of(run)}/draw"][0] == 400
    assert sum(status == 200 for status, _ in answers.values()) > 8 and len(answers) > 40
    listed = json.loads(answers["GET", "/studio.json"][1])
    assert [offer["title"] for offer in listed["offers"]] == [run.name]
    assert "experiment.json is not readable JSON" in listed["unread"][0]
    seen = json.loads(answers["GET", f"/runs/{key_of(run)}/run.json"][1])
    assert seen["state"]["words"] == "stopped (The disk of two words is full)"  # these were told, but for the folders
    assert seen["state"]["rollbacks"][0]["why"] == "checkpoints could not be read"
    assert seen["complaint"] == f"{run.folder.name} is full."
    assert seen["quality"]["distance"]["passport"]["reference"] == "holiday test"


@pytest.mark.parametrize("place", ["{home}/private/holiday", "private/holiday", "~/private/holiday"])
def test_the_card_of_a_model_of_own_pictures_tells_others_no_folder(tmp_path, place):
    name = place.format(home=tmp_path)
    experiment = replace(preset("quick"), name=name)
    card = {
        "about": f"Of {tmp_path / 'private' / 'holiday'}.",
        "changed settings": {"data.name": name, "training.epochs": 7},
    }
    card |= {"name": "mine", "data": "holiday, 64 images", "terms of the data": "", "parameters": {}, "distance": {}}
    write_json(tmp_path / "mine" / "card.json", card)
    write_json(tmp_path / "mine" / "settings.json", config.to_dict(experiment))
    offer = offers.Offer("mine", "mine", tmp_path / "mine")
    seen = offers.describe(offer, public=True)
    assert "private" not in json.dumps(seen) and "private" in json.dumps(offers.describe(offer))
    assert seen["card"]["changed settings"] == {"data.name": "holiday", "training.epochs": 7}
    assert seen["about"] == "Of holiday."
    assert seen["settings"]["data"]["name"] == "holiday"


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("/home/anna/x", "x"),
        ("/data", "data"),
        ("The disk of '/home/anna/My Pictures' is full.", "The disk of 'My Pictures' is full."),
        ("~/x/y and ~anna/z", "z"),
        ("file:///home/anna/x", "file:x"),
        ("name=/home/anna/x", "name=x"),
        ("[Errno 2] No such file: '/home/anna/x'", "[Errno 2] No such file: 'x'"),
        ("1 / 2 and/or https://a.org/b in faces/0001-quick by ./dcgan", None),
    ],
)
def test_of_a_path_in_a_sentence_its_last_name_is_left(sentence, told):
    assert offers.without_folders(sentence) == (sentence if told is None else told)
    assert offers.without_folders({"a": [sentence, 1.5, None]}) == {"a": [told or sentence, 1.5, None]}


# What a later version may have written, what is damaged, and what cannot be opened at all.
UNREADABLE = {
    "by another version": lambda file: write_json(file, json.loads(file.read_text()) | {"later": 1}),
    "not readable JSON": lambda file: file.write_text("{"),
    "should be a JSON object": lambda file: file.write_text("[]"),
    "unknown settings": lambda file: file.write_text(file.read_text().replace('"kernel"', '"nucleus"', 1)),
    "Is a directory": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("said", UNREADABLE)
def test_a_run_or_model_that_cannot_be_read_is_told_beside_all_others(tmp_path, monkeypatch, said):
    quick = replace(preset("quick"), count=64)
    good, bad = (Run.create(quick, {}, tmp_path / "runs") for _ in range(2))
    UNREADABLE[said](bad.folder / "experiment.json")
    write_json(tmp_path / "broken" / "card.json", {"name": "broken"})
    write_json(tmp_path / "broken" / "settings.json", config.to_dict(quick))
    UNREADABLE[said](tmp_path / "broken" / "settings.json")
    monkeypatch.setattr(offers.pretrained, "names", lambda *_: ["broken", "faces"])
    find = offers.pretrained.find
    known = {"broken": Pretrained(tmp_path / "broken"), "faces": find("faces")}
    monkeypatch.setattr(offers.pretrained, "find", lambda name, *_: known.get(name))
    with serving(Studio(runs_dir=tmp_path / "runs")) as port:
        status, _, content = ask(port, "GET", "/studio.json")
    found = json.loads(content)
    assert status == 200 and {offer["title"] for offer in found["offers"]} == {good.name, "faces"}
    assert {sentence.partition(" cannot be read: ")[0] for sentence in found["unread"]} == {bad.name, "broken"}
    assert len(found["unread"]) == 2 and all(said in one and "\n" not in one for one in found["unread"])


STANDS_NOWHERE = {
    "not readable JSON": lambda file: file.write_text("{"),
    "should be a JSON object": lambda file: file.write_text("[]"),
    "(no status)": lambda file: file.write_text("{}"),
    "(update)": lambda file: write_json(file, json.loads(file.read_text()) | {"update": "16"}),
    "(written)": lambda file: write_json(file, json.loads(file.read_text()) | {"written": None}),
    "codec can't decode": lambda file: file.write_bytes(b"\xff"),
    "Is a directory": UNREADABLE["Is a directory"],
}


@pytest.mark.parametrize("said", STANDS_NOWHERE)
def test_a_run_that_does_not_say_how_it_stands_is_left_out_in_one_sentence_from_the_start(tmp_path, said):
    quick = replace(preset("quick"), count=64)
    first, bad, last = (Run.create(quick, {}, tmp_path) for _ in range(3))
    STANDS_NOWHERE[said](bad.folder / "state.json")
    with serving(Studio(runs_dir=tmp_path)) as port:
        status, _, content = ask(port, "GET", "/studio.json")
    found = json.loads(content)
    runs = {offer["title"] for offer in found["offers"] if offer["kind"] == "run"}
    assert status == 200 and runs == {first.name, last.name}
    (sentence,) = found["unread"]
    assert sentence.startswith(f"{bad.name} cannot be read: ") and said in sentence and "\n" not in sentence


def test_what_is_damaged_or_removed_while_the_studio_is_open_leaves_the_others_there(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "EVERY", 0.0)
    monkeypatch.setattr(server, "LOOKING", 0)
    quick = replace(preset("quick"), count=64)
    good, bad = (Run.create(quick, {}, tmp_path) for _ in range(2))
    named, all_of_them = Studio([str(good.folder), str(bad.folder)]), Studio(runs_dir=tmp_path)
    assert named.listed()["unread"] == all_of_them.listed()["unread"] == []
    before = (bad.folder / "state.json").read_text()
    (bad.folder / "state.json").write_text("{}")
    assert good.name in str(all_of_them.listed()["offers"]) and "no status" in all_of_them.listed()["unread"][0]
    assert bad.name not in str(all_of_them.listed()["offers"])
    (bad.folder / "state.json").write_text(before)
    assert all_of_them.listed()["unread"] == []
    (bad.folder / "experiment.json").unlink()
    assert good.name in str(named.listed()["offers"]) and "There is no run" in named.listed()["unread"][0]


def test_a_run_that_is_made_in_the_place_of_another_is_another(tmp_path):
    run = make_run(tmp_path)
    studio = Studio([str(run.folder)])
    (offer,) = studio.offers()
    first = studio.networks(offer.id)
    assert studio.networks(offer.id) is first
    shutil.rmtree(run.folder)
    assert make_run(tmp_path, "attributes").folder == run.folder
    studio.offers()
    assert studio.networks(offer.id).offer.experiment.model.conditions == "attributes"


def test_networks_of_the_models_that_were_asked_for_last_are_held(tmp_path):
    asked = [SimpleNamespace(id=name, folder=tmp_path, run=None) for name in "abc"]
    made = server._Made(lambda offer: object(), most=2)
    first = {offer.id: made.of(offer) for offer in asked}
    assert made.of(asked[2]) is first["c"] and made.of(asked[1]) is first["b"] and made.of(asked[0]) is not first["a"]
    assert len(made._made) == 2


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"distance": 1.5}', b"\xff", b"[" * 100_000, b'{"distance": {}, "other_spaces": []}']
)
def test_a_damaged_record_of_what_was_measured_is_as_none(runs, tmp_path, content):
    run = Run.create(runs[1].experiment, {"images": 64}, tmp_path)
    run.quality_file.write_bytes(content)
    studio = Studio([str(run.folder)])
    with serving(studio) as port:
        status, _, seen = ask(port, "GET", f"/runs/{key_of(run)}/run.json")
        assert status == 200 and json.loads(seen)["quality"] is None
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", f"/runs/{key_of(run)}/events")
        stream = connection.getresponse()
        assert stream.status == 200 and b"retry" in stream.readline()
        connection.close()
    assert studio.listed()["unread"] == []


def test_a_run_that_can_no_longer_be_read_ends_its_stream_and_is_told_to_who_asks_again(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "EVERY", 0.05)
    monkeypatch.setattr(server, "LOOKING", 0)
    run = Run.create(replace(preset("quick"), count=64), {"images": 64}, tmp_path)
    with serving(Studio([str(run.folder)])) as port:
        address = f"/runs/{key_of(run)}/events"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", address)
        stream = connection.getresponse()
        assert b"data: {" in b"".join(stream.readline() for _ in range(4))
        (run.folder / "experiment.json").write_text("{")
        while stream.readline():  # to its end, which comes without an error
            pass
        status, sentence = refused(port, "GET", address)
        assert status == 400 and "not readable JSON" in sentence


def test_true_images_that_come_while_the_studio_is_open_are_shown(tmp_path):
    mine = tmp_path / "mine.npy"
    run = make_run(tmp_path / "runs", data=str(mine))  # it was trained on 64 of them
    with serving(Studio([str(run.folder)], data_dir=tmp_path / "data")) as port:
        address = f"/models/{offers.find_offers([str(run.folder)])[0].id}/true.bin"
        assert "are not on this machine" in refused(port, "GET", address)[1]
        images = np.random.default_rng(0).integers(0, 256, (90, 16, 16, 3), np.uint8)
        np.save(mine, images)
        status, _, content = ask(port, "GET", address)
    assert status == 200
    shown = np.frombuffer(content, np.uint8).reshape(-1, 16, 16, 3)
    assert len({image.tobytes() for image in shown} & {image.tobytes() for image in images}) == 26


def test_bad_options_of_the_command_get_a_sentence(capsys, tmp_path):
    exporting = ["no-such-run", "--export", str(tmp_path / "site")]
    for options, said in (
        (["--port", "70000"], "between 0 and 65535"),
        (["--token", "0123456789"], "--token goes with --host"),
        (["--host", "0.0.0.0", "--token", "short"], "at least 8 characters"),
        (["nothing-of-that-name"], "There is no run"),
        (["some.keras"], "name the run"),
        ([*exporting, "--token", "0123456789"], "Received with it: --token; leave out"),
        ([*exporting, "--host", "0.0.0.0"], "Received with it: --host; leave out"),
        ([*exporting, "--port", "80", "--host", "::"], "Received with it: --host, --port; leave out"),
    ):
        assert cli.main(["studio", *options, "--runs-dir", str(tmp_path)]) == 2
        told = capsys.readouterr().err
        assert said in told and told.startswith("dcgan: ") and told.count("\n") == 1
    assert not (tmp_path / "site").exists()


def test_a_port_that_is_taken_gets_a_sentence():
    taken = listen("127.0.0.1", 0)
    taken.listen()
    with pytest.raises(InputError, match="choose another --port"):
        listen("127.0.0.1", taken.getsockname()[1])
    taken.close()


@pytest.mark.parametrize("host", ["nobody.invalid", "two..dots", "192.0.2.1", "a" * 70 + ".org"])
def test_an_address_that_is_none_of_this_machine_gets_a_sentence_about_the_host(host):
    with pytest.raises(InputError, match=f"^--host must be an address of this machine.* Received: {re.escape(host)} "):
        listen(host, 0)


def test_a_list_that_takes_long_to_make_is_made_less_often(runs, monkeypatch):
    studio, looked = Studio([str(runs[1].folder)]), []

    def look():
        looked.append(time.monotonic())
        time.sleep(0.2)
        return {"offers": [], "unread": []}

    monkeypatch.setattr(studio, "_look", look)
    until = time.monotonic() + 3.5
    while time.monotonic() < until:
        studio.listed()
        time.sleep(0.02)
    assert len(looked) == 2 and looked[1] - looked[0] >= 0.2 + 2  # ten times as long


def test_a_server_that_closes_ends_its_streams_and_says_nothing(tmp_path):
    run = make_run(tmp_path)
    command = [*start.command("utils", "studio", str(run.folder), "--port", "0")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        port = int(re.search(r":(\d+)/", process.stdout.readline())[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", f"/runs/{offers.find_offers([str(run.folder)])[0].id}/events")
        assert connection.getresponse().readline() == b"retry: 1000\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert "Traceback" not in said and "Cancel" not in said
    finally:
        process.kill()


# --- watching ---------------------------------------------------------------------------------------------------------


def test_a_snapshot_has_curves_grids_and_how_far_it_is(runs):
    seen = watching.Watched(runs[1]).snapshot()
    assert seen["curves"]["update"] == list(range(1, 17)) and seen["grids"] == [0, 1, 2]
    assert seen["grid_names"][2] == "epoch_0002.png" and seen["summaries"]["score_true"] == [0.5, 0.6, 0.7]
    assert (seen["state"]["update"], seen["state"]["updates"], seen["state"]["running"]) == (16, 32, False)


def test_a_finished_run_shows_its_last_update_although_its_curve_has_fewer_values(tmp_path):
    run = make_run(tmp_path, status="finished")
    row = {"epoch": 1, "loss_true": 0.5, "loss_fake": 0.5, "loss_generator": 0.5}
    run.steps_file.write_text("".join(json.dumps({"update": u} | row) + "\n" for u in range(1, 801)))
    run.save_state(State("finished", update=800, epoch=4))
    seen = watching.Watched(run).snapshot()
    assert len(seen["curves"]["update"]) < 800 and seen["state"]["update"] == 800


def test_a_run_that_is_trained_for_longer_or_measured_while_it_is_watched_shows_it(tmp_path):
    run = make_run(tmp_path)
    run.save_state(State("finished", update=32, epoch=4))
    watched = watching.Watched(run)
    seen = watched.snapshot()
    assert (seen["goal"], seen["state"]["updates"], seen["state"]["finished"], seen["quality"]) == (4, 32, True, None)
    Run(run.folder).save_experiment(replace(run.experiment, epochs=20))  # as `resume --epochs 20` does, elsewhere
    seen = watched.snapshot()
    assert (seen["goal"], seen["state"]["updates"], seen["state"]["finished"]) == (20, 160, False)
    assert seen["settings"]["training"]["epochs"] == 20
    record = give_record(run)  # as `evaluate` does
    assert watched.snapshot()["quality"] == {name: record[name] for name in ("samples", "distance", "other_spaces")}


def test_a_report_is_made_once_at_a_time_shown_when_it_is_there_and_may_run_nothing(tmp_path, monkeypatch):
    run, asked = make_run(tmp_path), []
    waiting = [sys.executable, "-I", "-c", "import time; time.sleep(1)"]
    monkeypatch.setattr(start, "command", lambda *words: asked.append(words) or waiting)
    studio = Studio([str(run.folder)])
    key = offers.find_offers([str(run.folder)])[0].id
    with serving(studio) as port:
        assert studio.snapshot(key)["report"] == {"files": [], "made": 0, "own_text": False}
        assert ask(port, "GET", f"/runs/{key}/report.html")[0] == 404
        assert "is being made" in json.loads(ask(port, "POST", f"/runs/{key}/report", b"")[2])["said"]
        assert "already" in refused(port, "POST", f"/runs/{key}/report", b"")[1] and studio.snapshot(key)["reporting"]
        assert asked == [("utils", "report", str(run.folder))]
        while studio.snapshot(key)["reporting"]:
            time.sleep(0.05)
        give_report(run)
        assert studio.snapshot(key)["report"]["files"] == ["report.html"]
        status, headers, content = ask(port, "GET", f"/runs/{key}/report.html")
        assert status == 200 and content == b"<h1>Report</h1>"
        assert (
            "script" not in headers["content-security-policy"]
            and "default-src 'none'" in headers["content-security-policy"]
        )
        assert ask(port, "GET", f"/runs/{key}/experiment.json")[0] == 404


def test_a_report_that_begins_with_its_authors_words_is_not_made_anew_and_another_keeps_its_heading(
    tmp_path, monkeypatch
):
    run, asked, served = Run.create(replace(preset("quick"), count=64), {"images": 64}, tmp_path), [], []
    monkeypatch.setattr(start, "command", lambda *words: asked.append(words) or [sys.executable, "-I", "-c", ""])
    monkeypatch.setattr(server, "server_for", lambda *_: SimpleNamespace(run=lambda sockets: sockets[0].close()))
    monkeypatch.setattr(server, "application", lambda studio, *_: served.append(studio))
    assert cli.main(["studio", str(run.folder), "--port", "0"]) == 0
    (studio,) = served
    give_report(run, OWN_TEXT, "Settings")
    with serving(studio) as port:
        address, key = f"/runs/{key_of(run)}/report", key_of(run)
        status, sentence = refused(port, "POST", address, b"")
        assert status == 400 and f"report {run.folder} --text FILE.md`" in sentence and not asked
        assert studio.snapshot(key)["report"]["own_text"]
        give_report(run, "Settings", OWN_TEXT, title="-- My first faces")
        assert not studio.snapshot(key)["report"]["own_text"]
        assert ask(port, "POST", address, b"")[0] == 200
        while studio.snapshot(key)["reporting"]:
            time.sleep(0.02)
        (run.folder / "report" / "report.json").write_text("[]")
        assert ask(port, "POST", address, b"")[0] == 200 and not studio.snapshot(key)["report"]["own_text"]
    plain = ("utils", "report", str(run.folder))
    assert asked == [(*plain, "--title=-- My first faces"), plain]


def test_records_that_are_cut_back_are_read_anew_and_nothing_is_read_twice(tmp_path):
    watched = watching.Watched(make_run(tmp_path))
    rows = watched.run.steps_file.read_text().splitlines(keepends=True)
    assert watched.snapshot()["curves"]["update"] == list(range(1, 17))
    assert watched.snapshot() is watched.snapshot()
    watched.run.steps_file.write_text("".join(rows[:8]))
    assert watched.snapshot()["curves"]["update"] == list(range(1, 9))
    watched.run.steps_file.write_text("".join(rows))
    assert watched.snapshot()["curves"]["update"] == list(range(1, 17))
    # A rollback while nobody looked: cut back, and written on past the old end with longer rows.
    after = [json.dumps(json.loads(row) | {"loss_true": 7.0, "step_sizes": 0.5}) + "\n" for row in rows[8:]]
    watched.run.steps_file.write_text("".join(rows[:8] + after))
    back = {"from": 16, "to": 8, "step_sizes": 0.5, "why": "a test"}
    watched.run.save_state(dataclasses.replace(watched.run.state, rollbacks=[back]))
    curves = watched.snapshot()["curves"]
    assert curves["update"] == list(range(1, 17)) and curves["loss_true"][8:] == [7.0] * 8


def test_a_training_is_streamed_and_shows_as_stopped_once_it_is_killed(tmp_path):
    run = make_run(tmp_path)
    with training(run) as process, serving(Studio([str(run.folder)])) as port:
        assert run.process == process.pid and run.is_running
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", f"/runs/{offers.find_offers([str(run.folder)])[0].id}/events")
        stream = connection.getresponse()

        def event():
            while not (line := stream.readline()).startswith(b"data: "):
                pass
            return json.loads(line[6:])

        first = event()
        assert first["state"]["running"] and first["state"]["left"] == "16 s" and first["state"]["saved"] == 8
        with run.steps_file.open("a") as file:
            file.write('{"update": 17, "epoch": 3, "loss_true": 0.5, "loss_fake": 0.5, "loss_generator": 0.5}\n')
        assert event()["state"]["update"] == 17
        process.send_signal(signal.SIGKILL)
        process.wait()
        last = event()
        assert not last["state"]["running"] and "killed" in last["state"]["words"]
        connection.close()
    assert run.process is None


def test_the_page_can_stop_a_training_and_is_told_when_there_is_none(tmp_path):
    run = make_run(tmp_path)
    with training(run) as process, serving(Studio([str(run.folder)])) as port:
        address = f"/runs/{offers.find_offers([str(run.folder)])[0].id}/"
        assert "is being trained already" in refused(port, "POST", f"{address}go_on")[1]
        assert ask(port, "POST", f"{address}stop")[0] == 200
        assert process.wait(10) == -signal.SIGTERM
        assert "No process on this machine" in refused(port, "POST", f"{address}stop")[1]


def test_a_training_that_is_asked_to_stop_twice_gets_one_signal(tmp_path, monkeypatch):
    run, sent, trainings = make_run(tmp_path), [], watching.Trainings()
    with training(run) as process:
        with monkeypatch.context() as patched:
            patched.setattr(watching.os, "kill", lambda *signal: sent.append(signal))
            assert "it saves everything first" in trainings.stop(run)
            assert "was asked to stop already" in trainings.stop(run)
            patched.setattr(watching, "SAVING", 0)  # seconds have passed: it may hang
            assert "is asked to stop" in trainings.stop(run)
    with training(run) as later:
        assert "is asked to stop" in trainings.stop(run)
        assert later.wait(10) == -signal.SIGTERM
    assert sent == [(process.pid, signal.SIGTERM)] * 2


def test_a_pause_tells_nothing_of_the_speed(tmp_path, monkeypatch):
    now, seen = [1000.0], watching.Watched(make_run(tmp_path))
    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def left(seconds, update):
        now[0] += seconds
        return seen._left(State("running", update=8, seconds=8.0), update, 100)

    assert left(0, 10) == 90  # by what is saved: a second an update
    assert left(4, 12) == 2 * 88
    assert left(8 * 3600, 14) == 86 and left(2, 16) == 84  # after a night it begins anew


def test_what_a_discriminators_answers_mean_goes_by_its_loss(runs, monkeypatch):
    (offer,) = offers.find_offers([str(runs[1].folder)])
    # Where densities of true images and of fakes are the same, the best discriminator has this logit.
    undecided = {"least_squares": 0.5, "relativistic": None, "wasserstein": None}
    likely = ("non_saturating", "saturating", "gan_cls", "gan_int_cls")
    for loss in LOSSES:
        assert undecided_logit(loss) == undecided.get(loss, 0.0) and gives_probability(loss) is (loss in likely)
    assert undecided_logit("gone") == 0.0 and not gives_probability("gone")  # one that was planted
    trained = offer.experiment
    for loss in ("non_saturating", "hinge", "least_squares", "relativistic"):
        monkeypatch.setattr(offers.Offer, "experiment", replace(trained, loss=loss))
        about = offers.describe(offer)
        assert (about["undecided"], about["probability"]) == (undecided_logit(loss), gives_probability(loss))


def test_going_on_starts_resume_and_says_what_it_complains_of(tmp_path, monkeypatch):
    run, asked = make_run(tmp_path), []

    def complaining(*words):
        asked.append(words)
        return [
            sys.executable,
            "-I",
            "-c",
            "import sys; sys.exit(print('dcgan: The disk is full.', file=sys.stderr) or 2)",
        ]

    monkeypatch.setattr(start, "command", complaining)
    trainings = watching.Trainings(data_dir=tmp_path / "data")
    assert "goes on" in trainings.go_on(run)
    assert asked == [("utils", "resume", str(run.folder), "--data-dir", str(tmp_path / "data"))]
    until = time.monotonic() + 10
    while trainings.about(run)["starting"] and time.monotonic() < until:
        time.sleep(0.02)
    assert trainings.about(run)["complaint"] == "The disk is full."
    run.save_state(State("finished", update=32, epoch=4))
    with pytest.raises(InputError, match="is finished"):
        trainings.go_on(run)


def failing(*_):
    """In place of a command: a process that fails."""
    return [sys.executable, "-I", "-c", "import sys; sys.exit(print('dcgan: The disk is full.', file=sys.stderr) or 2)"]


def wait_for(trainings, run):
    while trainings.about(run)["starting"] or trainings.about(run)["reporting"]:
        time.sleep(0.02)


def test_a_complaint_goes_once_what_it_is_of_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(start, "command", failing)
    run = Run.create(replace(preset("quick"), count=64), {"images": 64}, tmp_path)
    run.save_state(State("stopped", update=8))
    trainings, file = watching.Trainings(), run.folder / "state.json"
    trainings.go_on(run)
    wait_for(trainings, run)
    assert trainings.about(run)["complaint"] == "The disk is full."
    with training(run):  # by a command elsewhere
        os.utime(file, (1, 1))
        assert trainings.about(run)["complaint"] == ""
    assert trainings.about(run)["complaint"] == "The disk is full."  # it has not written anything
    later = time.time() + 1
    os.utime(file, (later, later))
    assert trainings.about(run)["complaint"] == ""
    trainings.report(run)
    wait_for(trainings, run)
    assert trainings.about(run)["complaint"] == "The disk is full."
    give_report(run)
    os.utime(run.folder / "report" / "report.html", (later, later))
    assert trainings.about(run)["complaint"] == ""


def going_on(tmp_path, monkeypatch, code):
    """A run that was taken up by a process that does this and has ended, and what took it up."""
    run = Run.create(replace(preset("quick"), count=64), {"images": 64}, tmp_path)
    run.save_state(State("stopped", update=8))
    code = f"import os, signal; signal.signal(signal.SIGINT, signal.SIG_DFL); {code}"
    monkeypatch.setattr(start, "command", lambda *_: [sys.executable, "-I", "-c", code])
    trainings = watching.Trainings()
    trainings.go_on(run)
    wait_for(trainings, run)
    return trainings, run


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("kill(os.getpid(), 9)", "It was killed by signal 9; often there was too little memory."),
        ("kill(os.getpid(), 11)", "It was killed by signal 11; often there was too little memory."),
        ("_exit(137)", "It ended with an error."),
        *((f"kill(os.getpid(), {number})", "") for number in (2, 15)),
        *((f"_exit({code})", "") for code in (0, 130, 143)),
    ],
)
def test_a_process_that_is_killed_is_told_and_one_that_was_asked_to_end_is_not(tmp_path, monkeypatch, end, said):
    trainings, run = going_on(tmp_path, monkeypatch, f"os.{end}")
    assert trainings.about(run)["complaint"] == said


def test_a_training_that_is_killed_after_it_has_saved_is_told_until_the_run_goes_on(tmp_path, monkeypatch):
    state = tmp_path / "faces" / "0001-quick" / "state.json"
    trainings, run = going_on(tmp_path, monkeypatch, f"os.utime({str(state)!r}); os.kill(os.getpid(), 9)")
    assert "killed by signal 9" in trainings.about(run)["complaint"]
    later = time.time() + 1
    os.utime(state, (later, later))
    assert trainings.about(run)["complaint"] == ""


@pytest.mark.parametrize("what", ["go_on", "report"])
def test_of_two_who_ask_at_once_one_starts_it_and_the_other_is_told(tmp_path, monkeypatch, what):
    started, both = [], threading.Barrier(2)

    def slowly(*words):
        started.append(words)
        time.sleep(0.2)  # while the other asks
        return [sys.executable, "-I", "-c", "import time; time.sleep(5)"]

    monkeypatch.setattr(start, "command", slowly)
    run = Run.create(replace(preset("quick"), count=64), {"images": 64}, tmp_path)
    run.save_state(State("stopped", update=8))
    trainings = watching.Trainings()

    def ask_for():
        both.wait()
        try:
            return getattr(trainings, what)(run)
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        said = [asked.result() for asked in [pool.submit(ask_for) for _ in range(2)]]
    assert len(started) == 1 and sum("already" in sentence for sentence in said) == 1


def test_a_lock_says_which_process_holds_it_and_only_while_it_does(tmp_path):
    run = make_run(tmp_path)
    with run.locked():
        assert run.process == os.getpid()
    assert run.process is None


# --- the export -------------------------------------------------------------------------------------------------------


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """Exports a run to a folder, without the runtime from npm."""
    monkeypatch.setattr(export, "package_file", lambda name, member, data_dir: b"runtime")
    monkeypatch.setattr(offers, "TRUE_IMAGES", 20)

    def make(run, folder="out"):
        size = export.export(tmp_path / folder, offers.find_offers([str(run.folder)]), tmp_path / "data")
        return tmp_path / folder, size

    return make


def test_an_export_of_own_pictures_tells_no_folder_and_shows_no_true_image(tmp_path, exported):
    home, size = exported(make_telling_run(tmp_path))
    contents = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
    assert not any(str(tmp_path).encode() in content or b"private" in content for content in contents)
    assert any(b"holiday test" in content for content in contents)
    assert not list(home.rglob("true.*")) and len(list(home.rglob("epoch_*.png"))) == 3
    assert size == sum(file.stat().st_size for file in home.rglob("*") if file.is_file())
    assert {"generator", "discriminator", "guided", "random", "random_guided"} == {f.stem for f in home.rglob("*.onnx")}


def test_an_export_replaces_an_earlier_one_and_nothing_else(tmp_path, exported, runs, monkeypatch):
    for name in ("generator_graph", "discriminator_graph", "guided_graph"):  # which take a second each
        monkeypatch.setattr(graphs, name, lambda *_: b"graph")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(export, "_write_model", lambda *_: signal.raise_signal(signal.SIGINT))
        exported(runs[1])
    home, _ = exported(runs[1])  # in place of what was interrupted
    (home / "models" / "old").mkdir()
    exported(runs[1])
    assert not (home / "models" / "old").exists() and (home / "studio.json").is_file()
    images = np.frombuffer(next(home.rglob("true.bin")).read_bytes(), np.uint8)
    assert len(images) == 20 * 16 * 16 * 3 and images.std() > 20
    project = [tmp_path / "mine" / name for name in ("vendor/autoload.php", "models/user.php", "studio.json")]
    for file in project:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        exported(runs[1], "mine")
    assert {file for file in (tmp_path / "mine").rglob("*") if file.is_file()} == set(project)
    assert {file.read_text() for file in project} == {"mine"}


def test_an_export_of_a_run_that_is_being_trained_is_of_one_moment(tmp_path, exported, monkeypatch):
    run, seen = make_run(tmp_path), {}

    def generator_graph(sampler):
        seen["drawn"] = sampler
        return b"graph"

    def discriminator_graph(*_):
        load_network(run.model("generator")).save(run.model("generator"))  # a summary comes meanwhile
        return b"graph"

    def directions(networks):
        seen["directions"] = networks.sampler
        return []

    monkeypatch.setattr(graphs, "generator_graph", generator_graph)
    monkeypatch.setattr(graphs, "discriminator_graph", discriminator_graph)
    monkeypatch.setattr(graphs, "guided_graph", lambda *_: b"graph")
    monkeypatch.setattr(Networks, "directions", directions)
    state = run.state
    with run.locked():
        run.save_state(dataclasses.replace(state, status="running"))
        home, _ = exported(run)
    assert seen["drawn"] is seen["directions"]
    told = json.loads(next(home.rglob("run.json")).read_text())["state"]
    assert told["running"] is False and told["words"] == "still training when this page was made"


def test_every_file_of_an_export_is_of_a_kind_that_any_web_server_knows(exported, runs, monkeypatch):
    for name in ("generator_graph", "discriminator_graph", "guided_graph"):
        monkeypatch.setattr(graphs, name, lambda *_: b"graph")
    home, _ = exported(runs[1])
    known = {".html", ".js", ".css", ".svg", ".json", ".wasm", ".onnx", ".bin", ".png", ".mp4", ".pdf", ".txt"}
    assert {file.suffix for file in home.rglob("*") if file.is_file()} <= known


def test_an_export_that_fails_at_its_second_model_leaves_the_earlier_one(tmp_path, exported, runs, monkeypatch):
    def content():
        return {file: file.read_bytes() for file in home.rglob("*") if file.is_file()}

    def write_model(folder, offer, data_dir):
        if (folder.parent / offers.find_offers([str(runs[1].folder)])[0].id).is_dir():
            raise InputError("damaged")
        export._write(folder / "generator.onnx", b"new")

    monkeypatch.setattr(export, "_write_model", lambda folder, *_: export._write(folder / "generator.onnx", b"old"))
    home, _ = exported(runs[1])
    before = content()
    monkeypatch.setattr(export, "_write_model", write_model)
    both = offers.find_offers([str(run.folder) for run in runs[1:]])
    with pytest.raises(InputError, match="damaged"):
        export.export(home, both, tmp_path / "data")
    assert content() == before and not list(home.glob(".*"))


def test_a_package_that_is_not_what_npm_publishes_is_refused_and_a_missing_npm_is_named(tmp_path, monkeypatch):
    version, _ = packages.PACKAGES["onnxruntime-web"]
    kept = tmp_path / "packages" / f"onnxruntime-web-{version}.tgz"
    kept.parent.mkdir()
    kept.write_bytes(b"something else")
    with pytest.raises(InputError, match="is not the onnxruntime-web"):
        packages.package_file("onnxruntime-web", "dist/ort.wasm.bundle.min.mjs", tmp_path)
    kept.unlink()
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="apt install npm"):
        packages.package_file("onnxruntime-web", "dist/ort.wasm.bundle.min.mjs", tmp_path)


def test_the_page_names_no_other_place_on_the_web():
    for file in offers.PAGE.iterdir():
        text = (
            file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "").replace("http://127.0.0.1", "")
        )
        assert "http://" not in text and "https://" not in text, file.name
