"""A process that logs batches to a run: ``writer URL AUTHORIZATION RUN KEY``.

It repeats each until it is acknowledged, and then writes a line.
"""

import sys
import time

import httpx2

BATCHES, POINTS = 20, 25


def main(url: str, authorization: str, run_id: str, key: str) -> None:
    """Log BATCHES times POINTS points of one metric; step ``n`` has the value ``n``."""
    with httpx2.Client(headers={"Authorization": authorization}, timeout=30) as client:
        for batch in range(BATCHES):
            steps = range(batch * POINTS, (batch + 1) * POINTS)
            metrics = [{"key": key, "value": n, "timestamp": n, "step": n} for n in steps]
            body = {"run_id": run_id, "metrics": metrics}
            while not _logged(client, f"{url}/api/2.0/mlflow/runs/log-batch", body):
                time.sleep(0.05)
            sys.stdout.write("logged\n")
            sys.stdout.flush()


def _logged(client: httpx2.Client, address: str, body: object) -> bool:
    try:
        answer = client.post(address, json=body)
    except httpx2.TransportError:
        return False
    if answer.status_code not in (200, 503):
        raise SystemExit(f"{answer.status_code} {answer.text}")
    return answer.status_code == 200


if __name__ == "__main__":
    main(*sys.argv[1:])
