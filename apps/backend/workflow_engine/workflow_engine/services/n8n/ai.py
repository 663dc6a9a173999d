"""n8n's nodes for language models: agents, what is bound to them, and vector stores."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from workflow_engine.services.n8n.javascript import quoted
from workflow_engine.services.n8n.reading import (
    Extra,
    Made,
    Parameters,
    Taken,
    Translated,
    Untranslatable,
    named,
    plain,
    without_empty,
)
from workflow_engine.services.n8n.web import request

LINKS: dict[str, tuple[str, str]] = {
    "ai_languageModel": ("model", "model"),
    "ai_tool": ("tool", "tools"),
    "ai_memory": ("memory", "memory"),
    "ai_embedding": ("embedding", "embedding"),
    "ai_retriever": ("retriever", "retriever"),
    "ai_vectorStore": ("retriever", "retriever"),
}
"""Our ports for n8n's kinds of connections."""
ABSORBED = frozenset(
    (
        "outputParserStructured",
        "outputParserItemList",
        "outputParserAutofixing",
        "documentDefaultDataLoader",
        "documentBinaryInputLoader",
        "documentJsonInputLoader",
        "textSplitterRecursiveCharacterTextSplitter",
        "textSplitterCharacterTextSplitter",
        "textSplitterTokenSplitter",
        "toolVectorStore",
        "retrieverVectorStore",
    )
)
"""Nodes that say something of another one, and become a part of it."""


# models


def _model(provider: str, *names: str, base_url: str = "", usual: str = "") -> Callable[[Taken], Translated]:
    def translate(taken: Taken) -> Translated:
        chosen = next((found for name in ("model", "modelName", "modelId", *names) if (found := taken.value(name))), "")
        taken.skip(
            *(f"options.{name}" for name in taken.given.get("options") or {}), "responsesApiEnabled", "builtInTools"
        )
        made = {
            "provider": provider,
            "model": str(chosen).removeprefix("models/") or usual,
            "temperature": taken.option("temperature"),
            "max_output_tokens": taken.option("maxTokens") or taken.option("maxOutputTokens"),
        }
        if made["max_output_tokens"] == -1:
            del made["max_output_tokens"]
        if base_url:
            taken.remark("model", f"the credential in the slot `model` needs the base URL {base_url}")
        return "ai_agent.model", {name: value for name, value in made.items() if value not in (None, "")}

    return translate


def _embedding(provider: str) -> Callable[[Taken], Translated]:
    def translate(taken: Taken) -> Translated:
        model = taken.value("model") or taken.value("modelName")
        taken.skip(*(f"options.{name}" for name in taken.given.get("options") or {}))
        if provider != "openai":
            taken.remark(
                "model", "set a provider that speaks OpenAI's API, or keep the local model, which needs no key"
            )
            return "memory.embedding", {"provider": "local"}
        return "memory.embedding", without_empty({"provider": provider, "model": model})

    return translate


# agents and chains


def _prompt(taken: Taken) -> Any:
    taken.skip("promptType", "hasOutputParser", "needsFallback", "agent", "messages")
    said = taken.value("text") or taken.value("input") or taken.value("prompt") or taken.value("query")
    # Where no prompt is written, it is what the chat of its time delivered.
    usual = "input" if taken.version < 1.1 else "chat_input" if taken.version < 1.2 else "chatInput"
    return said or "{{ json." + usual + " }}"


def _agent(taken: Taken) -> Translated:
    more = taken.given.get("options") or {}
    made: Parameters = {
        "prompt": _prompt(taken),
        "system_prompt": taken.expression(more.get("systemMessage") or more.get("humanMessage") or ""),
        "output_schema": output_schema(taken),
        "max_model_calls": more.get("maxIterations"),
    }
    taken.skip(*(f"options.{name}" for name in more), "batching", "toolDescription", "descriptionType")
    return "ai_agent.agent", without_empty(made)


def _chain(taken: Taken) -> Translated:
    """A question without tools."""
    systems = []
    for each in named(taken.given.get("messages")):
        kind = str(each.get("type", ""))
        if kind.startswith("System"):
            systems.append(str(taken.expression(each.get("message", ""))))
    made: Parameters = {
        "prompt": _prompt(taken),
        "system_prompt": "\n\n".join(systems),
        "output_schema": output_schema(taken),
    }
    taken.skip(*(f"options.{name}" for name in taken.given.get("options") or {}), "batching")
    return _text_under(taken, without_empty(made))


