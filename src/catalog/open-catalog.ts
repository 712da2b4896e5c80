import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { ArtifactError, type ErrorData, storeError } from '../errors.js'
import { connectTo } from '../ipc/endpoint.js'
import { ConnectionLost, RpcClient } from '../ipc/rpc.js'
import { homePaths } from '../model/home.js'
import type { Catalog } from './catalog.js'
import { CATALOG_METHODS } from './host.js'

/** How long a store may be held by a process that does not serve it, before a call gives up. */
const BUSY_MS = 10_000
/** Pause between attempts to reach a host or to become it; doubles up to 200 ms. */
const FIRST_PAUSE_MS = 10

type HostMessage = { state: 'ready' | 'locked' } | { state: 'failed'; error: ErrorData }

export interface OpenCatalog {
  catalog: Catalog
  /** Takes a lock that ends with this process or with `close`. False when another holds it. */
  tryLock(name: string): Promise<boolean>
  close(): Promise<void>
}

/**
 * Opens the catalog of a store from any process: through the host where there is one, else by
 * becoming the host, in a worker thread of its own. A call whose host dies or retires is asked
 * again of the next one, which is safe because every call may be repeated.
 *
 * @throws `STORE_BUSY` when another process holds the store for 10 seconds without serving it.
 */
export function openCatalog(home: string): OpenCatalog {
  const link = new HostLink(home)
  const catalog = Object.fromEntries(
    CATALOG_METHODS.map(name => [name, (...args: unknown[]) => link.call(name, args)]),
  ) as unknown as Catalog
  return {
    catalog,
    tryLock: name => link.call<boolean>('tryLock', [name]),
    close: () => link.close(),
  }
}

class HostLink {
  readonly #home: string
  #client: Promise<RpcClient> | undefined
  #worker: Worker | undefined
  #closed = false

  constructor(home: string) {
    this.#home = home
  }

  async call<T>(method: string, args: unknown[]): Promise<T> {
    for (;;) {
      if (this.#closed) throw new ArtifactError('STORE_FAILED', 'the store is closed')
      this.#client ??= this.#connect().catch(error => {
        this.#client = undefined
        throw storeError(error, `reaching the catalog of ${this.#home}`)
      })
      const connecting = this.#client
      const client = await connecting
      try {
        return await client.call<T>(method, args)
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
        // Another call that was lost with this one may have connected again already.
        if (this.#client === connecting) this.#client = undefined
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const client = await this.#client?.catch(() => undefined)
    client?.close()
    const worker = this.#worker
    if (!worker) return
    worker.ref()
    const exited = once(worker, 'exit')
    worker.postMessage('close')
    await exited
  }

  async #connect(): Promise<RpcClient> {
    const deadline = Date.now() + BUSY_MS
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, 200)) {
      const socket = await connectTo(homePaths(this.#home).host, 'host')
      if (socket) return new RpcClient(socket)
      if (await this.#becomeHost()) continue
      if (Date.now() > deadline) {
        throw new ArtifactError('STORE_BUSY', `${this.#home} is held by a process that is silent`)
      }
      await sleep(pause)
    }
  }

  async #becomeHost(): Promise<boolean> {
    const worker = new Worker(new URL('./host-worker.js', import.meta.url), {
      workerData: { home: this.#home },
      name: 'artifactd-host',
      execArgv: [],
    })
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined
    })
    const [message] = (await once(worker, 'message')) as [HostMessage]
    if (message.state === 'failed') throw ArtifactError.from(message.error)
    if (message.state === 'locked') return false
    this.#worker = worker
    worker.unref()
    return true
  }
}
