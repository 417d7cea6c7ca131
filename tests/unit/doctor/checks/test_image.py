"""Checks of images on recorded facts."""

import pytest

from support.host_facts import IMAGE, container, found, look, result

REVISION, VERSION, NAME = (f"org.opencontainers.image.{name}" for name in ("revision", "version", "ref.name"))


@pytest.mark.parametrize(
    ("tag", "labels", "wrong"),
    [
        ("shop:1.4", {VERSION: "1.4.2"}, False),
        ("shop:1.4", {VERSION: "1.3.9"}, True),
        ("shop:v2", {VERSION: "2.0"}, False),
        # what the base image left behind
        ("shop:1.4", {VERSION: "22.04", NAME: "ubuntu"}, False),
        ("shop:r3", {REVISION: "r2"}, True),
        ("shop:r3", {REVISION: "4f1e09aa"}, False),
        ("shop:latest", {VERSION: "1.4"}, False),
    ],
)  # fmt: skip
def test_a_tag_that_its_label_contradicts_is_found(tag, labels, wrong):
    images = {IMAGE: {"RepoTags": [tag], "Config": {"Labels": labels}}}
    assert found("image-mistagged", look(images=images)) == ({tag} if wrong else set())


@pytest.mark.parametrize(
    ("tag", "system", "wrong"),
    [
        ("debian:11", 'ID=debian\nVERSION_ID="12"', True),
        ("debian:12-slim", 'ID=debian\nVERSION_ID="12"', False),
        ("debian:bullseye", "ID=debian\nVERSION_CODENAME=bookworm", True),
        ("debian:stable", "ID=debian\nVERSION_CODENAME=bookworm", False),
        ("alpine:3.19", "ID=alpine\nVERSION_ID=3.19.1", False),
        ("ubuntu:22.04", "ID=debian\nVERSION_ID=12", True),
        ("acme/shop:11", 'ID=debian\nVERSION_ID="12"', False),
    ],
)  # fmt: skip
def test_a_tag_that_the_system_inside_contradicts_is_found(tag, system, wrong):
    images = {IMAGE: {"RepoTags": [tag]}}
    assert found("image-mistagged", look(images=images, os_release={IMAGE: system})) == ({tag} if wrong else set())


def test_a_tag_that_was_moved_since_its_release_is_found():
    images = {IMAGE: {"RepoTags": ["shop:r1"], "RepoDigests": []}}
    assert found("image-moved", look(images=images, bound_images={"shop": {"r1": "sha256:other"}})) == {"shop:r1"}
    assert found("image-moved", look(images=images, bound_images={"shop": {"r1": IMAGE}})) == set()


def test_a_container_that_was_never_released_is_found():
    ours = container(Config={"Image": "shop:r1", "Labels": {"pratique.service": "shop"}})
    assert found("unknown-image", look(containers=[ours], bound_images={"shop": {}})) == {"shop"}
    assert found("unknown-image", look(containers=[ours], bound_images={"shop": {"r1": IMAGE}})) == set()


def test_an_old_base_is_found_and_a_time_of_1970_is_none():
    old = {IMAGE: [{"Created": 1_700_000_000, "CreatedBy": ""}]}
    assert found("old-base", look(history=old)) == {f"shop@{IMAGE}"}


def test_the_command_keeps_the_port_of_a_registry():
    seen = look(containers=[container(Config={"Image": "registry.example:5000/shop:latest"})])
    (finding,) = result("latest-runs", seen).findings
    assert "registry.example:5000/shop@sha256:" in finding.found.remedy


@pytest.mark.parametrize("use", [{}, {"Images": []}])
def test_sizes_that_the_engine_does_not_tell_are_not_good(use):
    assert result("reclaimable", look(disk_use=use)).state == "not looked at"
    assert result("data-inside", look(disk_use=use)).state == "not looked at"
