"""What commands kept of a run or a model, if it can be read and is of the weights that are there now.

They write down the SHA-256 of the networks that they looked at, as `evaluate` does; what was kept before they did is
taken for that of the weights that are there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.files import digest, read_json
from utils.registries import PLAYERS
from utils.report.kept import NotKeptError

if TYPE_CHECKING:
    from utils.report.of_networks import Subject

_ODD = (LookupError, TypeError, ValueError, AttributeError)  # what reading a record raises that is built otherwise


@dataclass(frozen=True)
class Explained:
    """What `explain` found.

    Attributes:
        folder: where its pictures are.
        about: which images it looked at.
        findings: "claim", "measured" and "control" of each, in words.
        made: names of the sections that found something; pictures of others were left by an earlier call.
        lacks: why something could not be done, a sentence each.
    """

    folder: Path
    about: str
    findings: list[dict[str, str]]
    made: set[str]
    lacks: list[str]


@dataclass(frozen=True)
class ReadOff:
    """What a linear classifier reads off a discriminator, as `features` measured it.

    Attributes:
        caption: of which images, by which protocol.
        rows: a table like the paper's.
        remarks: how far it is ahead of random weights, where that was measured, and a caution where published rows
            are of other images or labels, in a sentence each.
    """

    caption: str
    rows: list[dict]
    remarks: list[str]


def explained(subject: "Subject") -> Explained:
    """What `explain` found of a subject.

    Raises:
        NotKeptError: nothing was made, or it cannot be read, or it is of earlier weights.
    """
    folder = subject.run.folder / "explain" if subject.run else Path(f"{subject.title}-explain")
    what = "heat maps, their checks and the search for copies"
    record = _record(subject, folder / "explain.json", f"{what} were", "made")
    try:
        sections = record["sections"]
        findings = [
            {name: str(finding[name]) for name in ("claim", "measured", "control")}
            for section in sections
            for finding in section["findings"]
        ]
        made = {section["name"] for section in sections if section["findings"]}
        lacks = [str(section["missing"]) for section in sections if section["missing"]]
        return Explained(folder, str(record["about"]), findings, made, lacks)
    except _ODD as error:
        raise NotKeptError(f"{what} cannot be read from explain.json") from error


def features_file(subject: "Subject") -> Path:
    """Where what `features --json` prints is kept."""
    return subject.run.folder / "features.json" if subject.run else Path(f"{subject.title}-features.json")


def read_off(subject: "Subject") -> ReadOff:
    """What `features` measured of a subject.

    Raises:
        NotKeptError: nothing was kept, or it cannot be read, or it is of earlier weights.
    """
    from utils.features.comparison import as_table, caution_in_words, margin_in_words

    file, what = features_file(subject), "what a linear classifier reads off its discriminator"
    record = _record(subject, file, f"{what} was", "measured")
    try:
        caption, rows = f"{record['data']['title']}, protocol {record['protocol']}", as_table(record)
        if not rows:
            raise ValueError("a table has rows")
        margin = [margin_in_words(record)] if record["margin"] else []
        return ReadOff(caption, rows, [*margin, *filter(None, [caution_in_words(record)])])
    except _ODD as error:
        raise NotKeptError(f"{what} cannot be read from {file.name}") from error


def walked(subject: "Subject") -> tuple[dict[str, list[Path]], list[str]]:
    """Pictures of what `walk`, `arithmetic`, `directions` and `invert` made of a subject, by the name of their folder,
    and names of folders that were made of earlier weights.

    Of a folder whose records name their files it is these: others were left by an earlier call, maybe of other weights.
    """
    folders, made, earlier = (subject.run.folder / "latent").glob("*/") if subject.run else (), {}, []
    for folder in sorted(folders):
        try:
            named = [_files_of(_record(subject, file, "", "")) for file in folder.glob("*.json")]
        except NotKeptError:
            earlier.append(folder.name)
            continue
        own = None if None in named or not named else {name for names in named for name in names}
        made[folder.name] = [file for file in sorted(folder.glob("*.png")) if own is None or file.name in own]
    return made, earlier


def _files_of(record: object) -> list[str] | None:
    """Names of the files that were written with a record; None of one that does not say, as of earlier versions."""
    files = record.get("files") if isinstance(record, dict) else None
    return [name for name in files if isinstance(name, str)] if isinstance(files, list) else None


def _record(subject: "Subject", file: Path, what: str, made: str) -> dict:
    """A record that a command kept of the weights that a subject has now, {} of what is no record.

    Raises:
        NotKeptError: there is none, or it is of other weights.
    """
    if not file.is_file():
        raise NotKeptError(f"{what} not {made}")
    try:
        record = read_json(file)
        known = {player: record[f"{player}_sha256"] for player in PLAYERS if f"{player}_sha256" in record}
    except (OSError, *_ODD):
        return {}
    for player, sha256 in known.items():
        network = subject.trained(player)
        if network is None or digest(network) != sha256:
            raise NotKeptError(f"{what} {made} of earlier weights")
    return record
