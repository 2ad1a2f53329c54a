"""Reading the page of a run as a browser would, and strictly."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import NamedTuple

VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}


class Page(HTMLParser):
    """A parsed page.

    Attributes
    ----------
    ids, links
        All ids and the targets of all links, in order.
    problems
        Tags that do not match, and ids that are there twice.
    elements
        Names of all elements with their attributes.
    """

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.ids, self.links, self.problems, self.elements = [], [], [], []
        self._open, self._texts, self._rows, self._whole = [], {}, [], []
        self.feed(text)
        self.close()
        self.problems += [f"never closed: {name}" for name, _ in self._open]
        self.problems += [f"twice: {id_}" for id_ in {id_ for id_ in self.ids if self.ids.count(id_) > 1}]

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "a":
            self.links.append(attributes.get("href"))
        if tag == "tr":
            self._rows.append(Row(frozenset(id_ for _, id_ in self._open), []))
        if tag == "data":
            self._add_to_row(float(attributes["value"]))
        if tag not in VOID:
            self._open.append((tag, attributes.get("id")))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if not self._open or self._open[-1][0] != tag:
            self.problems.append(f"</{tag}> at {self.getpos()}, open is {self._open[-1:]}")
            return
        self._open.pop()

    def handle_data(self, data):
        self._whole.append(data)
        for _, id_ in self._open:
            if id_ is not None:
                self._texts.setdefault(id_, []).append(data)
        if data.strip():
            self._add_to_row(data.strip())

    def _add_to_row(self, item):
        if any(tag == "tr" for tag, _ in self._open):
            self._rows[-1].items.append(item)

    @property
    def text(self):
        """All text of the page, its style among it."""
        return "".join(self._whole)

    def text_of(self, id_):
        """Return the text inside an element."""
        return " ".join("".join(self._texts.get(id_, [])).split())

    def rows_in(self, id_):
        """Return the rows inside an element: their texts, and before the text of a number its value."""
        return [row.items for row in self._rows if id_ in row.within]

    def row(self, first):
        """Return the numbers of the first row that begins with this text."""
        return _numbers(next(row.items for row in self._rows if row.items[:1] == [first]))

    def row_below(self, first):
        """Return the numbers of the row below the one that begins with this text."""
        index = next(index for index, row in enumerate(self._rows) if row.items[:1] == [first])
        return _numbers(self._rows[index + 1].items)


class Row(NamedTuple):
    """A row of a table: the ids of what it lies in, and what it holds."""

    within: frozenset
    items: list


def _numbers(items):
    return [item for item in items if isinstance(item, float)]
