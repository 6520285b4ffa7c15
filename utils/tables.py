"""How results are put into words: tables, durations, cards of models."""

from collections.abc import Callable, Iterable

import numpy as np


def table(rows: list[dict]) -> str:
    """Rows as aligned text: a column for each name in any of them, free where a row has none; numbers stand right."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    known = [[row.get(name, "") for name in names] for row in rows]
    cells = [[f"{v:,}" if isinstance(v, int) and not isinstance(v, bool) else str(v) for v in row] for row in known]
    widths = [max(len(line[i]) for line in [names, *cells]) for i in range(len(names))]
    right = [all(isinstance(row.get(name, 0), (int, float)) for row in rows) for name in names]
    lines = [names, ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right)).rstrip() for line in lines
    )


def spread(values: Iterable[float], form: str, middle: Callable[[list[float]], float] = np.mean) -> str:
    """The middle of the values, with the lowest and the highest in brackets; alone where these read alike, as of a
    single run, since what stands in brackets is easily read as an interval. NaN values are left out; "–" where there is
    no other.

    Args:
        values: of several runs.
        form: a format of the numbers, such as ".1%".
        middle: what is their middle, the mean or np.median.
    """
    values = [value for value in values if value == value]
    if not values:
        return "–"
    value, low, high = (f"{of(values):{form}}" for of in (middle, min, max))
    return value if low == high else f"{value} ({low} to {high})"


def duration(seconds: float) -> str:
    """Seconds in words: "45 s", "3 min 20 s", "2 h 5 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def roughly(seconds: float) -> str:
    """Seconds that are not exact in words: "45 s", "3 min 20 s", "20 min", "2 h 5 min"."""
    if seconds < 600:
        return duration(float(f"{seconds:.2g}"))
    return duration(60 * round(seconds / 60)).removesuffix(" 0 s")


def card_text(card: dict) -> str:
    """The card of a model with a name in lines, without what only a program reads."""
    from utils.intervals import Interval  # brings SciPy, which takes a second, and few need it

    lines = [f"{key}: {_plain(value)}" for key, value in card.items() if isinstance(value, (str, int, float))]
    distance = card["distance"]
    for measured in [distance, *distance.get("other_spaces", [])] if distance else []:
        of_samples, floor = (f"{Interval.of(part['kernel']):.4f}" for part in (measured, measured["floor"]))
        lines += [
            f"kernel distance to held-out images, with 95% interval: {of_samples}; between true images: {floor}",
            f"measured in the features of: {measured['space']}",
        ]
    if passport := distance.get("passport"):  # of others it says the same, but for the space
        averaged = f"averaged with decay {passport['ema_decay']}" if passport["ema_decay"] else "not averaged"
        lines.append(
            f"measured on: {passport['samples'][0]:,} samples, seed {passport['latents_seed']}, of the "
            f"{passport['checkpoint']} checkpoint, {averaged}, against {passport['reference']} (encoding "
            f"{passport['encoding']}), fingerprint {passport['reference_fingerprint'][:12]}"
        )
    lines += _agreement_in_words(card, Interval.of)
    return "\n".join(lines)


def _plain(value: str | int | float) -> str:
    """A value of a card; of a fraction no more digits than anybody reads."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def variety_in_words(found: dict[str, dict | None], kind: str) -> str:
    """What `evaluation.variety.within_and_over` gave, in words.

    Args:
        found: that, as plain values, in which None stands for NaN: "variety" of what a record or a card says.
        kind: what was asked for: "labels", "attributes" or "text".
    """
    one = {"labels": "class", "attributes": "set of attributes", "text": "sentence"}[kind]
    of_one = "that one sentence is true of" if kind == "text" else f"of one {one}"
    shown = {name: f"{of['value']:.1f}" if of else "an unknown distance" for name, of in found.items()}
    return (
        f"two fakes of one {one} are {shown['within']} apart in the judge's features, of two {shown['over']}; "
        f"true images {of_one} {shown['true_within']}, any {shown['true_over']}"
    )


def _agreement_in_words(card: dict, interval) -> list[str]:
    """Whether a conditional model draws what it is asked for, as its card says it."""

    def shown(of: dict, form: str) -> dict[str, str]:
        intervals = {name: value for name, value in of.items() if isinstance(value, dict) and "value" in value}
        return {name: format(interval(value), form) for name, value in intervals.items()}

    lines = []
    if asked := card.get("asked"):
        right = shown(asked["right"], ".1%")
        what = "the class asked for" if asked["kind"] == "labels" else "all attributes as asked for"
        lines.append(
            f"{what}, as the {asked['judge']} sees it: in {right['fake']} of {asked['samples']:,} samples; in "
            f"{right['true']} of true images; by chance in {asked['by_chance']['value']:.1%}"
        )
        if varied := asked.get("variety"):  # older cards do not say it
            lines.append(f"variety: {variety_in_words(varied, asked['kind'])}")
    if texts := card.get("texts"):
        right = shown(texts["right"], ".1%")
        lines.append(
            f"all that a text says, as the {texts['judge']} sees it: in {right['fake']} of {texts['samples']:,} "
            f"samples; beside the text of another in {right['other']}; in {right['true']} of true images"
        )
        lines.append(f"variety: {variety_in_words(texts['variety'], 'text')}")
    for each in texts["combinations"] if texts else []:
        share, never = shown(each, ".0%"), ", never seen in training" if each["left_out"] else ""
        lines.append(
            f"{each['name']}{never}: in {share['all']} of {each['count']} samples of texts that name it; in "
            f"{share.get('others', 'none')} of others; in {share.get('true', 'none')} of true images that have it"
        )
    return lines
