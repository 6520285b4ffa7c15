"""All analyses of one model in one folder, with an index page: what was claimed, what was measured, its control."""

import importlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import jinja2

from utils.errors import InputError
from utils.explain import ANALYSES, OF_A_LAYER
from utils.explain.sections import Finding, Picture, Section
from utils.explain.subject import Subject
from utils.files import appear_together, digest, read_json, write_json, write_text


def explain(
    subject: Subject, folder: str | Path, only: tuple[str, ...] = (), say: Callable[[str], None] = lambda title: None
) -> list[Section]:
    """Make the sections and write them, with all pictures, into one folder: index.html and explain.json.

    They appear there together: where this fails or is stopped, an earlier page stays as it was.

    Other sections that are there, made of the same networks and images with the same settings, stay on the page.

    Args:
        subject: the model and the images.
        folder: where to write; files of the same names are replaced.
        only: names of `ANALYSES`; all of them by default. One that cannot be made says why, on the page.
        say: is told the title of each section before it is made.

    Returns:
        The sections that were made.

    Raises:
        InputError: images that do not fit the model, a layer that does not exist, a model without convolutions; or not
            one section could be made.
    """
    subject.fixed.convolution(subject.layer)
    subject.fixed.check(subject.true)
    if len(subject.true) < 2:
        raise InputError("Explaining takes at least 2 images: an image's maps are compared with others'. Received: 1.")
    with appear_together(folder) as made:
        sections = [_section(subject, name, made, say) for name in only or ANALYSES]
        if not any(section.findings for section in sections):
            raise InputError(sections[0].missing)
        _write(subject, sections, made, Path(folder))
    return [_moved(section, Path(folder)) for section in sections]


def _section(subject: Subject, name: str, made: Path, say: Callable[[str], None]) -> Section:
    title, place = ANALYSES[name]
    say(title)
    module, function = place.split(":")
    make = getattr(importlib.import_module(module), function)
    try:
        section = make(subject, made)
    except InputError as error:
        section = Section(missing=str(error))
    return replace(section, name=name, title=title)


def _moved(section: Section, folder: Path) -> Section:
    """A section whose pictures have their places in a folder."""
    return replace(section, pictures=tuple(replace(p, file=folder / p.file.name) for p in section.pictures))


def _write(subject: Subject, sections: list[Section], made: Path, folder: Path) -> None:
    """Write the page and its record beside the new pictures, with the sections that `folder` has kept."""
    about = f"{len(subject.true)} images of {subject.data.title}, seed {subject.seed}. {subject.data.terms}"
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (Path(__file__).parent / "index.html").read_text(encoding="utf-8")
    )
    title = f"What the discriminator of {subject.title} sees, and what its generator remembers"
    networks = {f"{player}_sha256": sha256 for player, sha256 in subject.digests.items()}
    of = {"title": title, "about": about, **networks, "fingerprint": subject.data.fingerprint, "most": subject.most}
    all_of_them = (_kept(folder, of, subject.layer) if networks else {}) | {each.name: each for each in sections}
    shown = [all_of_them[name] for name in ANALYSES if name in all_of_them]
    write_text(made / "index.html", page.render(title=title, about=about, sections=shown))
    records = [_plain(section) for section in shown]
    write_json(made / "explain.json", {**of, "layer": subject.layer, "sections": records})


def _plain(section: Section) -> dict:
    pictures = [{"file": p.file.name, "caption": p.caption, "sha256": digest(p.file)} for p in section.pictures]
    return asdict(section) | {"pictures": pictures}


def _kept(folder: Path, of: dict, layer: str) -> dict[str, Section]:
    """Sections by name that an earlier call has kept in a folder, if it was about the same, as far as they are whole.

    Args:
        folder: where they are.
        of: what the record has to begin with: networks, images, settings.
        layer: that those sections have to be about which explain one.
    """
    try:
        record = read_json(folder / "explain.json")
        if {name: record[name] for name in of} != of:
            return {}
        found = [_read(each, folder) for each in record["sections"] if _is_whole(each, folder)]
        return {each.name: each for each in found if record["layer"] == layer or each.name not in OF_A_LAYER}
    except (OSError, LookupError, TypeError, ValueError, AttributeError):  # there is none, or one built otherwise
        return {}


def _read(plain: dict, folder: Path) -> Section:
    """The section that `_plain` wrote."""
    findings = tuple(Finding(**each) for each in plain["findings"])
    pictures = tuple(Picture(folder / each["file"], each["caption"]) for each in plain["pictures"])
    return Section(**plain | {"text": tuple(plain["text"]), "findings": findings, "pictures": pictures})


def _is_whole(plain: dict, folder: Path) -> bool:
    """Whether the pictures are those that it was written with: a call of an earlier version may have replaced some."""
    files = [(folder / each["file"], each["sha256"]) for each in plain["pictures"]]
    return all(file.is_file() and digest(file) == sha256 for file, sha256 in files)
