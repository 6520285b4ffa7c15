"""Sentences about images of which attributes are known: small grammars, a table of phrases each.

A grammar has topics (hair, eyes, mouth), a topic statements, and a statement several wordings. Of an image every topic
has some true statements; one of them is drawn, and whether it is mentioned at all. So a sentence says nothing that is
not true, and leaves most unsaid. What it says is known exactly, and beside each sentence.

Nothing here imports TensorFlow.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from utils.data.faces import ATTRIBUTES, HAIR_COLOURS
from utils.errors import InputError
from utils.streams import stream
from utils.text import one_line, shorten

WITH, WEARING, WITHOUT = ("with", "with", "with", "having"), ("wearing", "wearing", "in"), ("without",)
LEADS = ("", "", "", "a picture of ", "a portrait of ")
NAMED, SHOWN = 10, 300
"""Unknown words that a refusal names, and letters of the text that it shows."""
SELDOM = 0.25
"""How often it is mentioned that something is not there."""


@dataclass(frozen=True)
class Statement:
    """Something that can be said of an image, in several ways.

    Attributes:
        says: attributes that have to be true or false of the image; empty: it can be said of any.
        noun: what the image is called ("woman").
        before: wordings before the noun ("smiling").
        having, wearing, without: wordings after "with", "wearing" and "without".
        chance: how often it is mentioned where it was drawn.
    """

    says: dict[str, bool]
    noun: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    having: tuple[str, ...] = ()
    wearing: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    chance: float = 0.7

    def wordings(self) -> list[tuple[str, str]]:
        """All ways to say it, each with its place in the sentence."""
        places = ("before", "having", "wearing", "without")
        return [(place, words) for place in places for words in getattr(self, place)]


@dataclass(frozen=True)
class Grammar:
    """What can be said of the images of a dataset.

    Attributes:
        nouns: statements of which one is always made.
        topics: groups of statements, at most one of each is made.
    """

    nouns: tuple[Statement, ...]
    topics: tuple[tuple[Statement, ...], ...]

    @property
    def attributes(self) -> set[str]:
        """Names of the attributes that it speaks of."""
        return {name for topic in (self.nouns, *self.topics) for statement in topic for name in statement.says}

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """All words of its sentences, in alphabetical order."""
        texts = [*WITH, *WEARING, *WITHOUT, *LEADS, "a an and or"]
        for statement in (one for topic in (self.nouns, *self.topics) for one in topic):
            texts += [*statement.noun, *(words for _, words in statement.wordings())]
        return tuple(sorted({word for text in texts for word in words_of(text)}))

    def sentence(self, true: dict[str, bool], random: np.random.Generator) -> tuple[str, dict[str, bool]]:
        """A sentence about an image, and what it says.

        Args:
            true: what is true of the image, by the names of its attributes.
            random: decides what is mentioned, and how.
        """

        def fits(statement: Statement) -> bool:
            return all(true[name] == value for name, value in statement.says.items())

        def drawn(values: Sequence):
            return values[int(random.integers(len(values)))]

        noun = drawn([one for one in self.nouns if fits(one)])
        made = [drawn(fitting) for topic in self.topics if (fitting := [one for one in topic if fits(one)])]
        mentioned = [one for one in made if random.random() < one.chance] or [drawn(made)]
        parts: dict[str, list[str]] = {"before": [], "having": [], "wearing": [], "without": []}
        for place in random.permutation(len(mentioned)).tolist():
            kind, words = drawn(mentioned[place].wordings())
            parts[kind].append(words)
        tails = [
            f"{drawn(begun)} {_listed(parts[kind], joint)}"
            for kind, begun, joint in (("having", WITH, "and"), ("wearing", WEARING, "and"), ("without", WITHOUT, "or"))
            if parts[kind]
        ]
        tails = [tails[place] for place in random.permutation(len(tails)).tolist()]
        named = " ".join(filter(None, [", ".join(parts["before"]), drawn(noun.noun)]))
        text = f"{drawn(LEADS)}{'an' if named[0] in 'aeiou' else 'a'} {named} {_listed(tails)}".strip()
        return text, {name: value for one in (noun, *mentioned) for name, value in one.says.items()}


@dataclass(frozen=True)
class Captions:
    """Sentences, with what they say.

    Attributes:
        texts: N sentences.
        says: int8 (N, K): of each attribute 1 where a sentence says that it is there, -1 that it is not, 0 nothing.
    """

    texts: tuple[str, ...]
    says: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


def captions_of(attributes: np.ndarray, names: Sequence[str], seed: int = 0) -> Captions:
    """A sentence about each image. That of a row depends on its attributes, its number and the seed alone.

    Args:
        attributes: (N, K) of 0 and 1.
        names: of the K attributes.
        seed: another one gives other sentences.

    Raises:
        InputError: no grammar speaks of these attributes.
    """
    grammar, place = grammar_for(names), {name: number for number, name in enumerate(names)}
    texts, says = [], np.zeros((len(attributes), len(names)), np.int8)
    for row, values in enumerate(np.asarray(attributes).astype(bool).tolist()):
        text, said = grammar.sentence(dict(zip(names, values)), stream(seed, "captions", row + 1))
        texts.append(text)
        for name, value in said.items():
            says[row, place[name]] = 1 if value else -1
    return Captions(tuple(texts), says)


def contradict(says: np.ndarray, attributes: np.ndarray) -> np.ndarray:
    """Whether a sentence says something that is not true of an image: bool (N, M), images by sentences.

    Args:
        says: (M, K) as in `Captions`.
        attributes: (N, K) of 0 and 1.
    """
    says, there = np.asarray(says), np.asarray(attributes).astype(np.float32)
    return there @ (says < 0).T.astype(np.float32) + (1 - there) @ (says > 0).T.astype(np.float32) > 0


def words_of(text: str) -> list[str]:
    """The words of a text, in small letters, without hyphens and other signs."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("’", "'"))


