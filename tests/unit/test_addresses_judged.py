"""Addresses written by hand in the habits of four cities come apart as a reader reads them."""

from tests.judged import judge


def test_ninety_eight_of_a_hundred_are_right_without_knowing_the_city() -> None:
    judge({})
