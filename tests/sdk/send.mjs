// Makes calls with the Node SDK as any product would, then says what became of them.
//
//     node send.mjs FOLDER HOST KEY CALLS
//
// FOLDER is where the SDK is installed. The last line is a JSON object: the calls made, the message ids the SDK gave
// them, and its complaints.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const [folder, host, writeKey, calls] = process.argv.slice(2)
const { Analytics } = createRequire(folder + '/')('@segment/analytics-node')

const complaints = []
const ids = new Set()
const analytics = new Analytics({ writeKey, host, flushAt: 100, flushInterval: 500, maxRetries: 30 })
analytics.on('error', (error) => complaints.push(String(error.reason ?? error.code)))

let made = 0
const remember = (error, context) => {
  if (error) complaints.push(String(error))
  ids.add(context.event.messageId)
}
for (const { call, user: userId, group: groupId, event, traits, properties } of JSON.parse(readFileSync(calls, 'utf-8'))) {
  if (call === 'identify') analytics.identify({ userId, traits }, remember)
  else if (call === 'group') analytics.group({ userId, groupId, traits }, remember)
  else analytics.track({ userId, event, properties, context: { groupId } }, remember)
  made += 1
  // A product makes its calls over time: a few flushes under way at once, not all of them.
  if (made % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 50))
}
await analytics.closeAndFlush({ timeout: 240_000 })
console.log(JSON.stringify({ made, ids: ids.size, complaints }))
