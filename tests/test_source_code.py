"""Source files behind a result: none is forgotten, however deep it stands or is imported."""

import pytest

from pcrnet.source_code import digest_of_sources, sources_behind


@pytest.fixture
def root(tmp_path):
    """A package whose start imports in every way that there is."""
    sources = {
        "start.py": "from lab.pet.suv import factor\nimport lab.mr.phases as phases\n",
        "pet/__init__.py": "",
        "pet/suv.py": "def factor():\n    from lab.pet import decay\n    return decay\n",
        "pet/decay.py": "from .. import tables\nfrom ..mr import bare\n",
        "pet/drawing.py": "import lab.start\n",
        "mr/__init__.py": "from lab.mr.inner import bare\n",
        "mr/phases.py": "import numpy\nif TYPE_CHECKING:\n    from lab.names import Name\n",
        "mr/inner.py": "bare = 1\n",
        "names.py": "import lab.start\n",
        "tables.py": "import labyrinth, lab.nothing_there\n",
        "unused.py": "",
    }
    for name, source in sources.items():
        path = tmp_path / "lab" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    (tmp_path / "labyrinth.py").write_text("")
    return tmp_path


def _names(paths, root):
    return {path.relative_to(root / "lab").as_posix() for path in paths}


def test_imports_are_followed_through_rooms_and_functions_and_however_they_are_written(root):
    assert _names(sources_behind("lab.start", "lab", root=root), root) == {
        "start.py", "pet/__init__.py", "pet/suv.py", "pet/decay.py", "tables.py",
        "mr/__init__.py", "mr/inner.py", "mr/phases.py", "names.py",
    }  # fmt: skip


def test_they_are_followed_within_the_named_packages_alone(root):
    found = sources_behind("lab.start", "lab.pet", root=root)
    assert _names(found, root) == {"start.py", "pet/__init__.py", "pet/suv.py", "pet/decay.py"}


def test_a_start_that_is_not_there_is_no_empty_answer(root):
    with pytest.raises(FileNotFoundError, match=r"lab\.begin"):
        sources_behind("lab.begin", "lab", root=root)


def test_the_digest_follows_each_source_and_its_place_but_not_their_order(root):
    sources = sorted((root / "lab").rglob("*.py"))
    first = digest_of_sources(sources, root)
    assert digest_of_sources(sources[::-1], root) == first
    changed = root / "lab" / "pet" / "suv.py"
    changed.write_text("# another\n")
    second = digest_of_sources(sources, root)
    moved = changed.rename(root / "lab" / "mr" / "suv.py")
    sources[sources.index(changed)] = moved
    assert len({first, second, digest_of_sources(sources, root)}) == 3
