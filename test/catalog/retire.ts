import t from 'tap'
import { makeLogRequest } from '../../fixtures/catalog/log-request.js'
import { openCatalog } from '../../src/catalog/open-catalog.js'
import { readAnnouncement } from '../../src/ipc/announcement.js'
import { homePaths } from '../../src/model/home.js'

const range = (home: string) => readAnnouncement(homePaths(home).host, 'host')?.protocol

for (const hostPlace of ['thread', 'here'] as const) {
  t.test(
    `an older host (${hostPlace}) makes room for a newer program that speaks its protocol`,
    async t => {
      const home = t.testdir({})
      const older = openCatalog(home, { protocol: { min: 1, max: 1 }, hostPlace })
      t.match(await older.catalog.log(makeLogRequest('cats', 'a')), { number: 0 })
      t.same(range(home), { min: 1, max: 1 })

      const newer = openCatalog(home, { protocol: { min: 1, max: 2 } })
      // The older one is in the middle of its work.
      const underWay = Array.from({ length: 50 }, (_, i) =>
        older.catalog.log(makeLogRequest('dogs', `${i}`)),
      )
      t.match(await newer.catalog.log(makeLogRequest('cats', 'b')), { number: 1 })
      t.same(range(home), { min: 1, max: 2 }, 'the newer one is the host')
      t.same(
        (await Promise.all(underWay)).map(({ number }) => number),
        [...underWay.keys()],
        'the older one goes on through it',
      )
      t.match(await older.catalog.log(makeLogRequest('cats', 'c')), { number: 2 })
      t.same(range(home), { min: 1, max: 2 })

      await newer.close()
      t.match(await older.catalog.log(makeLogRequest('cats', 'd')), { number: 3 })
      t.same(range(home), { min: 1, max: 1 }, 'without a newer one it serves again')
      await older.close()
    },
  )
}

t.test('programs without a common protocol say so, and the host stays', async t => {
  const home = t.testdir({})
  const older = openCatalog(home, { protocol: { min: 1, max: 1 } })
  await older.catalog.listPending()
  const newer = openCatalog(home, { protocol: { min: 2, max: 3 } })
  await t.rejects(newer.catalog.listPending(), {
    code: 'PROTOCOL_UNSUPPORTED',
    details: { theirs: { min: 1, max: 1 }, ours: { min: 2, max: 3 } },
  })
  t.match(await older.catalog.log(makeLogRequest('cats', 'a')), { number: 0 })
  await older.close()
  t.match(await newer.catalog.log(makeLogRequest('cats', 'b')), { number: 1 })
  await newer.close()
})
