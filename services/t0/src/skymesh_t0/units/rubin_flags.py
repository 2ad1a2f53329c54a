"""The flags of Rubin's difference-image sources."""

from __future__ import annotations

import difflib
from typing import Any, Final

FLAGS: Final = (
    "centroid_flag", "apFlux_flag", "apFlux_flag_apertureTruncated", "psfFlux_flag", "psfFlux_flag_edge",
    "psfFlux_flag_noGoodPixels", "trail_flag", "trail_flag_edge", "forced_PsfFlux_flag",
    "forced_PsfFlux_flag_edge", "forced_PsfFlux_flag_noGoodPixels", "shape_flag", "shape_flag_no_pixels",
    "shape_flag_not_contained", "shape_flag_parent_source", "pixelFlags", "pixelFlags_bad", "pixelFlags_cr",
    "pixelFlags_crCenter", "pixelFlags_edge", "pixelFlags_nodata", "pixelFlags_nodataCenter",
    "pixelFlags_interpolated", "pixelFlags_interpolatedCenter", "pixelFlags_offimage",
    "pixelFlags_saturated", "pixelFlags_saturatedCenter", "pixelFlags_suspect", "pixelFlags_suspectCenter",
    "pixelFlags_streak", "pixelFlags_streakCenter", "pixelFlags_injected", "pixelFlags_injectedCenter",
    "pixelFlags_injected_template", "pixelFlags_injected_templateCenter", "glint_trail",
)  # fmt: skip
"""Names in the alert schemas up to 11.1; the schema's documentation says what they mean."""


def flag_names(value: Any) -> Any:
    """Return the names of flags: of all for ``all``; anything else but a list of names as it is.

    Raises
    ------
    ValueError
        If there is no such flag.
    """
    if value == "all":
        return FLAGS
    for name in value if isinstance(value, list | tuple) else ():
        if name not in FLAGS:
            near = difflib.get_close_matches(str(name), FLAGS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{name!r} is no flag{hint}")
    return value
