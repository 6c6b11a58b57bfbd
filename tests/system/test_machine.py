from roundoff.system.machine import library_versions


def test_versions_leave_out_what_is_not_installed():
    assert list(library_versions(("numpy", "no-such-distribution"))) == ["numpy"]
