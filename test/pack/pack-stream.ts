import { readFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { isDeepStrictEqual } from 'node:util'
import { crc32 } from 'node:zlib'
import t from 'tap'
import { chunks, collect } from '../../fixtures/pack/chunks.js'
import { parseWhole, type SeenRecord } from '../../fixtures/pack/parse-whole.js'
import { digestOf, smallRecords } from '../../fixtures/pack/small-records.js'
import { isArtifactError } from '../../src/errors.js'
import { encodePackStream, type WireRecord } from '../../src/pack/encode-pack-stream.js'
import {
  encodePackHeader,
  encodeRecordHeader,
  NO_PACK_ID,
  NO_STORE_ID,
  recordLength,
} from '../../src/pack/format.js'
import { bodyOf, parsePackRuns, parsePackStream } from '../../src/pack/parse-pack-stream.js'

const stored = readFileSync(new URL('../../../fixtures/golden/small.pack', import.meta.url))
const given = smallRecords()
const wireRecords = given.map(
  ({ kind, digest, plainLength, encoding, bytes }): WireRecord => ({
    key: { kind, digest, size: plainLength },
    encoding,
    storedLength: bytes.length,
    body: bytes,
  }),
)
const wire = await collect(encodePackStream(wireRecords))

const expected: SeenRecord[] = given.map(({ kind, digest, plainLength, encoding = 0, bytes }) => ({
  header: { kind, digest, plainLength, encoding, storedLength: bytes.length },
  bytes: Buffer.from(bytes).toString('hex'),
}))

t.test('a wire pack comes back as it was written', async t => {
  t.same(await parseWhole(chunks(wire)), { seen: expected, error: null })
  t.equal(wire.toString('hex', 16, 24), NO_PACK_ID)
  t.equal(wire.toString('hex', 24, 40), NO_STORE_ID)
  t.ok(wire.subarray(64, -32).equals(stored.subarray(64, wire.length - 32)), 'records are alike')
})

t.test('a stored pack is read as a stream too', async t => {
  t.same(await parseWhole(chunks(stored)), { seen: expected, error: null })
  t.same(await parseWhole(chunks(stored, { every: 1 })), { seen: expected, error: null })
})

t.test('short records come in runs, and a source may use its memory again', async t => {
  async function* again(length: number) {
    const memory = Buffer.alloc(length)
    for (let at = 0; at < wire.length; at += length) {
      yield memory.subarray(0, wire.copy(memory, 0, at, at + length))
      memory.fill(0)
    }
  }
  for (const length of [wire.length, 1000, 100, 7]) {
    const seen: SeenRecord[] = []
    let runs = 0
    for await (const item of parsePackRuns(again(length))) {
      if ('body' in item) throw new Error('a record came by itself')
      runs += 1
      for (const record of item.records) {
        const { header, start, end } = record
        seen.push({ header, bytes: bodyOf(item.bytes, record).toString('hex') })
        t.ok(wire.includes(item.bytes.subarray(start, end)), 'as it was written')
      }
    }
    t.same(seen, expected)
    if (length === wire.length) t.equal(runs, 1)
    const error = { code: 'PACK_INVALID' }
    const lone = Buffer.from(wire)
    lone[64 + 28 + 32 + 5]! ^= 1
    const first = await parsePackRuns(chunks(lone, { every: length })).next()
    if (!first.value || !('body' in first.value)) throw new Error('a damaged record is in a run')
    await t.rejects(collect(first.value.body), error)
  }
})

t.test('a pack may hold nothing', async t => {
  const empty = await collect(encodePackStream([]))
  t.equal(empty.length, 64 + 32)
  t.same(await parseWhole(chunks(empty)), { seen: [], error: null })
})

t.test('chunks may be cut anywhere', async t => {
  for (let at = 0; at <= wire.length; at++) {
    t.same(
      await parseWhole(chunks(wire, { at: [at] })),
      { seen: expected, error: null },
      `at ${at}`,
    )
  }
  for (const every of [1, 2, 3, 7, 64]) {
    for (const maxBuffered of [0, 100, 1000]) {
      const result = await parseWhole(chunks(wire, { every }), { maxBuffered })
      t.same(result, { seen: expected, error: null }, `every ${every}, ${maxBuffered} buffered`)
    }
  }
})

t.test('a stream that ends early is cut, and what came whole counts', async t => {
  let end = 64
  const ends = expected.map(({ header }) => {
    end += recordLength(header)
    return end
  })
  for (let length = 0; length < wire.length; length++) {
    const { seen, error } = await parseWhole(chunks(wire.subarray(0, length)))
    t.match(error, { code: 'PACK_INVALID', details: { offset: length } }, `${length} bytes`)
    t.same(seen, expected.slice(0, ends.filter(end => end <= length).length), `${length} bytes`)
  }
})

t.test('no flipped bit passes', async t => {
  for (const pack of [wire, stored]) {
    const passed: number[] = []
    for (let bit = 0; bit < pack.length * 8; bit++) {
      const bytes = Buffer.from(pack)
      bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      const { seen, error } = await parseWhole(chunks(bytes))
      const sound = isDeepStrictEqual(seen, expected.slice(0, seen.length))
      if (error === null || !sound) passed.push(bit)
    }
    t.same(passed, [])
  }
})

t.test('bytes after the end are refused', async t => {
  for (const pack of [wire, stored]) {
    const { seen, error } = await parseWhole(chunks(Buffer.concat([pack, Buffer.alloc(1)])))
    t.same(seen, expected)
    t.match(error, { code: 'PACK_INVALID', details: { offset: pack.length } })
  }
})

t.test('a pack of a newer sender is refused as a pack, not as a store', async t => {
  const bytes = Buffer.from(wire)
  bytes.writeUInt16LE(2, 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60)
  const { error } = await parseWhole(chunks(bytes))
  t.match(error, { code: 'PACK_INVALID', details: { version: 2, offset: 0 } })
})

t.test('bodies that nobody reads are checked all the same', async t => {
  const kinds: string[] = []
  for await (const { header } of parsePackStream(chunks(wire, { every: 50 }))) {
    kinds.push(header.kind)
  }
  t.same(
    kinds,
    given.map(({ kind }) => kind),
  )

  const halves: number[] = []
  const source = chunks(wire, { every: 50 })
  for await (const { body } of parsePackStream(source, { maxBuffered: 0 })) {
    for await (const part of body) {
      halves.push(part.length)
      break
    }
  }
  t.equal(halves.length, 5, 'all but the empty one')

  const bytes = Buffer.from(wire)
  bytes.writeUInt8(bytes.readUInt8(64 + 28 + 32 + 5) ^ 1, 64 + 28 + 32 + 5)
  const records = parsePackStream(chunks(bytes))
  t.match(await records.next(), { done: false })
  await t.rejects(records.next(), { code: 'PACK_INVALID' })
})

t.test('after a damaged body the caller may go on', async t => {
  const bytes = Buffer.from(wire)
  bytes.writeUInt8(bytes.readUInt8(64 + 28 + 32 + 5) ^ 1, 64 + 28 + 32 + 5)
  const results: string[] = []
  for await (const { header, body } of parsePackStream(chunks(bytes, { every: 10 }))) {
    try {
      await collect(body)
      results.push(`${header.kind} kept`)
    } catch (error) {
      if (!isArtifactError(error, 'PACK_INVALID')) throw error
      results.push(`${header.kind} refused`)
    }
  }
  t.same(results, ['recipe refused', 'piece kept', ...Array(4).fill('blob kept')])
})

t.test('a body is read once, and in its turn', async t => {
  const records = parsePackStream(chunks(wire))
  const first = (await records.next()).value as { body: AsyncIterable<Uint8Array> }
  await collect(first.body)
  await t.rejects(collect(first.body), TypeError)
  const second = (await records.next()).value as { body: AsyncIterable<Uint8Array> }
  await records.next()
  await t.rejects(collect(second.body), TypeError)
  await records.return()
})

t.test('a small record comes as one part, without a copy where one chunk has it', async t => {
  for await (const { header, body } of parsePackStream(chunks(wire))) {
    for await (const part of body) {
      t.equal(part.length, header.storedLength)
      t.equal(part.buffer, wire.buffer)
    }
  }
  for await (const { header, body } of parsePackStream(chunks(wire, { every: 9 }))) {
    for await (const part of body) t.equal(part.length, header.storedLength)
  }
})

t.test('memory is not taken for what a pack claims', async t => {
  for (const storedLength of [1 << 30, 2 ** 33, Number.MAX_SAFE_INTEGER]) {
    const header = encodeRecordHeader({
      kind: 'blob',
      digest: digestOf('md5', ''),
      encoding: 0,
      plainLength: storedLength,
      storedLength,
    })
    const bytes = Buffer.concat([encodePackHeader(), header, Buffer.alloc(1000)])
    for (const maxBuffered of [0, Number.MAX_SAFE_INTEGER]) {
      const before = process.memoryUsage().arrayBuffers
      let grown = 0
      await t.rejects(
        async () => {
          for await (const { body } of parsePackStream(chunks(bytes), { maxBuffered })) {
            try {
              await collect(body)
            } finally {
              grown = process.memoryUsage().arrayBuffers - before
            }
          }
        },
        { code: 'PACK_INVALID' },
      )
      t.ok(grown < 10 << 20, `${grown} bytes for a claim of ${storedLength}`)
    }
  }
})

t.test('the source is closed when the caller stops, and read to its end when not', async t => {
  let closed = 0
  async function* source() {
    try {
      yield* chunks(wire, { every: 100 })
    } finally {
      closed++
    }
  }
  for await (const { header } of parsePackStream(source())) {
    t.equal(header.kind, 'recipe')
    break
  }
  t.equal(closed, 1)
  await parseWhole(source())
  t.equal(closed, 2)
})

t.test('a request that carries a pack can be answered', async t => {
  const server = createServer(async (incoming, response) => {
    const { seen } = await parseWhole(incoming)
    response.end(String(seen.length))
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const outgoing = request({ host: '127.0.0.1', port, method: 'POST', agent: false })
  const answered = new Promise<Readable>(resolve => outgoing.once('response', resolve))
  const records = Array(300).fill(wireRecords[0])
  await pipeline(Readable.from(encodePackStream(records)), outgoing)
  t.equal(String(await collect(await answered)), '300')
})

t.test('what is no stream of bytes is a mistake of the caller', async t => {
  const text = Readable.from(['some text']) as AsyncIterable<Uint8Array>
  await t.rejects(parseWhole(text), TypeError)
})
