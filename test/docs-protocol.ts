import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { z } from 'zod'
import { listRoutes } from '../server/list-routes.js'
import { MAX_RECIPE_BYTES } from '../src/chunk/recipe.js'
import { ERRORS } from '../src/errors.js'
import { MAX_EDGE_QUERIES } from '../src/model/lineage.js'
import { MAX_PIECE_BYTES } from '../src/model/piece.js'
import { MAX_FRAME_CONTENT } from '../src/pack/format.js'
import { MAX_KEYS_BYTES } from '../src/remote/key-rows.js'
import * as lineage from '../src/remote/lineage-messages.js'
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

/** What a server's answers are made by, as far as it names codes itself. */
const ANSWERING = [
  ...['server', 'server/routes'].flatMap(folder => filesIn(folder, /\.ts$/)),
  ...filesIn(
    'src/store',
    /^(?:accept-|finish-version|merge-parts|manifest-checker|receive-records)/,
  ),
  ...filesIn('src/catalog', /^plan-/),
  ...['model/names', 'model/metadata', 'model/piece', 'chunk/recipe', 'pack/parse-pack-stream'].map(
    name => `src/${name}.ts`,
  ),
]
/** What no request of the protocol can lead to: starting a server, and calls of a store itself. */
const ELSEWHERE = new Set([
  ...['ADDRESS_UNAVAILABLE', 'SERVER_KEY_REQUIRED', 'INVALID_CONFIG'],
  ...['LATEST_MOVED', 'RENAME_REFUSED'],
  // Of a path in a piece, which is then PIECE_INVALID.
  'INVALID_PATH',
])

function filesIn(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(root, folder))
    .filter(name => pattern.test(name))
    .map(name => `${folder}/${name}`)
}

t.test('every code that a request may be answered with is in the document', t => {
  const codes = new Set(
    ANSWERING.flatMap(path => {
      const source = readFileSync(join(root, path), 'utf8')
      return [...source.matchAll(/ArtifactError\(\s*'([A-Z_]+)'/g)].map(([, code]) => code!)
    }),
  )
  t.ok(codes.size > 20)
  t.same(
    [...codes].filter(code => !ELSEWHERE.has(code) && !text.includes(`\`${code}\``)),
    [],
  )
  t.end()
})

/** Names of fields, and values that a field may have, anywhere in a schema. */
function wordsOf(schema: unknown, seen = new Set<unknown>()): string[] {
  if (!(schema instanceof z.ZodType) || seen.has(schema)) return []
  seen.add(schema)
  const { def } = schema as unknown as { def: Record<string, unknown> }
  const {
    shape = {},
    entries = {},
    values = [],
    options = [],
  } = def as {
    shape?: Record<string, unknown>
    entries?: Record<string, string>
    values?: unknown[]
    options?: unknown[]
  }
  const parts = [def.element, def.innerType, def.in, def.out, def.valueType, ...options]
  return [
    ...Object.keys(shape),
    ...Object.values(entries),
    ...values.filter(value => typeof value === 'string'),
    ...[...parts, ...Object.values(shape)].flatMap(part => wordsOf(part, seen)),
  ]
}

t.test('every field of a message, and every word that one may hold, is in the document', t => {
  const words = new Set(Object.values({ ...messages, ...lineage }).flatMap(each => wordsOf(each)))
  t.ok(words.has('distributedId') && words.has('incomplete') && words.has('onConflict'))
  t.same(
    [...words].filter(word => !new RegExp(`["\`]${word}["\`?]`).test(text)),
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
  t.match(text, `(${MAX_KEYS_BYTES.toLocaleString('en')} bytes)`)
  const values = messages.MAX_JSON_VALUES.toLocaleString('en')
  t.match(text, `| values in the JSON of a request, keys apart | ${values} |`)
  const depth = messages.MAX_JSON_DEPTH.toLocaleString('en')
  t.match(text, `| lists and objects in each other, in the JSON of a request | ${depth} |`)
  t.match(text, `| a piece | ${MAX_PIECE_BYTES / 2 ** 20} MiB |`)
  t.match(text, `| plain bytes of a compressed record | ${MAX_FRAME_CONTENT / 2 ** 20} MiB |`)
  t.match(text, `| a recipe | ${MAX_RECIPE_BYTES / 2 ** 20} MiB |`)
  t.match(text, `up to ${MAX_EDGE_QUERIES.toLocaleString('en')} queries`)
  t.match(text, `| an answer in JSON, to a client | ${messages.MAX_ANSWER_BYTES / 2 ** 20} MiB |`)
  t.end()
})
