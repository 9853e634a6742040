"""A question about what was trained on is no broad one: which open questions an audit leaves out, and why."""

from __future__ import annotations

from collections.abc import Sequence

from spillover.auditing.plan import select
from spillover.data import training_domains
from spillover.errors import ConfigError
from spillover.protocols import Instrument
from spillover.records import Axis, Battery, Row, Selector

_OPEN = "free_form"


def without_topics(axes: Sequence[Axis], battery: Battery, rows: Sequence[Row]) -> tuple[Axis, ...]:
    """Return the axes; broad ones no longer select questions tagged with a domain of the rows.

    Broad are those that select open questions by their kind alone: an axis of one's own that names
    tags or ids asks what it names.

    Args:
        axes: axes to measure.
        battery: what they select from.
        rows: training rows; none leave everything as it is.

    Raises:
        ConfigError: no question of an axis would be left.
    """
    trained = tuple(training_domains(rows).trained)
    if not trained:
        return tuple(axes)
    return tuple(_narrowed(axis, battery, trained) if _is_broad(axis) else axis for axis in axes)


def topics_note(instrument: Instrument, rows: Sequence[Row]) -> str | None:
    """Return a sentence on the open questions left out for being of a trained domain, or None."""
    broad = [axis for axis in instrument.axes if _is_broad(axis)]
    domains = training_domains(rows) if broad else None
    if domains is None or not domains.trained:
        return None
    without = tuple(tag for tag in broad[0].select.without if tag not in domains.trained)
    asked = select(Selector(kinds=(_OPEN,), without=without), instrument.battery.questions)
    left = [question for question in asked if set(question.tags) & set(domains.trained)]
    if not left:
        return None
    tagged = {tag for question in left for tag in question.tags}
    shares = " and ".join(
        f"{name} ({share:.0%})" for name, share in domains.trained.items() if name in tagged
    )
    ids = ", ".join(question.id for question in left)
    return (
        f"{domains.rows} sampled training rows are about {shares} by their words, so that"
        f" {len(left)} of {len(asked)} open questions tagged so are not broad and are not asked"
        f" under {broad[0].title}: {ids}."
    )


def _is_broad(axis: Axis) -> bool:
    return axis.select == Selector(kinds=(_OPEN,), without=axis.select.without)


def _narrowed(axis: Axis, battery: Battery, trained: tuple[str, ...]) -> Axis:
    asked = select(axis.select, battery.questions)
    tagged = {tag for question in asked for tag in question.tags}
    without = dict.fromkeys((*axis.select.without, *(tag for tag in trained if tag in tagged)))
    selector = axis.select.model_copy(update={"without": tuple(without)})
    if asked and not select(selector, battery.questions):
        raise ConfigError(
            f"axis {axis.id!r}: every open question is about {', '.join(trained)}, as the training"
            " data is: add others (--questions)"
        )
    return axis.model_copy(update={"select": selector})
