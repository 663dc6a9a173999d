"""What n8n exports, brought in and run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from tests.serving import Client, output, serving
from workflow_engine.engine.planning import build
from workflow_engine.nodes.registry import installed
from workflow_engine.proto import execution_pb2 as ex
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.proto import workflow_service_pb2 as ws
from workflow_engine.services.n8n import from_n8n, settle
from workflow_engine.services.n8n.javascript import Beyond, translated
from workflow_engine.services.n8n.reading import Taken

MANUAL = {
    "name": "Start",
    "type": "n8n-nodes-base.manualTrigger",
    "typeVersion": 1,
    "parameters": {},
    "position": [0, 0],
}


def node(name: str, type: str, version: float = 1, /, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "type": f"n8n-nodes-base.{type}", "typeVersion": version, "parameters": parameters}


def links(*drawn: str) -> dict[str, Any]:
    """`A -> B`, `A[1] -> B[0]`: connections as n8n writes them."""
    made: dict[str, Any] = {}
    for text in drawn:
        source, target = text.split(" -> ")
        name, _, out = source.partition("[")
        to, _, into = target.partition("[")
        outputs = made.setdefault(name, {"main": []})["main"]
        index = int(out.rstrip("]") or 0)
        outputs += [[] for _ in range(index + 1 - len(outputs))]
        outputs[index].append({"node": to, "type": "main", "index": int(into.rstrip("]") or 0)})
    return made


def document(*nodes: dict[str, Any], connections: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "Exported", "nodes": [MANUAL, *nodes], "connections": connections, **more}


CONDITION = {
    "combinator": "and",
    "options": {"caseSensitive": True},
    "conditions": [
        {"leftValue": "={{ $json.total }}", "rightValue": 100, "operator": {"type": "number", "operation": "gte"}}
    ],
}


def assignments(**values: Any) -> dict[str, Any]:
    return {"assignments": [{"name": name, "value": value, "type": "string"} for name, value in values.items()]}


BRANCHES = document(
    node("If", "if", 2, conditions=CONDITION),
    node(
        "Big",
        "set",
        3.4,
        assignments=assignments(size="big", who="={{ $json.name.toUpperCase() }}"),
        includeOtherFields=True,
    ),
    node("Small", "set", 3.4, assignments=assignments(size="small"), includeOtherFields=True),
    node("Merge", "merge", 3),
    connections=links("Start -> If", "If -> Big", "If[1] -> Small", "Big -> Merge", "Small -> Merge[1]"),
)
LOOP = document(
    node("Loop", "splitInBatches", 3, batchSize=1),
    node("Mark", "set", 3.4, assignments=assignments(seen="yes"), includeOtherFields=True),
    node("After", "noOp"),
    connections=links("Start -> Loop", "Loop[1] -> Mark", "Mark -> Loop", "Loop -> After"),
)


@pytest.fixture
async def client(sqlite_url: str, tmp_path: Path) -> Any:
    async with serving(sqlite_url, tmp_path) as client:
        yield client


async def bring_in(client: Client, exported: dict[str, Any]) -> ws.ImportWorkflowResponse:
    request = ws.ImportWorkflowRequest(content=json.dumps(exported), format=ws.WORKFLOW_FORMAT_N8N)
    return await client.stub.ImportWorkflow(request)  # type: ignore[no-any-return]


async def test_branches_expressions_and_merges_run_as_they_did(client: Client) -> None:
    imported = await bring_in(client, BRANCHES)
    assert not [issue for issue in imported.report if issue.severity == pb.SEVERITY_ERROR]
    execution = await client.run(imported.workflow.id, {"total": 150, "name": "ada"}, {"total": 5, "name": "bob"})
    assert output(execution) == [
        {"total": 150, "name": "ada", "size": "big", "who": "ADA"},
        {"total": 5, "name": "bob", "size": "small"},
    ]


async def test_a_loop_drawn_as_a_cycle_becomes_a_loop(client: Client) -> None:
    imported = await bring_in(client, LOOP)
    drawn = {(each.from_node, each.from_port, each.to_node, each.to_port) for each in imported.workflow.connections}
    assert ("loop", "body", "mark", "main") in drawn
    assert ("mark", "main", "loop", "return") in drawn
    execution = await client.run(imported.workflow.id, {"n": 1}, {"n": 2})
    assert output(execution) == [{"n": 1, "seen": "yes"}, {"n": 2, "seen": "yes"}]


async def test_what_does_not_map_is_kept_and_named(client: Client) -> None:
    other = node("Song", "spotify", 1, operation="currentlyPlaying")
    imported = await bring_in(client, document(other, connections=links("Start -> Song")))
    (issue,) = imported.report
    assert (issue.severity, issue.code, issue.node_id) == (pb.SEVERITY_ERROR, "NOT_MAPPED", "song")
    placed = next(each for each in imported.workflow.nodes if each.id == "song")
    assert placed.type == "flow.no_op"
    assert json.loads(placed.notes)["parameters"] == {"operation": "currentlyPlaying"}
    assert (await client.run(imported.workflow.id)).status == ex.SUCCESS


async def test_an_expression_beyond_our_language_disables_its_node_and_says_where(client: Client) -> None:
    values = assignments(x="={{ $json.list.reduce((a, b) => a + b) }}", y="={{ $json.n + 1 }}")
    odd = node("Odd", "set", 3.4, assignments=values, includeOtherFields=True)
    imported = await bring_in(client, document(odd, connections=links("Start -> Odd")))
    (issue,) = [each for each in imported.report if each.severity == pb.SEVERITY_ERROR]
    assert (issue.node_id, issue.field) == ("odd", "parameters.assignments[0].value")
    assert "reduce" in issue.message
    placed = next(each for each in imported.workflow.nodes if each.id == "odd")
    assert (placed.type, placed.disabled) == ("flow.set", True)
    assert "reduce" in placed.notes
    assert output(await client.run(imported.workflow.id, {"n": 1})) == [{"n": 1}]


async def test_code_finds_what_n8n_puts_around_it(client: Client) -> None:
    code = node(
        "Code",
        "code",
        2,
        jsCode="const rate = $('Rates').first().json.rate;\n"
        "return $input.all().map(item => ({ json: { total: item.json.total * rate, first: $json.total } }));",
    )
    rates = node("Rates", "set", 3.4, assignments=assignments(rate=2), includeOtherFields=True)
    imported = await bring_in(client, document(rates, code, connections=links("Start -> Rates", "Rates -> Code")))
    assert not [issue for issue in imported.report if issue.severity == pb.SEVERITY_ERROR]
    execution = await client.run(imported.workflow.id, {"total": 5}, {"total": 7})
    assert output(execution) == [{"total": 10, "first": 5}, {"total": 14, "first": 5}]


async def test_old_function_items_run_as_they_did(client: Client) -> None:
    code = node("Item", "functionItem", 1, functionCode="item.seen = true;\nreturn item;")
    imported = await bring_in(client, document(code, connections=links("Start -> Item")))
    assert output(await client.run(imported.workflow.id, {"a": 1}, {"a": 2})) == [
        {"a": 1, "seen": True},
        {"a": 2, "seen": True},
    ]


async def test_a_way_back_that_is_no_loop_is_left_out_and_said(client: Client) -> None:
    drawn = links("Start -> Try", "Try -> Check", "Check[1] -> Try")
    imported = await bring_in(
        client, document(node("Try", "noOp"), node("Check", "if", 2, conditions=CONDITION), connections=drawn)
    )
    (issue,) = [each for each in imported.report if each.severity == pb.SEVERITY_ERROR]
    assert (issue.node_id, issue.field) == ("check", "connections")
    assert (await client.run(imported.workflow.id, {"total": 1})).status == ex.SUCCESS


async def test_a_node_that_reads_one_beside_it_is_disabled(client: Client) -> None:
    reads = node("Reads", "set", 3.4, assignments=assignments(x="={{ $('Other').item.json.a }}"))
    other = node("Other", "noOp")
    imported = await bring_in(client, document(reads, other, connections=links("Start -> Reads", "Start -> Other")))
    (issue,) = [each for each in imported.report if each.severity == pb.SEVERITY_ERROR]
    assert (issue.node_id, issue.field) == ("reads", "parameters.assignments[0].value")
    assert next(each for each in imported.workflow.nodes if each.id == "reads").disabled


async def test_the_environment_becomes_constants_to_fill_in(client: Client) -> None:
    reads = node("Reads", "set", 3.4, assignments=assignments(url="={{ $env.SHOP_URL }}/orders"))
    imported = await bring_in(client, document(reads, connections=links("Start -> Reads")))
    assert dict(imported.workflow.vars) == {"SHOP_URL": ""}
    assert any("SHOP_URL" in issue.message for issue in imported.report)
    assert output(await client.run(imported.workflow.id)) == [{"url": "/orders"}]


async def test_of_two_nodes_with_one_name_connections_mean_the_first(client: Client) -> None:
    first = node("Mark", "set", 3.4, assignments=assignments(which="first"))
    again = node("Mark", "set", 3.4, assignments=assignments(which="second"))
    notes = [node("Note", "stickyNote", content="One."), node("Note", "stickyNote", content="Two.")]
    imported = await bring_in(client, document(first, again, *notes, connections=links("Start -> Mark")))
    (issue,) = [each for each in imported.report if each.code == "NOT_MAPPED"]
    assert (issue.node_id, issue.field) == ("mark_2", "name")
    assert imported.workflow.description == "One.\n\nTwo."
    assert output(await client.run(imported.workflow.id)) == [{"which": "first"}]


RULES = {
    "version 1 leaves out what is usual: a number is smaller": (
        node("If", "if", 1, conditions={"number": [{"value1": "={{ $json.n }}", "value2": 5}]}),
        [3, "4"],
        [7],
    ),
    "version 1 orders texts as the numbers they are": (
        node("If", "if", 1, conditions={"number": [{"value1": "={{ $json.n }}", "operation": "larger", "value2": 5}]}),
        ["7", 10],
        ["4", None],
    ),
    "dates are ordered as times, whatever their offset": (
        node("If", "if", 1, conditions={"dateTime": [{"value1": "={{ $json.n }}", "value2": "2026-03-01T12:00:00Z"}]}),
        ["2026-03-01T13:00:00Z", "2026-03-01T08:00:00-08:00"],
        ["2026-03-01T13:00:00+02:00", "2026-03-01"],
    ),
    "version 1 looks for text in whatever there is": (
        node(
            "If",
            "if",
            1,
            conditions={"string": [{"value1": "={{ $json.n }}", "operation": "regex", "value2": "/^a?5/i"}]},
        ),
        [5, "A5", "57"],
        [6, "b5", None],
    ),
    "loose types": (
        node(
            "If",
            "if",
            2.2,
            conditions=CONDITION
            | {
                "conditions": [
                    {
                        "leftValue": "={{ $json.n }}",
                        "rightValue": 5,
                        "operator": {"type": "number", "operation": "equals"},
                    }
                ]
            },
            looseTypeValidation=True,
        ),
        ["5", 5],
        [6, "7"],
    ),
    "loose truth": (
        node(
            "If",
            "if",
            2,
            conditions={
                "options": {"typeValidation": "loose"},
                "conditions": [
                    {
                        "leftValue": "={{ $json.n }}",
                        "operator": {"type": "boolean", "operation": "true", "singleValue": True},
                    }
                ],
            },
        ),
        ["true", True],
        ["no", False, None],
    ),
    "strict types": (
        node(
            "If",
            "if",
            2.2,
            conditions={
                "options": {"typeValidation": "strict"},
                "conditions": [
                    {
                        "leftValue": "={{ $json.n }}",
                        "rightValue": "5",
                        "operator": {"type": "string", "operation": "equals"},
                    }
                ],
            },
        ),
        ["5"],
        ["6"],
    ),
}


@pytest.mark.parametrize("case", RULES)
async def test_conditions_hold_for_what_they_held_for(client: Client, case: str) -> None:
    condition, yes, no = RULES[case]
    marks = [node("Yes", "set", 3.4, assignments=assignments(went="yes"), includeOtherFields=True), node("No", "noOp")]
    drawn = links("Start -> If", "If -> Yes", "If[1] -> No")
    imported = await bring_in(client, document(condition, *marks, connections=drawn))
    assert not imported.report
    execution = await client.run(imported.workflow.id, *({"n": each} for each in [*yes, *no]))
    assert [each["n"] for each in output(execution) if "went" in each] == yes
    assert [each["n"] for each in output(execution) if "went" not in each] == no


def test_the_first_merges_kept_what_only_their_first_input_has() -> None:
    merge = node("Merge", "merge", 1, mode="mergeByKey", propertyName1="id", propertyName2="id")
    workflow, _ = from_n8n(document(merge, connections=links("Start -> Merge")))
    made = json_format.MessageToDict(workflow.nodes[1].parameters)
    assert made == {"mode": "by_key", "keys": [{"left": "id", "right": "id"}], "join": "left"}


def test_a_field_that_is_text_is_text_whatever_it_is_given() -> None:
    given = assignments(count="={{ $json.list.length }}", name="={{ $json.name }}", list="={{ [1, 2] }}")
    workflow, _ = from_n8n(document(node("Set", "set", 3.4, assignments=given), connections=links("Start -> Set")))
    made = json_format.MessageToDict(workflow.nodes[1].parameters)["assignments"]
    assert [each["value"] for each in made] == [
        "{{ toText(json.list.size()) }}",
        "{{ json.name }}",
        "{{ toText([1, 2]) }}",
    ]


SHAPED = {
    "text of a page is under `data`": (
        node(
            "N",
            "httpRequest",
            4.2,
            url="https://example.com",
            options={"response": {"response": {"responseFormat": "text"}}},
        ),
        "action.http_request",
        {"data": "{{ json.text }}"},
    ),
    "a full response has a statusCode": (
        node(
            "N",
            "httpRequest",
            4.2,
            url="https://example.com",
            options={"response": {"response": {"fullResponse": True}}},
        ),
        "action.http_request",
        {"statusCode": "{{ json.status }}"},
    ),
    "Telegram's answer is whole": (
        node("N", "telegram", 1.2, chatId="7", text="Hi"),
        "external_action.telegram",
        {"ok": True, "result": "{{ json }}"},
    ),
}


@pytest.mark.parametrize("case", SHAPED)
def test_what_reads_a_result_finds_it_where_n8n_had_it(case: str) -> None:
    source, type, assigned = SHAPED[case]
    shaky = source | {"retryOnFail": True, "onError": "continueErrorOutput"}
    reads = node("Reads", "set", 3.4, assignments=assignments(a="={{ $json.result.id }}", b="={{ $json.statusCode }}"))
    drawing = links("Start -> N", "N -> Reads", "N[1] -> Failed")
    workflow, report = from_n8n(document(shaky, reads, node("Failed", "noOp"), connections=drawing))
    made = {each.id: each for each in workflow.nodes}
    (worker,) = (each for each in workflow.nodes if each.type == type)
    assert {
        each["name"]: each["value"] for each in json_format.MessageToDict(made["n"].parameters)["assignments"]
    } == assigned
    # It is the request that may fail.
    assert (worker.retry.max_attempts, worker.on_error) == (3, pb.ON_ERROR_ERROR_PORT)
    assert not made["n"].HasField("retry")
    assert made["n"].on_error == pb.ON_ERROR_UNSPECIFIED
    assert {
        ("start", "main", worker.id, "main"),
        (worker.id, "main", "n", "main"),
        ("n", "main", "reads", "main"),
    } < drawn(workflow)
    assert (worker.id, "error", "failed", "main") in drawn(workflow)
    assert not report
    assert not build(workflow, installed()).errors


def test_an_airtable_record_has_its_cells_beside_its_id() -> None:
    find = node("Find", "airtable", 2.1, operation="search", base=rl("app1"), table=rl("tbl1"))
    workflow, _ = from_n8n(document(find, connections=links("Start -> Find")))
    assert {each.id: each.type for each in workflow.nodes} == {
        "start": "trigger.manual",
        "find": "action.transform",
        "find_records": "external_action.airtable",
    }
    assert not build(workflow, installed()).errors


def test_an_agent_without_a_prompt_asks_what_the_chat_of_its_time_delivered() -> None:
    def made(version: float) -> Any:
        chat = {"name": "Chat", "type": "@n8n/n8n-nodes-langchain.manualChatTrigger", "typeVersion": 1}
        agent = {"name": "Agent", "type": "@n8n/n8n-nodes-langchain.agent", "typeVersion": version}
        workflow, _ = from_n8n({"nodes": [chat, agent], "connections": links("Chat -> Agent")})
        return {each.id: json_format.MessageToDict(each.parameters) for each in workflow.nodes}

    assert [made(version)["agent"]["prompt"] for version in (1, 1.1, 1.7)] == [
        "{{ json.input }}",
        "{{ json.chat_input }}",
        "{{ json.chatInput }}",
    ]
    assert {"name": "input", "value": "{{ json.message }}"} in made(1)["chat"]["assignments"]


async def test_a_page_is_read_and_its_parts_go_by_their_names(client: Client) -> None:
    page = node("Page", "set", 3.4, assignments=assignments(text="<h1>Hi</h1>"))
    title = {"key": "What is it?", "cssSelector": "h1"}
    html = node("Html", "html", 1, operation="extractHtmlContent", extractionValues={"values": [title]})
    field = {"fieldToAggregate": "['What is it?']"}
    collect = node("Collect", "aggregate", 1, fieldsToAggregate={"fieldToAggregate": [field]})
    imported = await bring_in(
        client, document(page, html, collect, connections=links("Start -> Page", "Page -> Html", "Html -> Collect"))
    )
    assert output(await client.run(imported.workflow.id)) == [{"What is it?": ["Hi"]}]


async def test_a_parameter_without_counterpart_is_named(client: Client) -> None:
    limit = node("Limit", "limit", 1, maxItems=2, surprise="yes")
    imported = await bring_in(client, document(limit, connections=links("Start -> Limit")))
    assert [(issue.node_id, issue.field) for issue in imported.report] == [("limit", "parameters.surprise")]


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        "no json",
        '{"nodes": 3}',
        '{"nodes": [{"name": "A"}]}',
    ],
)
async def test_what_is_no_export_is_refused(client: Client, content: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.stub.ImportWorkflow(ws.ImportWorkflowRequest(content=content, format=ws.WORKFLOW_FORMAT_N8N))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert (await client.stub.ListWorkflows(ws.ListWorkflowsRequest())).total == 0


MAPPED = {
    "flow.switch": node(
        "N",
        "switch",
        3,
        rules={"values": [{"conditions": CONDITION, "outputKey": "big"}]},
        options={"fallbackOutput": "extra"},
    ),
    "flow.filter": node("N", "filter", 2, conditions=CONDITION),
    "flow.if": node(
        "N", "if", 1, conditions={"number": [{"value1": "={{ $json.n }}", "operation": "larger", "value2": 5}]}
    ),
    "flow.split": node("N", "splitOut", 1, fieldToSplitOut="rows"),
    "flow.aggregate": node("N", "aggregate", 1, aggregate="aggregateAllItemData", destinationFieldName="all"),
    "flow.sort": node("N", "sort", 1, sortFieldsUi={"sortField": [{"fieldName": "n", "order": "descending"}]}),
    "flow.limit": node("N", "limit", 1, maxItems=3, keep="lastItems"),
    "flow.dedupe": node("N", "removeDuplicates", 1, compare="selectedFields", fieldsToCompare="a, b"),
    "flow.rename": node("N", "renameKeys", 1, keys={"key": [{"currentKey": "a", "newKey": "b"}]}),
    "flow.wait": node("N", "wait", 1, amount=5, unit="minutes"),
    "flow.subworkflow": node("N", "executeWorkflow", 1.2, workflowId={"value": "wf_1", "mode": "id"}, mode="each"),
    "flow.stop_and_error": node("N", "stopAndError", 1, errorMessage="=no {{ $json.name }}"),
    "flow.respond": node("N", "respondToWebhook", 1),
    "action.http_request": node(
        "N",
        "httpRequest",
        4.2,
        method="POST",
        url="=https://example.com/{{ $json.id }}",
        sendBody=True,
        bodyParameters={"parameters": [{"name": "a", "value": "={{ $json.a }}"}]},
    ),
}


@pytest.mark.parametrize("type", MAPPED)
def test_each_node_that_maps_is_valid_here(type: str) -> None:
    workflow, report = from_n8n(document(MAPPED[type], connections=links("Start -> N")))
    assert [node.type for node in workflow.nodes] == ["trigger.manual", type]
    assert not [issue for issue in report if issue.severity == pb.SEVERITY_ERROR]
    assert not build(workflow, installed()).errors


def test_retries_errors_pins_and_notes_come_along() -> None:
    shaky = node("Shaky", "noOp") | {
        "retryOnFail": True,
        "maxTries": 5,
        "onError": "continueErrorOutput",
        "disabled": True,
    }
    note = node("Note", "stickyNote", content="Ask Ada.")
    workflow, _ = from_n8n(document(shaky, note, connections={}, pinData={"Shaky": [{"json": {"a": 1}}]}))
    assert workflow.description == "Ask Ada."
    made = workflow.nodes[1]
    assert (made.retry.max_attempts, made.on_error, made.disabled) == (5, pb.ON_ERROR_ERROR_PORT, True)
    assert made.pinned.outputs["main"].items[0].json["a"] == 1


def test_braces_in_plain_text_stay_text() -> None:
    taken = Taken({})
    assert taken.expression("literally {{ x }}") == "literally {{ '{{' }} x }}"
    assert taken.expression("={{ $json.a === 1 ? 'x' : 'y' }}") == "{{ json.a == 1 ? 'x' : 'y' }}"
    assert not taken.problems


JAVASCRIPT = {
    "$json.name": "json.name",
    "$json['odd key'].a": "json['odd key'].a",
    "$('Fetch').item.json.total * 1.5": "node['Fetch'].json.total * 1.5",
    "$node['Fetch'].json.id": "node['Fetch'].json.id",
    "$('Fetch').first().json.id": "node['Fetch'].items[0].json.id",
    "$('Fetch').all().length": "node['Fetch'].items.size()",
    "$input.first().json.id": "items[0].json.id",
    "$json.a?.b": "default(json.a.b, null)",
    "$json.name ?? 'x'": "default(json.name, 'x')",
    "$json.name || ''": "default(json.name, '')",
    "$json.name || 'x'": "optional.ofNonZeroValue(default(json.name, null)).orValue('x')",
    "$json.a > 1 && !$json.b.includes('x')": "json.a > 1 && !includes(json.b, 'x')",
    "$json.a ? 1 : 2": "optional.ofNonZeroValue(default(json.a, null)).hasValue() ? 1 : 2",
    "$json.a === undefined": "default(json.a, null) == null",
    "'n = ' + $json.n": "'n = ' + toText(json.n)",
    "`n = ${$json.n}`": "'n = ' + toText(json.n)",
    "($json.a + $json.b) / 2": "double(json.a + json.b) / 2",
    "$json.text.replace(/\\n/g, ' ')": "json.text.replace(\"\\n\", ' ')",
    "$json.text.replace(/[0-9]+/g, '#')": "json.text.replaceMatches('[0-9]+', '#')",
    "/^a+$/i.test($json.x)": "json.x.matches('(?i)^a+$')",
    "$json.list.map(x => x.name).join(', ')": "json.list.map(x, x.name).join(', ')",
    "$json.list.filter(item => item.n > 1)": "json.list.filter(item_, item_.n > 1)",
    "JSON.stringify($json)": "toJson(json)",
    "Math.round($json.x)": "round(json.x)",
    "$now.minus({days: 7}).toISO()": "string(now - duration('168h'))",
    "$now.plus(1, 'month')": "now.addMonths(1)",
    "$now.toFormat('yyyy-MM-dd')": "now.format('%Y-%m-%d', workflow.timezone)",
    "$now.toFormat('d.M.yy')": "string(now.getDate(workflow.timezone)) + now.format('.', workflow.timezone)"
    " + string(now.getMonth(workflow.timezone) + 1) + now.format('.', workflow.timezone)"
    " + now.format('%Y', workflow.timezone).substring(2)",
    "$json.mail.match(/^(.+)@(.+)$/)[2]": "json.mail.extract('^(?:.+)@(.+)$')[0]",
    "$json.mail.match(/[a-z(]+/)?.[0]": "default(json.mail.extract('[a-z(]+')[0], null)",
    "Object.assign({}, $json, {a: 1})": "json.merge({'a': 1})",
    "$executionId": "execution.id",
    "$json.list.concat([1], {a: 2})": "json.list + [1] + [{'a': 2}]",
    "$fromAI('city', 'Where', 'string')": "from_ai['city']",
    "{ a: $json.x, 'b c': [1] }": "{'a': json.x, 'b c': [1]}",
}


@pytest.mark.parametrize("source", JAVASCRIPT)
def test_javascript_that_has_a_counterpart(source: str) -> None:
    assert translated(source).text == JAVASCRIPT[source]


@pytest.mark.parametrize(
    "source",
    [
        "$json.list.reduce((a, b) => a + b)",
        "(() => { return 1 })()",
        "Math.random()",
        "$json.a; $json.b",
        "$json.a = 1",
        "new Map()",
        "$('Fetch').params.url",
        "$now.toFormat('ffff')",
        "$json.mail.match(/(a)(b)/)[3]",
        "$json.list.concat($json.more)",
        "$json.text.replace(/,(?=x)/g, ';')",
        "/(a)\\1/.test($json.x)",
        "$json.x.toFixed(2)",
        "",
    ],
)
def test_javascript_that_has_none_is_refused_not_guessed(source: str) -> None:
    with pytest.raises(Beyond):
        translated(source)


def drawn(workflow: pb.Workflow) -> set[tuple[str, str, str, str]]:
    return {(each.from_node, each.from_port, each.to_node, each.to_port) for each in workflow.connections}


def test_an_agent_comes_with_its_model_memory_tools_and_schema() -> None:
    langchain = "@n8n/n8n-nodes-langchain."
    agent = {
        "name": "Agent",
        "type": f"{langchain}agent",
        "typeVersion": 2,
        "parameters": {"promptType": "define", "text": "={{ $json.q }}", "options": {"systemMessage": "Be brief."}},
    }
    model = {
        "name": "Model",
        "type": f"{langchain}lmChatOpenAi",
        "typeVersion": 1.2,
        "parameters": {"model": {"__rl": True, "mode": "list", "value": "gpt-4o-mini"}},
    }
    memory = {"name": "Memory", "type": f"{langchain}memoryBufferWindow", "typeVersion": 1.3, "parameters": {}}
    parser = {
        "name": "Parser",
        "type": f"{langchain}outputParserStructured",
        "typeVersion": 1.2,
        "parameters": {"jsonSchemaExample": '{"city": "Vienna", "days": 3}'},
    }
    tool = node("Table", "googleSheetsTool", 4.5, operation="append", documentId={"mode": "id", "value": "1AbC"})
    tool["parameters"]["columns"] = {"mappingMode": "defineBelow", "value": {"City": "={{ $fromAI('city') }}"}}
    binds = {
        "Model": {"ai_languageModel": [[{"node": "Agent", "type": "ai_languageModel", "index": 0}]]},
        "Memory": {"ai_memory": [[{"node": "Agent", "type": "ai_memory", "index": 0}]]},
        "Parser": {"ai_outputParser": [[{"node": "Agent", "type": "ai_outputParser", "index": 0}]]},
        "Table": {"ai_tool": [[{"node": "Agent", "type": "ai_tool", "index": 0}]]},
    }
    workflow, report = from_n8n(
        document(agent, model, memory, parser, tool, connections=links("Start -> Agent") | binds)
    )
    assert not [issue for issue in report if issue.severity == pb.SEVERITY_ERROR]
    assert drawn(workflow) == {
        ("start", "main", "agent", "main"),
        ("model", "model", "agent", "model"),
        ("memory", "memory", "agent", "memory"),
        ("table", "tool", "agent", "tools"),
    }
    made = {each.id: each for each in workflow.nodes}
    assert made["agent"].parameters["system_prompt"] == "Be brief."
    assert made["agent"].parameters["output_schema"]["required"][0] == "city"
    assert made["model"].parameters["model"] == "gpt-4o-mini"
    assert not build(workflow, installed()).errors


def test_an_old_http_tool_leaves_to_the_model_what_it_left_to_it() -> None:
    tool = {
        "name": "Weather",
        "type": "@n8n/n8n-nodes-langchain.toolHttpRequest",
        "typeVersion": 1.1,
        "parameters": {
            "toolDescription": "The weather in a city.",
            "url": "https://api.example.com/{country}/weather",
            "sendQuery": True,
            "parametersQuery": {
                "values": [{"name": "city"}, {"name": "units", "valueProvider": "fieldValue", "value": "metric"}]
            },
        },
    }
    agent = {"name": "Agent", "type": "@n8n/n8n-nodes-langchain.agent", "typeVersion": 2, "parameters": {}}
    binds = {"Weather": {"ai_tool": [[{"node": "Agent", "type": "ai_tool", "index": 0}]]}}
    workflow, report = from_n8n(document(agent, tool, connections=links("Start -> Agent") | binds))
    made = json_format.MessageToDict(next(each for each in workflow.nodes if each.id == "weather").parameters)
    assert made == {
        "name": "weather",
        "description": "The weather in a city.",
        "method": "GET",
        "url": "https://api.example.com/{{ from_ai.country }}/weather",
        "query": {"city": "{{ from_ai['city'] }}", "units": "metric"},
    }
    assert not [issue for issue in report if issue.severity == pb.SEVERITY_ERROR]
    assert not build(workflow, installed()).errors


def test_a_service_without_a_node_type_here_is_a_request_of_its_api() -> None:
    post = node("Post", "wordpress", 1, title="={{ $json.title }}", additionalFields={"status": "draft"})
    workflow, report = from_n8n(document(post, connections=links("Start -> Post")))
    made = json_format.MessageToDict(workflow.nodes[1].parameters)
    assert made == {
        "method": "POST",
        "url": "{{ vars.WORDPRESS_URL }}/wp-json/wp/v2/posts",
        "body": {"kind": "json", "value": {"title": "{{ json.title }}", "status": "draft"}},
    }
    assert dict(workflow.vars) == {"WORDPRESS_URL": ""}
    assert not [issue for issue in report if issue.severity == pb.SEVERITY_ERROR]
    assert not build(workflow, installed()).errors


def test_a_trigger_that_a_service_calls_is_a_webhook_that_gives_what_n8n_gave() -> None:
    bot = node("Bot", "telegramTrigger", 1.1, updates=["message"])
    reply = node("Reply", "telegram", 1.2, chatId="={{ $json.message.chat.id }}", text="=Hi {{ $json.message.text }}")
    workflow, report = from_n8n({"name": "Bot", "nodes": [bot, reply], "connections": links("Bot -> Reply")})
    assert drawn(workflow) == {("bot_webhook", "main", "bot", "main"), ("bot", "main", "reply", "main")}
    assert {each.id: each.type for each in workflow.nodes} == {
        "bot_webhook": "trigger.webhook",
        "bot": "action.transform",
        "reply": "external_action.telegram",
    }
    assert "setWebhook" in next(issue.message for issue in report)
    assert not build(workflow, installed()).errors


def test_send_and_wait_asks_a_person_and_says_what_was_decided() -> None:
    asks = node("Ask", "gmail", 2.1, operation="sendAndWait", sendTo="a@example.com", subject="Pay?", message="42 EUR")
    workflow, _ = from_n8n(document(asks, node("After", "noOp"), connections=links("Start -> Ask", "Ask -> After")))
    assert drawn(workflow) == {
        ("start", "main", "ask_ask", "main"),
        ("ask_ask", "approved", "ask", "main"),
        ("ask_ask", "refused", "ask", "main"),
        ("ask", "main", "after", "main"),
    }
    assert not build(workflow, installed()).errors


SCHEDULES = [
    ({"field": "cronExpression", "expression": "0 7 * * *"}, "trigger.cron", {"expression": "0 7 * * *"}),
    ({"field": "minutes", "minutesInterval": 15}, "trigger.cron", {"expression": "*/15 * * * *"}),
    ({"field": "minutes", "minutesInterval": 7}, "trigger.interval", {"every": "7m"}),
    ({"field": "hours", "hoursInterval": 6, "triggerAtMinute": 5}, "trigger.cron", {"expression": "5 */6 * * *"}),
    ({"triggerAtHour": 8, "triggerAtMinute": 30}, "trigger.cron", {"expression": "30 8 * * *"}),
    (
        {"field": "weeks", "triggerAtDay": [1, 5], "triggerAtHour": 9},
        "trigger.cron",
        {"expression": "0 9 * * MON,FRI"},
    ),
    ({"field": "months", "triggerAtHour": 3}, "trigger.cron", {"expression": "0 3 1 * *"}),
]


@pytest.mark.parametrize(("rule", "type", "parameters"), SCHEDULES)
def test_schedules(rule: dict[str, Any], type: str, parameters: dict[str, Any]) -> None:
    workflow, _ = from_n8n(
        {"nodes": [node("Every", "scheduleTrigger", 1.2, rule={"interval": [rule]})], "connections": {}}
    )
    assert workflow.nodes[0].type == type
    assert dict(workflow.nodes[0].parameters) == parameters
    assert not build(workflow, installed()).errors


def rl(value: str, name: str = "") -> dict[str, Any]:
    return {"__rl": True, "mode": "list", "value": value, "cachedResultName": name}


NEAR = {
    "external_action.slack": (
        node("N", "slack", 2.2, select="channel", channelId=rl("C1", "orders"), text="=Order {{ $json.id }}"),
        {"action": {"operation": "message.send", "channel": "C1", "text": "Order {{ json.id }}"}},
    ),
    "external_action.gmail": (
        node("N", "gmail", 2.1, sendTo="ada@example.com, bob@example.com", subject="Hi", message="<b>x</b>"),
        {
            "action": {
                "operation": "message.send",
                "to": ["ada@example.com", "bob@example.com"],
                "subject": "Hi",
                "html": "<b>x</b>",
            }
        },
    ),
    "external_action.google_sheets": (
        node(
            "N",
            "googleSheets",
            4.5,
            operation="appendOrUpdate",
            documentId=rl("https://docs.google.com/spreadsheets/d/1AbCdEfGhIjK/edit"),
            sheetName=rl("gid=0", "Orders"),
            columns={"mappingMode": "defineBelow", "value": {"Id": "={{ $json.id }}"}, "matchingColumns": ["Id"]},
        ),
        {
            "action": {
                "operation": "record.upsert",
                "spreadsheet_id": "1AbCdEfGhIjK",
                "sheet": "Orders",
                "match_on": ["Id"],
                "record": {"Id": "{{ json.id }}"},
            }
        },
    ),
    "external_action.airtable": (
        node(
            "N",
            "airtable",
            1,
            operation="search",
            base=rl("app1"),
            table=rl("tbl1"),
            filterByFormula="=A={{ $json.a }}",
        ),
        {
            "action": {
                "operation": "record.list",
                "base": "app1",
                "table": "tbl1",
                "filter_by_formula": "A={{ json.a }}",
                "limit": 50,
            }
        },
    ),
    "action.database": (
        node(
            "N",
            "postgres",
            2.5,
            operation="executeQuery",
            query="SELECT * FROM t WHERE id = '{{ $json.id }}'",
            options={},
        ),
        {"sql": "SELECT * FROM t WHERE id = :x0", "values": {"x0": "{{ json.id }}"}},
    ),
    "action.http_request": (
        node(
            "N",
            "httpRequest",
            4.2,
            method="POST",
            url="https://example.com",
            sendBody=True,
            specifyBody="json",
            jsonBody='={ "id": "{{ $json.id }}", "n": {{ $json.n }}, "list": {{ JSON.stringify($json.list) }} }',
            options={"timeout": 5000, "response": {"response": {"neverError": True, "responseFormat": "json"}}},
        ),
        {
            "method": "POST",
            "url": "https://example.com",
            "body": {
                "kind": "json",
                "value": {"id": "{{ toText(json.id) }}", "n": "{{ json.n }}", "list": "{{ json.list }}"},
            },
            "response_format": "json",
            "never_fail": True,
            "timeout_seconds": 5,
        },
    ),
    "action.crypto": (
        node("N", "crypto", 1, action="hash", type="SHA256", value="={{ $json.mail }}", dataPropertyName="hash"),
        {
            "do": {"operation": "hash", "algorithm": "sha256", "encoding": "hex", "value": "{{ json.mail }}"},
            "output_field": "hash",
        },
    ),
    "action.extract_from_file": (
        node("N", "extractFromFile", 1, operation="csv", options={"delimiter": ";"}),
        {"format": {"type": "csv", "delimiter": ";"}, "binary": "data"},
    ),
    "flow.aggregate": (
        node(
            "N",
            "summarize",
            1,
            fieldsToSummarize={"values": [{"aggregation": "sum", "field": "total"}]},
            fieldsToSplitBy="country",
        ),
        {
            "mode": "summary",
            "summaries": [{"op": "sum", "field": "total", "name": "sum_total"}],
            "group_by": ["country"],
        },
    ),
    "flow.merge": (
        node(
            "N",
            "merge",
            3,
            mode="combine",
            combineBy="combineByFields",
            fieldsToMatchString="id",
            joinMode="enrichInput1",
        ),
        {"mode": "by_key", "keys": [{"left": "id", "right": "id"}], "join": "left"},
    ),
    "flow.set": (
        node(
            "N", "set", 3.4, mode="raw", jsonOutput='={ "id": {{ $json.id }}, "tags": ["a"] }', includeOtherFields=False
        ),
        {
            "assignments": [{"name": "id", "value": "{{ json.id }}"}, {"name": "tags", "value": ["a"]}],
            "keep_only": True,
        },
    ),
}


@pytest.mark.parametrize("type", NEAR)
def test_parameters_come_along(type: str) -> None:
    source, parameters = NEAR[type]
    workflow, report = from_n8n(document(source, connections=links("Start -> N")))
    assert workflow.nodes[1].type == type
    assert json_format.MessageToDict(workflow.nodes[1].parameters) == parameters
    assert not [issue for issue in report if issue.severity == pb.SEVERITY_ERROR]
    assert not build(workflow, installed()).errors


def test_whatever_is_wrong_with_a_document_it_can_be_saved_in_the_end() -> None:
    empty = [
        node(f"{kind}", kind) for kind in ("httpRequest", "slack", "postgres", "set", "if", "merge", "code", "wait")
    ]
    odd = {"name": "Odd", "type": "n8n-nodes-base.set", "parameters": {"assignments": "what"}}
    workflow, _ = from_n8n(document(*empty, odd, connections=links("Start -> slack", "slack -> httpRequest")))
    settle(workflow, lambda drawn: build(drawn, installed()).issues)
    assert not build(workflow, installed()).errors


JUNK: list[Any] = [None, True, -1, 1e99, "", "={{", "={{ `${` }}", [], [None], {}, {"a": None}, [[["x"]]]]


@pytest.mark.parametrize("junk", JUNK, ids=repr)
@pytest.mark.parametrize(
    "member", ["parameters", "typeVersion", "position", "maxTries", "connections", "pinData", "settings", "name"]
)
def test_what_is_not_as_n8n_writes_it_is_passed_over(member: str, junk: Any) -> None:
    odd = document(
        node("Odd", "set", 3.4, assignments=assignments(x="={{ $json.a }}")) | {"retryOnFail": True},
        connections=links("Start -> Odd"),
        pinData={"Odd": [{"json": {"a": 1}}]},
    )
    if member in ("connections", "pinData", "settings", "name"):
        odd[member] = junk
        if member in ("connections", "pinData"):
            workflow, _ = from_n8n(odd | {member: {"Odd": junk}})
    else:
        odd["nodes"][1][member] = junk
    workflow, _ = from_n8n(odd)
    settle(workflow, lambda drawn: build(drawn, installed()).issues)
    assert not build(workflow, installed()).errors
