import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { collect } from '../../fixtures/pack/chunks.js'
import { makeRecord } from '../../fixtures/pack/small-records.js'
import { makeVersion, recordsOf } from '../../fixtures/server/make-version.js'
import { serveStores } from '../../fixtures/server/serve-stores.js'
import { encodeExternal } from '../../src/catalog/index-external.js'
import { ArtifactError } from '../../src/errors.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import type { BlobKey, BlobKind } from '../../src/model/blob-key.js'
import type { Digest } from '../../src/model/digest.js'
import { objectPath } from '../../src/model/home.js'
import { encodePackStream, type WireRecord } from '../../src/pack/encode-pack-stream.js'
import { encodePackHeader, encodeRecordHeader } from '../../src/pack/format.js'
import { parsePackStream } from '../../src/pack/parse-pack-stream.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import { locateBlobs } from '../../src/store/locate-blobs.js'
import { openRecords } from '../../src/store/open-records.js'
import { receiveRecords } from '../../src/store/receive-records.js'
import { openStore, type Store } from '../../src/store/store.js'

const xxh128 = await createHasher('xxh128')

function wire(kind: BlobKind, content: string | Buffer, digest?: Digest): WireRecord {
  const bytes = Buffer.from(content)
  const key = { kind, digest: digest ?? hashBytes(xxh128, bytes), size: bytes.length }
  return { key, storedLength: bytes.length, body: bytes }
}

async function* each(records: WireRecord[]): AsyncGenerator<WireRecord> {
  yield* records
}

async function isHere(store: Store, keys: BlobKey[]): Promise<boolean[]> {
  return (await locateBlobs(store, keys, { external: false })).map(place => place !== null)
}

async function readAll(store: Store, keys: BlobKey[]): Promise<Map<string, Buffer>> {
  const seen = new Map<string, Buffer>()
  const pack = encodePackStream(openRecords(store, keys, { require: true }))
  for await (const { header, body } of parsePackStream(pack)) {
    seen.set(header.digest, await collect(body))
  }
  return seen
}

t.test('records go to the server and back, small and large, byte for byte', async t => {
  const { folder, local, served, remote } = await serveStores(t)
  const large = randomBytes(3_000_000)
  const files = Object.fromEntries(
    Array.from({ length: 1500 }, (_, i) => [`f/${i}.txt`, `file ${i}`]),
  )
  const { blobs, pieces } = await makeVersion(local, { ...files, empty: '' })
  const big = join(folder, 'big.bin')
  writeFileSync(big, large)
  const { digest, stat } = await local.ingest().addFile(big, 'mutable')
  await local.ingest().finish()
  const keys = [...blobs, ...pieces, { kind: 'blob' as const, digest, size: stat.size }]

  t.same(
    await remote.listMissing('default', keys),
    keys.map((_, index) => index),
  )
  const sent = await remote.send('default', recordsOf(local, keys))
  t.same(sent, { stored: keys.length, rejected: [] })
  t.same(await remote.listMissing('default', keys), [])
  t.notOk((await isHere(served, keys)).includes(false))

  const again = await remote.send('default', recordsOf(local, keys))
  t.same(again, { stored: keys.length, rejected: [] }, 'sending again is harmless')
  const packs = readdirSync(join(served.home, 'packs'), { recursive: true, encoding: 'utf8' })
  t.equal(packs.filter(name => name.endsWith('.pack')).length, 1, 'and writes nothing')

  t.same(await readAll(served, keys), await readAll(local, keys))

  const other = openStore(join(folder, 'other'))
  t.teardown(() => other.close())
  const pulled = await receiveRecords(other, remote.fetch('default', keys))
  t.equal(pulled.stored, keys.length)
  t.same(pulled.objects, [keys.at(-1)])
  t.equal(pulled.packs.length, 1)
  t.same(await readAll(other, keys), await readAll(local, keys))
})

t.test('a fetch answers with what there is', async t => {
  const { local, served, remote } = await serveStores(t)
  const here = wire('blob', 'here')
  const gone = wire('blob', randomBytes(400_000))
  const nowhere = wire('blob', 'nowhere')
  await remote.send('default', () => each([here, gone]))
  rmSync(objectPath(served.home, gone.key.digest))
  const keys = [nowhere.key, gone.key, here.key]
  const pulled = await receiveRecords(local, remote.fetch('default', keys))
  t.equal(pulled.stored, 1)
  t.same(await isHere(local, keys), [false, false, true])
  await t.rejects(readAll(local, keys), { code: 'BLOB_MISSING' })
})

