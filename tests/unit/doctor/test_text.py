"""What a terminal shows."""

import shlex

from pratique.doctor.text import examination_lines
from support.examinations import examination, hostile_look, report
from support.host_facts import container, look


def test_the_worst_comes_first_and_what_was_not_looked_at_is_said():
    seen = look(
        containers=[container(HostConfig={"Privileged": True, "ReadonlyRootfs": False})],
        missing={"space": "only root can"},
    )
    text = "\n".join(examination_lines(examination(report(seen))))
    assert text.index("critical  privileged on local") < text.index("medium    writable-root")
    assert "not looked at  local: only root can: disk" in text
    assert "2 findings on 1 host; 1 check not looked at (1.2 s)" in text


def test_a_long_list_is_cut_unless_all_is_asked_for():
    many = [
        container(Id=f"{number:064d}", Name=f"/shop-{number}", HostConfig={"ReadonlyRootfs": False})
        for number in range(8)
    ]
    found = examination(report(look(containers=many)))
    assert "and 3 more: pratique doctor --only writable-root --all" in "\n".join(examination_lines(found))
    assert "shop-7" in "\n".join(examination_lines(found, everything=True))


def test_hostile_texts_reach_no_terminal():
    lines = list(examination_lines(examination(report(hostile_look())), everything=True))
    text = "\n".join(lines)
    assert "privileged" in text
    assert all(character.isprintable() for line in lines for character in line)
    assert "hunter2" not in text


def test_no_name_gets_a_command_into_what_one_types():
    """Outside of quotes, a remedy has only the operators that its check wrote."""
    host = report(hostile_look())
    remedies = [finding.found.remedy.partition("  # ")[0] for result in host.results for finding in result.findings]
    assert len(remedies) > 10
    for remedy in remedies:
        words = list(shlex.shlex(remedy.replace("…", "x"), posix=True, punctuation_chars=";&|<>()"))
        assert not {";", "(", "<", ">", "&", "|"} & set(words), remedy
