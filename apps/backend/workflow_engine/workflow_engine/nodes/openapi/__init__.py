"""OpenAPI 3 documents as something that can be called: `document.py` reads them, `request.py` makes requests of them,
`client.py` fetches the one and sends the other."""
