import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { codeOf } from '../../fixtures/references/list-references.js'
import { GS_BUCKETS, S3_BUCKETS } from '../../fixtures/references/start-buckets.js'
import { useHome } from '../../fixtures/use-home.js'
import {
  Artifact,
  type Entry,
  type LoggedArtifact,
  type MissingReference,
} from '../../src/index.js'

/** Logs URIs by their names, without checksum. */
async function log(uris: Record<string, string>): Promise<LoggedArtifact> {
  const artifact = new Artifact({ name: 'refs', type: 'dataset' })
  for (const [name, uri] of Object.entries(uris)) {
    await artifact.addReference(uri, { name, checksum: false })
  }
  return artifact.save({ project: 'p' })
}

/** Every file below a folder, sorted. */
function listFiles(root: string): string[] {
  const found = readdirSync(root, { recursive: true, withFileTypes: true })
  const files = found.filter(one => one.isFile())
  return files.map(one => join(one.parentPath, one.name).slice(root.length + 1)).sort()
}

async function problemsOf(logged: LoggedArtifact, root?: string) {
  const { problems } = await logged.verify(root)
  return problems.map(({ path, problem }) => `${problem} ${path}`)
}

for (const { scheme, skip, start } of [S3_BUCKETS, GS_BUCKETS]) {
  t.test(scheme, { skip }, async t => {
    const { proxy, make, put, remove } = await start(t)
    await make('data')

    await t.test(
      'a prefix is one entry, and a folder of what is there when downloaded',
      async t => {
        const { folder } = useHome(t)
        for (const key of ['p/a', 'p/sub/b', 'p2/c', 'single']) await put('data', key)
        proxy.requests.length = 0
        const logged = await log({ d: `${scheme}://data/p`, 'one/s': `${scheme}://data/single` })
        t.same(proxy.requests, [], 'nothing is asked when it is logged')
        const entries: Entry[] = []
        for await (const entry of logged.entries()) entries.push(entry)
        t.match(entries, [{ path: 'd', ref: `${scheme}://data/p` }, { path: 'one/s' }])
        t.same(await problemsOf(logged), [])

        const root = await logged.download({ root: join(folder, 'out') })
        t.same(listFiles(root), ['d/a', 'd/sub/b', 'one/s'])
        t.equal(readFileSync(join(root, 'd/sub/b'), 'utf8'), 'bytes of p/sub/b')
        t.equal(readFileSync(join(root, 'one/s'), 'utf8'), 'bytes of single')
        t.same(await logged.verify(root), { files: 3, bytes: 43, problems: [] })

        proxy.requests.length = 0
        await logged.download({ root: join(folder, 'again') })
        t.notOk(
          proxy.requests.some(line => /x-id=GetObject|alt=media/.test(line)),
          'objects with the same ETag are fetched once',
        )
        await logged.download({ root })
        t.same(listFiles(root), ['d/a', 'd/sub/b', 'one/s'], 'again into the same folder')

        await put('data', 'p/new')
        await put('data', 'p/a', 'changed, and of another length')
        await remove('data', 'p/sub/b')
        t.same(await problemsOf(logged, root), ['differs d/a', 'missing d/new', 'extra d/sub/b'])
        await logged.download({ root, overwrite: true })
        t.equal(readFileSync(join(root, 'd/a'), 'utf8'), 'changed, and of another length')
        writeFileSync(join(root, 'd/new'), 'edited')
        t.same(await problemsOf(logged, root), ['differs d/new', 'extra d/sub/b'])
      },
    )

    await t.test('what cannot be had is told', async t => {
      const { folder } = useHome(t)
      const root = join(folder, 'out')
      const gone = await log({ 'd/e': `${scheme}://data/nothing`, s: `${scheme}://data/single` })
      await t.rejects(gone.download({ root }), {
        code: 'REFERENCE_NOT_FOUND',
        details: { path: 'd/e', uri: `${scheme}://data/nothing` },
      })
      t.notOk(existsSync(root))
      const missing: MissingReference[] = []
      await gone.download({
        root,
        allowMissingReferences: true,
        onMissingReference: one => missing.push(one),
      })
      t.match(missing, [{ path: 'd/e', error: { code: 'REFERENCE_NOT_FOUND' } }])
      t.same(listFiles(root), ['s'])
      t.same(await problemsOf(gone), ['missing d/e'])
      t.same(await problemsOf(gone, root), ['missing d/e'])

      const denied = await log({ d: `${scheme}://data/p` })
      await denied.download({ root })
      proxy.intercept = (_, response) => {
        response.writeHead(403).end()
        return true
      }
      t.equal(await codeOf(denied.download({ root })), 'REFERENCE_DENIED')
      t.same(
        await problemsOf(denied, root),
        ['unchecked d', 'extra s'],
        'files below d may be right',
      )
      proxy.intercept = () => false
      t.teardown(() => {
        proxy.intercept = () => false
      })
      const controller = new AbortController()
      controller.abort()
      t.equal(await codeOf(denied.download({ root, signal: controller.signal })), 'INTERRUPTED')
    })

    await t.test('a file in the way of the folder', async t => {
      const { folder } = useHome(t, { out: { d: 'a file' } })
      const logged = await log({ d: `${scheme}://data/p` })
      const root = join(folder, 'out')
      t.equal(await codeOf(logged.download({ root })), 'CHECKOUT_CONFLICT')
      t.equal(readFileSync(join(root, 'd'), 'utf8'), 'a file')
    })
  })
}
