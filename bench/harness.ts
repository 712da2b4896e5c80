import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
export const CLI = join(root, 'dist/cli/artifact.js')
const RECORDER = join(root, 'bench/record-peak.mjs')

export interface Measured {
  seconds: number
  /** Peak resident memory of all threads. */
  peakMiB: number
  stdout: string
}

/** A fresh folder for one script; everything in it is deleted at the very end, not between runs. */
export function makeWorkFolder(name: string): { path: string; remove(): void } {
  const base = process.env.BENCH_DIR ?? join(root, 'node_modules/.bench')
  mkdirSync(base, { recursive: true })
  const path = mkdtempSync(join(base, `${name}-`))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Bytes that do not compress and are the same for the same seed. */
export function seededBytes(seed: string, length: number): Buffer {
  const blocks: Buffer[] = []
  for (let index = 0; index * 32 < length; index += 1) {
    blocks.push(createHash('sha256').update(`${seed}/${index}`).digest())
  }
  return Buffer.concat(blocks).subarray(0, length)
}

/** `files` files of `size` bytes, no two alike, in `folders` folders. */
export function makeTree(
  path: string,
  { files, size, folders }: { files: number; size: number; folders: number },
): void {
  const bytes = seededBytes('tree', size)
  for (let folder = 0; folder < folders; folder += 1) {
    mkdirSync(join(path, `d${folder}`), { recursive: true })
  }
  for (let index = 0; index < files; index += 1) {
    bytes.writeUInt32LE(index, 0)
    writeFileSync(join(path, `d${index % folders}`, `f${index}.bin`), bytes)
  }
}

/** Runs `artifact` as a user would, process start counted. */
export function runArtifact(args: string[], env: Record<string, string>): Measured {
  return runProgram(CLI, args, env)
}

/** Runs a script in a process of its own, whose start counts; `ARTIFACT_HOME` must be set. */
export function runProgram(script: string, args: string[], env: Record<string, string>): Measured {
  const peak = join(env.ARTIFACT_HOME!, '..', `peak-${process.hrtime.bigint()}`)
  const started = process.hrtime.bigint()
  const result = spawnSync(process.execPath, ['--import', RECORDER, script, ...args], {
    env: { ...process.env, ARTIFACT_DAEMON: 'never', ...env, PEAK_FILE: peak },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  const seconds = Number(process.hrtime.bigint() - started) / 1e9
  if (result.status !== 0) throw new Error(`${script} ${args.join(' ')}: ${result.stderr}`)
  return { seconds, peakMiB: Number(readFileSync(peak, 'utf8')) / 1024, stdout: result.stdout }
}

export function runShell(command: string): number {
  const started = process.hrtime.bigint()
  const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command}: ${stderr}`)
  return Number(process.hrtime.bigint() - started) / 1e9
}

/** A server in a process of its own, on loopback. */
export async function startServer(data: string): Promise<{ url: string; stop(): Promise<void> }> {
  const port = await freePort()
  const child = spawn(
    process.execPath,
    [CLI, 'server', '--listen', `127.0.0.1:${port}`, '--data', data],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', text => {
      if (String(text).includes('artifactd server on')) resolve()
    })
    child.once('exit', code => reject(new Error(`the server ended with ${code}`)))
  })
  child.stderr.resume()
  const stop = async () => {
    const exited = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGTERM')
    await exited
  }
  return { url: `http://127.0.0.1:${port}`, stop }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

/** Median with the least and the greatest, for a table. */
export function summarize(values: number[]): { median: number; text: string } {
  const sorted = [...values].sort((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)]!
  const digits = (value: number) => value.toPrecision(3)
  return { median, text: `${digits(median)} (${digits(sorted[0]!)}–${digits(sorted.at(-1)!)})` }
}

export function describeMachine(): string {
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} cores (${cpus()[0]?.model}), ${memory} GiB, Node ${process.version}`
}
