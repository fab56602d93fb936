"""How a number of people is told, k-anonymous.

`cim/store/rules/people_counts.sql` keeps what is summed.

Every count is a sum of numbers that are each a multiple of five and of one building.  What follows
here only makes it coarser.
"""

from typing import Final

FINE: Final = 5
"""k: fewer people than that are never told apart from none."""

COARSE: Final = 100
"""What everybody is told is a multiple of that."""


def told(people: int, step: int, *, empty: bool = False) -> int | None:
    """A sum to the nearest multiple of a step; None for fewer than one, which may be none.

    Where there is nothing to live in (`empty`), which is no secret, it is 0.

    >>> told(1235, COARSE), told(60, COARSE), told(0, FINE), told(15, FINE)
    (1200, None, None, 15)
    >>> told(0, FINE, empty=True)
    0
    """
    if empty:
        return 0
    return None if people < step else (people + step // 2) // step * step
