"""precondbench: the benchmark by which learned sparse preconditioners are judged.

Names are loaded on first use, so that importing the package is cheap and touches neither
torch nor the network.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
