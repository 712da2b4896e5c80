import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { makeTree } from '../../fixtures/make-tree.js'
import { runNode } from '../../fixtures/run-node.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { useHome } from '../../fixtures/use-home.js'

const { folder, home } = useHome(t)
const list = join(folder, 'modules')
const RECORDER = new URL('../../fixtures/record-modules.js', import.meta.url).href
const root = fileURLToPath(new URL('../..', import.meta.url))

/** What an unchanged `put` has no use for: each package, or folder, takes its time to load. */
const HEAVY = [
  ...[
    'got',
    'fastify',
    'zod',
    'pino',
    'chokidar',
    'p-retry',
    'https-proxy-agent',
    'proxy-from-env',
    '@aws-sdk',
    '@google-cloud',
  ].map(name => `/node_modules/${name}/`),
  ...['src/remote', 'src/sync/push', 'server', 'daemon'].map(path => join(root, path)),
]

/** The command as it was compiled: as it is shipped, many modules are one file. */
const COMMAND = join(root, 'cli/artifact.js')
const ENV = {
  ARTIFACT_HOME: home,
  ARTIFACT_DAEMON: 'never',
  NODE_OPTIONS: `--import=${RECORDER}`,
  MODULES_FILE: list,
}

/** The modules that a command loads, in its worker threads too. */
async function listModules(args: string[], env: Record<string, string> = {}): Promise<string[]> {
  if (existsSync(list)) rmSync(list)
  const { code, stderr } = await runNode([COMMAND, ...args], {
    cwd: folder,
    env: { ...ENV, ...env },
  })
  if (code !== 0) throw new Error(stderr)
  return readFileSync(list, 'utf8').trim().split('\n')
}

const heavy = (modules: string[]) =>
  HEAVY.filter(name => modules.some(module => module.includes(name)))

makeTree(join(folder, 'tree'), 300)
writeFileSync(join(folder, 'alone'), 'a file by itself')

t.test('a put without a remote loads no client, no server and no schemas', async t => {
  for (const [path, state] of [
    ['tree', 'new'],
    ['tree', 'unchanged'],
    ['alone', 'new'],
    ['alone', 'unchanged'],
  ] as const) {
    const modules = await listModules(['put', path, '-n', `p/${path}`])
    t.same(heavy(modules), [], `${path}, ${state}`)
    t.ok(modules.some(module => module.endsWith('/src/store/ingest-worker.js')))
    t.ok(modules.some(module => module.includes('/node_modules/level/')))
  }
})

t.test('a sync loads the client, so that the list means something', async t => {
  const { url } = await serveProcess(t, join(folder, 'data'))
  const modules = await listModules(['sync'], { ARTIFACT_REMOTE: url })
  t.ok(heavy(modules).includes('/node_modules/got/'))
  t.ok(heavy(modules).includes(join(root, 'src/remote')))
})
