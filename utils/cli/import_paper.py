"""`./dcgan import-paper`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from utils.cli.text import short
from utils.errors import InputError
from utils.text import command


@dataclass(frozen=True)
class ImportPaper:
    """Make a model of the networks that the paper's authors released for SVHN; other commands then take its name.

    `bash data_scripts/get_paper_weights.sh` fetches them.
    """

    folder: Annotated[Positional[Path], arg(metavar="FOLDER")]
    """Where their arrays are (200_gen_params.jl_01.npy and on)."""
    name: Annotated[Positional[str], arg(metavar="NAME")]
    """What to call the model; it goes to saved_models/pretrained/."""
    anyway: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Replace a model that has this name already."""

    def run(self) -> None:
        from utils import pretrained, runtime

        pretrained.check_name(self.name)
        if not self.anyway and pretrained.find(self.name):
            raise InputError(
                f"There is a model {self.name} already: choose another name, or add --anyway to replace it."
            )
        if not self.folder.is_dir():
            raise InputError(
                f"There is no folder {self.folder}; `bash data_scripts/get_paper_weights.sh` fetches one, and says "
                "where it is."
            )
        runtime.start()
        from utils.paper_weights import import_paper

        model = import_paper(self.folder, self.name)
        print(f"{short(model.folder)}\nNext: {command('sample', self.name)}")
