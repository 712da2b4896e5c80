import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runNode, startNode } from '../../fixtures/run-node.js'
import { useHome } from '../../fixtures/use-home.js'
import { Artifact, init, isArtifactError } from '../../src/index.js'

const library = new URL('../../src/index.js', import.meta.url).href

let written = 0

/** Writes a program that uses the library, and gives what it takes to run it on a home. */
function makeProgram(t: Test, body: string) {
  const { folder, home } = useHome(t, { 'a.txt': 'a', big: 'big '.repeat(2_000_000) })
  const program = join(folder, `program-${written++}.mjs`)
  writeFileSync(program, `import { Artifact, init } from ${JSON.stringify(library)}\n${body}`)
  const env = { ARTIFACT_HOME: home, ARTIFACT_DAEMON: 'never' }
  return { program, home, folder, options: { cwd: folder, env } }
}

async function listNumbers(name: string, project: string): Promise<unknown[]> {
  const run = await init({ project })
  const indices: unknown[] = []
  for (let number = 0; ; number += 1) {
    try {
      const version = await run.useArtifact(`${name}:v${number}`)
      t.same((await version.verify()).problems, [])
      indices.push(version.metadata.index)
    } catch (error) {
      if (!isArtifactError(error)) throw error
      t.match(error.code, /_NOT_FOUND$/)
      return indices
    }
  }
}

const LOGS = `
  const run = await init({ project: 'end' })
  for (let index = 0; index < 5; index += 1) {
    const artifact = new Artifact({ name: 'race', type: 'dataset', metadata: { index } })
    artifact.newFile('index', String(index))
    if (index % 2 === 0) artifact.addFile('big')
    run.logArtifact(artifact)
  }
`

t.test('a program that ends without finish has logged everything', async t => {
  const { program, options } = makeProgram(t, LOGS)
  t.match(await runNode([program], options), { code: 0, stdout: '', stderr: '' })
  t.same(await listNumbers('race', 'end'), [0, 1, 2, 3, 4])
})

t.test('a program without awaits at all has logged everything', async t => {
  const { program, options } = makeProgram(
    t,
    `const artifact = new Artifact({ name: 'cats', type: 'dataset' })
     artifact.addDir('.', { ignore: ['home', '*.mjs'] })
     artifact.save({ project: 'end' })`,
  )
  t.match(await runNode([program], options), { code: 0, stdout: '', stderr: '' })
  t.equal((await listNumbers('cats', 'end')).length, 1)
})

t.test('what is committed is kept by process.exit', async t => {
  const { program, options } = makeProgram(
    t,
    `const run = await init({ project: 'end' })
     const artifact = new Artifact({ name: 'cats', type: 'dataset' })
     artifact.addFile('big')
     const logged = run.logArtifact(artifact, { aliases: ['best'] })
     await logged.committed
     process.stdout.write(logged.version)
     process.exit(3)`,
  )
  t.match(await runNode([program], options), { code: 3, stdout: 'v0', stderr: '' })
  t.equal((await listNumbers('cats', 'end')).length, 1)
  t.same((await (await init({ project: 'end' })).useArtifact('cats:best')).version, 'v0')
})

t.test('what is not committed is lost by process.exit, and nothing else', async t => {
  const { program, options } = makeProgram(t, `${LOGS}\nprocess.exit()`)
  t.match(await runNode([program], options), { code: 0 })
  const indices = await listNumbers('race', 'end')
  t.same(indices, [0, 1, 2, 3, 4].slice(0, indices.length))
})

t.test('a killed program leaves each version whole or absent', async t => {
  const { program, options } = makeProgram(
    t,
    `const run = await init({ project: 'end' })
     for (let index = 0; ; index += 1) {
       const artifact = new Artifact({ name: 'race', type: 'dataset', metadata: { index } })
       for (let file = 0; file < 50; file += 1) artifact.newFile(String(file), index + ' ' + file)
       artifact.newFile('large', 'x'.repeat(400000) + process.pid + index)
       await run.logArtifact(artifact).committed
       process.stdout.write('committed ' + index + '\\n')
     }`,
  )
  let least = 0
  for (const commits of [1, 4, 2]) {
    const { child, ended, sees } = startNode([program], options)
    await sees(new RegExp(`committed ${commits}\n`))
    child.kill('SIGKILL')
    const { stdout } = await ended
    least += stdout.split('\n').length - 1
    const run = await init({ project: 'end' })
    const latest = await run.useArtifact('race')
    t.ok(latest.number + 1 >= least, 'what was reported is there')
    least = latest.number + 1
    const indices = await listNumbers('race', 'end')
    t.equal(indices.length, least)
    t.same((await (await makeNext(indices.length)).save({ project: 'end' })).number, least)
    least += 1
  }
})

async function makeNext(index: number): Promise<Artifact> {
  const artifact = new Artifact({ name: 'race', type: 'dataset', metadata: { index } })
  await artifact.newFile('next', `next ${index}`)
  return artifact
}

t.test('a failed log that nobody asked about is told, and the program fails', async t => {
  const failing = `
    const run = await init({ project: 'end' })
    const artifact = new Artifact({ name: 'cats', type: 'dataset' })
    artifact.addFile('missing.txt')
    const logged = run.logArtifact(artifact)
  `
  const rows: [what: string, body: string, code: number, warned: boolean][] = [
    ['nobody asked', failing, 1, true],
    ['an exit code of its own', `${failing}; process.exitCode = 7`, 7, true],
    ['asked and handled', `${failing}; await logged.committed.catch(() => {})`, 0, false],
    ['asked by finish', `${failing}; await run.finish().catch(() => {})`, 0, false],
    [
      'asked too late',
      `${failing}; setTimeout(() => logged.committed.catch(() => {}), 500)`,
      0,
      false,
    ],
    ['not handled', `${failing}; await logged.committed`, 1, false],
  ]
  for (const [what, body, code, warned] of rows) {
    const { program, options } = makeProgram(t, body)
    const ended = await runNode([program], options)
    t.equal(ended.code, code, what)
    t.equal(/FILE_NOT_FOUND.*"cats" was not logged.*missing\.txt/.test(ended.stderr), warned, what)
  }
})

t.test('a failed add of an artifact that is never logged is no failure of the program', async t => {
  const { program, options } = makeProgram(
    t,
    `const artifact = new Artifact({ name: 'cats', type: 'dataset' })
     artifact.addFile('missing.txt')
     artifact.addDir('missing')
     artifact.addDir('.', { ignore: ['/home', '/home/**'], name: '../bad' })
     artifact.addDir('.', { signal: AbortSignal.abort() })`,
  )
  t.match(await runNode([program], options), { code: 0, stdout: '', stderr: '' })
})

t.test('what the function of newFile throws is told even if nobody awaits it', async t => {
  const { program, options } = makeProgram(
    t,
    `const artifact = new Artifact({ name: 'cats', type: 'dataset' })
     artifact.newFile('rows.csv', () => { throw new Error('no more rows') })`,
  )
  const { code, stderr } = await runNode([program], options)
  t.equal(code, 1)
  t.match(stderr, /no more rows/)
})

t.test('reading keeps no program alive', async t => {
  const { program, options } = makeProgram(
    t,
    `${LOGS}
     await run.finish()
     const used = await run.useArtifact('race')
     const root = await used.download({ root: 'out' })
     console.log((await used.verify(root)).problems.length)`,
  )
  t.match(await runNode([program], options), { code: 0, stdout: '0\n', stderr: '' })
})
