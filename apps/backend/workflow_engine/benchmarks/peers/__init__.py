"""Other engines under the load of `benchmarks/load.py`: each a process in `.venv-bench`, with defaults unless said."""
