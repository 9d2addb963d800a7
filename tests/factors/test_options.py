"""Options that are numbers: one shared check, used by every function that takes one."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from precondbench._internal import real_number, whole_number
from precondbench.errors import ConfigurationError
from precondbench.factors import (
    ict,
    invk_report,
    khop_factor,
    level_of_fill,
    local_invk,
    power_pattern,
)
from precondbench.matrices import poisson_1d, tridiagonal_csr


@pytest.mark.parametrize("value", [2, np.int8(2), np.uint64(2), np.array(2)])
def test_integers_of_every_type_are_whole_numbers(value):
    number = whole_number("k", value)
    assert type(number) is int
    assert number == 2


@pytest.mark.parametrize(
    "value",
    [2.5, 2.0, True, np.True_, float("nan"), float("inf"), -1, np.int64(-1), "2", None, 2j, [2]],
)
def test_what_is_not_a_whole_number(value):
    with pytest.raises(ConfigurationError, match=r"k is .*; give an integer of 0 or more"):
        whole_number("k", value)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float16(0.5), Fraction(1, 2)])
def test_real_numbers_of_every_type(value):
    number = real_number("t", value)
    assert type(number) is float
    assert number == 0.5


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), -0.1, -float("inf"), np.float64("nan"), 10**400, True,
        np.False_, "1", None, 1j, [1.0], Decimal(1),
    ],
)  # fmt: skip
def test_what_is_not_a_real_number(value):
    with pytest.raises(ConfigurationError, match=r"t is .*; give a finite number of 0 or more"):
        real_number("t", value)


A = tridiagonal_csr(poisson_1d(6))
WHOLE = {
    "most": lambda value: ict(A, 0.1, value),
    "level": lambda value: level_of_fill(A, value),
    "power": lambda value: power_pattern(A, value),
    "hops": lambda value: local_invk(A, value),
    "hops of a window": lambda value: khop_factor(poisson_1d(6), value),
    "probes": lambda value: invk_report(A, probes=value),
    "workers": lambda value: invk_report(A, workers=value),
    "workers of patches": lambda value: local_invk(A, 1, workers=value),
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [2.5, True, float("nan"), float("inf"), -1, "2"])
def test_integer_options_of_the_factors(name, value):
    with pytest.raises(ConfigurationError, match=rf"{name.split()[0]} is .*give an integer"):
        WHOLE[name](value)


@pytest.mark.parametrize("name", WHOLE)
def test_integer_options_take_numpy_integers_and_large_ones(name):
    WHOLE[name](np.int16(1))
    if "workers" not in name and name != "probes":
        WHOLE[name](10**30)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), True, "0.1", None])
def test_real_options_of_the_factors(value):
    with pytest.raises(ConfigurationError, match="drop_tolerance is"):
        ict(A, value)
    if value is not None:
        with pytest.raises(ConfigurationError, match="max_operations is"):
            local_invk(A, 1, max_operations=value)
