"""What a user writes when latents are to be added and subtracted: text in, terms out.

"smiling woman" - "woman" + "man"         concepts in words: a judge finds samples that show them
"glasses: 3 9 14" - "plain: 2 5 7"        a name and the numbers of samples, for anybody's model
"me: me.npy" + "with glasses" - "without glasses"
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from utils.errors import InputError
from utils.latent.stops import is_stop, is_there

_SIGNS = {"+": 1, "-": -1, "−": -1, "–": -1}
_YES, _NO = ("with", "has"), ("without", "no", "not", "non")
_FILLERS = {"a", "an", "and", "the", "of", "face", "faces", "person", "people", "in"}
_SYNONYMS = {  # of CelebA's names; they count where a judge knows the name
    "man": ("male", True), "men": ("male", True), "woman": ("male", False), "women": ("male", False),
    "glasses": ("eyeglasses", True), "hat": ("wearing hat", True), "beard": ("no beard", False),
}  # fmt: skip


class NeedsClassifier(InputError):
    """Words ask for attributes, and no attribute is known."""


@dataclass(frozen=True)
class Term:
    """One concept of an expression.

    Attributes:
        sign: 1 if it is added, -1 if it is subtracted.
        name: what to call it.
        stops: words that mean latents (see `stops.find_stops`); none where samples are to be found by `wanted`.
        wanted: attributes by name, and whether a sample is to show each.
    """

    sign: int
    name: str
    stops: tuple[str, ...] = ()
    wanted: tuple[tuple[str, bool], ...] = ()


def parse(expression: str | Sequence[str], known: Sequence[str] = ()) -> tuple[Term, ...]:
    """Read an expression.

    Args:
        expression: terms with a plus or a minus between them, each sign with space around it; one text, or its parts.
        known: names of the attributes that a judge knows.

    Raises:
        InputError: it is empty, two signs or two terms follow each other, or a word means nothing; the message names
            the word. `NeedsClassifier` where all is well but that no attributes are known.
    """
    words = expression.split() if isinstance(expression, str) else " ".join(expression).split()
    parts, sign, current = [], 1, []
    for position, word in enumerate(words):
        if word not in _SIGNS:
            current.append(word)
            continue
        if position and not current:
            raise InputError(f"Between two signs there must be a term. Received: {' '.join(words)!r}.")
        if current:
            parts.append((sign, current))
        sign, current = _SIGNS[word], []
    if not current:
        raise InputError(
            'An expression looks like "glasses: 3 9 14" - "plain: 2 5 7", and ends with a term. '
            f"Received: {' '.join(words)!r}."
        )
    return tuple(_term(sign, part, known) for sign, part in [*parts, (sign, current)])


def wishes(words: Sequence[str], known: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """Attributes that words ask for: "smiling man without glasses". "without" holds until the next "with".

    Raises:
        InputError: a word is no part of a known name.
    """
    names = {_plain(name): (name, True) for name in reversed(known)}  # of names that differ in case alone the first
    names |= {name: (name, True) for name in known}  # which are told apart where they are spelt as they are
    longest = max((len(name.split()) for name in names), default=1)
    for word, (name, shown) in _SYNONYMS.items():
        if name in names and word not in names:
            names[word] = (names[name][0], shown)
    found, wish, place = [], True, 0
    while place < len(words):
        word = _plain(words[place].strip(",;"))
        for length in range(min(longest, len(words) - place), 0, -1):  # the longest name counts: "long hair"
            text = " ".join(words[place : place + length])
            asked = (spelt(each) for each in (text, text.strip(",;")) for spelt in (str, _plain))
            if name := next((names[each] for each in asked if each in names), None):
                found.append((name[0], name[1] == wish))
                place += length
                break
        else:
            if word in _YES or word in _NO:
                wish = word in _YES
            elif word not in _FILLERS:
                near = " or ".join(difflib.get_close_matches(word, dict.fromkeys(map(_plain, names)), 2, 0.75))
                about = f", did you mean {near}?" if near else "."
                if is_stop(words[place]):
                    about = f", nor are all words of {' '.join(words)!r} numbers of samples or files."
                asked = words[place].strip(",;")
                raise InputError(f"No attribute is called {asked!r}{about} There are {', '.join(known)}.")
            place += 1
    if not found:
        raise InputError(
            f"{' '.join(words)!r} names no attribute. There are {', '.join(known)}; or write a name and the numbers of "
            'samples, as in "glasses: 3 9 14".'
        )
    if len({name for name, _ in found}) < len(found):
        raise InputError(f"{' '.join(words)!r} names an attribute twice.")
    return tuple(found)


def expected(terms: Sequence[Term]) -> dict[str, bool]:
    """Which attributes the sum should show, and which not, where the terms decide that.

    An attribute counts 1 where a term wants it, 0 where a term wants it absent, and one half where a term does not
    mention it; so "smiling woman" - "woman" + "man" is to smile (1 - 1/2 + 1/2) and to be a man. What the sum would
    count if no term mentioned it, decides between the two.
    """
    mentioned = {name for term in terms for name, _ in term.wanted}
    sums = {
        name: sum(term.sign * float(dict(term.wanted).get(name, 0.5)) for term in terms) for name in sorted(mentioned)
    }
    neither = 0.5 * sum(term.sign for term in terms)
    return {name: value > neither for name, value in sums.items() if value != neither}


def check_of_one_class(terms: Sequence[Term]) -> None:
    """Refuse a sum of classes that is to show two of them.

    Raises:
        InputError: it names them.
    """
    if len(both := [name for name, there in expected(terms).items() if there]) > 1:
        raise InputError(
            f"A picture is of one class, and the sum is to show {' and '.join(both)}: score a difference of two "
            f"classes, such as {both[0]!r} - {both[1]!r}."
        )


def _term(sign: int, words: list[str], known: Sequence[str]) -> Term:
    text = " ".join(words)
    if is_there(text):  # its path may have spaces, and a colon before the row
        return Term(sign, text, (text,))
    if _plain(text) in map(_plain, known):  # CelebA's "5 o Clock Shadow" begins with a number, others have colons
        return Term(sign, text, wanted=_known_wishes(text, words, known))
    if all(map(is_stop, _items(text.strip(" ,")))):
        name, listed = text, text
    else:
        name, colon, listed = text.partition(":")
        if not colon:
            return Term(sign, text, wanted=_known_wishes(text, words, known))
    listed = listed.strip(" ,")
    return Term(sign, name.strip(), (listed,) if is_there(listed) else _items(listed))


def _items(text: str) -> tuple[str, ...]:
    return tuple(re.split(r"[\s,]+", text))


def _known_wishes(text: str, words: list[str], known: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    if not known:
        raise NeedsClassifier(
            f"{text!r} asks for attributes, and there is no classifier of any for this model: write a name and the "
            'numbers of samples, as in "glasses: 3 9 14", or name a dataset whose attributes are known.'
        )
    return wishes(words, known)


def _plain(name: str) -> str:
    return name.replace("_", " ").lower()
