"""The outlet ``kafka`` on the bus of the run itself, whose transactions are those of the batches too."""

from __future__ import annotations

from skymesh_deliver.door import folder_door
from skymesh_deliver.doors import door_to


def own_door(target):
    """Return the door of an outlet; Kafka's topic is that of its settings, on the run's own bus."""
    return folder_door(target) if target == "file" else door_to(target)
