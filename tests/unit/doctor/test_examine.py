"""An examination as a whole: names are checked, and records that cannot be read stop nothing."""

from datetime import date

import pytest

from pratique.config import Config
from pratique.config.doctor import AcceptedFinding, DoctorSettings
from pratique.doctor.examine import checks_of, examine
from pratique.errors import UsageError
from pratique.outcomes import open_outcomes


def test_an_accepted_finding_of_a_check_that_does_not_exist_is_refused():
    accepted = AcceptedFinding(check="root-users", reason="typed wrong", until=date(2027, 1, 1))
    with pytest.raises(UsageError, match="no check 'root-users'"):
        checks_of(Config(doctor=DoctorSettings(accepted=(accepted,))))


def test_damaged_outcomes_are_not_looked_at_and_stop_nothing(tmp_path):
    config = Config(base=str(tmp_path))
    config.make_state_folder()
    open_outcomes(config.state_dir)._database.path.write_text("text\n" * 1000)
    found = examine(config, hosts=["unix:///nowhere/docker.sock"], only=["disk", "backup-old"])
    states = {result.check.id: (result.state, result.reason) for host in found.hosts for result in host.results}
    assert states["backup-old"][0] == "not looked at"
    assert "is damaged" in states["backup-old"][1]
    assert found.exit_status == 2
