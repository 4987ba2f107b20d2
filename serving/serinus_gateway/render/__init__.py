"""Envoy's configuration from the description of the models: `render` for all dynamic files, `bootstrap` for the start.

Pure: documents by path, relative to the folder that Envoy reads. `files.py` writes them, the tests keep goldens of them
and let Envoy itself validate each.

    bootstrap.json              where everything else is; the agent, the admin interface
    lds/lds.json                one listener per model, on its own port
    cds/cds.json                one cluster per revision that has ready pods, with their addresses
    rds-<n>/rds.json            weights, header match, timeouts, check on or off, for an eighth of the models each
    entrance/rds.json           in local mode: which host name and which path is which model

Each folder is watched for renames, so each file is replaced as a whole. A change of routes or pods leaves the listeners
alone, and so every connection.
"""

from serinus_gateway.render.bootstrap import bootstrap
from serinus_gateway.render.fleet import Document, Documents, render, routes_version

__all__ = ["Document", "Documents", "bootstrap", "render", "routes_version"]
