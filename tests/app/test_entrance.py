"""The entrance shows its shapes in order and has doors only to pages that exist."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from headlab.behaviours import get_behaviour

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
