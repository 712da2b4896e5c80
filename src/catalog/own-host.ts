import { Worker } from 'node:worker_threads'
import { ArtifactError, type ErrorData } from '../errors.js'
import { ownTurn } from '../hash/own-turn.js'
import { WORKER_OPTIONS } from '../hash/worker-options.js'
import type { ProtocolRange } from '../ipc/announcement.js'
import type { Caller } from '../ipc/rpc.js'

/** Where a process serves a catalog itself, when it becomes its host. */
export type HostPlace = 'thread' | 'here'

export interface OwnHostOptions {
  protocol: ProtocolRange
  place: HostPlace
  /** Called when a newer program asks the host to make room for it. */
  onRetire(): void
}

/** The host of a catalog that this process started. It does not keep the process. */
export interface OwnHost {
  /** Where it announced itself: in the store, unless that is read-only. */
  folder: string
  /** For calls from this thread; one that runs in another is reached as any host. */
  connect?(): Caller
  ended: Promise<void>
  close(): Promise<void>
}

/**
 * Becomes the host of a catalog: in a worker thread of its own, so that nothing it does keeps a
 * program's event loop, or here, which starts faster, for a process that has nothing else to do.
 *
 * @returns null when another process is the host.
 */
export function startOwnHost(home: string, options: OwnHostOptions): Promise<OwnHost | null> {
  return options.place === 'here' ? startHere(home, options) : startThread(home, options)
}

async function startHere(
  home: string,
  { protocol, onRetire }: OwnHostOptions,
): Promise<OwnHost | null> {
  const { serveCatalog } = await import('./host.js')
  return serveCatalog(home, { protocol, onRetire, keepAlive: false })
}

type HostMessage =
  | { state: 'ready'; folder: string }
  | { state: 'locked' }
  | { state: 'retired' }
  | { state: 'failed'; error: ErrorData }

async function startThread(
  home: string,
  { protocol, onRetire }: OwnHostOptions,
): Promise<OwnHost | null> {
  await ownTurn()
  const worker = new Worker(new URL('./host-worker.js', import.meta.url), {
    ...WORKER_OPTIONS,
    workerData: { home, protocol },
    name: 'artifactd-host',
  })
  const ended = new Promise<void>(resolve => worker.once('exit', () => resolve()))
  worker.on('message', ({ state }: HostMessage) => {
    if (state === 'retired') onRetire()
  })
  const message = await firstAnswer(worker)
  if (message.state === 'failed') throw ArtifactError.from(message.error)
  if (message.state === 'locked') return null
  worker.unref()
  const close = async () => {
    worker.ref()
    worker.postMessage('close')
    await ended
  }
  return { folder: message.folder, ended, close }
}

/** What became of a worker that was to be the host. */
function firstAnswer(worker: Worker): Promise<Exclude<HostMessage, { state: 'retired' }>> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: HostMessage) => {
      if (message.state !== 'retired') resolve(message)
    })
    worker.once('error', reject)
    worker.once('exit', code => reject(new Error(`the thread of the host ended with ${code}`)))
  })
}
