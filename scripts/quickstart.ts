/**
 * The main job, once, on real data: log offline, sync in the background, use elsewhere.
 *
 *     npm run quickstart [-- ./your/folder]
 *
 * Everything happens through the commands that a user has. What it starts, it stops; what it
 * makes lies in one new folder under ./quickstart-data.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  appendFileSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { SingleBar } from 'cli-progress'
import { count, formatBytes } from '../cli/format.js'

const NAME = 'quickstart/vega'
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const cli = join(root, 'dist/cli/artifact.js')
const daemonCli = join(root, 'dist/cli/artifactd.js')
const started: ChildProcess[] = []

/** How long the daemon and the server together may take for one version. */
const SYNC_SECONDS = 600

interface Status {
  pending: number
  failed: number
  reachable: boolean
  versions: { bytesTotal?: number; bytesSent?: number; error?: { message: string } }[]
}

async function main(): Promise<void> {
  const given = process.argv[2]
  const source = given ? resolve(given) : join(root, 'node_modules/vega-datasets/data')
  if (!existsSync(source)) throw new Error(`there is no folder ${source}`)
  const work = makeWorkFolder()
  const data = join(work, 'data')
  cpSync(source, data, { recursive: true, dereference: true, mode: constants.COPYFILE_FICLONE })
  const files = listFiles(data)
  if (files.length === 0) throw new Error(`${source} holds no files`)
  const total = files.reduce((sum, file) => sum + statSync(file).size, 0)
  say(`Data: ${count(files.length, 'file')}, ${formatBytes(total)}, copied from ${source}`)
  say(`Everything of this run lies in ${work}`)

  const port = await freePort()
  const remote = `http://127.0.0.1:${port}`
  const here = { ARTIFACT_HOME: join(work, 'home'), ARTIFACT_REMOTE: remote }

  step('Log it, with no server in reach')
  const first = await put(data, here)
  say(`${NAME}:${first.version} is durable: ${formatBytes(first.dedup.newBytes)} stored`)
  const before = await status(here)
  say(
    `status: ${before.pending} pending; the remote ${remote} ${before.reachable ? 'answers' : 'does not answer'}`,
  )

  step('Start a server with an empty folder, and artifactd')
  const serverData = join(work, 'server')
  start(
    [cli, 'server', '--listen', `127.0.0.1:${port}`, '--data', serverData],
    {},
    'server.log',
    work,
  )
  start([daemonCli], here, 'artifactd.log', work)
  const synced = await waitUntilSynced(here, total)
  say(`${NAME}:v0 is on the server, ${synced.toFixed(1)} s after artifactd started`)
  const stored = folderBytes(serverData)

  step('Change one file, and log again')
  const changed = pickFile(files)
  appendFileSync(changed, '\n')
  say(`changed ${relative(data, changed)} (${formatBytes(statSync(changed).size)})`)
  const second = await put(data, here)
  await waitUntilSynced(here, statSync(changed).size)
  const grown = folderBytes(serverData) - stored
  say(
    `${NAME}:${second.version}: ${formatBytes(second.dedup.newBytes)} new of ${formatBytes(second.size)};`,
  )
  say(
    `the server grew by ${formatBytes(grown)}, that file and the part of the manifest that names it`,
  )

  step('Use it on another machine: an empty store, only the name')
  const elsewhere = { ARTIFACT_HOME: join(work, 'elsewhere/home'), ARTIFACT_REMOTE: remote }
  const target = join(work, 'elsewhere/vega')
  const got = (await artifact(
    ['get', `${NAME}:latest`, '--root', target, '--json'],
    elsewhere,
  )) as {
    version: string
    downloadedBytes: number
  }
  say(`got ${NAME}:${got.version}: ${formatBytes(got.downloadedBytes)} downloaded and verified`)
  compare(data, target)
  say(`every byte of ${count(files.length, 'file')} is the same`)

  step('What next')
  const shown = relative(process.cwd(), work) || work
  say(`export ARTIFACT_HOME=${shown}/home`)
  say(`npx artifact ls ${NAME}          # the versions`)
  say(`npx artifact show ${NAME}        # one of them`)
  say(`npx artifact verify ${NAME}      # hash it again`)
  say(`npx artifact put ./your/folder -n my-project/my-data`)
}

