"""`pratique schedule report` prints the files of a scheduler, or writes them into a folder."""

import pytest
from click.testing import CliRunner

from pratique.cli import pratique
from pratique.cli.app import main

INFLUXDB = '[store]\nurl = "influxdb://db:8086/team/shop"\ntoken_env = "WRITE_TOKEN"\nread_token_env = "READ_TOKEN"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "pratique.toml").write_text(INFLUXDB)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(*arguments):
    done = CliRunner().invoke(pratique, ["schedule", "report", "shop", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_one_file_is_printed_as_it_is():
    text = printed("--as", "cron", "--every", "1d", "--at", "06:30")
    assert "\n30 6 * * * " in text
    assert "READ_TOKEN" in text
    assert "WRITE_TOKEN" not in text
    assert "-----" not in text


def test_two_files_are_printed_under_their_places():
    text = printed("--as", "systemd")
    assert text.startswith("# ----- /etc/systemd/system/pratique-report-shop.service\n")
    assert "\n# ----- /etc/systemd/system/pratique-report-shop.timer\n" in text


def test_files_are_written_into_a_folder(folder):
    text = printed("--as", "systemd", "--out", str(folder / "units"))
    assert [path.name for path in sorted((folder / "units").iterdir())] == [
        "pratique-report-shop.service",
        "pratique-report-shop.timer",
    ]
    assert text.count("wrote ") == 2


def test_never_leaves_the_level_out():
    assert "fail_on" not in printed("--as", "gitlab", "--fail-on", "never").replace("fail_on names", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shop", "--as", "anacron"], "'anacron' is not a scheduler that is known: give cron"),
        (["shop", "--as", "cron", "--every", "7m"], "'7m' is not a period"),
        (["shop", "--as", "kubernetes"], "give --image"),
        (["shop/../x", "--as", "cron"], "is not a name"),
        (["shop", "--as", "cron", "--reports", "a\nb"], "has a control character"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(arguments, message, folder, capsys):
    with pytest.raises(SystemExit) as left:
        main(["schedule", "report", *arguments, "--out", "units"])
    assert left.value.code == 64
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (folder / "units").exists()


def test_a_service_file_is_needed(folder, capsys):
    (folder / "pratique.toml").unlink()
    with pytest.raises(SystemExit) as left:
        main(["schedule", "report", "shop", "--as", "cron"])
    assert left.value.code == 64
    assert "needs a service file: write one with pratique init" in capsys.readouterr().err
