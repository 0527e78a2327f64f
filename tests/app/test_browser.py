"""The whole flow in a real browser: by mouse and by keyboard alone, wide and narrow, and accessible.

Screenshots are kept where DRCLS_SCREENSHOTS names a folder.
"""

import base64
import os
import threading
from pathlib import Path

import pytest

from drcls.app.verification import verify
from tests.app.conftest import PASSWORD, draw, encode
from tests.chromium import start_chromium

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
waitress = pytest.importorskip("waitress", reason="the extra `app` is not installed")

from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

WIDE, NARROW = (1200, 900), (375, 800)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = start_chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.quit()


@pytest.fixture
def site(app, explainer):
    """The address of the application, served from a thread."""
    explainer.start()
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()
    explainer.stop()


@pytest.fixture
def browser(chromium, site):
    chromium.delete_all_cookies()
    chromium.set_window_size(*WIDE)
    chromium.get(site)
    chromium.get_log("browser")
    return chromium


@pytest.fixture
def files(tmp_path):
    """A photograph that passes the gate, and one that is too dark."""
    good, dark = tmp_path / "good.png", tmp_path / "dark.jpg"
    good.write_bytes(encode(draw(3, 512)))
    dark.write_bytes(encode((draw(4, 400) * 0.25).astype("uint8"), ".jpg"))
    return good, dark


def fill(browser, **fields):
    for name, text in fields.items():
        field = browser.find_element(By.NAME, name)
        field.clear()
        field.send_keys(text)


def wait_until(browser, condition, seconds=60):
    # While one page replaces another, the driver may find no document, or nodes of the one that has gone.
    return WebDriverWait(browser, seconds, ignored_exceptions=[WebDriverException]).until(condition)


def click(browser, how, which):
    """Click on what leads to another page, and wait until that page stands in the place of this one.

    A click can return before the browser has left the page: whoever then asks for an address cancels the form.
    """
    page = browser.find_element(By.TAG_NAME, "html")
    browser.find_element(how, which).click()
    wait_until(browser, lambda found: found.find_element(By.TAG_NAME, "html") != page)


def press(browser, text):
    click(browser, By.XPATH, f"//main//button[contains(., '{text}')]")


def log_in(browser, name="ben"):
    fill(browser, name=name, password=PASSWORD)
    press(browser, "Log in")
    wait_for_text(browser, "Log out")


def wait_for(browser, css, seconds=60):
    return wait_until(browser, lambda found: found.find_element(By.CSS_SELECTOR, css), seconds)


def wait_for_text(browser, text, seconds=60):
    wait_until(browser, lambda found: text in found.page_source, seconds)


def inspect(browser, name):
    """Look at one page, wide and narrow: no violation, nothing beside the screen, nothing in the console."""
    axe = pytest.importorskip("axe_core_python.selenium", reason="axe-core-python is not installed").Axe()
    for width, height in (NARROW, WIDE):
        # A desktop window has a smallest width; the emulated screen has none.
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        overflow = browser.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0, f"{name} at {width} px is {overflow} px too wide"
        hidden = browser.execute_script(
            "return [...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth)"
            ".map(e => e.ariaLabel)"
        )
        assert not hidden, f"{name} at {width} px hides columns of the tables {hidden}"
        violations = axe.run(browser)["violations"]
        told = [f"{v['id']}: {v['nodes'][0]['html'][:120]} ({v['help']})" for v in violations]
        assert not told, f"{name} at {width} px: {told}"
        keep_screenshot(browser, name, width)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not errors, errors


