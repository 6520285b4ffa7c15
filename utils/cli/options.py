"""How options are read: with tyro, errors in one sentence, and a help that says the most important things first.

tyro's hook for errors is private to it (`tyro._errors`); its version is pinned in requirements.txt, and tests hold each
kind of error. A kind that is not known here keeps tyro's own message.
"""

import dataclasses
import difflib
import itertools
import os
import typing
from typing import Annotated

import tyro
from tyro import _errors
from tyro.conf import arg
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

from utils import config
from utils.errors import InputError


def as_meant(options: list[str]) -> list[str]:
    """Options with `~` as the shell would have read it: it leaves `--out=~/x` and quoted text to the program.

    Raises:
        InputError: an option, or a name, is empty. `--data ""` most likely comes from a variable that is not set, and
            an empty path would be the current folder.
    """
    meant, before = [], ""
    for option in options:
        name, equals, value = option.partition("=") if option.startswith("-") else ("", "", option)
        if not value and (equals or not option):
            what = name or (before if before.startswith("-") else "an argument")
            raise InputError(f"The value of {what} is empty; is a variable not set? Give a value, or leave it out.")
        meant.append(name + equals + os.path.expanduser(value))
        before = option
    return meant


def todays(options: list[str]) -> list[str]:
    """Options by today's names, from those of any version (see `config.modern`); augmentations may be parted by commas.

    `--averaging 0.9` becomes `--ema-decay 0.9`, `--batch-norm moving` becomes `--batch-norm on --statistics moving`,
    `--augment colour,cutout` becomes `--augment colour cutout`.
    """
    renamed = {f"--{old}".replace("_", "-"): f"--{new}".replace("_", "-") for old, new in config.RENAMED.items()}
    apart: list[str] = []
    for option in options:
        name, equals, value = option.partition("=") if option.startswith("--") else (option, "", "")
        name = name.replace("_", "-") if name.startswith("--") else name
        name = renamed.get(name, name)
        apart += [name, value] if equals and name in ("--batch-norm", "--augment") else [name + equals + value]
    result, of = [], ""  # the option that a value belongs to
    for option in apart:
        if option.startswith("-"):
            of = option
            result.append(option)
        elif of == "--batch-norm" and result[-1] == of and option in config.STATISTICS:
            result += ["on", "--statistics", option]
        elif of == "--augment":
            result += filter(None, option.split(","))
        else:
            result.append(option)
    return result


def read(command: type, options: list[str], name: str, default: object = None):
    """The command that the options describe.

    Args:
        command: its dataclass. A tuple `first` of it names fields, also such of sections without a prefix of their own,
            that the help lists first.
        options: what the user typed, as `as_meant` gives it.
        name: what it is called.
        default: an instance with the values of what is not among the options.

    Raises:
        InputError: an option that does not exist, a wrong choice, a value that is missing or of the wrong kind.
        SystemExit: help was asked for and is printed.
    """

    def refuse(event: _errors.ParseErrorEvent) -> None:
        if sentence := _in_a_sentence(event, command, options):
            raise InputError(f"{sentence} `{event.prog} --help` explains all options.")

    with _errors.on_parse_error(refuse):
        return tyro.cli(command, args=options, prog=f"./dcgan {name}", default=default, registry=_REGISTRY)


def print_completion(commands: object, shell: str) -> None:
    """Print the script with which a shell completes the options of a union of commands; tyro makes it."""
    tyro.cli(commands, args=["--tyro-print-completion", shell], prog="dcgan", registry=_REGISTRY)


_KINDS = {"INT": "a whole number", "FLOAT": "a number", "[INT [INT ...]]": "whole numbers"}


def _in_a_sentence(event: _errors.ParseErrorEvent, command: type, options: list[str]) -> str | None:
    if isinstance(event, _errors.UnrecognizedArgs):
        wrong = event.tokens[0].partition("=")[0]
        if not wrong.startswith("-"):
            return f"{wrong!r} is one argument too many."
        spelt = {option.lstrip("-"): option for option in _spellings(command)}  # dashes are alike in all of them
        near = [spelt[name] for name in difflib.get_close_matches(wrong.lstrip("-"), spelt, 2)]
        return f"There is no option {wrong}{', did you mean ' + ' or '.join(near) + '?' if near else '.'}"
    if isinstance(event, _errors.InvalidChoice):
        choices = [choice for choice in event.choices if choice != "None"]  # which cannot be given
        choices = choices if len(choices) == len(event.choices) else sorted(choices)  # beside None they have no order
        choices = ", ".join(choices)
        return f"{_called(event.argument)} must be one of {choices}. Received: {event.value!r}."
    if isinstance(event, _errors.BadValue):
        return f"{_called(event.argument)} needs a value."
    if isinstance(event, _errors.MissingArgs):
        return f"{', '.join(_called(missing.arg) for missing in event.missing_arguments)} must be given."
    if isinstance(event, _errors.InstantiationFailure) and event.argument:
        kind = event.argument.lowered.metavar.removeprefix("{None}|")
        received = _received(options, event.argument.lowered.name_or_flags)
        return f"{_called(event.argument)} must be {_KINDS.get(kind, kind)}. Received: {received!r}."
    return None


