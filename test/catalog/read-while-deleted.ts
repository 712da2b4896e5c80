import t from 'tap'
import { makeDeletion } from '../../fixtures/catalog/delete-request.js'
import { makeLogRequest } from '../../fixtures/catalog/log-request.js'
import { openLevelCatalog } from '../../src/catalog/open-level-catalog.js'
import type { Version } from '../../src/model/version.js'

const VERSIONS = 50

t.test('a version that is deleted while it is read is whole, or not there', async t => {
  const catalog = (await openLevelCatalog(t.testdir()))!
  const found: Version[] = []
  let reads = 0
  for (let n = 0; n < VERSIONS; n += 1) {
    const { id } = await catalog.log(makeLogRequest('cats', `${n}`))
    let isDeleted = false
    const read = async () => {
      while (!isDeleted) {
        const version = await catalog.getVersion(id)
        reads += 1
        if (version) found.push(version)
      }
    }
    const reading = Promise.all([read(), read(), read(), read()])
    await catalog.delete(makeDeletion([id]))
    isDeleted = true
    await reading
  }
  t.comment(`${reads} reads`)
  t.same(
    found.filter(({ pieces }) => !pieces).map(({ id }) => id),
    [],
  )
  await catalog.close()
})
