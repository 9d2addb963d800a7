"""Records, their digests, and the HDF5 files that carry them.

Names are loaded when they are first used: reading a shard loads neither pydantic nor pooch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
