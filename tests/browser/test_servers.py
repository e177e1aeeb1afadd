"""Two servers behind nginx, with one database: a class does not notice when one of them dies."""

import re
import shutil
import subprocess

import pytest

from tests.browser.conftest import ROOT, free_port, settle
from tests.browser.test_predict import commit

pytestmark = pytest.mark.browser

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
FRAME = """daemon off; user root; pid {folder}/pid; error_log {folder}/error; worker_processes 1;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {config}
}}"""


def configuration() -> str:
    """What docs/DEPLOY.md gives for several servers."""
    part = (ROOT / "docs" / "DEPLOY.md").read_text("utf-8").partition("## Several servers")[2]
    return re.search(r"```\n(.*?)```", part, re.DOTALL)[1]


@pytest.fixture(scope="module")
def two(serve, postgresql_server, tmp_path_factory):
    """The address that nginx answers, and those of the servers behind it."""
    if NGINX is None:
        pytest.skip("needs nginx (Debian and Ubuntu: sudo apt install nginx-light)")
    postgresql_server.empty()
    shared = {"HEADLAB_STORE": postgresql_server.address}
    servers = [serve(ROOT / "streamlit_app.py", **shared) for _ in range(2)]
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    config = configuration().replace("listen 8080", f"listen 127.0.0.1:{port}")
    for written, server in zip(("127.0.0.1:8501", "127.0.0.1:8502"), servers, strict=True):
        assert config.count(written) == 1
        config = config.replace(written, server.replace("http://localhost", "127.0.0.1"))
    path = folder / "nginx.conf"
    path.write_text(FRAME.format(folder=folder, config=config))
    with subprocess.Popen([NGINX, "-c", path, "-p", folder], stderr=subprocess.DEVNULL) as nginx:
        yield f"http://localhost:{port}", servers, shared
        nginx.terminate()


def test_a_class_goes_on_when_either_server_dies(page, browser, serve, two):
    address, servers, shared = two
    page.goto(f"{address}/Compare?with=uploaded")
    profile = ROOT / "headlab" / "models" / "mini" / "profile.json"
    page.locator("input[type=file]").set_input_files(profile)
    page.get_by_text("Labels before and after").first.wait_for()
    page.goto(f"{address}/Class")
    settle(page)
    page.get_by_text("Open a room: learners").click()
    page.get_by_role("button", name="Open the room").click()
    way_in = page.get_by_test_id("stMain").locator("code").first.inner_text()
    assert way_in.startswith(f"{address}/Predict?room=")
    context = browser.new_context()
    learner = context.new_page()
    learner.goto(f"{way_in}&sheet=cat-twice&step=1")
    learner.get_by_label("Your name, if you like").first.fill("Zoë")
    learner.get_by_role("button", name="Come in").click()
    learner.get_by_text("Each answer is handed in as you lock it").wait_for()
    settle(learner)
    commit(learner)
    page.get_by_text("1 of 1").wait_for()
    for dead, server in zip((None, *servers), servers, strict=False):
        if dead is not None:
            serve(ROOT / "streamlit_app.py", int(dead.rpartition(":")[2]), **shared)
        serve.kill(server)
        learner.reload()
        learner.get_by_text("It is locked").wait_for()
        page.reload()
        page.get_by_text("1 of 1").wait_for()
    context.close()