def check_words(text: str, vocabulary: Iterable[str]) -> list[str]:
    """The words of a text, if all of them are known.

    Raises:
        InputError: some are not, or there is none; it names them with the nearest that are known.
    """
    there, words = set(vocabulary), words_of(text)
    known, shown = sorted(there), one_line(shorten(text, SHOWN))
    unknown = list(dict.fromkeys(shorten(word, 50) for word in words if word not in there))[:NAMED]
    if not words:
        raise InputError(f"A text needs at least one word. Received: {shown!r}.")
    if not unknown:
        return words
    near = {word: difflib.get_close_matches(word, known, 3, 0.6) for word in unknown}
    named = [f"{one_line(word)!r}" + (f" (near: {', '.join(close)})" if close else "") for word, close in near.items()]
    listed = "" if all(near.values()) else f" It knows {', '.join(word for word in known if word not in _SMALL)}."
    raise InputError(f"The model has learnt no word {', '.join(named)}: put {shown!r} in words that it knows.{listed}")


def _listed(things: Sequence[str], joint: str = "and") -> str:
    """Things in a sentence: "a, b and c"."""
    *others, last = things or [""]
    return f"{', '.join(others)} {joint} {last}" if others else last


_SMALL = {"a", "an", "and", "of", "or"}


# --- the built-in faces -----------------------------------------------------------------------------------------------