def _text_under(taken: Taken, made: Parameters) -> Translated:
    """n8n's chains give their answer under `text`, or as the item when a schema says its shape."""
    agent = Extra("model call", "ai_agent.agent", made)
    if "output_schema" in made:
        return "ai_agent.agent", made
    return Made("flow.set", {"assignments": [{"name": "text", "value": "{{ json.output }}"}]}, before=(agent,))


def output_schema(taken: Taken) -> Parameters | None:
    """The JSON Schema that a bound output parser asks for."""
    parsers = taken.bound("ai_outputParser")
    for parser in parsers:
        given = parser.get("parameters") or {}
        kind = str(parser.get("type", "")).rpartition(".")[2]
        if kind == "outputParserItemList":
            return {"type": "array", "items": {"type": "string"}}
        for name in ("inputSchema", "jsonSchema"):
            text = given.get(name)
            if isinstance(text, str) and (schema := _json(text)) is not None:
                return schema if isinstance(schema, dict) else None
        example = _json(str(given.get("jsonSchemaExample", "")))
        if example is not None:
            return schema_of(example)
        if kind == "outputParserStructured":
            taken.remark("output_schema", "the parser's schema could not be read: write it here")
    return None


def _json(text: str) -> Any:
    try:
        return json.loads(text.removeprefix("="), strict=False)
    except ValueError:
        return None


def schema_of(example: Any) -> Parameters:
    """A JSON Schema of values like this one."""
    match example:
        case bool():
            return {"type": "boolean"}
        case int() | float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array", "items": schema_of(example[0]) if example else {}}
        case dict():
            return {
                "type": "object",
                "properties": {str(name): schema_of(each) for name, each in example.items()},
                "required": [str(name) for name in example],
                "additionalProperties": False,
            }
    return {}


def _openai(taken: Taken) -> Translated:
    """n8n's OpenAI node: a question of its own, with the model inside."""
    resource, operation = taken.given.get("resource", "text"), taken.given.get("operation", "message")
    if resource in ("chat", "text") and operation in (
        "complete",
        "message",
        "response",
        "moderate",
        "classify",
        "edit",
    ):
        if operation in ("moderate", "classify"):
            raise Untranslatable("OpenAI's moderation is a request of action.http_request here")
        return _question(taken)
    return _openai_request(taken, resource, operation)


def _openai_request(taken: Taken, resource: str, operation: str) -> Translated:
    """Pictures and sound: requests of OpenAI's API."""
    more = taken.given.get("options") or {}
    taken.skip(*taken.given, *(f"options.{name}" for name in more))
    model = taken.value("modelId") or taken.value("model")
    prompt, binary = taken.value("prompt") or taken.value("text"), taken.value("binaryPropertyName", "data")
    match resource, operation:
        case "image", "generate" | "message" | "create":
            path, value = "images/generations", {"model": model or "gpt-image-1", "prompt": prompt}
            body: Parameters = {"kind": "json", "value": value}
        case "image", "analyze" if taken.given.get("inputType", "url") == "url":
            content = [{"type": "text", "text": prompt}]
            content += [{"type": "image_url", "image_url": {"url": taken.value("imageUrls")}}]
            value = {"model": model or "gpt-4o", "messages": [{"role": "user", "content": content}]}
            path, body = "chat/completions", {"kind": "json", "value": value}
        case "audio", "transcribe" | "translate":
            parts = [{"name": "file", "binary": binary}, {"name": "model", "value": "whisper-1"}]
            path = "audio/transcriptions" if operation == "transcribe" else "audio/translations"
            body = {"kind": "multipart", "parts": parts}
        case "audio", "generate" | "message":
            value = {"model": model or "tts-1", "input": taken.value("input"), "voice": taken.value("voice", "alloy")}
            path, body = "audio/speech", {"kind": "json", "value": value}
        case _:
            raise Untranslatable(f"OpenAI's {resource}.{operation} is a request of action.http_request here")
    taken.remark("auth", "choose a bearer token with OpenAI's key in the slot `auth`")
    made: Parameters = {
        "method": "POST",
        "url": f"https://api.openai.com/v1/{path}",
        "body": body,
        "timeout_seconds": 300,
    }
    return "action.http_request", made | ({"response_format": "binary"} if path == "audio/speech" else {})


