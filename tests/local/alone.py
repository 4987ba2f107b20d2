"""An instance in a process of its own, to be killed: `python -m tests.local.alone <state> <manifest.json>`.

Writes a line for each change of phase of the ModelDeployment, and the pids of the pods when it serves.
"""

import asyncio
import json
import sys
from pathlib import Path

from serinus_operator.cluster.port import MODEL_DEPLOYMENT, Manifest
from serinus_operator.local.instance import Instance


async def main(state: str, manifest: str) -> None:
    instance = Instance(state=Path(state))
    await instance.start()

    def tell(_: str, changed: Manifest) -> None:
        if changed["kind"] != MODEL_DEPLOYMENT.kind or "status" not in changed:
            return
        status = changed["status"]
        ready = next(c for c in status["conditions"] if c["type"] == "Ready")
        current = ready.get("observedGeneration") == changed["metadata"]["generation"]
        phase = (status.get("resolution") or {}).get("phase")
        print(json.dumps({"phase": phase, "ready": current and ready["status"] == "True"}), flush=True)

    instance.cluster.watch(tell)
    print(json.dumps({"phase": "Started", "ready": False}), flush=True)
    await instance.cluster.user_apply(json.loads(manifest))
    await instance.wait_failed()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
