import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { listRoutes } from '../server/list-routes.js'
import { ERRORS } from '../src/errors.js'
import * as messages from '../src/remote/messages.js'
import { ReceivePool } from '../src/store/receive-pool.js'
import { openStore } from '../src/store/store.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const text = readFileSync(join(root, 'docs/protocol.md'), 'utf8')

t.test('the document has a section for each route, and for no other', async t => {
  const store = openStore(t.testdir())
  t.teardown(() => store.close())
  const routes = listRoutes(store, new ReceivePool(store)).map(
    ({ method, url }) => `${method} ${url}`,
  )
  const sections = [...text.matchAll(/^### ((?:GET|POST|PUT|PATCH|DELETE) .*)$/gm)]
  t.same(sections.map(([, route]) => route).sort(), routes.sort())
})

t.test('every code in the document is in the table', t => {
  const codes = [...text.matchAll(/[`"]([A-Z]+(?:_[A-Z]+)+)[`"]/g)].map(([, code]) => code!)
  t.ok(codes.length > 10)
  t.same(
    codes.filter(code => !Object.hasOwn(ERRORS, code)),
    [],
  )
  t.end()
})

t.test('content types and limits are those of the code', t => {
  for (const type of [messages.PACK_TYPE, messages.KEYS_TYPE, messages.INDICES_TYPE]) {
    t.match(text, `\`${type}\` is`)
  }
  t.match(text, `\`${messages.STORE_HEADER}\``)
  t.match(text, `| keys in a request | ${messages.MAX_KEYS.toLocaleString('en')} `)
  const mib = messages.MAX_COMMIT_BYTES / 2 ** 20
  const items = messages.MAX_ITEMS.toLocaleString('en')
  t.match(text, `| items in a commit | ${items}, and ${mib} MiB of JSON`)
  t.match(text, `up to ${messages.MAX_FREED_IDS.toLocaleString('en')} versions were deleted`)
  t.match(text, `up to ${messages.MAX_IDS.toLocaleString('en')} versions were deleted`)
  t.match(text, `| an answer in JSON, to a client | ${messages.MAX_ANSWER_BYTES / 2 ** 20} MiB |`)
  t.end()
})
