"""What a person takes away from the page Judge: rows as CSV, and a script that prints a card from them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import fields

from core.judge import questions
from core.judge.questions import END, METHOD, Row, Setting
from core.views import judge
from core.views.judge import SHIPPED


def table(rows: Sequence[Row]) -> str:
    """The rows as CSV, in the form of the shipped file; `results.shipped(file)` reads it."""
    names = list(dict.fromkeys(name for row in sorted(rows, key=lambda row: -len(row)) for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: row.get(name, "") for name in names} for row in rows)
    return text.getvalue()


def script(
    claim: str,
    setting: Setting,
    made: str = SHIPPED,
    method: str = METHOD,
    arms: Sequence[str] | None = None,
    measured: str = END,
) -> str:
    """A Python script that prints the card from its rows. Raises ValueError on what is no claim or no direction."""
    questions.questions(claim, [], method, arms, measured)
    file = "" if made == SHIPPED else 'Path(sys.argv[1] if sys.argv[1:] else "runs.csv")'
    source = "the rows that ship" if made == SHIPPED else "the rows that the page's CSV holds"
    how = "card.py" if made == SHIPPED else "card.py runs.csv"
    more = "" if method == METHOD else f', method="{method}"'
    more += "" if arms is None else f", arms={json.dumps(list(arms))}"
    more += "" if measured == END else f', measured="{measured}"'
    imports = "" if made == SHIPPED else "import sys\nfrom pathlib import Path\n\n"
    values = [(field, getattr(setting, field.name)) for field in fields(setting)]
    parts = [f"{field.name}={value!r}" for field, value in values if value != field.default]
    place = ", ".join(parts).replace("'", '"')
    return f'''# {judge.title(claim, method)}.
# {judge.label(setting)}, from {source}.
# Run it in the folder of the Pruning Explorer: PYTHONPATH=. .venv/bin/python {how}
{imports}from core.judge import questions, results
from core.statistics import Rule, judge

rows = questions.Setting({place}).of(results.shipped({file}))
card = judge(questions.questions("{claim}", rows{more}), Rule())
print(f"{{card.headline}}\\n{{card.sentence}}")
for part in card.decisions:
    n = part.evidence.n if part.evidence else 0
    print(f"{{part.headline}} | n = {{n}} | {{part.low:.4f}} to {{part.high:.4f}} | p = {{part.corrected:.4g}}")
    print(f"  {{part.sentence}}")
'''