def _question(taken: Taken) -> Translated:
    messages = (
        named(taken.given.get("messages")) or named(taken.given.get("responses")) or named(taken.given.get("prompt"))
    )
    systems: list[str] = []
    asked: list[str] = []
    for each in messages:
        said = str(taken.expression(each.get("content", "")))
        (systems if each.get("role") in ("system", "assistant", "model") else asked).append(said)
    prompt = taken.given.get("prompt")
    if isinstance(prompt, str):
        asked.append(str(taken.expression(prompt)))
    if not asked and systems:
        asked, systems = systems, []
    chosen = taken.value("modelId") or taken.value("model") or taken.value("chatModel")
    more = taken.given.get("options") or {}
    taken.skip(*(f"options.{name}" for name in more), "messages", "responses", "prompt", "jsonOutput", "simplify")
    taken.skip("simplifyOutput", "requestOptions", "builtInTools", "hideTools")
    provider = "openai" if "openai" in str(taken.source.get("type", "")).lower() else "google"
    if "anthropic" in str(taken.source.get("type", "")).lower():
        provider = "anthropic"
    model = {"provider": provider, "model": str(chosen or "").removeprefix("models/")}
    for ours, theirs in (("temperature", "temperature"), ("max_output_tokens", "maxTokens")):
        if isinstance(more.get(theirs), int | float) and more[theirs] >= 0:
            model[ours] = more[theirs]
    made = {"prompt": "\n\n".join(asked) or "{{ json.chatInput }}", "system_prompt": "\n\n".join(systems)}
    agent = Extra("model call", "ai_agent.agent", without_empty(made))
    content = "{{ json.output }}"
    if taken.given.get("jsonOutput"):
        content = "{{ fromJson(json.output) }}"
    # Where n8n puts an answer of this node.
    put = [{"name": "message.content", "value": content}, {"name": "text", "value": "{{ json.output }}"}]
    parts = (("model", Extra("model", "ai_agent.model", without_empty(model), ("model",))),)
    return Made("flow.set", {"assignments": put}, before=(agent,), parts=parts)


def _extractor(taken: Taken) -> Translated:
    taken.skip("schemaType", "options.batching", "inputSchema", "jsonSchemaExample", "attributes")
    kinds = {"string": "string", "number": "number", "boolean": "boolean", "date": "date"}
    fields: list[Parameters] = [
        {
            "name": str(each.get("name")),
            "type": kinds.get(each.get("type", "string"), "string"),
            "description": str(each.get("description", "")).removeprefix("="),
            "required": bool(each.get("required")),
        }
        for each in named(taken.given.get("attributes"))
    ]
    made: Parameters = {"text": taken.value("text"), "fields": fields}
    if not all(each["name"].isidentifier() and each["name"].isascii() for each in fields):
        # Names that only a schema can have.
        types = {"date": "string"}
        made["output_schema"] = {
            "type": "object",
            "properties": {
                each["name"]: {"type": types.get(each["type"], each["type"]), "description": each["description"]}
                for each in fields
            },
            "required": [each["name"] for each in fields if each["required"]],
        }
        made["fields"] = []
    kind = taken.given.get("schemaType", "fromAttributes")
    if kind == "manual":
        made["output_schema"] = _json(str(taken.given.get("inputSchema", "")))
    elif kind == "fromJson":
        made["output_schema"] = schema_of(_json(str(taken.given.get("jsonSchemaExample", ""))) or {})
    made["instructions"] = taken.expression(taken.option("systemPromptTemplate") or "")
    extractor = Extra("model call", "ai_agent.extractor", without_empty(made))
    return Made("flow.set", {"assignments": [{"name": "output", "value": "{{ json.extracted }}"}]}, before=(extractor,))


def _classifier(taken: Taken) -> Translated:
    """n8n's has an output for each category, ours says the category: a switch follows it."""
    categories = [
        without_empty({"name": str(each.get("category")), "description": str(each.get("description", ""))[:2000]})
        for each in named(taken.get("categories"))
    ]
    names = [each["name"][:64] for each in categories]
    taken.skip("options.batching", "options.enableAutoFixing", "options.multiClass")
    made: Parameters = {"text": taken.value("inputText"), "categories": categories}
    made["instructions"] = taken.expression(taken.option("systemPromptTemplate") or "")
    return _sorted_out(made, names, taken.option("fallback") == "other")


def _sentiment(taken: Taken) -> Translated:
    asked = taken.option("categories", "Positive, Neutral, Negative")
    names = [each.strip() for each in str(asked).split(",") if each.strip()]
    taken.skip(*(f"options.{name}" for name in taken.given.get("options") or {}))
    made = {"text": taken.value("inputText"), "categories": [{"name": name} for name in names]}
    return _sorted_out(made, names, False)


