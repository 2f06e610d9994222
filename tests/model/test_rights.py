"""Rights: each is spelled as Kubernetes spells it, and the command that grants it can be pasted for every user."""

from __future__ import annotations

import os
import shlex

import pytest

from d8_installer.model import rights
from d8_installer.model.rights import DOWNLOAD, LIST_MODULES, READ_CONFIG, READ_INGRESS, user_of

ALL = (DOWNLOAD, *rights.DISCOVERY_RIGHTS, *rights.REQUIREMENT_RIGHTS)


def commands(text: str) -> list[list[str]]:
    """Return the words of each command in a hint, as a shell reads them; none may be left that a shell obeys."""
    typed = text.partition("`")[2].rpartition("`")[0]
    lexer = shlex.shlex(typed, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if word == ";":
            found.append([])
        else:
            assert not set(word) & set("|&<>()"), typed
            found[-1].append(word)
    return found


@pytest.mark.parametrize("right", ALL, ids=lambda right: right.text)
def test_a_grant_is_commands_for_kubectl_that_name_the_user(right: rights.Right) -> None:
    typed = commands(right.grant("bob"))
    assert [words[0] for words in typed] == ["kubectl"] * len(typed)
    assert "--user=bob" in typed[-1]
    assert any("binding" in word for word in typed[-1])


@pytest.mark.skipif(os.name != "posix", reason="reads as sh does")
@pytest.mark.parametrize("user", ["$(id)", "a b;c", "o'brien@example.com", "--user=x", "`id`", 'd"q'])
def test_no_name_of_a_user_is_obeyed_by_the_shell(user: str) -> None:
    words = shlex.split(READ_INGRESS.command(user).replace(";", "\n", 1).splitlines()[-1])
    assert f"--user={user}" in words


def test_a_service_account_is_named_as_kubectl_wants_it() -> None:
    (words,) = commands(DOWNLOAD.grant("system:serviceaccount:ci:runner"))
    assert words[-1] == "--serviceaccount=ci:runner"
    assert words[3] == "d8-installer-download-ci-runner"


def test_a_user_who_is_not_known_is_to_be_asked_for() -> None:
    assert "`kubectl auth whoami`" in DOWNLOAD.grant(None)
    assert "d8:registry-packages-proxy:cli-download" in DOWNLOAD.grant(None)
    assert LIST_MODULES.text in LIST_MODULES.grant("x" * 500)


def test_nobody_is_advised_to_give_everybody_a_right() -> None:
    for right in ALL:
        assert right.grant("system:anonymous").endswith("has a token or certificate")


def test_the_rights_of_the_proxy_are_those_that_the_front_asks_for() -> None:
    assert DOWNLOAD.attributes == {
        "verb": "get",
        "group": "apps",
        "resource": "deployments",
        "subresource": "cli-binary",
        "name": "registry-packages-proxy",
        "namespace": "d8-cloud-instance-manager",
    }
    assert READ_CONFIG.kind == "configmaps"
    assert READ_INGRESS.kind == "ingresses.networking.k8s.io"


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ('ingresses "x" is forbidden: User "system:serviceaccount:a:b" cannot get', "system:serviceaccount:a:b"),
        ("Forbidden (user=kate (dev), verb=get, resource=deployments, subresource=cli-binary)", "kate (dev)"),
        ("Forbidden", None),
        ('User "a\x07b" cannot', None),
        (f'User "{"x" * 300}" cannot', None),
    ],
)
def test_a_refusal_names_the_user(text: str, user: str | None) -> None:
    assert user_of(text) == user
