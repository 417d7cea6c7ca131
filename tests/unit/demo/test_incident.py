"""The demo's folder has a service file, a store and a ledger that the other commands read."""

import pytest

from pratique.cli import main
from pratique.config import load
from pratique.demo.incident import END, write_demo
from pratique.errors import UsageError
from pratique.ledger import open_ledger
from pratique.store import open_store


@pytest.mark.slow
def test_the_demo_is_complete_and_is_not_written_twice(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["demo-data", "incident", str(tmp_path / "demo")])
    assert ended.value.code == 0
    assert "pratique incident --all" in capsys.readouterr().out
    config = load(str(tmp_path / "demo/pratique.toml"))
    seen = {(one.service, one.revision) for one in open_store(config.store).revisions()}
    assert seen == {("shop", "r41"), ("shop", "r42"), ("search", "r7"), ("search", "r8"), ("payments", "r3")}
    ledger = open_ledger(config.state_dir)
    assert ledger.verify() == 8
    assert ledger.weights("shop")[-1].shares == {"r41": 0.9, "r42": 0.1}
    assert max(entry.time for entry in ledger.entries()) < END
    with pytest.raises(UsageError, match="has a service file or data already"):
        write_demo(tmp_path / "demo")
