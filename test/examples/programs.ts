import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { GS_BUCKETS, S3_BUCKETS } from '../../fixtures/references/start-buckets.js'
import { s3Environment } from '../../fixtures/references/test-server.js'
import { runNode } from '../../fixtures/run-node.js'
import { useHome } from '../../fixtures/use-home.js'
import { init } from '../../src/index.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')

/** What each program logs into the project `artifacts-example`, as W&B's page has it. */
const PATHS: Record<string, Record<string, string[]>> = {
  construct: { greetings: ['optional-name'] },
  'outside-a-run': { outside: ['hello_world.txt'] },
  'log-in-a-loop': { race: ['index.txt'] },
  'add-file': {
    file: ['file.txt'],
    'renamed-file': ['new/path/file.txt'],
    model: ['model.h5'],
    checkpoint: ['model.h5'],
    mymodel: ['models/mymodel.h5'],
  },
  'add-dir': {
    'images-at-the-top': ['cat.png', 'dog.png'],
    'images-below': ['images/cat.png', 'images/dog.png'],
    'new-file': ['hello.txt'],
  },
  'add-reference': {
    'referred-model': ['model.h5'],
    'referred-checkpoint': ['model.h5'],
    'referred-mymodel': ['models/mymodel.h5'],
    'referred-images-at-the-top': ['cat.png', 'dog.png'],
    'referred-images-below': ['images/cat.png', 'images/dog.png'],
  },
  tables: {},
  parallel: {
    'parallel-artifact': [
      'distributed_table.partitioned-table.json',
      ...[0, 1, 2, 3, 4].map(index => `parts/table_${index}.table.json`),
    ],
  },
}

const { folder, home } = useHome(t)
const project = join(folder, 'project-directory')
mkdirSync(project)
cpSync(join(root, 'examples/project-directory'), project, { recursive: true })

/** Runs a program as a user would, in the project directory, and gives what it said. */
async function run(name: string, args: string[] = [], env: Record<string, string> = {}) {
  const program = join(root, 'dist/examples', `${name}.js`)
  const { code, stdout, stderr } = await runNode([program, ...args], {
    cwd: project,
    env: { ARTIFACT_HOME: home, ARTIFACT_DAEMON: 'never', ...env },
  })
  t.equal(code, 0, `${name} ends well ${stderr}`)
  return stdout
}

async function use(name: string) {
  return (await init({ project: 'artifacts-example' })).useArtifact(name)
}

async function checkPaths(name: string) {
  for (const [artifact, paths] of Object.entries(PATHS[name]!)) {
    t.same(await listEntries(await use(artifact)), paths, `${name}: ${artifact}`)
  }
}

t.test('every example is run here', async t => {
  const programs = readdirSync(join(root, 'examples')).filter(name => name.endsWith('.ts'))
  t.same(programs.map(name => basename(name, '.ts')).sort(), Object.keys(PATHS).sort())
})

t.test('construct', async t => {
  const said = await run('construct')
  t.equal(said, 'default/artifacts-example/greetings:v0 has 1 file\n')
  await checkPaths('construct')
  t.match(await use('greetings'), { description: /first/, metadata: { language: 'en' } })
})

t.test('outside-a-run', async () => {
  await run('outside-a-run')
  await checkPaths('outside-a-run')
})

t.test('log-in-a-loop: the version has the number of its turn', async t => {
  await run('log-in-a-loop')
  await checkPaths('log-in-a-loop')
  for (let index = 0; index < 10; index += 1) {
    t.same((await use(`race:v${index}`)).metadata, { index })
  }
})

for (const name of ['add-file', 'add-dir']) {
  t.test(name, async () => {
    await run(name)
    await checkPaths(name)
  })
}

t.test('add-reference, to files', async t => {
  await run('add-reference', [`file://${project}`])
  await checkPaths('add-reference')
  const used = await use('referred-mymodel')
  for await (const { ref } of used.entries()) t.equal(ref, `file://${project}/model.h5`)
})

for (const { scheme, skip, start } of [S3_BUCKETS, GS_BUCKETS]) {
  t.test(`add-reference, to a bucket of ${scheme}`, { skip }, async t => {
    const { make, put, proxy } = await start(t)
    await make('my-bucket')
    for (const key of ['model.h5', 'checkpoints/model.h5', 'images/cat.png', 'images/dog.png']) {
      await put('my-bucket', key)
    }
    const uri = `${scheme}://my-bucket`
    const env = { ...s3Environment(proxy.url), STORAGE_EMULATOR_HOST: proxy.url }
    await run('add-reference', scheme === 's3' ? [] : [uri], env)
    await checkPaths('add-reference')
    const used = await use('referred-mymodel')
    for await (const { ref } of used.entries()) t.equal(ref, `${uri}/model.h5`)
  })
}

t.test('tables, which the README shows', async t => {
  t.equal(await run('tables'), '1 0.5\n2 0.25\n')
  const code = readFileSync(join(root, 'examples/tables.ts'), 'utf8').replace(/^\/\/.*\n/, '')
  t.ok(readFileSync(join(root, 'README.md'), 'utf8').includes(code))
})

t.test('parallel: five processes make one version', async t => {
  t.equal(await run('parallel'), '0 0 1\n1 2 2\n2 4 4\n3 6 8\n4 8 16\n')
  await checkPaths('parallel')
  t.equal((await use('parallel-artifact')).version, 'v0')
})
