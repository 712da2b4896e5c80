import { join } from 'node:path'
import t from 'tap'
import { cliIn, runCli } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { useHome } from '../../fixtures/use-home.js'
import { sharedStore } from '../../src/artifact/shared-store.js'
import { Artifact, init } from '../../src/index.js'

const { folder, home } = useHome(t, { 'a.txt': 'a' })
const cli = cliIn(folder, home)

/** A run of a project that uses these and logs those. */
async function work(project: string, { uses, logs }: { uses: string[]; logs: string[] }) {
  const run = await init({ project, jobType: 'work', name: `in ${project}` })
  for (const name of uses) await run.useArtifact(name)
  for (const name of logs) {
    const artifact = new Artifact({ name, type: 'dataset' })
    await artifact.newFile('a.txt', name)
    run.logArtifact(artifact)
  }
  await run.finish()
  return run.id
}

/** The tree with letters for runs. */
function simplify(stdout: string, runs: Record<string, string>): string[] {
  let text = stdout
  for (const [letter, id] of Object.entries(runs)) text = text.replaceAll(id, letter)
  return text.trimEnd().split('\n')
}

const runs: Record<string, string> = {}

t.before(async () => {
  runs.A = await work('p', { uses: [], logs: ['raw'] })
  runs.B = await work('q', { uses: ['p/raw'], logs: ['clean', 'rest'] })
  runs.C = await work('r', { uses: ['q/clean:v0', 'q/rest'], logs: ['model'] })
  // It closes a circle: what it logs is there already.
  runs.D = await work('p', { uses: ['r/model'], logs: ['raw'] })
  await cli(['put', 'a.txt', '-n', 'p/alone'])
})

t.test('the graph is drawn in both directions, through projects, and every node once', async t => {
  const { code, stdout } = await cli(['lineage', 'q/clean'])
  t.equal(code, 0)
  const lines = simplify(stdout, runs)
  t.equal(lines[0], 'q/clean:v0  (pending)')
  const tree = (from: string) => lines.slice(lines.indexOf(from) + 1)
  t.same(tree('upstream').slice(0, 2), [
    '└─ logged by run q/B (in q, work)',
    '   └─ used p/raw:v0  (pending)',
  ])
  t.equal(lines.filter(line => line.endsWith('run p/A (in p, work)')).length, 1)
  t.same(tree('downstream').slice(0, 3), [
    '└─ used by run r/C (in r, work)',
    '   └─ logged r/model:v0  (pending)',
    '      └─ used by run p/D (in p, work)',
  ])
  const ends = lines.filter(line => line.endsWith('(see above)'))
  t.ok(ends.length > 0, 'what was drawn already is not drawn again')
})

t.test('one direction, and so many runs', async t => {
  const up = await cli(['lineage', 'r/model', '--upstream', '--depth', '1'])
  t.same(simplify(up.stdout, runs).slice(0, 3), [
    'r/model:v0  (pending)',
    'upstream',
    '└─ logged by run r/C (in r, work)',
  ])
  t.equal(up.stdout.match(/used q\//g)?.length, 2)
  t.notMatch(up.stdout, /downstream|raw/)
  const down = await cli(['lineage', 'p/raw', '--downstream', '--depth', '1'])
  t.match(down.stdout, /used by run q/)
  t.notMatch(down.stdout, /upstream|model/)
  const alone = await cli(['lineage', 'p/alone'])
  t.same(alone.stdout.split('\n').slice(1, 5), [
    'upstream',
    '└─ nothing is known',
    'downstream',
    '└─ nothing is known',
  ])
  t.equal((await cli(['lineage', 'p/raw', '--depth', 'x'])).code, 2)
  t.equal((await cli(['lineage', 'p/nothing'])).code, 3)
})

t.test('with --json it is nodes and edges, the same on a second store', async t => {
  const { json } = await cli(['lineage', 'p/raw', '--json'])
  const names = new Map<string, string>(
    json.nodes.map((node: Record<string, string>) => [
      node.id,
      node.kind === 'run' ? simplify(node.run!, runs)[0]! : `${node.name}:v${node.number}`,
    ]),
  )
  const edges = json.edges.map(({ from, to }: Record<string, string>) => {
    return `${names.get(from!)} ${names.get(to!)}`
  })
  t.equal(names.get(json.root), 'raw:v0')
  t.same(
    edges.sort(),
    [
      ...['A raw:v0', 'raw:v0 B', 'B clean:v0', 'B rest:v0', 'clean:v0 C', 'rest:v0 C'],
      ...['C model:v0', 'model:v0 D', 'D raw:v0'],
    ].sort(),
  )
  t.equal(json.resolved, 'local')

  const server = await serveProcess(t, join(folder, 'served'))
  const env = { ARTIFACT_REMOTE: server.url }
  const synced = await cli(['sync'], { env })
  t.equal(synced.code, 0)
  t.match(synced.stdout, /4 uses of versions by runs\n/)
  const second = join(folder, 'second')
  const there = { env: { ...env, ARTIFACT_HOME: second }, cwd: folder }
  const elsewhere = await runCli(['lineage', 'p/raw', '--json'], there)
  t.match(elsewhere.json, { root: json.root, resolved: 'remote' })
  const compare = (a: { from: string; to: string }, b: { from: string; to: string }) =>
    a.from + a.to < b.from + b.to ? -1 : 1
  t.same([...elsewhere.json.edges].sort(compare), [...json.edges].sort(compare))
  t.same((await sharedStore(home).catalog.listPending()).items, [])
  await server.stop()
  const offline = await cli(['lineage', 'p/raw'], { env })
  t.match(offline.stderr, /did not answer/)
  t.match(offline.stdout, /used by run q/)
})
