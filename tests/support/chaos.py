"""Striking the services of a live mesh while it works."""

from __future__ import annotations

import random
import signal
import time

from support.live_mesh import TIERS

SESSION_S = 6.0
"""The shortest that a broker allows by default."""


class Chaos:
    """Strikes services of a mesh, always the same ones for the same seed, and starts others for them.

    Parameters
    ----------
    mesh
        The mesh, all its services running.
    seed
        Of all that is left to chance.
    """

    def __init__(self, mesh, seed):
        self._mesh = mesh
        self._random = random.Random(seed)
        self.strikes = []

    def kill(self, tier):
        """Kill a service of a tier in the middle of something, and start another one at once."""
        self._mesh.check_services()
        service = self._random.choice(self._mesh.of(tier))
        self._wait_for_work(service)
        service.kill()
        self.strikes.append(f"kill {tier}")
        self._mesh.start(tier)

    def kill_each(self, tiers=TIERS):
        """Kill a service of every tier in turn."""
        for tier in tiers:
            self.kill(tier)

    def kill_any(self, count):
        """Kill services by chance, after pauses by chance."""
        for _ in range(count):
            time.sleep(self._random.uniform(0.2, 1.5))
            self.kill(self._random.choice(TIERS))

    def suspend(self, tier):
        """Stop a service for longer than its session while another one takes over, then wake it: a zombie."""
        (service,) = self._mesh.of(tier)[:1]
        self._wait_for_work(service)
        service.signal(signal.SIGSTOP)
        self.strikes.append(f"suspend {tier}")
        (other,) = self._mesh.start(tier)
        other.wait_ready()
        time.sleep(2 * SESSION_S)
        service.signal(signal.SIGCONT)
        return service, other

    def rebalance(self, tier):
        """Let another member join and go again, killed in the middle of a rebalance."""
        (other,) = self._mesh.start(tier)
        other.wait_ready()
        other.kill()
        self.strikes.append(f"rebalance {tier}")

    def wait_for_some_work(self):
        """Wait a moment while the services work."""
        time.sleep(self._random.uniform(0.5, 2.0))

    def _wait_for_work(self, service):
        """Wait a moment until it has read something: what has nothing to do cannot be struck in a batch."""
        end = time.monotonic() + 3.0
        while time.monotonic() < end and not service.metric("skymesh_records_read_total"):
            time.sleep(0.02)
        time.sleep(self._random.uniform(0, 0.2))
