"""/, /docs and /redoc in Chromium, which reaches no other address than the service's."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from playwright.async_api import ConsoleMessage, Page, Request, async_playwright

from service.main import State
from tests.documents.predictions.live_server import serving

PATIENCE_MS = 180_000  # a busy machine shows the large pages late
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt install chromium"),
]


@dataclass
class Visit:
    """A page of a browser, and what it reported."""

    page: Page
    address: str
    outside: list[str] = field(default_factory=list)
    """Addresses of other hosts that were wanted; none could be reached."""
    complaints: list[str] = field(default_factory=list)

    def note_request(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.outside.append(request.url)

    def note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


@pytest.fixture
async def visit(state: State, reset_stores: None) -> AsyncIterator[Visit]:
    """A page that can reach the service alone; every caller is an administrator."""
    arguments = ["--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    async with serving(state) as port, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        visit = Visit(await browser.new_page(), f"http://127.0.0.1:{port}")
        visit.page.set_default_timeout(PATIENCE_MS)
        visit.page.on("request", visit.note_request)
        visit.page.on("console", visit.note_message)
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        yield visit
        await browser.close()


async def try_out(page: Page, operation: str) -> str:
    """Execute an operation with its example, and return the status that is shown."""
    block = page.locator(f"[id$='-{operation}']")
    await block.locator(".opblock-summary-control").click()
    await block.locator(".try-out__btn").click()
    await block.locator(".execute").click()
    return await block.locator(
        ".live-responses-table tbody .response-col_status"
    ).first.inner_text()


async def test_docs_need_no_internet_and_try_it_out_works(visit: Visit) -> None:
    page = visit.page
    await page.goto(f"{visit.address}/docs")
    await page.locator("#operations-tag-items").click()
    assert (await try_out(page, "items_list")).startswith("200")
    await page.locator(".btn.authorize").first.click()
    await page.locator("[id='auth-bearer-value'], [id='api_key-value']").first.wait_for()
    assert (visit.outside, visit.complaints) == ([], [])


async def test_docs_send_the_key_that_was_entered(visit: Visit) -> None:
    page = visit.page
    await page.goto(f"{visit.address}/docs")
    await page.locator(".btn.authorize").first.click()
    key = page.locator(".auth-container").filter(has_text="http, Bearer")
    await key.locator("input").fill("pk_of_the_test")
    await key.locator("button.authorize").click()
    await page.locator(".btn-done").first.click()
    await page.reload()  # it is kept
    await page.locator("#operations-tag-tags").click()
    async with page.expect_request("**/v1/tags*") as sent:
        assert (await try_out(page, "tags_list")).startswith("200")
    assert (await (await sent.value).all_headers())["authorization"] == "Bearer pk_of_the_test"


async def test_redoc_needs_no_internet(visit: Visit) -> None:
    """It wants the logo of its maker, which the policy of the page forbids."""
    await visit.page.goto(f"{visit.address}/redoc")
    await visit.page.get_by_role("heading", name="Polystore", level=1).wait_for()
    await visit.page.get_by_placeholder("Search...").fill("transfer")
    await visit.page.locator("[data-role='search:results'] [role='menuitem']").first.wait_for()
    assert all(address.endswith("/logo-mini.svg") for address in visit.outside)
    assert all("img-src" in complaint for complaint in visit.complaints)


async def test_welcome_leads_to_the_documentation(visit: Visit) -> None:
    await visit.page.goto(visit.address)
    await visit.page.get_by_role("link", name="Try the API").click()
    await visit.page.locator("#operations-tag-users").wait_for()
    assert (visit.outside, visit.complaints) == ([], [])