t.test('kinds are apart: a file with the bytes of a piece is not that piece', async t => {
  const { remote } = await serveStores(t)
  const line = '{"digest":"md5:5d41402abc4b2a76b9719d911017c592","path":"hello.txt","size":5}\n'
  await remote.send('default', () => each([wire('blob', line)]))
  const { key } = wire('piece', line)
  t.same(await remote.listMissing('default', [{ ...key, kind: 'blob' }, key]), [1])
})

t.test('records that are not what they claim are rejected, and the others kept', async t => {
  const { served, remote } = await serveStores(t)
  const good = wire('blob', 'good')
  const goodLarge = wire('blob', randomBytes(300_000))
  const other = hashBytes(xxh128, Buffer.from('other'))
  const lie = wire('blob', 'lie', other)
  const largeLie = wire('blob', randomBytes(600_000), hashBytes(xxh128, Buffer.from('large')))
  const badPiece = wire('piece', 'not canonical\n')
  const longer = { ...wire('blob', 'zstd'), encoding: 1 as const }
  const noFrame = { ...longer, storedLength: 3, body: Buffer.from('std') }
  const recipe = makeRecord('recipe', 'abc', hashBytes(xxh128, Buffer.from('abc')))
  const result = await remote.send('default', () =>
    each([
      lie,
      good,
      largeLie,
      badPiece,
      longer,
      noFrame,
      wire('recipe', recipe.bytes as Buffer, recipe.digest),
      goodLarge,
    ]),
  )
  t.equal(result.stored, 2)
  t.same(
    result.rejected.map(({ key, error }) => [key.digest, error.code]),
    [
      [lie.key.digest, 'BLOB_DAMAGED'],
      [largeLie.key.digest, 'BLOB_DAMAGED'],
      [badPiece.key.digest, 'PIECE_INVALID'],
      [longer.key.digest, 'PACK_INVALID'],
      [noFrame.key.digest, 'BLOB_DAMAGED'],
      [recipe.digest, 'RECIPE_INVALID'],
    ],
  )
  t.same(await isHere(served, [good.key, goodLarge.key, lie.key, largeLie.key]), [
    true,
    true,
    false,
    false,
  ])
  t.same(
    readdirSync(join(served.home, 'objects/xxh128')).length,
    1,
    'nothing is left of the large one that was rejected',
  )
})

t.test('a piece above its limit is refused before its bytes are taken', async t => {
  const { remote } = await serveStores(t)
  const { rejected } = await remote.send('default', () =>
    each([wire('piece', Buffer.alloc(4 * 1024 * 1024 + 1))]),
  )
  t.match(rejected, [{ error: { code: 'PIECE_INVALID' } }])
})

t.test('a length that is only claimed takes neither memory nor disk', async t => {
  const { served, server } = await serveStores(t)
  const { digest } = wire('blob', 'x').key
  for (const kind of ['blob', 'piece'] as const) {
    const length = kind === 'blob' ? 2 ** 50 : 4 * 1024 * 1024
    const header = { kind, digest, encoding: 0, plainLength: length, storedLength: length } as const
    const start = Buffer.concat([encodePackHeader(), encodeRecordHeader(header), Buffer.alloc(100)])
    const response = await fetch(`${server.url}/api/v1/entities/default/packs`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.artifactd.pack' },
      body: new Uint8Array(start),
    })
    t.equal(response.status, 400)
    t.match(await response.json(), { error: { code: 'PACK_INVALID' } })
  }
  t.same(readdirSync(join(served.home, 'tmp')), [], 'nothing is left behind')
})

