"""Workflows, their drafts and their versions; on each kind of database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from workflow_engine.models.store import (
    KeyReused,
    NotFound,
    Stale,
    Store,
    WorkflowFilter,
    WriteRefused,
    digest_of,
)

Make = Callable[..., dict[str, Any]]


async def test_a_workflow_comes_back_as_it_was_stored(store: Store, workflow: Make) -> None:
    draft = bytes(range(256))
    await store.create_workflow(workflow(name="Größe 数", draft=draft))

    found = store.workflow("wf_1")

    assert found is not None
    assert (found.name, found.draft, found.draft_revision, found.published_version) == (
        "Größe 数",
        draft,
        1,
        0,
    )
    assert not found.active
    assert store.workflow("wf_2") is None


async def test_of_two_editors_with_the_same_draft_only_the_first_one_wins(store: Store, workflow: Make) -> None:
    await store.create_workflow(workflow())

    answers = await asyncio.gather(
        store.update_workflow("wf_1", {"name": "Ada's"}, revision=1),
        store.update_workflow("wf_1", {"name": "Bob's"}, revision=1),
        return_exceptions=True,
    )

    assert answers[0] == 2
    assert isinstance(answers[1], Stale)
    assert answers[1].revision == 2
    found = store.workflow("wf_1")
    assert found is not None
    assert (found.name, found.draft_revision) == ("Ada's", 2)


async def test_an_update_that_names_no_revision_overwrites(store: Store, workflow: Make) -> None:
    await store.create_workflow(workflow(draft_revision=7))

    assert await store.update_workflow("wf_1", {"name": "New"}, revision=None) == 8


async def test_a_deleted_workflow_is_gone_for_everyone(store: Store, workflow: Make) -> None:
    await store.create_workflow(workflow())
    await store.publish("wf_1", b"definition", revision=1, message="", by="ada", now=2_000)

    await store.delete_workflow("wf_1", 3_000, revision=None)

    assert store.workflow("wf_1") is None
    assert store.published("wf_1") is None
    assert store.workflows(WorkflowFilter(), limit=10) == []
    with pytest.raises(NotFound):
        await store.update_workflow("wf_1", {"name": "Back"}, revision=None)


async def test_versions_count_from_one_and_the_last_is_live(store: Store, workflow: Make) -> None:
    await store.create_workflow(workflow())

    first = await store.publish("wf_1", b"one", revision=1, message="first", by="ada", now=2_000)
    second = await store.publish("wf_1", b"two", revision=1, message="second", by="bob", now=3_000)

    assert first == (1, digest_of(b"one"))
    assert store.published("wf_1") == (second[1], 2)
    assert store.published("wf_1", 1) == (first[1], 1)
    assert store.published("wf_1", 3) is None
    assert [version.message for version in store.versions("wf_1", limit=10)] == ["second", "first"]
    assert store.definition(first[1]) == b"one"


async def test_publishing_a_draft_that_has_moved_on_is_refused(store: Store, workflow: Make) -> None:
    await store.create_workflow(workflow(draft_revision=3))

    with pytest.raises(Stale):
        await store.publish("wf_1", b"one", revision=2, message="", by="ada", now=2_000)

    assert store.versions("wf_1", limit=10) == []


async def test_the_same_definition_is_kept_once(store: Store, workflow: Make) -> None:
    await store.create_workflow(workflow())
    digests = await asyncio.gather(*(store.keep_definition(b"same") for _ in range(5)))
    published = await store.publish("wf_1", b"same", revision=1, message="", by="ada", now=2_000)

    assert {*digests, published[1]} == {digest_of(b"same")}


async def test_an_idempotency_key_makes_one_workflow_however_often_it_is_sent(store: Store, workflow: Make) -> None:
    ids = await asyncio.gather(*(store.create_workflow(workflow(f"wf_{n}"), key="k", digest="same") for n in range(20)))

    assert ids == ["wf_0"] * 20
    assert store.count_workflows(WorkflowFilter()) == 1
    with pytest.raises(KeyReused):
        await store.create_workflow(workflow("wf_other"), key="k", digest="another")


async def test_a_change_that_fails_undoes_itself_and_nothing_else(store: Store, workflow: Make) -> None:
    answers = await asyncio.gather(
        store.create_workflow(workflow("wf_a")),
        store.create_workflow(workflow("wf_a")),
        store.create_workflow(workflow("wf_b")),
        store.create_workflow(workflow("wf_a"), key="k", digest="d"),
        return_exceptions=True,
    )

    assert [answers[0], answers[2]] == ["wf_a", "wf_b"]
    assert isinstance(answers[1], WriteRefused)
    assert isinstance(answers[3], WriteRefused)
    # The key went with the change that failed, so it can still be used.
    assert await store.create_workflow(workflow("wf_c"), key="k", digest="d") == "wf_c"


async def test_lists_are_paged_without_gaps_or_repeats_even_within_one_millisecond(
    store: Store, workflow: Make
) -> None:
    for n in range(7):
        await store.create_workflow(workflow(f"wf_{n}", updated_at=1_000 if n < 5 else 2_000))

    seen: list[str] = []
    after: tuple[int, str] | None = None
    while page := store.workflows(WorkflowFilter(), limit=3, after=after):
        seen += [found.id for found in page]
        after = (page[-1].updated_at, page[-1].id)

    assert seen == ["wf_6", "wf_5", "wf_4", "wf_3", "wf_2", "wf_1", "wf_0"]


async def test_a_search_takes_its_text_literally(store: Store, workflow: Make) -> None:
    for id, name in (("wf_1", "100% Orders"), ("wf_2", "100 orders"), ("wf_3", "a_b"), ("wf_4", "axb")):
        await store.create_workflow(workflow(id, name=name))

    def found(query: str) -> set[str]:
        return {workflow.id for workflow in store.workflows(WorkflowFilter(query=query), limit=10)}

    assert found("ORDERS") == {"wf_1", "wf_2"}
    assert found("100%") == {"wf_1"}
    assert found("a_b") == {"wf_3"}
    assert found("' OR 1=1 --") == set()


async def test_owners_see_their_own(store: Store, workflow: Make) -> None:
    await store.create_workflow(workflow("wf_1", user_id="ada"))
    await store.create_workflow(workflow("wf_2", user_id="bob"))
    await store.set_active("wf_2", True)

    assert [found.id for found in store.workflows(WorkflowFilter(user_id="ada"), limit=10)] == ["wf_1"]
    assert [found.id for found in store.workflows(WorkflowFilter(active_only=True), limit=10)] == ["wf_2"]
    assert store.count_workflows(WorkflowFilter(user_id="bob")) == 1
