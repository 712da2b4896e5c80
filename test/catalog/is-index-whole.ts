import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Level } from 'level'
import t from 'tap'
import { isIndexWhole } from '../../src/catalog/is-index-whole.js'

/** A block of LevelDB's log; one record fills it with this value, under a key of one letter. */
const BLOCK_BYTES = 32_768
const value = 'x'.repeat(BLOCK_BYTES - 7 - 12 - 1 - 2 - 3)

const openIndex = (folder: string) => new Level(folder, { compression: false })

const findFile = (folder: string, pattern: RegExp) =>
  join(folder, readdirSync(folder).find(name => pattern.test(name))!)

t.test('a block of zeros, which LevelDB passes over in silence, is seen', async t => {
  const base = t.testdir({ damaged: {} })
  const folder = join(base, 'index')
  const db = openIndex(folder)
  for (const key of ['a', 'b', 'c']) await db.put(key, value)
  await db.close()
  t.equal(await isIndexWhole(folder), true)

  const damaged = join(base, 'damaged')
  cpSync(folder, damaged, { recursive: true })
  const log = findFile(damaged, /^\d+\.log$/)
  const bytes = readFileSync(log)
  t.equal(bytes.length, 3 * BLOCK_BYTES)
  writeFileSync(log, bytes.fill(0, BLOCK_BYTES, 2 * BLOCK_BYTES))
  t.equal(await isIndexWhole(damaged), false)
  writeFileSync(log, bytes.fill(0, BLOCK_BYTES))
  t.equal(await isIndexWhole(damaged), true, 'zeros at the end are a torn tail')

  writeFileSync(
    log,
    readFileSync(findFile(folder, /^\d+\.log$/)).fill(0, BLOCK_BYTES, 2 * BLOCK_BYTES),
  )
  const silent = openIndex(damaged)
  t.same(await silent.keys().all(), ['a', 'c'])
  await silent.close()
  t.notMatch(readFileSync(join(damaged, 'LOG'), 'utf8'), /ignoring/i)
})

t.test('every flipped bit of a table is seen, and LevelDB itself sees none', async t => {
  const folder = join(t.testdir(), 'index')
  const db = openIndex(folder)
  for (let key = 0; key < 20; key += 1) await db.put(`key ${key}`, `value ${key}`)
  await db.close()
  // Opening moves the log into a table.
  const again = openIndex(folder)
  await again.open()
  await again.close()
  t.equal(await isIndexWhole(folder), true)
  const table = findFile(folder, /\.ldb$/)
  const bytes = readFileSync(table)
  const unseen: number[] = []
  // The last 48 bytes, the footer, are padded.
  for (let at = 0; at < bytes.length - 48; at += 1) {
    const flipped = Buffer.from(bytes)
    flipped[at]! ^= 1 << (at % 8)
    writeFileSync(table, flipped)
    if (await isIndexWhole(folder)) unseen.push(at)
  }
  t.same(unseen, [])

  const changed = Buffer.from(bytes)
  changed[changed.indexOf('value 7')]! ^= 1
  writeFileSync(table, changed)
  const silent = openIndex(folder)
  t.equal(await silent.get('key 7'), 'walue 7')
  await silent.close()
})

t.test('a table that was not finished when its process ended is passed over', async t => {
  const folder = join(t.testdir(), 'index')
  const db = openIndex(folder)
  // Some tables, some of them gone again, in more than one level.
  for (let round = 0; round < 8; round += 1) {
    for (let key = 0; key < 200; key += 1) await db.put(`key ${key}`, `${round}${value}`)
  }
  await db.close()
  t.equal(await isIndexWhole(folder), true)
  const listTables = () => readdirSync(folder).filter(name => name.endsWith('.ldb'))
  writeFileSync(
    join(folder, '999999.ldb'),
    readFileSync(join(folder, listTables()[0]!)).subarray(0, 5000),
  )
  t.equal(await isIndexWhole(folder), true)
  const ignored: string[] = []
  for (const name of listTables()) {
    const whole = readFileSync(join(folder, name))
    const damaged = Buffer.from(whole)
    damaged[100]! ^= 1
    writeFileSync(join(folder, name), damaged)
    if (await isIndexWhole(folder)) ignored.push(name)
    else writeFileSync(join(folder, name), whole)
  }
  t.ok(ignored.includes('999999.ldb'))
  t.ok(ignored.length < listTables().length, 'others count')

  const again = openIndex(folder)
  const values = await again.values().all()
  t.equal(values.length, 200)
  t.same([...new Set(values)], [`7${value}`], 'nothing is read from what was ignored')
  await again.close()
  t.notOk(listTables().includes('999999.ldb'))
})

t.test('a compressed table is not taken', async t => {
  const folder = join(t.testdir(), 'index')
  const db = new Level(folder)
  await db.put('key', value)
  await db.close()
  const again = new Level(folder)
  await again.open()
  await again.close()
  t.equal(await isIndexWhole(folder), false)
})
