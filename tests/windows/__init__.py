"""The installed ``d8-installer.exe`` as a person on Windows uses it: a genuine Windows CPython under Wine."""
