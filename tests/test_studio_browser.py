"""The studio as visitors use it: a real Chromium opens both forms."""

import contextlib
import functools
import http.server
import io
import shutil
import socket
import threading
import time

import imageio.v3
import numpy as np
import pytest
from PIL import Image
from studio_runs import SENTENCES, give_record, make_run, serving, training

from utils.config import replace
from utils.data import scale_back
from utils.data.captions import grammar_for
from utils.data.faces import ATTRIBUTES
from utils.errors import InputError
from utils.sampling import make_latent_samples
from utils.studio import export, offers, packages
from utils.studio.networks import Networks
from utils.studio.server import Studio
from utils.text_encoder import WORDS, _numbers

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser, and is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 60
"""Seconds that anything may take on a machine that is busy with other things."""
ROOMS = ("draw", "table", "judge", "guess", "watch", "learn")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt install chromium)"),
]


def from_npm(name, member):
    """A file of a package; where it was never fetched and cannot be, the tests are skipped."""
    try:
        return packages.package_file(name, member)
    except InputError as error:
        pytest.skip(f"{error}")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def networks(run):
    return Networks(offers.find_offers([str(run.folder)])[0])


@pytest.fixture(scope="module")
def site(tmp_path_factory, run):
    """The address of an export, served as any web space would."""
    for name in export.RUNTIME.values():
        from_npm("onnxruntime-web", f"dist/{name}")
    home = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offers, "TRUE_IMAGES", 30)
        patch.setattr(export, "package_file", lambda name, member, _: packages.package_file(name, member))
        export.export(home / "studio", offers.find_offers([str(run.folder)]), home / "data")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=home / "studio"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@contextlib.contextmanager
def visiting(browser, address, **how):
    """A page of its own; whatever it asks for, and whatever goes wrong in it, is noted."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | how)
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    page.asked, page.wrong = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda line: page.wrong.append(line.text) if line.type == "error" else None)
    page.goto(address)
    yield page
    context.close()


def enter(page, room):
    """Go to a room, and wait until it has drawn something."""
    page.evaluate(f"location.hash = {room!r}")
    until(lambda: page.title().lower().startswith(room))
    page.wait_for_selector({"watch": "main .card", "guess": "main .game button"}.get(room, "main canvas"))


def serious_findings(page, rules):
    """What axe-core finds in a page as it is, by rule."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(from_npm("axe-core", "axe.min.js").decode())
    found = page.evaluate(f"axe.run({rules}).then((found) => found.violations)")
    return {one["id"]: one["nodes"][0]["html"] for one in found if one["impact"] in ("serious", "critical")}


def pixels(page, selector):
    """What a canvas shows."""
    shown = f"document.querySelector({selector!r})"
    return page.evaluate(f"Array.from({shown}.getContext('2d').getImageData(0, 0, {shown}.width, {shown}.height).data)")


def until(true, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


# --- the export -------------------------------------------------------------------------------------------------------


def test_in_the_browser_the_same_seed_gives_the_same_latents_pictures_scores_and_maps_as_in_python(
    browser, site, networks
):
    with visiting(browser, site) as page:
        page.wait_for_selector("main canvas")
        found = page.evaluate(
            """async () => {
                const { samples } = await import("./latents.js"), { toRgb } = await import("./pictures.js");
                const { model } = studio, mine = samples(1234567, 24, model), pictures = await model.draw(mine);
                const uniform = samples(3, 2, { latents: "uniform", latent_dim: 100 });
                const maps = {};
                for (const method of ["gradcam", "contributions", "occlusion", "guided"])
                    for (const weights of ["trained", "random"])
                        maps[`${method} ${weights}`] = (await model.explain(pictures[0], method, weights)).values;
                for (const [name, values] of Object.entries(maps)) maps[name] = Array.from(values);
                const plain = (rows) => rows.map((row) => Array.from(row));
                return { z: plain(mine.map((s) => s.z)), uniform: plain(uniform.map((s) => s.z)),
                    rgb: Array.from(toRgb(pictures)), logits: Array.from(await model.judge(pictures)), maps };
            }"""
        )
        assert page.wrong == []
    latents = networks.sampler.make_latents(24, 1234567)
    np.testing.assert_array_equal(np.array(found["z"], np.float32), latents)
    uniform = make_latent_samples(2, 100, 3, "uniform")
    np.testing.assert_array_equal(np.array(found["uniform"], np.float32), uniform)
    images = np.array(found["rgb"], np.uint8).reshape(24, 16, 16, 3)
    assert abs(images.astype(int) - scale_back(networks.sampler.images(latents))).max() <= 1
    np.testing.assert_allclose(found["logits"], networks.judge(images), atol=1e-3)
    for name, values in found["maps"].items():
        method, weights = name.split()
        wanted = networks.explain(images[0], method, weights == "random")
        np.testing.assert_allclose(values, wanted.ravel(), atol=1e-3 * abs(wanted).max() + 1e-5, err_msg=name)


def test_every_room_opens_on_a_screen_and_on_a_phone_and_nothing_is_asked_of_another_place(browser, site):
    for how in ({}, {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True}):
        with visiting(browser, site, **how) as page:
            for room in ROOMS:
                enter(page, room)
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), room
            assert page.wrong == []
            assert len(page.asked) > 15 and {url for url in page.asked if not url.startswith((site, "blob:"))} == set()


