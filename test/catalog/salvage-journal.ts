import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeLogRequest } from '../../fixtures/catalog/log-request.js'
import { openLevelCatalog } from '../../src/catalog/open-level-catalog.js'
import { salvageJournal } from '../../src/catalog/salvage-journal.js'
import { homePaths } from '../../src/model/home.js'

/** Logs versions of `cats`, each group in a segment of its own. @returns their ids. */
async function logGroups(home: string, groups: number[]): Promise<string[]> {
  const ids: string[] = []
  for (const count of groups) {
    const catalog = (await openLevelCatalog(home))!
    for (let i = 0; i < count; i += 1) {
      ids.push((await catalog.log(makeLogRequest('cats', `${ids.length}`))).id)
    }
    await catalog.close()
  }
  return ids
}

async function listIds(home: string): Promise<string[]> {
  const catalog = (await openLevelCatalog(home))!
  const { items } = await catalog.listVersions({})
  await catalog.close()
  return items.map(({ id }) => id)
}

function damageFrame(path: string, text: string): void {
  const bytes = readFileSync(path)
  bytes[bytes.indexOf(text)]! ^= 1
  writeFileSync(path, bytes)
}

t.test('a sound store has nothing to salvage, and is not changed', async t => {
  const home = t.testdir()
  const ids = await logGroups(home, [2, 1])
  t.equal(await salvageJournal(home), null)
  t.same(await listIds(home), ids)
  t.same(readdirSync(homePaths(home).journal), ['1.log', '2.log'])
})

t.test('what verifies of a damaged journal is kept, and what is lost is named', async t => {
  const home = t.testdir()
  const ids = await logGroups(home, [3, 2, 1])
  const { journal } = homePaths(home)
  damageFrame(join(journal, '1.log'), ids[1]!)
  damageFrame(join(journal, '2.log'), 'ARTFJRNL')
  damageFrame(join(journal, '2.log'), ids[3]!)
  await t.rejects(openLevelCatalog(home), {
    code: 'STORE_DAMAGED',
    details: { path: join(journal, '1.log'), record: 2 },
  })

  const names = [1, 2, 3].map(index => join(journal, `${index}.log.damaged`))
  t.match(await salvageJournal(home), {
    lost: [
      { first: 2, last: 2 },
      { first: 4, last: 4 },
    ],
    setAside: names,
  })
  const kept = ids.filter((_, index) => index !== 1 && index !== 3)
  t.same(await listIds(home), kept)
  rmSync(homePaths(home).catalog, { recursive: true })
  t.same(await listIds(home), kept, 'from the journal alone too')

  const [next] = await logGroups(home, [1])
  t.same(await listIds(home), [...kept, next])
  t.equal(await salvageJournal(home), null)
})

t.test('the index tells which versions were in the records that are lost', async t => {
  const home = t.testdir()
  const ids = await logGroups(home, [3])
  damageFrame(join(homePaths(home).journal, '1.log'), ids[1]!)
  t.same((await salvageJournal(home))?.versions, [
    { entity: 'default', project: 'p', name: 'cats', id: ids[1], number: 1 },
  ])
})

t.test('a segment that is gone is salvaged around, also when that is cut', async t => {
  const home = t.testdir()
  const ids = await logGroups(home, [1, 2, 1])
  const { journal } = homePaths(home)
  rmSync(join(journal, '2.log'))
  const lost = [{ first: 2, last: 3 }]
  t.match(await salvageJournal(home), { lost })
  // As if it had ended before the old segments were moved.
  for (const name of ['1.log', '3.log']) {
    writeFileSync(join(journal, name), readFileSync(join(journal, `${name}.damaged`)))
  }
  await t.rejects(listIds(home), { code: 'STORE_DAMAGED' })
  t.match(await salvageJournal(home), { lost })
  t.same(await listIds(home), [ids[0], ids[3]])
})

t.test('a store that is open is let alone', async t => {
  const home = t.testdir()
  const catalog = (await openLevelCatalog(home))!
  await t.rejects(salvageJournal(home), { code: 'STORE_BUSY' })
  await catalog.close()
})
