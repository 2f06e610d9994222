"""``config.toml``: a closed schema, and ``config set`` that leaves the rest of the text alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.errors import ConfigError, D8Error, DocumentError, UsageError
from d8_installer.model.config import DEFAULT_RETENTION, Config, with_setting
from tests.reaching import reached, reaches, spoilt
from tests.strategies import any_bytes, near_toml, steady

FULL = """\
# mine
endpoint = "https://rpp"  # the proxy
ca_file = "/ca"
sources = ["oci://x", "bundle:y"]
allow = ["a"]
reserved = ["ls"]
gate = ["vault", "*"]
plugins = ["kubeconfig"]
retention = 3
token_file = "/token"
cluster_checks = "never"

[owners]
d8 = "deckhouse-cli"
"""


def parse(text: str) -> Config:
    return Config.parse(text.encode(), "config.toml")


def test_every_setting() -> None:
    config = parse(FULL)
    assert config == Config(
        endpoint="https://rpp",
        ca_file="/ca",
        sources=("oci://x", "bundle:y"),
        allow=("a",),
        reserved=("ls",),
        gate=("vault", "*"),
        owners={"d8": "deckhouse-cli"},
        plugins=("kubeconfig",),
        retention=3,
        token_file="/token",
        cluster_checks="never",
    )
    assert config.as_json() == {
        "endpoint": "https://rpp",
        "ca_file": "/ca",
        "sources": ["oci://x", "bundle:y"],
        "allow": ["a"],
        "reserved": ["ls"],
        "gate": ["vault", "*"],
        "layout": None,
        "owners": {"d8": "deckhouse-cli"},
        "plugins": ["kubeconfig"],
        "retention": 3,
        "environments": [],
        "client_cert": None,
        "client_key": None,
        "safe_directories": [],
        "token_file": "/token",
        "cluster_checks": "never",
    }


def test_nothing_is_a_config() -> None:
    assert parse("") == Config()
    assert Config().retention == DEFAULT_RETENTION


@reaches("a config", "refused")
@steady
@given(any_bytes | spoilt([FULL.encode()]))
def test_any_bytes_are_a_config_or_refused(raw: bytes) -> None:
    try:
        config = Config.parse(raw, "config.toml")
    except ConfigError as error:
        reached("refused")
        assert error.message.startswith("config.toml")
        assert error.hint
    else:
        reached("a config" if config != Config() else "nothing set")
        assert config.as_json().keys() == Config().as_json().keys()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "config.toml:1: expected '='"),
        ("\nendpoint = 3", "config.toml:2: endpoint: must be text in quotes"),
        ("ca_file = []", "config.toml:1: ca_file: must be text in quotes"),
        ("sources = 'x'", "config.toml:1: sources: must be a list"),
        ("sources = [\n'x',\n3]", "config.toml:3: sources[1]: must be text in quotes"),
        ("gate = ['a b']", "config.toml:1: gate[0]: 'a b' is not a binary name"),
        ("reserved = ['A']", "config.toml:1: reserved[0]: 'A' is not a binary name"),
        ("owners = 3", "config.toml:1: owners: must be a table"),
        ("[owners]\n'A' = 'x'", "config.toml:2: owners.A: 'A' is not a binary name"),
        ("[owners]\nx = '../y'", "config.toml:2: owners.x: '../y' is not an image name"),
        ("retention = 0", "config.toml:1: retention: must be between 1 and 10000"),
        ("retention = 10001", "config.toml:1: retention: must be between 1 and 10000"),
        ("retention = true", "config.toml:1: retention: must be a number of generations"),
        ("cluster_checks = []", 'config.toml:1: cluster_checks: must be "auto"'),
        ("cluster_checks = 'Auto'", 'config.toml:1: cluster_checks: must be "auto", "always" or "never"'),
        ("endpiont = 'x'", "config.toml:1: endpiont: unknown key `endpiont`"),
    ],
)
def test_complaints(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert caught.value.message.startswith(message)


def test_hints() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("endpiont = 'x'")
    assert caught.value.hint == "did you mean `endpoint`?"
    with pytest.raises(ConfigError) as caught:
        parse("endpoint = 3")
    assert caught.value.hint == "correct the file config.toml, then type the same command again"


@pytest.mark.parametrize("path", [r"C:\Users\x", r"C:\work"])
def test_a_path_of_windows_in_double_quotes(path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(f'ca_file = "{path}"')
    assert caught.value.hint == r"in double quotes, write \\ for each \; or put the text in single quotes"


# -- edits ---------------------------------------------------------------------------------------------------

_values = st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters=","), max_size=8)
settings = st.one_of(
    st.tuples(st.sampled_from(["endpoint", "ca_file"]), _values),
    st.tuples(st.sampled_from(["sources", "allow", "plugins"]), st.lists(_values, max_size=3).map(",".join)),
    st.tuples(st.just("retention"), st.integers(1, 10_000).map(str)),
    st.tuples(st.sampled_from(["owners.d8", "owners.x.y", "owners.a"]), st.sampled_from(["a", "b"])),
)
texts = st.sampled_from(
    [
        "",
        FULL,
        "retention = 3",
        "[owners]\nd8 = 'x'",
        "owners.d8 = 'x' # dotted\n",
        "owners = {d8 = 'x'}\n",
        FULL.replace("\n", "\r\n"),
    ]
)


def meant(key: str, value: str) -> object:
    """What a setting typed so is in the config."""
    if key.startswith("owners"):
        return value
    if key in {"endpoint", "ca_file"}:
        return value
    if key == "retention":
        return int(value)
    return tuple(part.strip() for part in value.split(",") if part.strip())


def read(config: Config, key: str) -> object:
    head, _, binary = key.partition(".")
    return config.owners.get(binary) if binary else getattr(config, head)


@steady
@given(texts, settings)
def test_what_is_set_is_read_and_the_rest_stays(text: str, setting: tuple[str, str]) -> None:
    key, value = setting
    edited = with_setting(text, key, value)
    before, after = parse(text), parse(edited)
    assert read(after, key) == meant(key, value)
    for other in ("endpoint", "ca_file", "sources", "allow", "reserved", "plugins", "retention", "owners.d8"):
        assert other == key or read(after, other) == read(before, other)
    assert re.findall("#.*", edited.replace("\r", "")) == re.findall("#.*", text.replace("\r", ""))
    assert with_setting(edited, key, value) == edited


@steady
@given(texts, settings)
def test_what_is_unset_has_its_default(text: str, setting: tuple[str, str]) -> None:
    key, _ = setting
    edited = with_setting(text, key, None)
    assert read(parse(edited), key) == read(Config(), key)
    assert with_setting(edited, key, None) == edited


@pytest.mark.parametrize("key", ["", "x", "owners.", "endpoint.x", "Endpoint", ".owners", "x" * 999])
def test_unknown_settings(key: str) -> None:
    with pytest.raises(UsageError, match="is not a setting") as caught:
        with_setting("", key, "x")
    assert "owners.BINARY" in str(caught.value.hint)
    assert ("did you mean endpoint?" in str(caught.value.hint)) == key.lower().startswith("endpoint")


def test_the_owners_are_set_one_by_one() -> None:
    with pytest.raises(UsageError, match="owners has one value for each binary"):
        with_setting("", "owners", "x")


@pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "9" * 5000, "\u0663", "\u00b2", "0x10"])
def test_retention_is_a_number(value: str) -> None:
    with pytest.raises(UsageError, match="retention must be a number of generations"):
        with_setting("", "retention", value)


@pytest.mark.parametrize(("key", "value"), [("endpoint", "\udcff"), ("ca_file", "a\nb"), ("owners.\udcff", "a")])
def test_what_no_file_can_hold(key: str, value: str) -> None:
    with pytest.raises(UsageError, match="cannot be"):
        with_setting("", key, value)


def test_owners_that_are_no_table() -> None:
    with pytest.raises(DocumentError, match="owners: must be a table"):
        with_setting("owners = 3", "owners.d8", "x")


@steady
@given(near_toml | st.text(max_size=20), st.sampled_from(["endpoint", "sources", "retention", "owners.d8"]), st.text())
def test_any_text_is_edited_or_refused(text: str, key: str, value: str) -> None:
    try:
        parse(with_setting(text, key, value))
    except D8Error as error:
        assert len(error.message) < 1000


def test_paths_of_windows_are_absolute_and_line_ends_stay() -> None:
    text = with_setting("retention = 3\r\n", "safe_directories", r"C:\x,\\server\share")
    assert text == 'retention = 3\r\nsafe_directories = ["C:\\\\x", "\\\\\\\\server\\\\share"]\r\n'
    assert Config.parse(text.encode(), "config.toml").safe_directories == ("C:\\x", r"\\server\share")