def _of_hair() -> tuple[Statement, ...]:
    """Colour, length or both; a hat hides them."""
    shades = {"blond": ("blond", "blonde"), "red": ("red", "ginger"), "silver": ("silver", "grey", "gray")}
    lengths = {"": {}, "long ": {"long_hair": True}, "short ": {"long_hair": False}}
    statements = []
    for colour in HAIR_COLOURS:
        words = shades.get(colour, (colour,))
        for length, of_length in lengths.items():
            statements.append(
                Statement(
                    {f"{colour}_hair": True} | of_length,
                    having=tuple(f"{length}{word} hair" for word in words),
                    before=() if length else tuple(f"{word}-haired" for word in words),
                )
            )
    return (
        *statements,
        Statement({"long_hair": True}, having=("long hair",), before=("long-haired",)),
        Statement({"long_hair": False, "hat": False}, having=("short hair",), before=("short-haired",)),
        Statement({"hat": True}, having=("a hat",), wearing=("a hat",), chance=0.8),
        Statement({"hat": False}, having=("no hat",), without=("a hat",), before=("bareheaded",), chance=SELDOM),
    )


FACES = Grammar(
    # The drawings have no sex: these nouns say nothing that a picture could be told by.
    nouns=(Statement({}, noun=("face", "person", "man", "woman")),),
    topics=(
        _of_hair(),
        (
            Statement(
                {"pale_skin": True}, having=("pale skin", "fair skin"), before=("pale", "fair-skinned"), chance=0.5
            ),
            Statement({"dark_skin": True}, having=("dark skin",), before=("dark-skinned",), chance=0.5),
            Statement(
                {"pale_skin": False, "dark_skin": False}, having=("tanned skin",), before=("tanned",), chance=0.5
            ),
        ),
        (
            Statement(
                {"glasses": True}, having=("glasses", "spectacles"), wearing=("glasses", "spectacles"), chance=0.8
            ),
            Statement({"sunglasses": True}, having=("sunglasses",), wearing=("sunglasses", "dark glasses"), chance=0.8),
            Statement(
                {"glasses": False, "sunglasses": False}, having=("no glasses",), without=("glasses",), chance=SELDOM
            ),
        ),
        (
            Statement({"beard": True}, having=("a beard",), before=("bearded",), chance=0.8),
            Statement(
                {"beard": False},
                having=("no beard",),
                without=("a beard",),
                before=("clean-shaven", "beardless"),
                chance=SELDOM,
            ),
        ),
        (
            Statement({"smiling": True}, having=("a smile",), before=("smiling", "happy", "cheerful")),
            Statement({"smiling": False}, without=("a smile",), before=("serious", "unsmiling"), chance=0.5),
        ),
    ),
)
"""Of the built-in faces; all 13 attributes are spoken of."""
assert FACES.attributes == set(ATTRIBUTES)


# --- CelebA -----------------------------------------------------------------------------------------------------------


def _there(name: str, chance: float = 0.4, **wordings: tuple[str, ...]) -> Statement:
    return Statement({name: True}, chance=chance, **wordings)


def _not_there(name: str, chance: float = 0.1, **wordings: tuple[str, ...]) -> Statement:
    return Statement({name: False}, chance=chance, **wordings)


