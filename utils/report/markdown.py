"""A student's own text, Markdown, as blocks of a report.

Nothing of it is ever executed: HTML is shown as the text that it is, links lead to the web or to an address, pictures
are read from the folder of the text alone, and drawn anew.
"""

from pathlib import Path

from utils.errors import InputError
from utils.report.document import Report, code, listing, missing, span
from utils.text import one_line

_MOST = 1_000_000  # bytes of a text
_MARKS = {"strong": "strong", "em": "emphasis", "s": "emphasis"}


def read_text(file: str | Path) -> str:
    """A Markdown file.

    Raises:
        InputError: there is none, or it is no text.
    """
    file = Path(file)
    if not file.is_file():
        raise InputError(f"There is no text {file}.")
    if file.stat().st_size > _MOST:
        raise InputError(f"A text has at most {_MOST:,} bytes. Received: {file}, which has {file.stat().st_size:,}.")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not a text in UTF-8.") from error


def blocks_of(words: str, home: str | Path, report: Report) -> list[dict]:
    """The blocks of a text.

    Args:
        words: Markdown (CommonMark with tables).
        home: folder that its pictures are in.
        report: which its pictures are added to.
    """
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(words)
    return _Reader(Path(home), report).blocks(tokens)


class _Reader:
    """Goes through the tokens of a text, which are flat: what is inside another stands between its open and close."""

    def __init__(self, home: Path, report: Report):
        self._home, self._report = home, report

    def blocks(self, tokens: list) -> list[dict]:
        made, place = [], 0
        while place < len(tokens):
            token = tokens[place]
            end = _closing(tokens, place) if token.nesting == 1 else place
            inside = tokens[place + 1 : end]
            if token.type == "heading_open":
                made += [{"kind": "heading", "spans": self._spans(inside)}, *self._pictures(inside)]
            elif token.type == "paragraph_open":
                made += self._paragraph(inside[0])
            elif token.type in ("bullet_list_open", "ordered_list_open"):
                made.append(listing(list(self._items(inside)), token.type.startswith("ordered")))
                made += [*self._tables(inside), *self._pictures(inside)]
            elif token.type == "blockquote_open":
                made += [block | ({"quote": True} if block["kind"] == "text" else {}) for block in self.blocks(inside)]
            elif token.type in ("fence", "code_block"):
                made.append(code(token.content.rstrip("\n")))
            elif token.type == "table_open":
                made += [self._table(inside), *self._pictures(inside)]
            place = end + 1
        return made

    def _items(self, tokens: list):
        """Spans of each item; lists in an item follow it, with a dash before each, and code on lines of its own. What
        is no text comes after the list."""
        place = 0
        while place < len(tokens):
            end = _closing(tokens, place)
            found, deep, in_table = [], 0, 0
            for token in tokens[place + 1 : end]:
                deep += token.nesting * token.type.startswith("list_item")
                in_table += token.nesting * token.type.startswith("table")
                if token.type == "inline" and not in_table:
                    found += [span("\n" + "– " * deep)] if found else []
                    found += self._inline(token)
                elif token.type in ("fence", "code_block"):
                    for line in token.content.rstrip("\n").split("\n"):
                        found += [*([span("\n")] if found else []), span(one_line(line.expandtabs()), code=True)]
            yield found
            place = end + 1

    def _tables(self, tokens: list):
        for place, token in enumerate(tokens):
            if token.type == "table_open":
                yield self._table(tokens[place + 1 : _closing(tokens, place)])

    def _table(self, tokens: list) -> dict:
        rows, row = [], []
        for token in tokens:
            if token.type == "inline":
                row.append("".join(part["text"] for part in self._inline(token)))
            elif token.type == "tr_close":
                rows.append(row)
                row = []
        head, *body = rows
        return {
            "kind": "table", "caption": "", "columns": head, "numbers": [False] * len(head), "rows": body,
            "small": len(head) > 5, "stamp": "",
        }  # fmt: skip

    def _paragraph(self, token) -> list[dict]:
        """The text of a paragraph, and its pictures after it."""
        found = self._inline(token)
        text = [{"kind": "text", "spans": found}] if any(part["text"].strip() for part in found) else []
        return text + self._pictures([token])

    def _pictures(self, tokens: list) -> list[dict]:
        inline = [token for token in tokens if token.type == "inline"]
        return [self._picture(child) for token in inline for child in token.children if child.type == "image"]

    def _picture(self, token) -> dict:
        from urllib.parse import unquote

        source, caption = unquote(str(token.attrs.get("src", ""))), token.content
        try:
            file = (self._home / source).resolve()
            inside = file.is_relative_to(self._home.resolve()) and file.is_file()
        except (OSError, ValueError):  # a name that no file has
            inside = False
        if not inside:
            return missing(f"The text shows {source}, and there is no such picture in the folder of the text.")
        try:
            return self._report.picture(file, file.stem, caption or file.name, None)
        except InputError as error:
            return missing(str(error).replace(str(file), source))  # a report names no folders

    def _spans(self, tokens: list) -> list[dict]:
        return [part for token in tokens if token.type == "inline" for part in self._inline(token)]

    def _inline(self, token) -> list[dict]:
        found, style, link = [], {}, ""
        for child in token.children:
            name = child.type.rsplit("_", 1)[0]
            if name in _MARKS:
                style = style | {_MARKS[name]: child.nesting == 1}
            elif child.type == "link_open":
                link = str(child.attrs.get("href", ""))
            elif child.type == "link_close":
                link = ""
            elif child.type == "softbreak":
                found.append(span(" "))
            elif child.type == "hardbreak":
                found.append(span("\n"))
            elif child.type == "code_inline":
                found.append(span(one_line(child.content), link, code=True))
            elif child.type != "image":
                found.append(span(one_line(child.content), link, **style))
        return found


def _closing(tokens: list, place: int) -> int:
    """Where what opens at a place is closed."""
    depth = 0
    for number in range(place, len(tokens)):
        depth += tokens[number].nesting
        if depth == 0:
            return number
    return len(tokens) - 1
