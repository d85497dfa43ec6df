"""What MKL would do for training, matrix products first, in the arithmetic that a run asks for (`arithmetic` has the reasons).

Tensors are `(rows, columns)` each, or `(K, rows, columns)` for a stack of K > 1 networks; a bias is `(columns,)` or
`(K, columns)`. What is asked for goes into buffers that exist already.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from core import arithmetic, blas


class Native:
    """PyTorch's own products, on any device. On CUDA a single network's ReLU comes with the product, in one kernel."""

    def __init__(self, single: bool, fused: bool = False):
        self._affine = torch.addmm if single else torch.baddbmm
        self._product = torch.mm if single else torch.bmm
        self._single, self._fused = single, single and fused

    def affine(self, bias, signal, weight, out: torch.Tensor, relu: bool = False) -> torch.Tensor:
        """bias + signal @ weight, with its ReLU if asked for."""
        if relu and self._fused:
            return torch._addmm_activation(bias, signal, weight, out=out)
        self._affine(bias if self._single else bias[:, None], signal, weight, out=out)
        return out.relu_() if relu else out

    def back(self, delta, weight, out: torch.Tensor) -> torch.Tensor:
        """delta @ weightᵀ."""
        return self._product(delta, weight.mT, out=out)

    def descend(self, weight, signal, delta: torch.Tensor) -> None:
        """weight += signalᵀ @ delta."""
        if self._single:
            weight.addmm_(signal.mT, delta)
        else:
            weight.baddbmm_(signal.mT, delta)

    def gradient(self, signal, delta: torch.Tensor) -> torch.Tensor:
        """signalᵀ @ delta."""
        return signal.mT @ delta

    def root(self, tensor: torch.Tensor) -> torch.Tensor:
        """Square roots, in place."""
        return tensor.sqrt_()

    def eigh(self, symmetric: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Eigenvalues, smallest first, and eigenvectors of `(K, m, m)` float64."""
        return torch.linalg.eigh(symmetric)

    def times(self, left, right: torch.Tensor) -> torch.Tensor:
        """left @ right of `(K, …)` stacks."""
        return left @ right


class Portable:
    """The same by SciPy's OpenBLAS, on the processor; a stack goes through its networks one by one.

    BLAS reads a matrix column by column: what it is given are the transposes of ours, of which it needs no copy.
    """

    def __init__(self):
        self._single = blas.products()["f"]

    def affine(self, bias, signal, weight, out: torch.Tensor, relu: bool = False) -> torch.Tensor:
        out.copy_(bias.unsqueeze(-2))
        for one, w, o in _matrices(signal, weight, out):
            self._single(1.0, w, one, 1.0, o, overwrite_c=1)
        return out.relu_() if relu else out

    def back(self, delta, weight, out: torch.Tensor) -> torch.Tensor:
        if not delta.shape[-1]:
            return out.zero_()
        for one, w, o in _matrices(delta, weight, out):
            self._single(1.0, w, one, 0.0, o, trans_a=1, overwrite_c=1)
        return out

    def descend(self, weight, signal, delta: torch.Tensor) -> None:
        for w, one, d in _matrices(weight, signal, delta):
            self._single(1.0, d, one, 1.0, w, trans_b=1, overwrite_c=1)

    def gradient(self, signal, delta: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(*signal.shape[:-2], signal.shape[-1], delta.shape[-1])
        self.descend(out, signal, delta)
        return out

    def root(self, tensor: torch.Tensor) -> torch.Tensor:
        np.sqrt(tensor.numpy(), out=tensor.numpy())  # rounded as IEEE 754 says; PyTorch asks MKL, which asks the maker
        return tensor

    def eigh(self, symmetric: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        import scipy.linalg

        # It refuses what is not finite, where PyTorch's answers with an error of its own or with nonsense.
        pairs = [scipy.linalg.eigh(one.numpy(), check_finite=False, driver="evd") for one in symmetric]
        return tuple(torch.stack([torch.from_numpy(pair[place]) for pair in pairs]) for place in (0, 1))

    def times(self, left, right: torch.Tensor) -> torch.Tensor:
        pairs = zip(left, right, strict=True)
        return torch.stack([torch.from_numpy(blas.product(a.numpy(), b.numpy())) for a, b in pairs])


Products = Native | Portable


def products(kind: str, device: torch.device, single: bool) -> Products:
    """Those of arithmetic `kind` on `device`, for one network or a stack. Where the processor has no portable ones, and on
    other devices, they are PyTorch's own: `arithmetic.family` says so of the run."""
    if kind == arithmetic.PORTABLE and device.type == "cpu" and "avx2" in arithmetic.flags():
        return Portable()
    return Native(single, fused=device.type == "cuda")


def _matrices(*tensors: torch.Tensor) -> Iterator[list]:
    """The transposes of the networks' matrices as NumPy arrays in the tensors' own memory; none where one is empty."""
    if not all(tensor.numel() for tensor in tensors):
        return
    arrays = [tensor.numpy() for tensor in tensors]
    if arrays[0].ndim == 2:
        yield [array.T for array in arrays]
    else:
        for each in zip(*arrays, strict=True):
            yield [array.T for array in each]
