/**
 * 50,000 new files of 10 KiB to a server on loopback, as commands: `put`, `sync`, `get` elsewhere
 * from the server and `get` here from the store; seconds, CPU of client and server, requests and
 * peak memory. `sync` is compared with `put`, and `get` from the server with `get` from the store.
 *
 *     npm run build && node dist/bench/sync.js [--rounds 5] [--files 50000] [--size 10240]
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { makeEvenTree } from '../fixtures/make-even-tree.js'
import {
  describeMachine,
  type Measured,
  makeWorkFolder,
  readOptions,
  runArtifact,
  runShell,
  startServer,
  summarize,
  warm,
} from './harness.js'

interface Step {
  seconds: number[]
  clientCpu: number[]
  serverCpu: number[]
  clientMiB: number[]
  serverMiB: number[]
  requests: number[]
}

const { rounds, files, size } = readOptions({ files: 50_000, size: 10 * 1024 })
const work = makeWorkFolder('sync')
const tree = join(work.path, 'tree')
makeEvenTree(tree, { files, size, folders: 100 })
runShell('sync')

const steps = new Map<string, Step>()
for (let round = 0; round < rounds; round += 1) {
  const folder = join(work.path, `round-${round}`)
  mkdirSync(folder)
  const server = await startServer(join(folder, 'server'))
  const env = (home: string) => ({
    ARTIFACT_HOME: join(folder, home),
    ARTIFACT_REMOTE: server.url,
  })
  const run = (name: string, args: string[], home = 'home') => {
    const before = server.usage()
    const measured = runArtifact([...args, '--json'], env(home))
    const after = server.usage()
    const serverCpu = after.cpuSeconds - before.cpuSeconds
    note(name, measured, { serverCpu, serverMiB: after.peakMiB })
  }
  const get = (out: string) => ['get', 'tree', '--root', join(folder, out)]
  try {
    warm(tree)
    run('put', ['put', tree, '-n', 'tree'])
    run('sync', ['sync'])
    run('get, from the server', get('fetched'), 'elsewhere')
    run('get', get('out'))
  } finally {
    await server.stop()
  }
  process.stderr.write(`round ${round + 1} of ${rounds}\n`)
}
work.remove()

console.log(`${files} files of ${size} B; ${rounds} rounds; ${describeMachine()}\n`)
console.log(
  '| step | seconds | ratio | CPU, s: client, server | requests | peak MiB: client, server |',
)
console.log('|---|---|---|---|---|---|')
const bases: Record<string, string> = { sync: 'put', 'get, from the server': 'get' }
for (const [name, step] of steps) {
  const base = steps.get(bases[name] ?? '')
  const ratios = base && step.seconds.map((value, round) => value / base.seconds[round]!)
  const cells = [
    name,
    summarize(step.seconds).text,
    ratios ? `${summarize(ratios).text} × ${bases[name]}` : '–',
    [step.clientCpu, step.serverCpu].map(values => summarize(values).median.toFixed(2)).join(', '),
    step.requests.length > 0 ? Math.max(...step.requests) : '–',
    [step.clientMiB, step.serverMiB].map(values => Math.round(Math.max(...values))).join(', '),
  ]
  console.log(`| ${cells.join(' | ')} |`)
}

function note(
  name: string,
  { seconds, peakMiB, cpuSeconds, stdout }: Measured,
  { serverCpu, serverMiB }: { serverCpu: number; serverMiB: number },
): void {
  const empty = () => ({
    seconds: [],
    clientCpu: [],
    serverCpu: [],
    clientMiB: [],
    serverMiB: [],
    requests: [],
  })
  const step: Step = steps.get(name) ?? empty()
  steps.set(name, step)
  step.seconds.push(seconds)
  step.clientCpu.push(cpuSeconds)
  step.serverCpu.push(serverCpu)
  step.clientMiB.push(peakMiB)
  step.serverMiB.push(serverMiB)
  const { requests } = JSON.parse(stdout)
  if (typeof requests === 'number') step.requests.push(requests)
}