t.test('what arrived before the connection was cut is kept', async t => {
  const { served, server } = await serveStores(t)
  const whole = [wire('blob', 'first'), wire('blob', randomBytes(400_000)), wire('blob', 'third')]
  const cut = wire('blob', randomBytes(1_000_000))
  const pack = await collect(encodePackStream([...whole, cut]))
  const { port } = new URL(server.url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.write(
    'POST /api/v1/entities/default/packs HTTP/1.1\r\nhost: 127.0.0.1\r\n' +
      `content-type: application/vnd.artifactd.pack\r\ncontent-length: ${pack.length}\r\n\r\n`,
  )
  socket.write(pack.subarray(0, pack.length - 500_000), () => socket.destroy())
  const keys = [...whole, cut].map(({ key }) => key)
  let here = await isHere(served, keys)
  while (!here[0]) {
    await sleep(20)
    here = await isHere(served, keys)
  }
  t.same(here, [true, true, true, false])
})

t.test('what throws while a pack is sent is thrown, and what went before is kept', async t => {
  const { served, remote } = await serveStores(t)
  const first = wire('blob', randomBytes(300_000))
  const source = new Error('the source broke')
  const sending = remote.send('default', async function* () {
    yield first
    // The end of a record goes out with what comes after it.
    yield wire('blob', randomBytes(300_000))
    await sleep(500)
    throw source
  })
  await t.rejects(sending, source)
  while (!(await isHere(served, [first.key]))[0]) await sleep(20)
})

t.test('a signal ends a transfer that hangs', async t => {
  const { local, remote } = await serveStores(t)
  const { blobs } = await makeVersion(local, { a: 'x' })
  const abort = new AbortController()
  const sending = remote.send(
    'default',
    async function* () {
      yield* openRecords(local, blobs)
      abort.abort()
      await new Promise(() => {})
    },
    { signal: abort.signal },
  )
  await t.rejects(sending, { code: 'INTERRUPTED' })
  await t.rejects(remote.capabilities({ signal: abort.signal }), { code: 'INTERRUPTED' })
})

t.test('a file outside the store is sent only as it was hashed', async t => {
  const { folder, local: store, served, remote } = await serveStores(t)
  writeFileSync(join(folder, 'small'), 'small')
  writeFileSync(join(folder, 'large'), randomBytes(2_500_000))
  const ingest = store.ingest()
  const names = ['small', 'large']
  const files = await Promise.all(
    names.map(name => ingest.addFile(join(folder, name), 'immutable')),
  )
  const external = encodeExternal(
    files.map(({ digest, stat }, i) => ({ digest, file: join(folder, names[i]!), ...stat })),
  )
  const [piece] = await ingest.addBytes('blob', [external])
  const { packs, objects } = await ingest.finish()
  const { version } = await makeVersion(store, { a: 'a' })
  await store.catalog.log({
    logId: version.id,
    version,
    aliases: [],
    target: { remote: null },
    packs,
    objects,
    external: [{ digest: piece!.digest, size: external.length, count: 2 }],
  })
  const keys = files.map(({ digest, stat }): BlobKey => {
    return { kind: 'blob', digest, size: stat.size }
  })
  t.same(await remote.send('default', recordsOf(store, keys)), { stored: 2, rejected: [] })
  t.same(await isHere(served, keys), [true, true])
  t.same(await isHere(store, keys), [false, false], 'they stayed where they are')

  for (const [index, name] of names.entries()) {
    const file = join(folder, name)
    utimesSync(file, new Date(), new Date(2020, 1, 1))
    await t.rejects(remote.send('default', recordsOf(store, [keys[index]!])), {
      code: 'SOURCE_CHANGED',
      details: { file },
    })
    rmSync(file)
    await t.rejects(remote.send('default', recordsOf(store, [keys[index]!])), {
      code: 'SOURCE_CHANGED',
      details: { file },
    })
  }
})

t.test('a receiver takes nothing that it did not ask for', async t => {
  const { local, remote } = await serveStores(t)
  const asked = wire('blob', 'asked')
  const extra = wire('blob', 'extra')
  await remote.send('default', () => each([asked, extra]))
  const received = await receiveRecords(local, remote.fetch('default', [asked.key, extra.key]), {
    accept: ({ digest }) => {
      if (digest !== asked.key.digest) throw new ArtifactError('REMOTE_INVALID', 'not asked for')
    },
  })
  t.equal(received.stored, 1)
  t.match(received.rejected, [{ key: extra.key, error: { code: 'REMOTE_INVALID' } }])
  t.same(await isHere(local, [asked.key, extra.key]), [true, false])
})

t.test('a remote that needs a path prefix is asked under it', async t => {
  const { server } = await serveStores(t)
  const remote = openHttpRemote({ url: `${server.url}/prefix/` })
  t.equal(remote.url, `${server.url}/prefix`)
  await t.rejects(remote.capabilities(), { code: 'ROUTE_NOT_FOUND', message: /\/prefix\/api\/v1/ })
})
