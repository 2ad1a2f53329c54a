"""From stored views to what reactors and summaries may see."""

from __future__ import annotations

from collections.abc import Mapping

from skymesh.model.execution import Result, View
from skymesh.model.ids import Digest, text_id
from skymesh.units.unit import ObjectView


def object_view(view: View, results: Mapping[Digest, Result]) -> ObjectView:
    """Return one channel's view of an object, with the content of its results that are ok."""
    found = {name: results[id_] for name, (id_, _) in view.results.items() if id_ in results}
    return ObjectView(
        channel=view.channel,
        stock=view.stock,
        alert=text_id("alert", view.alert),
        state=text_id("state", view.state),
        results={name: result.content for name, result in found.items() if result.content is not None},
        result_ids={name: text_id("result", id_) for name, (id_, _) in view.results.items()},
    )
