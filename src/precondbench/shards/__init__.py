"""Records, their digests, and the HDF5 files that carry them.

The manifest and the cache are imported by name (:mod:`precondbench.shards.manifest`,
:mod:`precondbench.shards.cache`), so that reading a shard loads neither pydantic nor pooch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
