"""What explains colours: classes of numbers, and codes with their names."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from cim.codes import LISTS, names

Json = dict[str, Any]


def of_codes(values: Sequence[str | None], code_list: str | None) -> Json:
    """The codes among some values, in the order of their list; others after them.

    >>> [one["en"] for one in of_codes(["office", "x", None], "building_use")["classes"]]
    ['office', 'x']
    """
    counts = Counter(value for value in values if value is not None)
    known = names(code_list) if code_list in LISTS else {}
    order = [code for code in known if code in counts]
    order += sorted(set(counts) - set(known))
    classes = [
        {
            "count": counts[code],
            "code": code,
            "zh": known[code]["zh"] if code in known else code,
            "en": known[code]["en"] if code in known else code,
        }
        for code in order
    ]
    return {"kind": "codes", "unit": None, "least": None, "most": None, "classes": classes}


def of_numbers(values: Sequence[float | None], count: int, method: str, unit: str | None) -> Json:
    """Classes of some numbers: at most `count`, as full as one another, or as wide.

    >>> found = of_numbers([1.0, 2.0, 3.0, 10.0, None], 2, "quantile", "m")
    >>> [(one["from"], one["to"], one["count"]) for one in found["classes"]]
    [(1.0, 2.5, 2), (2.5, 10.0, 2)]
    >>> of_numbers([None], 2, "equal", None)["classes"]
    []
    """
    numbers = np.array([value for value in values if value is not None], np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return {"kind": "classes", "unit": unit, "least": None, "most": None, "classes": []}
    if method == "equal":
        edges = np.linspace(numbers.min(), numbers.max(), count + 1)
    else:
        edges = np.quantile(numbers, np.linspace(0, 1, count + 1))
    edges = np.unique(edges)
    if edges.size == 1:
        edges = np.repeat(edges, 2)
        found = np.array([numbers.size])
    else:
        found, _ = np.histogram(numbers, edges)
    classes = [
        {"count": int(many), "from": float(low), "to": float(high)}
        for many, low, high in zip(found, edges[:-1], edges[1:], strict=True)
    ]
    return {
        "kind": "classes",
        "unit": unit,
        "least": float(edges[0]),
        "most": float(edges[-1]),
        "classes": classes,
    }
