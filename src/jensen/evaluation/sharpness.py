"""How sharp images are."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d

from jensen.errors import JensenError


def laplacian_variance(
    x: Float[Tensor, "images channels height width"],
) -> Float[Tensor, " images"]:
    """The variance over pixels of the Laplacian of each image, (N,), in squared units of x (Pech-Pacheco et al. 2000).

    The Laplacian is that of four neighbours, x(i+1, j) + x(i-1, j) + x(i, j+1) + x(i, j-1) - 4 x(i, j), of the mean
    over channels, where all five pixels are there. Blurring lowers it; noise raises it, to 20 s^2 for independent
    pixels of variance s^2: more than the data have is as wrong as less.

    Args:
        x: images (N, C, H, W), with H and W at least 3.
    """
    if x.ndim != 4 or min(x.shape[2:]) < 3:
        raise JensenError(f"laplacian_variance needs images (N, C, H, W) of 3 x 3 or more, got {tuple(x.shape)}")
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]], dtype=torch.float64, device=x.device)
    return conv2d(x.double().mean(1, keepdim=True), kernel[None, None]).flatten(1).var(1, correction=0)
