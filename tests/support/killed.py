"""Runs the embedded mesh and strikes it down at given places: one child for each, forked from one process.

Arguments: the settings as JSON, then places, each with the run's own folder: ``FOLDER=t1 stored`` strikes
at the second time a tier has done that step, ``FOLDER=123`` at the n-th statement on the store's file,
``FOLDER=after runs`` when the next transaction begins behind one that wrote to a table.
Prints the number of statements of a run that was not struck.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import sys
from pathlib import Path

import skymesh_deliver.outlets
import skymesh_local.app
import skymesh_local.delivery
import skymesh_local.run
from skymesh.telemetry.logs import configure_logs
from skymesh_local.settings import RunSettings
from support.own_bus import own_door

TIME = 2


class Striker:
    def __init__(self, place):
        self._place = place
        self.steps = 0
        self.statements = 0
        self._is_behind = False

    def step(self, name):
        self.steps += name == self._place
        if self.steps == TIME:
            os._exit(7)

    def statement(self, text):
        self.statements += 1
        self._is_behind |= self._place == f"after {text.partition(' INTO ')[2].partition(' ')[0]}"
        if str(self.statements) == self._place or (self._is_behind and text.startswith("BEGIN")):
            os.kill(os.getpid(), signal.SIGKILL)


def run_struck(settings, folder, place):
    striker = Striker(place)
    opening = skymesh_local.app.open_embedded

    def open_watched(path, **more):
        embedded = opening(path, **more)
        embedded.bus._file.connection.set_trace_callback(striker.statement)
        return embedded

    skymesh_local.run.open_embedded = open_watched
    for module, name in ((skymesh_local.app, "TierLoop"), (skymesh_deliver.outlets, "Courier")):
        setattr(module, name, functools.partial(getattr(module, name), checkpoint=striker.step))
    skymesh_local.delivery._real_door = own_door
    settings = {**settings, "alerts": tuple(map(Path, settings["alerts"])), "out": Path(folder)}
    asyncio.run(skymesh_local.run.run_job(RunSettings(**settings)))
    print(striker.statements, flush=True)  # noqa: T201 - the tests read it


def main():
    configure_logs("error")
    settings = json.loads(sys.argv[1])
    for argument in sys.argv[2:]:
        folder, _, place = argument.rpartition("=")
        child = os.fork()
        if child == 0:
            run_struck(settings, folder, place)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 1:
            sys.exit(f"not struck, but failed: {argument}")


if __name__ == "__main__":
    main()
