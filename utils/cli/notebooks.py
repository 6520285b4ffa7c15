"""`./dcgan notebooks` and `./dcgan lab`."""

import importlib.util
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from utils import start
from utils.cli.places import DataDir, RunsDir
from utils.cli.text import short
from utils.errors import InputError
from utils.files import appears_whole, expanded, write_text
from utils.presets import SCALES
from utils.tables import table

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "notebooks"


@dataclass(frozen=True)
class Notebooks:
    """Run notebooks from top to bottom, each in a fresh kernel, into a folder; those in notebooks/ stay as they are."""

    names: Annotated[Positional[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Which: "01_cifar10", "cifar10" or "01"; all by default."""
    data: str | None = None
    """Another dataset, or a folder of pictures, in place of the notebook's own."""
    scale: Literal[SCALES] | None = None  # type: ignore[valid-type]
    """quick: minutes on a CPU. report: the report's epochs and batches, for a GPU. smallest: seconds. By default what
    the notebook says, which is quick."""
    seed: int | None = None
    """Another seed."""
    out: Path | None = None
    """Folder for the executed notebooks; saved_models/notebooks/ by default, beside the runs that they name."""
    runs_dir: RunsDir = None
    data_dir: DataDir = None
    list: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Only list them."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the list as JSON."""

    def run(self) -> None:
        chosen = _choose(self.names)
        if self.json and not self.list:
            raise InputError("--json prints a list: add --list.")
        if self.list:
            return _print_list(chosen, self.json)
        from utils.data.catalogue import find_entry, find_source, say_if_ambiguous
        from utils.runs import runs_folder

        own_pictures = self.data is not None and find_entry(self.data) is None
        if own_pictures:
            find_source(self.data)  # refuses what is no picture at once, not in the middle of a notebook
        elif self.data is not None:
            say_if_ambiguous(self.data, self.data_dir)
        given = {
            "scale": self.scale,
            "data": _in_full(self.data) if own_pictures else self.data,
            "seed": self.seed,
            "runs_dir": _in_full(self.runs_dir),
            "data_dir": _in_full(self.data_dir),
        }
        for notebook in chosen:
            target = (self.out or (self.runs_dir or runs_folder()) / "notebooks") / notebook.name
            _execute(notebook, target, {name: value for name, value in given.items() if value is not None})
            print(short(target))


@dataclass(frozen=True)
class Lab:
    """Open the notebooks in Jupyter Lab, with the project's own Python."""

    name: Annotated[Positional[str | None], arg(metavar="NAME")] = None
    """The notebook to open: "01_cifar10", "cifar10" or "01"; the folder by default."""
    port: int | None = None
    """Port of the server; a free one by default."""
    ip: str = "localhost"
    """Address to listen on; 0.0.0.0 lets other machines in, which then need the token that Jupyter prints."""
    browser: bool = True
    """Open a browser."""

    def run(self) -> None:
        page = f"notebooks/{_choose((self.name,))[0].name}" if self.name else "notebooks"
        if importlib.util.find_spec("jupyterlab") is None:
            raise InputError(
                f"Jupyter Lab is not installed for {sys.executable}: run ./dcgan lab, which sets up the project's own "
                "environment, or install requirements.txt."
            )
        # The root is the project, so that code and results can be opened, too; kernels start in a notebook's folder.
        options = [f"--ServerApp.root_dir={PROJECT}", f"--LabApp.default_url=/lab/tree/{page}", f"--ip={self.ip}"]
        options += [f"--port={self.port}"] if self.port is not None else []
        options += [] if self.browser else ["--no-browser"]
        options += ["--allow-root"] if os.geteuid() == 0 else []  # as in a container; Jupyter would refuse to start
        _let_kernels_start_apart()
        sys.stdout.flush()
        os.chdir(PROJECT)  # Jupyter would read settings from the current folder
        os.execv(sys.executable, start.command("jupyterlab", *options))


def _choose(names: tuple[str, ...]) -> list[Path]:
    """The notebooks that are meant, in their order; all if none is named."""
    known = sorted(FOLDER.glob("*.ipynb"))
    if not known:
        raise InputError(f"There are no notebooks in {FOLDER}.")
    chosen = set()
    for name in names:
        meant = [path for path in known if Path(name).stem in (path.stem, *path.stem.split("_", 1))]
        if not meant:
            raise InputError(f"There is no notebook {name!r}; choose one of {', '.join(p.stem for p in known)}.")
        chosen |= set(meant)
    return sorted(chosen) or known


def _execute(notebook: Path, target: Path, parameters: dict) -> None:
    """Run a notebook in a kernel of its own and write it, with its outputs, to `target`.

    Raises:
        InputError: a cell failed; the notebook up to there is kept beside `target`.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    _let_kernels_start_apart()
    failed = target.with_stem(f"{target.stem}-failed")
    failed.unlink(missing_ok=True)
    with appears_whole(target) as temporary, tempfile.TemporaryDirectory() as nobodys:
        try:
            papermill.execute_notebook(
                nbformat.read(notebook, nbformat.NO_CONVERT),
                str(temporary).replace("{", "{{").replace("}", "}}"),  # papermill fills in what stands in braces
                parameters,
                kernel_name="python3",
                progress_bar={"desc": notebook.stem},
                cwd=notebook.parent,
                # What a cell says is in the notebook, logs would come here; the user's IPython may start anything.
                extra_arguments=["--log-level=CRITICAL", f"--ipython-dir={nobodys}"],
            )
        except PapermillExecutionError as error:
            write_text(failed, _cleaned(temporary))
            first_line = error.source.strip().splitlines()[0]
            raise InputError(
                f"{notebook.name} failed in cell [{error.exec_count}] ({first_line}): {error.ename}: "
                f"{' '.join(error.evalue.split()).rstrip('.')}; the notebook up to there is {short(failed)}."
            ) from error
        except DeadKernelError as error:
            raise InputError(
                f"The kernel of {notebook.name} died, most likely for want of memory; free some, or take a smaller "
                "--scale."
            ) from error
        temporary.write_text(_cleaned(temporary), encoding="utf-8")


def _cleaned(path: Path) -> str:
    """An executed notebook without what belongs to this execution only: times, paths, progress bars gone stale."""
    import nbformat

    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for cell in notebook.cells:
        cell.metadata = {"tags": cell.metadata.tags} if cell.metadata.get("tags") else {}
        if cell.cell_type == "code":
            cell.outputs = [
                o for o in cell.outputs if "application/vnd.jupyter.widget-view+json" not in o.get("data", {})
            ]
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def _in_full(path: str | Path | None) -> str | None:
    """A path for the kernels, which do not run in the folder that the user named it from."""
    return None if path is None else str(expanded(path).resolve())


def _let_kernels_start_apart() -> None:
    """The kernel "python3" is the one in `kernels/` here, wherever the user has installed others of that name: it runs
    the Python of the project's environment through `start.py`, so that the project is found and nothing else is."""
    paths = [str(Path(__file__).parent), *filter(None, os.environ.get("JUPYTER_PATH", "").split(os.pathsep))]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(dict.fromkeys(paths))


def _print_list(notebooks: list[Path], as_json: bool) -> None:
    rows = []
    for path in notebooks:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        title = next((line for cell in cells for line in "".join(cell["source"]).splitlines() if line), "")
        rows.append({"notebook": path.stem, "about": title.lstrip("# ")})
    print(json.dumps(rows, indent=2, ensure_ascii=False) if as_json else table(rows))
