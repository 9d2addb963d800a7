"""The families there are, by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from precondbench._internal import did_you_mean
from precondbench.errors import ConfigurationError
from precondbench.matrices.families.family import ParametricFamily

# A new family is a module with FAMILIES, and one line here.
_MODULES = (
    "grids",
    "meshes",
    "elasticity",
    "graphs",
    "sequences",
    "random_spd",
)
FAMILIES: Mapping[str, ParametricFamily] = {
    family.name: family
    for name in _MODULES
    for family in import_module(f"{__package__}.{name}").FAMILIES
}


def parametric_family(name: str) -> ParametricFamily:
    """Return the family of that name.

    Parameters
    ----------
    name : str
        Such as ``diffusion-2d``.

    Returns
    -------
    ParametricFamily
        Its parameters, and the function that draws from it.

    Raises
    ------
    ConfigurationError
        If there is none; the message lists the known ones.
    """
    if name not in FAMILIES:
        hint = did_you_mean(name, list(FAMILIES))
        raise ConfigurationError(f"no family {name!r}; there are: {', '.join(FAMILIES)}{hint}")
    return FAMILIES[name]