def keep_screenshot(browser, name, width):
    folder = os.environ.get("DRCLS_SCREENSHOTS")
    if not folder:
        return
    height = browser.execute_script("return document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    picture = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / f"{name}-{width}.png").write_bytes(base64.b64decode(picture["data"]))


def test_the_whole_flow(browser, site, files, database):
    inspect(browser, "login")
    log_in(browser)
    inspect(browser, "no-cases")
    click(browser, By.LINK_TEXT, "Upload")
    inspect(browser, "upload")
    fill(browser, photographs="\n".join(map(str, files)), reference="visit 7")
    Select(browser.find_element(By.NAME, "eye")).select_by_visible_text("right")
    press(browser, "Upload and grade")
    wait_for_text(browser, "2 of 2 photographs were stored")
    inspect(browser, "cases")

    click(browser, By.XPATH, "//tr[contains(., 'ungradable')]//a")
    wait_for_text(browser, "too dark or too bright")
    inspect(browser, "not-gradable")
    press(browser, "Ask for a retake")
    wait_for_text(browser, "The decision was recorded")

    click(browser, By.LINK_TEXT, "Cases")
    click(browser, By.XPATH, "//tr[contains(., 'graded')]//a")
    slider = wait_for(browser, "#opacity")
    heat = browser.find_element(By.ID, "heat-grad_cam")
    assert heat.value_of_css_property("opacity") == "0.4"
    slider.send_keys(Keys.HOME)
    assert heat.value_of_css_property("opacity") == "0"
    slider.send_keys(Keys.END)
    assert heat.value_of_css_property("opacity") == "1"
    press(browser, "Make the LIME map")
    wait_for(browser, "#heat-lime", 120)
    browser.find_element(By.CSS_SELECTOR, "input[value=lime]").click()
    assert not browser.find_element(By.ID, "heat-grad_cam").is_displayed()
    browser.find_element(By.CSS_SELECTOR, "input[value=grad_cam]").click()
    inspect(browser, "case")

    browser.find_element(By.CSS_SELECTOR, "input[value=overridden]").click()
    Select(browser.find_element(By.ID, "grade")).select_by_index(1)
    fill(browser, reason="vessels at the disc")
    press(browser, "Record the decision")
    wait_for_text(browser, "vessels at the disc")
    inspect(browser, "decided")
    click(browser, By.LINK_TEXT, "Report to print")
    assert browser.find_element(By.ID, "print").is_displayed()
    inspect(browser, "report")

    browser.get(site)
    fill(browser, text="nobody")
    press(browser, "Search")
    wait_for_text(browser, "No case yet that fits the search")
    for name in ("Drift", "Quality assurance", "About"):
        click(browser, By.LINK_TEXT, name)
        inspect(browser, name.lower().replace(" ", "-"))
    click(browser, By.XPATH, "//button[contains(., 'Log out')]")
    wait_for_text(browser, "Password")
    assert verify(database) == []


def test_by_keyboard_alone(browser, site, files, database):
    def focused():
        return browser.switch_to.active_element

    def tab_to(css, limit=60):
        for _ in range(limit):
            if browser.execute_script("return document.activeElement.matches(arguments[0])", css):
                outline = focused().value_of_css_property("outline-style")
                assert outline != "none", f"{css} does not show that it has the focus"
                return focused()
            webdriver.ActionChains(browser).send_keys(Keys.TAB).perform()
        raise AssertionError(f"the keyboard does not reach {css} on {browser.current_url}")

    focused().send_keys("ben", Keys.TAB, PASSWORD, Keys.ENTER)
    tab_to("a.skip").send_keys(Keys.ENTER)
    tab_to("a[href='/upload']").send_keys(Keys.ENTER)
    tab_to("#photographs").send_keys(str(files[0]))
    tab_to("#reference").send_keys("by keyboard")
    tab_to("#eye").send_keys("left")
    tab_to("main button").send_keys(Keys.ENTER)
    wait_for(browser, "#opacity")
    tab_to("#opacity").send_keys(Keys.ARROW_RIGHT)
    tab_to("input[name=kind]").send_keys(Keys.SPACE)
    tab_to("form.fields button").send_keys(Keys.ENTER)
    wait_for_text(browser, "The decision was recorded")
    row = database.execute("SELECT reference, eye, state FROM cases").fetchone()
    assert tuple(row) == ("by keyboard", "left", "confirmed")


def test_without_scripts_the_page_still_works(browser, site, files):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        log_in(browser)
        browser.get(f"{site}/upload")
        fill(browser, photographs=str(files[0]))
        press(browser, "Upload and grade")
        wait_for_text(browser, "model's grade")
        browser.find_element(By.CSS_SELECTOR, "input[value=confirmed]").click()
        press(browser, "Record the decision")
        wait_for_text(browser, "The decision was recorded")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_audit_page(browser, site):
    log_in(browser, "anna")
    browser.get(f"{site}/audit?verify=1")
    wait_for_text(browser, "The log is unchanged.")
    inspect(browser, "audit")