def test_axe_finds_nothing_serious_in_any_room_in_light_or_dark(browser, site):
    with visiting(browser, site) as page:
        for room in ROOMS:
            enter(page, room)
            if room == "judge":
                page.click("main .tile")
                page.wait_for_selector(".maps figure:nth-child(3)")
            if room == "table":
                page.wait_for_selector(".slider")
            for colours, rules in (("light", "{}"), ("dark", "{ runOnly: ['color-contrast'] }")):
                page.emulate_media(color_scheme=colours)
                assert serious_findings(page, rules) == {}, (room, colours)


def test_the_table_works_by_keyboard_alone(browser, site):
    with visiting(browser, f"{site}#table") as page:
        page.wait_for_selector(".slider input")
        before = pixels(page, ".big canvas")
        page.focus(".slider input")
        for _ in range(20):
            page.keyboard.press("ArrowRight")
        until(lambda: pixels(page, ".big canvas") != before)
        page.focus(".strip .tile")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
        for key in ("1", "1", "1", "2", "3"):
            page.keyboard.press(key)
        page.wait_for_selector(".nine .tile:nth-child(9)")
        assert page.locator("[role=img] button").count() == 0  # what is one image has nothing to press
        until(lambda: page.locator(".well").nth(0).locator(".exemplars .tile").count() == 3)
        centre, corner = (pixels(page, f".nine .tile:nth-child({n}) canvas") for n in (5, 1))
        assert centre != corner  # the noise of ±0.25
        enter(page, "learn")
        before = pixels(page, ".step.now canvas")
        page.focus(".bars")
        for key in ("ArrowRight", *["ArrowUp"] * 12):
            page.keyboard.press(key)
        until(lambda: pixels(page, ".step.now canvas") != before)
        assert page.get_attribute(".bars", "aria-valuetext").startswith("Number 2 of 100: ")
        assert page.inner_text(".steps p") == "1 of 6"
        assert page.wrong == []


def test_a_button_whose_card_is_made_anew_keeps_the_focus(browser, site):
    with visiting(browser, site) as page:
        enter(page, "judge")
        page.click("main .tile >> nth=0")
        page.wait_for_selector("text=Why?")
        page.focus("button:has-text('Occlusion')")
        page.keyboard.press("Enter")
        page.wait_for_selector("button[aria-pressed=true]:has-text('Occlusion')")
        assert page.evaluate("document.activeElement.textContent") == "Occlusion"
        enter(page, "table")
        page.focus("button:has-text('Put the chosen one here') >> nth=0")
        for count in (1, 2):
            page.keyboard.press("Enter")
            page.wait_for_selector(f"text=mean of {count}")
        assert page.evaluate("document.activeElement.textContent") == "Put the chosen one here"
        assert page.wrong == []


def test_a_network_that_could_not_be_had_is_asked_for_again(browser, site):
    with visiting(browser, site) as page:
        page.wait_for_selector("main canvas")
        page.route("**/discriminator.onnx", lambda route: route.abort())
        asked = "studio.model.graph('discriminator').then(() => true, (error) => error.message)"
        assert page.evaluate(asked) == "The server does not answer."
        page.unroute("**/discriminator.onnx")
        assert page.evaluate(asked) is True
        released = """async () => {
            const model = studio.model, session = await model.graph("generator");
            let count = 0;
            session.release = async () => { count += 1; };
            model.close();
            await model.turn; await new Promise((done) => setTimeout(done, 50));
            return count;
        }"""
        assert page.evaluate(released) == 1


