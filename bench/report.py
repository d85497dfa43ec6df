"""What is printed and what is written down: the machine, the table, the CSV."""

from __future__ import annotations

import csv
import os
import platform
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.measure import Line, Said

PACKAGES = ("torch", "numpy", "scikit-learn", "streamlit")
BUSY = 0.5  # processes that ran in the last minute, on average, before the benchmark began
COLUMNS = (
    "section what ms ms_low ms_high against against_ms against_ms_low against_ms_high ratio ratio_low ratio_high rounds "
    "wanted note date python"
).split() + [*PACKAGES, "system", "processor", "cores", "load"]


def say(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def machine() -> dict[str, str]:
    """What the times were taken on, and when."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "system": platform.platform(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "",
    }


def _processor() -> str:
    """The processor's name as the system knows it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def heading(about: dict[str, str]) -> str:
    packages = ", ".join(f"{name} {about[name]}" for name in ("python", *PACKAGES))
    text = f"{packages}\n{about['system']}, {about['processor']}, {about['cores']} cores, {about['date']}"
    if float(about["load"] or 0) > BUSY:
        text += f"\nOthers use this machine now (load {about['load']}): what follows is worth nothing. Wait till it is quiet."
    return text


def told(line: Line) -> str:
    """The line as the table has it: medians, and the spread of the ratio, or of the time where there is no alternative."""
    low, middle, high = line.what.spread()
    text = f"  {line.what.name:54} {_milliseconds(middle):>10}"
    if line.against is None:
        text += f"  ({_milliseconds(low)} to {_milliseconds(high)})"
    else:
        low, middle, high = line.against.ratio(line.what)
        ratio = f"{middle:7.2f} × ({low:.2f}..{high:.2f})"
        text += f" {ratio:24} {line.against.name}, {_milliseconds(line.against.spread()[1])}"
    text += f"; wanted: {line.wanted}" if line.wanted else ""
    return text + (f"  ({line.note})" if line.note else "")


def _milliseconds(value: float) -> str:
    return f"{value:,.{2 if value < 10 else 1 if value < 1000 else 0}f} ms"


def row(one: Line | Said, about: dict[str, str]) -> dict[str, object]:
    """One row of the CSV; times in ms, ratios how many times as long the alternative took, round by round."""
    if isinstance(one, Said):
        return {"section": one.section, "note": one.text} | about
    cells: dict[str, object] = {"section": one.section, "what": one.what.name, "rounds": len(one.what.seconds)}
    cells |= {"wanted": one.wanted, "note": one.note}
    cells |= _cells("ms", one.what.spread())
    if one.against is not None:
        cells |= {"against": one.against.name} | _cells("against_ms", one.against.spread())
        cells |= _cells("ratio", one.against.ratio(one.what))
    return cells | about


def _cells(name: str, values: tuple[float, float, float]) -> dict[str, str]:
    low, middle, high = (f"{value:.4g}" for value in values)
    return {name: middle, f"{name}_low": low, f"{name}_high": high}


def write(file: Path, rows: Iterable[dict[str, object]], columns: Iterable[str] = COLUMNS) -> None:
    """The CSV."""
    with open(file, "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(columns))
        writer.writeheader()
        writer.writerows(rows)
