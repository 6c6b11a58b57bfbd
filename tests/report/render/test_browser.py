"""The page in a real browser, where there is one: phone, desktop, print."""

import pytest

from tests.support.browser import browse

pytestmark = pytest.mark.slow  # draws pages in a browser

PROBE = """<!DOCTYPE html><html><body style="margin:0">
<iframe id="page" src="{url}" style="border:0;width:{width}px;height:2000px"></iframe>
<script>
document.getElementById("page").onload = (event) => {{
  const inside = event.target.contentDocument.documentElement;
  const broken = [...inside.querySelectorAll("img")].filter((image) => image.naturalWidth === 0).length;
  document.body.dataset.probe = [inside.scrollWidth, inside.clientWidth, broken].join(" ");
}};
</script></body></html>"""


@pytest.mark.parametrize("width", [390, 1280])
def test_page_does_not_overflow_its_window(chromium, whole_report, tmp_path, width):
    frame = tmp_path / "frame.html"
    frame.write_text(PROBE.format(url=(whole_report / "report.html").as_uri(), width=width))
    shown = browse(
        chromium,
        tmp_path,
        "--allow-file-access-from-files",
        "--virtual-time-budget=10000",
        "--dump-dom",
        frame.as_uri(),
    ).stdout
    scroll, client, broken = map(int, shown.split('data-probe="')[1].split('"')[0].split())
    assert client == width
    assert scroll <= client
    assert broken == 0


def test_page_prints(chromium, whole_report, tmp_path):
    pdf = tmp_path / "report.pdf"
    browse(
        chromium, tmp_path, f"--print-to-pdf={pdf}", "--no-pdf-header-footer", (whole_report / "report.html").as_uri()
    )
    assert pdf.read_bytes().startswith(b"%PDF")
    assert pdf.stat().st_size > 50_000
