from __future__ import annotations

import math

import pytest

from fluctlab.parsers.numbers import is_missing, read_number, uses_decimal_comma


@pytest.mark.parametrize(
    ("text", "value", "percent"),
    [
        ("0.5", 0.5, False),
        (" 5. ", 5.0, False),
        ("-.5e-3", -0.0005, False),
        ("50.1%", 50.1, True),
        ("50.1 %", 50.1, True),
        ("tensor(0.5, device='cuda:0', grad_fn=<NllLossBackward>)", 0.5, False),
        ("np.float32(0.25)", 0.25, False),
        ("1e400", math.inf, False),
        ("-Infinity", -math.inf, False),
        ("1.#INF", math.inf, False),
    ],
)
def test_reads_what_people_write(text, value, percent):
    assert read_number(text) == (value, percent)


@pytest.mark.parametrize("text", ["nan", "-NaN", "1.#QNAN", "-1.#IND", "nan(ind)"])
def test_reads_every_spelling_of_nan(text):
    number = read_number(text)
    assert number is not None
    assert math.isnan(number.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "04:39",
        "1,234",
        "1_000",
        "1 000",
        "0x10",
        "1.2.3",
        "2024-01-01",
        "True",
        "[0.5, 0.6]",
        "9" * 500,
        "١٢",
    ],
)
def test_refuses_what_could_be_a_wrong_value(text):
    assert read_number(text) is None


def test_missing_is_not_nan():
    assert is_missing(" NA ")
    assert is_missing("None")
    assert not is_missing("nan")


def test_decimal_comma_needs_a_cell_that_is_no_thousands_separator():
    assert uses_decimal_comma(["0,5", "12,345"])
    assert not uses_decimal_comma(["12,345", "6,789"])
    assert not uses_decimal_comma(["0,5", "0.5"])
