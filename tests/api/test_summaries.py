"""Groups, counts and sums of a report, against the same computed in plain Python."""

from collections import defaultdict
from decimal import Decimal
from statistics import median

import pytest

PATH = "/api/v1/reports/accounts/summary"
MONEY = [None, 0.1, 0.2, 19.99, 100, 250, 99.95, -5, 1000]


@pytest.fixture
async def accounts(client, drain):
    """Sixty accounts: (plan, mrr, joined)."""
    rows = [
        (("pro", "free", None)[ix % 3], MONEY[ix % len(MONEY)], f"2026-{ix % 5 + 1:02}-{ix % 28 + 1:02}T12:00:00Z")
        for ix in range(60)
    ]
    messages = []
    for ix, (plan, mrr, joined) in enumerate(rows):
        traits = {"plan": plan, "mrr": mrr, "joined": joined}
        traits = {key: value for key, value in traits.items() if value is not None}
        messages.append({"type": "account", "accountId": f"a{ix}", "traits": traits})
    assert (await client.post("/api/v1/batch", json={"messages": messages})).status_code == 202
    await drain()
    return [(plan, None if mrr is None else Decimal(str(mrr)), joined) for plan, mrr, joined in rows]


@pytest.fixture
def summarise(client):
    async def ask(**body):
        answer = await client.post(PATH, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


class TestSets:
    """Sixty accounts with tags: none, one, or several, some twice."""

    TAGS = (None, [], ["red"], ["red", "blue", "Red"], ["green", "blue"], "blue", [7, True])

    @pytest.fixture
    async def tagged(self, client, drain):
        rows = [(self.TAGS[ix % len(self.TAGS)], Decimal(ix)) for ix in range(60)]
        messages = [
            {"type": "account", "accountId": f"t{ix}", "traits": {"tags": tags, "mrr": ix, "plan": f"p{ix % 2}"}}
            for ix, (tags, _) in enumerate(rows)
        ]
        assert (await client.post("/api/v1/batch", json={"messages": messages})).status_code == 202
        await drain()

        def items(tags):
            listed = tags if isinstance(tags, list) else [] if tags is None else [tags]
            return {str(one).lower() for one in listed} or {None}

        return [(items(tags), mrr, f"p{ix % 2}") for ix, (tags, mrr) in enumerate(rows)]

    async def test_a_record_counts_once_in_each_of_its_groups_and_in_the_totals(self, tagged, summarise):
        found = await summarise(
            groupBy=[{"field": "traits.tags", "type": "list"}],
            aggregates=[{"op": "count"}, {"op": "sum", "field": "mrr"}],
        )
        expected = defaultdict(list)
        for items, mrr, _ in tagged:
            for item in items:
                expected[item].append(mrr)

        got = {one["keys"][0]: (one["values"]["count"], one["values"]["sum(mrr)"]) for one in found["groups"]}
        assert got == {item: (len(those), int(sum(those))) for item, those in expected.items()}
        assert (found["totals"], found["overlapping"]) == ({"count": 60, "sum(mrr)": sum(range(60))}, True)

    async def test_the_rest_counts_each_record_once_too(self, tagged, summarise):
        found = await summarise(groupBy=[{"field": "traits.plan"}, {"field": "traits.tags", "type": "list"}], limit=2)
        groups = defaultdict(set)
        for ix, (items, _, plan) in enumerate(tagged):
            for item in items:
                groups[(plan, item)].add(ix)
        shown = {tuple(one["keys"]) for one in found["groups"]}
        rest = set().union(*(those for key, those in groups.items() if key not in shown))

        assert found["other"] == {"groups": len(groups) - 2, "values": {"count": len(rest)}}

    async def test_segments_and_holders_are_told_by_name(self, client, tagged, summarise, drain):
        dana = (await client.post("/api/v1/members", json={"email": "d@us.test", "name": "Dana"})).json()["id"]
        rule = {"field": "mrr", "op": "lessThan", "value": 10}
        made = await client.post("/api/v1/segments", json={"subject": "accounts", "name": "Small", "filter": rule})
        await client.put("/api/v1/accounts/t1/key-roles/csm", json={"member": dana})
        await client.put("/api/v1/accounts/t1/key-roles/accountExecutive", json={"member": dana})
        await drain()

        segments = await summarise(groupBy=[{"field": "segments"}])
        holders = await summarise(groupBy=[{"field": "roleHolders"}])

        assert [(one["keys"], one["values"]["count"]) for one in segments["groups"]] == [
            ([None], 50),
            ([{"id": made.json()["id"], "name": "Small"}], 10),
        ]
        assert [(one["keys"], one["values"]["count"]) for one in holders["groups"]] == [
            ([None], 59),
            ([{"id": dana, "name": "Dana"}], 1),
        ]

    async def test_of_sets_one_at_most(self, client):
        both = [{"field": "segments"}, {"field": "roleHolders"}]
        answer = await client.post(PATH, json={"groupBy": both})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/groupBy")

    async def test_without_records_there_are_no_groups(self, summarise):
        found = await summarise(groupBy=[{"field": "segments"}])
        assert (found["groups"], found["other"], found["totals"]) == ([], None, {"count": 0})


def numbers(values):
    known = [value for value in values if value is not None]
    return {
        "count": len(values),
        "sum(mrr)": float(sum(known)),
        "average(mrr)": float(round(sum(known) / len(known), 6)),
        "min(mrr)": float(min(known)),
        "max(mrr)": float(max(known)),
        "median(mrr)": float(median(known)),
    }


EVERY = [
    {"op": "count"},
    *({"op": op, "field": "mrr"} for op in ("sum", "average", "min", "max", "median")),
]


async def test_groups_and_totals_are_what_python_makes_of_them(accounts, summarise):
    found = await summarise(groupBy=[{"field": "traits.plan"}], aggregates=EVERY)

    by_plan = defaultdict(list)
    for plan, mrr, _ in accounts:
        by_plan[plan].append(mrr)
    assert {group["keys"][0]: group["values"] for group in found["groups"]} == {
        plan: numbers(values) for plan, values in by_plan.items()
    }
    assert found["totals"] == numbers([mrr for _, mrr, _ in accounts])
    assert found["other"] is None
    assert found["aggregates"] == ["count", "sum(mrr)", "average(mrr)", "min(mrr)", "max(mrr)", "median(mrr)"]


async def test_sums_are_exact(accounts, summarise):
    tenths = {"field": "mrr", "op": "between", "value": [0.05, 0.25]}

    found = await summarise(aggregates=[{"op": "sum", "field": "mrr"}, {"op": "count"}], filter=tenths)

    exact = sum(mrr for _, mrr, _ in accounts if mrr is not None and 0 < mrr < 1)
    assert found["totals"] == {"sum(mrr)": float(exact), "count": 14}
    assert found["groups"] == []


async def test_more_digits_than_a_double_has_are_text(client, drain, summarise):
    for name in ("a", "b"):
        await client.post("/api/v1/accounts", json={"externalId": name, "traits": {"mrr": "12345678901234567.25"}})
    await drain()

    found = await summarise(aggregates=[{"op": "sum", "field": "mrr"}])

    assert found["totals"] == {"sum(mrr)": "24691357802469134.50"}


async def test_the_smallest_groups_are_summed_up_as_other(accounts, summarise):
    found = await summarise(
        groupBy=[{"field": "externalId"}], aggregates=[{"op": "sum", "field": "mrr"}, {"op": "count"}], limit=3
    )

    assert [group["values"]["sum(mrr)"] for group in found["groups"]] == [1000, 1000, 1000]
    rest = sum(mrr for _, mrr, _ in accounts if mrr is not None) - 3000
    assert found["other"] == {"groups": 57, "values": {"sum(mrr)": float(rest), "count": 57}}
    assert found["totals"]["count"] == 60


async def test_a_histogram_by_count_and_by_revenue(accounts, summarise):
    by_count = await summarise(groupBy=[{"field": "mrr", "edges": [0, 100, 1000]}])
    by_money = await summarise(groupBy=[{"field": "mrr", "width": 100}], aggregates=[{"op": "sum", "field": "mrr"}])

    def count(test):
        return sum(1 for _, mrr, _ in accounts if mrr is not None and test(mrr))

    assert [(group["keys"][0], group["values"]["count"]) for group in by_count["groups"]] == [
        ({"from": None, "to": 0}, count(lambda mrr: mrr < 0)),
        ({"from": 0, "to": 100}, count(lambda mrr: 0 <= mrr < 100)),
        ({"from": 100, "to": 1000}, count(lambda mrr: 100 <= mrr < 1000)),
        ({"from": 1000, "to": None}, count(lambda mrr: mrr >= 1000)),
        (None, sum(1 for _, mrr, _ in accounts if mrr is None)),
    ]
    assert [group["keys"][0] for group in by_money["groups"]] == [
        *({"from": low, "to": low + 100} for low in (-100, 0, 100, 200, 1000)),
        None,
    ]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("month", [f"2026-0{month}-01" for month in range(1, 6)]),
        ("quarter", ["2026-01-01", "2026-04-01"]),
        ("year", ["2026-01-01"]),
    ],
)
async def test_instants_are_grouped_by_period(accounts, summarise, by, expected):
    found = await summarise(groupBy=[{"field": "traits.joined", "type": "datetime", "by": by}])

    assert [group["keys"][0] for group in found["groups"]] == expected
    assert sum(group["values"]["count"] for group in found["groups"]) == 60


