import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import t from 'tap'
import { Journal, type NumberedRecord, readJournal } from '../../src/catalog/journal.js'
import type { JournalRecord } from '../../src/catalog/records.js'
import { isArtifactError } from '../../src/errors.js'

const HEADER_BYTES = 24

function makeRecord(logId: string): JournalRecord {
  return { t: 'alias', at: '2025-01-02T03:04:05.678Z', logId, versionId: 'v', aliases: ['ü'] }
}

const idsOf = (records: NumberedRecord[]) =>
  records.map(({ seq, record }) => [seq, 'logId' in record && record.logId])

const openJournal = (folder: string) => Journal.open(folder, 0)

async function appendAll(folder: string, groups: string[][]): Promise<void> {
  const { journal } = openJournal(folder)
  for (const group of groups) await journal.append(group.map(makeRecord))
  await journal.close()
}

/** The offsets of the frames of a segment, and its length. */
function frameOffsets(bytes: Buffer): number[] {
  const offsets = [HEADER_BYTES]
  while (offsets.at(-1)! < bytes.length) {
    const offset = offsets.at(-1)!
    offsets.push(offset + 16 + bytes.readUInt32LE(offset))
  }
  return offsets
}

/** Makes one call of every open file fail, once. */
async function failOnce(
  folder: string,
  method: 'write' | 'datasync',
  work: (handle: FileHandle, args: unknown[]) => Promise<unknown>,
): Promise<void> {
  const probe = await open(folder, 'r')
  const prototype = Object.getPrototypeOf(probe)
  await probe.close()
  const original = prototype[method]
  prototype[method] = async function (this: FileHandle, ...args: unknown[]) {
    prototype[method] = original
    return work(this, args)
  }
}

const systemError = (code: string) => Object.assign(new Error(`${code}: on purpose`), { code })

t.test('records come back with their numbers, in order', async t => {
  const folder = join(t.testdir(), 'journal')
  const { journal, records } = openJournal(folder)
  t.same(records, [])
  t.equal(journal.lastSeq, 0)
  t.equal(await journal.append([makeRecord('a')]), 1)
  t.equal(await journal.append([makeRecord('b'), makeRecord('c')]), 3)
  await journal.close()
  t.same(readdirSync(folder), ['1.log'])

  const again = Journal.open(folder, 0)
  t.same(
    again.records,
    ['a', 'b', 'c'].map((id, index) => ({ seq: index + 1, record: makeRecord(id) })),
  )
  t.equal(again.journal.lastSeq, 3)
  t.same(idsOf(Journal.open(folder, 2).records), [[3, 'c']])
  t.equal(await again.journal.append([makeRecord('d')]), 4)
  await again.journal.close()
  t.same(readdirSync(folder), ['1.log', '2.log'])
  t.same(idsOf(readJournal(folder).records).at(-1), [4, 'd'])
})

t.test('a tail that is torn at any byte is dropped, and writing goes on', async t => {
  const base = t.testdir()
  const whole = join(base, 'whole')
  await appendAll(whole, [['a'], ['b', 'c'], ['d', 'e']])
  const bytes = readFileSync(join(whole, '1.log'))
  const [, , last, end] = frameOffsets(bytes)
  t.equal(end, bytes.length)
  const tails = [
    (cut: number) => bytes.subarray(0, cut),
    (cut: number) => Buffer.concat([bytes.subarray(0, cut), Buffer.alloc(end! - cut)]),
  ]
  for (const [index, tearAt] of tails.entries()) {
    const wrong: number[] = []
    for (let cut = last!; cut < end!; cut += 1) {
      const folder = join(base, `torn-${index}-${cut}`)
      cpSync(whole, folder, { recursive: true })
      const torn = tearAt(cut)
      writeFileSync(join(folder, '1.log'), torn)
      const before = idsOf(readJournal(folder).records)
      await appendAll(folder, [['x']])
      const after = idsOf(readJournal(folder).records)
      const untouched = readFileSync(join(folder, '1.log')).equals(torn)
      const expected = [...[1, 2, 3].map((seq, at) => [seq, 'abc'[at]])]
      const right =
        untouched &&
        JSON.stringify(before) === JSON.stringify(expected) &&
        JSON.stringify(after) === JSON.stringify([...expected, [4, 'x']])
      if (!right) wrong.push(cut)
      rmSync(folder, { recursive: true })
    }
    t.same(wrong, [], 'at every byte of the last frame')
  }
})

t.test('a segment whose header is torn held nothing', async t => {
  const folder = join(t.testdir(), 'journal')
  await appendAll(folder, [['a']])
  const header = readFileSync(join(folder, '1.log')).subarray(0, HEADER_BYTES)
  for (let length = 0; length < HEADER_BYTES; length += 1) {
    writeFileSync(join(folder, `${length + 2}.log`), header.subarray(0, length))
  }
  writeFileSync(join(folder, '50.log'), Buffer.alloc(4096))
  t.same(idsOf(readJournal(folder).records), [[1, 'a']])
  await appendAll(folder, [['b']])
  t.ok(readdirSync(folder).includes('51.log'))
  t.same(idsOf(readJournal(folder).records).at(-1), [2, 'b'])
})

