"""The units of the browser interface: filters, forms, escapes, following; their tests stand beside them."""

import re
import subprocess
import sys
from pathlib import Path

from taskyard.interface.built import FOLDER, load_interface

ROOT = Path(__file__).parents[2]
SCRIPT = re.compile(r"assets/([\w.-]+\.js)")
IMPORT = re.compile(r"""(?:from|import)\s*"\./([\w.-]+\.js)\"""")


def test_the_units_pass() -> None:
    """As the Makefile builds: with the Node.js of a package, where the machine has none that fits."""
    tool = str(ROOT / "ui" / "build.py")
    node = subprocess.run([sys.executable, tool, "--with"], capture_output=True, text=True, check=True).stdout.split()
    uv = [str(Path(sys.executable).with_name("uv")), "run", "--quiet", "--no-project", "--python", sys.executable]
    ended = subprocess.run([*uv, *node, tool, "test"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "passed" in ended.stdout


def test_what_a_page_loads_at_first_is_small() -> None:
    """All scripts that the page of runs loads, as they are sent: at most 130 kB; the browser is told of all at once."""
    interface = load_interface()
    assert interface is not None
    (runs,) = (path.name for path in (FOLDER / "assets").glob("RunsPage*.js"))
    told = SCRIPT.findall(interface.page("", None, "/run"))
    ahead, sizes = [runs, *told], {}
    while ahead:
        name = ahead.pop()
        asset = interface.asset(name)
        assert asset is not None
        if name not in sizes:
            sizes[name] = len(asset.packed or asset.content)
            ahead += IMPORT.findall(asset.content.decode())
    assert len(sizes) > 4
    assert set(told) == set(sizes)
    assert sum(sizes.values()) <= 130_000, sizes


def test_each_address_begins_with_its_own_page() -> None:
    interface = load_interface()
    assert interface is not None
    addresses = {
        "/": "Overview",
        "/run": "Runs",
        "/run/7": "Run",
        "/task/a.b": "Task",
        "/inbox/7": "Inbox",
        "/nowhere": "",
    }
    for address, name in addresses.items():
        pages = re.findall(r"assets/(\w+)Page-[\w-]+\.js", interface.page("/below", None, address))
        assert (name in pages) if name else not pages, address
        assert 'href="/below/admin/assets/' in interface.page("/below", None, address)
