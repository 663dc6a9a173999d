from tests.nodes.harness import failure, problems, records, run_node


async def test_fields_move_and_nest() -> None:
    fields = [{"field": "mail", "to": "contact.email"}, {"field": "name.first", "to": "first"}]
    item = {"id": 1, "mail": "a@b", "name": {"first": "Ada", "last": "L"}}
    assert records(await run_node("flow.rename", {"fields": fields}, [item])) == [
        {"id": 1, "name": {"last": "L"}, "contact": {"email": "a@b"}, "first": "Ada"}
    ]


async def test_two_fields_can_change_places() -> None:
    fields = [{"field": "a", "to": "b"}, {"field": "b", "to": "a"}]
    assert records(await run_node("flow.rename", {"fields": fields}, [{"a": 1, "b": 2}])) == [{"a": 2, "b": 1}]


async def test_a_field_with_a_null_moves_and_a_missing_one_does_not() -> None:
    fields = [{"field": "a", "to": "b"}]
    assert records(await run_node("flow.rename", {"fields": fields}, [{"a": None}, {"c": 1}])) == [
        {"b": None},
        {"c": 1},
    ]


async def test_no_items_make_no_items() -> None:
    assert records(await run_node("flow.rename", {"fields": [{"field": "a", "to": "b"}]}, [])) == []


async def test_a_missing_field_can_be_a_failure() -> None:
    parameters = {"fields": [{"field": "a", "to": "b"}], "missing": "fail"}
    failed = failure(await run_node("flow.rename", parameters, [{"a": 1}, {"c": 1}]))
    assert (failed.reason, failed.field, failed.details) == ("MISSING_FIELD", "fields[0].field", {"item": 1})
    assert failed.hint == "its fields are c"


def test_there_must_be_something_to_rename() -> None:
    assert "at least 1 item" in problems("flow.rename", {"fields": []})[0]
    assert problems("flow.rename", {"fields": [{"field": "a"}]}) == [
        "parameters.fields[0].to: fields[0].to is required"
    ]
