"""Kafka and Cassandra in containers, where a container engine is and no Java."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Mapping
from typing import Any, Self

from support.jvm_server import READY_S, free_ports, is_open, wait_until
from support.kafka_server import SETTINGS

_KAFKA = "apache/kafka:4.3.1"
_CASSANDRA = "cassandra:5.0.9"


class ContainerServer:
    """One node in a container, bound to a free port of this machine.

    Parameters
    ----------
    image
        What to run.
    inner_port
        Where it listens inside.
    port
        Where it is to be reached.
    environment
        Its environment.
    ready_line
        What it writes to its log when it is ready.
    """

    def __init__(
        self, image: str, inner_port: int, port: int, environment: Mapping[str, str], ready_line: str
    ) -> None:
        from testcontainers.core.container import DockerContainer

        self._port = port
        self._ready_line = ready_line
        self._container: Any = DockerContainer(image).with_bind_ports(inner_port, port)
        for name, value in environment.items():
            self._container = self._container.with_env(name, value)

    @property
    def address(self) -> str:
        """Host and port for clients."""
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._container.start()
        wait_until(self._is_ready, f"{self._container.image} to be ready", READY_S)
        return self

    def __exit__(self, *error: object) -> None:
        self._container.stop()

    def _is_ready(self) -> bool:
        said = b"".join(self._container.get_logs()).decode(errors="replace")
        return self._ready_line in said and is_open(self._port)


def is_engine_there() -> bool:
    """Return whether a container engine answers."""
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, check=False
    )
    return asked.returncode == 0


def kafka_container() -> ContainerServer:
    """Return a broker."""
    (port,) = free_ports(1)
    settings = {
        **SETTINGS,
        "controller.quorum.voters": "1@localhost:9093",
        "listeners": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    environment = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}
    return ContainerServer(_KAFKA, port, port, environment, "Kafka Server started")


def cassandra_container() -> ContainerServer:
    """Return a node."""
    (port,) = free_ports(1)
    environment = {
        "MAX_HEAP_SIZE": "768M",
        "HEAP_NEWSIZE": "256M",
        "JVM_EXTRA_OPTS": "-Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.ring_delay_ms=1000",
        "CASSANDRA_LISTEN_ADDRESS": socket.gethostbyname("localhost"),
        "CASSANDRA_NUM_TOKENS": "1",
    }
    return ContainerServer(_CASSANDRA, 9042, port, environment, "Starting listening for CQL clients")
