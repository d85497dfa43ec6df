"""The nuclear-norm penalty λ · Σ singular values of the hidden layers, taken as a step of its own every N training steps.

Proximal: minimises the penalty plus half the squared distance from the weights as training left them, over N steps at once, by
soft-thresholding the singular values at learning rate · λ · N (Cai, Candès and Shen 2010). Gradient: one step along the
subgradient U_r V_rᵀ, with nothing for singular values that are zero: there torch's derivative of `svdvals` is arbitrary.
The singular values come from the smaller Gram matrix in float64, each good to 1e-8 of the largest, in half the time of a
singular value decomposition.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from core.experiment.products import Products
from core.experiment.step import Parameters
from core.spec import PenaltySpec


class Penalty:
    """The penalties of a stack of networks, one PenaltySpec each; they share everything but the strength."""

    def __init__(self, specs: Sequence[PenaltySpec], products: Products, device: torch.device):
        """Raises ValueError where the specs differ in more than their strength."""
        first = specs[0]
        if any((one.every, one.method, one.weighting) != (first.every, first.method, first.weighting) for one in specs):
            raise ValueError("the penalties of a stack may differ in their strength and switching only")
        self.every, self._products = first.every, products
        self._proximal, self._by_index = first.method == "proximal", first.weighting == "index"
        self._home = torch.device("cpu") if device.type == "mps" else device  # MPS has no float64
        self._strengths = torch.tensor([one.strength for one in specs], dtype=torch.float64, device=self._home)

    def take(self, parameters: Parameters, steps: int, on: Sequence[bool]) -> None:
        """Applies what `steps` training steps owe to every hidden layer of the networks that are `on`; masks stay."""
        switched = torch.tensor(on, dtype=torch.float64, device=self._home)
        lengths = parameters.rates.to(self._home, torch.float64) * self._strengths * switched * steps
        for weight, mask in zip(parameters.weights[:-1], parameters.masks, strict=False):
            if weight.numel():
                weight.copy_(self.shrunk(weight, lengths))
                if mask is not None:
                    weight.mul_(mask)

    def shrunk(self, weight: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """`(K, rows, columns)` weights after one step of `lengths` `(K,)`, learning rate · λ · steps; of the weights' type."""
        exact = weight.to(self._home, torch.float64)
        # Of NaN there are no singular values, and LAPACK says so or not by the size of the matrix: NaN stays NaN.
        finite = torch.isfinite(exact).all(-1).all(-1)[:, None, None]
        exact = torch.where(finite, exact, 0.0)
        rows, columns = exact.shape[-2:]
        tall = rows > columns
        times = self._products.times
        squares, vectors = self._products.eigh(times(exact.mT, exact) if tall else times(exact, exact.mT))
        values = self._products.root(squares.clamp_min(0))
        step = lengths[:, None].expand_as(values)
        if self._by_index:
            step = step * torch.arange(values.shape[-1], 0, -1, device=self._home)  # 1 for the largest
        if self._proximal:
            left = (values - step).clamp_min(0)
        else:
            tolerance = values[:, -1:] * max(rows, columns) * torch.finfo(torch.float32).eps
            left = torch.where(values > tolerance, values - step, values)
        factors = torch.where(values > 0, left / values, torch.zeros_like(values))
        scaled = times(vectors * factors[:, None], vectors.mT)
        shrunk = (times(exact, scaled) if tall else times(scaled, exact)).to(weight.device, weight.dtype)
        return torch.where(finite.to(weight.device), shrunk, torch.nan)
