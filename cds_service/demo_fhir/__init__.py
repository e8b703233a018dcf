"""A small FHIR R4 server with made-up patients, for trying the service (`cds-service demo-fhir`). No part of a service.

Read-only, on loopback only. `patients` holds who there is, `search` how resources are found; both need no web.
"""
