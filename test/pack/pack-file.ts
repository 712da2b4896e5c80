import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { writeSmallPack } from '../../fixtures/golden/small-pack.js'
import { digestOf, makeRecord, smallRecords } from '../../fixtures/pack/small-records.js'
import { systemCode } from '../../src/errors.js'
import { type PackedRecord, RECORD_HEADER_BYTES, recordLength } from '../../src/pack/format.js'
import { PackWriter } from '../../src/pack/pack-writer.js'
import { readPackIndex } from '../../src/pack/read-pack-index.js'
import { readRecord } from '../../src/pack/read-record.js'

const header = { packId: '0123456789abcdef', storeId: '00112233445566778899aabbccddeeff' }
const golden = readFileSync(new URL('../../../fixtures/golden/small.pack', import.meta.url))

const byOffset = (records: PackedRecord[]) => records.toSorted((a, b) => a.offset - b.offset)
const endOf = ({ key, offset, storedLength }: PackedRecord) =>
  offset + recordLength({ digest: key.digest, storedLength })

function failureOf(work: () => unknown): string | undefined {
  try {
    work()
  } catch (error) {
    return systemCode(error)
  }
}

function readAll(path: string, records: PackedRecord[]): Buffer[] {
  const fd = openSync(path, 'r')
  try {
    return records.map(record => readRecord(fd, record))
  } finally {
    closeSync(fd)
  }
}

t.test('records come back as they were appended', async t => {
  const path = join(t.testdir(), 'new.pack')
  const writer = new PackWriter(path, header)
  const given = smallRecords()
  const offsets = given.map(record => writer.append(record))
  t.equal(offsets[0], 64)
  t.equal(writer.count, 6)
  t.equal(
    writer.plainBytes,
    given.reduce((sum, record) => sum + record.plainLength, 0),
  )
  const { size } = writer
  const summary = await writer.finish()
  t.same(summary, { packId: header.packId, size: statSync(path).size, count: 6 })
  t.ok(summary.size > size)
  t.equal(statSync(path).mode & 0o777, 0o444)

  const index = readPackIndex(path)
  t.match(index, { ...header, complete: true })
  const records = byOffset(index.records)
  t.same(
    records,
    given.map(({ kind, digest, plainLength, encoding = 0, bytes }, i) => ({
      key: { kind, digest, size: plainLength },
      encoding,
      offset: offsets[i],
      storedLength: bytes.length,
    })),
  )
  t.equal(endOf(records[5] as PackedRecord), size)
  t.same(
    readAll(path, records),
    given.map(({ bytes }) => bytes),
  )
  t.same(
    index.records.map(({ key }) => `${key.kind} ${key.digest.slice(0, 8)}`),
    [
      'blob xxh128:9',
      'blob xxh128:b',
      'blob md5:5d41',
      'blob sha256:4',
      'piece xxh128:c',
      'recipe sha256:4',
    ],
  )
})

t.test('a pack is written as the golden file says', async t => {
  const path = join(t.testdir(), 'small.pack')
  await writeSmallPack(path)
  t.equal(readFileSync(path, 'hex'), golden.toString('hex'))
})

t.test('a pack may hold nothing', async t => {
  const path = join(t.testdir(), 'empty.pack')
  await new PackWriter(path, header).finish()
  t.same(readPackIndex(path), { ...header, records: [], complete: true })
})

t.test('bytes longer than the buffer go out between short ones', async t => {
  const path = join(t.testdir(), 'long.pack')
  const writer = new PackWriter(path, header)
  const lengths = [3, 1 << 20, (1 << 20) - 48, 3_000_001, 0, (1 << 20) + 1, 700_000, 700_000]
  const given = lengths.map((length, i) => {
    const bytes = Buffer.alloc(length, `record ${i}`)
    return makeRecord('blob', bytes, digestOf('md5', `${i}`))
  })
  for (const record of given) writer.append(record)
  await writer.finish()
  const { records } = readPackIndex(path)
  const read = readAll(path, byOffset(records))
  t.ok(read.every((bytes, i) => bytes.equals(given[i]?.bytes as Buffer)))
  t.equal(read.length, given.length)

  const cut = join(t.testdirName, 'cut.pack')
  writeFileSync(cut, readFileSync(path).subarray(0, -1))
  t.same(readPackIndex(cut), { ...header, records, complete: true }, 'a scan finds them too')
})