t.test('damage before the tail names its file and record, at every byte', async t => {
  const base = t.testdir()
  const folder = join(base, 'journal')
  await appendAll(folder, [['a'], ['b', 'c'], ['d']])
  const path = join(folder, '1.log')
  const bytes = readFileSync(path)
  const offsets = frameOffsets(bytes)
  const missed: number[] = []
  for (let at = 0; at < offsets[2]!; at += 1) {
    const record = at < offsets[0]! ? 0 : at < offsets[1]! ? 1 : 2
    const damaged = Buffer.from(bytes)
    damaged[at]! ^= 0x10
    writeFileSync(path, damaged)
    try {
      readJournal(folder)
      missed.push(at)
    } catch (error) {
      if (!isArtifactError(error, 'STORE_DAMAGED')) throw error
      const { details } = error
      if (details.path !== path || details.record !== record) missed.push(at)
    }
  }
  t.same(missed, [])
  t.same(readFileSync(path).length, bytes.length, 'reading changes nothing')
})

t.test('a segment that is gone is damage', async t => {
  const folder = join(t.testdir(), 'journal')
  for (const id of ['a', 'b', 'c']) await appendAll(folder, [[id]])
  rmSync(join(folder, '2.log'))
  const details = { path: join(folder, '3.log'), record: 2 }
  t.throws(() => openJournal(folder), { code: 'STORE_DAMAGED', details })
})

t.test('a journal of another format is refused', async t => {
  const folder = join(t.testdir(), 'journal')
  await appendAll(folder, [['a']])
  const path = join(folder, '1.log')
  const bytes = readFileSync(path)
  bytes.writeUInt16LE(2, 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 20)), 20)
  writeFileSync(path, bytes)
  t.throws(() => openJournal(folder), { code: 'STORE_UNSUPPORTED', details: { path, version: 2 } })
  bytes.write('NOTAJRNL')
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 20)), 20)
  writeFileSync(path, bytes)
  t.throws(() => openJournal(folder), { code: 'STORE_DAMAGED', details: { path } })
})

t.test('after a failed flush, the record counts for nothing and a new segment begins', async t => {
  const folder = join(t.testdir(), 'journal')
  const { journal } = openJournal(folder)
  await journal.append([makeRecord('a')])
  await failOnce(folder, 'datasync', async () => {
    throw systemError('EIO')
  })
  await t.rejects(journal.append([makeRecord('lost'), makeRecord('lost too')]), {
    code: 'STORE_FAILED',
  })
  const written = readFileSync(join(folder, '1.log'))
  t.notOk(written.includes('lost'), 'the bytes of the failed flush are taken back')
  t.equal(journal.lastSeq, 1)
  t.equal(await journal.append([makeRecord('b')]), 2)
  await journal.close()
  t.ok(readFileSync(join(folder, '1.log')).equals(written), 'the segment is not written to again')
  t.same(idsOf(readJournal(folder).records), [
    [1, 'a'],
    [2, 'b'],
  ])
})

t.test('after a write that filled the disk, a new segment begins', async t => {
  const folder = join(t.testdir(), 'journal')
  const { journal } = openJournal(folder)
  await journal.append([makeRecord('a')])
  await failOnce(folder, 'write', async (handle, [bytes, , , position]) => {
    await handle.write(bytes as Buffer, 0, 30, position as number)
    throw systemError('ENOSPC')
  })
  await t.rejects(journal.append([makeRecord('lost')]), { code: 'STORE_FULL' })
  t.same(idsOf(readJournal(folder).records), [[1, 'a']])
  t.equal(await journal.append([makeRecord('b')]), 2)

  await failOnce(folder, 'datasync', async () => {
    throw systemError('EDQUOT')
  })
  await t.rejects(journal.append([makeRecord('lost')]), { code: 'STORE_FULL' })
  writeFileSync(join(folder, '3.log'), '')
  await t.rejects(journal.append([makeRecord('lost')]), { code: 'STORE_FAILED' })
  t.equal(await journal.append([makeRecord('c')]), 3)
  await journal.close()
  t.same(idsOf(readJournal(folder).records), [
    [1, 'a'],
    [2, 'b'],
    [3, 'c'],
  ])
})

t.test('what an older segment holds past the begin of a newer one never happened', async t => {
  const base = t.testdir()
  const [one, two] = [join(base, 'one'), join(base, 'two')]
  await appendAll(one, [['a'], ['b'], ['never 3'], ['never 4']])
  await appendAll(two, [['a'], ['b']])
  await appendAll(two, [['c']])
  cpSync(join(two, '2.log'), join(one, '2.log'))
  const { journal, records } = openJournal(one)
  t.same(idsOf(records), [
    [1, 'a'],
    [2, 'b'],
    [3, 'c'],
  ])
  t.equal(await journal.append([makeRecord('d')]), 4)
  await journal.close()
  t.same(idsOf(readJournal(one).records).at(-1), [4, 'd'])
})

t.test('a segment that has grown is followed by another', async t => {
  const folder = join(t.testdir(), 'journal')
  const { journal } = openJournal(folder)
  const large = 'x'.repeat(17 * 1024 * 1024)
  for (let i = 1; i <= 5; i += 1) t.equal(await journal.append([makeRecord(`${i}${large}`)]), i)
  await journal.close()
  t.same(readdirSync(folder), ['1.log', '2.log'])
  const { records, lastSeq, nextIndex } = readJournal(folder)
  t.same({ lastSeq, nextIndex }, { lastSeq: 5, nextIndex: 3 })
  t.same(
    records.map(({ seq, record }) => [seq, 'logId' in record && record.logId[0]]),
    [1, 2, 3, 4, 5].map(seq => [seq, `${seq}`]),
  )
})
