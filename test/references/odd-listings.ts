import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { codeOf } from '../../fixtures/references/list-references.js'
import { GS_BUCKETS } from '../../fixtures/references/start-buckets.js'
import { useHome } from '../../fixtures/use-home.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { downloadFiles } from '../../src/artifact/version-files.js'
import { Artifact, type LoggedArtifact, type MissingReference } from '../../src/index.js'
import { writeManifest } from '../../src/store/manifest.js'

async function log(uri: string): Promise<LoggedArtifact> {
  const artifact = new Artifact({ name: 'refs', type: 'dataset' })
  await artifact.addReference(uri, { name: 'd', checksum: false })
  return artifact.save({ project: 'p' })
}

t.test('what a bucket may hold', { skip: GS_BUCKETS.skip }, async t => {
  const { proxy } = await GS_BUCKETS.start(t)
  let names: string[] = []
  proxy.intercept = (request, response) => {
    if (!/\/o\?/.test(request.url!)) return response.writeHead(404).end() !== undefined
    const items = names.map(name => ({ name, size: '1', md5Hash: 'AAAA', generation: '1' }))
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ items }))
    return true
  }
  const keys = [
    '../../x',
    '/etc/x',
    'a//b',
    './a',
    'a\0b',
    'a\nb',
    '\ud800',
    'C:/x',
    `${'x'.repeat(256)}`,
  ]
  for (const key of keys) {
    await t.test(`a key that is no path: ${JSON.stringify(key).slice(0, 20)}`, async t => {
      const { folder } = useHome(t)
      names = ['p/good', `p/${key}`]
      const logged = await log('gs://evil/p')
      const root = join(folder, 'deep/out')
      t.equal(await codeOf(logged.download({ root })), 'INVALID_PATH')
      t.notOk(existsSync(root), 'nothing is written')
      const checked = new Artifact({ name: 'refs', type: 'dataset' })
      t.equal(await codeOf(checked.addReference('gs://evil/p')), 'INVALID_PATH', 'with checksum')
    })
  }

  await t.test('a key that is a folder of another', async t => {
    const { folder } = useHome(t)
    names = ['p/a', 'p/a.txt', 'p/a/b']
    const logged = await log('gs://evil/p')
    t.equal(await codeOf(logged.download({ root: join(folder, 'out') })), 'ENTRY_CONFLICT')
  })

  await t.test('more than 10,000 objects', async t => {
    const { folder } = useHome(t)
    names = Array.from({ length: 10_001 }, (_, index) => `p/${String(index).padStart(5, '0')}`)
    const logged = await log('gs://evil/p')
    await t.rejects(logged.download({ root: join(folder, 'out') }), {
      code: 'TOO_MANY_OBJECTS',
      message: /"d": .*with checksum/,
      details: { path: 'd', atLeast: 10_001 },
    })
    const missing: MissingReference[] = []
    const onMissingReference = (one: MissingReference) => missing.push(one)
    const root = await logged.download({
      root: join(folder, 'out'),
      allowMissingReferences: true,
      onMissingReference,
    })
    t.match(missing, [{ path: 'd', error: { code: 'TOO_MANY_OBJECTS' } }])
    t.same(readdirSync(root), [], 'none, rather than a part of them')
  })

  await t.test('an entry from elsewhere that lies in the folder', async t => {
    const { folder, home } = useHome(t)
    names = ['p/a']
    const store = sharedStore(home)
    const ingest = store.ingest()
    const [stored] = await ingest.addBytes('blob', [Buffer.from('x')])
    const ref = 'gs://evil/p'
    const manifest = await writeManifest(ingest, store.algorithm, [
      { path: 'd', digest: ref, size: 0, ref },
      { path: 'd/e/f', digest: stored!.digest, size: 1 },
    ])
    await ingest.finish()
    proxy.requests.length = 0
    await t.rejects(
      downloadFiles(store, manifest, join(folder, 'out'), { allowMissingReferences: true }),
      { code: 'ENTRY_CONFLICT', details: { path: 'd/e/f', folder: 'd' } },
    )
    t.notOk(existsSync(join(folder, 'out')))
  })

  await t.test('a URI with credentials in an entry from elsewhere', async t => {
    const { folder, home } = useHome(t)
    const store = sharedStore(home)
    const ref = 'https://user:s3cr3t@127.0.0.1/x'
    const manifest = await writeManifest(store.ingest(), store.algorithm, [
      { path: 'x', digest: 'an-etag', size: 1, ref },
    ])
    await store.ingest().finish()
    const failure = await downloadFiles(store, manifest, join(folder, 'out'), {}).catch(
      error => error,
    )
    t.match(failure, { code: 'URI_HAS_CREDENTIALS', details: { path: 'x' } })
    t.notMatch(JSON.stringify(failure), /s3cr3t/)
  })
})
