"""A worker: runs workflows and activities for whoever started them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig

from workflow_engine.core.clock import Clock
from workflow_engine.models.store import Store
from workflow_engine.nodes.context import Blobs, Context
from workflow_engine.runtime.definitions import Definitions
from workflow_engine.runtime.temporal.activities import Activities
from workflow_engine.runtime.temporal.gate import GateWorkflow, UpgradingGate
from workflow_engine.runtime.temporal.workflow import PLANS, ExecutionWorkflow

DEPLOYMENT = "workflow-engine"


def worker(
    client: Client,
    store: Store,
    definitions: Definitions,
    clock: Clock,
    *,
    services: Callable[[Context], Context],
    blobs: Blobs,
    task_queue: str,
    build_id: str = "",
    max_attempts: int = 200,
    grace: float = 30,
) -> Worker:
    """A worker that is not running yet; its `run` ends when it is shut down.

    Attempts under way may take `grace` seconds more then. With a `build_id` it takes part in Temporal's worker
    versioning: executions that run stay with the build that they began on; new ones, and gates, go to the build that
    is current.
    """
    PLANS.catalogue = definitions.catalogue
    activities = Activities(client, store, definitions, blobs, services, clock, task_queue)
    versioning = None
    if build_id:
        versioning = WorkerDeploymentConfig(
            version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build_id),
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.PINNED,
        )
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[ExecutionWorkflow, UpgradingGate if build_id else GateWorkflow],
        activities=activities.all,
        max_concurrent_activities=max_attempts,
        max_concurrent_local_activities=max_attempts,
        # A workflow whose worker died is taken over after so long.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=3),
        graceful_shutdown_timeout=timedelta(seconds=grace),
        deployment_config=versioning,
    )
