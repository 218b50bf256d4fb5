import time, cProfile, pstats, os
from app.services import deliveries, webhooks
from app.services.webhooks import NewWebhook
from app.domain.ids import new_id
from app.domain.letters import example
from app.domain.secrets import keyring
from app.outbound.addresses import Allow
from app.workers.pump import pump_once
from tests.receivers import Receiver
from datetime import datetime, UTC
async def test_speed(runtime, database, settings, workspace):
    keys = keyring(settings.secret_key.get_secret_value())
    now=datetime.now(UTC)
    async with Receiver() as r:
        async with database.transaction(workspace) as db:
            eps=[(await webhooks.create(db, workspace, NewWebhook(r.url), keys=keys, allow=Allow.of(["127.0.0.1"]), now=now))[0]["id"] for _ in range(30)]
            letters=[]
            for i in range(2000):
                e=new_id(); letters.append(webhooks.deliveries.Letter(new_id(), eps[i%30], e, "webhook.test", example("webhook.test", event_id=e)))
            await deliveries.post(db, workspace, letters, now=now)
        pr=cProfile.Profile() if os.environ.get("PROF") else None
        t=time.perf_counter(); c=time.process_time()
        if pr: pr.enable()
        n=await pump_once(runtime, only_workspace=workspace)
        if pr: pr.disable(); pstats.Stats(pr).sort_stats("cumtime").print_stats(45)
        dt=time.perf_counter()-t
        print(n, dt, n/dt, "per s; cpu", (time.process_time()-c)/n*1e6, "us each", len(r.requests))
