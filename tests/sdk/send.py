"""Makes calls with the Python SDK as any product would, then says what became of them.

    python send.py HOST KEY CALLS

The last line is a JSON object: the calls made, the message ids the SDK gave them, and its complaints.
"""

import json
import logging
import sys
from pathlib import Path

from segment.analytics import Client


def main(host, key, calls):
    logging.getLogger("segment").addHandler(logging.NullHandler())
    complaints, ids = [], set()
    client = Client(
        key,
        host=host,
        max_queue_size=20_000,
        max_retries=30,
        upload_interval=0.1,
        on_error=lambda error, items: complaints.append(f"{error}: {len(items)} items"),
    )
    made = 0
    for call in json.loads(Path(calls).read_text(encoding="utf-8")):
        queued, message = make(client, call)
        if not queued:
            complaints.append(f"not queued: {message}")
        ids.add(message["messageId"])
        made += 1
    client.flush()
    client.join()
    print(json.dumps({"made": made, "ids": len(ids), "complaints": complaints}))


def make(client, call):
    if call["call"] == "identify":
        return client.identify(call["user"], call["traits"])
    if call["call"] == "group":
        return client.group(call["user"], call["group"], call["traits"])
    return client.track(call["user"], call["event"], call["properties"], context={"groupId": call["group"]})


if __name__ == "__main__":
    main(*sys.argv[1:])
