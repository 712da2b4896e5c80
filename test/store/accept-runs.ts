import t, { type Test } from 'tap'
import {
  CATS,
  commitOf,
  type MadeVersion,
  makeVersion,
} from '../../fixtures/server/make-version.js'
import type { Catalog, LogAnswer, LogRequest } from '../../src/catalog/catalog.js'
import { ArtifactError } from '../../src/errors.js'
import { acceptItems } from '../../src/store/accept-items.js'
import { openStore, type Store } from '../../src/store/store.js'

const COUNT = 250

async function makeStore(t: Test) {
  const store = openStore(t.testdir({}))
  t.teardown(() => store.close())
  const made: MadeVersion[] = []
  for (let n = 0; n < COUNT; n += 1) made.push(await makeVersion(store, { a: `${n}` }))
  return { store, made, items: made.map(({ version }) => commitOf(version)) }
}

/** Lets something come between the store and its catalog. */
function interceptLog(
  store: Store,
  log: (request: LogRequest, go: Catalog['log']) => Promise<LogAnswer>,
) {
  const go = store.catalog.log
  store.catalog.log = request => log(request, go)
}

t.test('versions of one commit share flushes, and keep their order', async t => {
  const { store, made, items } = await makeStore(t)
  const asked: LogRequest[] = []
  let most = 0
  let open = 0
  interceptLog(store, (request, go) => {
    asked.push(request)
    most = Math.max(most, ++open)
    return go(request).finally(() => open--)
  })
  const results = await acceptItems(store, CATS, items)
  t.same(
    results.map(result => result.status === 'committed' && [result.id, result.number]),
    made.map(({ version }, n) => [version.id, n]),
  )
  t.ok(most >= 50, `${most} at a time`)
  t.equal(asked.length, COUNT, 'each was asked for once')
})

t.test('a version that fails at last holds back all behind it', async t => {
  const { store, made, items } = await makeStore(t)
  let failed = 0
  interceptLog(store, async (request, go) => {
    if (request.version.id !== made[30]!.version.id || failed++ > 0) return go(request)
    throw new ArtifactError('BLOB_MISSING', 'it is gone')
  })
  const results = await acceptItems(store, CATS, items)
  t.equal(failed, 2, 'it was tried again')
  t.same(
    results.map(result => result.status === 'committed' && [result.id, result.number]),
    made.map(({ version }, n) => [version.id, n]),
  )
})

t.test('a store that fails keeps what came before, and nothing behind', async t => {
  const { store, items } = await makeStore(t)
  interceptLog(store, async (request, go) => {
    if (request.logId !== items[120]!.logId) return go(request)
    throw new ArtifactError('STORE_FULL', 'the disk is full')
  })
  await t.rejects(acceptItems(store, CATS, items), { code: 'STORE_FULL' })
  const found = await store.catalog.findVersion(CATS, { kind: 'alias', alias: 'latest' })
  t.equal(found.version.number, 119)
})
