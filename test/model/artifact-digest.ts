import { createHash } from 'node:crypto'
import { xxhash128 } from 'hash-wasm'
import t from 'tap'
import { manifestDigestHeader, manifestDigestLine } from '../../src/model/artifact-digest.js'
import { digestBytes, parseDigest } from '../../src/model/digest.js'
import type { Entry } from '../../src/model/entry.js'

const FILES: [string, string][] = [
  ['a.txt', 'hello a'],
  ['b.txt', 'hello b'],
]

const md5 = async (bytes: string | Uint8Array) => createHash('md5').update(bytes).digest('hex')

// What the client of W&B computes for these files.
const VECTORS = [
  { algorithm: 'md5', hash: md5, count: 0, artifact: '64e7c61456b10382e2f3b571ac24b659' },
  {
    algorithm: 'md5',
    hash: md5,
    count: 1,
    digest: 'ZE0lNw+exNL8S11p3GrnjQ==',
    artifact: '051ac805ee007b690195a55956a196b4',
  },
  {
    algorithm: 'md5',
    hash: md5,
    count: 2,
    digest: 'E1vyY0gEFRL8YWPf+1kGbw==',
    artifact: '2a129e1598d2d0017808e89e26c33584',
  },
  { algorithm: 'xxh128', hash: xxhash128, count: 1, digest: 'Fx/n5uLGFN0+4JJUFtPRjg==' },
  {
    algorithm: 'xxh128',
    hash: xxhash128,
    count: 2,
    digest: '92spI5Miu8/dFiJZxua9xQ==',
    artifact: '8084a2aa17cbf4dff0b77b14a34ca698',
  },
]

for (const { algorithm, hash, count, digest, artifact } of VECTORS) {
  t.test(`the ${algorithm} digest of ${count} files is W&B's`, async t => {
    const entries = await Promise.all(
      FILES.slice(0, count).map(async ([path, content]): Promise<Entry> => {
        const digest = parseDigest(`${algorithm}:${await hash(content)}`)
        return { path, digest, size: content.length }
      }),
    )
    const last = entries.at(-1)
    if (digest && last) {
      t.equal(digestBytes(parseDigest(last.digest)).toString('base64'), digest)
      t.equal(manifestDigestLine(last), `${last.path}:${digest}\n`)
    }
    const lines = Buffer.from(entries.map(manifestDigestLine).join(''))
    if (artifact) t.equal(await hash(Buffer.concat([manifestDigestHeader, lines])), artifact)
  })
}

t.test('the digest of a reference goes in as it is', async t => {
  const digest = 'md5:00000000000000000000000000000000'
  const line = manifestDigestLine({ path: 'é', digest, size: 1, ref: 's3://bucket/key' })
  t.equal(line, `é:${digest}\n`)
  t.equal(
    manifestDigestLine({ path: 'é', digest, size: 1 }),
    'é:AAAAAAAAAAAAAAAAAAAAAA==\n',
    'which that of a file does not',
  )
})
