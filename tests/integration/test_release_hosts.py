"""A release on several hosts: one host after another, judged in between."""

import functools
import json
import shutil
import tempfile
from pathlib import Path

import pytest

from pratique.release.image import REVISION_LABEL
from support.docker_engine import engine_running, needs_docker
from support.haproxy_fixture import needs_haproxy
from support.shop_fixture import Shop, running_shop

pytestmark = [needs_docker, needs_haproxy]


class TwoHosts(Shop):
    """A shop whose releases run on two engines."""

    def __init__(self, folder, more="", *, engines):
        self.engines = engines
        hosts = ", ".join(f'"{engine.host}"' for engine in engines)
        docker = f'docker = {{ image = "hosts-shop", hosts = [{hosts}] }}\nenv = {{ HOST = "0.0.0.0" }}'
        super().__init__(folder, more, "haproxy", f'kind = "docker"\n{docker}')

    def make(self, revision, failing=None, spoil=("", "")):
        super().make(revision, failing, spoil)
        folder = self.folder / "releases" / revision
        files = {"release.json": (folder / "release.json").read_text()}
        app = (folder / "app.py").read_text()
        # built once: two engines would give the same content different ids
        first, *others = self.engines
        first.image(f"hosts-shop:{revision}", app, labels={REVISION_LABEL: revision}, files=files)
        client = first.client()
        packed = b"".join(client.images.get(f"hosts-shop:{revision}").save(named=True))
        client.close()
        for engine in others:
            client = engine.client()
            client.images.load(packed)
            client.close()
        return revision

    def containers(self):
        """The revisions that run on each engine."""
        found = []
        for engine in self.engines:
            client = engine.client()
            found.append(sorted(c.labels["pratique.revision"] for c in client.containers.list(all=True)))
            client.close()
        return found


@pytest.fixture
def shop(engine):
    folder = Path(tempfile.mkdtemp(prefix="hosts-"))
    with engine_running() as second:
        # enough traffic to judge a bad canary before it would get to the second host
        make_shop = functools.partial(TwoHosts, engines=(engine, second))
        with running_shop(folder, make_shop=make_shop, rate=150) as shop:
            yield shop
        engine.clean()
    shutil.rmtree(folder)


def test_a_good_canary_scales_out_host_by_host_and_a_bad_one_does_not(shop):
    assert shop.containers() == [["r1"], ["r1"]]
    shop.make("good", failing=0.0)
    done, result = shop.release(revision="good", run_id="good", config=shop.config)
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["outcome"] == "promoted"
    assert shop.containers() == [["good"], ["good"]]
    output = done.stdout
    assert output.index("stage 20 %") < output.index(f"on {shop.engines[1].host}") < output.index("stage 50 %")
    looks = [json.loads(line) for line in (shop.state / "runs/good/progress.jsonl").read_text().splitlines()]
    assert not any(line["event"] == "lapse" for line in looks)

    shop.make("bad", failing=0.6)
    done, result = shop.release(revision="bad", run_id="bad", config=shop.config)
    assert (done.returncode, result["outcome"]) == (1, "rolled back"), done.stdout + done.stderr
    assert f"on {shop.engines[1].host}" not in done.stdout
    assert shop.containers() == [["good"], ["good"]]
