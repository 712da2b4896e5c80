import { randomBytes } from 'node:crypto'
import t from 'tap'
import { block, makeFrame, RAW, RUN } from '../../fixtures/pack/make-frame.js'
import { parseWhole } from '../../fixtures/pack/parse-whole.js'
import type { BlobKey } from '../../src/model/blob-key.js'
import { BatchJudge } from '../../src/pack/batch-judge.js'
import {
  BatchEncoder,
  type BatchPart,
  type EncodedBatch,
  encodeAsIs,
} from '../../src/pack/encode-batch.js'
import { encodePackStream } from '../../src/pack/encode-pack-stream.js'
import { MAX_FRAME_CONTENT } from '../../src/pack/format.js'
import { measureFrame } from '../../src/pack/measure-frame.js'
import { decodeFrame, loadZstd } from '../../src/pack/zstd.js'

const zstd = await loadZstd()

function keyOf(size: number): BlobKey {
  return { kind: 'blob', digest: `md5:${'0'.repeat(32)}`, size }
}

async function decodeText(frame: Buffer, size: number): Promise<string> {
  return Buffer.from(await decodeFrame(frame, keyOf(size))).toString()
}

/** The records of a batch, as the reader of a pack finds them. */
async function recordsIn(batch: EncodedBatch) {
  const { seen, error } = await parseWhole(encodePackStream([{ keys: [], ...batch }]))
  if (error) throw error
  return seen
}

async function encodingsOf(batch: EncodedBatch): Promise<number[]> {
  return (await recordsIn(batch)).map(({ header }) => header.encoding)
}

t.test('a frame comes back as it was, whatever its length', async t => {
  for (const size of [0, 1, 255, 256, 65_791, 65_792, 300_000, MAX_FRAME_CONTENT]) {
    for (const bytes of [randomBytes(size), Buffer.alloc(size, 'text ')]) {
      const frame = zstd.compress(bytes)
      t.same(measureFrame(frame), { length: frame.length, content: size })
      t.ok(bytes.equals(await decodeFrame(frame, keyOf(size))), `${size} bytes`)
    }
  }
})

t.test('frames of other programs are taken as far as they say what they hold', async t => {
  const hello = Buffer.from('hello')
  const one = makeFrame(0x20, [5], [[block(RAW, 5), hello]])
  t.equal(await decodeText(one, 5), 'hello')
  const runs: [number, Uint8Array][] = [
    [block(RAW, 5), hello],
    [block(RUN, 300), Buffer.from('!')],
  ]
  const windowed = makeFrame(0x40, [0, 49, 0], runs)
  t.equal(await decodeText(windowed, 305), `hello${'!'.repeat(300)}`)

  const silent = makeFrame(0x00, [0], [[block(RAW, 5), hello]])
  t.same(measureFrame(silent), { length: silent.length, content: null })
  await t.rejects(decodeFrame(silent, keyOf(5)), { code: 'BLOB_DAMAGED' }, 'no length')
  const dictionary = makeFrame(0x21, [7, 5], [[block(RAW, 5), hello]])
  await t.rejects(decodeFrame(dictionary, keyOf(5)), { code: 'BLOB_DAMAGED' }, 'a dictionary')
})

t.test('what is not one frame of the expected length is refused', async t => {
  const bytes = Buffer.alloc(1000, 'text ')
  const frame = Buffer.from(zstd.compress(bytes))
  const refuse = async (given: Buffer, why: string, size = 1000) =>
    t.rejects(decodeFrame(given, keyOf(size)), { code: 'BLOB_DAMAGED' }, why)
  await refuse(Buffer.concat([frame, frame]), 'two frames')
  await refuse(Buffer.concat([frame, Buffer.alloc(1)]), 'more after it')
  await refuse(frame.subarray(0, -1), 'cut')
  await refuse(Buffer.alloc(0), 'nothing')
  await refuse(bytes, 'not a frame')
  await refuse(frame, 'shorter than the key says', 1001)
  await refuse(frame, 'longer than the key says', 999)
  await refuse(makeFrame(0x20, [5], [[block(RAW, 4), Buffer.from('four')]]), 'it lies', 5)
  for (let at = 0; at < frame.length; at++) {
    const broken = Buffer.from(frame)
    broken.writeUInt8(broken.readUInt8(at) ^ 0x55, at)
    const plain = await decodeFrame(broken, keyOf(1000)).catch(error => error.code)
    t.ok(plain === 'BLOB_DAMAGED' || plain.length === 1000, `byte ${at}`)
  }
})

