"""Words from outside, as they stand in a page."""

from __future__ import annotations

import re

# What Markdown, and Streamlit's own colours and icons, would take; not the "_" within PRUNING_DATA.
SPECIAL = re.compile(r"[\\*~$\[\]<]|^[#>+-]|(?<![^\W_])_|_(?![^\W_])|:(?=[\w-]*\[|[\w+/-]+:)")


def literal(text: str) -> str:
    """The text for a page that reads Markdown: a file's name in it, such as a*b*.npz, stands as it is; `code` stays code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else SPECIAL.sub(r"\\\g<0>", part) for part in parts)
