"""Links, commands, tables and code in the docs match the project."""

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest
from command import fruits
from places import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FILES = [
    path.relative_to(ROOT).as_posix()
    for folder in ROOT.iterdir()
    if folder.name not in (".git", ".venv", "build", "results")
    for path in (folder.rglob("*") if folder.is_dir() else [folder])
]
MADE_BY_USERS = {
    "fruits.toml",
    "hosts.yml",
    "cluster.yml",
    "ansible/cluster.yml",
    "ansible/hosts.yml",
}
MADE_BY_USERS |= {"ansible/NAME.yml"}  # a placeholder
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)


def on_each_page(*names: str) -> pytest.MarkDecorator:
    pages = [page for page in PAGES if not names or page.name in names]
    return pytest.mark.parametrize("page", pages, ids=lambda page: page.name)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub generates for headings."""
    text = CODE.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def blocks(page: Path, *languages: str) -> list[str]:
    return [code for name, code in CODE.findall(page.read_text("utf-8")) if name in languages]


def commands(page: Path) -> list[str]:
    """Lines of shell blocks, without comments, and commands quoted in the text."""
    text = page.read_text("utf-8")
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    lines += re.findall(r"`((?:make|fruits|ansible-playbook|python) [^`]+)`", CODE.sub("", text))
    whole = [re.sub(r"\s+#.*", "", line) for line in lines]
    return [part.strip() for line in whole for part in line.split("&&") if part.strip()]


@on_each_page()
def test_links_are_not_broken(page: Path) -> None:
    for link in LINK.findall(CODE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target), link


@on_each_page()
def test_mentioned_files_exist(page: Path) -> None:
    if page.name == "CHANGELOG.md":  # also mentions files that were removed
        return
    named = re.findall(r"`([\w./-]+\.(?:py|ipynb|yml|yaml|sh|toml|j2))\b", page.read_text("utf-8"))
    for name in set(named) - MADE_BY_USERS:
        assert any(f"/{file}".endswith(f"/{name}") for file in FILES), name


@on_each_page()
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for command in commands(page):
        if command.startswith("make "):
            words = [w for w in command.split()[1:] if "=" not in w and not w.startswith("-")]
            for target in words:
                if re.fullmatch(r"[\w./-]+", target):
                    assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), command


@on_each_page()
def test_playbooks_exist(page: Path) -> None:
    for command in commands(page):
        if command.startswith("ansible-playbook "):
            (playbook,) = [w for w in command.split() if re.fullmatch(r"ansible/\w+\.yml", w)][:1]
            assert (ROOT / playbook).exists(), command


HELP: dict[str, str] = {}


@on_each_page()
def test_commands_accept_the_documented_verbs_and_flags(page: Path) -> None:
    for command in commands(page):
        words = command.split()
        if words[0] != "fruits" or len(words) < 2 or not re.fullmatch("[a-z]+", words[1]):
            continue
        if words[1] not in HELP:
            done = fruits(words[1], "--help")
            HELP[words[1]] = done.stdout if done.returncode == 0 else ""
        assert HELP[words[1]], command
        for flag in re.findall(r"(?<!\S)--[a-z][a-z-]*", command):
            assert f" {flag} " in f"{HELP[words[1]]} ".replace("\n", " ").replace(",", " "), command


@on_each_page()
def test_imports_in_python_examples_exist(page: Path) -> None:
    for code in blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fruits"):
                module = importlib.import_module(node.module or "")
                for name in node.names:
                    assert hasattr(module, name.name), f"{node.module}.{name.name}"


def test_tables_in_the_reference_match_the_code() -> None:
    path = ROOT / "docs" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    text = reference.REFERENCE.read_text("utf-8")
    assert reference.rendered(text) == text, f"run {sys.executable} docs/reference.py"


def test_french_readme_matches_the_english_one() -> None:
    english, french = (ROOT / name for name in ("README.md", "README.fr.md"))
    levels = [
        re.findall(r"^(#+) ", CODE.sub("", page.read_text("utf-8")), re.MULTILINE)
        for page in (english, french)
    ]
    assert levels[0] == levels[1]
    assert [c.replace("prefixe", "prefix") for c in commands(french)] == commands(english)

    def without_comments(page: Path) -> list[str]:
        return [re.sub(r" *#.*", "", code) for code in blocks(page, "python")]

    assert without_comments(french) == without_comments(english)
    links = [set(LINK.findall(page.read_text("utf-8"))) for page in (english, french)]
    assert links[0] - {"README.fr.md"} == links[1] - {"README.md"}
    rows = [re.findall(r"^\|", page.read_text("utf-8"), re.MULTILINE) for page in (english, french)]
    assert len(rows[0]) == len(rows[1])


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120


def test_the_architecture_names_every_package_and_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    package = ROOT / "src" / "fruits"
    for path in package.rglob("*.py"):
        relative = path.relative_to(package)
        if relative.name == "__init__.py":
            continue
        if relative.parent.name in ("cli", "web"):
            assert f"{relative.parent.name}/" in text
        else:
            assert relative.name in text, relative
