"""How soon the studio shows a picture, how many it draws along a slider, and how it bears a class of visitors.

    python -m benchmarks.studio [--models faces64 faces] [--repeats 5] [--visitors 20] [--json]

A real Chromium opens both forms, each time with an empty cache: the export, from a plain file server on this machine,
and the server. First picture: from the beginning of the navigation. Slider: pictures that are drawn while a slider of
the table moves with every frame for three seconds. Visitors: so many pages of the server that are opened at once; the
last of them to show its first picture. Needs playwright, a Chromium (Debian: apt install chromium) and, the first time,
npm.

What is asked for, and predicted of 2 quiet CPU cores before it was measured: the first picture of an export within 2 s;
along a slider 10 pictures a second at 32 pixels, and 4 at 64. The export should be bounded by arithmetic on one thread
(faces64: about 0.05 s a picture, so some 15 a second), the server by the round trip and TensorFlow's call for one
picture (20 a second, hardly fewer at 64 pixels). Twenty visitors should all see something within 10 s. The exit code is
1 where the export misses what is asked for.
"""

import argparse
import contextlib
import functools
import http.server
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.sentences import at_least_one, in_a_sentence
from utils import runtime
from utils.errors import InputError

runtime.import_tensorflow()  # before anything else of the project can: it starts with less noise this way

from utils.studio.export import export  # noqa: E402
from utils.studio.offers import Offer, find_offers  # noqa: E402
from utils.studio.server import Studio, application, listen, server_for  # noqa: E402
from utils.tables import table  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

SECONDS = 3.0
"""That a slider is moved for."""
PATIENCE = 300.0
"""Seconds after which a page counts as hanging; Playwright's 30 are few for many visitors of a busy machine."""
WITHIN, RATES = 2.0, {32: 10.0, 64: 4.0}
"""Seconds to the first picture of an export, and pictures a second along its slider by size, that are asked for."""
SLIDE = """async (seconds) => {
    const slider = document.querySelector(".slider input"), before = studio.drawn;
    const end = performance.now() + 1000 * seconds;
    for (let i = 0; performance.now() < end; i++) {
        slider.value = 4 * Math.sin(i / 10);
        slider.dispatchEvent(new Event("input"));
        await new Promise(requestAnimationFrame);
    }
    return (studio.drawn - before) / seconds;
}"""
FIRST = "performance.getEntriesByName('first picture')[0]?.startTime"


@contextlib.contextmanager
def files_served(folder: Path) -> Iterator[str]:
    """The address of a folder, served as any web space would."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@contextlib.contextmanager
def studio_served(names: list[str], data_dir: Path | None) -> Iterator[str]:
    """The address of the server form, in a thread."""
    opened = listen("127.0.0.1", 0)
    server = server_for(application(Studio(names, data_dir=data_dir)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{opened.getsockname()[1]}/"
    server.should_exit = True
    thread.join(5)


def fresh(browser: "Browser") -> "BrowserContext":
    """A visitor with an empty cache."""
    context = browser.new_context()
    context.set_default_timeout(1000 * PATIENCE)
    return context


def first_picture(page: "Page", address: str) -> float:
    """Seconds from the beginning of the navigation."""
    page.goto(address)
    page.wait_for_selector("main .wall canvas")
    return page.evaluate(FIRST) / 1000


def measure(browser: "Browser", address: str, repeats: int) -> dict:
    """First picture, each time with an empty cache, and pictures a second along a slider."""
    firsts = []
    for _ in range(repeats):
        context = fresh(browser)
        page = context.new_page()
        firsts.append(first_picture(page, address))
        if len(firsts) < repeats:
            context.close()
    page.evaluate("location.hash = 'table'")
    page.wait_for_selector(".slider input")
    page.evaluate(SLIDE, 0.5)
    rate = statistics.median(page.evaluate(SLIDE, SECONDS) for _ in range(repeats))
    context.close()
    return {"first picture, s": round(statistics.median(firsts), 2), "slider, pictures/s": round(rate, 1)}


def visit(browser: "Browser", address: str, visitors: int) -> float:
    """Seconds until every one of so many pages that are opened at once shows a picture."""
    contexts = [fresh(browser) for _ in range(visitors)]
    pages = [context.new_page() for context in contexts]
    begun = time.perf_counter()
    for page in pages:
        page.goto(address, wait_until="commit")
    for page in pages:
        page.wait_for_selector("main .wall canvas")
    taken = time.perf_counter() - begun
    for context in contexts:
        context.close()
    return round(taken, 2)


def rows_of(browser: "Browser", offer: Offer, repeats: int, visitors: int, data_dir: Path | None) -> list[dict]:
    """A row for each form."""
    about = {"model": offer.title, "pixels": offer.experiment.model.image_size}
    with tempfile.TemporaryDirectory() as folder:
        export(folder, [offer], data_dir)
        with files_served(Path(folder)) as address:
            rows = [about | {"form": "export"} | measure(browser, address, repeats)]
    with studio_served([offer.title], data_dir) as address:
        served = about | {"form": "server"} | measure(browser, address, repeats)
        rows.append(served | {f"{visitors} visitors, s": visit(browser, address, visitors)})
    return rows


def missed(rows: list[dict]) -> list[str]:
    """What is asked for of the export and was not reached, in sentences."""
    result = []
    for row in rows:
        if row["form"] != "export":
            continue
        if row["first picture, s"] > WITHIN:
            result.append(f"{row['model']}: the first picture took {row['first picture, s']} s, not {WITHIN:g}.")
        if row["slider, pictures/s"] < RATES.get(row["pixels"], 0):
            wanted = RATES[row["pixels"]]
            result.append(f"{row['model']}: {row['slider, pictures/s']} pictures a second, not {wanted:g}.")
    return result


@in_a_sentence
def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["faces64", "faces"])
    parser.add_argument("--repeats", type=at_least_one, default=5)
    parser.add_argument("--visitors", type=at_least_one, default=20)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    from playwright.sync_api import Error, sync_playwright

    offers = find_offers(options.models)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        parser.error("no Chromium is installed (Debian: apt install chromium)")
    runtime.start()
    rows = []
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium)
            for offer in offers:
                rows += rows_of(browser, offer, options.repeats, options.visitors, options.data_dir)
            browser.close()
    except Error as error:
        said = next(iter(str(error).splitlines()), "it said nothing")  # its log of the call stands below
        raise InputError(f"The browser {chromium} has failed: {said}") from error
    lacks = missed(rows)
    if options.json:
        print(json.dumps({"rows": rows, "missed": lacks}, indent=2))
    else:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        print(table([{name: row.get(name, "") for name in columns} for row in rows]))
        print("\n".join(lacks) or "All that is asked for is reached.")
    return 1 if lacks else 0


if __name__ == "__main__":
    sys.exit(main())
