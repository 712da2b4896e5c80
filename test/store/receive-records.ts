import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import type { BlobKey } from '../../src/model/blob-key.js'
import { encodePackStream, type WireRecord } from '../../src/pack/encode-pack-stream.js'
import { parsePackRuns } from '../../src/pack/parse-pack-stream.js'
import { locateBlobs } from '../../src/store/locate-blobs.js'
import { receiveRecords } from '../../src/store/receive-records.js'
import { openStore, type Store } from '../../src/store/store.js'
import { verifyStore } from '../../src/store/verify-store.js'

const xxh128 = await createHasher('xxh128')

function openHere(test: { testdir(): string; teardown(work: () => Promise<void>): void }): Store {
  const store = openStore(join(test.testdir(), 'store'))
  test.teardown(() => store.close())
  return store
}

/** Blobs of 50,000 random bytes; those of which `isLie` says so are not what they claim. */
function makeRecords(count: number, isLie: (index: number) => boolean = () => false): WireRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const body = randomBytes(50_000)
    const key: BlobKey = { kind: 'blob', digest: hashBytes(xxh128, body), size: body.length }
    if (isLie(index)) body[index] = body[index]! ^ 1
    return { key, storedLength: body.length, body }
  })
}

function receive(store: Store, records: WireRecord[]) {
  return receiveRecords(store, parsePackRuns(encodePackStream(records)))
}

t.test('every record is checked for itself', async t => {
  const store = openHere(t)
  const isLie = (index: number) => index % 50 === 7
  const records = makeRecords(300, isLie)
  const { stored, rejected, packs } = await receive(store, records)
  const lies = records.filter((_, index) => isLie(index))
  t.equal(stored, 300 - lies.length)
  t.same(
    rejected.map(({ key, error }) => [key.digest, error.code]),
    lies.map(({ key }) => [key.digest, 'BLOB_DAMAGED']),
    'in the order in which they came',
  )
  t.equal(packs.length, 1)
  const places = await locateBlobs(
    store,
    records.map(({ key }) => key),
  )
  t.same(
    places.map(place => place !== null),
    records.map((_, index) => !isLie(index)),
  )
  t.same((await verifyStore(store)).problems, [])

  const again = await receive(store, records)
  t.match(again, { stored: 300 - lies.length, packs: [] }, 'what is here is not kept twice')
})

t.test('several senders at once are told of their own records', async t => {
  const store = openHere(t)
  const senders = Array.from({ length: 6 }, (_, index) => makeRecords(60, at => at === index))
  const results = await Promise.all(senders.map(records => receive(store, records)))
  for (const [index, { stored, rejected }] of results.entries()) {
    t.equal(stored, 59)
    t.match(rejected, [{ key: senders[index]![index]!.key }])
  }
  t.same((await verifyStore(store)).problems, [])
})

t.test('a sender that lies too often is not listened to any more', async t => {
  const store = openHere(t)
  const [record] = makeRecords(1, () => true)
  await t.rejects(receive(store, Array<WireRecord>(1100).fill(record!)), { code: 'PACK_INVALID' })
  const { stored } = await receive(store, makeRecords(100))
  t.equal(stored, 100, 'others are')
})
