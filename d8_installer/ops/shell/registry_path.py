"""PATH in Windows's registry: adds a directory to the person's or the machine's, and removes it again.

Where it is, and how running programs learn of a change: Microsoft's "Environment Variables" (Win32 apps) and
"WM_SETTINGCHANGE message". The value's type stays, and the text that is there, with the variables in it.
"""

from __future__ import annotations

import sys

from d8_installer.model.value import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class RegistryPath(Struct, frozen=True):
    """The PATH of the person, or of the machine, and the directory that it is to have."""

    is_machines: bool
    directory: str

    @property
    def key(self) -> str:
        """The key that has it, as Windows's own programs show it."""
        if self.is_machines:
            return rf"HKEY_LOCAL_MACHINE\{_MACHINE}"
        return rf"HKEY_CURRENT_USER\{_PERSON}"


_PERSON = "Environment"
_MACHINE = r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment"

if sys.platform == "win32":
    import contextlib
    import ctypes
    import threading
    import winreg

    from d8_installer.errors import ConfigError, DiskError, NotAllowedError
    from d8_installer.ops.shell.registry_text import with_directory, without_directory
    from d8_installer.pipeline.ownership import AS_ADMINISTRATOR
    from d8_installer.pipeline.search_path import has_entry

    _VALUE = "Path"
    _ACCESS_DENIED = 5
    _ALL_WINDOWS, _SETTING_CHANGED, _NOT_IF_HUNG = 0xFFFF, 0x1A, 2  # HWND_BROADCAST, WM_SETTINGCHANGE, SMTO_ABORTIFHUNG
    _SECONDS = 3.0

    class _Value(Struct, frozen=True):
        """The text and the type of a value; the text is None if the registry has no such value."""

        text: str | None
        kind: int

    def add_directory(path: RegistryPath, *, dry_run: bool = False) -> bool:
        """Append the directory, and return True; return False if the PATH of a new console has it already.

        In a *dry_run* nothing is written.

        If this user may not write, raise NotAllowedError; if Windows would read another directory, raise ConfigError.
        """
        if any(_has(place) for place in (path, RegistryPath(True, path.directory))):
            return False
        value = _read(path)
        if value.kind == winreg.REG_EXPAND_SZ and winreg.ExpandEnvironmentStrings(path.directory) != path.directory:
            raise ConfigError(
                f"{path.directory!r} cannot be on PATH, because Windows would replace the variables in it",
                hint="choose another home with --home DIR, or D8_INSTALLER_HOME",
                code="bad-home-path",
            )
        if not dry_run:
            _write(path, _Value(with_directory(value.text, path.directory), value.kind))
        return True

    def has_directory(path: RegistryPath) -> bool:
        """Whether the PATH has what ``add_directory`` wrote."""
        text = _read(path).text
        return text is not None and without_directory(text, path.directory) != text

    def refusal_of(path: RegistryPath) -> str | None:
        """Return why ``has_directory`` or ``remove_directory`` would be refused, or None."""
        try:
            if has_directory(path):
                with _opened(path, winreg.KEY_SET_VALUE):
                    pass
        except (DiskError, NotAllowedError) as error:
            return error.message
        return None

    def remove_directory(path: RegistryPath) -> None:
        """Remove what ``add_directory`` wrote, and the value if it made it. Raise what ``add_directory`` raises."""
        value = _read(path)
        if value.text is not None and (left := without_directory(value.text, path.directory)) != value.text:
            _write(path, _Value(left, value.kind))

    def _has(path: RegistryPath) -> bool:
        """Whether the PATH has the directory, however it is spelled there."""
        value = _read(path)
        text = value.text or ""
        expanded = winreg.ExpandEnvironmentStrings(text) if value.kind == winreg.REG_EXPAND_SZ else text
        return has_entry(expanded, path.directory)

    def _read(path: RegistryPath) -> _Value:
        with _opened(path, winreg.KEY_QUERY_VALUE) as key:
            try:
                text, kind = winreg.QueryValueEx(key, _VALUE)
            except FileNotFoundError:
                return _Value(None, winreg.REG_EXPAND_SZ)  # the type that Windows gives it
        if kind not in {winreg.REG_SZ, winreg.REG_EXPAND_SZ} or text.count('"') % 2:
            hint = f"correct it, or add {path.directory} to it by hand"
            raise DiskError(f"PATH in {path.key} is no list of directories", hint=hint)
        return _Value(text, kind)

    def _write(path: RegistryPath, value: _Value) -> None:
        with _opened(path, winreg.KEY_SET_VALUE) as key:
            if value.text is None:
                winreg.DeleteValue(key, _VALUE)
            else:
                winreg.SetValueEx(key, _VALUE, 0, value.kind, value.text)
        _tell_programs()

    @contextlib.contextmanager
    def _opened(path: RegistryPath, access: int) -> Iterator[winreg.HKEYType]:
        root, name = (winreg.HKEY_LOCAL_MACHINE, _MACHINE) if path.is_machines else (winreg.HKEY_CURRENT_USER, _PERSON)
        try:
            with winreg.CreateKeyEx(root, name, 0, access) as key:
                yield key
        except OSError as error:
            if error.winerror != _ACCESS_DENIED:
                why = (error.strerror or "").lower()
                raise DiskError(f"cannot change PATH in {path.key}: {why}", hint=_by_hand(path)) from None
            raise NotAllowedError(f"cannot write PATH in {path.key}: access is denied", hint=_by_hand(path)) from None

    def _by_hand(path: RegistryPath) -> str:
        if path.is_machines:
            return AS_ADMINISTRATOR
        return f"add {path.directory} to PATH by hand"

    def _tell_programs() -> None:
        """Tell every window of a change, so that consoles opened from now on have it, and wait for a limited time.

        The limit of SendMessageTimeoutW is for each window, so a thread waits for all of them.
        """
        send = ctypes.WinDLL("user32").SendMessageTimeoutW
        limit, answer = int(_SECONDS * 1000), ctypes.c_size_t()
        arguments = (_ALL_WINDOWS, _SETTING_CHANGED, None, ctypes.c_wchar_p(_PERSON), _NOT_IF_HUNG, limit)
        telling = threading.Thread(target=send, args=(*arguments, ctypes.byref(answer)), daemon=True)
        telling.start()
        telling.join(_SECONDS)
