"""`python -m bench`: how fast training and cutting are here, on one thread, building an atlas, on two, and stacks on a GPU.
`--quick` only shows that it runs; `--only atlas` runs one section."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib.metadata import version

import threadpoolctl
import torch

from bench import atlas, cuts, gpu, penalty, step
from bench.measure import Arm


def processor() -> str:
    """The processor's name as the system knows it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def say(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def tell_steps(arms: list[Arm], rounds: int) -> None:
    by_name = {arm.name: arm for arm in arms}
    ours, peer = by_name[step.OURS], min((by_name[name] for name in step.AUTOGRAD), key=lambda arm: arm.median)
    say(f"\nOne epoch of mnist-mini, 784-300-200-100-50-10, batch 32; {rounds} rounds, interleaved; median (min..max)")
    for arm in arms:
        say(f"  {arm.name:42}{arm.milliseconds():32}{arm.times(ours)} ours")
    say(f"  peer: {peer.name}, the faster of the two; it takes {peer.times(ours)} as long as ours (wanted: 1.5)")
    say(f"  a DataLoader loop takes {by_name[step.LOADER].times(ours)} as long as ours (wanted: 2)")


def tell_cuts(arms: list[Arm], rounds: int) -> None:
    say(f"\nOne cut of 320,700 weights; {rounds} rounds, interleaved; median (min..max)")
    for arm in arms:
        wanted = 120 if "spectra" in arm.name else 15
        say(f"  {arm.name:50}{arm.milliseconds():32}wanted: under {wanted} ms")


def tell_atlases(rows: list[atlas.Row], about: str, rounds: int) -> None:
    say(f"\nOne atlas of 784-300-200-100-50-10, {about}; {rounds} rounds, in turns; median (min..max)")
    for row in rows:
        wanted = 3 if row.criterion == atlas.CRITERIA[0] else 1.5
        for arm, more in (
            (row.ours, "wanted: under 30 s"),
            (row.direct, f"{row.direct.times(row.ours)} ours (wanted: {wanted})"),
        ):
            say(f"  {f'{row.criterion}: {arm.name}':55}{arm.milliseconds():34}{more}")
        say(f"  their answers differ on at most {row.differ} test images at any percent")


def tell_penalties(arms: list[Arm], about: str, rounds: int) -> None:
    without, *others = arms
    say(
        f"\nOne epoch with the nuclear-norm penalty, {about}, batch 32; {rounds} rounds, interleaved; median (min..max)"
    )
    say(f"  {without.name:42}{without.milliseconds()}")
    for arm in others:
        say(f"  {arm.name:42}{arm.milliseconds():32}{arm.times(without)} without (wanted on MNIST: at most 3)")


def tell_stacks(arms: list[Arm], about: str, rounds: int) -> None:
    by_name = {arm.name: arm for arm in arms}
    peer = min((by_name[name] for name in gpu.PEERS), key=lambda arm: arm.median)
    say(f"\nOne epoch on {torch.cuda.get_device_name()}, {about}, batch 32, counting on; {rounds} rounds, interleaved")
    say(f"  TF32 {'on' if torch.backends.cuda.matmul.allow_tf32 else 'off'}; median (min..max)")
    for arm in arms:
        say(f"  {arm.name:42}{arm.milliseconds()}")
    for count, wanted in zip(gpu.STACKS, (8, None, 50), strict=True):
        ratio = count * peer.median / by_name[gpu.ours(count)].median
        say(
            f"  K = {count}: {ratio:.1f} times {peer.name}, K runs one after another"
            + (f" (wanted: {wanted})" if wanted else "")
        )


SECTIONS = ("steps", "cuts", "penalty", "atlas", "gpu")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument(
        "--rounds", type=int, default=9, help="rounds of epochs; cuts take three times as many, atlases a third"
    )
    parser.add_argument("--only", choices=SECTIONS, help="one section instead of all")
    options = parser.parse_args()
    wanted = SECTIONS if options.only is None else (options.only,)
    rounds, images = (1, 640) if options.quick else (options.rounds, None)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    names = ("torch", "numpy", "scikit-learn")
    say(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names))
    say(f"{platform.platform()}, {processor()}, {os.cpu_count()} cores, one thread used")
    with threadpoolctl.threadpool_limits(1):
        if "steps" in wanted:
            tell_steps(step.measure(rounds, images), rounds)
        if "cuts" in wanted:
            tell_cuts(cuts.measure(3 * rounds, images), 3 * rounds)
        if "penalty" in wanted:
            data, few = atlas.data_set(images), max(1, rounds // 3)
            about = f"{data.name}, {len(data.x_train):,} training images"
            tell_penalties(penalty.measure(few, data), about, few)
    if "atlas" in wanted:
        data, few = atlas.data_set(images), max(1, rounds // 3)
        tell_atlases(atlas.measure(few, data), f"{data.name}, {len(data.x_test):,} test images", few)
    if "gpu" in wanted and not gpu.available():
        say("\nNo CUDA device here: the stacks on a GPU are left out.")
    elif "gpu" in wanted:
        data = atlas.data_set(images)
        tell_stacks(gpu.measure(rounds, data), f"{data.name}, {len(data.x_train):,} training images", rounds)


if __name__ == "__main__":
    main()
