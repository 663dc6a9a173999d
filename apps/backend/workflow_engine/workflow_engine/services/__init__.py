"""The gRPC services: thin, between the contract and the rooms below."""
