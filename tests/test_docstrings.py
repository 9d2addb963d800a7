"""The examples in all docstrings."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import precondbench
from house import PACKAGES, public

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(precondbench.__path__, "precondbench.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # Some write a file.
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert result.failed == 0


def test_public_functions_have_examples():
    """What the package exports shows how it is used."""
    for name in ("invk", "ic0", "pcg", "k_condition", "evaluate", "SyntheticTridiag"):
        assert ">>>" in getattr(precondbench, name).__doc__


PUBLIC = [
    f"precondbench.{package}.{name}"
    for package in PACKAGES
    if package != "cli"
    for name in public(package)
    if inspect.isfunction(getattr(importlib.import_module(f"precondbench.{package}"), name))
]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_functions_say_what_goes_in_and_comes_out(name):
    validate = pytest.importorskip(
        "numpydoc.validate", reason="numpydoc is not installed; pip install 'precondbench[docs]'"
    )
    # Parameters that are not documented, or documented and not there, or out of order; no result.
    wanted = {"PR01", "PR02", "PR03", "RT01", "SS01", "GL06", "GL07"}
    assert [error for error in validate.validate(name)["errors"] if error[0] in wanted] == []
