"""Envoy's configuration from the description of the models: `render` for all dynamic files, `bootstrap` for the start.

Pure: documents by path, relative to the folder that Envoy reads. `files.py` writes them, the tests keep goldens of them
and let Envoy itself validate each.

    bootstrap.json              where everything else is; the agent, the admin interface
    lds/lds.json                one listener per model, on its own port
    cds/cds.json                one EDS cluster per revision that is warm
    models/<port>/rds.json      weights, header match, timeouts, check on or off; the listener stays
    models/<port>/eds-….json    addresses of a revision's pods

    models/<port>/rds.json      weights, header match, timeouts, check on or off; a change leaves the listener alone
its own folder only.
"""

from serinus_gateway.render.bootstrap import bootstrap
from serinus_gateway.render.fleet import Document, Documents, render, routes_path, routes_version

__all__ = ["Document", "Documents", "bootstrap", "render", "routes_path", "routes_version"]