function makeWorkFolder(): string {
  const stamp = new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-')
  for (let number = 1; ; number += 1) {
    const path = resolve('quickstart-data', number === 1 ? stamp : `${stamp}-${number}`)
    if (existsSync(path)) continue
    mkdirSync(path, { recursive: true })
    return path
  }
}

/** A small file, so that what travels shows. */
function pickFile(files: string[]): string {
  const sorted = [...files].sort((a, b) => statSync(a).size - statSync(b).size)
  return sorted[Math.floor(sorted.length / 4)]!
}

async function put(data: string, env: Record<string, string>) {
  const args = ['put', data, '-n', NAME, '-d', `quickstart data from ${basename(data)}`, '--json']
  return (await artifact(args, { ...env, ARTIFACT_DAEMON: 'never' })) as {
    version: string
    size: number
    dedup: { newBytes: number }
  }
}

async function status(env: Record<string, string>): Promise<Status> {
  return (await artifact(['status', '--json'], env)) as Status
}

/** @returns the seconds it took. */
async function waitUntilSynced(env: Record<string, string>, bytes: number): Promise<number> {
  const began = Date.now()
  const bar = new SingleBar({
    format: '  syncing {bar} {percentage}%  {done} of {all}',
    clearOnComplete: true,
    hideCursor: true,
  })
  const all = formatBytes(bytes)
  bar.start(Math.max(bytes, 1), 0, { done: formatBytes(0), all })
  try {
    for (;;) {
      const now = await status(env)
      if (now.failed > 0) throw new Error(now.versions[0]?.error?.message ?? 'a version failed')
      const sent = now.versions.reduce((sum, version) => sum + (version.bytesSent ?? 0), 0)
      const done = now.pending === 0 ? bytes : Math.min(sent, bytes)
      bar.update(done, { done: formatBytes(done), all })
      if (now.pending === 0) return (Date.now() - began) / 1000
      if (Date.now() - began > SYNC_SECONDS * 1000) throw new Error('the sync takes too long')
      await sleep(100)
    }
  } finally {
    bar.stop()
  }
}

/** Runs one command to its end, with its progress bar on this terminal. @returns its JSON. */
function artifact(args: string[], env: Record<string, string>): Promise<unknown> {
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, [cli, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', text => {
      output += text
    })
    child.once('error', reject)
    child.once('close', code => {
      if (code === 0) done(JSON.parse(output))
      else reject(new Error(`artifact ${args.join(' ')} ended with ${code}`))
    })
  })
}

function start(args: string[], env: Record<string, string>, log: string, work: string): void {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const write = (text: Buffer) => appendFileSync(join(work, log), text)
  child.stdout.on('data', write)
  child.stderr.on('data', write)
  started.push(child)
}

async function stopAll(): Promise<void> {
  for (const child of started.reverse()) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const exited = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGTERM')
    await exited
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as { port: number }
  await new Promise(closed => server.close(closed))
  return port
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
}

function folderBytes(folder: string): number {
  return listFiles(folder).reduce((sum, file) => sum + statSync(file).size, 0)
}

function compare(left: string, right: string): void {
  const files = listFiles(left).map(file => relative(left, file))
  const others = new Set(listFiles(right).map(file => relative(right, file)))
  for (const file of files) {
    if (!others.delete(file)) throw new Error(`${file} is missing`)
    if (!readFileSync(join(left, file)).equals(readFileSync(join(right, file)))) {
      throw new Error(`${file} differs`)
    }
  }
  if (others.size > 0) throw new Error(`${[...others][0]} is there in excess`)
}

let steps = 0

function step(title: string): void {
  steps += 1
  console.log(`\n${steps}. ${title}`)
}

function say(text: string): void {
  console.log(`   ${text}`)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void stopAll().finally(() => process.exit(130))
  })
}

try {
  await main()
} catch (error) {
  console.error(`\nquickstart: ${(error as Error).message}`)
  process.exitCode = 1
} finally {
  await stopAll()
}
