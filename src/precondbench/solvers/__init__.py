"""Preconditioners that are no lower factor on the pattern of A: operators for the same solver."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