CELEBA = Grammar(
    nouns=(
        Statement({}, noun=("person", "face", "celebrity")),
        _there("Male", noun=("man", "man", "guy")),
        _not_there("Male", noun=("woman", "woman", "lady")),
    ),
    topics=(
        (
            _there("Black_Hair", having=("black hair",), before=("black-haired",)),
            _there("Blond_Hair", having=("blond hair", "blonde hair"), before=("blond", "blonde")),
            _there("Brown_Hair", having=("brown hair",), before=("brown-haired",)),
            _there("Gray_Hair", having=("gray hair", "grey hair"), before=("gray-haired", "grey-haired")),
            _there("Bald", 0.8, having=("no hair",), before=("bald",), without=("hair",)),
        ),
        (
            _there("Straight_Hair", having=("straight hair",), before=("straight-haired",)),
            _there("Wavy_Hair", having=("wavy hair",), before=("wavy-haired",)),
        ),
        (_there("Bangs", having=("bangs",)), _not_there("Bangs", 0.05, having=("no bangs",), without=("bangs",))),
        (_there("Receding_Hairline", having=("a receding hairline",)),),
        (
            _there("Eyeglasses", 0.8, having=("glasses",), wearing=("glasses", "eyeglasses")),
            _not_there("Eyeglasses", having=("no glasses",), without=("glasses",)),
        ),
        (
            _there("Wearing_Hat", 0.8, having=("a hat",), wearing=("a hat",)),
            _not_there("Wearing_Hat", 0.05, having=("no hat",), without=("a hat",)),
        ),
        (
            _there("No_Beard", 0.1, having=("no beard",), without=("a beard",), before=("clean-shaven",)),
            _not_there("No_Beard", 0.5, having=("a beard",), before=("bearded",)),
        ),
        (_there("5_o_Clock_Shadow", having=("a five o'clock shadow", "stubble"), before=("unshaven",)),),
        (_there("Goatee", 0.6, having=("a goatee",)),),
        (_there("Mustache", 0.6, having=("a mustache", "a moustache")),),
        (_there("Sideburns", 0.5, having=("sideburns",)),),
        (
            _there("Smiling", 0.5, having=("a smile",), before=("smiling", "happy", "cheerful")),
            _not_there("Smiling", 0.25, without=("a smile",), before=("serious", "unsmiling")),
        ),
        (
            _there("Mouth_Slightly_Open", 0.2, having=("an open mouth", "a slightly open mouth")),
            _not_there("Mouth_Slightly_Open", 0.1, having=("a closed mouth",)),
        ),
        (_there("Young", 0.2, before=("young",)), _not_there("Young", 0.6, before=("old", "elderly", "older"))),
        (_there("Pale_Skin", having=("pale skin",), before=("pale",)),),
        (_there("Rosy_Cheeks", having=("rosy cheeks",), before=("rosy-cheeked",)),),
        (_there("High_Cheekbones", 0.2, having=("high cheekbones",)),),
        (_there("Oval_Face", 0.2, having=("an oval face",)),),
        (_there("Chubby", before=("chubby",)),),
        (_there("Double_Chin", having=("a double chin",)),),
        (_there("Big_Lips", 0.2, having=("big lips", "full lips")),),
        (_there("Big_Nose", 0.2, having=("a big nose",)), _there("Pointy_Nose", 0.2, having=("a pointy nose",))),
        (_there("Bags_Under_Eyes", 0.2, having=("bags under the eyes",)),),
        (_there("Narrow_Eyes", 0.3, having=("narrow eyes",)),),
        (
            _there("Arched_Eyebrows", 0.2, having=("arched eyebrows",)),
            _there("Bushy_Eyebrows", having=("bushy eyebrows",)),
        ),
        (
            _there("Heavy_Makeup", 0.3, wearing=("heavy makeup", "much makeup")),
            _not_there("Heavy_Makeup", 0.05, having=("no makeup",), without=("makeup",)),
        ),
        (_there("Wearing_Lipstick", 0.3, wearing=("lipstick",)),),
        (_there("Wearing_Earrings", having=("earrings",), wearing=("earrings",)),),
        (_there("Wearing_Necklace", having=("a necklace",), wearing=("a necklace",)),),
        (_there("Wearing_Necktie", having=("a tie",), wearing=("a tie", "a necktie")),),
        (_there("Attractive", 0.2, before=("attractive", "good-looking")),),
        (_there("Blurry", before=("blurry", "blurred")),),
    ),
)
"""Of CelebA's 40 attributes, as its authors name them. Somebody judged them, so what sentences say is as true as that
was."""

GRAMMARS = (FACES, CELEBA)


def grammar_for(names: Sequence[str]) -> Grammar:
    """The grammar that speaks of images with these attributes.

    Raises:
        InputError: there is none.
    """
    found = next((grammar for grammar in GRAMMARS if grammar.attributes <= set(names)), None)
    if found is None:
        raise InputError(
            "Sentences are made for the built-in faces, and for images with CelebA's 40 attributes. Received: "
            + (f"images with {', '.join(map(one_line, names))}." if names else "images of which nothing is known.")
        )
    return found
