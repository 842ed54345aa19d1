"""What the application as a whole does with an address."""

import httpx2


async def test_an_address_with_a_slash_too_many_is_unknown(client: httpx2.AsyncClient) -> None:
    """And no redirect to wherever the Host header says."""
    answer = await client.get("/v1/items/", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_address")
