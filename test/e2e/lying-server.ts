import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { startFakeServer } from '../../fixtures/server/fake-server.js'
import { useHome } from '../../fixtures/use-home.js'
import { createHasher, hashBytes } from '../../src/hash/hasher.js'
import { manifestDigestHeader, manifestDigestLine } from '../../src/model/artifact-digest.js'
import { hexOf } from '../../src/model/digest.js'
import { encodePackStream, type WireRecord } from '../../src/pack/encode-pack-stream.js'
import { decodeKeyRows } from '../../src/remote/key-rows.js'
import { PACK_TYPE, STORE_HEADER } from '../../src/remote/messages.js'

const { folder } = useHome(t)
const hasher = await createHasher('xxh128')

/** Everything that a server answers for one version whose manifest has these paths as they are. */
function forge(paths: string[], id: string) {
  const content = Buffer.from('evil')
  const digest = hashBytes(hasher, content)
  const entries = paths.map(path => ({ digest, path, size: content.length }))
  const piece = Buffer.from(entries.map(entry => `${JSON.stringify(entry)}\n`).join(''))
  const pieceDigest = hashBytes(hasher, piece)
  hasher.init()
  hasher.update(manifestDigestHeader)
  for (const entry of entries) hasher.update(Buffer.from(manifestDigestLine(entry)))
  const version = {
    id,
    entity: 'default',
    project: 'p',
    name: 'evil',
    type: 'dataset',
    algorithm: 'xxh128',
    digest: hexOf(hasher.digest()),
    size: content.length * entries.length,
    fileCount: entries.length,
    pieces: [{ digest: pieceDigest, size: piece.length, count: entries.length }],
    description: null,
    metadata: {},
    tags: [],
    run: null,
    createdAt: '2026-01-01T00:00:00.000Z',
    number: 0,
    aliases: ['latest'],
    state: 'synced',
  }
  const bodies = new Map([
    [`piece ${pieceDigest}`, piece],
    [`blob ${digest}`, content],
  ])
  return { version, bodies }
}

const PATHS = [
  '../evil',
  'a/../../evil',
  '/tmp/artifactd-evil',
  '..',
  '.',
  './evil',
  'a//evil',
  'a/',
  '',
  'C:/evil',
  'C:\\evil',
  'a\nb',
  'a\0b',
  'x'.repeat(300),
]

t.test('no path in a manifest leads out of the root', async t => {
  const honest = forge(['fine/evil.txt'], '0'.repeat(32))
  const forged = PATHS.map((path, index) => forge([path], `${index}`.padStart(32, '1')))
  const twice = forge(['a', 'a'], '2'.repeat(32))
  const folderOfAnother = forge(['a', 'a/b'], '3'.repeat(32))
  const all = [honest, ...forged, twice, folderOfAnother]
  let given = honest
  const server = await startFakeServer(t, async (request, response) => {
    response.setHeader(STORE_HEADER, 'f'.repeat(32))
    if (request.url?.endsWith('/fetch')) {
      const keys = decodeKeyRows(await buffer(request))
      const records = keys.map(({ kind, digest }): WireRecord => {
        const body = given.bodies.get(`${kind} ${digest}`)
        if (!body) throw new Error(`asked for ${kind} ${digest}`)
        return { key: { kind, digest, size: body.length }, storedLength: body.length, body }
      })
      response.setHeader('content-type', PACK_TYPE)
      Readable.from(encodePackStream(records)).pipe(response)
      return
    }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ version: given.version }))
  })
  const cli = (home: string) => cliIn(folder, join(folder, home), { ARTIFACT_REMOTE: server.url })
  const get = await cli('home-honest')(['get', 'p/evil', '--root', 'out/honest', '--json'])
  t.match(get, { code: 0, json: { fileCount: 1 } }, 'the forged answers are understood')

  for (const [index, lie] of all.slice(1).entries()) {
    given = lie
    const name = `out/lie-${index}`
    const { code, stdout, error } = await cli(`home-${index}`)([
      'get',
      'p/evil',
      '--root',
      name,
      '--json',
    ])
    const what = JSON.stringify(PATHS[index] ?? 'two paths that cannot be together')
    const refused = /^(REMOTE_INVALID|PIECE_INVALID|CHECKOUT_CONFLICT)$/
    t.match({ stdout, code: error?.code }, { stdout: '', code: refused }, what)
    t.not(code, 0, what)
  }
  t.same(readdirSync(join(folder, 'out')), ['honest'])
  t.same(
    readdirSync(folder).filter(name => !/^(home|out)/.test(name)),
    [],
  )
  t.notOk(readdirSync('/tmp').includes('artifactd-evil'))
})
