"""The reported numbers of one paper: a JSON document, checked once and then read by its places.

docs/check_tables.md describes the format with an example. A place is a JSON pointer (RFC 6901) such as
`/tables/4/rows/0/accuracy`.
"""

import re
from numbers import Real

# Keys that label a number or help to check it, and are no reported number.
LABELS = {"num_test", "decimals", "class", "class_counts", "class_images", "measured"}
SECTIONS = {
    "tables": dict,
    "datasets": dict,
    "training": dict,
    "confusion_matrices": list,
    "text": list,
    "claims": list,
}
SECTIONS |= {"equations": list, "figures": list, "same_test_part": list, "diagonals": list}
# A double has so many digits.
MOST_DECIMALS = 15
# Columns that hold counts beside a table's percentages.
COUNTS = {"images", "support", "counts", "total"}
UNITS = {"percent": 100.0, "share": 1.0, "images": 1.0, "number": 1.0}


class Document:
    """Access to a document's numbers, their units and the digits they were reported with.

    Args:
        content: dict, the parsed JSON.

    Raises:
        ValueError: names the place, the value received and what was expected there.
    """

    def __init__(self, content):
        if not isinstance(content, dict):
            raise ValueError(f"the document must be a JSON object, received {type(content).__name__}")
        for name, kind in SECTIONS.items():
            if not isinstance(content.get(name, kind()), kind):
                expected = "an object" if kind is dict else "a list"
                raise ValueError(f"/{name} must be {expected}, received {type(content[name]).__name__}")
        self.content = content
        for number, table in self.tables.items():
            self._check_table(number, table)

    def __getattr__(self, name):
        if name in SECTIONS:
            return self.content.get(name, SECTIONS[name]())
        raise AttributeError(name)

    def _check_table(self, number, table):
        place = place_of("tables", number)
        if not isinstance(table, dict) or not isinstance(table.get("rows"), list):
            raise ValueError(f'{place} must be an object with a list "rows", received {table!r:.80}')
        units = table.get("unit", "percent")
        for unit in units.values() if isinstance(units, dict) else [units]:
            _check_unit(f"{place}/unit", unit)
        dataset = table.get("dataset")
        if dataset is not None and not (isinstance(dataset, str) and dataset in self.datasets):
            raise ValueError(f"{place}/dataset must name one of /datasets, received {dataset!r:.80}")
        for index, row in enumerate(table["rows"]):
            if not isinstance(row, dict):
                raise ValueError(f"{place}/rows/{index} must be an object, received {row!r:.80}")
            for name in ("accuracy", "precision", "recall", "f1", "macro_f1"):
                value = row.get(name, 0)
                most = UNITS[self.unit(table, name)]
                if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value <= most:
                    raise ValueError(
                        f"{place}/rows/{index}/{name} must be a number in 0 to {most:g}, received {value!r}; "
                        'the table\'s "unit" is percent or share'
                    )

    def at(self, place):
        """The JSON value at a place.

        Raises:
            ValueError: where the document has none.
        """
        value = self.content
        for key in keys_of(place):
            try:
                value = value[int(key)] if isinstance(value, list) else value[key]
            except (KeyError, IndexError, TypeError, ValueError):
                slashed = isinstance(value, dict) and any("/" in name for name in value)
                hint = "; a / within a name is written ~1" if slashed else ""
                raise ValueError(f"the document has nothing at {place} (looked for {key!r}{hint})") from None
        return value

    def number(self, place):
        """The number at a place, as reported.

        Raises:
            ValueError: where there is none.
        """
        value = self.at(place)
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ValueError(f"{place} must be a number, received {value!r:.80}")
        return float(value)

    def counts(self, place):
        """Images by class at a place: a list of counts, or a table's column `images`."""
        value = self.at(place)
        return [row["images"] for row in value["rows"]] if isinstance(value, dict) else value

    def unit(self, table, column):
        """The unit of a table's column: what the table says, percent where it says nothing; counts are images."""
        units = table.get("unit", "percent")
        if isinstance(units, dict):
            return units.get(column, "number")
        return "images" if column in COUNTS else units

    def scale(self, place):
        """How many reported units make one: 100 for percent, else 1."""
        return UNITS[self.unit_at(place)]

    def unit_at(self, place):
        """The unit of a number: of its table's column, else of the object around it; "number" where none is said."""
        table = self._table_of(place)
        if table is not None:
            return self.unit(table, _column(place))
        owner = self.at(_parent(place))
        unit = owner.get("unit", "number") if isinstance(owner, dict) else "number"
        _check_unit(f"{_parent(place)}/unit", unit)
        return unit

    def decimals(self, place):
        """Digits behind the point with which the number was reported.

        A row's "decimals" goes before its table's; without either, the most that the column shows.
        """
        table, column = self._table_of(place), _column(place)
        if table is None:
            stated = _stated_decimals(_parent(place), self.at(_parent(place)), column)
            return stated if stated is not None else _digits(self.at(place))
        keys = place.split("/")
        owners = {"/".join(keys[:3]): table}
        if keys[3] == "rows" and len(keys) > 4:
            owners = {"/".join(keys[:5]): table["rows"][int(keys[4])]} | owners
        for of, owner in owners.items():
            stated = _stated_decimals(of, owner, column)
            if stated is not None:
                return stated
        values = [row.get(column) for row in table["rows"]]
        return max((_digits(value) for value in values if value is not None), default=0)

    def half(self, place):
        """Half a unit of the last reported digit, in reported units: what rounding can have taken away."""
        return 0.5 * 10.0 ** -self.decimals(place) * (1 + 1e-9) + 1e-9

    def share(self, place):
        """A reported percentage or share, as (value, half a digit), both in 0..1."""
        scale = self.scale(place)
        return self.number(place) / scale, self.half(place) / scale

    def percent(self, place):
        """A reported percentage or share in percent; a number of the text without a unit stands in percent."""
        return self.number(place) if self.unit_at(place) == "number" else 100 * self.share(place)[0]

    def num_test(self, table, row=None):
        """Number of test images of a row or table, None where it is not known."""
        for owner in (row or {}, table):
            if "num_test" in owner:
                return owner["num_test"]
        return self.datasets.get(table.get("dataset"), {}).get("split", {}).get("test")

    def rows(self, *columns):
        """(place, table, row) of every table row that has all these columns."""
        for number, table in self.tables.items():
            for index, row in enumerate(table["rows"]):
                if all(row.get(column) is not None for column in columns):
                    yield place_of("tables", number, "rows", index), table, row

    def places(self):
        """The places of all reported numbers: cells of tables, of matrices, of the text."""
        for number, table in self.tables.items():
            labels = LABELS | set(table.get("keys", ()))
            for index, row in enumerate(table["rows"]):
                results = {column: value for column, value in row.items() if column not in labels}
                yield from _numbers(place_of("tables", number, "rows", index), results)
            if "total" in table:
                yield place_of("tables", number, "total")
        for section in ("datasets", "training"):
            yield from _numbers(f"/{section}", getattr(self, section))
        for index, matrix in enumerate(self.confusion_matrices):
            shown = {name: value for name, value in matrix.items() if name in MATRIX_NUMBERS}
            yield from _numbers(f"/confusion_matrices/{index}", shown)
        for index, diagonal in enumerate(self.diagonals):
            yield from _numbers(f"/diagonals/{index}/hits", diagonal["hits"])
        for index, item in enumerate(self.text):
            yield from _numbers(f"/text/{index}/value", item.get("value"))

    def table_of(self, place):
        """The table that a place lies in.

        Raises:
            ValueError: where it lies in none.
        """
        table = self._table_of(place)
        if table is None:
            raise ValueError(f"{place} lies in none of /tables; a row of a table was expected")
        return table

    def _table_of(self, place):
        keys = keys_of(place)
        return self.tables.get(keys[1]) if keys[:1] == ["tables"] and len(keys) > 2 else None


