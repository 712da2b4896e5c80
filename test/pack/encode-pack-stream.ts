import { Readable } from 'node:stream'
import t from 'tap'
import { chunks, collect } from '../../fixtures/pack/chunks.js'
import { parseWhole } from '../../fixtures/pack/parse-whole.js'
import { digestOf } from '../../fixtures/pack/small-records.js'
import { layOutRecords } from '../../src/pack/encode-batch.js'
import { encodePackStream, type WireRecord } from '../../src/pack/encode-pack-stream.js'

t.test('many small records go out in few chunks', async t => {
  const body = Buffer.alloc(20, 'x')
  const key = { kind: 'blob', digest: digestOf('md5', body), size: 20 } as const
  const record = { key, storedLength: 20, body }
  const lengths: number[] = []
  const parts: Uint8Array[] = []
  for await (const part of encodePackStream(Array<WireRecord>(50_000).fill(record))) {
    lengths.push(part.length)
    parts.push(part)
  }
  t.ok(lengths.slice(0, -1).every(length => length >= 128 << 10 && length < 256 << 10))
  t.equal(lengths.length, Math.ceil((50_000 * 68 + 96) / (128 << 10)))
  const { seen, error } = await parseWhole(Readable.from(parts))
  t.equal(error, null)
  t.equal(seen.length, 50_000)
})

t.test('long bodies go out as they are', async t => {
  const long = Buffer.alloc(1 << 20, 'long')
  const key = { kind: 'blob', digest: digestOf('md5', long), size: long.length } as const
  const parts: Uint8Array[] = []
  const records = [
    { key, storedLength: long.length, body: long },
    { key, storedLength: long.length, body: chunks(long, { every: 200_000 }) },
    { key, storedLength: long.length, body: chunks(long, { every: 1000 }) },
  ]
  for await (const part of encodePackStream(records)) parts.push(part)
  t.ok(parts.includes(long))
  const { seen, error } = await parseWhole(Readable.from(parts))
  t.equal(error, null)
  t.ok(seen.every(({ bytes }) => bytes === long.toString('hex')))
  t.equal(seen.length, 3)
})

t.test('a body of another length cuts the pack', async t => {
  const key = { kind: 'blob', digest: digestOf('md5', 'hello'), size: 5 } as const
  const body = Buffer.from('hello')
  for (const storedLength of [4, 6, 0]) {
    for (const given of [body, chunks(body, { every: 2 })]) {
      await t.rejects(collect(encodePackStream([{ key, storedLength, body: given }])), {
        code: 'BLOB_DAMAGED',
        details: { kind: 'blob', digest: key.digest },
      })
    }
  }
})

t.test('records are laid out around bytes that come later', async t => {
  const texts = ['one', ' and ', 'two']
  const keys = texts.map(text => {
    return { kind: 'blob', digest: digestOf('md5', text), size: text.length } as const
  })
  const { encoded, bodies, seal } = layOutRecords(keys, Buffer.alloc(1000, 'x'))
  for (const [index, text] of texts.entries()) bodies[index]!.write(text)
  seal()
  const run = { keys, storedLength: 10, encoded: [encoded] }
  const { seen, error } = await parseWhole(encodePackStream([run]))
  t.equal(error, null)
  t.same(
    seen.map(({ bytes }) => Buffer.from(bytes, 'hex').toString()),
    texts,
  )
})

t.test('what was given out may be written over once the next is asked for', async t => {
  const memory = Buffer.alloc(200_000)
  const lengths = [5, 40_000, 100_000, 70, 31_000, 31_000, 31_000, 31_000, 31_000, 31_000, 3]
  async function* items() {
    for (const [index, length] of lengths.entries()) {
      const body = Buffer.alloc(length, `${index}`)
      const key = { kind: 'blob', digest: digestOf('md5', body), size: length } as const
      const layout = layOutRecords([key], memory)
      layout.bodies[0]!.set(body)
      layout.seal()
      yield { keys: [key], storedLength: length, encoded: [layout.encoded] }
      memory.fill('x')
    }
  }
  const parts: Buffer[] = []
  for await (const part of encodePackStream(items())) parts.push(Buffer.from(part))
  const { seen, error } = await parseWhole(Readable.from(parts))
  t.equal(error, null)
  seen.forEach(({ bytes }, index) => {
    t.ok(Buffer.from(bytes, 'hex').equals(Buffer.alloc(lengths[index]!, `${index}`)), `${index}`)
  })
  t.equal(seen.length, lengths.length)
})
