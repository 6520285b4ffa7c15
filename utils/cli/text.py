"""How results are put into words: tables, durations, cards of models, paths."""

from pathlib import Path

from utils.lengths import duration

__all__ = ["card_text", "duration", "label", "short", "table", "written"]


def table(rows: list[dict]) -> str:
    """Rows of equal keys as aligned text; numbers stand right."""
    names = list(rows[0])
    cells = [
        [f"{v:,}" if isinstance(v, int) and not isinstance(v, bool) else str(v) for v in row.values()] for row in rows
    ]
    widths = [max(len(line[i]) for line in [names, *cells]) for i in range(len(names))]
    right = [all(isinstance(row[name], (int, float)) for row in rows) for name in names]
    lines = [names, ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right)).rstrip() for line in lines
    )


def card_text(card: dict) -> str:
    """The card of a model with a name in lines, without what only a program reads."""
    from utils.evaluation.distances import Estimate  # takes a second, and few need it

    lines = [f"{key}: {value}" for key, value in card.items() if isinstance(value, (str, int, float))]
    if distance := card["distance"]:
        of_samples, floor = (Estimate(**measured["kernel"]) for measured in (distance, distance["floor"]))
        lines += [
            f"kernel distance to held-out images, with 95% interval: {of_samples}; between true images: {floor}",
            f"measured in the features of: {distance['space']}",
        ]
    return "\n".join(lines)


def label(found) -> str:
    """A file name's part that tells which network a thing was made of: "faces", "faces-0001-quick-epoch_0007"."""
    if found.run is None and found.file.suffix == ".keras" and found.title != str(found.file):
        return found.title  # a model with a name
    if found.run is None:
        return f"{found.file.resolve().parent.name}-{found.file.stem}"
    kept = found.file.parent.name
    parts = [found.run.folder.parent.name, found.run.folder.name, *([kept] if kept.startswith("epoch_") else [])]
    return "-".join(parts)


def written(path: Path, was_there: bool) -> str:
    """A file or folder that was written, and whether it replaces one, in words."""
    return f"{short(path)}{' (replaces what was there)' if was_there else ''}"


def short(path: Path) -> str:
    """A path as the user would type it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
