import { createScheduledController, listDurableObjectIds, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import worker from '../src/index.ts'
import { inObjects, ownerOf } from './rows.ts'

/** Purges what has expired, as the cron trigger does and the alarms of objects do. */
export async function purgeAll(): Promise<void> {
  await worker.scheduled(createScheduledController(), env)
  if (!inObjects) return
  for (const id of await listDurableObjectIds(env.HUB)) {
    if ((await ownerOf(id)) === undefined) continue
    await runInDurableObject(env.HUB.get(id), async (object, { storage }) => {
      storage.kv.put('purge at', 0)
      await object.alarm()
    })
  }
}
