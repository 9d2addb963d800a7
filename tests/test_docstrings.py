"""Every example in a docstring is run."""

import doctest
import importlib
import pkgutil

import pytest

import precondbench

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(precondbench.__path__, "precondbench.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert result.failed == 0


def test_public_functions_have_examples():
    """What the package exports shows how it is used."""
    for name in ("invk", "ic0", "pcg", "k_condition", "evaluate", "SyntheticTridiag"):
        assert ">>>" in getattr(precondbench, name).__doc__
