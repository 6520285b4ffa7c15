"""The studio as a local server: the same page, the networks in Python, trainings streamed.

It listens on this machine alone unless another address is asked for; then every request needs a token. Whatever an
address may be asked with, what is served are the files of `page/` and those of the offers that have a name here: no
path is ever made from a request.
"""

import asyncio
import contextlib
import errno
import functools
import html
import re
import secrets
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from types import FrameType
from urllib.parse import parse_qs, quote

import numpy as np
import uvicorn
from PIL import Image, UnidentifiedImageError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from utils.data.pictures import FORMATS, HEAD, decode, kind_of
from utils.errors import InputError
from utils.studio.networks import MOST, Networks
from utils.studio.offers import (
    KINDS,
    LOOPBACK,
    PAGE,
    UNREADABLE,
    Offer,
    TrueImages,
    describe,
    find_offers,
    may_show_true,
    plain_directions,
    plain_json,
    true_images,
    without_folders,
)
from utils.studio.watching import Trainings, Watched, for_others, report_files
from utils.text import one_line, shorten

UPLOAD = 25 << 20
"""Bytes that a picture may have."""
PIXELS = 25_000_000
"""That a picture may have, unless it is a JPEG, which is decoded smaller: what is made of others on the way takes some
30 bytes for each, however few bytes the file has."""
_DECODING = threading.Lock()  # one picture at a time, so that many visitors need no more memory than one
BODY = 32 << 20
"""Bytes that any request may have: MOST pictures of 128x128 pixels fit."""
TEXT = 10_000
"""Bytes that a condition in words may have: reading them takes thirty times as much memory."""
COOKIE = "studio_token_{port}"
"""Name of the cookie with the token: browsers send those of all ports of a machine to each of them."""
HELD = 12
"""Models and runs whose networks and true images are held in memory: more than a class has open at once."""
EVERY = 1.0
"""Seconds between looks at the records of a run, and at what there is."""
CLOSING = 3
"""Seconds that answers under way have once the server closes: streams look up each `EVERY`."""
LOOKING = 10
"""As many times as long as a look at what there is took, there is no other."""
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; media-src "
    "'self' blob:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'"
)
"""What the page may load: nothing from anywhere else. `page/index.html` says the same for the export."""
REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""What a report may: it brings its pictures and its form in itself, and runs nothing."""


class _Made:
    """What is made of offers, once for each; of those that ask meanwhile, only who asks for the same kind waits.

    None stands for what could not be made, and is tried again: what was missing may have come since. Of what takes much
    memory the newest `most` are held.
    """

    def __init__(self, make: Callable[[Offer], object], most: int | None = None):
        self._make, self._lock, self._most, self._made = make, threading.Lock(), most, OrderedDict()

    def of(self, offer: Offer):
        with self._lock:
            known, made = self._made.get(offer.id, (None, None))
            if made is None or known != _identity(offer):
                made = self._make(offer)
                self._made[offer.id] = (_identity(offer), made)
            self._made.move_to_end(offer.id)
            while self._most and len(self._made) > self._most:
                self._made.popitem(last=False)
            return made


def _identity(offer: Offer) -> tuple:
    """What tells an offer from another of its name: a folder may be removed, and another be made in its place."""
    file = offer.folder / ("environment.json" if offer.run else "card.json")  # written once, when it is made
    try:
        about = file.stat()
    except OSError:
        return (offer.folder,)
    return offer.folder, about.st_ino, about.st_mtime_ns


class Studio:
    """What the requests are answered from.

    Args:
        names: models and runs, as the user named them; none for all that there are, also those still to come.
        runs_dir, data_dir: where they are.
        public: whether others than this machine's user may look.
        own_text: heading of the author's words in a report: one that begins with them is not made anew from here.
    """

    def __init__(
        self,
        names: Sequence[str] = (),
        runs_dir: str | Path | None = None,
        data_dir: str | Path | None = None,
        public: bool = False,
        own_text: str = "",
    ):
        self._names, self._runs_dir, self.public = tuple(names), runs_dir, public
        self.closing = False  # whether streams are to end
        self.trainings = Trainings(data_dir, own_text)
        self._offers: dict[str, Offer] = {}
        self._networks = _Made(Networks, HELD)
        self._watched = _Made(lambda offer: Watched(offer.run, own_text))
        self._true = _Made(lambda offer: true_images(offer, data_dir), HELD)
        self._lock = threading.Lock()
        self._listed: tuple[float, dict[str, list]] | None = None  # until when it is good, and what was found
        self.offers()

    def offers(self) -> list[Offer]:
        """Everything that there is now."""
        found = find_offers(self._names, self._runs_dir)
        self._offers = {offer.id: offer for offer in found}
        return found

    def listed(self) -> dict[str, list]:
        """For the list on the page: "offers", everything that there is, and "unread", a sentence on each that cannot be
        read. Each page asks every few seconds whether the server is there: all that ask at once get one answer, and
        where there is so much that a look takes long, there are fewer."""
        with self._lock:
            if self._listed is None or time.monotonic() > self._listed[0]:
                began = time.monotonic()
                found, now = self._look(), time.monotonic()
                self._listed = (now + max(EVERY, LOOKING * (now - began)), found)
            return self._listed[1]

    def _look(self) -> dict[str, list]:
        plain, unread = [], []
        try:
            found = self.offers()
        except UNREADABLE as error:  # a run that was named is gone
            found = list(self._offers.values())
            unread.append(str(error))
        for offer in found:
            try:
                plain.append(offer.plain())
            except UNREADABLE as error:
                unread.append(f"{offer.title} cannot be read: {error}")
        return {"offers": plain, "unread": [self.told(one_line(sentence)) for sentence in unread]}

    def told(self, value):
        """Plain values as whoever looks may read them: others than this machine's user without its folders."""
        return without_folders(value) if self.public else value

    def offer(self, key: str) -> Offer:
        """The offer of that id.

        Raises:
            HTTPException: 404, there is none.
        """
        if key not in self._offers:
            self.offers()
        if key not in self._offers:
            raise HTTPException(404, "There is no such model or run here.")
        return self._offers[key]

    def networks(self, key: str) -> Networks:
        """Its networks."""
        return self._networks.of(self.offer(key))

    def watched(self, key: str) -> Watched:
        """Its records.

        Raises:
            HTTPException: 404, it is a model without a run.
        """
        offer = self.offer(key)
        if offer.run is None:
            raise HTTPException(404, "This is a model without a run: nothing of its training is kept.")
        return self._watched.of(offer)

    def true(self, key: str) -> TrueImages | None:
        """Its true images, where they may be shown."""
        offer = self.offer(key)
        if not may_show_true(offer, self.public):
            return None
        return self._true.of(offer)

    def snapshot(self, key: str) -> dict:
        """What there is to watch, and what a training that was started here complained of."""
        watched = self.watched(key)
        seen = watched.snapshot()
        seen = for_others(seen, self.offer(key)) if self.public else seen
        return seen | self.told(self.trainings.about(watched.run))


