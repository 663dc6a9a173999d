"""The runtime on Temporal: any number of API replicas and workers, one PostgreSQL, one Temporal cluster.

`TemporalRuntime` is what an API replica has; `worker` runs what it starts. Both keep no state of their own.
"""

from workflow_engine.runtime.temporal.runtime import TemporalRuntime
from workflow_engine.runtime.temporal.wire import converter
from workflow_engine.runtime.temporal.worker import worker

__all__ = ["TemporalRuntime", "converter", "worker"]
