"""The contract over HTTP: each RPC at the route that its `google.api.http` option gives, in proto JSON.

No route is written by hand. JSON names are lowerCamelCase in answers; requests may say either that or the names of the
.proto. Fields with their default value are in answers too, 64-bit integers are decimal strings, failures are
problem+json, and streams are server-sent events.
"""
