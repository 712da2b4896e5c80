import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { makeLogRequest } from '../../fixtures/catalog/log-request.js'
import { startCommitter } from '../../fixtures/catalog/start-committer.js'
import { runNode } from '../../fixtures/run-node.js'
import { openCatalog } from '../../src/catalog/open-catalog.js'
import { ArtifactError } from '../../src/errors.js'

const OPEN_STORE = fileURLToPath(new URL('../../fixtures/catalog/open-store.js', import.meta.url))

t.test('a host in the main thread keeps no process', async t => {
  const home = t.testdir({ store: {} })
  for (const place of ['here', 'thread']) {
    const { code, stdout } = await runNode([OPEN_STORE, `${home}/store`, place])
    t.match({ code, stdout }, { code: 0, stdout: /^0 pending, closed: true$/m }, place)
  }
})

t.test('a host in the main thread serves others, also while it waits', async t => {
  const home = t.testdir({})
  const here = openCatalog(home, { hostPlace: 'here' })
  t.match(await here.catalog.log(makeLogRequest('cats', 'a')), { number: 0 })
  const other = startCommitter(home, 'cats', 20)
  t.equal(await other.ended, 0)
  t.equal(other.acknowledged.at(-1)?.number, 20)
  t.match(await here.catalog.log(makeLogRequest('cats', 'b')), { number: 21 })
  await here.close()
})

t.test('locks that were taken in its thread are those that others see', async t => {
  const home = t.testdir({})
  const here = openCatalog(home, { hostPlace: 'here' })
  t.equal(await here.tryLock('sync'), true)
  const other = openCatalog(home)
  t.equal(await other.tryLock('sync'), false)
  t.equal(await here.tryLock('sync'), true, 'it is mine already')
  await here.close()
  while (!(await other.tryLock('sync'))) await sleep(5)
  await other.close()
})

t.test('errors are those of any other host', async t => {
  const home = t.testdir({})
  const here = openCatalog(home, { hostPlace: 'here' })
  const there = openCatalog(home)
  await here.catalog.log(makeLogRequest('cats', 'first'))
  for (const [request, type] of [
    [{}, TypeError],
    [makeLogRequest('cats', 'a', { version: { type: 'other' } }), ArtifactError],
  ] as const) {
    const calls = [here, there].map(({ catalog }) => catalog.log(request as never))
    const reasons = (await Promise.allSettled(calls)).map(
      answer => answer.status === 'rejected' && answer.reason,
    )
    for (const reason of reasons) t.ok(reason instanceof type)
    t.equal(reasons[0].message, reasons[1].message)
    t.equal(reasons[0].code, reasons[1].code)
  }
  await there.close()
  await here.close()
  await t.rejects(here.catalog.listPending(), { code: 'STORE_FAILED' })
})
