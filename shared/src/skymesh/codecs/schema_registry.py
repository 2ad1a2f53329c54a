"""A schema registry over HTTP, by Confluent's REST interface.

Source of the interface: Confluent Schema Registry API reference, ``GET /schemas/ids/{id}``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from skymesh.errors import SchemaRegistryUnavailableError, SettingsError, UnknownSchemaError

if TYPE_CHECKING:
    import httpx

TIMEOUT_S: Final = 10.0
_ACCEPT: Final = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
_OK, _NOT_FOUND, _SERVER_ERRORS = 200, 404, 500
_REFUSED: Final = frozenset({401, 403})
_LATER: Final = frozenset({408, 425, 429})


class SchemaRegistry:
    """A schema registry.

    Parameters
    ----------
    url
        Where it answers, ``http://host:8081``; a name and password may stand before the host and are
        never shown.

    Raises
    ------
    SettingsError
        If that is no such address.
    """

    def __init__(self, url: str) -> None:
        import httpx

        try:
            parsed = httpx.URL(url.rstrip("/"))
        except httpx.InvalidURL:
            # What is wrong with it may be a part of a password.
            raise SettingsError("no address of a schema registry") from None
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise SettingsError("the address of a schema registry begins with http:// or https://")
        self._url = str(parsed)
        self._place = str(parsed.copy_with(userinfo=b""))
        self.name = f"schema registry {self._place}"

    def find(self, schema_id: int) -> Any | None:
        """Return a schema; None if the registry does not have the id.

        Raises
        ------
        UnknownSchemaError
            If it has something else than a whole Avro schema under the id.
        SchemaRegistryUnavailableError
            If it does not answer, or not now.
        SettingsError
            If it refuses, or what answers is no schema registry.
        """
        answer = self._get(f"/schemas/ids/{schema_id}")
        told = _told(answer)
        if answer.status_code == _OK and isinstance(told.get("schema"), str):
            return _schema(told, f"schema id {schema_id}")
        if answer.status_code == _NOT_FOUND and "error_code" in told:
            return None
        if answer.status_code in _REFUSED:
            raise SettingsError(f"it refuses to answer (status {answer.status_code})", where=self._place)
        raise SettingsError(
            f"what answers there is no schema registry (status {answer.status_code})", where=self._place
        )

    def _get(self, path: str) -> httpx.Response:
        import httpx

        try:
            answer = httpx.get(self._url + path, headers=_ACCEPT, timeout=TIMEOUT_S)
        except httpx.HTTPError as error:
            problem = f"the schema registry does not answer ({error or type(error).__name__})"
            raise SchemaRegistryUnavailableError(problem, where=self._place) from error
        if answer.status_code >= _SERVER_ERRORS or answer.status_code in _LATER:
            problem = f"the schema registry cannot answer now (status {answer.status_code})"
            raise SchemaRegistryUnavailableError(problem, where=self._place)
        return answer


def _told(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _schema(told: dict[str, Any], what: str) -> Any:
    kind = told.get("schemaType") or "AVRO"
    if kind != "AVRO":
        raise UnknownSchemaError(f"{what} is no Avro schema but {str(kind)[:20]}")
    if told.get("references"):
        raise UnknownSchemaError(f"{what} refers to other schemas; only whole ones can be used")
    try:
        return json.loads(told["schema"])
    except ValueError:
        raise UnknownSchemaError(f"{what} is no Avro schema: not even JSON") from None