def place_of(*keys):
    """The JSON pointer through these keys; within one, ~ is written ~0 and / is written ~1.

    Example:
        >>> place_of("tables", "2/3", "rows", 0)
        '/tables/2~13/rows/0'
    """
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def keys_of(place):
    """The keys of a JSON pointer, as `place_of` takes them."""
    return [key.replace("~1", "/").replace("~0", "~") for key in place.split("/")[1:]]


MATRIX_NUMBERS = ("matrix", "percent_of_all", "percent_of_row", "percent_of_column", "percent_right")


def _numbers(place, value):
    if isinstance(value, dict):
        for key, part in value.items():
            if key in LABELS:
                continue
            yield from _numbers(place + place_of(key), part)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _numbers(f"{place}/{index}", part)
    elif isinstance(value, Real) and not isinstance(value, bool):
        yield place


def _parent(place):
    return re.sub(r"(/\d+)*$", "", place).rsplit("/", 1)[0]


def _column(place):
    keys = keys_of(place)
    return keys[4] if len(keys) > 4 else keys[-1]


def _check_unit(place, unit):
    if not isinstance(unit, str) or unit not in UNITS:
        raise ValueError(f"{place} must be one of {', '.join(UNITS)}, received {unit!r:.80}")


def _stated_decimals(place, owner, column):
    """What the "decimals" of the object at a place say of a column; None where they say nothing."""
    stated = owner.get("decimals") if isinstance(owner, dict) else None
    place = f"{place}/decimals"
    if isinstance(stated, dict):
        place, stated = f"{place}/{column}", stated.get(column)
    return None if stated is None else check_decimals(place, stated)


def check_decimals(place, stated):
    """Return a number of digits behind the point, negative where a number was rounded to tens or hundreds.

    Raises:
        ValueError: names the place where it is none.
    """
    if isinstance(stated, bool) or not isinstance(stated, int) or abs(stated) > MOST_DECIMALS:
        raise ValueError(
            f"{place} must be a whole number from -{MOST_DECIMALS} to {MOST_DECIMALS}, received {stated!r:.80}"
        )
    return stated


def _digits(value):
    """Digits behind the point of a number; of a list, such as an interval, the most that its numbers show."""
    if isinstance(value, list):
        return max(map(_digits, value), default=0)
    if not isinstance(value, Real):
        return 0
    digits = f"{value:.10f}".rstrip("0")
    return len(digits.split(".")[1])
