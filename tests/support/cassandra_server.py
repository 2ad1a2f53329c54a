"""One Cassandra node of our own."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from support.jvm_server import JvmServer, jars

_NO_MORE: Mapping[str, object] = {}
_LOGGING = """
<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} %-5level %logger{20} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
"""
# Cassandra reaches into the inside of Java; a module that is closed to it ends the start.
_OPENED = (
    *("java.io", "java.lang", "java.lang.module", "java.lang.reflect", "java.nio", "java.util"),
    *("java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.loader", "jdk.internal.math"),
    *("jdk.internal.misc", "jdk.internal.module", "jdk.internal.ref", "jdk.internal.reflect"),
    *("jdk.internal.util.jar", "jdk.internal.vm", "sun.nio.ch", "sun.security.ssl"),
)
_EXPORTED = (
    "java.base/java.lang.ref",
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
)


DURABLE = {"commitlog_sync": "batch", "commitlog_sync_period": None, "concurrent_writes": 64}
"""Settings under which a node that is killed has all that it acknowledged, if it is the only one. Otherwise
writes of the last 0.1 s are lost with it: they lie in its log behind the last mark to read it back to."""

PATIENT = {
    f"{kind}_timeout": "60s"
    for kind in ("request", "read_request", "range_request", "write_request", "native_transport")
}
"""Settings for those who do not try again: a machine that stands still for a moment fails nothing."""


class CassandraServer(JvmServer):
    """A node.

    Parameters
    ----------
    home, ports, heap
        See `JvmServer`; the second port is that of its storage, the third that of its management.
    settings
        Further settings of ``cassandra.yaml``; None takes one away.
    """

    name = "cassandra"
    main = "org.apache.cassandra.service.CassandraDaemon"
    port_count = 3
    small_heap = "768M"
    ready_line = "Starting listening for CQL clients"

    def __init__(
        self,
        home: Path,
        ports: Sequence[int] = (),
        *,
        heap: str = "",
        settings: Mapping[str, object] = _NO_MORE,
    ) -> None:
        super().__init__(home, ports, heap=heap)
        self._settings = settings

    def configure(self) -> None:
        """Write its configuration and begin with no data."""
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(parents=True)
        self._write_configuration()

    def restart(self, settings: Mapping[str, object]) -> None:
        """Stop it, and start it on the same data with other further settings."""
        self.stop()
        self._settings = settings
        self._write_configuration()
        self.start()

    def fill_disk(self) -> None:
        """Let no file grow any more, as on a full disk, until it is started again."""
        assert self._process is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def _write_configuration(self) -> None:
        settings = {n: v for n, v in {**self._own_settings(), **self._settings}.items() if v is not None}
        # Every JSON text is YAML.
        (self.home / "cassandra.yaml").write_text(json.dumps(settings))
        (self.home / "logback.xml").write_text(_LOGGING)

    def options(self) -> Iterable[str]:
        """Return options of the Java machine."""
        properties = {
            "cassandra-foreground": "yes",
            "cassandra.config": f"file://{self.home}/cassandra.yaml",
            "cassandra.jmx.local.port": self.ports[2],
            "cassandra.logdir": self.home,
            "cassandra.storagedir": self._data,
            "java.awt.headless": "true",
            "jdk.attach.allowAttachSelf": "true",
            "jna.nosys": "true",
            "logback.configurationFile": self.home / "logback.xml",
            # Nobody else is in the ring: do not wait for them.
            "cassandra.ring_delay_ms": 1000,
            "cassandra.skip_wait_for_gossip_to_settle": 0,
            "cassandra.superuser_setup_delay_ms": 0,
            # A full disk leaves the newest file of its log without a beginning: it has nothing acknowledged.
            "cassandra.commitlog.ignorereplayerrors": "true",
            # Do not flush with each change of the schema: tests make and empty many tables.
            "cassandra.unsafesystem": str(not self._settings.items() >= DURABLE.items()).lower(),
        }
        (meter,) = jars(self.name).glob("jamm-*.jar")
        for package in _OPENED:
            yield f"--add-opens=java.base/{package}=ALL-UNNAMED"
        yield "--add-opens=java.rmi/sun.rmi.transport.tcp=ALL-UNNAMED"
        yield "--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED"
        for package in _EXPORTED:
            yield f"--add-exports={package}=ALL-UNNAMED"
        yield from (f"-javaagent:{meter}", *self.memory(), "-Xss256k")
        yield "-XX:MaxDirectMemorySize=256M"
        for name, value in properties.items():
            yield f"-D{name}={value}"

    @property
    def _data(self) -> Path:
        return self.home / "data"

    def _own_settings(self) -> dict[str, object]:
        client, storage, _ = self.ports
        seeds = {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider"}
        return {
            "cluster_name": "tests",
            "num_tokens": 1,
            "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
            "endpoint_snitch": "SimpleSnitch",
            "seed_provider": [{**seeds, "parameters": [{"seeds": f"127.0.0.1:{storage}"}]}],
            "listen_address": "127.0.0.1",
            "rpc_address": "127.0.0.1",
            "storage_port": storage,
            "native_transport_port": client,
            "start_native_transport": True,
            "data_file_directories": [str(self._data / "data")],
            "commitlog_directory": str(self._data / "commitlog"),
            "hints_directory": str(self._data / "hints"),
            "saved_caches_directory": str(self._data / "saved_caches"),
            "cdc_raw_directory": str(self._data / "cdc_raw"),
            "commitlog_sync": "periodic",
            "commitlog_sync_period": "10s",
            "concurrent_reads": 8,
            "concurrent_writes": 8,
            "authenticator": "AllowAllAuthenticator",
            "authorizer": "AllowAllAuthorizer",
            # A dropped table of a test leaves nothing behind.
            "auto_snapshot": False,
        }
