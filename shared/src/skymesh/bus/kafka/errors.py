"""What Kafka's errors mean for the mesh."""

from __future__ import annotations

import ssl

from aiokafka import errors as kafka_errors

from skymesh.errors import BrokerUnavailableError, InvariantError, MeshError, SettingsError

_REFUSED = (
    kafka_errors.AuthenticationFailedError,
    kafka_errors.AuthenticationMethodNotSupported,
    kafka_errors.IllegalSaslStateError,
    kafka_errors.SaslAuthenticationFailed,
    kafka_errors.UnsupportedSaslMechanismError,
)
_FORBIDDEN = (
    kafka_errors.ClusterAuthorizationFailedError,
    kafka_errors.GroupAuthorizationFailedError,
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.TransactionalIdAuthorizationFailed,
)
_TOO_LARGE = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordTooLargeError)
_MEANINGS: tuple[tuple[tuple[type[Exception], ...], type[MeshError], str], ...] = (
    (_REFUSED, SettingsError, "Kafka refuses the credentials or the way they are given"),
    (_FORBIDDEN, SettingsError, "Kafka does not permit this to the user"),
    (
        (kafka_errors.InvalidSessionTimeoutError,),
        SettingsError,
        "Kafka does not permit a session of this length (group.min.session.timeout.ms and …max…)",
    ),
    (_TOO_LARGE, InvariantError, "a record is larger than the topic takes"),
    (
        (kafka_errors.OffsetOutOfRangeError,),
        InvariantError,
        "{} is not in the topic: unread records are gone, or it was made anew",
    ),
    ((kafka_errors.UnknownTopicOrPartitionError,), InvariantError, "there is no such topic or partition"),
)


def mesh_error(error: BaseException, *, where: str) -> MeshError:
    """Return the error of the mesh that an error of the client stands for.

    Parameters
    ----------
    error
        What the client raised.
    where
        The topic, group or servers that were spoken of.
    """
    if isinstance(error, MeshError):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return SettingsError(f"Kafka's certificate is not trusted: {error.verify_message}", where=where)
    for kinds, meaning, problem in _MEANINGS:
        if isinstance(error, kinds):
            return meaning(problem.format(_places(error)), where=where)
    return BrokerUnavailableError(f"Kafka: {_said(error)}", where=where)


def _places(error: BaseException) -> str:
    """Return which offset it is, of an error of the client that holds places and offsets."""
    held = error.args[0] if error.args else None
    if not isinstance(held, dict):
        return "the group's offset"
    return ", ".join(f"offset {offset} of partition {place.partition}" for place, offset in held.items())


def _said(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, kafka_errors.ProducerFenced):
        return "another reader of the group has taken over"
    return str(error) or type(error).__name__
