"""Which instructions compute: chosen before the libraries that compute are loaded, and found out afterwards.

Training is chaotic: one other last bit, and accuracies differ by points some epochs later. Matrix products decide the bits.
PyTorch's come from MKL, which has other kernels for other makers' processors, so they can never be the same on Intel and AMD;
OpenBLAS has one set of kernels for every x86-64 with AVX2, and takes it where it is told to. Two arithmetics follow:

- portable: products by SciPy's OpenBLAS with its Haswell kernels, the rest by PyTorch's AVX2 kernels, on one thread. The same
  bits on every x86-64 with AVX2.
- native: products by whatever PyTorch has on this device; the fastest. The same bits on the same kind of processor.

Neither depends on where arrays lie in memory, on threads, or on who asks: MKL is told STRICT, since its products else do.
`choose` runs when `core` is imported, so this file must load no NumPy. What was loaded before with other settings cannot be
changed; `overridden` says so.
"""

from __future__ import annotations

import functools
import os
import platform
import sys
from pathlib import Path

PORTABLE, NATIVE = "portable", "native"
ARITHMETICS = {
    PORTABLE: "the same numbers on every x86-64 computer with AVX2, Intel or AMD; what ships, sweeps and the Judge use it",
    NATIVE: "this computer's own matrix products, the fastest here; the same numbers again only on the same processor",
}
# Variable, what it is set to, and whose it is. Each library reads its own when it is loaded, or at its first product.
SETTINGS = {
    "MKL_CBWR": ("AUTO,STRICT", "MKL"),
    "ATEN_CPU_CAPABILITY": ("avx2", "PyTorch"),
    "OPENBLAS_CORETYPE": ("Haswell", "OpenBLAS"),
    "OPENBLAS_NUM_THREADS": ("1", "OpenBLAS"),  # how a product is shared out among threads shows in its last bits
}
KERNELS = ("Haswell", "Zen")  # OpenBLAS has the same kernels under both names
UNRECORDED = "unrecorded"


def choose() -> None:
    """Sets the variables, also where the caller has set them to something else, unless the processor has no AVX2."""
    if "avx2" in flags():
        os.environ.update({name: value for name, (value, _) in SETTINGS.items()})


def overridden() -> tuple[str, ...]:
    """What keeps the portable arithmetic from being the portable one in this process, though the processor could: a sentence
    for each library that was loaded before `core` with other settings; () where all is well. Loads SciPy, not PyTorch."""
    if "avx2" not in flags():
        return ()
    found = []
    advice = "import core first, in a fresh process, or set {} before"
    if (capability := _capability()) != "AVX2":
        how = advice.format("ATEN_CPU_CAPABILITY=avx2")
        found.append(f"PyTorch was loaded before the explorer and computes with {capability}, not AVX2: {how}")
    if (kernels := _kernels("scipy")) not in KERNELS:
        how = advice.format("OPENBLAS_CORETYPE=Haswell")
        found.append(f"SciPy was loaded before the explorer and its OpenBLAS has {kernels} kernels, not Haswell: {how}")
    return tuple(found)


def _capability() -> str:
    """The instructions that PyTorch has chosen; where it is not loaded yet, those that it will choose."""
    torch = sys.modules.get("torch")
    return torch.backends.cpu.get_cpu_capability() if torch else "AVX2"


def _kernels(library: str) -> str:
    """The name of the kernels that this library's OpenBLAS has chosen; "no" where it has another BLAS."""
    import threadpoolctl
    from scipy.linalg import blas  # noqa: F401  loaded, its BLAS is among the pools

    pools = threadpoolctl.threadpool_info()
    mine = [pool for pool in pools if pool["internal_api"] == "openblas" and f"{library}.libs" in pool["filepath"]]
    mine = mine or [pool for pool in pools if pool["internal_api"] == "openblas"]  # a SciPy that shares its BLAS
    return mine[0].get("architecture", "unknown") if mine else "no"


def can_be_portable() -> bool:
    """Whether this process has the portable arithmetic: an x86-64 with AVX2 and nothing overridden."""
    return "avx2" in flags() and not overridden()


def family(arithmetic: str, device: str, device_name: str) -> str:
    """Runs of one spec and one family have the same numbers. `device`: "cpu", "cuda", "mps"."""
    if device != "cpu":
        return f"{device} {device_name}"
    if arithmetic == PORTABLE and can_be_portable():
        return f"{PORTABLE} x86-64"
    mixed = arithmetic == PORTABLE and overridden()
    return f"{NATIVE} {processor()}" + (
        f" with PyTorch {_capability()} and OpenBLAS {_kernels('scipy')}" if mixed else ""
    )


# -- the processor -----------------------------------------------------------------------------------------------------


@functools.cache
def flags() -> frozenset[str]:
    """Which of "avx2", "avx512f" the processor has and the system lets it use; empty where that cannot be told."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return frozenset()
    if sys.platform == "win32":
        import ctypes

        has = ctypes.windll.kernel32.IsProcessorFeaturePresent
        return frozenset(name for name, number in (("avx2", 40), ("avx512f", 41)) if has(number))
    return frozenset(_of_the_system("flags").split()) & {"avx2", "avx512f"}


@functools.cache
def processor() -> str:
    """The processor's maker and model, as it names itself."""
    maker, model = _of_the_system("vendor_id"), _of_the_system("model name")
    numbers = " ".join(_of_the_system(name) for name in ("cpu family", "model") if _of_the_system(name))
    named = " ".join(filter(None, [maker, model, f"({numbers})" if numbers else ""]))
    return named or platform.processor() or platform.machine()


def vector_instructions() -> str:
    """The widest vector instructions that the processor has, of those that matter here."""
    if "avx512f" in flags():
        return "AVX-512"
    return "AVX2" if "avx2" in flags() else platform.machine()


def _of_the_system(name: str) -> str:
    """One line of what Linux says of its first processor; "" elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return ""
    lines = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")
