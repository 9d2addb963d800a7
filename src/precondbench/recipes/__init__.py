"""Matrices + factors + quality -> shards: recipes, splits, and where a split comes from."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