def _sorted_out(made: Parameters, names: list[str], fallback: bool) -> Translated:
    outputs = tuple(names)
    switch = {"mode": "expression", "value": "{{ json.category }}", "outputs": list(names), "fallback": fallback}
    classifier = Extra("model call", "ai_agent.classifier", without_empty(made))
    return Made("flow.switch", switch, before=(classifier,), outputs=(*outputs, "fallback") if fallback else outputs)


def _summarise(taken: Taken) -> Translated:
    taken.skip(*(f"options.{name}" for name in taken.given.get("options") or {}))
    taken.skip("operationMode", "chunkingMode", "chunkSize", "chunkOverlap", "type", "summarizationMethodAndPrompts")
    summariser = Extra("model call", "ai_agent.summariser", {"text": "{{ default(json.text, toText(json)) }}"})
    put = [{"name": "response.text", "value": "{{ json.summary }}"}]
    return Made("flow.set", {"assignments": put}, before=(summariser,))


# memories


def _window(taken: Taken) -> Translated:
    taken.skip("sessionIdType", "sessionKey", "tableName", "contextWindowLength", "sessionTTL")
    key = taken.value("sessionKey") if taken.given.get("sessionIdType") == "customKey" else "{{ json.sessionId }}"
    exchanges = taken.given.get("contextWindowLength", 5)
    made: Parameters = {"session": key, "exchanges": exchanges if isinstance(exchanges, int) and exchanges > 0 else 5}
    return "memory.window", made


def _vectors(taken: Taken) -> Translated:
    """Any vector store: the passages lie in the engine's own database here."""
    names = (
        "pineconeIndex",
        "qdrantCollection",
        "memoryKey",
        "tableName",
        "indexName",
        "collection",
        "milvusCollection",
    )
    space = next((str(found) for name in names if (found := plain(taken.get(name, "")))), "imported")
    space = str(space).removeprefix("=")[:64]
    taken.skip(*(f"options.{name}" for name in taken.given.get("options") or {}), "clearStore", "toolName", "topK")
    taken.skip(
        "toolDescription", "embeddingBatchSize", "includeDocumentMetadata", "mode", "prompt", "useReranker", "id"
    )
    taken.skip("pineconeNamespace", "mongoCollection", "embedding", "metadata_field", "vectorIndexName", "queryName")
    taken.remark("space", "passages are kept in the engine's own database: run the insertion once to fill it")
    limit = taken.given.get("topK", 4)
    limit = limit if isinstance(limit, int) and 0 < limit <= 100 else 4
    match taken.given.get("mode", "retrieve-as-tool"):
        case "insert":
            return _inserted(taken, space)
        case "load":
            made = {"mode": "search", "space": space, "query": taken.value("prompt"), "limit": limit}
            return "memory.vector_store", made
        case "retrieve" | "retrieve-as-tool":
            return "memory.retriever", {"space": space, "limit": limit}
        case other:
            raise Untranslatable(f"the mode {other!r} has no counterpart")


def _inserted(taken: Taken, space: str) -> Translated:
    size, overlap, text = 1_000, 150, "{{ default(json.text, toText(json)) }}"
    for loader in taken.bound("ai_document"):
        given = loader.get("parameters") or {}
        if given.get("jsonMode") == "expressionData" and given.get("jsonData"):
            text = str(taken.expression(given["jsonData"]))
        if given.get("dataType") == "binary":
            taken.remark(
                "text", "read the file with action.extract_from_file before: the passages are made of `json.text`"
            )
    chunk = {"text": text, "size": size, "overlap": overlap}
    stored = {"mode": "insert", "space": space}
    return Made("memory.vector_store", stored, before=(Extra("pieces", "memory.chunk", chunk),))


# tools


def _said(taken: Taken, default: str) -> Parameters:
    name = (
        "".join(sign if sign.isalnum() else "_" for sign in str(taken.value("name") or taken.name)).strip("_").lower()
    )
    description = taken.value("description") or taken.value("toolDescription") or default
    taken.skip("descriptionType")
    return {"name": name[:64] or "tool", "description": str(description)[:1000]}


