import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { seededBytes } from '../fixtures/make-even-tree.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
export const CLI = join(root, 'dist/bin/artifact.js')
const RECORDER = join(root, 'bench/record-peak.mjs')

/** Certificates that a machine adds are read whole by every Node that starts, which is not ours to measure. */
const { NODE_EXTRA_CA_CERTS: _, ...own } = process.env
const ENVIRONMENT = { ...own, ARTIFACT_DAEMON: 'never' }

export interface Measured {
  seconds: number
  /** Peak resident memory of all threads. */
  peakMiB: number
  /** CPU time of all threads. */
  cpuSeconds: number
  stdout: string
}

/** The options of a script: `--rounds`, and those that it names; all are numbers but `--venv`. */
export function readOptions<Name extends string>(
  defaults: Record<Name, number>,
): Record<Name | 'rounds', number> & { venv?: string } {
  const all: Record<string, number> = { rounds: 5, ...defaults }
  const { values } = parseArgs({
    options: Object.fromEntries(
      [...Object.keys(all), 'venv'].map(name => [name, { type: 'string' as const }]),
    ),
  })
  const { venv, ...numbers } = values as Record<string, string | undefined>
  for (const [name, text] of Object.entries(numbers)) all[name] = Number(text)
  return { ...(all as Record<Name | 'rounds', number>), venv }
}

/** Writes and flushes a file of so many MiB, no two of them alike, that does not compress. */
export function makeLargeFile(path: string, mib: number): void {
  const bytes = seededBytes('large', 2 ** 20)
  const fd = openSync(path, 'w')
  for (let index = 0; index < mib; index += 1) {
    for (let at = 0; at < bytes.length; at += 4096) bytes.writeUInt32LE(index, at)
    writeSync(fd, bytes)
  }
  fsyncSync(fd)
  closeSync(fd)
}

/** Reads a tree, so that whoever comes next finds it in the page cache. */
export function warm(tree: string): void {
  runShell(`find '${tree}' -type f -exec cat {} + > /dev/null`)
}

/** A fresh folder for one script; everything in it is deleted at the very end, not between runs. */
export function makeWorkFolder(name: string): { path: string; remove(): void } {
  const base = process.env.BENCH_DIR ?? join(root, 'node_modules/.bench')
  mkdirSync(base, { recursive: true })
  const path = mkdtempSync(join(base, `${name}-`))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Runs `artifact` as a user would, process start counted. `code` is what it must exit with. */
export function runArtifact(
  args: string[],
  env: Record<string, string>,
  { code = 0 }: { code?: number } = {},
): Measured {
  return runProgram(CLI, args, env, { code })
}

/** Runs a script in a process of its own, whose start counts; `ARTIFACT_HOME` must be set. */
export function runProgram(
  script: string,
  args: string[],
  env: Record<string, string>,
  { code = 0 }: { code?: number } = {},
): Measured {
  const peak = join(env.ARTIFACT_HOME!, '..', `peak-${process.hrtime.bigint()}`)
  const started = process.hrtime.bigint()
  const result = spawnSync(process.execPath, ['--import', RECORDER, script, ...args], {
    env: { ...ENVIRONMENT, ...env, PEAK_FILE: peak },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  const seconds = Number(process.hrtime.bigint() - started) / 1e9
  if (result.status !== code) throw new Error(`${script} ${args.join(' ')}: ${result.stderr}`)
  return { seconds, ...readPeak(peak), stdout: result.stdout }
}

/** As {@link runProgram} of `artifact`, while this process goes on. */
export async function startArtifact(
  args: string[],
  env: Record<string, string>,
): Promise<Measured> {
  const peak = join(env.ARTIFACT_HOME!, '..', `peak-${process.hrtime.bigint()}`)
  const started = process.hrtime.bigint()
  const child = spawn(process.execPath, ['--import', RECORDER, CLI, ...args], {
    env: { ...ENVIRONMENT, ...env, PEAK_FILE: peak },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let stdout = ''
  child.stdout.on('data', text => {
    stdout += text
  })
  const [status] = await once(child, 'close')
  const seconds = Number(process.hrtime.bigint() - started) / 1e9
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}`)
  return { seconds, ...readPeak(peak), stdout }
}

function readPeak(path: string): { peakMiB: number; cpuSeconds: number } {
  const [kib, micros] = readFileSync(path, 'utf8').split(' ').map(Number)
  return { peakMiB: kib! / 1024, cpuSeconds: micros! / 1e6 }
}

/** @returns the seconds that it took. */
export function runShell(command: string, env: Record<string, string> = {}): number {
  const started = process.hrtime.bigint()
  const { status, stderr } = spawnSync('sh', ['-c', command], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
  })
  if (status !== 0) throw new Error(`${command}: ${stderr}`)
  return Number(process.hrtime.bigint() - started) / 1e9
}

export interface BenchServer {
  url: string
  /** Its CPU time so far, in seconds, and its peak resident memory. Linux only; elsewhere NaN. */
  usage(): { cpuSeconds: number; peakMiB: number }
  stop(): Promise<void>
}

/** A server in a process of its own, on loopback. */
export async function startServer(data: string): Promise<BenchServer> {
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
  return { url: `http://127.0.0.1:${port}`, usage: () => readUsage(child.pid!), stop }
}

/** `/proc/PID/stat` counts in hundredths of a second. */
function readUsage(pid: number): { cpuSeconds: number; peakMiB: number } {
  if (process.platform !== 'linux') return { cpuSeconds: Number.NaN, peakMiB: Number.NaN }
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    peakMiB: Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) / 1024,
  }
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

/** What was measured, row by row, in rounds that took turns. */
export class Results {
  readonly #rows = new Map<string, { seconds: number[]; peaks: number[] }>()

  add(row: string, measured: number | Measured): void {
    const known = this.#rows.get(row) ?? { seconds: [], peaks: [] }
    this.#rows.set(row, known)
    if (typeof measured === 'number') {
      known.seconds.push(measured)
    } else {
      known.seconds.push(measured.seconds)
      known.peaks.push(measured.peakMiB)
    }
  }

  /**
   * A table of the rows. Each ratio is of two times of one round; its median stands with the least
   * and the greatest.
   * @param bases the rows that all others are compared with, as far as they were measured.
   */
  format(bases: string[]): string {
    const known = bases.filter(base => this.#rows.has(base))
    const head = ['step', 'seconds', ...known.map(base => `× ${base}`), 'peak MiB']
    const lines = [...this.#rows].map(([row, { seconds, peaks }]) => {
      const ratios = known.map(base => {
        const others = this.#rows.get(base)!.seconds
        return row === base
          ? '1'
          : summarize(seconds.map((value, round) => value / others[round]!)).text
      })
      const peak = peaks.length > 0 ? String(Math.round(Math.max(...peaks))) : '–'
      return [row, summarize(seconds).text, ...ratios, peak]
    })
    return [head, head.map(() => '---'), ...lines]
      .map(cells => `| ${cells.join(' | ')} |`)
      .join('\n')
  }
}

export function describeMachine(): string {
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} cores (${cpus()[0]?.model}), ${memory} GiB, Node ${process.version}`
}
