"""Where the Milky Way lies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_POLE_RA, _POLE_DEC = np.radians(192.85948), np.radians(27.12825)


def galactic_latitude_deg(ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the galactic latitude of positions.

    sin b = sin δ sin δ_P + cos δ cos δ_P cos(α - α_P), with the north galactic pole at
    α_P = 192.85948°, δ_P = 27.12825° (ICRS; The Hipparcos and Tycho Catalogues, ESA SP-1200,
    volume 1, section 1.5.3).

    Parameters
    ----------
    ra_deg, dec_deg
        Right ascension and declination, ICRS, degrees; any shape.

    Returns
    -------
    numpy.ndarray
        Latitude, -90 to 90 degrees; right to 0.1 arcsec away from the poles.
    """
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    sine = np.sin(dec) * np.sin(_POLE_DEC) + np.cos(dec) * np.cos(_POLE_DEC) * np.cos(ra - _POLE_RA)
    latitude_deg: NDArray[np.float64] = np.degrees(np.arcsin(np.clip(sine, -1, 1)))
    return latitude_deg
