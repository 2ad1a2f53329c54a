"""One Kafka node of our own, broker and controller in one."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from support.jvm_server import JvmServer

_NO_MORE: Mapping[str, str] = {}
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # Nothing of the mesh relies on topics that make themselves.
    "auto.create.topics.enable": "false",
    # One node is all there is.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    # Few partitions of the inner topics, no waiting for more members, small buffers: a start within seconds.
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    "group.initial.rebalance.delay.ms": "0",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": str(16 << 20),
    "log.segment.bytes": str(128 << 20),
}


class KafkaServer(JvmServer):
    """A broker.

    Parameters
    ----------
    home, ports, heap
        See `JvmServer`; the second port is the controller's.
    settings
        Further settings of the broker.
    listeners
        Further listeners by name: protocol and port, e.g. ``{"SECURE": ("SASL_SSL", 9093)}``.
    users
        Passwords by name, for SCRAM.
    """

    name = "kafka"
    main = "kafka.Kafka"
    port_count = 2
    small_heap = "512M"
    ready_line = "Kafka Server started"

    def __init__(
        self,
        home: Path,
        ports: Sequence[int] = (),
        *,
        heap: str = "",
        settings: Mapping[str, str] = _NO_MORE,
        listeners: Mapping[str, tuple[str, int]] | None = None,
        users: Mapping[str, str] = _NO_MORE,
    ) -> None:
        super().__init__(home, ports, heap=heap)
        self._settings = settings
        self._listeners = listeners or {}
        self._users = users

    def configure(self) -> None:
        """Write its configuration and format its storage."""
        self.home.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.home / "data", ignore_errors=True)
        lines = [f"{name}={value}\n" for name, value in {**self._own_settings(), **self._settings}.items()]
        self._properties.write_text("".join(lines))
        # Its first character must be no dash: the tool would take it for an option.
        cluster = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        credentials = [
            f"--add-scram={mechanism}=[name={user},password={password}]"
            for user, password in self._users.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]
        done = subprocess.run(
            ["java", "-Xmx256M", "-XX:TieredStopAtLevel=1", "-cp", self.class_path(),
             "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties), *credentials],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"Kafka's storage was not formatted: {done.stdout}{done.stderr}")

    def options(self) -> Iterable[str]:
        """Return options of the Java machine."""
        return (*self.memory(), "-Djava.awt.headless=true")

    def arguments(self) -> Sequence[str]:
        """Return the arguments of the server's main class."""
        return (str(self._properties),)

    @property
    def _properties(self) -> Path:
        return self.home / "server.properties"

    def _own_settings(self) -> dict[str, str]:
        client, controller = self.ports
        listeners = {"PLAINTEXT": ("PLAINTEXT", client), **self._listeners}
        addresses = [f"{name}://127.0.0.1:{port}" for name, (_, port) in listeners.items()]
        protocols = [f"{name}:{protocol}" for name, (protocol, _) in listeners.items()]
        return {
            **SETTINGS,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": ",".join([*addresses, f"CONTROLLER://127.0.0.1:{controller}"]),
            "advertised.listeners": ",".join(addresses),
            "listener.security.protocol.map": ",".join([*protocols, "CONTROLLER:PLAINTEXT"]),
            "log.dirs": str(self.home / "data"),
        }
