"""All analyses of one model in one folder, with an index page: what was claimed, what was measured, its control."""

import importlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import jinja2

from utils.errors import InputError
from utils.explain import ANALYSES
from utils.explain.sections import Section
from utils.explain.subject import Subject
from utils.files import write_json, write_text


def explain(
    subject: Subject, folder: str | Path, only: tuple[str, ...] = (), say: Callable[[str], None] = lambda title: None
) -> list[Section]:
    """Make the sections and write them, with all pictures, into one folder: index.html and explain.json.

    Args:
        subject: the model and the images.
        folder: where to write; files of the same names are replaced.
        only: names of `ANALYSES`; all of them by default. One that cannot be made says why, on the page.
        say: is told the title of each section before it is made.

    Raises:
        InputError: images that do not fit the model, a layer that does not exist, a model without convolutions; or not
            one section could be made.
    """
    subject.fixed.convolution(subject.layer)
    subject.fixed.check(subject.true)
    if len(subject.true) < 2:
        raise InputError("Explaining takes at least 2 images: an image's maps are compared with others'. Received: 1.")
    folder, sections = Path(folder), []
    for name in only or ANALYSES:
        title, place = ANALYSES[name]
        say(title)
        module, function = place.split(":")
        make = getattr(importlib.import_module(module), function)
        try:
            section = make(subject, folder)
        except InputError as error:
            section = Section(missing=str(error))
        sections.append(replace(section, name=name, title=title))
    if not any(section.findings for section in sections):
        raise InputError(sections[0].missing)
    about = f"{len(subject.true)} images of {subject.data.title}, seed {subject.seed}. {subject.data.terms}"
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (Path(__file__).parent / "index.html").read_text(encoding="utf-8")
    )
    title = f"What the discriminator of {subject.title} sees, and what its generator remembers"
    write_text(folder / "index.html", page.render(title=title, about=about, sections=sections))
    records = [{k: v for k, v in asdict(section).items() if k != "pictures"} for section in sections]
    networks = {f"{player}_sha256": sha256 for player, sha256 in subject.digests.items()}
    write_json(folder / "explain.json", {"title": title, "about": about, **networks, "sections": records})
    return sections