def test_a_room_that_could_not_be_opened_says_so_and_is_opened_by_trying_again(browser, site):
    with visiting(browser, site) as page:
        page.wait_for_selector("main canvas")
        page.route("**/judge.js", lambda route: route.abort())
        page.evaluate("location.hash = 'judge'")
        page.reload()  # the page fetches all rooms ahead
        page.wait_for_selector("text=Judge could not be opened")
        assert page.title().startswith("Judge") and page.locator("main canvas").count() == 0
        page.unroute("**/judge.js")
        page.click("button:has-text('Try again')")
        page.wait_for_selector("main canvas")
        assert page.title().startswith("Judge")


def test_a_walk_is_recorded_as_a_film_that_plays_and_whose_pictures_differ(browser, site, tmp_path):
    with visiting(browser, f"{site}#table") as page:
        page.wait_for_selector(".slider input")
        page.fill("input[aria-label=Speed]", "2")
        page.click("text=Record film")
        page.wait_for_timeout(1500)
        with page.expect_download() as waiting:
            page.click("text=Stop and save")
        name = waiting.value.suggested_filename
        waiting.value.save_as(tmp_path / name)
        said = page.inner_text("main")
        assert page.wrong == []
    assert name.endswith((".mp4", ".webm")) and f"saved as {'MP4' if name.endswith('mp4') else 'WebM'}" in said
    frames = imageio.v3.imread(tmp_path / name, plugin="FFMPEG")
    assert len(frames) >= 5 and frames.shape[1:] == (256, 256, 3)
    assert abs(frames[0].astype(int) - frames[-1]).mean() > 2


def test_a_wall_is_saved_as_a_picture_and_as_the_latents_that_numpy_reads(browser, site, networks, tmp_path):
    with visiting(browser, site) as page:
        page.wait_for_selector(".wall > div:nth-child(48) canvas")
        for button in ("Save PNG", "Save latents"):
            with page.expect_download() as waiting:
                page.click(f"text={button}")
            waiting.value.save_as(tmp_path / waiting.value.suggested_filename.split(".")[-1])
    latents = np.load(tmp_path / "npy")
    np.testing.assert_array_equal(latents, networks.sampler.make_latents(48, 0))
    wall, drawn = np.asarray(Image.open(tmp_path / "png").convert("RGB")), networks.draw(latents[:1])[0]
    assert wall.shape == (7 * 18 + 2, 7 * 18 + 2, 3) and abs(wall[2:18, 2:18].astype(int) - drawn).max() <= 1


def test_a_wall_that_is_asked_for_anew_is_not_drawn_to_its_end(browser, site):
    with visiting(browser, site) as page:
        page.wait_for_selector(".wall > div:nth-child(48) canvas")
        page.evaluate(
            """() => { const { model } = studio, draw = model.draw.bind(model); studio.counted = 0;
                model.draw = (samples) => { studio.counted += samples.length; return draw(samples); };
                const [seed, count] = document.querySelectorAll(".bar input, .bar select");
                count.value = 192; count.dispatchEvent(new Event("change"));
                seed.value = 5; seed.dispatchEvent(new Event("change")); }"""
        )
        page.wait_for_selector(".wall > div:nth-child(192) canvas")
        assert 192 < page.evaluate("studio.counted") < 2 * 192 and page.input_value(".bar input") == "5"


def test_words_have_the_same_numbers_in_the_browser_as_in_python_and_unknown_ones_get_a_sentence(browser, site):
    vocabulary = sorted(grammar_for(ATTRIBUTES).vocabulary)
    texts = ["A bearded man, with glasses", "pale-skinned woman"]
    with visiting(browser, site) as page:
        found = page.evaluate(
            """async ([texts, vocabulary, most]) => { const { wordNumbers } = await import("./words.js");
                const read = (text) => { try { return Array.from(wordNumbers(text, vocabulary, most)); }
                    catch (error) { return error.message; } };
                return texts.map(read); }""",
            [[*texts, "a zebra", " ", "man " * 41], vocabulary, WORDS],
        )
    np.testing.assert_array_equal(found[:2], _numbers(texts, vocabulary))
    assert [sentence.split(":")[0] for sentence in found[2:]] == [
        "The model has learnt no word 'zebra'",
        "A text needs at least one word. Received",
        "A text may have at most 40 words. Received",
    ]


