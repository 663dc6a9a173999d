"""Language models at work: agents with tools, and ready kinds for what models are asked most."""
