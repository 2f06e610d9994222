"""Administrators of Windows: whether this process has their rights, and directories that only they may change.

Below ProgramData, where the system's home is, every user may make files by default. So that home gets rights of its
own, and a directory that another user made beforehand is refused (Microsoft's "Security Descriptor Definition Language"
and "Well-known SIDs").
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import ctypes
    import os
    from ctypes import wintypes

    from d8_installer.errors import ConfigError
    from d8_installer.store.os_errors import refusals

    _RIGHTS = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)"
    """The system and administrators may do all, users read and execute; nothing is inherited from above."""
    _TRUSTED_INSTALLER = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
    _TRUSTED = {"S-1-5-18", "S-1-5-32-544", _TRUSTED_INSTALLER}
    _FILE, _OWNER, _OWN_RIGHTS_ONLY = 1, 1, 0x80000004  # SE_FILE_OBJECT, and two of SECURITY_INFORMATION
    _QUERY, _USER = 8, 1  # TOKEN_QUERY, TokenUser
    _EXISTS = 183  # ERROR_ALREADY_EXISTS

    def is_administrator() -> bool:
        """Whether this process has an administrator's rights: not in a console that was opened without them."""
        return bool(ctypes.WinDLL("shell32").IsUserAnAdmin())

    def make_directory(path: str) -> None:
        """Make a directory that users may read and only administrators change. One that is there gets these rights."""
        kernel, security = _library("kernel32"), _library("advapi32")
        rights = ctypes.c_void_p()
        with refusals("make", path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _check(
                security.ConvertStringSecurityDescriptorToSecurityDescriptorW(_RIGHTS, 1, ctypes.byref(rights), None)
            )
            attributes = _Attributes(ctypes.sizeof(_Attributes), rights, False)
            if not kernel.CreateDirectoryW(path, ctypes.byref(attributes)):
                if ctypes.get_last_error() != _EXISTS:
                    raise ctypes.WinError(ctypes.get_last_error())
                refuse_stranger(path)
                _check(security.SetFileSecurityW(path, _OWN_RIGHTS_ONLY, rights))

    def refuse_stranger(path: str) -> None:
        """Raise ConfigError if neither this user nor an administrator owns *path*."""
        with refusals("look at", path):
            owner = _owner(path)
            if owner not in _TRUSTED and owner != _this_user():
                raise ConfigError(
                    f"another user ({owner}) owns {path}, and could replace what everyone runs",
                    hint=f"move {path} away, then type the same command",
                    code="unsafe-home",
                )

    class _Attributes(ctypes.Structure):
        """SECURITY_ATTRIBUTES."""

        _fields_ = (("size", wintypes.DWORD), ("rights", ctypes.c_void_p), ("inherited", wintypes.BOOL))

    def _owner(path: str) -> str:
        """Return the SID of the owner."""
        owner, whole = ctypes.c_void_p(), ctypes.c_void_p()
        wanted = (path, _FILE, _OWNER, ctypes.byref(owner), None, None, None, ctypes.byref(whole))
        failed = _library("advapi32").GetNamedSecurityInfoW(*wanted)
        if failed:
            raise ctypes.WinError(failed)
        return _text(owner)

    def _this_user() -> str:
        """Return the SID of the user of this process."""
        kernel, security = _library("kernel32"), _library("advapi32")
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        token, size, found = wintypes.HANDLE(), wintypes.DWORD(), ctypes.create_string_buffer(256)
        process = wintypes.HANDLE(kernel.GetCurrentProcess())
        _check(security.OpenProcessToken(process, _QUERY, ctypes.byref(token)))
        try:
            _check(security.GetTokenInformation(token, _USER, found, len(found), ctypes.byref(size)))
        finally:
            kernel.CloseHandle(token)
        return _text(ctypes.c_void_p.from_buffer(found))  # TOKEN_USER begins with the SID's address

    def _text(sid: ctypes.c_void_p) -> str:
        text = wintypes.LPWSTR()
        _check(_library("advapi32").ConvertSidToStringSidW(sid, ctypes.byref(text)))
        return text.value or ""

    def _library(name: str) -> ctypes.WinDLL:
        return ctypes.WinDLL(name, use_last_error=True)

    def _check(succeeded: int) -> None:
        if not succeeded:
            raise ctypes.WinError(ctypes.get_last_error())
