"""Files, JSON, the network, code of users and compiled kernels: the base of every package."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
