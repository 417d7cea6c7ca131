"""`pratique store setup` on a real server: what it makes, what it keeps, and what it refuses."""

import pytest

from pratique.check.store import store_checks
from pratique.cli import main
from pratique.config import load
from pratique.errors import DeniedError
from pratique.store.influxdb.access import may_read, may_write
from support.influxdb import TOKEN
from support.recorded_answers import recorded_server


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, influxd):
    """Run `pratique store` in an empty folder, with the admin token in a file; return exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INFLUX_TOKEN", raising=False)
    (tmp_path / "admin").write_text(f"{TOKEN}\n")

    def done(command, *arguments):
        with pytest.raises(SystemExit) as ended:
            main(["store", command, *arguments])
        return ended.value.code, *capsys.readouterr()

    return done


@pytest.fixture
def file(tmp_path, influxd):
    """Write a service file for a bucket that does not exist yet."""

    def write(name, *, organisation="tests", days=30):
        text = f'[store]\nurl = "influxdb://127.0.0.1:{influxd.port}/{organisation}/{name}"\nretention_days = {days}\n'
        (tmp_path / "pratique.toml").write_text(text)

    return write


def states(out):
    return [line.split()[0] for line in out.splitlines() if line.split()[0] in {"made", "kept", "changed", "warning"}]


def client(influxd, path):
    return influxd.client.with_token(path.read_text().strip())


def test_setup_makes_bucket_and_tokens_and_check_is_well(run, file, tmp_path, influxd):
    file("setup-1")
    status, out, err = run("setup", "--admin-token", "file:admin")
    assert (status, err) == (0, "")
    assert states(out) == ["kept", "made", "made", "made"]
    assert influxd.client.bucket("setup-1").retention_s == 30 * 86_400
    writer, reader = tmp_path / "store-write.token", tmp_path / "store-read.token"
    assert [path.stat().st_mode & 0o777 for path in (writer, reader)] == [0o600, 0o600]
    assert writer.read_text() not in out
    may_read(client(influxd, writer), "setup-1")
    may_write(client(influxd, writer), "setup-1")
    may_read(client(influxd, reader), "setup-1")
    with pytest.raises(DeniedError):
        may_write(client(influxd, reader), "setup-1")
    lines = out.partition("[store]\n")[2].splitlines()
    settings = [line for line in lines if not line.startswith("url")]
    assert settings == ['token_file = "store-write.token"', 'read_token_file = "store-read.token"']
    with (tmp_path / "pratique.toml").open("a") as more:
        more.write("\n".join(settings))
    assert {check.run().state for check in store_checks(load())} == {"ok"}


def test_setup_again_changes_nothing(run, file, tmp_path, influxd):
    file("setup-2")
    run("setup", "--admin-token", "file:admin")
    with (tmp_path / "pratique.toml").open("a") as more:
        more.write('token_file = "store-write.token"\nread_token_file = "store-read.token"\n')
    before = [(path, path.read_bytes()) for path in sorted(tmp_path.glob("store-*"))]
    tokens = len(influxd.client.authorizations())
    status, out, _ = run("setup", "--admin-token", "file:admin")
    assert (status, set(states(out))) == (0, {"kept"})
    assert out.splitlines()[-1].endswith("has these settings already; next: pratique store check")
    assert [(path, path.read_bytes()) for path in sorted(tmp_path.glob("store-*"))] == before
    assert len(influxd.client.authorizations()) == tokens


def test_setup_makes_the_organisation(run, file, influxd):
    file("setup-3", organisation="another%20team")
    status, out, _ = run("setup", "--admin-token", "file:admin")
    assert (status, states(out)) == (0, ["made"] * 4)


def test_retention_is_lengthened_and_never_shortened(run, file, influxd):
    for days, state, kept in (
        (30, "made", 30),
        (60, "changed", 60),
        (10, "kept", 60),
        (0, "changed", 0),
        (10, "kept", 0),
    ):
        file("setup-4", days=days)
        status, out, _ = run("setup", "--admin-token", "file:admin")
        assert (status, states(out)[1]) == (0, state)
        assert influxd.client.bucket("setup-4").retention_s == kept * 86_400
        assert ("warning" in states(out)) == (days == 10)


def test_a_token_file_that_does_not_work_is_refused_and_kept(run, file, tmp_path):
    file("setup-5")
    (tmp_path / "store-read.token").write_text("wrong\n")
    status, _, err = run("setup", "--admin-token", "file:admin")
    assert (status, err.count("\n")) == (77, 1)
    assert "remove the file to get a new one" in err
    assert (tmp_path / "store-read.token").read_text() == "wrong\n"


def test_a_lost_token_file_gets_a_new_token_and_the_old_one_is_named(run, file, tmp_path):
    file("setup-6")
    run("setup", "--admin-token", "file:admin")
    (tmp_path / "store-write.token").unlink()
    status, out, _ = run("setup", "--admin-token", "file:admin")
    assert (status, states(out)) == (0, ["kept", "kept", "made", "warning", "kept"])
    assert "an earlier token 'pratique: collector, bucket setup-6'" in out


def test_a_token_without_the_right_makes_nothing(run, file, tmp_path, influxd):
    file("setup-7")
    run("setup", "--admin-token", "file:admin")
    status, out, err = run("setup", "--admin-token", "file:store-read.token", "--token-file", "new.token")
    assert (status, out, err.count("\n")) == (77, "", 1)
    assert "the admin token may not set up" in err
    assert not (tmp_path / "new.token").exists()


def test_a_file_that_cannot_be_written_leaves_no_token_behind(run, file, tmp_path, influxd):
    file("setup-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "blocked").write_text("")
    before = len(influxd.client.authorizations())
    status, _, err = run("setup", "--admin-token", "file:admin", "--token-file", "blocked/x.token")
    assert (status, err.count("\n")) == (74, 1)
    assert len(influxd.client.authorizations()) == before


def test_the_admin_token_is_never_an_argument_and_never_printed(run, file):
    file("setup-9")
    status, out, err = run("setup", "--admin-token", TOKEN)
    assert status == 64
    assert TOKEN not in out + err


@pytest.mark.slow
def test_setup_of_another_version_says_what_to_use(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFLUX_ADMIN_TOKEN", "x")
    with recorded_server("3.2.1") as server, pytest.raises(SystemExit) as ended:
        main(["store", "setup", "--store", server.address()])
    assert ended.value.code == 64
    assert "setup is for InfluxDB 2" in capsys.readouterr().err


def test_a_folder_needs_no_setup(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["store", "setup"])
    assert ended.value.code == 64
    assert "needs no setup" in capsys.readouterr().err
