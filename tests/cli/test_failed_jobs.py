"""Whoever reads the log of a job that failed is led on: by the message, its hint, or the number alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.person import Person

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path, "http://127.0.0.1:9")


@pytest.mark.parametrize("address", ["proxy.example.com", "proxy.example.com:5000/tools", "127.0.0.1:5000/tools"])
def test_a_host_without_a_scheme_is_written_with_one(person: Person, address: str) -> None:
    said = person.fails(78, "versions", "jig", "--endpoint", address).err
    assert f"error[bad-address]: '{address}' has no scheme\n" in said
    assert f"hint: write https://{address} for a registry-packages-proxy, or oci://{address} for a registry\n" in said
    assert f"'{address}' has no scheme" in person.fails(2, "config", "set", "endpoint", address).err


def test_a_path_without_a_scheme_is_written_with_one(person: Person, tmp_path: Path) -> None:
    (tmp_path / "tools.bundle").write_text("")
    (tmp_path / "images").mkdir()
    assert "hint: write bundle:tools.bundle\n" in person.fails(78, "sync", "--from", "tools.bundle", cwd=tmp_path).err
    assert "hint: write oci-layout:images\n" in person.fails(78, "sync", "--from", "images", cwd=tmp_path).err


@pytest.mark.parametrize("secret", ["s3cret", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIi.c2ln", "anna:pw@proxy.example.com"])
def test_what_may_be_a_secret_is_not_shown(person: Person, secret: str) -> None:
    assert secret not in person.fails(78, "versions", "jig", "--endpoint", secret).err


def test_a_job_in_the_wrong_directory_is_told_of_it(person: Person, tmp_path: Path) -> None:
    said = person.fails(65, "sync", "--locked", cwd=tmp_path).err
    assert "hint: no project is here or above" in said


def test_the_number_alone_leads_to_the_codes(person: Person) -> None:
    said = person.ok("help", "65").out
    assert said.startswith("errors that end with exit code 65; ")
    assert "  stale-lock: d8.lock is missing or does not match the manifests\n" in said
    assert "moved-tag" not in said


def test_two_images_in_one_block_as_a_merge_leaves_them(person: Person) -> None:
    place = person.project('schema = 1\n\n[[images]]\nname = "jig"\nname = "saw"\n')
    said = person.fails(65, "lock", cwd=place).err
    assert "d8.toml:5: name is written twice in one table\n" in said
    assert "hint: begin each image with a line `[[images]]` of its own\n" in said
