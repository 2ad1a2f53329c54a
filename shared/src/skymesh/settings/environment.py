"""Reading settings from the environment, with errors that name the variable."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from skymesh.errors import SettingsError

S = TypeVar("S", bound=BaseSettings)


def from_environment(kind: type[S], *, prefix: str | None = None, **given: Any) -> S:
    """Return the settings of a class as the environment says them.

    Parameters
    ----------
    kind
        The class.
    prefix
        How the names of its variables begin, if not as usual.
    given
        What is not looked for.

    Raises
    ------
    SettingsError
        If a value does not fit; the line names the variable, and never tells its value.
    """
    try:
        return kind(**given) if prefix is None else kind(_env_prefix=prefix, **given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        usual, name = kind.model_config.get("env_prefix", ""), "".join(map(str, first["loc"][:1]))
        # A field that has a variable of another name says so itself; under another prefix it is the prefix.
        if prefix is not None and (name.isupper() or name in given):
            variable = prefix.rstrip("_")
        else:
            variable = name if name.isupper() else f"{prefix or usual}{name}".upper()
        raise SettingsError(first["msg"].removeprefix("Value error, "), where=variable) from None


def secret_text(value: SecretStr | None, file: Path | None) -> str | None:
    """Return a secret that is given by itself or as the first line of a file; None if it is not given.

    Raises
    ------
    SettingsError
        If the file cannot be read.
    """
    if value is not None or file is None:
        return None if value is None else value.get_secret_value()
    try:
        return file.read_text().partition("\n")[0].rstrip("\r")
    except OSError as error:
        raise SettingsError(f"the secret cannot be read: {error.strerror}", where=str(file)) from None
    except UnicodeDecodeError:
        raise SettingsError("the secret is no text", where=str(file)) from None
