"""`./dcgan completion`."""

import importlib
from dataclasses import dataclass
from typing import Annotated, Literal, Union

from tyro.conf import Positional, arg, subcommand

from utils.cli.options import print_completion


@dataclass(frozen=True)
class Completion:
    """Print a script that lets a shell complete commands, options and their choices.

    bash: add the line `source <(/path/to/dcgan completion bash)` to ~/.bashrc. zsh: write it to a file _dcgan in a
    folder of $fpath.
    """

    shell: Annotated[Positional[Literal["bash", "zsh"]], arg(metavar="SHELL")]
    """bash or zsh."""

    def run(self) -> None:
        from utils.cli import COMMANDS

        kinds = []
        for name, place in COMMANDS.items():
            module, class_name = place.split(":")
            command = getattr(importlib.import_module(f"utils.cli.{module}"), class_name)
            default = {"default": command.default([])} if name == "train" else {}
            kinds.append(Annotated[command, subcommand(name, **default)])
        print_completion(Union[tuple(kinds)], self.shell)  # noqa: UP007
