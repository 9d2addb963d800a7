"""Families of matrices: names, parameters and the functions that draw from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from precondbench._internal import did_you_mean
from precondbench.errors import ConfigurationError
from precondbench.matrices.families.system import DiscreteSystem
from precondbench.matrices.random_bits import UniformStream

Given = float | tuple[float, float]
DrawSystems = Callable[[UniformStream, int, Mapping[str, float]], Sequence[DiscreteSystem]]


@dataclass(frozen=True)
class Parameter:
    """A number that is drawn for every system of a family.

    Parameters
    ----------
    low, high : float
        Range.
    description : str
        What it is, with its unit.
    decades : bool
        Draw the decade uniformly, and the number uniformly within it: close to a log-uniform
        law, but by multiplications only. ``high / low`` must then be a power of ten.
    least, most : float
        Smallest and largest value that a user may give; beyond, the formulas make no sense.
    """

    low: float
    high: float
    description: str
    decades: bool = False
    least: float = -inf
    most: float = inf

    def draw(self, stream: UniformStream, given: Given | None = None) -> float:
        """Draw from the range, or from another one; a number stands for itself."""
        low, high = (self.low, self.high) if given is None else _bounds(given)
        t = float(stream.uniform(1)[0])
        if not self.decades or low == high:
            return low + (high - low) * t
        decades = _decades(low, high)
        whole = min(int(t * decades), decades - 1)
        value = low
        for _ in range(whole):
            value *= 10.0
        return value * (1.0 + 9.0 * (t * decades - whole))

    def recipe(self, given: Given | None = None) -> dict[str, object]:
        """Range and law of the numbers that :meth:`draw` gives, as JSON."""
        low, high = (self.low, self.high) if given is None else _bounds(given)
        return {"low": low, "high": high, "decades": self.decades}


def _bounds(given: Given) -> tuple[float, float]:
    low, high = given if isinstance(given, tuple) else (given, given)
    return float(low), float(high)


def _decades(low: float, high: float) -> int:
    count, reached = 0, low
    while reached < high * (1.0 - 1e-9):
        reached *= 10.0
        count += 1
    return count


@dataclass(frozen=True)
class ParametricFamily:
    """Matrices of one kind that differ in their parameters.

    Attributes
    ----------
    name, title : str
        Name in files and commands, and in headings.
    stream : int
        Number of its random streams; fixed for ever.
    draw_systems : callable
        ``(stream, n, parameters) -> systems``: the systems of one draw, with about n rows each.
        Most families give one; several belong together, such as the steps of a sequence.
    description : str
        What is discretised and how, in one or two sentences.
    parameters : mapping of str to Parameter
        What is drawn for each system, in this order, before the function is called.
    axes : mapping of str to mapping of str to float
        For ``contrast`` and ``mesh``: parameters that are changed on these axes of generalisation.
    coefficients : tuple of str
        What the columns of the coefficients are.
    systems_per_draw : int
        How many systems the function returns.
    """

    name: str
    title: str
    stream: int
    draw_systems: DrawSystems
    description: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    axes: Mapping[str, Mapping[str, Given]] = field(default_factory=dict)
    coefficients: tuple[str, ...] = ()
    systems_per_draw: int = 1

    def draw(
        self, stream: UniformStream, n: int, given: Mapping[str, Given] | None = None
    ) -> list[DiscreteSystem]:
        """Draw parameters, then the systems; the parameters are among their facts.

        Raises
        ------
        ConfigurationError
            If there is no such parameter, or it cannot have such a value.
        """
        given = given or {}
        unknown = sorted(set(given) - set(self.parameters))
        if unknown:
            known = ", ".join(self.parameters) or "none"
            raise ConfigurationError(
                f"{self.name} has no parameter {unknown[0]!r}; there are: {known}"
                f"{did_you_mean(unknown[0], list(self.parameters))}"
            )
        for name, value in given.items():
            _check(name, self.parameters[name], value)
        values = {
            name: parameter.draw(stream, given.get(name))
            for name, parameter in self.parameters.items()
        }
        return list(self.draw_systems(stream, n, values))


def _check(name: str, parameter: Parameter, given: Given) -> None:
    """Refuse what the family was not made for: a sign that it never has, or no number."""
    low, high = _bounds(given)
    sign = (
        "a positive" if parameter.low > 0.0 else "a non-negative" if parameter.low == 0.0 else "a"
    )
    enough = low > 0.0 if parameter.low > 0.0 else low >= 0.0 or parameter.low < 0.0
    if not (enough and -inf < low <= high < inf):
        raise ConfigurationError(
            f"{name} is {given}; give {sign} finite number, or the ends of a range of such numbers"
        )
    if low < parameter.least or high > parameter.most:
        raise ConfigurationError(
            f"{name} is {given}; give numbers from {parameter.least:g} to {parameter.most:g}"
        )
    if parameter.decades and low < high:
        reached = low
        for _ in range(_decades(low, high)):
            reached *= 10.0
        if abs(reached - high) > 1e-9 * high:
            raise ConfigurationError(
                f"{name} is {given}, and is drawn by decades; give a range from a to a times a "
                "power of ten, or one number"
            )
