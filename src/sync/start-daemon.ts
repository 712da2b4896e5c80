import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ensureFolder } from '../disk/publish.js'
import { ArtifactError, storeError } from '../errors.js'
import { homePaths } from '../model/home.js'
import { connectDaemon } from './daemon-client.js'

/** The daemon is another program, which this one only starts. */
const MAIN = fileURLToPath(import.meta.resolve('#daemon'))
/** How long a daemon may take to answer, in milliseconds. */
const START_MS = 5000
const PAUSE_MS = 25

export interface StartOptions {
  /** The environment of the daemon; `ARTIFACT_HOME` is set to `home`. */
  env: Record<string, string | undefined>
  /** The daemon ends after so many seconds without work. Default: it does not. */
  idleSeconds?: number
  /** Wait until it answers. Default true; without it, `pid` is that of the process begun. */
  wait?: boolean
}

/**
 * Sees to it that an artifactd runs for the store at `home`: starts one, detached, if none
 * answers. What it prints goes to the log file in the store.
 *
 * @throws `DAEMON_FAILED` when it does not answer within 5 seconds, or ends before.
 */
export async function startDaemon(
  home: string,
  { env, idleSeconds, wait = true }: StartOptions,
): Promise<{ started: boolean; pid: number }> {
  const running = await findPid(home)
  if (running !== undefined) return { started: false, pid: running }
  const args = idleSeconds === undefined ? [] : ['--idle', String(idleSeconds)]
  const child = spawnDaemon(home, args, env)
  if (!wait) {
    // Nobody is there to hear of it; the log of the daemon has the reason.
    child.on('error', () => {})
    return { started: true, pid: child.pid ?? 0 }
  }
  return awaitDaemon(home, child)
}

function spawnDaemon(home: string, args: string[], env: StartOptions['env']): ChildProcess {
  let log: number
  try {
    ensureFolder(home)
    log = openSync(homePaths(home).daemonLog, 'a', 0o600)
  } catch (error) {
    throw storeError(error, 'opening the log of artifactd')
  }
  try {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: home,
      detached: true,
      env: { ...env, ARTIFACT_HOME: home },
      stdio: ['ignore', log, log],
    })
    child.unref()
    return child
  } finally {
    closeSync(log)
  }
}

async function awaitDaemon(home: string, child: ChildProcess) {
  const ended = new Promise<string>(resolve => {
    child.once('error', error => resolve(error.message))
    child.once('exit', (code, signal) => resolve(`it ended with ${signal ?? `code ${code}`}`))
  })
  let reason: string | undefined
  void ended.then(text => {
    reason = text
  })
  for (const deadline = Date.now() + START_MS; Date.now() < deadline; await sleep(PAUSE_MS)) {
    const over = reason
    // One that was begun at the same moment may be the one that answers.
    const pid = await findPid(home)
    if (pid !== undefined) return { started: pid === child.pid, pid }
    if (over !== undefined && child.exitCode !== 1) break
  }
  const { daemonLog } = homePaths(home)
  throw new ArtifactError(
    'DAEMON_FAILED',
    `artifactd did not start: ${reason ?? 'it does not answer'}; see ${daemonLog}`,
    { details: { log: daemonLog, pid: child.pid } },
  )
}

/** One that listens runs, even if it is stopped at the moment. */
async function findPid(home: string): Promise<number | undefined> {
  const daemon = await connectDaemon(home)
  daemon?.close()
  return daemon?.pid
}
