"""The OpenAPI document of the REST gateway, made from the contract, and the page that shows it."""
