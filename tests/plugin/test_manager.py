"""Opening sources and destinations by URL, and what a bad plugin does to it: nothing but a message with its name."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import d8_installer.plugin.hookspec as spec
from d8_installer.errors import ConfigError, NotFoundError, UnreachableError
from d8_installer.plugin.calling import new_manager
from d8_installer.plugin.hookspec import hookimpl
from d8_installer.plugin.records import Access, DestinationScheme, SourceScheme
from d8_installer.plugin.schemes import FIRST_PARTY, open_destination, open_source
from d8_installer.testing.contract import Sample
from d8_installer.testing.memory import MemorySource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from d8_installer.testing.docker_registry import RunningRegistry

ACCESS = Access(tries=1)


def plugin(**hooks: Callable[[], object]) -> object:
    """A plugin with these hooks."""
    return SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})


def toy_scheme(name: str = "toy") -> SourceScheme:
    return SourceScheme(name, open=lambda url, access: MemorySource(f"{url} {access.connections}"))


def test_a_layout_is_opened_both_ways(tmp_path: Path) -> None:
    sample = Sample.make("manager", size=100)
    sample.publish(open_destination(f"oci-layout:{tmp_path}", ACCESS))
    source = open_source(f"oci-layout:{tmp_path}", ACCESS)
    assert source.manifest(sample.image, sample.tag) == sample.index
    assert source.name == f"oci-layout:{tmp_path}"


@pytest.mark.registry
def test_a_registry_is_opened_both_ways(registry: RunningRegistry) -> None:
    sample = Sample.make("manager", size=100)
    destination = open_destination(f"{registry.url}/by/manager", ACCESS)
    sample.publish(destination)
    destination.close()
    source = open_source(f"{registry.url}/by/manager", ACCESS)
    assert source.manifest(sample.image, sample.tag) == sample.index
    source.close()


def test_a_proxy_is_opened_and_not_yet_asked() -> None:
    source = open_source("https://proxy.example/prefix", Access(token=lambda: "t", offline=True))
    assert source.name == "https://proxy.example/prefix"
    with pytest.raises(UnreachableError, match="offline"):
        source.tags("deckhouse-cli")
    source.close()


@pytest.mark.parametrize("url", ["http://proxy.example/", "https://user:hunter2@proxy.example/", "https:/x"])
def test_a_bad_endpoint_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_source(url, ACCESS)
    assert caught.value.hint
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("url", ["nope:x", "nope", "", "oci-layout:", "/a/path", "NOPE:x"])
def test_an_unknown_scheme_names_each_usual_kind(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_source(url, ACCESS)
    named = [name for name in FIRST_PARTY if f"{name}:" in (caught.value.hint or "")]
    assert named == ["https", "oci", "oci-layout", "bundle"]


def test_a_source_that_is_no_destination_is_refused() -> None:
    with pytest.raises(ConfigError, match="no destination"):
        open_destination("https://proxy.example", ACCESS)


def test_a_plugin_adds_a_scheme(tmp_path: Path) -> None:
    plugins = {"toy (d8-toy 1.0)": plugin(d8_sources=lambda: [toy_scheme()])}
    assert open_source("toy:thing", Access(connections=3), plugins).name == "toy:thing 3"
    assert open_source(f"oci-layout:{tmp_path}", ACCESS, plugins).name == f"oci-layout:{tmp_path}"
    with pytest.raises(ConfigError) as caught:
        open_source("other:x", ACCESS, plugins)
    assert "toy:" in (caught.value.hint or "")


def test_an_error_of_a_scheme_is_its_own() -> None:
    def refuse(url: str, access: Access) -> MemorySource:
        raise NotFoundError("not here")

    plugins = {"toy": plugin(d8_destinations=lambda: [DestinationScheme("toy", open=refuse)])}
    with pytest.raises(NotFoundError, match="not here"):
        open_destination("toy:x", ACCESS, plugins)


def test_two_of_one_name_are_both_named() -> None:
    plugins = {name: plugin(d8_sources=lambda: [toy_scheme()]) for name in ("one (a 1)", "two (b 2)")}
    with pytest.raises(ConfigError, match="'toy'") as caught:
        open_source("toy:x", ACCESS, plugins)
    assert "one (a 1)" in str(caught.value)
    assert "two (b 2)" in str(caught.value)


def test_a_plugin_cannot_take_a_first_party_scheme(tmp_path: Path) -> None:
    plugins = {"thief": plugin(d8_sources=lambda: [toy_scheme("oci-layout")])}
    with pytest.raises(ConfigError, match="thief"):
        open_source(f"oci-layout:{tmp_path}", ACCESS, plugins)


def explode() -> list[SourceScheme]:
    raise RuntimeError("boom")


@pytest.mark.parametrize(
    "hook",
    [
        explode,
        lambda: None,
        lambda: (scheme for scheme in [toy_scheme()]),
        lambda: [DestinationScheme, 7],
        lambda: "toy",
    ],
)
def test_a_plugin_that_fails_is_named(hook: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match="guilty") as caught:
        open_source("toy:x", ACCESS, {"guilty (d8-guilty 1)": plugin(d8_sources=hook)})
    assert caught.value.hint


def test_a_hook_that_we_do_not_know_is_named() -> None:
    with pytest.raises(ConfigError, match="misspelt"):
        new_manager({"misspelt": plugin(d8_source=explode)})


def test_a_hook_with_an_argument_that_we_do_not_have_is_named() -> None:
    def d8_sources(surplus: int) -> list[SourceScheme]:
        return []

    with pytest.raises(ConfigError, match="surplus"):
        new_manager({"p": SimpleNamespace(d8_sources=hookimpl(d8_sources))})


def test_secrets_are_not_in_the_repr() -> None:
    access = Access(token=lambda: "t", env={"HTTPS_PROXY": "http://user:hunter2@p"})
    assert "hunter2" not in repr(access)


@pytest.mark.parametrize("name", [name for name in vars(spec) if name.startswith("d8_")])
def test_every_hook_says_when_order_returns_raises_and_gives_an_example(name: str) -> None:
    text = vars(spec)[name].__doc__
    assert all(word in text for word in ("When", "Order", "eturns", "aises", "Example"))


def test_the_plugin_api_is_light() -> None:
    program = (
        "import sys; import d8_installer.plugin.schemes, d8_installer.plugin.records;"
        "print([n for n in ('pluggy', 'httpx2', 'd8_hooks', 'd8_installer.registry') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
