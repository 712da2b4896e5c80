import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import t from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { lacksServer, s3Environment, startS3Server } from '../../fixtures/references/test-server.js'
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

t.test('add-reference, to a bucket', { skip: lacksServer('versitygw') }, async t => {
  const endpoint = await startS3Server(t)
  const env = s3Environment(endpoint)
  Object.assign(process.env, env)
  const s3 = new S3Client({ endpoint, forcePathStyle: true })
  await s3.send(new CreateBucketCommand({ Bucket: 'my-bucket' }))
  for (const Key of ['model.h5', 'checkpoints/model.h5', 'images/cat.png', 'images/dog.png']) {
    const Body = readFileSync(join(project, Key))
    await s3.send(new PutObjectCommand({ Bucket: 'my-bucket', Key, Body }))
  }
  await run('add-reference', [], env)
  await checkPaths('add-reference')
  const used = await use('referred-mymodel')
  for await (const { ref } of used.entries()) t.equal(ref, 's3://my-bucket/model.h5')
})

t.test('tables, which the README shows', async t => {
  t.equal(await run('tables'), '1 0.5\n2 0.25\n')
  const code = readFileSync(join(root, 'examples/tables.ts'), 'utf8').replace(/^\/\/.*\n/, '')
  t.ok(readFileSync(join(root, 'README.md'), 'utf8').includes(code))
})
