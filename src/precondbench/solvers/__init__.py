"""Iterative solvers in a fixed order of operations, and preconditioners as operators."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