def test_a_game_ends_with_both_scores_and_their_intervals(browser, site):
    with visiting(browser, f"{site}#guess") as page:
        page.click(".game button")
        for turn in range(20):
            page.wait_for_selector(f"text=Picture {turn + 1} of 20")
            if turn == 0:
                page.focus(".answers button")
            page.keyboard.press("Enter" if turn < 2 else "t" if turn % 2 else "f")  # what has the focus keeps it
        rows = page.locator(".game tbody tr").all_inner_texts()
        assert len(rows) == 2 and all(" of 20" in row and "%" in row for row in rows)
        assert "A coin gets" in page.inner_text(".game")
        figures = page.evaluate(
            """async () => { const s = await import("./statistics.js");
                return [s.wilson(13, 20), s.coin(15, 20), s.rankCorrelation([1, 2, 3, 4], [1, 3, 2, 4])]; }"""
        )
    np.testing.assert_allclose(figures[0], [0.4329, 0.8188], atol=1e-3)
    assert abs(figures[1] - 0.0207) < 1e-4 and abs(figures[2] - 0.8) < 1e-9


def test_a_picture_that_is_dropped_is_judged_and_what_is_none_gets_a_sentence(browser, site):
    picture = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)).save(picture, "PNG")
    with visiting(browser, f"{site}#judge") as page:
        page.wait_for_selector("main canvas")
        for name, kind, content, said in (
            ("page.html", "text/html", b"<script>alert(1)</script>", "not a picture"),
            ("<img src=x onerror=alert(1)>.png", "image/png", b"nothing", "cannot be decoded"),
        ):
            page.set_input_files("#own", {"name": name, "mimeType": kind, "buffer": content})
            until(lambda said=said: said in page.inner_text(".wrong"))
        file = {"name": "mine.png", "mimeType": "image/png", "buffer": picture.getvalue()}
        page.set_input_files("#own", file)
        page.wait_for_selector(".maps figure:nth-child(3)")
        assert "Your picture: probability of true" in page.inner_text("main") and page.inner_text(".wrong") == ""


def test_answers_that_are_no_probabilities_are_not_called_so(browser, tmp_path):
    for loss, meaning in (("hinge", "a logit, above 0 for true"), ("relativistic", "the higher of two is the truer")):
        run = make_run(tmp_path / loss)
        run.save_experiment(replace(run.experiment, loss=loss))
        with serving(Studio([str(run.folder)])) as port, visiting(browser, f"http://127.0.0.1:{port}/#judge") as page:
            page.wait_for_selector("main .tile")
            assert meaning in page.inner_text("main .lead")
            assert ("0: undecided" in page.inner_html("main .chart")) is (loss == "hinge")
            assert page.inner_text("main .tile + .score").startswith("logit ")
            page.click("main .tile")
            page.wait_for_selector(".maps figure:nth-child(3)")
            assert ": logit " in page.inner_text("main") and "probability" not in page.inner_text("main .card h2 + p")


