"""From measured seconds to figures per alert, and the printed report."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

TARGETS_PER_S = {"accept_all": 800, "accept_none": 1500, "decent_none": 1500}
QUARTERS = 4
TIERS = ("t0", "t1", "t2", "t3", "deliver.file", "provenance")
_IDLE_US = 0.1
PHASES = ("read", "decode", "find", "decide", "store", "encode", "commit")

CAVEATS = """\
Method. Real packets, replicated to distinct objects of two alerts each: names, alert ids, exposure ids and
image stamps are unique. All first alerts come before all second ones. Cold: the first half of the log, where
every object is new. Preloaded: the second half, where all points but one are known already. One process on
one core, one SQLite file, a store that starts empty, sources in the page cache. `command` is `skymesh run`
without stopwatches, from the first byte read to the last commit: median (lowest-highest) of all repeats.
The stages are from further runs with stopwatches, of which the fastest was the least disturbed. A growth of
1 is none; the halves differ by design, so look within them.
Caveats. Few originals, so alerts are more alike than in a night, and two alerts per object are few. A batch
that lies across the half or a quarter is shared out by alerts. Whatever else the machine does is in the wall
time; CPU time (with start-up) is less sensitive to it. Disks differ: nothing here waits for one to sync.
Peak memory holds the store's page cache, which fills as the file grows: compare it at large N."""


def per_alert(decoded: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
    """Return µs per alert of every stage, and of the tiers in the halves and quarters of the log.

    Parameters
    ----------
    decoded, run
        What `stages.decode` and `stages.run` return.
    """
    alerts, seconds = run["numbers"]["alerts"]["published"], run["seconds"]
    quarters = _quarters(run["steps"], alerts)
    cold, preloaded = _mean(quarters[:2]), _mean(quarters[2:])
    stages = {name: 1e6 * decoded[name] / decoded["alerts"] for name in ("decode", "decode_shape")}
    stages |= {name: 1e6 * seconds[name] / alerts for name in ("intake", "intake.finish")}
    around = sum(seconds[name] for name in ("intake", "numbers")) * 1e6 / alerts
    return {
        "stages": stages,
        "numbers": 1e6 * seconds["numbers"] / alerts,
        "cold": cold,
        "preloaded": preloaded,
        "end_to_end": {"cold": around + sum(cold.values()), "preloaded": around + sum(preloaded.values())},
        "quarters": [sum(quarter.values()) for quarter in quarters],
        "phases": _phases(run, alerts),
    }


def _quarters(steps: list[tuple[str, int, float]], alerts: int) -> list[dict[str, float]]:
    """Return µs per alert of each tier in each quarter; what follows a batch of T0 belongs to it."""
    quarters = [dict.fromkeys(TIERS, 0.0) for _ in range(QUARTERS)]
    first = end = 0
    for tier, handled, seconds in steps:
        if tier == "t0" and handled:
            first, end = end, end + handled
        for number, quarter in enumerate(quarters):
            start, stop = number * alerts / QUARTERS, (number + 1) * alerts / QUARTERS
            share = max(0.0, min(end, stop) - max(first, start)) / max(1, end - first)
            quarter[tier] += seconds * share * 1e6 / (stop - start)
    return quarters


def _mean(parts: list[dict[str, float]]) -> dict[str, float]:
    return {tier: sum(part[tier] for part in parts) / len(parts) for tier in TIERS}


def _phases(run: dict[str, Any], alerts: int) -> dict[str, dict[str, float]]:
    """Return µs per alert of the phases of each tier's steps; deciding is what remains."""
    phases = {}
    for tier in TIERS:
        total = sum(seconds for name, _, seconds in run["steps"] if name == tier)
        timed = {phase: run["seconds"].get(f"{tier}.{phase}", 0.0) for phase in PHASES}
        timed["decide"] = total - sum(timed.values())
        phases[tier] = {phase: 1e6 * seconds / alerts for phase, seconds in timed.items()}
    return phases


def of_commands(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Return the figures of repeated commands: the median, with the lowest and highest rate."""
    alerts = runs[0]["output"]["alerts"]["published"]
    rates = [alerts / run["output"]["seconds"] for run in runs]
    return {
        "alerts": alerts,
        "alerts_per_s": median(rates),
        "lowest_per_s": min(rates),
        "highest_per_s": max(rates),
        "cpu_us_per_alert": median(1e6 * run["cpu_s"] / alerts for run in runs),
        "peak_mib": max(run["peak_mib"] for run in runs),
    }


def report(figures: dict[str, Any]) -> str:
    """Return all figures as text."""
    lines = [CAVEATS, "", *(f"{name:10} {value}" for name, value in figures["machine"].items())]
    lines += [f"{name:10} {value}" for name, value in figures["input"].items()]
    for job, of_job in figures["jobs"].items():
        lines += ["", f"{job}: {of_job['says']}"]
        lines += [*_command_lines(job, of_job), *_stage_lines(of_job["stages"])]
    return "\n".join(lines)


def _command_lines(job: str, of_job: dict[str, Any]) -> Iterator[str]:
    for name in ("command", "command_quarter"):
        run = of_job[name]
        yield (
            f"  command, {run['alerts']:6d} alerts  {run['alerts_per_s']:8.0f} alerts/s"
            f" ({run['lowest_per_s']:.0f}-{run['highest_per_s']:.0f})"
            f"   CPU {run['cpu_us_per_alert']:.0f} µs/alert   peak {run['peak_mib']:.0f} MiB"
        )
    target, reached = TARGETS_PER_S[job], of_job["command"]["alerts_per_s"]
    verdict = "reached" if reached >= target else "missed"
    yield f"  target {target} alerts/s: {verdict}, {reached / target:.2f} of it"


def _stage_lines(figures: dict[str, Any]) -> Iterator[str]:
    def line(name: str, us: float) -> str:
        return f"  {name:24} {us:9.1f} µs/alert {1e6 / us:10.0f} alerts/s"

    yield from (line(name, us) for name, us in figures["stages"].items())
    for half in ("cold", "preloaded"):
        yield from (line(f"{tier}, {half}", us) for tier, us in figures[half].items() if us > _IDLE_US)
    yield line("numbers", figures["numbers"])
    yield from (line(f"end to end, {half}", us) for half, us in figures["end_to_end"].items())
    quarters = figures["quarters"]
    yield f"  tiers by quarter of the log: {', '.join(f'{us:.0f}' for us in quarters)} µs/alert"
    growth = {"last / first": (3, 0), "within cold": (1, 0), "within preloaded": (3, 2)}
    ratios = (f"{name} {quarters[late] / quarters[early]:.2f}" for name, (late, early) in growth.items())
    yield f"  growth between quarters: {', '.join(ratios)}"
    yield "  " + "".join(f"{name:>11}" for name in ("µs/alert", *PHASES))
    for tier, phases in figures["phases"].items():
        if sum(phases.values()) > _IDLE_US:
            yield f"  {tier:>11}" + "".join(f"{phases[phase]:11.1f}" for phase in PHASES)
