"""A -> L: orders, sparse Cholesky, selected inversion, Inv-K, IC(0), ILU(0), k-hop oracles."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