def _workflow_tool(taken: Taken) -> Translated:
    id = taken.value("workflowId")
    taken.skip(
        "source", "fields", "specifyInputSchema", "jsonSchemaExample", "inputSchema", "schemaType", "workflowInputs"
    )
    taken.skip("responsePropertyName", "workflowJson")
    if not id:
        raise Untranslatable("it does not name its workflow by an id")
    inputs = (taken.given.get("workflowInputs") or {}).get("schema") or []
    properties = {str(each.get("id")): {"type": "string"} for each in inputs if each.get("id")}
    arguments = {"type": "object", "properties": properties or {"query": {"type": "string"}}}
    example = _json(str(taken.given.get("jsonSchemaExample", "")))
    if isinstance(example, dict):
        arguments = schema_of(example)
    taken.remark("workflow_id", f"import the workflow {id!r} too, publish it, and put its id here")
    return "tool.workflow", {**_said(taken, "Runs a workflow."), "workflow_id": str(id)[:64], "arguments": arguments}


def _http_tool(taken: Taken) -> Translated:
    said = _said(taken, "Calls an HTTP API.")
    taken.skip("placeholderDefinitions", "optimizeResponse", "parametersQuery", "parametersHeaders", "parametersBody")
    if "toolHttpRequest" not in str(taken.source.get("type")):
        return "tool.http", {**said, **request(taken)}
    taken.skip("responseType", "dataField", "fieldsToInclude", "fields", "cssSelector", "onlyContent", "elementsToOmit")
    taken.skip("truncateResponse", "maxLength", "genericAuthType", "nodeCredentialType", "authentication")
    made: Parameters = {**said, "method": taken.get("method", "GET"), "url": _given(taken, taken.get("url", ""))}
    for ours, sends, specify, text, listed in (
        ("query", "sendQuery", "specifyQuery", "jsonQuery", "parametersQuery"),
        ("headers", "sendHeaders", "specifyHeaders", "jsonHeaders", "parametersHeaders"),
        ("body", "sendBody", "specifyBody", "jsonBody", "parametersBody"),
    ):
        if not taken.get(sends):
            taken.skip(specify, text)
            continue
        if taken.get(specify, "keypair") == "keypair":
            taken.skip(text)
            value: Any = {
                str(each["name"]): _given(taken, each.get("value", ""))
                if each.get("valueProvider") == "fieldValue"
                else "{{ from_ai[" + quoted(str(each["name"])) + "] }}"
                for each in named(taken.given.get(listed))
                if each.get("name")
            }
            made[ours] = {"kind": "json", "value": value} if ours == "body" else value
        elif ours == "body":
            said_text = str(_given(taken, taken.get(text, "")) or "{{ toJson(from_ai) }}")
            made["body"] = {"kind": "raw", "text": said_text, "media_type": "application/json"}
        else:
            raise Untranslatable(f"its {ours} is one text: give the names one by one")
    return "tool.http", without_empty(made)


_PLACEHOLDER = re.compile(r"(?<!\{)\{([A-Za-z_][A-Za-z0-9_]*)\}(?!\})")


def _given(taken: Taken, text: Any) -> Any:
    """A text in which `{name}` is what the model gives."""
    return _PLACEHOLDER.sub(lambda match: "{{ from_ai." + match[1] + " }}", str(taken.expression(text)))


def _code_tool(taken: Taken) -> Translated:
    taken.skip("specifyInputSchema", "schemaType", "inputSchema", "jsonSchemaExample", "language")
    if taken.given.get("language", "javaScript") != "javaScript":
        raise Untranslatable("Python has other names here: write it anew in tool.code")
    code = f"const query = item.query ?? item;\n{taken.get('jsCode', '')}"
    example = _json(str(taken.given.get("jsonSchemaExample", "")))
    schema = _json(str(taken.given.get("inputSchema", "")))
    fallback = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    arguments = schema if isinstance(schema, dict) else schema_of(example) if isinstance(example, dict) else fallback
    return "tool.code", {**_said(taken, "Runs code."), "language": "javascript", "code": code, "arguments": arguments}


def _mcp(taken: Taken) -> Translated:
    url = taken.value("endpointUrl") or taken.value("sseEndpoint")
    taken.skip(
        "include", "includeTools", "excludeTools", "serverTransport", "authentication", "connectionType", "options"
    )
    if not url:
        raise Untranslatable("it starts a program: name it in the setting MCP_SERVERS and use tool.mcp")
    made: Parameters = {"server": {"transport": "http", "url": url}}
    chosen = taken.given.get("includeTools")
    return "tool.mcp", made | ({"tools": chosen} if isinstance(chosen, list) and chosen else {})


