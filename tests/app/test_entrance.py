"""The entrance shows its shapes in order and has doors only to pages that exist."""

import importlib.util
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from headlab.behaviours import get_behaviour
from headlab.ui.components.first_look import kept
from headlab.ui.views.room import qr_code

ROOT = Path(__file__).resolve().parents[2]
SHAPES = ("first_token", "current_token", "previous_token", "duplicate_token", "induction")


def test_the_shapes_come_in_reading_order_and_the_limits_are_said():
    test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120).run()
    assert not test.exception and not test.error
    blocks = [block.value for block in test.main.markdown]
    assert sum("a hand-drawn pattern" in each.proto.body.lower() for each in test.get("html")) == 6
    titles = [f"**{get_behaviour(name).title}**" for name in (*SHAPES, "diffuse")]
    assert [block.split("  \n")[0] for block in blocks if block.startswith("**")] == titles
    assert any("not what it does" in block for block in blocks)
    assert any("not GPT-2" in block for block in blocks)


def test_what_stands_there_first_is_what_the_network_does():
    spec = importlib.util.spec_from_file_location("keep", ROOT / "scripts/keep_first_look.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    now, then = script.measured(), kept()
    assert now.pop("row") == pytest.approx(then["row"], abs=1e-3)
    assert now == {name: value for name, value in then.items() if name != "row"}
    assert then["row"].index(max(then["row"])) in then["options"]


def test_a_room_is_told_its_address(monkeypatch):
    alone = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120).run()
    assert not alone.main.code
    monkeypatch.setenv("HEADLAB_ROOM", "http://192.168.1.20:8501")
    test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120).run()
    assert not test.exception and not test.error
    assert [block.value for block in test.main.code] == ["http://192.168.1.20:8501"]


def test_the_qr_code_is_one():
    segno = pytest.importorskip("segno")
    picture = qr_code("http://192.168.1.20:8501")
    size = segno.make("http://192.168.1.20:8501", micro=False, error="m").symbol_size(8)
    assert f'width="{size[0]}"' in picture and "script" not in picture
