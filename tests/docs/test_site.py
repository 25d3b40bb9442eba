"""The documentation site: no page is forgotten, it builds without a warning, and asks nobody."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from pcrnet.config.experiment import Experiment
from pcrnet.config.reference import sections
from pcrnet.imaging.quantify.specs import quantity_specs

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs"
_FROM_OUTSIDE = {"contributing.md", "changelog.md", "benchmarks.md"}


def _leaves(nav):
    for entry in nav:
        (page,) = entry.values()
        yield from _leaves(page) if isinstance(page, list) else [page]


def test_every_page_is_in_the_navigation_once():
    nav = list(_leaves(yaml.safe_load((_ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    pages = {path.relative_to(_DOCS).as_posix() for path in _DOCS.rglob("*.md")} | _FROM_OUTSIDE
    assert pages - set(nav) == set(), "give each page a line under nav in mkdocs.yml"
    assert sorted(nav) == sorted(pages)


def _links(page):
    """Relative links of a page, without their anchors."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    return [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if ":" not in link]


def test_every_link_leads_to_a_file_for_who_reads_in_the_repository():
    pages = [*_DOCS.rglob("*.md"), *_ROOT.glob("*.md"), *(_ROOT / "benchmarks").glob("*.md")]
    found = [(page, link) for page in pages for link in _links(page)]
    assert len(found) > 50
    assert [(page.name, link) for page, link in found if not (page.parent / link).exists()] == []


def test_a_page_that_is_made_from_the_code_says_where_its_list_is():
    made = [p for p in _DOCS.glob("*.md") if "<!-- generated:" in p.read_text(encoding="utf-8")]
    assert {page.stem for page in made} == {"commands", "configuration", "quantities"}
    for page in made:
        assert f"`build/docs/{page.stem}.html`" in page.read_text(encoding="utf-8").replace(
            "\n", " "
        )


def test_the_quantities_are_printed_as_their_page_says():
    page = (_DOCS / "quantities.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"```sh\npython - (.*?)```", page, re.S)
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} - {command}"],
        env=os.environ | {"PYTHONPATH": str(_ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    experiment = Experiment()
    names = [spec.name for spec in quantity_specs(experiment.data, experiment.imaging)]
    assert [line.split(" [")[0] for line in done.stdout.splitlines()] == names


def test_every_picture_is_shown_on_a_page_and_described():
    text = "\n".join(
        p.read_text(encoding="utf-8") for p in [*_DOCS.rglob("*.md"), _ROOT / "README.md"]
    )
    shown = {Path(path).name: words for words, path in re.findall(r"!\[(.*?)\]\((.*?)\)", text)}
    pictures = {p.name for p in (_DOCS / "pictures").iterdir()}
    assert set(shown) == pictures
    assert all(len(words) > 30 for words in shown.values())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=_ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class _Requests(HTMLParser):
    """What a browser asks for when it opens a page; what a reader may follow is no request."""

    def __init__(self):
        super().__init__()
        self.found, self.classes = [], set()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.classes |= set((attributes.get("class") or "").split())
        if tag != "a":
            self.found += [attributes[name] for name in ("src", "href") if attributes.get(name)]


@pytest.mark.slow
def test_no_page_asks_another_server_for_anything(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        requests = _Requests()
        requests.feed(page.read_text(encoding="utf-8"))
        assert not [url for url in requests.found if "//" in url], page
        assert "mermaid" not in requests.classes  # it would be loaded from elsewhere
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", text), sheet


@pytest.mark.slow
def test_the_reference_holds_what_the_code_holds(site):
    configuration = (site / "configuration.html").read_text(encoding="utf-8")
    for section in sections():
        for key in section.keys:
            assert f"<code>{key.path}</code>" in configuration
    quantities = (site / "quantities.html").read_text(encoding="utf-8")
    experiment = Experiment()
    for spec in quantity_specs(experiment.data, experiment.imaging):
        assert f"<code>{spec.name}</code>" in quantities
    commands = (site / "commands.html").read_text(encoding="utf-8")
    for option in ("--bundle-sha256", "--analysis-mask", "--mri-spacing-mm"):
        assert option in commands
    models = (site / "api" / "models.html").read_text(encoding="utf-8")
    assert 'id="pcrnet.models.contract.FittedModel.logits"' in models
    pages = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.html"))
    assert not re.search(r":(func|class|meth|data|mod):", pages)


@pytest.mark.slow
def test_links_between_pages_and_to_their_parts_lead_somewhere(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r'<a [^>]*href="([^"]+)"', text):
            path, _, part = link.partition("#")
            if (
                "//" in path
                or path.startswith(("mailto:", "javascript:"))
                or page.name == "404.html"
            ):
                continue
            target = (page.parent / path).resolve() if path else page
            assert target.exists() or target == site, f"{page.name}: {link}"
            if part and target.suffix == ".html":
                assert f'id="{part}"' in target.read_text(encoding="utf-8"), f"{page.name}: {link}"
