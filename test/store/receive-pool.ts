import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import type { BlobKey } from '../../src/model/blob-key.js'
import { encodePackStream, type WireRecord } from '../../src/pack/encode-pack-stream.js'
import { locateBlobs } from '../../src/store/locate-blobs.js'
import { ReceivePool } from '../../src/store/receive-pool.js'
import { openStore } from '../../src/store/store.js'
import { verifyStore } from '../../src/store/verify-store.js'

const xxh128 = await createHasher('xxh128')

function openPool(t: Test) {
  const store = openStore(`${t.testdir()}/store`)
  const pool = new ReceivePool(store)
  t.teardown(async () => {
    await pool.close()
    await store.close()
  })
  const countHere = async (records: WireRecord[]) => {
    const places = await locateBlobs(
      store,
      records.map(({ key }) => key),
    )
    return places.filter(place => place !== null).length
  }
  return { store, pool, countHere }
}

function makeRecords(count: number): WireRecord[] {
  return Array.from({ length: count }, () => {
    const body = randomBytes(20_000)
    const key: BlobKey = { kind: 'blob', digest: hashBytes(xxh128, body), size: body.length }
    return { key, storedLength: body.length, body }
  })
}

/** The bytes of a pack in parts of other lengths than the records have. */
async function* inParts(records: WireRecord[], length = 16_384) {
  for await (const part of encodePackStream(records)) {
    for (let at = 0; at < part.length; at += length) {
      yield new Uint8Array(part.subarray(at, at + length))
    }
  }
}

t.test('packs of any length, several at once, are kept as they came', async t => {
  const { store, pool, countHere } = openPool(t)
  const packs = [1, 5, 60, 300, 400, 500].map(makeRecords)
  const received = await Promise.all(packs.map(records => pool.receive(inParts(records))))
  t.same(
    received.map(({ stored, rejected }) => [stored, rejected]),
    packs.map(records => [records.length, []]),
  )
  t.equal(await countHere(packs.flat()), 1266)
  t.same((await verifyStore(store)).problems, [])
  t.match(await pool.receive(inParts(packs[3]!)), { stored: 300, packs: [] }, 'once')
})

t.test('a wrong record is told with its code, and the others are kept', async t => {
  const { pool, countHere } = openPool(t)
  const records = makeRecords(200)
  const bytes = Buffer.from(records[150]!.body as Uint8Array)
  bytes[3]! ^= 1
  const sent = records.with(150, { ...records[150]!, body: bytes })
  const { stored, rejected } = await pool.receive(inParts(sent))
  t.equal(stored, 199)
  t.match(rejected, [{ key: records[150]!.key, error: { code: 'BLOB_DAMAGED' } }])
  t.equal(await countHere(records), 199)
})

for (const [what, whole] of [
  ['short', 20],
  ['long', 200],
] as const) {
  t.test(`of a ${what} pack that is cut, what came whole is kept`, async t => {
    const { pool, countHere } = openPool(t)
    const records = makeRecords(whole + 10)
    const length = whole * 20_060
    async function* cut() {
      let sent = 0
      for await (const part of inParts(records)) {
        yield part.subarray(0, length - sent)
        sent += part.length
        if (sent >= length) return
      }
    }
    await t.rejects(pool.receive(cut()), { code: 'PACK_INVALID' })
    t.equal(await countHere(records), whole)
  })
}

t.test('a source that breaks is told as what it is', async t => {
  const { pool, countHere } = openPool(t)
  const records = makeRecords(300)
  const error = Object.assign(new Error('the source broke'), { code: 'ECONNRESET' })
  let parts = 0
  async function* source() {
    for await (const part of inParts(records)) {
      parts += 1
      if (parts > 200) throw error
      yield part
    }
  }
  await t.rejects(pool.receive(source()), { code: 'STORE_FAILED', message: /the source broke/ })
  const here = await countHere(records)
  t.ok(here > 100 && here < 300, `${here} records came before`)
})
