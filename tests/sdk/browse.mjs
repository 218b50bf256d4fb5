// Makes calls with the browser library, in a page that jsdom stands for, then says what became of them.
//
//     node browse.mjs FOLDER HOST KEY CALLS
//
// FOLDER is where the library and jsdom are installed. The last line is a JSON object: the calls made, the message ids
// the library gave them. It goes on trying what failed until its standard input is closed. jsdom has no network of its own
// here: what is put on the wire is seen, CORS is not.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const [folder, host, writeKey, calls] = process.argv.slice(2)
const require = createRequire(folder + '/')
const { JSDOM } = require('jsdom')

const page = new JSDOM('<!doctype html><title>A product</title>', { url: 'http://product.test/', pretendToBeVisual: true })
for (const name of ['window', 'document', 'location', 'localStorage', 'sessionStorage', 'XMLHttpRequest', 'screen', 'HTMLElement', 'Event', 'CustomEvent']) {
  Object.defineProperty(globalThis, name, { value: page.window[name], configurable: true, writable: true })
}
Object.defineProperty(globalThis, 'navigator', { value: page.window.navigator, configurable: true })
page.window.fetch = globalThis.fetch

const { AnalyticsBrowser } = require('@segment/analytics-next')
const { host: address } = new URL(host)
const [analytics] = await AnalyticsBrowser.load(
  { writeKey, cdnSettings: { integrations: { 'Segment.io': { apiKey: writeKey, apiHost: `${address}/v1`, protocol: 'http', maxRetries: 30 } } } },
  { disableClientPersistence: true }
)

const ids = new Set()
let made = 0
for (const { call, user: userId, group: groupId, event, traits, properties } of JSON.parse(readFileSync(calls, 'utf-8'))) {
  let told
  if (call === 'identify') told = analytics.identify(userId, traits)
  else if (call === 'group') told = analytics.group(groupId, traits)
  else told = analytics.track(event, properties, { context: { groupId } })
  ids.add((await told).event.messageId)
  made += 1
}
console.log(JSON.stringify({ made, ids: ids.size }))
process.stdin.on('end', () => process.exit(0)).resume()
