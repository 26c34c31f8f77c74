import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluctlab.stats.axis import monotone


def positions(*axis):
    return monotone(np.array(axis, dtype=float))


def test_an_increasing_axis_is_left_alone():
    line = positions(0, 1, 2, 5)
    assert line.keep.tolist() == [0, 1, 2, 3]
    assert line.rewinds == ()


def test_a_resume_replaces_what_it_writes_again_and_says_so():
    line = positions(0, 1, 2, 3, 4, 2, 3, 4, 5)
    assert line.keep.tolist() == [0, 1, 5, 6, 7, 8]
    assert line.rewinds == (2.0,)
    assert line.replaced == 3


def test_a_counter_that_begins_again_is_numbered_on():
    line = positions(0, 1, 2, 0, 1, 2, 3)
    assert line.positions.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert line.renumbered == 4


def test_a_late_write_is_put_in_its_place():
    line = positions(10, 12, 11, 13)
    assert line.keep.tolist() == [0, 2, 1, 3]
    assert line.late == 1
    assert line.rewinds == ()


def test_an_impossible_step_costs_no_point():
    line = positions(1, 2, 3, 999_999, 5, 6)
    assert line.positions.tolist() == [1, 2, 3, 4, 5, 6]
    assert line.mended == 1


def test_of_two_values_at_one_step_the_last_stands():
    line = positions(1, 1, 2)
    assert line.keep.tolist() == [1, 2]
    assert line.repeated == 1


@given(
    st.lists(st.one_of(st.integers(-5, 40).map(float), st.just(float("nan")), st.floats(allow_nan=False)), max_size=60)
)
def test_any_axis_becomes_strictly_increasing_with_distinct_values(axis):
    line = monotone(np.array(axis, dtype=float))
    assert len(set(line.keep.tolist())) == len(line.keep)
    finite = line.positions[np.isfinite(line.positions)]
    assert (np.diff(finite) > 0).all()
    assert len(line.keep) <= len(axis)


@pytest.mark.parametrize("axis", [[], [float("nan")], [3.0]])
def test_short_axes_are_accepted(axis):
    assert len(monotone(np.array(axis, dtype=float)).keep) == len(axis)
