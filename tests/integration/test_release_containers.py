"""The runbooks with containers, HAProxy, a registry and syslog: a promotion, a canary that is removed, a rollback."""

import functools
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from pratique.release import find_release
from support.docker_engine import needs_docker, needs_registry, registry
from support.haproxy_fixture import needs_haproxy
from support.shop_fixture import running_shop
from support.shop_images import ImageShop

pytestmark = [needs_docker, needs_haproxy, needs_registry]


@pytest.fixture(scope="module")
def shop(engine):
    # a socket's path must be short, and pytest's folders are not
    folder = Path(tempfile.mkdtemp(prefix="e2e-"))
    with registry() as images:
        make = functools.partial(ImageShop, engine=engine, registry=images)
        with running_shop(folder, make_shop=make) as shop:
            yield shop
    engine.clean()
    shutil.rmtree(folder)


def containers(shop):
    client = shop.engine.client()
    try:
        return sorted(container.labels["pratique.revision"] for container in client.containers.list(all=True))
    finally:
        client.close()


def test_a_good_image_is_promoted(shop):
    shop.make("good", failing=0.0)
    done, result = shop.release(revision="good", run_id="good", config=shop.config, why="a test", who="ann")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (result["verdict"], result["outcome"]) == ("promote", "promoted")
    assert shop.serving() == {"good": 1.0}
    assert containers(shop) == ["good"]
    assert shop.balancer.drift("shop") == []
    record = shop.ledger.releases("shop")[-1]
    assert record.digest.startswith("sha256:")
    assert "content compared with r1: base the same; " in done.stdout


def test_a_bad_image_is_rolled_back(shop):
    before = shop.baseline()
    shop.make("bad", failing=0.5)
    done, result = shop.release(revision="bad", run_id="bad", config=shop.config)
    assert done.returncode == 1, done.stdout + done.stderr
    assert (result["verdict"], result["outcome"]) == ("rollback", "rolled back")
    assert result["baseline"] == before
    assert shop.serving() == {before: 1.0}
    assert containers(shop) == [before]


def test_a_tag_that_points_to_another_image_is_refused(shop):
    before = shop.baseline()
    shutil.rmtree(shop.folder / "releases/bad")
    shop.make("bad", failing=0.1)
    done, _ = shop.release(revision="bad", run_id="again", config=shop.config)
    assert done.returncode == 64, done.stdout + done.stderr
    assert "sha256:" in done.stderr
    assert containers(shop) == [before]


def test_a_dry_run_of_a_rollback_changes_no_container(shop):
    (instance,) = shop.runtime.start(find_release(shop.settings.target("shop"), "r1"), run="dead", role="canary")
    client = shop.engine.client()
    try:
        before = client.containers.get(instance.id).attrs["HostConfig"]
        done, _ = shop.run("rollback", revision="r1", run_id="dry", dry_run="true", config=shop.config)
        assert done.returncode == 0, done.stdout + done.stderr
        assert client.containers.get(instance.id).attrs["HostConfig"] == before
        assert before["RestartPolicy"]["Name"] != "unless-stopped"
    finally:
        client.close()
        shop.runtime.stop(instance, drain_s=0)


def test_a_rollback_restores_an_image_by_its_digest(shop):
    before = shop.baseline()
    began = time.monotonic()
    done, result = shop.run("rollback", revision="r1", run_id="back", config=shop.config, why="a test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["outcome"] == "reverted"
    assert time.monotonic() - began < 60
    assert result["balancer_s"] < 30
    assert shop.serving() == {"r1": 1.0} != {before: 1.0}
    assert containers(shop) == ["r1"]


def test_the_registry_lists_the_revisions(shop):
    done = shop.pratique("images", "shop", "--config", shop.config)
    assert set(done.stdout.split()) >= {"r1", "good", "bad"}


def test_an_orphaned_container_is_listed_and_removed_only_on_request(shop):
    shop.make("lost")
    release = find_release(shop.settings.target("shop"), "lost")
    shop.runtime.start(release, run="dead", role="canary")
    listed = shop.pratique("orphans", "shop", "--config", shop.config).stdout
    assert "lost" in listed
    assert "--remove" in listed
    assert containers(shop) == ["lost", "r1"]
    assert "removed" in shop.pratique("orphans", "shop", "--remove", "--config", shop.config).stdout
    assert containers(shop) == ["r1"]
    assert "no orphans" in shop.pratique("orphans", "shop", "--config", shop.config).stdout


def test_up_restarts_containers_that_a_reboot_stopped(shop):
    before = shop.baseline()
    client = shop.engine.client()
    for container in client.containers.list():
        container.kill()
    client.close()
    shop.pratique("up", "shop", before, "--config", shop.config)
    assert shop.serving() == {before: 1.0}
    assert shop.balancer.drift("shop") == []
    assert containers(shop) == [before, before]  # the exited one still has its log
    assert f"removed {before} at " in shop.pratique("orphans", "shop", "--remove", "--config", shop.config).stdout
    assert containers(shop) == [before]
    assert shop.serving() == {before: 1.0}
