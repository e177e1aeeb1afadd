"""The entrance shows its shapes in order and has doors only to pages that exist."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from headlab.behaviours import get_behaviour
from headlab.ui.views.room import qr_code

ROOT = Path(__file__).resolve().parents[2]
SHAPES = ("first_token", "current_token", "previous_token", "duplicate_token", "induction")


def test_the_shapes_come_in_reading_order_and_the_limits_are_said():
    test = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120).run()
    assert not test.exception and not test.error
    blocks = [block.value for block in test.main.markdown]
    titles = [f"**{get_behaviour(name).title}**" for name in (*SHAPES, "diffuse")]
    assert [block.split("  \n")[0] for block in blocks if block.startswith("**")] == titles
    assert any("not what it does" in block for block in blocks)
    assert any("not GPT-2" in block for block in blocks)


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
