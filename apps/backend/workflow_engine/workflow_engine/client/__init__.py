"""A client for Python: the generated stubs, with an address, a key, errors that say why, and what every program does.

    from workflow_engine.client import Client, output

    with Client("localhost:50051", key="wfe_...") as engine:
        execution = engine.run("wf_01...", {"name": "Ada"})
        print(output(execution))

`AsyncClient` is the same with `await`. Every RPC of the contract is there under its service: `engine.workflows`,
`engine.triggers`, `engine.integrations`, `engine.agents`, `engine.auth`, `engine.admin`.
"""

from workflow_engine.client.aio import AsyncClient
from workflow_engine.client.errors import EngineError
from workflow_engine.client.items import output, to_items
from workflow_engine.client.sync import Client

__all__ = ["AsyncClient", "Client", "EngineError", "output", "to_items"]