def read_picture(name: str, content: bytes, size: int) -> tuple[np.ndarray, str]:
    """A picture that a visitor gave, read and cropped as for training.

    Args:
        name: of its file; it is only ever put into a sentence.
        content: of its file.
        size: side of the result.

    Returns:
        uint8 (size, size, 3), and a note on what was done with it, or "".

    Raises:
        InputError: it is no picture that can be read, or too large; one sentence.
    """
    called = shorten(one_line(name), 60) or "The file"
    if len(content) > UPLOAD:
        raise InputError(f"{called} is larger than {UPLOAD >> 20} MB: make it smaller.")
    with _DECODING:
        try:
            _check_pixels(content)
            picture = decode(BytesIO(content), size, enlarge=True)
        except InputError as error:
            raise InputError(f"{called}: {error}.") from error
        except MemoryError:
            raise
        except Exception as error:  # for malformed files Pillow raises nearly every kind there is
            raise InputError(f"{called} cannot be decoded ({one_line(str(error))[:120]}).") from error
        with _quiet(content) as image:
            notes = [
                "Its first picture was taken: the file holds several." if _holds_several(image) else "",
                f"It was enlarged to {size}x{size} pixels." if min(image.size) < size else "",
            ]
    return picture, " ".join(filter(None, notes))