def _received(options: list[str], names: tuple[str, ...]) -> str:
    """The value, or values, of an option."""
    for place in reversed(range(len(options))):
        name, equals, value = options[place].partition("=")
        if name.replace("_", "-") in names:
            following = itertools.takewhile(lambda option: not option.startswith("--"), options[place + 1 :])
            return value if equals else " ".join(following)
    return ""


def _called(argument) -> str:
    return argument.lowered.metavar if argument.is_positional() else argument.display_name()


def _spellings(command: type, prefix: str = "--") -> list[str]:
    """All options of a command; a switch has a second one, which turns it off."""
    kinds, found = typing.get_type_hints(command, include_extras=True), []
    for field in dataclasses.fields(command):
        kind = kinds[field.name]
        name, kind = _own_name(kind, field.name), getattr(kind, "__origin__", kind)
        if tyro.conf.Suppress in getattr(kinds[field.name], "__metadata__", ()):
            continue  # no option, but what a command is given beside its options
        if dataclasses.is_dataclass(kind):
            found += _spellings(kind, f"{prefix}{name}." if name else prefix)
        else:
            name = name.replace("_", "-")
            found += [prefix + name, *([f"{prefix}no-{name}"] if kind is bool else [])]
    return found


# --- what the help lists, and in which order --------------------------------------------------------------------------

_REGISTRY = ConstructorRegistry()
_asking = False  # whether the rule below is asking for what tyro would do without it


@_REGISTRY.struct_rule
def _rule(info: StructTypeInfo) -> StructConstructorSpec | None:
    """A command: its sections' options among its own, the first first, no default where it says nothing."""
    if _asking or not dataclasses.is_dataclass(info.type):
        return None
    spec = _flat(info.type, info.default)
    first = getattr(info.type, "first", ())
    fields = sorted(spec.fields, key=lambda f: first.index(f.name) if f.name in first else len(first))
    return StructConstructorSpec(spec.instantiate, tuple(map(_readable, fields)))


def _flat(kind: type, default: object) -> StructConstructorSpec:
    """What tyro makes of a dataclass, with the fields of its sections that have no prefix (`arg(name="")`) inside."""
    global _asking
    _asking = True
    try:
        spec = ConstructorRegistry.get_struct_spec(StructTypeInfo.make(kind, default, False))
    finally:
        _asking = False
    sections = {
        f.name: _flat(f.type, f.default)
        for f in spec.fields
        if _own_name(f.type, f.name) == "" and dataclasses.is_dataclass(getattr(f.type, "__origin__", None))
    }
    fields = [inner for f in spec.fields for inner in (sections[f.name].fields if f.name in sections else (f,))]

    def instantiate(**values):
        for name, section in sections.items():
            values[name] = section.instantiate(**{f.name: values.pop(f.name) for f in section.fields})
        return spec.instantiate(**values)

    instantiate.__doc__ = kind.__doc__  # which the help begins with
    return StructConstructorSpec(instantiate, tuple(fields))


def _own_name(kind: object, name: str) -> str:
    """What a field is called on the command line."""
    names = [about.name for about in getattr(kind, "__metadata__", ()) if getattr(about, "name", None) is not None]
    return names[-1] if names else name


def _readable(field: StructFieldSpec) -> StructFieldSpec:
    """A field whose help is filled anew. No value is not said, as "(default: None)", nor can it be given."""
    kind = field.type
    if field.default is None or field.default in ("", ()):
        kind = Annotated[kind, arg(help_behavior_hint=""), tyro.conf.DisallowNone]
    about = field.helptext

    def helptext() -> str | None:
        text = about() if callable(about) else about
        return text and " ".join(text.split())

    return dataclasses.replace(field, type=kind, helptext=helptext)