t.test('a bomb is refused before memory is taken for it', async t => {
  const bombs = {
    'one that says its length': Buffer.from(zstd.compress(Buffer.alloc(1 << 26))),
    'one that says less': makeFrame(
      0x20,
      [200],
      Array.from({ length: 1000 }, () => [block(RUN, (1 << 17) - 1), Buffer.alloc(1)]),
    ),
    'one that says 2^60': makeFrame(0xe0, [0, 0, 0, 0, 0, 0, 0, 16], [[RAW, Buffer.alloc(0)]]),
  }
  for (const [name, bomb] of Object.entries(bombs)) {
    const before = process.memoryUsage().rss
    for (const size of [200, measureFrame(bomb).content!]) {
      await t.rejects(decodeFrame(bomb, keyOf(size)), { code: 'BLOB_DAMAGED' }, name)
    }
    t.ok(process.memoryUsage().rss - before < 32 << 20, `${name}: memory`)
  }
})

t.test('records are compressed where it pays, and only there', async t => {
  const records = [
    Buffer.from('short'),
    Buffer.alloc(10_000, 'a line of text\n'),
    randomBytes(100_000),
    Buffer.concat([Buffer.alloc(50_000), randomBytes(100_000)]),
    Buffer.alloc(200_000, 'x'),
    Buffer.alloc(0),
  ]
  const keys = records.map(({ length }) => keyOf(length))
  const plain = new Uint8Array(Buffer.concat(records))
  const encoder = new BatchEncoder(zstd)
  const raw = encodeAsIs([{ keys, plain }])
  t.same(await encodingsOf({ encoded: raw, storedLength: 0 }), [0, 0, 0, 0, 0, 0])
  const parts: BatchPart[] = [{ keys, plain }, { encoded: Buffer.concat(raw) }]
  const batch = encoder.encode(parts)
  t.same(await encodingsOf(batch), [0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0])
  let stored = 0
  for (const [index, { header, bytes }] of (await recordsIn(batch)).entries()) {
    stored += header.storedLength
    const record = records[index % records.length]!
    const body = Buffer.from(bytes, 'hex')
    const whole = header.encoding === 0 ? body : zstd.decompress(body, record.length)
    t.ok(record.equals(whole), `record ${index}`)
  }
  t.equal(batch.storedLength, stored)
})

t.test('records that lie in a pack and do not compress stay where they are', async t => {
  const random = randomBytes(50_000)
  const encoder = new BatchEncoder(zstd)
  const parts = [{ keys: [keyOf(random.length)], plain: random }]
  const encoded = Buffer.concat(encodeAsIs(parts))
  const again = encoder.encode([{ encoded }])
  t.equal(again.encoded.length, 1)
  t.equal(again.encoded[0]!.buffer, encoded.buffer, 'they are not copied')
})

t.test('a batch is compressed if some of a few records in it pay', t => {
  const judge = new BatchJudge(zstd)
  const random = randomBytes(10_000)
  const text = Buffer.alloc(10_000, 'a line of text')
  const batchOf = (bodies: Buffer[]): BatchPart[] => {
    const keys = bodies.map(({ length }) => keyOf(length))
    const parts = [{ keys, plain: Buffer.concat(bodies) }]
    return [{ encoded: Buffer.concat(encodeAsIs(parts)) }]
  }
  const noise = Array<Buffer>(100).fill(random)
  t.equal(judge.pays(batchOf(Array(100).fill(text))), true)
  t.equal(judge.pays(batchOf(noise)), false)
  t.equal(judge.pays(batchOf([text])), true)
  t.equal(judge.pays([{ keys: [keyOf(10_000)], plain: text }]), true)
  for (let n = 0; n < 100; n++) judge.pays(batchOf(noise))
  t.equal(judge.pays(batchOf([...noise.slice(0, 50), ...Array<Buffer>(50).fill(text)])), true)
  t.equal(judge.pays([]), false)
  t.end()
})

t.test('after many that do not pay, it looks at few, and notices when that changes', async t => {
  const encoder = new BatchEncoder(zstd)
  const encode = (keys: BlobKey[], plain: Uint8Array) => encoder.encode([{ keys, plain }])
  const random = randomBytes(8000)
  for (let n = 0; n < 100; n++) encode([keyOf(random.length)], random)
  const text = Buffer.alloc(8000, 'text ')
  const texts = Buffer.concat(Array(20).fill(text))
  const encodings = await encodingsOf(encode(Array(20).fill(keyOf(text.length)), texts))
  t.ok(encodings.indexOf(1) < 8)
  t.notOk(encodings.slice(encodings.indexOf(1)).includes(0))
})

t.test('of the chunks of a file that does not compress, it looks at few', t => {
  let asked = 0
  const compress = (bytes: Uint8Array) => {
    asked += 1
    return zstd.compress(bytes)
  }
  const encoder = new BatchEncoder({ ...zstd, compress })
  const random = randomBytes(100_000)
  for (let n = 0; n < 1000; n++) t.equal(encoder.judge(random), false)
  t.ok(asked < 200, `${asked} of 1000`)
  const text = Buffer.alloc(100_000, 'text ')
  const judged = Array.from({ length: 20 }, () => encoder.judge(text))
  t.ok(judged.indexOf(true) < 8)
  t.notOk(judged.slice(judged.indexOf(true)).includes(false))
  t.end()
})