def _check_pixels(content: bytes) -> None:
    """Refuse a picture whose header claims more than `PIXELS`. What is no picture passes: `decode` says what it is."""
    with contextlib.suppress(UnidentifiedImageError), _quiet(content) as image:
        if image.width * image.height > PIXELS and kind_of(content[:HEAD]) != "JPEG":
            raise InputError(
                f"too large ({image.width}x{image.height} pixels; at most {PIXELS / 1e6:g} million are decoded here: "
                "make it smaller, or save it as a JPEG)"
            )


def _holds_several(image: Image.Image) -> bool:
    """Whether a file has more than one picture; of one that is cut off in its second Pillow cannot count them."""
    try:
        return getattr(image, "is_animated", False)
    except Exception:
        return True


def _quiet(content: bytes) -> Image.Image:
    """A picture whose header is read, however large; nothing is said of that."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        return Image.open(BytesIO(content), formats=FORMATS)
    finally:
        Image.MAX_IMAGE_PIXELS = limit


# --- answers ----------------------------------------------------------------------------------------------------------


def application(studio: Studio, token: str | None = None, hosts: Sequence[str] = LOOPBACK) -> "Guarded":
    """The whole server, as an ASGI application.

    Args:
        studio: what there is.
        token: what every request has to bring, or None.
        hosts: names under which it may be asked; a page elsewhere that gives this machine another name is refused.
    """

    @_answer
    def everything(request: Request, _: bytes) -> Response:
        return JSONResponse({"form": "server", **studio.listed()})

    async def page(request: Request) -> Response:
        name = request.path_params.get("name") or "index.html"
        files = {file.name: file for file in PAGE.iterdir() if file.suffix in KINDS}
        if name not in files:
            raise HTTPException(404, "There is no such page.")
        return FileResponse(files[name], media_type=KINDS[files[name].suffix])

    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return _sentence(request, error.detail, error.status_code)
        return _sentence(request, studio.told(one_line(str(error))), 400)

    routes = [
        Route("/studio.json", everything),  # before the pages, whose names it looks like
        Route("/", page),
        Route("/{name}", page),
        *_of_models(studio),
        *_of_runs(studio),
    ]
    handlers = {InputError: refused, HTTPException: refused}
    return Guarded(Starlette(routes=routes, exception_handlers=handlers), token, hosts)


def _answer(function):
    """An endpoint that runs in a thread; bad input gets its sentence."""

    @functools.wraps(function)
    async def endpoint(request: Request) -> Response:
        body = await request.body() if request.method == "POST" else b""
        return await run_in_threadpool(function, request, body)

    return endpoint


def _of_models(studio: Studio) -> list[Route]:
    """What can be asked of a model."""

    @_answer
    def model(request: Request, _: bytes) -> Response:
        key = request.path_params["key"]
        networks = studio.networks(key)
        about = describe(studio.offer(key), studio.public)
        judged = studio.offer(key).network("discriminator") is not None
        explained = judged and networks.fixed is not None
        shows = may_show_true(studio.offer(key), studio.public)
        return _json(about | {"judges": judged, "explains": explained, "true": shows})

    @_answer
    def directions(request: Request, _: bytes) -> Response:
        return _json(plain_directions(studio.networks(request.path_params["key"]).directions()))

    @_answer
    def true(request: Request, _: bytes) -> Response:
        offer = studio.offer(request.path_params["key"])
        if not may_show_true(offer, studio.public):
            raise InputError("Its true images may not be passed on.")
        shown = studio.true(offer.id)
        if shown is None:
            raise InputError(f"Its true images are not on this machine: {offer.data_title} is not where datasets are.")
        return Response(shown.packed(), media_type="application/octet-stream")

    @_answer
    def draw(request: Request, body: bytes) -> Response:
        networks = studio.networks(request.path_params["key"])
        latents, conditions = _numbers(body, networks)
        return _pixels(networks.draw(latents, conditions))

    @_answer
    def judge(request: Request, body: bytes) -> Response:
        networks = studio.networks(request.path_params["key"])
        images, rest = _images(body, networks, _count(request.query_params.get("count", "1")))
        return _floats(networks.judge(images, _conditions(rest, networks, len(images))))

    @_answer
    def explain(request: Request, body: bytes) -> Response:
        networks = studio.networks(request.path_params["key"])
        images, _ = _images(body, networks, 1)
        asked = request.query_params
        maps = networks.explain(images[0], asked.get("method", ""), asked.get("weights") == "random")
        return _floats(maps)

    @_answer
    def over_time(request: Request, body: bytes) -> Response:
        networks = studio.networks(request.path_params["key"])
        images, rest = _images(body, networks, 1)
        logits = networks.over_time(images, _conditions(rest, networks, 1))
        return JSONResponse({"unit": _unit(networks.offer), "logits": logits})

    @_answer
    def picture(request: Request, body: bytes) -> Response:
        size = studio.offer(request.path_params["key"]).experiment.model.image_size
        image, note = read_picture(request.query_params.get("name", ""), body, size)
        return _pixels(image[None], {"X-Note": note})

    @_answer
    def condition(request: Request, body: bytes) -> Response:
        if len(body) > TEXT:
            raise HTTPException(413, "That is too long: ask in fewer words.")
        text = parse_qs(body.decode("utf-8", "replace")).get("text", [""])[0]
        return _floats(studio.networks(request.path_params["key"]).condition(text[:1000]))

    posted = {
        "draw": draw, "judge": judge, "explain": explain, "over_time": over_time, "picture": picture,
        "condition": condition,
    }  # fmt: skip
    return [
        Route("/models/{key}/model.json", model),
        Route("/models/{key}/directions.json", directions),
        Route("/models/{key}/true.bin", true),
        *(Route(f"/models/{{key}}/{name}", endpoint, methods=["POST"]) for name, endpoint in posted.items()),
    ]


def _of_runs(studio: Studio) -> list[Route]:
    """What can be asked of a run, and done with it."""

    @_answer
    def run(request: Request, _: bytes) -> Response:
        return _json(studio.snapshot(request.path_params["key"]))

    @_answer
    def grid_of(request: Request, _: bytes) -> Response:
        watched, name = studio.watched(request.path_params["key"]), request.path_params["name"]
        run = watched.run
        served = {file.name: file for file in (run.folder / "grids").glob("*_[0-9]*.png")}
        if may_show_true(studio.offer(request.path_params["key"]), studio.public):
            served[run.true_grid.name] = run.true_grid
        if name not in served or not served[name].is_file():
            raise HTTPException(404, "There is no such grid.")
        return FileResponse(served[name], media_type="image/png")

    @_answer
    def film(request: Request, _: bytes) -> Response:
        file = studio.watched(request.path_params["key"]).run.film
        if not file.is_file():
            raise HTTPException(404, "This run has no film yet.")
        return FileResponse(file, media_type="video/mp4")

    @_answer
    def report(request: Request, _: bytes) -> Response:
        key, name = request.path_params["key"], request.path_params["name"]
        file = report_files(studio.watched(key).run).get(name)
        if file is None or not file.is_file() or not may_show_true(studio.offer(key), studio.public):
            raise HTTPException(404, "This run has no report yet, or it may not be passed on.")
        return FileResponse(file, headers={"content-security-policy": REPORT_POLICY})

    @_answer
    def make_report(request: Request, _: bytes) -> Response:
        key = request.path_params["key"]
        if not may_show_true(studio.offer(key), studio.public):
            raise InputError("A report shows true images, and these may not be passed on.")
        return JSONResponse({"said": studio.trainings.report(studio.watched(key).run)})

    @_answer
    def stop(request: Request, _: bytes) -> Response:
        return JSONResponse({"said": studio.trainings.stop(studio.watched(request.path_params["key"]).run)})

    @_answer
    def go_on(request: Request, _: bytes) -> Response:
        return JSONResponse({"said": studio.trainings.go_on(studio.watched(request.path_params["key"]).run)})

    async def events(request: Request) -> Response:
        key = request.path_params["key"]

        def look() -> str:
            return plain_json(studio.snapshot(key))

        first = await run_in_threadpool(look)

        async def stream():
            said, waited, snapshot = "", 0.0, first
            yield "retry: 1000\n\n"
            while not (studio.closing or await request.is_disconnected()):
                waited += EVERY
                if snapshot != said:
                    yield f"data: {snapshot}\n\n"
                    said, waited = snapshot, 0.0
                elif waited >= 15:
                    yield ": still here\n\n"
                    waited = 0.0
                await asyncio.sleep(EVERY)
                try:
                    snapshot = await run_in_threadpool(look)
                except (*UNREADABLE, HTTPException):  # it is gone, or damaged: who asks again is told
                    return

        return StreamingResponse(stream(), media_type="text/event-stream")

    posted = {"report": make_report, "stop": stop, "go_on": go_on}
    return [
        Route("/runs/{key}/run.json", run),
        Route("/runs/{key}/events", events),
        Route("/runs/{key}/grids/{name}", grid_of),
        Route("/runs/{key}/training.mp4", film),
        Route("/runs/{key}/{name:str}", report),
        *(Route(f"/runs/{{key}}/{name}", endpoint, methods=["POST"]) for name, endpoint in posted.items()),
    ]


class Guarded:
    """An application behind the checks that every request has to pass.

    - Its Host must be one of the names under which the server is meant to be asked, so that a page elsewhere cannot
      reach it by a name of its own that leads to this machine (DNS rebinding).
    - What changes something must bring a header that pages elsewhere cannot send without being asked first (CSRF).
    - Where there is a token, it comes once in the address, and then in a cookie.
    - No body is longer than `BODY`.
    """

    def __init__(self, inner: Starlette, token: str | None, hosts: Sequence[str]):
        self._inner, self._token, self._hosts = inner, token, {host.lower() for host in hosts}
        self._cookie = quote(token or "", safe="")  # a cookie holds few characters

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return await self._inner(scope, receive, send)
        request = Request(scope, receive)
        refusal = self._refusal(request)
        if refusal is None:
            received = 0

            async def limited():
                nonlocal received
                message = await receive()
                received += len(message.get("body", b""))
                if received > BODY:
                    raise HTTPException(413, _TOO_LARGE)
                return message

            return await self._inner(scope, limited, functools.partial(_with_headers, send))
        await refusal(scope, receive, functools.partial(_with_headers, send))

    def _refusal(self, request: Request) -> Response | None:
        if self._hosts and _asked_by(request) not in self._hosts:
            return _sentence(request, "This server is not to be asked by that name.", 403)
        if self._token is not None:
            cookie = COOKIE.format(port=request.scope["server"][1])
            given = request.query_params.get("token")
            if given is not None and secrets.compare_digest(given.encode(), self._token.encode()):
                here = "/" + request.url.path.lstrip("/\\")  # two of them would name another server
                answer = RedirectResponse(here, 303)  # so that it does not stay in the address
                # "lax": a link in a course's own pages leads here, too, and what changes something is guarded below.
                answer.set_cookie(cookie, self._cookie, httponly=True, samesite="lax")
                return answer
            if not secrets.compare_digest(request.cookies.get(cookie, "").encode(), self._cookie.encode()):
                said = "The studio asks for the token: open the address that `./dcgan studio` has printed."
                return _sentence(request, said, 401)
        if request.method not in ("GET", "HEAD", "POST"):
            return JSONResponse({"error": "Such requests are not answered here."}, 405)
        if request.method == "POST" and request.headers.get("x-studio") != "1":
            return JSONResponse({"error": "Only the studio's own page may ask for this."}, 403)
        length = _whole(request.headers.get("content-length", "0"))
        if length is None or length > BODY:
            return JSONResponse({"error": _TOO_LARGE}, 413)
        return None


def _asked_by(request: Request) -> str:
    """The name by which the server is asked; "" if the header is not one of a name and a port.

    `request.url` does not tell it: in place of a header that it cannot read it has this machine's own name.
    """
    asked = _HOST.fullmatch(request.headers.get("host", ""))
    return asked[1].strip("[]").lower() if asked else ""


def _sentence(request: Request, sentence: str, status: int) -> Response:
    """A sentence, for the page as JSON, and for who has opened an address as a page."""
    if request.headers.get("sec-fetch-mode") != "navigate":
        return JSONResponse({"error": sentence}, status)
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>DCGAN studio</title><link rel="stylesheet" href="/studio.css"><main><h1>DCGAN studio</h1>'
        f'<p class="lead">{html.escape(sentence)}</p></main></html>',
        status,
    )


_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?", re.IGNORECASE)
_TOO_LARGE = f"That is larger than {UPLOAD >> 20} MB: make it smaller."
_HEADERS = [
    (b"content-security-policy", f"{POLICY}; frame-ancestors 'none'".encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


async def _with_headers(send, message) -> None:
    if message["type"] == "http.response.start":
        own = message.get("headers", [])
        message = message | {"headers": [*own, *(one for one in _HEADERS if one[0] not in dict(own))]}
    await send(message)


def _json(value: object) -> Response:
    return Response(plain_json(value), media_type="application/json")


def _unit(offer: Offer) -> str:
    return offer.run.unit if offer.run else "epoch"


def _count(text: str) -> int:
    count = _whole(text)
    if count is None:
        received = shorten(one_line(text), 60)
        raise InputError(f"How many pictures there are is a whole number, 1 to {MOST}. Received: {received!r}.")
    return count


def _whole(text: str) -> int | None:
    """A whole number of a request; None if it is none, or has more digits than any that means something here (of
    thousands Python makes no number)."""
    return int(text) if text.isdecimal() and len(text) <= 20 else None


def _pixels(images: np.ndarray, headers: dict[str, str] | None = None) -> Response:
    count, size = images.shape[:2]
    headers = (headers or {}) | {"X-Count": str(count), "X-Size": str(size)}
    headers = {name: value.encode("ascii", "ignore").decode() for name, value in headers.items()}
    return Response(np.ascontiguousarray(images).tobytes(), media_type="application/octet-stream", headers=headers)


def _floats(values: np.ndarray) -> Response:
    shape = {"X-Shape": ",".join(map(str, values.shape))}
    return Response(np.ascontiguousarray(values, "<f4").tobytes(), media_type="application/octet-stream", headers=shape)


def _numbers(body: bytes, networks: Networks) -> tuple[np.ndarray, np.ndarray | None]:
    """Latents, and conditions of a conditional model: a row of float32 for each picture."""
    sampler = networks.sampler
    wide = 0 if sampler.conditions is None else sampler.conditions.shape[1]
    values = _as_floats(body, sampler.latent_dim + wide)
    return values[:, : sampler.latent_dim], values[:, sampler.latent_dim :] if wide else None


def _as_floats(body: bytes, columns: int) -> np.ndarray:
    if len(body) % (4 * columns) or not body or len(body) > 4 * columns * MOST:
        raise InputError(f"Rows of {columns} float32 values are expected, 1 to {MOST}. Received: {len(body)} bytes.")
    values = np.frombuffer(body, "<f4").reshape(-1, columns)
    if not np.isfinite(values).all():
        raise InputError("Latents and conditions must be finite numbers.")
    return np.array(values, np.float32)


def _images(body: bytes, networks: Networks, count: int) -> tuple[np.ndarray, bytes]:
    """Pictures, and what follows them."""
    size = networks.offer.experiment.model.image_size
    needed = count * size * size * 3
    if not 1 <= count <= MOST or len(body) < needed:
        raise InputError(f"1 to {MOST} pictures of {size}x{size} pixels are expected. Received: {len(body)} bytes.")
    return np.frombuffer(body[:needed], np.uint8).reshape(count, size, size, 3), body[needed:]


def _conditions(rest: bytes, networks: Networks, count: int) -> np.ndarray | None:
    if not networks.offer.experiment.model.is_conditional:
        return None
    rows = _as_floats(rest, networks.sampler.conditions.shape[1])
    if len(rows) != count:
        raise InputError("Each picture needs a condition.")
    return rows


# --- serving ----------------------------------------------------------------------------------------------------------


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        InputError: the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen()  # who has read the address need not wait
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, (socket.gaierror, UnicodeError)) or getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
            raise InputError(
                f"--host must be an address of this machine, such as 0.0.0.0 for all that it has. Received: "
                f"{one_line(host)} ({reason})."
            ) from error
        raise InputError(f"Port {port} of {host} cannot be had ({reason}): choose another --port.") from error
    return opened


class _Server(uvicorn.Server):
    """Tells the studio that it closes, before it waits for its answers: streams would go on, and be broken off."""

    def __init__(self, settings: uvicorn.Config, studio: Studio):
        super().__init__(settings)
        self._studio = studio

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._studio.closing = True
        super().handle_exit(sig, frame)


def server_for(served: Guarded, studio: Studio) -> uvicorn.Server:
    """What answers requests: `.run(sockets=[opened])` does until Ctrl-C or SIGTERM."""
    settings = uvicorn.Config(
        served, log_level="warning", access_log=False, timeout_graceful_shutdown=CLOSING, server_header=False,
        lifespan="off",
    )  # fmt: skip
    return _Server(settings, studio)
