"""Files, JSON, network, plugins and compiled kernels: what every package may use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
