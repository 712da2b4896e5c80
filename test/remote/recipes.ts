import t from 'tap'
import { seededBytes } from '../../fixtures/seeded-bytes.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { damageBlob } from '../../fixtures/store/damage-blob.js'
import { MAX_CHUNK, MIN_CHUNK } from '../../src/chunk/find-cut.js'
import { encodeChunks } from '../../src/chunk/recipe.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import type { BlobKey } from '../../src/model/blob-key.js'
import type { WireRecord } from '../../src/pack/encode-pack-stream.js'
import { splitRuns } from '../../src/pack/parse-pack-stream.js'
import { loadZstd } from '../../src/pack/zstd.js'
import { locateBlobs } from '../../src/store/locate-blobs.js'
import { quarantineKeys } from '../../src/store/quarantine.js'

const hasher = await createHasher('xxh128')

const blobOf = (bytes: Buffer): BlobKey => {
  return { kind: 'blob', digest: hashBytes(hasher, bytes), size: bytes.length }
}

function wire(key: BlobKey, body: Buffer, more: Partial<WireRecord> = {}): WireRecord {
  return { key, storedLength: body.length, body, ...more }
}

const parts = [MIN_CHUNK, MAX_CHUNK, 100_000, 77].map((size, n) => seededBytes(`part ${n}`, size))
const whole = Buffer.concat(parts)
const chunks = parts.map(part => wire(blobOf(part), part))
const recipeKey: BlobKey = { ...blobOf(whole), kind: 'recipe' }
const rows = encodeChunks(parts.map(blobOf))

async function openRemote(test: Parameters<typeof serveStores>[0]) {
  const { served, remote } = await serveStores(test)
  const send = (...records: WireRecord[]) =>
    remote.send('default', async function* () {
      yield* records
    })
  const isHere = async () => {
    const [place] = await locateBlobs(served, [blobOf(whole)])
    return place !== null
  }
  const fetchWhole = async () => {
    const found: Buffer[] = []
    for await (const { body } of splitRuns(remote.fetch('default', [blobOf(whole)]))) {
      for await (const part of body) found.push(Buffer.from(part))
    }
    return Buffer.concat(found)
  }
  return { served, remote, send, isHere, fetchWhole }
}

t.test('a recipe makes a blob of chunks that come with it', async t => {
  const { remote, send, isHere, fetchWhole } = await openRemote(t)
  t.same(await send(...chunks, wire(recipeKey, rows)), { stored: 5, rejected: [] })
  t.ok(await isHere())
  t.same(await remote.listMissing('default', [blobOf(whole), recipeKey, ...parts.map(blobOf)]), [])
  t.ok((await fetchWhole()).equals(whole), 'who asks for the blob gets it whole')
  t.same(await send(wire(recipeKey, rows)), { stored: 1, rejected: [] }, 'again')
})

t.test('a recipe makes a blob of chunks that are there, in whatever order they came', async t => {
  const { send, isHere, fetchWhole } = await openRemote(t)
  const [one, two, three, four] = chunks
  await send(three!, one!)
  t.notOk(await isHere())
  t.same(await send(four!, two!, wire(recipeKey, rows)), { stored: 3, rejected: [] })
  t.ok((await fetchWhole()).equals(whole))
})

t.test('a recipe that does not make its blob is refused, and its chunks are kept', async t => {
  const { remote, send, isHere } = await openRemote(t)
  const [one, two, three, four] = parts.map(blobOf)
  const lie = (key: BlobKey, size: number) => ({ ...key, size })
  const other = blobOf(seededBytes('other', 100_000))
  const zstd = await loadZstd()
  const many = Buffer.concat(Array(9000).fill(encodeChunks([lie(one!, 1)])))
  const refused: Record<string, WireRecord> = {
    'a chunk is not there': wire(recipeKey, encodeChunks([one!, two!, other, four!])),
    'chunks in another order': wire(recipeKey, encodeChunks([two!, one!, three!, four!])),
    'chunks of another length': wire(
      recipeKey,
      encodeChunks([lie(one!, one!.size + 1), lie(two!, two!.size - 1), three!, four!]),
    ),
    'lengths that do not add up': wire(recipeKey, encodeChunks([one!, two!, three!])),
    'a short chunk in the middle': wire(recipeKey, encodeChunks([one!, two!, four!, three!])),
    'a long chunk': wire(recipeKey, encodeChunks([lie(one!, whole.length)])),
    'an empty chunk': wire(recipeKey, encodeChunks([one!, two!, three!, four!, lie(one!, 0)])),
    'a cut row': wire(recipeKey, rows.subarray(0, -1)),
    'no rows': wire(recipeKey, Buffer.alloc(0)),
    'more rows than such a blob has': wire(recipeKey, many),
    'it is compressed': wire(recipeKey, Buffer.from(zstd.compress(rows)), { encoding: 1 }),
    'a small blob': wire({ ...blobOf(parts[0]!), kind: 'recipe' }, encodeChunks([one!])),
    'a blob of 2^50 bytes': wire({ ...recipeKey, size: 2 ** 50 }, rows),
    'the digest is of other bytes': wire({ ...recipeKey, digest: other.digest }, rows),
  }
  for (const [name, record] of Object.entries(refused)) {
    const { rejected } = await send(...chunks, record)
    t.match(rejected, [{ key: record.key, error: { code: /^(RECIPE|PACK)_INVALID$/ } }], name)
    t.notOk(await isHere(), name)
  }
  t.same(await remote.listMissing('default', parts.map(blobOf)), [])
  t.same(await send(wire(recipeKey, rows)), { stored: 1, rejected: [] })
})

t.test('a blob is missing as soon as one of its chunks is', async t => {
  const { served, remote, send, fetchWhole } = await openRemote(t)
  await send(...chunks, wire(recipeKey, rows))
  const lost = blobOf(parts[1]!)
  await damageBlob(served, lost.digest)
  t.same(await quarantineKeys(served, [lost]), [lost])
  const keys = [blobOf(whole), ...parts.map(blobOf)]
  t.same(await remote.listMissing('default', keys), [0, 2])
  await send(chunks[1]!, wire(recipeKey, rows))
  t.same(await remote.listMissing('default', keys), [])
  t.ok((await fetchWhole()).equals(whole))
})
