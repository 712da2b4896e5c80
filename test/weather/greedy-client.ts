import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { crc32 } from 'node:zlib'
import t from 'tap'
import { block, makeFrame, RUN } from '../../fixtures/pack/make-frame.js'
import { peakMemory } from '../../fixtures/peak-memory.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import {
  encodePackHeader,
  encodeRecordHeader,
  MAX_FRAME_CONTENT,
  type RecordHeader,
} from '../../src/pack/format.js'
import { loadZstd } from '../../src/pack/zstd.js'
import { openHttpRemote } from '../../src/remote/http-remote.js'
import { KEYS_TYPE, PACK_TYPE } from '../../src/remote/messages.js'

const MIB = 1024 * 1024
/** What a server may take while it serves whoever, however many of these at once. */
const CEILING_MIB = 300
const ROOT = '/api/v1/entities/default'
const COMMIT = `${ROOT}/projects/p/artifacts/cats/commit`

const hasher = await createHasher('xxh128')
const zstd = await loadZstd()
const zeros = Buffer.alloc(MAX_FRAME_CONTENT)
const small = Buffer.from('x')
const [ofZeros, ofSmall] = [zeros, small].map(bytes => hashBytes(hasher, bytes)) as [never, never]

function checksumOf(bytes: Uint8Array): Buffer {
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32LE(crc32(bytes))
  return checksum
}

type Header = Partial<Record<keyof RecordHeader, unknown>>
const header = (fields: Header) =>
  encodeRecordHeader({
    kind: 'blob',
    digest: ofSmall,
    encoding: 0,
    plainLength: 1,
    storedLength: 1,
    ...fields,
  } as RecordHeader)

/** A pack of one record that says what it is told to say, and as much after it. */
function* claim(fields: Header, mebibytes: number) {
  yield encodePackHeader()
  yield header(fields)
  const bytes = randomBytes(MIB)
  for (let n = 0; n < mebibytes; n += 1) yield bytes
}

/** Records of which each is this frame, under the digest of something else. */
function* frames(frame: Uint8Array, count: number) {
  yield encodePackHeader()
  const fields = { encoding: 1, plainLength: zeros.length, storedLength: frame.length }
  const record = [header(fields), frame, checksumOf(frame)]
  for (let n = 0; n < count; n += 1) yield Buffer.concat(record)
}

function* lies(count: number) {
  yield encodePackHeader()
  const lie = Buffer.from('y')
  const record = Buffer.concat([header({}), lie, checksumOf(lie)])
  for (let n = 0; n < count; n += 1000) yield Buffer.concat(Array(1000).fill(record))
}

function* text(...parts: (string | [string, number])[]) {
  for (const part of parts) yield Buffer.from(Array.isArray(part) ? part[0].repeat(part[1]) : part)
}

