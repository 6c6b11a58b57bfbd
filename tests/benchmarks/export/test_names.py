import pytest

from benchmarks.export import __main__ as command


def test_a_network_that_there_is_none_of_is_refused_before_any_work(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmarks.export", "--only", "ResNet51;DenseNet121"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert "--only names ['ResNet51']" in capsys.readouterr().err
