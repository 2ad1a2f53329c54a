"""What each channel may see of an alert, and what its filter says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skymesh.errors import one_line
from skymesh.jobs.plan import ChannelPlan
from skymesh.model.access import Labels, is_visible, visible
from skymesh.model.alert import Alert
from skymesh.runtime.guard import guarded
from skymesh.surveys import registry
from skymesh.units.filter import Verdict
from skymesh.units.table import AlertTable, AlertView

NOT_VISIBLE = Verdict(False, "not_visible")
FOLLOWED = Verdict(True, "followed")


def view_of(alert: Alert, grants: Labels) -> AlertView | None:
    """Return what these grants show of an alert; None if its triggering point is hidden.

    Numbers that the survey made from the whole history are shown only to those who are granted every
    label of the survey: any of its points might stand in them.
    """
    if not is_visible(alert.trigger.labels, grants):
        return None
    aggregates: Mapping[str, Any] = alert.aggregates if grants >= registry.get(alert.survey).labels else {}
    return AlertView(
        alert.id, alert.survey, alert.stock, visible(alert.points, grants), alert.values, aggregates
    )


def judge(channel: ChannelPlan, alerts: Sequence[Alert]) -> list[Verdict]:
    """Return the verdicts of a channel's filter on alerts, in order; hidden ones are not shown to it."""
    views = [view_of(alert, channel.grants) for alert in alerts]
    shown = tuple(view for view in views if view is not None)
    said = iter(_filtered(channel, shown))
    return [NOT_VISIBLE if view is None else next(said) for view in views]


def _filtered(channel: ChannelPlan, views: tuple[AlertView, ...]) -> list[Verdict]:
    """Run the filter over the batch; if it fails there, over each alert alone: one cannot stop the rest."""
    if not views:
        return []
    unit, given = channel.filter.unit, channel.filter.given
    table = AlertTable(views)
    verdicts, _ = guarded(lambda: [_checked(v) for v in unit.accept_table(table, **given)], unit.deadline_s)
    if verdicts is not None and len(verdicts) == len(views):
        return verdicts
    return [_judged_alone(channel, view) for view in views]


def _judged_alone(channel: ChannelPlan, view: AlertView) -> Verdict:
    unit, given = channel.filter.unit, channel.filter.given
    verdict, problem = guarded(lambda: _checked(unit.accept(view, **given)), unit.deadline_s)
    return Verdict(False, f"failed: {problem}") if verdict is None else verdict


def _checked(said: Any) -> Verdict:
    """Return what a filter says as it can be stored.

    Raises
    ------
    TypeError, ValueError
        If it is no verdict.
    """
    if not isinstance(said, Verdict) or not isinstance(said.reason, str):
        raise TypeError(f"returned {type(said).__name__}, not a Verdict with its reason as text")
    return Verdict(bool(said.is_accepted), one_line(said.reason))
