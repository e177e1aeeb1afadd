"""The Detector page: the engine's heads for what is painted or put together, and a file of it."""

from headlab import Detector, detect, load_model, read_text
from headlab.exercises.guided import guided_texts
from tests.app.test_head_page import said
from tests.app.test_pages import opened

TEXT = guided_texts()["cat-on-the-mat"].text


def page(cells=(), **query):
    test = opened("pages/Detector.py", text="cat-on-the-mat", **query)
    if cells:
        reading = read_text(load_model("mini"), TEXT)
        owner = (reading.model_name, TEXT, reading.start_token)
        test.session_state["painted cells"] = (owner, list(cells))
        test.run()
    assert not test.exception and not test.error
    return test


def links(test):
    return [link.label for link in test.main.get("page_link") if link.label.startswith("L")]


def best(asked):
    table = detect(read_text(load_model("mini"), TEXT), asked).to_frame().head(8)
    return [f"{row.name}: {row.score:.0%}" for row in table.itertuples()]


def test_nothing_is_asked_for_at_first():
    assert "Paint a cell" in page().info[0].value


def test_painted_cells_find_heads_and_a_rule_is_offered_and_taken():
    cells = [(9, 3), (10, 4), (11, 5)]
    test = page(cells)
    shown = links(test)
    reading = read_text(load_model("mini"), TEXT)
    painted = Detector("a", back=(1,)).targets(reading.tokens) & False
    for cell in cells:
        painted[cell] = True
    assert [label.partition(" (")[0] for label in shown] == best(painted)
    test.toggle[1].set_value(True).run()
    table = test.dataframe[0].value
    assert set(table["goes by"]) == {"what the words are"}
    next(b for b in test.button if "after an earlier copy" in b.label).click().run()
    assert [x.partition(" (")[0] for x in links(test)] == best(Detector("a", after_same=True))
    assert len(test.get("download_button")) == 1


def test_a_rule_needs_a_part_and_works_on_another_text():
    test = page()
    test.button_group(key="detector way").set_value("A rule").run()
    assert "at least one part" in test.info[0].value
    test.multiselect(key="detector back").set_value([1]).run()
    assert [x.partition(" (")[0] for x in links(test)] == best(Detector("a", back=(1,)))
    test.text_input(key="detector name").set_value("Not A Name").run()
    assert "no name for a detector" in test.error[0].value
    test.text_input(key="detector name").set_value("induction").run()
    assert "there is a behaviour induction already" in said(test).lower() and not test.error
