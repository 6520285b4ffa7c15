"""Options that many commands have: where things are, and in which form they are told."""

from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg

RunsDir = Annotated[Path | None, arg(help="Folder of the runs; saved_models/ by default.")]
DataDir = Annotated[Path | None, arg(help="Folder of the datasets; data/ by default.")]
LatentOut = Annotated[
    Path | None,
    arg(help="The folder to write to; by default latent/ in the run's folder, or here, named after the model."),
]
Json = Annotated[bool, FlagCreatePairsOff, arg(help="Print JSON.")]