_SUM = r"""if (!/^[0-9+*\/().%\s-]+$/.test(item.expression)) throw new Error("only numbers and + - * / % ( )");
return new Function(`return (${item.expression})`)();"""


def _calculator(taken: Taken) -> Translated:
    taken.skip(*taken.given)
    arguments = {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]}
    made = {"name": "calculator", "description": "Computes an arithmetic expression such as (2 + 3) * 4."}
    return "tool.code", {**made, "language": "javascript", "code": _SUM, "arguments": arguments}


def _search_tool(taken: Taken) -> Translated:
    taken.skip(*taken.given)
    taken.remark("provider", "choose Brave, Tavily or a SearXNG of yours, and a credential for it")
    return "action.web_search", {"query": "{{ from_ai.query }}", "provider": {"engine": "brave"}}


def _wikipedia(taken: Taken) -> Translated:
    taken.skip(*taken.given)
    query = {"action": "query", "list": "search", "format": "json", "srsearch": "{{ from_ai.query }}"}
    return "tool.http", {
        "name": "wikipedia",
        "description": "Searches Wikipedia.",
        "url": "https://en.wikipedia.org/w/api.php",
        "query": query,
    }


TABLE: dict[str, Callable[[Taken], Translated]] = {
    "agent": _agent,
    "agentTool": _agent,
    "openAiAssistant": _agent,
    "conversationalAgent": _agent,
    "chainLlm": _chain,
    "chainRetrievalQa": _agent,
    "chainSummarization": _summarise,
    "openAi": _openai,
    "anthropic": _question,
    "googleGemini": _question,
    "informationExtractor": _extractor,
    "textClassifier": _classifier,
    "sentimentAnalysis": _sentiment,
    "lmChatOpenAi": _model("openai"),
    "lmOpenAi": _model("openai"),
    "lmChatAnthropic": _model("anthropic"),
    "lmChatGoogleGemini": _model("google"),
    "lmGooglePalm": _model("google"),
    "lmChatGooglePalm": _model("google"),
    "lmChatGoogleVertex": _model("google"),
    "lmChatAzureOpenAi": _model("openai_compatible", base_url="of your Azure resource"),
    "lmChatOllama": _model("openai_compatible", base_url="http://localhost:11434/v1", usual="llama3.2"),
    "lmOllama": _model("openai_compatible", base_url="http://localhost:11434/v1", usual="llama3.2"),
    "lmChatGroq": _model("openai_compatible", base_url="https://api.groq.com/openai/v1", usual="llama3-8b-8192"),
    "lmChatOpenRouter": _model(
        "openai_compatible", base_url="https://openrouter.ai/api/v1", usual="openai/gpt-4.1-mini"
    ),
    "lmChatDeepSeek": _model("openai_compatible", base_url="https://api.deepseek.com/v1", usual="deepseek-chat"),
    "lmChatMistralCloud": _model("openai_compatible", base_url="https://api.mistral.ai/v1", usual="mistral-small"),
    "lmChatXAiGrok": _model("openai_compatible", base_url="https://api.x.ai/v1", usual="grok-2-vision-1212"),
    "embeddingsOpenAi": _embedding("openai"),
    "embeddingsAzureOpenAi": _embedding("openai"),
    "embeddingsGoogleGemini": _embedding("other"),
    "embeddingsOllama": _embedding("other"),
    "embeddingsCohere": _embedding("other"),
    "embeddingsMistralCloud": _embedding("other"),
    "embeddingsHuggingFaceInference": _embedding("other"),
    "memoryBufferWindow": _window,
    "memoryPostgresChat": _window,
    "memoryRedisChat": _window,
    "memoryMongoDbChat": _window,
    "memoryXata": _window,
    "vectorStoreInMemory": _vectors,
    "vectorStoreInMemoryInsert": _vectors,
    "vectorStoreQdrant": _vectors,
    "vectorStorePinecone": _vectors,
    "vectorStoreSupabase": _vectors,
    "vectorStorePGVector": _vectors,
    "vectorStoreMilvus": _vectors,
    "vectorStoreWeaviate": _vectors,
    "vectorStoreMongoDBAtlas": _vectors,
    "toolWorkflow": _workflow_tool,
    "toolHttpRequest": _http_tool,
    "httpRequestTool": _http_tool,
    "toolCode": _code_tool,
    "mcpClientTool": _mcp,
    "toolCalculator": _calculator,
    "toolSerpApi": _search_tool,
    "toolWikipedia": _wikipedia,
}