def test_a_room_that_failed_while_the_server_was_away_goes_on_once_it_is_back(browser, tmp_path):
    names = [str(make_run(tmp_path).folder)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with contextlib.ExitStack() as first, contextlib.ExitStack() as stack:
        first.enter_context(serving(Studio(names), port=port))
        with visiting(browser, f"http://127.0.0.1:{port}/#draw") as page:
            page.wait_for_selector(".wall canvas")
            first.close()
            page.fill("input[type=number]", "-5")
            page.keyboard.press("Enter")
            page.wait_for_selector("#toast p:has-text('does not answer')")
            assert page.input_value("input[type=number]") == "0"  # what is drawn, not what was asked for
            assert not page.locator(".wall canvas").count()
            stack.enter_context(serving(Studio(names), port=port))
            page.wait_for_selector(".wall canvas")


# --- the server -------------------------------------------------------------------------------------------------------


def test_a_killed_training_shows_as_stopped_and_a_server_that_is_back_is_gone_on_with(browser, tmp_path):
    run = make_run(tmp_path)
    names = [str(run.folder)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with training(run) as process, contextlib.ExitStack() as stack:
        first = stack.enter_context(contextlib.ExitStack())
        first.enter_context(serving(Studio(names), port=port))
        with visiting(browser, f"http://127.0.0.1:{port}/#watch") as page:
            page.wait_for_selector("[data-state='running']")
            assert page.inner_text(".caption") == "epoch 2 of 4"
            page.hover(".chart", position={"x": 60, "y": 60})
            until(lambda: page.inner_text(".caption") == "epoch 0 of 4")
            first.close()
            page.wait_for_selector("#banner:not([hidden])")
            process.kill()
            process.wait()
            stack.enter_context(serving(Studio(names), port=port))
            page.wait_for_selector("[data-state='killed']")
            page.wait_for_selector("#banner[hidden]", state="attached")
            page.wait_for_selector("button:has-text('Go on')")
            enter(page, "judge")
            page.click("main .tile")
            page.wait_for_selector(".maps figure:nth-child(3)")


def test_what_comes_while_the_page_is_open_is_shown_and_what_was_asked_for_stays(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(offers.pretrained, "names", lambda *_: [])
    first = make_run(tmp_path, "attributes")
    with serving(Studio(runs_dir=tmp_path)) as port, visiting(browser, f"http://127.0.0.1:{port}/") as page:
        page.wait_for_selector("main canvas")
        enter(page, "ask")
        page.click(".chips button >> nth=1")
        until(lambda: "Asked for: with hat." in page.inner_text("main"))
        enter(page, "draw")
        enter(page, "ask")
        assert page.locator(".chips button").evaluate_all("all => all.map(one => one.dataset.value)") == ["", "1", ""]
        assert "Asked for: with hat." in page.inner_text("main")
        assert serious_findings(page, "{}") == {}
        enter(page, "judge")
        page.click("main .tile")
        page.wait_for_selector("text=judged as “")
        assert page.locator(".snapshots figure").all_inner_texts() == [
            "epoch 0: true 0.50, fake 0.50", "epoch 1: true 0.60, fake 0.40", "epoch 2: true 0.70, fake 0.30"
        ]  # fmt: skip
        enter(page, "watch")
        page.wait_for_selector("text=Make the report")
        assert not page.is_visible("text=Beside it")
        (first.folder / "report").mkdir()
        (first.folder / "report" / "report.html").write_text("<title>A report</title>")
        with page.context.expect_page() as opened:
            page.click("text=Open the report")
        until(lambda: opened.value.title() == "A report")
        second = make_run(tmp_path)
        page.wait_for_selector("text=Beside it")
        page.select_option(".bar select >> nth=1", label=second.name)
        until(lambda: page.locator(".two > div .grid-image:visible").count() == 2)
        page.locator(".two > div input[type=range]").nth(0).fill("0")
        until(lambda: page.locator(".two > div .caption").all_inner_texts() == ["epoch 0 of 4"] * 2)
        assert page.wrong == []


def test_a_fold_that_is_open_stays_open_and_tells_what_has_changed(browser, tmp_path):
    run = make_run(tmp_path)
    with (
        serving(Studio([str(run.folder)])) as port,
        visiting(browser, f"http://127.0.0.1:{port}/#watch") as page,
    ):
        page.click("summary:text-is('Settings')")
        epochs = page.locator("details[open] tr", has=page.locator("th:text-is('training › epochs')")).locator("td")
        assert epochs.all_inner_texts() == ["4"]
        assert not page.is_visible("summary:text-is('Distance, with its passport')")
        give_record(run)
        run.save_experiment(replace(run.experiment, epochs=6))
        until(lambda: epochs.all_inner_texts() == ["6"])
        assert page.locator("details[open] > summary").all_inner_texts() == ["Settings"]
        page.click("summary:text-is('Distance, with its passport')")
        page.wait_for_selector("details[open] th:text-is('distance › space')")
        assert page.wrong == []


def test_what_networks_bring_reaches_every_room_and_of_two_models_the_one_chosen_last_is_shown(
    browser, tmp_path, monkeypatch
):
    monkeypatch.setattr(offers.pretrained, "names", lambda *_: [])
    root = tmp_path / "runs"
    old, new = make_run(root), make_run(root, data=str(tmp_path / "mine.npy"))
    for run in (old, new):  # as before the first summary
        run.models.rename(run.folder / "later")
    with serving(Studio(runs_dir=root)) as port, contextlib.ExitStack() as stack:
        page, other = (
            stack.enter_context(visiting(browser, f"http://127.0.0.1:{port}/#{room}")) for room in ("watch", "draw")
        )
        page.wait_for_selector("text=Beside it")
        page.select_option(".bar select >> nth=1", label=old.name)
        give_record(new)
        page.wait_for_selector("text=Distance, with its passport")
        other.wait_for_selector("text=Nothing to draw with yet")
        (new.folder / "later").rename(new.models)
        other.wait_for_selector("main canvas")
        until(lambda: page.evaluate("studio.model?.id") == "mine-0001-quick")
        (old.folder / "later").rename(old.models)  # only now: a look while both come may see this one alone
        page.wait_for_selector("#model option >> nth=1", state="attached")
        assert page.title().startswith("Watch")
        assert page.input_value(".bar select >> nth=1") == "faces-0001-quick"  # it is the page that it was
        held, slow = [], "**/models/faces-0001-quick/model.json"
        page.route(slow, lambda route: held.append(route))
        with page.expect_request(slow):
            page.select_option("#model", "faces-0001-quick")
        page.select_option("#model", "mine-0001-quick")
        until(lambda: page.evaluate("studio.model?.id") == "mine-0001-quick")
        with page.expect_response(slow):
            held[0].continue_()
        page.wait_for_timeout(500)  # what comes too late changes nothing
        model, kept = page.evaluate("[studio.model.id, localStorage['studio.model']]")
        assert model == kept == page.input_value("#model") == "mine-0001-quick"
        assert page.inner_text("#about").startswith("mine/0001-quick: ")
        assert page.wrong == other.wrong == []


def test_what_is_clicked_often_agrees_with_itself_and_true_images_are_missed_only_until_they_come(browser, tmp_path):
    mine = tmp_path / "mine.npy"
    run = make_run(tmp_path / "runs", data=str(mine))
    studio = Studio([str(run.folder)], data_dir=tmp_path / "data")
    with serving(studio) as port, visiting(browser, f"http://127.0.0.1:{port}/#table") as page:
        for count in (12, 24, 36):
            page.wait_for_selector(f".strip .tile:nth-child({count})")
            page.click("text=12 more")
        page.click(".strip .tile:nth-child(48)")
        page.click(".strip .tile:nth-child(20)")
        names = page.evaluate("studio.bench.map((sample) => `Sample ${sample.name}`)")
        for place, name in ((7, names[19]), (0, names[24])):  # the strip is full: it moves on by 12, and again
            page.click("text=12 more")
            until(lambda name=name: page.inner_text(".big + .caption >> nth=0") == name)
            until(lambda name=name: page.get_attribute(".strip [aria-pressed=true]", "title") == name)
            assert page.evaluate("[studio.chosen, studio.bench.length]") == [place, 48]
            assert page.evaluate("`Sample ${studio.bench[studio.chosen].name}`") == name
        assert pixels(page, ".big canvas") == pixels(page, ".strip [aria-pressed=true] canvas")
        enter(page, "judge")
        page.wait_for_selector("[aria-label='Logits of 16 fake and 0 true pictures']")
        page.wait_for_selector("main >> text=Its true images are not on this machine")
        page.get_by_text("Others", exact=True).evaluate("(button) => { button.click(); button.click(); }")
        page.wait_for_selector("[title^='Fake sample 15 of seed 2']")
        titles = page.locator("main .tile").evaluate_all("all => all.map((one) => one.title.split(',')[0])")
        assert titles == [f"Fake sample {i} of seed 2" for i in range(16)]
        assert page.locator("[aria-label='Logits of 16 fake and 0 true pictures']").count() == 1
        enter(page, "learn")
        page.click("text=Next")
        page.click("text=Next")
        page.wait_for_selector(".step.now figure:nth-child(6)")
        assert page.locator(".step.now figcaption").all_text_contents() == 6 * ["fake"]
        np.save(mine, np.random.default_rng(0).integers(0, 256, (90, 16, 16, 3), np.uint8))
        enter(page, "judge")
        page.wait_for_selector("[aria-label='Logits of 16 fake and 16 true pictures']")
        page.evaluate("location.hash = 'learn'")  # at the step where it was left
        page.wait_for_selector(".step.now figure:nth-child(12)")
        assert page.locator(".step.now figcaption").all_text_contents() == 6 * ["fake"] + 6 * ["true"]
        assert page.wrong and all("400" in line for line in page.wrong)  # there were no true images at first


def test_the_skip_link_leads_to_the_main_part_of_the_room_that_is_open(browser, run):
    with serving(Studio([str(run.folder)])) as port, visiting(browser, f"http://127.0.0.1:{port}/#judge") as page:
        page.wait_for_selector("main canvas")
        page.focus(".skip")
        page.keyboard.press("Enter")
        assert page.evaluate("[location.hash, document.activeElement.id]") == ["#judge/faces-0001-quick", "view"]
        assert page.title().startswith("Judge") and page.wrong == []


def test_a_model_that_is_being_loaded_or_could_not_be_is_not_told_as_nothing_to_draw_with(browser, run):
    with serving(Studio([str(run.folder)])) as port, visiting(browser, f"http://127.0.0.1:{port}/") as page:
        page.wait_for_selector("main canvas")
        held, address = [], "**/model.json"
        page.route(address, lambda route: held.append(route))
        with page.expect_request(address):
            page.reload(wait_until="commit")
        page.evaluate("location.hash = 'judge'")
        page.wait_for_selector("h1:text-is('Loading faces/0001-quick…')")
        held[0].fulfill(status=400, json={"error": "Its networks are damaged."})
        page.wait_for_selector("main >> text=Its networks are damaged.")
        assert page.inner_text("h1") == "faces/0001-quick could not be loaded"
        page.unroute(address)
        page.click("text=Try again")
        page.wait_for_selector("main canvas")
        assert page.title().startswith("Judge")


def test_an_address_names_the_room_and_the_model_that_whoever_opens_it_sees(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(offers.pretrained, "names", lambda *_: [])
    root, faces, mine, pictures = tmp_path / "runs", "faces-0001-quick", "mine-0001-quick", tmp_path / "mine.npy"
    np.save(pictures, np.random.default_rng(0).integers(0, 256, (90, 16, 16, 3), np.uint8))
    make_run(root), make_run(root, data=str(pictures))
    with serving(Studio(runs_dir=root)) as port, visiting(browser, f"http://127.0.0.1:{port}/#judge/{faces}") as page:

        def stands_at(room, model):
            until(lambda: page.evaluate("[location.hash, studio.model?.id]") == [f"#{room}/{model}", model])
            until(lambda: page.title().lower().startswith(room))
            page.wait_for_selector("main canvas")
            assert page.input_value("#model") == model
            assert page.get_attribute(".mark", "href") == f"#draw/{model}"
            assert page.get_attribute("#rooms a[aria-current]", "href") == f"#{room}/{model}"

        stands_at("judge", faces)
        page.select_option("#model", mine)
        stands_at("judge", mine)
        page.reload()
        stands_at("judge", mine)
        page.click("#rooms a:text-is('Table')")
        stands_at("table", mine)
        page.select_option("#model", faces)
        stands_at("table", faces)
        page.go_back()
        stands_at("judge", mine)
        page.evaluate(f"location.hash = 'draw/{faces}'")
        stands_at("draw", faces)
        page.evaluate("location.hash = 'draw/nobody'")
        page.wait_for_selector("#toast >> text=nobody cannot be drawn with here.")
        stands_at("draw", faces)
        page.evaluate("location.hash = 'judge'")
        stands_at("judge", faces)
        held, slow = [], f"**/models/{mine}/model.json"  # a room that is entered while a model comes is that model's
        page.route(slow, lambda route: held.append(route))
        with page.expect_request(slow):
            page.select_option("#model", mine)
        page.click("#rooms a:text-is('Table')")
        held[0].continue_()
        stands_at("table", mine)
        assert page.wrong == []


def test_where_the_model_that_is_drawn_with_disappears_another_takes_its_place_and_the_list_shows_it(
    browser, tmp_path, monkeypatch
):
    monkeypatch.setattr(offers.pretrained, "names", lambda *_: [])
    root = tmp_path / "runs"
    old, new = make_run(root), make_run(root, data=str(tmp_path / "mine.npy"))
    with serving(Studio(runs_dir=root)) as port, visiting(browser, f"http://127.0.0.1:{port}/") as page:
        page.wait_for_selector("main canvas")
        assert page.evaluate("studio.model.id") == page.input_value("#model") == "mine-0001-quick"
        shutil.rmtree(new.folder)
        page.wait_for_selector("#toast:has-text('mine/0001-quick can no longer be drawn with.')")
        until(lambda: page.evaluate("studio.model?.id") == "faces-0001-quick")
        assert page.input_value("#model") == "faces-0001-quick"
        page.wait_for_selector(f"main >> text=./dcgan sample {old.name}")
        shutil.rmtree(old.folder)
        page.wait_for_selector("text=Nothing to draw with yet")


def test_a_run_whose_files_are_damaged_is_told_in_its_card_until_they_can_be_read(browser, tmp_path):
    run = make_run(tmp_path)
    file = run.folder / "environment.json"
    before = file.read_text()
    file.write_text("{")
    with serving(Studio([str(run.folder)])) as port, visiting(browser, f"http://127.0.0.1:{port}/#watch") as page:
        page.wait_for_selector(".card .wrong:has-text('not readable JSON')")
        file.write_text(before)
        page.wait_for_selector(".card >> text=Update 16 of 32")
        assert page.locator(".wrong").count() == 0


def test_a_server_that_asks_for_another_token_is_not_told_as_one_that_does_not_answer(browser, run):
    names = [str(run.folder)]
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(contextlib.ExitStack())
        port = first.enter_context(serving(Studio(names, public=True), (), "the-first-token"))
        address = f"http://127.0.0.1:{port}/"
        page = stack.enter_context(visiting(browser, f"{address}?token=the-first-token"))
        page.wait_for_selector("main canvas")
        first.close()
        page.wait_for_selector("#banner:has-text('The server does not answer.')")
        stack.enter_context(serving(Studio(names, public=True), (), "another-token", port))
        page.wait_for_selector("#banner:has-text('open the address that')")
        assert "does not answer" not in page.inner_text("#banner")
        page.context.new_page().goto(f"{address}?token=another-token")
        page.wait_for_selector("#banner[hidden]", state="attached")


def test_own_words_and_the_sentences_of_a_model_are_not_shown_as_asked_for_at_once(browser, tmp_path):
    run = make_run(tmp_path, "text")
    words = "a bearded man with a hat"
    with serving(Studio([str(run.folder)])) as port, visiting(browser, f"http://127.0.0.1:{port}/") as page:

        def shown():
            return page.evaluate("document.querySelector('main select').selectedIndex"), page.input_value("[name=text]")

        page.wait_for_selector("main canvas")
        enter(page, "ask")
        assert shown() == (0, "")
        page.fill("[name=text]", words)
        page.click("form button")
        page.wait_for_selector(f"text=Asked for: {words}.")
        assert shown() == (-1, words)
        enter(page, "draw")
        enter(page, "ask")
        assert shown() == (-1, words)
        page.select_option("main select", label=SENTENCES[0])
        page.wait_for_selector(f"text=Asked for: {SENTENCES[0]}.")
        assert shown() == (1, "") and page.wrong == []


def test_an_answer_to_own_words_that_comes_after_another_model_was_chosen_changes_nothing(browser, tmp_path):
    runs = [make_run(tmp_path / name, "text") for name in ("one", "two")]
    with (
        serving(Studio([str(run.folder) for run in runs])) as port,
        visiting(browser, f"http://127.0.0.1:{port}/#ask") as page,
    ):
        page.wait_for_selector("main canvas")
        first = page.evaluate("studio.model.id")
        second = next(one for one in page.evaluate("studio.offers.map((one) => one.id)") if one != first)
        held, slow = [], "**/condition*"
        page.route(slow, lambda route: held.append(route))
        page.fill("[name=text]", "a bearded man with a hat")
        with page.expect_request(slow):
            page.click("form button")
        page.select_option("#model", second)
        until(lambda: page.evaluate("studio.model?.id") == second)
        page.wait_for_selector("main canvas")
        bench = page.evaluate("JSON.stringify(studio.bench)")
        with page.expect_response(slow):
            held[0].continue_()
        page.wait_for_timeout(500)
        assert page.evaluate("JSON.stringify(studio.bench)") == bench and page.evaluate("!studio.model.asked")
        assert page.inner_text("main [role=status]").startswith("Nothing is asked for") and page.wrong == []