t.test('100,000 records', async t => {
  const path = join(t.testdir(), 'many.pack')
  const writer = new PackWriter(path, header)
  for (let i = 0; i < 100_000; i++) {
    writer.append(makeRecord('blob', `content ${i}`, digestOf('md5', `content ${i}`)))
  }
  const { size } = writer
  await writer.finish()
  const index = readPackIndex(path)
  t.equal(index.complete, true)
  const read = readAll(path, index.records)
  const right = index.records.filter(
    ({ key }, i) => digestOf('md5', read[i] as Buffer) === key.digest,
  )
  t.equal(new Set(right.map(({ key }) => key.digest)).size, 100_000)

  const cut = join(t.testdirName, 'cut.pack')
  writeFileSync(cut, readFileSync(path).subarray(0, size))
  const scanned = readPackIndex(cut)
  t.equal(scanned.complete, false)
  t.ok(JSON.stringify(scanned.records) === JSON.stringify(index.records), 'a scan finds the same')
})

t.test('a pack cut anywhere still has the records before the cut', async t => {
  const dir = t.testdir({ 'whole.pack': golden })
  const path = join(dir, 'cut.pack')
  const { records } = readPackIndex(join(dir, 'whole.pack'))
  const indexAt = Math.max(...records.map(endOf))
  for (let length = 0; length < golden.length; length++) {
    writeFileSync(path, golden.subarray(0, length))
    if (length < 64) {
      t.throws(() => readPackIndex(path), { code: 'PACK_INVALID', details: { path } })
      continue
    }
    t.same(
      readPackIndex(path),
      {
        ...header,
        records: records.filter(record => endOf(record) <= length),
        complete: length >= indexAt + RECORD_HEADER_BYTES,
      },
      `${length} bytes`,
    )
  }
})

t.test('no flipped bit passes', async t => {
  const dir = t.testdir({ 'whole.pack': golden })
  const path = join(dir, 'flipped.pack')
  const { records } = readPackIndex(join(dir, 'whole.pack'))
  const contents = readAll(join(dir, 'whole.pack'), records)
  const indexAt = Math.max(...records.map(endOf))
  const passed: number[] = []
  for (let bit = 64 * 8; bit < golden.length * 8; bit++) {
    const at = bit >> 3
    const bytes = Buffer.from(golden)
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (bit & 7)), at)
    writeFileSync(path, bytes)
    // The list is whole, and only the record that the bit lies in cannot be read.
    const complete = at < indexAt || at >= indexAt + RECORD_HEADER_BYTES
    const listed = isDeepStrictEqual(readPackIndex(path), { ...header, records, complete })
    const fd = openSync(path, 'r')
    const right = records.every((record, i) =>
      record.offset <= at && at < endOf(record)
        ? failureOf(() => readRecord(fd, record)) === 'BLOB_DAMAGED'
        : readRecord(fd, record).equals(contents[i] as Buffer),
    )
    closeSync(fd)
    if (!listed || !right) passed.push(bit)
  }
  t.same(passed, [])
})

t.test('a damaged record ends a scan', async t => {
  const dir = t.testdir({ 'whole.pack': golden })
  const path = join(dir, 'damaged.pack')
  const { records } = readPackIndex(join(dir, 'whole.pack'))
  for (let at = 64; at < Math.max(...records.map(endOf)); at++) {
    const bytes = Buffer.from(golden.subarray(0, -1))
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
    writeFileSync(path, bytes)
    const before = records.filter(record => endOf(record) <= at)
    t.same(readPackIndex(path), { ...header, records: before, complete: false }, `byte ${at}`)
  }
})

