"""Artifacts as pages need them: asked for, waited for, told of when they fail, and shown. What is made is made by a worker.

found = asked.value(ContestOf(key))             # None: it is not there
job = asked.ask([ContestOf(key)], visitor)      # begins what is missing, but not again what failed or was stopped
asked.in_words(job)                             # {"text", "share"} for an element; None where nothing is under way
asked.trouble(wanted, visitor)                  # why it cannot be made, and the button that tries again
asked.version(*wanted)                          # changes with what is there; for caches
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.artifacts import Artifact, Sources
from core.jobs.job import Job
from core.store import Store
from pages.shared import queued, services, session


class _Served(Sources):
    """Every run where its name opens it on this server."""

    def store(self, run: str) -> Store:
        return services.store_of(run)


def sources() -> Sources:
    """The runs that pages show."""
    return _Served(services.board().store)


def value(artifact: Artifact) -> Any:
    """The value as far as it is made; None where nothing is there."""
    return services.board().artifacts.get(artifact, sources())


def there(artifact: Artifact) -> bool:
    """Whether it is whole."""
    return services.board().artifacts.there(artifact, sources())


def version(*wanted: Artifact) -> tuple[tuple[str, int], ...]:
    """Changes when another value is there."""
    found = (services.board().artifacts.find(one, sources()) for one in wanted)
    return tuple((str(one.files[0]), max(one.written)) if one else ("", 0) for one in found)


def job(wanted: Sequence[Artifact], key: str | None = None) -> Job | None:
    """The newest job that makes, or made, them."""
    return services.board().job(key or wanted[0].job) if wanted else None


def moving(*groups: Sequence[Artifact]) -> bool:
    """Whether one of the groups is being made now."""
    return any((one := job(group)) is not None and one.live for group in groups)


def ask(wanted: Sequence[Artifact], visitor: str, key: str | None = None) -> Job | None:
    """The job that makes what is missing, begun where it was not; None where nothing is. What failed or was stopped is not
    begun again by itself: `again` does that. Raises ValueError where it cannot be begun."""
    missing = [one for one in wanted if not there(one)]
    known = job(wanted, key)
    if known and known.live:
        services.board().seen(known.key, visitor)
        return known
    if not missing or (known and known.state in ("failed", "stopped")):
        return known if missing else None
    return again(wanted, visitor, key)


def again(wanted: Sequence[Artifact], visitor: str, key: str | None = None) -> Job:
    """Begins making what is missing of them. Raises ValueError where that cannot be."""
    begun = services.board().make(wanted, sources(), visitor, key=key)
    services.board().seen(begun.key, visitor)
    return begun


def start(wanted: Sequence[Artifact], visitor: str, key: str | None = None) -> None:
    """The same, a refusal told; for buttons' callbacks."""
    try:
        again(wanted, visitor, key)
    except ValueError as error:
        session.refuse(error)


def problem(wanted: Sequence[Artifact], visitor: str, key: str | None = None) -> str:
    """Asks, and says why it cannot be made, as far as that is known; "" where nothing speaks against it."""
    try:
        made = ask(wanted, visitor, key) if wanted else None
    except ValueError as error:
        return str(error)
    return made.text if made and made.state in ("failed", "stopped") else ""


def trouble(text: str, wanted: Sequence[Artifact], visitor: str, key: str | None = None) -> None:
    """The sentence, and the button that tries again."""
    st.error(session.literal(session.sentence(text)))
    name = f"again {key or wanted[0].job}"
    st.button("Try again", key=name, on_click=start, args=(wanted, visitor, key))


def in_words(made: Job | None, doing: str) -> dict[str, Any] | None:
    """What is under way and the share done of it, for an element; None where nothing is. `doing`: see Artifact."""
    if made is None or not made.live:
        return None
    waits = f": it {queued.words(made)}" if made.state == "queued" else ""
    return {"text": doing + waits, "share": made.share}
