from roundoff.platform import LIBRARIES, fingerprint, library_versions


def test_versions_leave_out_what_is_not_installed():
    assert list(library_versions(("numpy", "no-such-distribution"))) == ["numpy"]


def test_the_fingerprint_names_only_installed_libraries():
    libraries = fingerprint()["libraries"]
    assert "onnx" in libraries
    assert libraries == library_versions(LIBRARIES)