t.test('a location that is not right finds no bytes', async t => {
  const dir = t.testdir({ 'whole.pack': golden })
  const path = join(dir, 'whole.pack')
  const hello = readPackIndex(path).records[1] as PackedRecord
  const { key } = hello
  const wrong: Record<string, PackedRecord> = {
    'another kind': { ...hello, key: { ...key, kind: 'piece' } },
    'another digest': { ...hello, key: { ...key, digest: digestOf('md5', 'hello') } },
    'another size': { ...hello, key: { ...key, size: 6 } },
    'another stored length': { ...hello, storedLength: 4 },
    'another encoding': { ...hello, encoding: 1 },
    'another offset': { ...hello, offset: hello.offset + 1 },
    'beyond the end': { ...hello, offset: golden.length },
    'longer than any memory': { ...hello, storedLength: 2 ** 50 },
  }
  for (const [what, record] of Object.entries(wrong)) {
    t.throws(() => readAll(path, [record]), { code: 'BLOB_DAMAGED' }, what)
  }
  t.same(readAll(path, [hello]).map(String), ['hello'])
  t.throws(() => readRecord(-1, hello), Error)
})

t.test('a pack is never written over, and ends once', async t => {
  const path = join(t.testdir({ taken: 'x' }), 'new.pack')
  t.throws(() => new PackWriter(join(t.testdirName, 'taken'), header), {
    code: 'STORE_FAILED',
    details: { system: 'EEXIST' },
  })
  t.equal(readFileSync(join(t.testdirName, 'taken'), 'utf8'), 'x')
  t.throws(() => new PackWriter(path, { ...header, packId: 'no' }), TypeError)
  t.notOk(existsSync(path))

  const record = makeRecord('blob', 'hello', digestOf('md5', 'hello'))
  const writer = new PackWriter(path, header)
  t.throws(() => writer.append({ ...record, plainLength: 6 }), TypeError)
  t.throws(() => writer.append({ ...record, encoding: 1, plainLength: -1 }), TypeError)
  writer.append(record)
  await writer.finish()
  t.throws(() => writer.append(record), TypeError)
  await t.rejects(writer.finish(), TypeError)
  await writer.abandon()
  t.same(readAll(path, readPackIndex(path).records).map(String), ['hello'])

  const other = join(t.testdirName, 'other.pack')
  const abandoned = new PackWriter(other, header)
  abandoned.append(record)
  await Promise.all([abandoned.abandon(), abandoned.abandon()])
  t.notOk(existsSync(other))
  t.throws(() => abandoned.append(record), TypeError)
})

t.test('once a write failed behind their back, all calls throw', async t => {
  const path = join(t.testdir(), 'full.pack')
  const script = `
    import { PackWriter } from ${JSON.stringify(new URL('../../src/pack/pack-writer.js', import.meta.url))}
    process.on('SIGXFSZ', () => {})
    const writer = new PackWriter(process.argv[1], ${JSON.stringify(header)})
    const bytes = Buffer.alloc(3 << 20)
    const digest = 'md5:' + '0'.repeat(32)
    const append = () => writer.append({ kind: 'blob', digest, plainLength: bytes.length, bytes })
    const codes = []
    for (const call of [...Array(8).fill(append), () => writer.finish()]) {
      await writer.idle()
      try { await call(); codes.push('done') } catch (error) { codes.push(error.code) }
    }
    await writer.abandon()
    console.log(JSON.stringify(codes))
  `
  const node = [process.execPath, '--input-type=module', '-e', script, path]
  const child = spawnSync('bash', ['-c', 'ulimit -f 1024; exec "$@"', 'bash', ...node])
  const codes = JSON.parse(String(child.stdout))
  const failed = codes.indexOf('STORE_FAILED')
  t.ok(failed >= 1 && failed < 8, `told of it by an append: ${codes}`)
  t.same(codes.slice(failed), Array(9 - failed).fill('STORE_FAILED'))
  t.notOk(existsSync(path))
})

t.test('a file that is no pack, and one that is not there', async t => {
  const dir = t.testdir({ text: 'not a pack, but longer than the header of one: '.repeat(3) })
  const path = join(dir, 'text')
  t.throws(() => readPackIndex(path), { code: 'PACK_INVALID', details: { path } })
  t.throws(() => readPackIndex(join(dir, 'nothing')), { code: 'ENOENT' })
})