const huge = { plainLength: 2 ** 50, storedLength: 2 ** 50 }
const JSON_TYPE = 'application/json'
const ATTACKS: [name: string, path: string, type: string, body: () => Iterable<Uint8Array>][] = [
  ['a file of 2^50 bytes', 'packs', PACK_TYPE, () => claim(huge, 48)],
  ['a piece of 2^50 bytes', 'packs', PACK_TYPE, () => claim({ ...huge, kind: 'piece' }, 48)],
  ['a recipe of 2^50 bytes', 'packs', PACK_TYPE, () => claim({ ...huge, kind: 'recipe' }, 48)],
  ['a frame of 2^50 bytes', 'packs', PACK_TYPE, () => claim({ ...huge, encoding: 1 }, 48)],
  [
    'an index of 4 billion rows',
    'packs',
    PACK_TYPE,
    () => claim({ kind: 'index', digest: null, plainLength: 0, storedLength: 2 ** 37 }, 48),
  ],
  ['a million records that lie', 'packs', PACK_TYPE, () => lies(1_000_000)],
  [
    'a thousand frames that hold 128 MiB and say 4',
    'packs',
    PACK_TYPE,
    () =>
      frames(
        makeFrame(
          0xa0,
          [...new Uint8Array(new Uint32Array([zeros.length]).buffer)],
          Array.from({ length: 1024 }, () => [block(RUN, (1 << 17) - 1), Buffer.alloc(1)]),
        ),
        1000,
      ),
  ],
  [
    'frames that say 2^60',
    'packs',
    PACK_TYPE,
    () => frames(makeFrame(0xe0, [0, 0, 0, 0, 0, 0, 0, 16], [[1, Buffer.alloc(0)]]), 1000),
  ],
  [
    'frames of four megabytes of nothing',
    'packs',
    PACK_TYPE,
    () => frames(zstd.compress(zeros), 100),
  ],
  ['more keys than a request takes', 'missing', KEYS_TYPE, () => [Buffer.alloc(64 * MIB, 1)]],
  ['a commit of 64 MiB', COMMIT, JSON_TYPE, () => text('{"items":[', ['1,', 32 * MIB], '1]}')],
  [
    'a commit that is deep',
    COMMIT,
    JSON_TYPE,
    () => text('{"items":', ['[', 8e6], [']', 8e6], '}'),
  ],
  ['a commit of many items', COMMIT, JSON_TYPE, () => text('{"items":[', ['{},', 5e6], '{}]}')],
  [
    'a commit as deep as can be',
    COMMIT,
    JSON_TYPE,
    () => text('{"items":', ['[', 999], ['{},', 240_000], '{}', [']', 999], '}'),
  ],
  [
    'a commit of as many items as can be',
    COMMIT,
    JSON_TYPE,
    () => text('{"items":[', ['{},', 249_000], '{}]}'),
  ],
]

/** The code of what a server answers, or of the first record that it rejects. */
async function post(url: string, type: string, body: Iterable<Uint8Array>) {
  const outgoing = request(url, { method: 'POST', headers: { 'content-type': type }, agent: false })
  const answered = new Promise<Readable>((resolve, reject) => {
    outgoing.once('response', resolve)
    outgoing.once('error', reject)
  })
  // A server may answer, and close, before it has read everything.
  const sending = pipeline(Readable.from(body, { objectMode: false }), outgoing).catch(() => {})
  const answer = await answered
  const { error, rejected } = JSON.parse(String(await buffer(answer)))
  await sending
  return (error ?? rejected[0].error).code as string
}

const skip = existsSync('/proc/self/status') ? false : 'memory is read from /proc'
t.test(
  'a client that claims more than it has takes no memory and leaves nothing',
  { skip },
  async t => {
    const data = join(t.testdir({}), 'server')
    const server = await serveProcess(t, data)
    const remote = openHttpRemote({ url: server.url })
    await remote.capabilities()
    t.comment(`at first ${Math.round(peakMemory(server.pid))} MiB`)
    for (const [name, path, type, body] of ATTACKS) {
      const url = `${server.url}${path.startsWith('/') ? path : `${ROOT}/${path}`}`
      const code = await post(url, type, body())
      t.match(code, /^(PACK_INVALID|BLOB_DAMAGED|REQUEST_INVALID|REQUEST_TOO_LARGE)$/, name)
      t.comment(`${name}: ${Math.round(peakMemory(server.pid))} MiB`)
    }
    const packs = ATTACKS.filter(([, path]) => path === 'packs')
    await Promise.all(
      packs.map(([, path, type, body]) => post(`${server.url}${ROOT}/${path}`, type, body())),
    )
    const peak = peakMemory(server.pid)
    t.ok(peak < CEILING_MIB, `${Math.round(peak)} MiB at most`)

    t.same(await remote.listVersions({ entity: 'default' }), { items: [] })
    const keys = [ofZeros, ofSmall].map((digest, n) => {
      return { kind: 'blob' as const, digest, size: n === 0 ? zeros.length : 1 }
    })
    t.same(await remote.listMissing('default', keys), [0, 1])
    t.same(
      readdirSync(data, { recursive: true, encoding: 'utf8' }).filter(file =>
        /^(tmp|packs|objects)\/.*\.?(pack|object)/.test(file),
      ),
      [],
    )
  },
)
