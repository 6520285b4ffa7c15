"""`./dcgan studio`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from utils.cli.places import DataDir, RunsDir
from utils.errors import InputError
from utils.text import one_line


@dataclass(frozen=True)
class Studio:
    """A page to draw, walk, add, ask, judge, guess and watch, in the browser.

    It is served on this machine, with the networks in Python; trainings that are under way can be watched, stopped and
    gone on with. With --export it becomes static files for any web space, with the networks in the reader's browser.
    """

    names: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN|MODEL")] = ()
    """What to show: runs, and models that come with the project; everything by default (of an export: the models)."""
    port: int = 8123
    """Where to serve: http://localhost:PORT/; 0 for any that is free."""
    host: str = "127.0.0.1"
    """By default only this machine can look. With another address (0.0.0.0 for all that it has) others can, too, if
    they have the token that is printed; who has it can stop trainings and go on with them, too. Nothing is encrypted:
    only in a network that you trust."""
    token: str | None = None
    """With --host: the token, so that it stays the same when the server is started again; a new one by default."""
    export: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Write static files to this folder instead of serving."""
    runs_dir: RunsDir = None
    data_dir: DataDir = None

    def run(self) -> None:
        if self.export is None:
            _serve(self)
            return
        serving = [name for name in ("host", "port", "token") if getattr(self, name) != getattr(Studio, name)]
        if serving:
            raise InputError(
                "--export writes files, which are served by whatever web space they are put on. Received with it: "
                f"{', '.join(f'--{name}' for name in serving)}; leave out one or the other."
            )
        _export(self)


def _serve(options: Studio) -> None:
    from utils.studio.offers import LOOPBACK, find_offers

    public = options.host not in LOOPBACK
    if not 0 <= options.port <= 65_535:
        raise InputError(f"--port must lie between 0 and 65535. Received: {options.port}.")
    if options.token is not None and (not public or len(options.token) < 8):
        raise InputError("--token goes with --host, and has at least 8 characters: others could guess a shorter one.")
    find_offers(options.names, options.runs_dir)  # what does not exist is said at once
    from utils import runtime

    runtime.start()
    import secrets
    from urllib.parse import quote

    from utils.report.grade import OWN_TEXT
    from utils.studio.server import Studio, application, listen, server_for

    token = (options.token or secrets.token_urlsafe(16)) if public else None
    opened = listen(options.host, options.port)
    studio = Studio(options.names, options.runs_dir, options.data_dir, public, OWN_TEXT)
    host = "localhost" if not public else options.host
    address = f"http://{f'[{host}]' if ':' in host else host}:{opened.getsockname()[1]}/"
    query = f"?token={quote(token, safe='')}" if token else ""
    print(f"The studio is open: {address}{query}\nCtrl-C closes it.", flush=True)
    server_for(application(studio, token, () if public else LOOPBACK), studio).run(sockets=[opened])


def _export(options: Studio) -> None:
    from utils.studio.offers import find_offers

    offers = find_offers(options.names, options.runs_dir)
    offers = offers if options.names else [offer for offer in offers if offer.run is None]
    from utils import runtime

    runtime.start()
    from utils.studio.export import export

    size = export(options.export, offers, options.data_dir, lambda what: print(f"{one_line(what)} …", file=sys.stderr))
    folder = one_line(str(options.export))
    print(
        f"{folder}: {size / 1e6:.0f} MB, for any web space. To look at it here:\n"
        f"  python3 -m http.server --bind 127.0.0.1 --directory {folder} 8124"
    )
