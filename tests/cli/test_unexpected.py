"""Unexpected exceptions are reported in one line, with a traceback on request."""

import pytest

import precondbench.cli.program as cli


@pytest.fixture
def broken(monkeypatch):
    def fail():
        raise TypeError("no such luck")

    monkeypatch.setattr(cli, "app", fail)


@pytest.mark.usefixtures("broken")
def test_it_is_one_line(monkeypatch, capsys):
    monkeypatch.delenv(cli.TRACEBACK, raising=False)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == cli.INTERNAL_ERROR
    assert said.startswith("precondbench: unexpected TypeError: no such luck")
    assert said.count("\n") == 1
    assert "precondbench doctor" in said


@pytest.mark.usefixtures("broken")
def test_the_traceback_is_there_for_those_who_ask(monkeypatch):
    monkeypatch.setenv(cli.TRACEBACK, "1")
    with pytest.raises(TypeError, match="no such luck"):
        cli.main()
