"""Figures of the light curves of a run's objects."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field

from skymesh.lightcurve import Floats, LightCurve, mag_of_flux
from skymesh.units import ObjectView, ProductFile, Summary
from skymesh_t3.band_marks import mark_of
from skymesh_t3.columns import is_true, problem_of_column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS: Final = {"circle": "o", "square": "s", "diamond": "D", "plus": "P", "cross": "X", "star": "*"}
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_DOTS_PER_INCH: Final = 120
_LEAST_ROOM_DAYS: Final = 0.5


class LightCurvePlot(Summary):
    """One figure per channel and object: its light curve in the newest state.

    Above AB magnitudes of the difference flux (brighter is up) with upper limits as triangles, below
    the difference flux itself in nJy, over MJD (TAI) and days since the first measurement; bands by
    colour and shape. Equal light curves give equal bytes.

    Attributes
    ----------
    only
        A column such as ``decline.fast``: only objects for which it is true are drawn.
    most
        At most so many figures; those of the first objects, by channel and stock.
    format
        ``png`` or ``svg``.
    show
        ``magnitude``, ``flux`` or ``both``.
    min_significance
        A flux of less than this many times its error has no point among the magnitudes.
    """

    version = "1"

    only: str = ""
    most: Annotated[int, Field(ge=0)] = 100
    format: Literal["png", "svg"] = "png"
    show: Literal["magnitude", "flux", "both"] = "both"
    min_significance: Annotated[float, Field(ge=0)] = 3.0

    def problems(self, given: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield that no object of the channels can have the column."""
        if self.only and (problem := problem_of_column(self.only, given)):
            yield f"only: {problem}"

    def with_curve(self, views: Iterable[ObjectView]) -> Iterator[ObjectView]:
        """Yield the objects to draw."""
        return islice((view for view in views if not self.only or is_true(view, self.only)), self.most)

    def summarise(self, name: str, views: Iterable[ObjectView]) -> Iterator[ProductFile]:
        """Yield one file for each object to draw, ``NAME/CHANNEL-STOCK.FORMAT``."""
        for view in views:
            if view.curve is not None:
                path = f"{name}/{_file_name(view)}.{self.format}"
                yield ProductFile(path, [self.draw(view.curve, view.stock, view.channel)])

    def draw(self, curve: LightCurve, stock: str, channel: str = "") -> bytes:
        """Return the figure of one light curve, as the bytes of its file.

        Parameters
        ----------
        curve
            The light curve.
        stock, channel
            For the title.
        """
        with _own_style():
            figure = self._figure(curve, stock, channel)
            out = io.BytesIO()
            # The time of day and the version of the library would make equal figures differ.
            metadata = {"Date": None, "Creator": None} if self.format == "svg" else {"Software": None}
            figure.savefig(out, format=self.format, metadata=metadata)
        return out.getvalue()

    def _figure(self, curve: LightCurve, stock: str, channel: str) -> Figure:
        from matplotlib.figure import Figure

        panels = ("magnitude", "flux") if self.show == "both" else (self.show,)
        figure = Figure(figsize=(7, 2 + 2.5 * len(panels)), dpi=_DOTS_PER_INCH, layout="constrained")
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axis, panel in zip(axes, panels, strict=True):
            (self._draw_magnitudes if panel == "magnitude" else _draw_fluxes)(axis, curve)
        figure.suptitle(_literal(f"{stock}   {channel}".rstrip()))
        axes[-1].set_xlabel("MJD (TAI)")
        axes[-1].ticklabel_format(axis="x", style="plain", useOffset=False)
        _set_days(axes[0], curve)
        handles, labels = axes[0].get_legend_handles_labels()
        if labels:
            figure.legend(
                handles, labels, loc="outside lower center", ncols=6, fontsize="small", frameon=False
            )
        return figure

    def _draw_magnitudes(self, axis: Axes, curve: LightCurve) -> None:
        axis.set_ylabel("AB magnitude of the difference")
        is_faint = curve.flux_njy < self.min_significance * curve.flux_err_njy
        shown = curve[(curve.flux_njy > 0) & ~is_faint]
        for band in shown.bands:
            own = shown.in_band(band)
            _points(axis, band, own.mjd_tai, own.mag_ab, own.mag_err_ab)
        for band in sorted({str(band) for band in curve.limits.band}):
            own = curve.limits.in_band(band)
            colour = mark_of(band).colour
            axis.plot(own.mjd_tai, mag_of_flux(own.limit_njy), "v", color=colour, alpha=0.5, fillstyle="none",
                      label=f"{_literal(band)} limit")  # fmt: skip
        axis.invert_yaxis()


def _draw_fluxes(axis: Axes, curve: LightCurve) -> None:
    axis.set_ylabel("difference flux / nJy")
    axis.axhline(0, color="0.6", linewidth=0.8)
    for band in curve.bands:
        own = curve.good.in_band(band)
        _points(axis, band, own.mjd_tai, own.flux_njy, own.flux_err_njy)


def _points(axis: Axes, band: str, x: Floats, y: Floats, error: Floats) -> None:
    mark = mark_of(band)
    drawn = np.where(np.isfinite(error) & (error > 0), error, 0.0)
    axis.errorbar(x, y, yerr=drawn, fmt=_MARKERS[mark.shape], color=mark.colour, markersize=5, elinewidth=0.9,
                  label=_literal(band))  # fmt: skip


def _set_days(axis: Axes, curve: LightCurve) -> None:
    """Let the axis hold all rows with some room, and one above it count days from the first measurement."""
    if not len(curve):
        return
    start, end = float(curve.mjd_tai.min()), float(curve.mjd_tai.max())
    room = max(_LEAST_ROOM_DAYS, 0.04 * (end - start))
    axis.set_xlim(start - room, end + room)
    first = float((curve.good if len(curve.good) else curve).mjd_tai[0])
    days = (lambda mjd: np.asarray(mjd) - first, lambda days: np.asarray(days) + first)
    above = axis.secondary_xaxis("top", functions=days)
    above.set_xlabel(f"days since MJD {first:.3f}")


def _literal(text: str) -> str:
    """Return text that is drawn as it stands: no formulae, no signs that break a line."""
    return "".join(sign if sign.isprintable() else "?" for sign in text).replace("$", r"\$")


def _file_name(view: ObjectView) -> str:
    """Return a name that is the object's wherever that is a plain word, and unique where it is not."""
    channel = view.channel.rpartition("/")[2]
    name = view.stock.replace(":", "-", 1)
    if not _PLAIN_NAME.fullmatch(name):
        digest = blake2b(view.stock.encode(), digest_size=8).hexdigest()
        name = f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name)[:80]}-{digest}"
    return f"{channel}-{name}"


@contextmanager
def _own_style() -> Iterator[None]:
    """Draw with the library's own style, whatever the user has set, and leave theirs as it was."""
    import matplotlib.style

    own = {"svg.hashsalt": "skymesh", "svg.fonttype": "none"}
    with warnings.catch_warnings(), matplotlib.style.context(["default", own]):
        # A name may be in any script; what the font does not have is drawn as a box.
        warnings.filterwarnings("ignore", message="Glyph")
        yield