async def test_people_are_shown_with_their_names(client, accounts, summarise):
    dana = (await client.post("/api/v1/members", json={"email": "dana@example.com", "name": "Dana"})).json()
    await client.put("/api/v1/accounts/a1/key-roles/csm", json={"member": dana["id"]})

    found = await summarise(groupBy=[{"field": "csm"}, {"field": "status"}])

    assert found["groups"][0]["keys"] == [None, "subscribed"]
    assert found["groups"][1]["keys"][0] == {"id": dana["id"], "name": "Dana", "email": "dana@example.com"}


async def test_nothing_comes_to_nothing(summarise):
    found = await summarise(groupBy=[{"field": "status"}], aggregates=EVERY)

    assert found["groups"] == []
    assert found["totals"] == dict.fromkeys(found["aggregates"]) | {"count": 0}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"groupBy": [{"field": "createdAt"}]}, "#/groupBy/0/by"),
        ({"groupBy": [{"field": "status", "by": "day"}]}, "#/groupBy/0/by"),
        ({"groupBy": [{"field": "mrr"}]}, "#/groupBy/0"),
        ({"groupBy": [{"field": "mrr", "edges": [2, 1]}]}, "#/groupBy/0/edges"),
        ({"groupBy": [{"field": "mrr", "edges": [1], "width": 2}]}, "#/groupBy/0"),
        ({"groupBy": [{"field": "id"}]}, "#/groupBy/0/field"),
        ({"groupBy": [{"field": "nope"}]}, "#/groupBy/0/field"),
        ({"aggregates": [{"op": "sum"}]}, "#/aggregates/0/field"),
        ({"aggregates": [{"op": "count", "field": "mrr"}]}, "#/aggregates/0/field"),
        ({"aggregates": [{"op": "sum", "field": "status"}]}, "#/aggregates/0/field"),
        ({"aggregates": [{"op": "count"}, {"op": "count"}]}, "#/aggregates"),
        ({"aggregates": [{"op": "mode", "field": "mrr"}]}, "#/aggregates/0/op"),
        ({"groupBy": [{"field": "mrr", "width": 0}]}, "#/groupBy/0/width"),
        ({"limit": 201}, "#/limit"),
    ],
)
async def test_what_cannot_be_summed_up_is_pointed_at(client, body, pointer):
    answer = await client.post(PATH, json=body)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)


@pytest.mark.parametrize("subject", ["users", "organizations"])
async def test_users_and_organizations_are_summed_up_too(client, drain, subject):
    message = {"type": "user", "userId": "u", "accountId": "a", "organizationId": "o", "traits": {"name": "U"}}
    await client.post("/api/v1/batch", json={"messages": [message]})
    await drain()

    found = await client.post(f"/api/v1/reports/{subject}/summary", json={"groupBy": [{"field": "status"}]})

    assert found.status_code == 200, found.text
    assert found.json()["totals"] == {"count": 1}
