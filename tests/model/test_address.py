"""What is shown of an address: never a user, a query, a fragment, or text that could not be parsed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d8_installer.model.address import shown
from tests.strategies import steady

HEX = "a" * 64
SECRET = "s3cr3tW0rd"
FORMS = [
    "https://user:{0}@host/path",
    "https://{0}@host",
    "HTTPS://user:{0}@HOST/path",
    "https://user:{0}/more@host",
    "https://user:{0}@more@host",
    "https://user:p@{0}@host",
    "https://user:80/{0}@host",
    "https://user:80?{0}@host",
    "https://user:p#{0}@host",
    "https://host#{0}@host",
    "https://user:{0}?x#y@host",
    "https://user:{0}%40host/path",
    "https://user:{0}%2540host/path",
    "https://user:80/{0}%40host",
    "https:user:{0}@host",
    "https:/user:{0}@host",
    "https:///user:{0}@host",
    "https:\\\\user:{0}@host",
    "https://user:80\\{0}@host",
    "https://user:{0} host/path",
    "https://user:{0}\n@host",
    "https://user:\x00{0}@host",
    "https://user:80/{0}\N{FULLWIDTH COMMERCIAL AT}host",
    "https\N{FULLWIDTH COLON}//user:{0}@host",
    "https://user:{0}",
    "https://host/?token={0}",
    "https://host?token={0}",
    "https://host/path?a=b@c&token={0}",
    "https://host/path#{0}",
    "https://host/path;token={0}",
    "https://host/path%3Ftoken={0}",
    "https://host/path&token={0}",
    "https://host/token={0}",
    f"https://host/path?{{0}}@sha256:{HEX}",
    "oci://user:{0}@host/repository",
    "oci://user:{0} host/repository",
    "oci+https://user:{0}@host/repository",
    "unknown://user:{0}@host",
    "user:{0}@host",
    "user:{0}@host/repository:tag",
    "//user:{0}@host",
    "{0}",
    "{0}:x",
    "token {0}",
    "bundle:https://user:{0}@host/x.bundle",
    "bundle://user:{0}@host/x.bundle",
    "oci-layout:https:user:{0}@host",
    "BUNDLE:user:{0}@host",
    " https://user:{0}@host",
]


@pytest.mark.parametrize("form", FORMS)
def test_secret_is_not_shown(form: str) -> None:
    assert SECRET.lower() not in shown(form.format(SECRET)).lower()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://host", "https://host"),
        ("https://Host:8443/a/b/", "https://host:8443/a/b/"),
        ("https://[::1]:80/x", "https://[::1]:80/x"),
        ("https://user:word@host:1/x", "https://host:1/x"),
        ("https://host/x?y#z", "https://host/x"),
        ("oci://host/a/b", "oci://host/a/b"),
        (f"oci://host/a@sha256:{HEX}", f"oci://host/a@sha256:{HEX}"),
        ("http://127.0.0.1:1/v1/images/a/manifests/sha256:abc", "http://127.0.0.1:1/v1/images/a/manifests/sha256:abc"),
        ("https://host/%zz", "https://host/…"),
        ("https://host:65536/", "https://…"),
        ("bundle:/a/user:pw@host?x#y", "bundle:/a/user:pw@host?x#y"),
        ("oci-layout:../x y", "oci-layout:../x y"),
        ("https:host", "https:…"),
        ("host/path", "…"),
        ("", "…"),
    ],
)
def test_the_rest_is_shown(text: str, expected: str) -> None:
    assert shown(text) == expected


near_addresses = st.lists(
    st.sampled_from(["https", "http", "oci", "://", ":", "/", "@", "?", "#", ";", "%40", "\\", "host", "80", " ", "…"]),
    max_size=9,
).map("".join)


@steady
@given(near_addresses | st.text(max_size=40))
def test_twice_is_once(text: str) -> None:
    assert shown(shown(text)) == shown(text)


@steady
@given(near_addresses, near_addresses)
def test_what_stands_before_an_at_is_never_shown(before: str, after: str) -> None:
    for scheme in ("https://", "oci://", "https:", ""):
        assert "xyzzy" not in shown(f"{scheme}{before}xyzzy@{after}")
