"""``config``: read and write the person's ``config.toml``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from d8_installer.errors import ConfigError, UsageError
from d8_installer.model.config import Config, with_setting
from d8_installer.store import lockfile

if TYPE_CHECKING:
    from d8_installer.ops.session import Session


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings as they are now, and the file they lie in."""

    file: str
    values: dict[str, object]
    key: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the result's ``data``."""
        return {"file": self.file, "settings": self.values, "key": self.key}


def show(session: Session, key: str | None = None) -> Settings:
    """Return all settings, or the one that *key* names."""
    values = session.config.as_json()
    if key is None:
        return Settings(session.config_file, values)
    if key not in values:
        raise UsageError(f"{key[:100]!r} is not a setting", hint=f"settings: {', '.join(values)}")
    return Settings(session.config_file, {key: values[key]}, key)


def change(session: Session, key: str, value: str | None) -> Settings:
    """Set *key* to *value*, or unset it for None; what the result would break is not written."""
    session.refuse_foreign(session.config_file)
    text, _ = lockfile.load_config(session.config_file)
    edited = with_setting(text, key, value)
    try:
        config = Config.parse(edited.encode(), session.config_file)
        if key in {"endpoint", "sources"} and not config.plugins:  # else a plugin may have the scheme
            for url in (*([config.endpoint] if config.endpoint is not None else []), *config.sources):
                _check_source(url)
    except ConfigError as error:
        # The value itself is not shown: an address may have a password in it.
        raise UsageError(f"{key} cannot be set to that: {error}", hint=error.hint) from error
    lockfile.save(session.config_file, edited, begin=True)
    return Settings(session.config_file, config.as_json(), key)


def _check_source(url: str) -> None:
    from d8_installer.plugin.manager import FIRST_PARTY

    scheme = url.partition(":")[0]
    if scheme not in FIRST_PARTY:
        kinds = ", ".join(f"{name}:" for name in FIRST_PARTY)
        raise ConfigError(
            f"{url[:100]!r} is no source", hint=f"begin it with one of {kinds}; `config unset` removes it"
        )
    if scheme in {"http", "https"}:
        from d8_installer.registry.wire import Endpoint

        Endpoint.parse(url)
