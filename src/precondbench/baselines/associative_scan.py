"""Running products of 2 x 2 matrices up to scale, in a number of steps that grows like log n."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["prefix_products", "sequential_products"]


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Left @ right, its largest entry scaled to 1: products stay finite for every n."""
    # Two multiplications of whole tensors: batched matmul is slow for 2 x 2.
    product = left[..., :1] * right[..., :1, :] + left[..., 1:] * right[..., 1:, :]
    size = product.detach().abs().amax((-2, -1), keepdim=True)
    return product / size.clamp_min(torch.finfo(product.dtype).tiny)


def prefix_products(matrices: Tensor) -> Tensor:
    """Return M_i M_(i-1) ... M_0 for every i, each up to a positive factor.

    Neighbours are multiplied, the products of half length are scanned in turn, and products of
    odd length are filled in (Blelloch 1990): 2 n multiplications in 2 log2(n) steps, all of a step
    at once. Every product is divided by its largest absolute entry, so that nothing overflows.

    Parameters
    ----------
    matrices : torch.Tensor
        [batch, n, ..., 2, 2], n at least 1.

    Returns
    -------
    torch.Tensor
        Same shape.

    Examples
    --------
    >>> import torch
    >>> from precondbench.baselines.associative_scan import prefix_products
    >>> step = torch.tensor([[2.0, -1.0], [1.0, 0.0]]).expand(1, 4, 2, 2)
    >>> first = prefix_products(step)[0, :, :, 0]
    >>> first[:, 0] / first[:, 1]  # pivots of tridiag(-1, 2, -1)
    tensor([2.0000, 1.5000, 1.3333, 1.2500])
    """
    n = matrices.shape[1]
    if n == 1:
        return matrices
    pairs = prefix_products(_product(matrices[:, 1::2], matrices[:, 0 : n - 1 : 2]))
    odd = _product(matrices[:, 2::2], pairs[:, : (n - 1) // 2])
    # Products of odd and of even length in turn; the last of an even n is in pairs.
    even = torch.cat([matrices[:, :1], odd], dim=1)
    woven = torch.stack([even[:, : n // 2], pairs], dim=2).flatten(1, 2)
    return woven if n % 2 == 0 else torch.cat([woven, even[:, -1:]], dim=1)


def sequential_products(matrices: Tensor) -> Tensor:
    """Return what :func:`prefix_products` does, in n steps one after the other."""
    products = [matrices[:, 0]]
    for i in range(1, matrices.shape[1]):
        products.append(_product(matrices[:, i], products[-1]))
    return torch.stack(products, dim=1)
